"""The arrays that go in and out: what is taken for a tensor, in which dtype and memory to compute."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.masked import MaskedTensor

from .moments import dimensions, pieces

__all__ = [
    "Array",
    "as_tensor",
    "as_without_autocast",
    "buffer_for",
    "check_out",
    "count",
    "names_of",
    "working_dtype",
]

Array = Tensor | np.ndarray

FRESH = 2**15  # elements from which the memory of a new result matters


def as_tensor(x: Any, owner: str, *, read_only: bool = False) -> Tensor:
    """`x` as a dense tensor of real numbers, NaN where a mask or a table says that a value is missing.

    A read-only array is copied unless `read_only` says that nobody will write to it or get hold of it: a file
    that is mapped into memory may be larger than that.
    """
    if not isinstance(x, Tensor):
        if isinstance(x, np.ma.MaskedArray):
            x = _unmasked(x, owner)
        elif not isinstance(x, np.ndarray) and hasattr(x, "__array__"):
            x = _numbers(x, owner)
        if not isinstance(x, np.ndarray):
            rule = "x must be a torch.Tensor or an array of numbers"  # a table is one, where it is taken
            raise TypeError(f"{owner}: {rule}, got a {type(x).__name__}")
        x = _as_torch_takes_it(x, read_only)
        try:
            x = torch.from_numpy(x) if x.flags.writeable else _shared(x)
        except TypeError:
            raise TypeError(f"{owner}: x must hold real numbers, got dtype {x.dtype}") from None
    if x.is_complex() or x.is_quantized:
        raise TypeError(f"{owner}: x must hold real numbers, got dtype {x.dtype}")
    if x.layout != torch.strided or x.is_nested:
        layout = "nested" if x.is_nested else x.layout
        raise TypeError(f"{owner}: x must be dense, got layout {layout}")
    if type(x) is not Tensor and isinstance(x, MaskedTensor):
        dtype = x.dtype if x.is_floating_point() else torch.float64
        x = x.get_data().to(dtype).masked_fill(~x.get_mask(), torch.nan)
    return x


def _as_torch_takes_it(x: np.ndarray, read_only: bool) -> np.ndarray:
    """`x`, copied where torch would refuse its memory: reversed, torn or in another byte order."""
    sound = all(stride >= 0 and stride % x.itemsize == 0 for stride in x.strides) if x.itemsize else True
    if sound and x.dtype.isnative and (x.flags.writeable or read_only):
        return x
    return x.astype(x.dtype.newbyteorder("="), order="C")


def _shared(x: np.ndarray) -> Tensor:
    """A tensor in the memory of a read-only array, without torch's warning."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return torch.from_numpy(x)


def _unmasked(x: Any, owner: str) -> np.ndarray:
    """`x` with NaN under its mask; integers become floating for that, in a type that holds them."""
    if x.dtype.kind not in "biuf":
        raise TypeError(f"{owner}: x must hold real numbers, got dtype {x.dtype}")
    if not np.ma.is_masked(x):
        return x.data
    dtype = x.dtype if x.dtype.kind == "f" else np.result_type(x.dtype, np.float32)
    return x.astype(dtype).filled(np.nan)


def _numbers(table: Any, owner: str) -> np.ndarray:
    """A table or another array-like as an array; where columns differ in kind, each is read by itself."""
    array = np.asarray(table)
    if array.dtype.kind in "biuf" or not hasattr(table, "columns"):
        return array
    pairs = table.items() if hasattr(table, "items") else zip(table.columns, table, strict=True)
    return np.stack([_column(name, column, owner) for name, column in pairs], axis=-1)


def _column(name: Any, column: Any, owner: str) -> np.ndarray:
    """One column of a table, NaN where it has no value; numbers in a column of objects are not trusted."""
    array = np.asarray(column)
    if array.dtype == object and str(column.dtype).lower() != "object":
        values = [np.nan if v is None or type(v).__name__ == "NAType" else v for v in array]
        if all(isinstance(v, Real | np.bool_) for v in values):
            array = np.array(values, dtype=np.float64)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{owner}: x must hold real numbers, got column {name!r} of dtype {column.dtype}")
    return array


def names_of(x: Any) -> list[str] | None:
    """The names of the columns of a table; None where there are none, or not all are words."""
    names = list(getattr(x, "columns", ()))
    return names if names and all(isinstance(name, str) for name in names) else None


def count(test: Callable[[Tensor], Tensor], x: Tensor, dim: int | None) -> Tensor:
    """How many elements of `x` pass `test`, for each entry of dimension `dim`."""
    keep, others = dimensions(x, dim)
    return torch.stack([test(piece).sum(others) for piece in pieces(x, keep, FRESH)]).sum(0)


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """float64 for float64 and for integers, which float32 would round; float32 for the shorter ones too."""
    return torch.float32 if dtype.is_floating_point and dtype != torch.float64 else torch.float64


def check_out(x: Tensor, shape: list[int], dtype: torch.dtype, out: Tensor | None, owner: str) -> None:
    """Refuse an `out` that the result of `x`, of the given shape and dtype, cannot be written into."""
    if out is None:
        return
    if not isinstance(out, Tensor):
        raise TypeError(f"{owner}: out must be a torch.Tensor, got a {type(out).__name__}")
    expected = (tuple(shape), dtype, x.device)
    if (tuple(out.shape), out.dtype, out.device) != expected:
        rule = "{}: out must have shape {}, dtype {} and device {}".format(owner, *expected)
        raise ValueError(f"{rule}, got {tuple(out.shape)}, {out.dtype} and {out.device}")
    if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
        raise ValueError(f"{owner}: out must be None where x or out requires a gradient, got a tensor")


def as_without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Where products keep the digits of their factors, whatever torch.autocast says."""
    kind = device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()


def buffer_for(x: Tensor, shape: list[int], work: torch.dtype, out: Tensor | None) -> Tensor | None:
    """Memory to compute in; None leaves it to torch."""
    if out is not None and out.dtype == work:
        return out
    if out is not None or not _is_plain(x) or x.numel() < FRESH or not x.is_contiguous():
        return None
    # a fresh torch.empty costs more than the arithmetic, in page faults; NumPy asks the system for huge pages
    return torch.from_numpy(np.empty(shape, dtype=np.float64 if work == torch.float64 else np.float32))


def _is_plain(x: Tensor) -> bool:
    """Whether the result may be written into given memory: eager, on the CPU, no derivatives, no vmap."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    if type(x) is not Tensor or x.device.type != "cpu":
        return False
    if (x.requires_grad and torch.is_grad_enabled()) or forward_ad.unpack_dual(x).tangent is not None:
        return False
    try:
        x.untyped_storage()
    except NotImplementedError:  # the wrappers of torch.func
        return False
    return True
