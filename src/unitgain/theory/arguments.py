"""What the predictions take: numbers or tensors, each held to its rule, and elementwise functions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]
Number = float | Tensor
Rule = tuple[str, Callable[[Tensor], Tensor]]

SMALL, LARGE = 1e-30, 1e30  # variances that stand for the limits 0 and infinity

AT_LEAST_0: Rule = ("finite and at least 0", lambda x: (x >= 0) & x.isfinite())
ABOVE_0: Rule = ("finite and above 0", lambda x: (x > 0) & x.isfinite())
AT_LEAST_1: Rule = ("finite and at least 1", lambda x: (x >= 1) & x.isfinite())
ANY: Rule = ("finite", torch.isfinite)
RULES: dict[str, Rule] = {  # the others are variances and the like: AT_LEAST_0
    "q": ("at least 0", lambda x: x >= 0),
    "start": (f"from {SMALL} to {LARGE}", lambda x: (x >= SMALL) & (x <= LARGE)),
    "c": ("from -1 to 1", lambda x: x.abs() <= 1),
    "momentum": ("at least 0 and below 1", lambda x: (x >= 0) & (x < 1)),
    **dict.fromkeys(("fan_in", "fan_out", "width"), AT_LEAST_1),
    **dict.fromkeys(("smallest", "largest", "bias"), ABOVE_0),
    **dict.fromkeys(("low", "high", "mean", "weight", "x"), ANY),
}


def as_numbers(owner: str, **values: Number) -> list[Tensor]:
    """The arguments as float64 tensors of one shape, each held to its rule, on the tensors' device."""
    device = next((x.device for x in values.values() if isinstance(x, Tensor)), None)
    tensors = [
        x.detach().double() if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.float64, device=device)
        for x in values.values()
    ]
    for name, x in zip(values, tensors, strict=True):
        rule, holds = RULES.get(name, AT_LEAST_0)
        good = holds(x)
        if not good.all():
            raise ValueError(f"{owner}: {name} must be {rule}, got {x[~good].flatten()[0].item():g}")
    try:
        return list(torch.broadcast_tensors(*tensors))
    except RuntimeError:
        shapes = ", ".join(str(tuple(x.shape)) for x in tensors)
        raise ValueError(f"{owner}: {', '.join(values)} must broadcast, got shapes {shapes}") from None


def check_order(owner: str, **pair: Tensor) -> None:
    (first, low), (second, high) = pair.items()
    right = low <= high
    if not right.all():
        got = f"{low[~right][0].item():g} and {high[~right][0].item():g}"
        raise ValueError(f"{owner}: {first} must be at most {second}, got {got}")


def check_function(owner: str, function: Function, device: torch.device) -> None:
    if not callable(function):
        raise ValueError(f"{owner}: function must be a callable, got {function!r}")
    x = torch.linspace(-3, 3, 4, dtype=torch.float64, device=device)
    with torch.no_grad():
        y = function(x)
    if y.shape != x.shape or not y.isfinite().all():
        got = f"shape {tuple(y.shape)}" if y.shape != x.shape else f"{y.tolist()}"
        raise ValueError(f"{owner}: function must map each of {x.tolist()} to a finite number, got {got}")
