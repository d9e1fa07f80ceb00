"""Which modules can be watched; what one gives, as a tensor; what its dimensions and rows are."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = [
    "NORMALIZES",
    "ROWS",
    "Layout",
    "Layouts",
    "as_rows",
    "check_model",
    "first_tensor",
    "is_activation",
    "modules_of",
    "sample_rows",
    "tensors_of",
]

CHANNELS_FIRST = (nn.modules.batchnorm._NormBase, nn.GroupNorm)  # right after the examples
SHAPED = (nn.LayerNorm, nn.RMSNorm)  # normalize over the last dimensions, however many
NORMALIZES = (*CHANNELS_FIRST, *SHAPED)
UNITS_LAST = (
    *(nn.Linear, nn.Bilinear, nn.Embedding, nn.RNNBase),
    *(nn.MultiheadAttention, nn.TransformerEncoderLayer),
)

# Defined beside the activations, but their outputs have no unit of their own
MIXES_UNITS = (nn.GLU, nn.LogSoftmax, nn.MultiheadAttention, nn.Softmax, nn.Softmax2d, nn.Softmin)


def is_activation(module: nn.Module, declared: Collection[type[nn.Module]] = ()) -> bool:
    """Whether `module` is an activation, unit by unit: torch's, ours, or of a `declared` class."""
    if isinstance(module, tuple(declared)):
        return True
    if hasattr(module, "examples_dim"):  # ours; the layers among them say what they are
        return not (getattr(module, "is_linear", False) or getattr(module, "is_normalization", False))
    return type(module).__module__ == nn.ReLU.__module__ and not isinstance(module, MIXES_UNITS)


def modules_of(model: nn.Module) -> dict[nn.Module, str]:
    """The modules that signals pass through, with their names; those that compute a weight are none."""
    found = {module: name for name, module in model.named_modules()}
    for module in model.modules():
        if isinstance(module, nn.utils.parametrize.ParametrizationList):
            for part in module.modules():
                found.pop(part, None)
    return found


def check_model(owner: str, model: nn.Module, activations: Collection[type[nn.Module]]) -> None:
    """Refuse what runs without calling its modules, or not in one piece."""
    for kind in activations:
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise ValueError(f"{owner}: activations must be classes of modules, got {kind!r}")
    for name, module in model.named_modules():
        if how := _runs_otherwise(module):
            got = repr(name) if name else "the model"
            raise ValueError(f"{owner}: model must run module by module, in one piece, got {got} {how}")


def _runs_otherwise(module: nn.Module) -> str:
    forward = module.forward
    compiled = hasattr(forward, "_torchdynamo_orig_callable") and not hasattr(forward, "_torchdynamo_disable")
    call = module._compiled_call_impl
    if compiled or not (call is None or hasattr(call, "observers")):
        return "compiled by torch.compile"
    if isinstance(module, torch.jit.ScriptModule):
        return "compiled by torch.jit"
    if isinstance(module, nn.DataParallel) and len(module.device_ids) > 1:
        return "copied to several devices by DataParallel"
    own = module.parameters(recurse=False)
    if any(hasattr(parameter, "placements") or hasattr(parameter, "_is_flat_param") for parameter in own):
        return "sharded over processes"
    return ""


# One tensor


