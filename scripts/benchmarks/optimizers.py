"""One step of each optimizer, on one thread of a CPU, against torch's: its defaults, and fused=True."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer

from benchmarks.measure import Row, ratio
from unitgain import optimizers

SIZES = {  # the tensors of one step, and how often it is repeated
    "200×1k": ([(1000,)] * 200, 10),
    "MLP 784-256×4-10": ([(256, 784), (256,), *[(256, 256), (256,)] * 3, (10, 256), (10,)], 20),
    "3×3.3M": ([(1820, 1820)] * 3, 1),
}
KINDS = {
    "Adam": ("Adam", {}),
    "AdamW": ("AdamW", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "Nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "RMSprop": ("RMSprop", {}),
}
PEER = "torch.optim"


def rows() -> Iterator[Row]:
    """The rows, on one thread; `value` is our seconds by torch's."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for work, (kind, options) in KINDS.items():
            for size, (shapes, repeats) in SIZES.items():
                ours = step(getattr(optimizers, kind), shapes, options)
                peer = step(getattr(torch.optim, kind), shapes, options)
                target = 0.6 if "Adam" in work and size == "3×3.3M" else 1.0
                yield Row(f"{work} step, {size}", PEER, ratio(ours, peer, 15, repeats), target)
        for size, (shapes, repeats) in SIZES.items():
            ours = step(optimizers.Adam, shapes, {})
            fused = step(torch.optim.Adam, shapes, {"fused": True})
            yield Row(f"Adam step, {size}", f"{PEER}, fused", ratio(ours, fused, 15, repeats), 6.0)
    finally:
        torch.set_num_threads(threads)


def step(kind: type[Optimizer], shapes: list[tuple[int, ...]], options: dict) -> Callable[[], object]:
    """A step of `kind` over normal parameters and gradients of these shapes."""
    generator = torch.Generator().manual_seed(0)
    parameters = [torch.nn.Parameter(normal(shape, generator)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = normal(parameter.shape, generator)
    return kind(parameters, lr=1e-6, **options).step


def normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator)
