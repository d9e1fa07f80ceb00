"""What transforms share: checks of the input, statistics that keep their dtype, checkpoints of any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from .moments import NO_FLOAT64

__all__ = ["Array", "Transform"]

Array = Tensor | np.ndarray


class Transform(nn.Module):
    """A module whose numbers come from the data, not from gradients.

    A subclass registers its statistics as buffers: `n_samples_seen_` is here, the others are None until
    fitted. It writes the methods below. It gets from here the checks of its input, and statistics that
    `.half()` or `.to(torch.bfloat16)` on a whole model leave in float64, that stay on the CPU where a device
    has no float64, and that load whatever a state_dict holds, fitted or not.

    Args:
        dim: The dimension whose entries have statistics of their own: -1 for the columns of a table, 1 for
            the channels of images `(n, channels, height, width)`, None for one statistic over all values.

    Raises:
        TypeError: `dim` is neither an int nor None.

    Examples:
        >>> import torch
        >>> from unitgain.transforms import StandardScaler, Transform
        >>> scaler = StandardScaler().fit(torch.tensor([[1.0], [3.0]]))
        >>> isinstance(scaler, Transform), scaler.to(torch.bfloat16).mean_.dtype
        (True, torch.float64)

    Source: scikit-learn's transformers, whose method names and meanings these are.
    """

    n_samples_seen_: Tensor

    def __init__(self, dim: int | None = -1) -> None:
        super().__init__()
        if isinstance(dim, bool) or not (dim is None or isinstance(dim, int)):
            raise TypeError(f"dim must be an int or None, but got {dim!r}")
        self.dim = dim
        self.register_buffer("n_samples_seen_", torch.tensor(0))

    def fit(self, x: Array) -> Self:
        """Take the statistics of `x` alone, forgetting any others."""
        raise NotImplementedError

    def partial_fit(self, x: Array) -> Self:
        """Add the data in `x` to the statistics."""
        raise NotImplementedError

    def transform(self, x: Array, *, out: Tensor | None = None) -> Tensor:
        """Apply the statistics to `x`."""
        raise NotImplementedError

    def inverse_transform(self, x: Array, *, out: Tensor | None = None) -> Tensor:
        """Undo `transform`."""
        raise NotImplementedError

    def merge(self, other: Self) -> Self:
        """Add the data that `other` has seen to the statistics."""
        raise NotImplementedError

    def synchronize(self, group: Any = None) -> Self:
        """Give every process of a torch.distributed group the statistics of all of them."""
        raise NotImplementedError

    def forward(self, x: Array) -> Tensor:
        """The same as `transform(x)`."""
        return self.transform(x)

    @property
    def _is_fitted(self) -> bool:
        return all(statistic is not None for statistic in self._buffers.values())

    def _require_fitted(self) -> None:
        if not self._is_fitted:
            name = type(self).__name__
            raise RuntimeError(f"{name} must be fitted before use, but has seen no data: call fit first")

    def _checked(self, x: Array, features: int | None) -> Tensor:
        """`x` as a tensor with `features` entries along `dim`; None where there are no statistics to suit."""
        x = _as_tensor(x)
        if self.dim is not None:
            least = max(2, self.dim + 1, -self.dim)
            if x.ndim < least:
                raise ValueError(
                    f"x must have {least} dimensions or more for dim={self.dim}, has {_shape(x)}"
                )
            if features is not None and x.shape[self.dim] != features:
                raise ValueError(
                    f"x must have {features} features along dim={self.dim}, like the data of the fit, "
                    f"but has {_shape(x)}"
                )
        here = self.n_samples_seen_.device
        if features is not None and x.device != here and x.device.type not in NO_FLOAT64:
            raise ValueError(f"x must be on {here}, where the statistics are, but is on {x.device}")
        return x

    def _checked_to_fit(self, x: Array, features: int | None) -> Tensor:
        x = self._checked(x, features)
        if x.numel() == 0:
            raise ValueError(f"x must hold at least one value to fit, but has {_shape(x)}")
        if x.is_meta:
            raise ValueError("x must hold values to fit, but is on the device meta")
        return x

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move the statistics, whatever dtype they were asked to take."""
        before = dict(self._buffers)
        after = {name: None if value is None else _moved(value, fn) for name, value in before.items()}
        self._buffers.update(dict.fromkeys(before))  # hidden from torch, which would convert them
        try:
            super()._apply(fn, recurse)
        except BaseException:
            self._buffers.update(before)
            raise
        self._buffers.update(after)
        return self

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ) -> None:
        """Take the checkpoint's statistics in their shape, or their absence; keep the old ones if unsound."""
        before = dict(self._buffers)
        faults: list[str] = []
        if f"{prefix}n_samples_seen_" in state_dict:  # else torch reports what is missing
            device = self.n_samples_seen_.device
            for name in before:
                saved = state_dict.get(prefix + name)
                if saved is not None:
                    saved = torch.empty_like(saved, dtype=_dtype_of(name), device=device)
                self._buffers[name] = saved  # for torch to fill
            absent = [prefix + name for name, value in self._buffers.items() if value is None]
            if len(absent) < len(before) - 1:  # neither fitted nor unfitted
                missing_keys += absent
                faults += absent
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        for name, value in self._buffers.items():
            if value is not None:  # load_state_dict(assign=True) put the checkpoint's own tensors here
                self._buffers[name] = value.to(_dtype_of(name))
        if self._is_fitted:
            unsound = [f"{prefix}{fault}" for fault in self._faults()]
            error_msgs += unsound
            faults += unsound
        if faults:
            self._buffers.update(before)

    def _faults(self) -> list[str]:
        """What is wrong with the statistics of a checkpoint, a sentence each."""
        return []


def _as_tensor(x: Array) -> Tensor:
    if isinstance(x, np.ndarray):
        if not x.flags.writeable or min(x.strides, default=0) < 0:
            x = x.copy()  # torch warns of a read-only array and refuses a reversed one
        try:
            x = torch.from_numpy(x)
        except TypeError:
            raise TypeError(f"x must hold real numbers, but has dtype {x.dtype}") from None
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch.Tensor or a numpy.ndarray, but is a {type(x).__name__}")
    if x.is_complex():
        raise TypeError(f"x must hold real numbers, but has dtype {x.dtype}")
    if x.layout != torch.strided:
        raise TypeError(f"x must be dense, but has layout {x.layout}")
    return x


def _shape(x: Tensor) -> str:
    return f"shape {tuple(x.shape)}"


def _dtype_of(statistic: str) -> torch.dtype:
    return torch.int64 if statistic == "n_samples_seen_" else torch.float64


def _moved(value: Tensor, fn: Callable[[Tensor], Tensor]) -> Tensor:
    """`fn(value)` without the change of dtype, or `value` where the device it goes to has no float64."""
    if fn(torch.empty(0, device=value.device)).device.type in NO_FLOAT64:
        return value
    moved = fn(value)
    return moved if moved.dtype == value.dtype else value.to(moved.device)