def tensors_of(output: Any) -> Iterator[Tensor]:
    """The tensors in what a module takes or gives, in order."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (tuple, list, dict)):
        for part in output.values() if isinstance(output, dict) else output:
            yield from tensors_of(part)


def first_tensor(output: Any) -> Tensor | None:
    """The first tensor in it, if there is anything to measure: of an LSTM, the outputs of all positions."""
    while isinstance(output, (tuple, list, dict)) and output:
        output = next(iter(output.values())) if isinstance(output, dict) else output[0]
    if not (isinstance(output, Tensor) and output.is_floating_point() and output.ndim > 0):
        return None
    if output.is_nested:  # sequences (…, units); of anything else there are no units
        return output if output.ndim > 2 and len({part.shape[-1] for part in output.unbind()}) == 1 else None
    return output if output.layout == torch.strided and output.numel() > 0 else None


def as_rows(z: Tensor) -> Tensor:
    """`z` without its graph: a single example is a batch of one, nested sequences are one after another."""
    z = z.detach()
    if z.is_nested:
        return torch.cat([sequence.flatten(0, -2) for sequence in z.unbind()])
    return z.unsqueeze(0) if z.ndim == 1 else z


# Its dimensions


class Layout(NamedTuple):
    """Replicas in front, then units and data in any order."""

    units: int  # their dimension, counted from the end
    replicas: int  # leading dimensions that run over networks
    data: tuple[int, ...]  # the dimensions that run over examples and positions
    behind: int = 0  # dimensions behind the units that an activation of a user's own expects


ROWS = Layout(units=-1, replicas=0, data=(-2,))


class Layouts:
    """The layout of every tensor on its way through a model: as its module's type says, else as before it."""

    def __init__(self) -> None:
        self._own: dict[tuple[nn.Module, int], tuple[Layout, bool]] = {}
        self._before: tuple[torch.Size, Layout] | None = None

    def find(self, module: nn.Module, z: Tensor) -> Layout:
        """The layout of `z`, which `module` takes or gives."""
        key = module, z.ndim
        if key not in self._own:
            self._own[key] = own_layout(module, z.ndim)
        layout, known = self._own[key]
        if not known and self._before is not None:
            shape, before = self._before
            if len(shape) == z.ndim and shape[before.units] == z.shape[before.units]:  # pooled, say
                return before
        return layout

    def follow(self, z: Tensor, layout: Layout) -> None:
        """`z` has left a layer: what comes next is most likely laid out alike."""
        if z.ndim > 1:
            self._before = z.shape, layout


def own_layout(module: nn.Module, ndim: int) -> tuple[Layout, bool]:
    """The layout of a tensor that `module` takes or gives, and whether its type determines it."""
    units, replicas, known = -1, 0, True
    if hasattr(module, "examples_dim"):  # ours: (*replicas, …) in front, then rows or columns
        units = -2 if module.examples_dim == -1 else -1
        known = hasattr(module, "replicas")
        replicas = len(module.replicas) if known else ndim - 2  # type: ignore[arg-type]
    elif isinstance(module, nn.modules.conv._ConvNd):
        units = -1 - len(module.kernel_size)
    elif isinstance(module, CHANNELS_FIRST):
        units = 1 - ndim
    elif isinstance(module, SHAPED):
        units = -len(module.normalized_shape)
    elif not isinstance(module, UNITS_LAST):
        units, known = 1 - ndim if ndim in (4, 5) else -1, False  # (n, channels, h, w), else (…, units)
    data = tuple(d for d in range(replicas - ndim, 0) if d != units)
    return Layout(units, replicas, data, 0 if hasattr(module, "examples_dim") else -1 - units), known


# Rows


def sample_rows(z: Tensor, layout: Layout, count: int) -> Tensor:
    """At most `count` rows `(*replicas, rows, units)` of the data in `z`; a view where that is all of it."""
    if z.ndim == 2 and layout.units == -1 and z.shape[0] <= count:
        return z
    z = z.movedim(layout.units, -1)
    shape = z.shape[layout.replicas : -1]
    total = math.prod(shape)
    if total <= count:
        return z.flatten(layout.replicas, -2)
    places = torch.unravel_index(_spread(total, count, z.device), shape)
    return z[(slice(None),) * layout.replicas + places]


def _spread(total: int, count: int, device: torch.device) -> Tensor:
    """`count` different numbers below `total`, evenly spread, without rhythm and without a random draw."""
    stride = max(1, round(total * 0.6180339887))
    while math.gcd(stride, total) > 1:
        stride += 1
    return torch.arange(count, device=device).mul_(stride).remainder_(total)
