"""The arrays that go in and out: what is taken for a tensor, in which dtype and memory to compute."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from .moments import pieces

__all__ = [
    "Array",
    "as_tensor",
    "check_out",
    "count",
    "result_dtype",
    "room_for",
    "shape_of",
    "working_dtype",
]

Array = Tensor | np.ndarray

FRESH = 2**15  # elements from which the memory of a new result matters


def as_tensor(x: Array, *, read_only: bool = False) -> Tensor:
    """`x` as a dense tensor of real numbers; `read_only` if nobody will write to it or get hold of it.

    A read-only array is copied otherwise, and a file that is mapped into memory may be larger than that.
    """
    if isinstance(x, np.ndarray):
        if min(x.strides, default=0) < 0 or not (x.flags.writeable or read_only):
            x = x.copy()  # torch refuses reversed arrays
        try:
            x = torch.from_numpy(x) if x.flags.writeable else _shared(x)
        except TypeError:
            raise TypeError(f"x must hold real numbers, but has dtype {x.dtype}") from None
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch.Tensor or a numpy.ndarray, but is a {type(x).__name__}")
    if x.is_complex():
        raise TypeError(f"x must hold real numbers, but has dtype {x.dtype}")
    if x.layout != torch.strided:
        raise TypeError(f"x must be dense, but has layout {x.layout}")
    return x


def _shared(x: np.ndarray) -> Tensor:
    """A tensor in the memory of a read-only array, without torch's warning."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return torch.from_numpy(x)


def shape_of(x: Tensor) -> str:
    """The shape of `x`, as an error says it."""
    return f"shape {tuple(x.shape)}"


def count(test: Callable[[Tensor], Tensor], x: Tensor, dim: int | None) -> Tensor:
    """How many elements of `x` pass `test`, for each entry of dimension `dim`."""
    keep = None if dim is None else dim % x.ndim
    others = [d for d in range(x.ndim) if d != keep]
    return torch.stack([test(piece).sum(others) for piece in pieces(x, keep, FRESH)]).sum(0)


def result_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of a result: a floating one stays, others give the default."""
    return dtype if dtype.is_floating_point else torch.get_default_dtype()


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """float64 for float64 and for integers, which float32 would round; float32 for the shorter ones too."""
    return torch.float32 if dtype.is_floating_point and dtype != torch.float64 else torch.float64


def check_out(x: Tensor, shape: list[int], out: Tensor | None) -> None:
    """Refuse an `out` that the result of `x`, of the given shape, cannot be written into."""
    if out is None:
        return
    if not isinstance(out, Tensor):
        raise TypeError(f"out must be a torch.Tensor, but is a {type(out).__name__}")
    expected = (tuple(shape), result_dtype(x.dtype), x.device)
    if (tuple(out.shape), out.dtype, out.device) != expected:
        raise ValueError(
            "out must have shape {}, dtype {} and device {}, ".format(*expected)
            + f"but has {tuple(out.shape)}, {out.dtype} and {out.device}"
        )
    if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
        raise ValueError("out must be None where x or out requires a gradient, but it was given")


def room_for(x: Tensor, shape: list[int], work: torch.dtype, out: Tensor | None) -> Tensor | None:
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
