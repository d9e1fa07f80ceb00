"""What transforms share: all but the statistics that one keeps of its data and the map it makes of them."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from .arrays import (
    Array,
    as_tensor,
    buffer_for,
    check_out,
    count,
    working_dtype,
)
from .estimator import NOT_GIVEN, Estimator
from .moments import NO_FLOAT64, Statistics, all_reduced

__all__ = ["Transform"]


class Transform(Estimator, nn.Module):
    """A module whose numbers come from the data, not from gradients.

    A subclass names the statistics it takes from the data (`_Statistics`), the buffers it keeps of them
    (`_names`), says how one becomes the other (`_to_buffers`, `_from_buffers`), and how they map x to z
    (`_map`) and back (`_inverse_map`). All else is here: checks of the input, streaming, merging and
    synchronizing processes, statistics that `.half()` or `.to(torch.bfloat16)` on a whole model leave in
    float64, that stay on the CPU where a device has no float64, and that load whatever a state_dict holds,
    fitted or not. A call that is refused changes nothing. Mixed precision changes nothing either: under
    `torch.autocast` results are those without it.

    Wherever an array is taken, so is a table of numbers (a DataFrame of pandas or polars, and whatever else
    has `__array__`): it is read without a copy if its columns are of one kind. What a masked array masks, and
    what a table misses, is NaN. Columns that are no numbers are refused by name, as are a table's columns
    that are not those of the fit, in their order.

    It is a step for scikit-learn too: Pipeline, ColumnTransformer and the searches take it. Once it was
    called as they call it, by `fit_transform(x)` or `fit(x, y)`, or is their clone, `transform` answers
    arrays with arrays; before that, and in `forward` always, it gives tensors.

    Args:
        dim: The dimension whose entries have statistics of their own: -1 for the columns of a table, 1 for
            the channels of images `(n, channels, height, width)`, None for one statistic over all values.
        nan: "raise" refuses NaN in `fit`; "omit" leaves it out of the statistics.
        output_dtype: The floating dtype that `transform` gives whatever the input's; None keeps that.
            torch.float32 lets a table in float64 meet a float32 network, after a subtraction and a division
            in float64.

    Raises:
        TypeError: `dim` is neither an int nor None, or `output_dtype` no floating dtype.
        ValueError: `nan` is neither "raise" nor "omit".

    Examples:
        >>> import torch
        >>> from unitgain.transforms import StandardScaler, Transform
        >>> scaler = StandardScaler().fit(torch.tensor([[1.0], [3.0]]))
        >>> isinstance(scaler, Transform), scaler.to(torch.bfloat16).mean_.dtype
        (True, torch.float64)

    Source: scikit-learn's transformers, whose method names and meanings these are.
    """

    n_samples_seen_: Tensor

    _Statistics: ClassVar[type[Statistics]]
    """What is taken from the data."""
    _names: ClassVar[tuple[str, ...]] = ()
    """The float64 buffers that are None until fitted; the first has one entry a feature."""
    _options: ClassVar[tuple[str, ...]] = ("dim",)
    """The arguments that two transforms must share to be merged: those that decide the statistics."""
    _overflows: ClassVar[str] = "squares"
    """What of the data must not overflow float64."""

    output_dtype: torch.dtype | None = None

    def __init__(
        self,
        dim: int | None = -1,
        *,
        nan: Literal["raise", "omit"] = "raise",
        output_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if isinstance(dim, bool) or not (dim is None or isinstance(dim, int)):
            raise TypeError(f"{self._name}: dim must be an int or None, got {dim!r}")
        if nan not in ("raise", "omit"):
            raise ValueError(f'{self._name}: nan must be "raise" or "omit", got {nan!r}')
        if output_dtype is not None and not getattr(output_dtype, "is_floating_point", False):
            rule = "a floating torch.dtype or None"
            raise TypeError(f"{self._name}: output_dtype must be {rule}, got {output_dtype!r}")
        self.dim, self.nan, self.output_dtype = dim, nan, output_dtype
        self.register_buffer("n_samples_seen_", torch.tensor(0))
        for name in self._names:
            self.register_buffer(name, None)

    # What a subclass writes

    def _to_buffers(self, statistics: Any) -> dict[str, Tensor]:
        """The buffers `_names`, computed from `_Statistics`; 0 / 0 = NaN for features without a value."""
        raise NotImplementedError

    def _from_buffers(self, n: Tensor | int) -> Any:
        """The `_Statistics` with count `n` that gave the buffers."""
        raise NotImplementedError

    def _measure(self, x: Tensor) -> Any:
        """The `_Statistics` of `x`."""
        return self._Statistics.measure(x, self.dim, omit_nan=self.nan == "omit")

    def _map(self, x: Tensor, out: Tensor | None) -> Tensor:
        """The rule x → z in float32 or float64, into `out` if that is given: it may be `x` itself."""
        raise NotImplementedError

    def _inverse_map(self, z: Tensor, out: Tensor | None) -> Tensor:
        """The rule z → x, likewise."""
        raise NotImplementedError

    def _must_be_finite(self, statistics: Any) -> Tensor:
        """The part of the statistics that is not finite where the data is not, or is too large."""
        raise NotImplementedError

    def _state_errors(self) -> list[str]:
        """What is wrong with the statistics of a checkpoint, a sentence each."""
        raise NotImplementedError

    @property
    def _features(self) -> int:
        """Size of dimension `dim` of x."""
        return getattr(self, self._names[0]).numel()

    _features_out = _features
    """Size of dimension `dim` of z."""

    # What users call

    def fit(self, x: Array, y: Any = NOT_GIVEN) -> Self:
        """Take the statistics of `x` alone, forgetting any others.

        Args:
            x: Numbers of any real dtype, finite (but see `nan`), at least one; a tensor on any device, an
                array or a table. `(…, n, features)` for `dim=-1`; at least two dimensions unless `dim` is
                None.
            y: Ignored, but for what it says of the caller: only scikit-learn names one, even None.

        Returns:
            The transform itself, its statistics on the device of `x`.

        Raises:
            TypeError: `x` is no tensor, array or table, or its numbers are not real.
            ValueError: `x` has the wrong shape, is empty, or holds NaN or infinity. The statistics stay as
                they were.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import StandardScaler
            >>> StandardScaler(dim=1).fit(torch.rand(8, 3, 4, 4)).n_samples_seen_.item()
            128
        """
        self._keep(self._measured(x, None))
        self._fitted_to(x, y)
        return self

    def partial_fit(self, x: Array, y: Any = None) -> Self:
        """Add the data in `x` to the statistics: batch after batch gives what `fit` gives on all of it.

        Args:
            x: As for `fit`, with as many features as before and on the device of the statistics.
            y: Ignored.

        Returns:
            The transform itself.

        Raises:
            TypeError: As for `fit`.
            ValueError: As for `fit`, or another number of features, or another device. The statistics stay
                as they were.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import StandardScaler
            >>> scaler = StandardScaler()
            >>> for batch in torch.arange(12.0).view(6, 2).split(4):
            ...     scaler = scaler.partial_fit(batch)
            >>> scaler.mean_.tolist()
            [5.0, 6.0]
        """
        if not self._is_fitted:
            return self.fit(x)
        self._check_names(x)
        new = self._measured(x, self._features)
        self._keep(self._known().merge(new))
        return self

    def transform(self, x: Array, *, out: Tensor | None = None) -> Tensor:
        """Apply the statistics to `x`.

        Args:
            x: Numbers of any real dtype, shaped as for `fit`, with as many features, on the device of the
                statistics; zero rows are fine. NaN and infinity pass through.
            out: Where to put the result: shape and dtype of the result. It may be `x`, which is otherwise
                never changed. No gradient flows through it.

        Returns:
            A tensor (an array, if scikit-learn calls with one) in the shape of `x`, but for the number of
            features where the transform changes that, and in `output_dtype`. If that is None: in the dtype of
            `x` if that is a floating one, else in torch's default dtype.

        Raises:
            RuntimeError: The transform is not fitted.
            TypeError: As for `fit`, or `out` is no tensor.
            ValueError: Another number of features or another device, or an `out` that does not suit.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import StandardScaler
            >>> x = torch.tensor([[1.0], [3.0]])
            >>> scaler = StandardScaler().fit(x)
            >>> scaler.transform(x, out=x) is x, x.tolist()
            (True, [[-1.0], [1.0]])
        """
        self._require_fitted()
        self._check_names(x)
        z = self._run(self._map, x, self._features, self._features_out, self.output_dtype, out)
        if out is None:
            z = self._answer(z, x)
        return z

    def inverse_transform(self, x: Array, *, out: Tensor | None = None) -> Tensor:
        """Undo `transform`.

        Args:
            x: Transformed numbers; all else as for `transform`.
            out: As for `transform`.

        Returns:
            As for `transform`, but that `output_dtype` does not matter.

        Raises:
            RuntimeError, TypeError, ValueError: As for `transform`.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import StandardScaler
            >>> scaler = StandardScaler().fit(torch.tensor([[10.0], [30.0]]))
            >>> scaler.inverse_transform(torch.tensor([[0.0], [1.0]])).tolist()
            [[20.0], [30.0]]
        """
        self._require_fitted()
        z = self._run(self._inverse_map, x, self._features_out, self._features, None, out)
        if out is None:
            z = self._answer(z, x)
        return z

    def forward(self, x: Array) -> Tensor:
        """The same as `transform(x)`, always as a tensor."""
        return torch.as_tensor(self.transform(x))

    def merge(self, other: Self) -> Self:
        """Add the data that `other` has seen to the statistics; its own stay as they are.

        Args:
            other: A transform of the same class, with the same `dim`, `nan` and number of features, on the
                same device. One that is not fitted adds nothing.

        Returns:
            The transform itself.

        Raises:
            TypeError: `other` is of another class.
            ValueError: Another `dim`, `nan`, number or names of features, or device. The statistics stay as
                they were.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import StandardScaler
            >>> left, right = StandardScaler().fit(torch.zeros(3, 2)), StandardScaler().fit(torch.ones(1, 2))
            >>> left.merge(right).mean_.tolist()
            [0.25, 0.25]
        """
        if not isinstance(other, type(self)):
            raise TypeError(f"{self._name}: other must be a {self._name}, got a {type(other).__name__}")
        for name in self._options:
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                raise ValueError(f"{self._name}: other must have the same {name}, {mine!r}, got {its!r}")
        if not other._is_fitted:
            return self
        if not self._is_fitted:
            self._keep(copy.deepcopy(other._known()))
            self._names_in = other._names_in
            return self
        if other._features != self._features:
            rule = f"other must have {self._features} features"
            raise ValueError(f"{self._name}: {rule}, got {other._features}")
        if other._names_in is not None:
            self._check_names_are(other._names_in, "other")
        here, there = self.n_samples_seen_.device, other.n_samples_seen_.device
        if here != there:
            raise ValueError(f"{self._name}: other must be on {here}, got {there}")
        self._keep(self._known().merge(other._known()))
        return self

    def synchronize(self, group: Any = None) -> Self:
        """Give every process of a torch.distributed group the statistics of the data of all of them.

        Every process calls it, once, after its last `partial_fit`: the statistics then count everybody's
        data, and a second call would count it again. A process that has seen no data takes the others'
        statistics.

        Args:
            group: A process group; None is the default one. Its backend must reach the device of the
                transform: with NCCL, move the transform to the GPU of its process first.

        Returns:
            The transform itself.

        Raises:
            RuntimeError: There is no process group, or no process has seen data.
            ValueError: The numbers of features differ between processes. It is raised in all of them, and the
                statistics stay as they were.
        """
        from torch import distributed

        if not (distributed.is_available() and distributed.is_initialized()):
            rule = "group must be a process group"
            raise RuntimeError(f"{self._name}: {rule}, got none: call init_process_group first")
        features = self._features_of_all(group)
        device = self.n_samples_seen_.device
        mine = self._known() if self._is_fitted else self._Statistics.nothing(features, device)
        self._keep(mine.all_reduce(group))
        return self

    def extra_repr(self) -> str:
        features = "" if not self._is_fitted or self.dim is None else f", features={self._features}"
        return f"dim={self.dim}{features}" + ("" if self._is_fitted else ", not fitted")

    # What scikit-learn asks for

    @property
    def n_features_in_(self) -> int:
        """Number of features of the data; no such attribute until fitted, or where `dim` is None."""
        if self._is_fitted and self.dim is not None:
            return self._features
        raise AttributeError("n_features_in_ is not known")

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names for the features of the result.

        Args:
            input_features: Names of the features of `x`; None takes those of the table it was fitted to, else
                x0, x1, ….

        Returns:
            A NumPy array of words: the same, as each feature is still itself.

        Raises:
            RuntimeError: The transform is not fitted.
            ValueError: As many names as there are features must be given, and are not.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import Center
            >>> Center().fit(torch.ones(2, 2)).get_feature_names_out().tolist()
            ['x0', 'x1']
        """
        self._require_fitted()
        return self._named(input_features, getattr(self, "n_features_in_", None))

    def _require_plain(self) -> None:
        """Refuse what scikit-learn has no word for."""
        self._require_fitted()
        for name, value in (("dim", -1), ("output_dtype", None)):
            if (mine := getattr(self, name)) != value:
                raise ValueError(f"{self._name}: {name} must be {value} for scikit-learn, got {mine}")

    def _take(self, other: Self) -> None:
        if any(getattr(self, name) != getattr(other, name) for name in self._options):
            self._buffers.update(other._buffers)
        super()._take(other)

    # From the data to the buffers and back

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def _is_fitted(self) -> bool:
        return all(statistic is not None for statistic in self._buffers.values())

    def _measured(self, x: Array, features: int | None) -> Any:
        """The statistics of `x` if it is sound; `features` is None where there are no statistics to suit."""
        x = self._checked(x, features)
        if x.numel() == 0:
            rule = "x must hold at least one value to fit"
            raise ValueError(f"{self._name}: {rule}, got shape {tuple(x.shape)}")
        if x.is_meta:
            raise ValueError(f"{self._name}: x must hold values to fit, got the device meta")
        statistics = self._measure(x)
        part = self._must_be_finite(statistics)
        if not math.isfinite(part.sum().item()):
            self._refuse(x, part)
        return statistics

    def _refuse(self, x: Tensor, part: Tensor) -> None:
        """Say what in `x` is not finite, if anything is."""
        nan = count(torch.isnan, x, self.dim)
        if self.nan == "raise" and nan.any():
            policy = ' with nan="raise"' if "nan" in self._options else ""
            raise ValueError(f"{self._name}: x must not hold NaN{policy}, got {self._where(nan)}")
        infinite = count(torch.isinf, x, self.dim)
        if infinite.any():
            raise ValueError(f"{self._name}: x must not hold infinity, got {self._where(infinite)}")
        if not part.isfinite().all():
            largest = x.abs().nan_to_num(0.0).max().item()
            rule = f"x must have {self._overflows} that fit in float64"
            raise ValueError(f"{self._name}: {rule}, got values up to {largest:.3g}")

    def _where(self, counts: Tensor) -> str:
        if self.dim is None:
            return f"{counts.sum().item()}"
        place = "column {}" if self.dim == -1 else f"entry {{}} of dimension {self.dim}"
        return f"{counts.sum().item()}, the first in " + place.format(counts.nonzero()[0].item())

    def _known(self) -> Any:
        """The statistics behind the buffers of a fitted transform."""
        seen = self.n_samples_seen_
        return self._from_buffers(seen if seen.ndim or self.nan == "omit" else int(seen))

    def _keep(self, statistics: Any) -> None:
        buffers = self._to_buffers(statistics)
        n, device = statistics.n, buffers[self._names[0]].device
        if not isinstance(n, Tensor):
            n = torch.scalar_tensor(n, dtype=torch.int64, device=device)
        elif self.nan == "raise" and n.ndim:
            n = n[0]  # all features have the same
        buffers["n_samples_seen_"] = n
        if torch.is_inference_mode_enabled():  # or no gradient could ever pass
            with torch.inference_mode(False):
                buffers = {name: buffer.clone() for name, buffer in buffers.items()}
        self._buffers.update(buffers)

    def _features_of_all(self, group: Any) -> tuple[int, ...]:
        """The shape of a statistic in every process of `group`."""
        device = self.n_samples_seen_.device
        width = None if not self._is_fitted else -1 if self.dim is None else self._features  # -1: one for all
        extent = torch.tensor([-(2**62)] * 2 if width is None else [width, -width], device=device)
        most, least = (all_reduced(extent, "MAX", group) * torch.tensor([1, -1], device=device)).tolist()
        if most < -1:
            rule = "some process must have fitted it to synchronize"
            raise RuntimeError(f"{self._name}: {rule}, got data in none")
        if most != least:
            rule = "processes must have equal numbers of features"
            raise ValueError(f"{self._name}: {rule}, got from {least} to {most}")
        return () if most == -1 else (most,)

    # From x to z and back

    def _require_fitted(self) -> None:
        if not self._is_fitted:
            raise RuntimeError(f"{self._name}: it must be fitted before use, got no data yet: call fit first")

    def _checked(self, x: Array, features: int | None) -> Tensor:
        """`x` as a tensor with `features` entries along `dim`; None where there are no statistics to suit."""
        x = as_tensor(x, self._name, read_only=True)
        if self.dim is not None:
            least = max(2, self.dim + 1, -self.dim)
            if x.ndim < least:
                rule = f"x must have {least} dimensions or more for dim={self.dim}"
                raise ValueError(f"{self._name}: {rule}, got shape {tuple(x.shape)}")
            if features is not None and x.shape[self.dim] != features:
                rule = f"x must have {features} features along dim={self.dim}, like the data of the fit"
                raise ValueError(f"{self._name}: {rule}, got shape {tuple(x.shape)}")
        here = self.n_samples_seen_.device
        if features is not None and x.device != here and x.device.type not in NO_FLOAT64:
            raise ValueError(f"{self._name}: x must be on {here}, like the statistics, got {x.device}")
        return x

    def _run(
        self,
        rule: Callable[..., Tensor],
        x: Array,
        features_in: int,
        features_out: int,
        dtype: torch.dtype | None,
        out: Tensor | None,
    ) -> Tensor:
        """`rule` applied to `x`, checked, in the dtype and the memory that suit."""
        x = self._checked(x, features_in)
        dtype = dtype or (x.dtype if x.is_floating_point() else torch.get_default_dtype())
        work = working_dtype(x.dtype)
        target = self._target(x, features_out, work, dtype, out)
        z = rule(x.to(work), target)
        if out is not None:
            return z if z is out else out.copy_(z)
        return z.to(dtype)

    def _target(
        self, x: Tensor, features_out: int, work: torch.dtype, dtype: torch.dtype, out: Tensor | None
    ) -> Tensor | None:
        """Memory to compute in, `out` checked; None leaves it to torch."""
        shape = list(x.shape)
        if self.dim is not None:
            shape[self.dim] = features_out
        check_out(x, shape, dtype, out, self._name)
        return buffer_for(x, shape, work, out)

    def _along_dim(self, statistic: Tensor, x: Tensor) -> Tensor:
        """A statistic shaped to meet `x`."""
        if self.dim in (None, -1):
            return statistic
        shape = [1] * x.ndim
        shape[self.dim] = -1
        return statistic.view(shape)

    # As a module

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
        hooks, self._load_state_dict_pre_hooks = self._load_state_dict_pre_hooks, OrderedDict()
        report = (local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        try:
            for hook in hooks.values():  # they may repair what is looked at here
                hook(state_dict, prefix, *report)
            self._load(state_dict, prefix, report)
        finally:
            self._load_state_dict_pre_hooks = hooks

    def _load(self, state_dict: dict[str, Any], prefix: str, report: tuple[Any, ...]) -> None:
        *_, missing_keys, _, error_msgs = report
        before, errors, absent = dict(self._buffers), len(error_msgs), []
        if f"{prefix}n_samples_seen_" in state_dict:  # else torch reports what is missing
            with torch.inference_mode(False):
                for name in before:
                    saved = state_dict.get(prefix + name)
                    if saved is not None:
                        shape = saved.shape if isinstance(saved, Tensor) else ()
                        saved = torch.empty(shape, dtype=_dtype_of(name), device=self.n_samples_seen_.device)
                    self._buffers[name] = saved  # for torch to fill
            absent = [prefix + name for name, value in self._buffers.items() if value is None]
            if len(absent) == len(before) - 1:  # not fitted
                absent = []
            missing_keys += absent
        super()._load_from_state_dict(state_dict, prefix, *report)
        for name, value in self._buffers.items():
            if value is not None:  # load_state_dict(assign=True) put the checkpoint's own tensors here
                self._buffers[name] = value.to(_dtype_of(name))
        if self._is_fitted and len(error_msgs) == errors:
            error_msgs += [f"{prefix}{fault}" for fault in self._state_errors()]
        if absent or len(error_msgs) > errors:
            self._buffers.update(before)
        else:
            self._names_in = None


def _dtype_of(statistic: str) -> torch.dtype:
    return torch.int64 if statistic == "n_samples_seen_" else torch.float64


def _moved(value: Tensor, fn: Callable[[Tensor], Tensor]) -> Tensor:
    """`fn(value)` without the change of dtype, or `value` where the device it goes to has no float64."""
    if fn(torch.empty(0, device=value.device)).device.type in NO_FLOAT64:
        return value
    moved = fn(value)
    return moved if moved.dtype == value.dtype else value.to(moved.device)
