"""What a loss is: asked as a black box, since it may be any function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["KNOWN", "Kind", "canonical", "identify", "named_loss", "prediction"]

KNOWN: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": F.cross_entropy,
    "nll": F.nll_loss,
    "binary_cross_entropy": F.binary_cross_entropy,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
}
ALIASES = {
    "bce": "binary_cross_entropy",
    "bce_with_logits": "binary_cross_entropy_with_logits",
    "mse_loss": "mse",
    "squared_error": "mse",
    "mean_squared_error": "mse",
    "l1_loss": "l1",
    "mae": "l1",
    "smooth_l1": "huber",
    "nll_loss": "nll",
}
DISTANCES = ("mse", "l1", "huber")
NEAR = 1e-3  # relative, of two losses that are one


class Kind(NamedTuple):
    """Which of KNOWN a loss is, and whether it sums over the examples."""

    name: str | None
    summed: bool = False

    @property
    def squared(self) -> bool:
        """Whether it compares numbers, as a regression does."""
        return self.name in DISTANCES


def named_loss(loss: Any) -> Callable[[Any, Any], Tensor]:
    """A function of output and target: from a name, a function or module, or None, the loss that fits."""
    if loss is None:
        return _fitting
    if isinstance(loss, str):
        name = ALIASES.get(loss.lower(), loss.lower())
        if name not in KNOWN:
            raise ValueError(f"checkup: loss must be one of {', '.join(KNOWN)}, or a function, got {loss!r}")
        return KNOWN[name]
    if not callable(loss):
        raise TypeError(f"checkup: loss must be a name, a function or None, got {type(loss).__name__}")
    return loss


def _fitting(output: Any, target: Any) -> Tensor:
    """The loss that the model returns itself, or the one that fits the targets."""
    own = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
    if isinstance(own, Tensor):
        return own
    if isinstance(output, (tuple, list)):
        output = output[0]
    if not isinstance(target, Tensor):
        if isinstance(output, Tensor) and output.ndim == 0:
            return output
        raise ValueError("checkup: loss must be given, since the batch holds no targets")
    return KNOWN[canonical(output, target)](output, target)


def canonical(output: Tensor, target: Tensor) -> str:
    """The name of the loss that fits a target: of classes, of yes and no, or of numbers."""
    if not target.is_floating_point():
        if output.ndim == target.ndim + 1:
            return "cross_entropy"
        return "binary_cross_entropy_with_logits" if int(target.max()) <= 1 else "mse"
    if bool(((target == 0) | (target == 1)).all()):
        sums = target.sum(-1) if target.ndim > 1 and target.shape[-1] > 1 else None
        one_hot = sums is not None and bool((sums == 1).all()) and output.shape == target.shape
        return "cross_entropy" if one_hot else "binary_cross_entropy_with_logits"
    return "mse"


def identify(loss: Callable[[Any, Any], Tensor], output: Tensor, target: Any) -> Kind:
    """Compare it with the known ones on outputs that are all valid: between 0 and 1.

    Only where it takes a tensor of the output's shape and the targets, as they are.
    """
    if not isinstance(target, Tensor) or not output.is_floating_point():
        return Kind(None)
    own = torch.Generator().manual_seed(0)
    probes = [torch.rand(output.shape, generator=own).to(output).clamp(0.05, 0.95) for _ in range(2)]
    with torch.no_grad():
        asked = [_value(loss, probe, target) for probe in probes]
        if any(value is None for value in asked):
            return Kind(None)
        for name, known in KNOWN.items():
            for reduction in ("mean", "sum"):
                told = [_value(known, probe, target, reduction=reduction) for probe in probes]
                if all(
                    a is not None and b is not None and abs(a - b) <= NEAR * abs(b)
                    for a, b in zip(asked, told, strict=True)
                ):
                    return Kind(name, reduction == "sum")
        weight = getattr(loss, "weight", None)  # a class weight, a position weight: told by the module's type
        for name in KNOWN if weight is not None or getattr(loss, "pos_weight", None) is not None else ():
            if type(loss).__name__.lower().removesuffix("loss") in _module_names(name):
                return Kind(name)
    return Kind(None)


def _module_names(name: str) -> tuple[str, ...]:
    return {
        "cross_entropy": ("crossentropy",),
        "nll": ("nll",),
        "binary_cross_entropy": ("bce",),
        "binary_cross_entropy_with_logits": ("bcewithlogits",),
    }.get(name, ())


def _value(loss: Callable[..., Any], output: Tensor, target: Any, **options: Any) -> float | None:
    try:
        with torch.random.fork_rng(devices=[]):
            value = loss(output, target, **options)
        return float(value) if isinstance(value, Tensor) and value.numel() == 1 else None
    except Exception:
        return None


def prediction(output: Tensor, kind: Kind) -> Tensor:
    """What the output says about the target: a logit as a probability, a distance's output as it is."""
    return output.sigmoid() if kind.name == "binary_cross_entropy_with_logits" else output


def takes_targets(loss: Callable[..., Any]) -> bool:
    """Whether a loss is called with the targets too."""
    try:
        return len(inspect.signature(loss).parameters) > 1
    except (TypeError, ValueError):
        return True
