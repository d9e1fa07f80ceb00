"""scikit-learn's habits: what its pipelines and searches ask of a step, be it a transform or a chain."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from .arrays import Array, names_of

__all__ = ["NOT_GIVEN", "Estimator", "as_float64", "checked_peer", "names_of_peer", "peer_with"]

NOT_GIVEN: Any = object()  # the y of a call that names none: scikit-learn always names one


class Estimator:
    """Parameters, copies, tags and names as scikit-learn asks for them, and NumPy in, NumPy out.

    Called or cloned by scikit-learn, `transform` answers an array with an array; else it gives tensors.
    """

    _in_kind = False
    """Whether `transform` and `inverse_transform` answer an array with an array."""
    _names_in: list[str] | None = None
    """The names of the columns of the table that it was fitted to."""

    def fit(self, x: Array, y: Any = NOT_GIVEN) -> Self:
        raise NotImplementedError

    def transform(self, x: Array) -> Tensor:
        raise NotImplementedError

    @property
    def _is_fitted(self) -> bool:
        raise NotImplementedError

    def fit_transform(self, x: Array, y: Any = None) -> Any:
        """`fit(x)`, then `transform(x)`, which from now on answers arrays with arrays.

        Args:
            x: As for `fit`.
            y: Ignored; scikit-learn's pipelines pass it.

        Returns:
            What `transform` gives: a tensor for a tensor, an array for an array or a table.

        Raises:
            TypeError, ValueError: As for `fit`.

        Examples:
            >>> import numpy as np
            >>> from unitgain.transforms import StandardScaler
            >>> StandardScaler().fit_transform(np.array([[1.0], [3.0]]))
            array([[-1.],
                   [ 1.]])
        """
        return self.fit(x, y).transform(x)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor by name.

        Args:
            deep: Ignored where no argument has arguments of its own.

        Returns:
            What would make an equal one, not fitted.

        Examples:
            >>> from unitgain.transforms import Center
            >>> Center(dim=1).get_params()
            {'dim': 1, 'nan': 'raise', 'output_dtype': None}
        """
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change arguments of the constructor.

        Args:
            params: The arguments by name. One that decides the statistics, such as `dim`, makes them go.

        Returns:
            The same object.

        Raises:
            TypeError, ValueError: There is no such argument, or the constructor refuses it. Nothing changes.

        Examples:
            >>> from unitgain.transforms import StandardScaler
            >>> StandardScaler().set_params(with_mean=False).with_mean
            False
        """
        self._take(self._changed(params))
        return self

    def _changed(self, params: dict[str, Any]) -> Self:
        """Another one of the class with these arguments in place of its own, not fitted."""
        known = self.get_params(deep=False)
        for name in params:
            if name not in known:
                raise ValueError(f"{type(self).__name__}: params must be among {list(known)}, got {name!r}")
        return type(self)(**known | params)

    def _take(self, other: Self) -> None:
        """Take the arguments of another one of the class."""
        for name in self.get_params(deep=False):
            setattr(self, name, getattr(other, name))

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns of the table it was fitted to; no such attribute where there were none."""
        if self._names_in is None:
            raise AttributeError("feature_names_in_ is not known")
        return np.asarray(self._names_in, dtype=object)

    def _fitted_to(self, x: Any, y: Any) -> None:
        """Remember of a call of `fit` what is no statistic."""
        self._names_in = names_of(x)
        self._in_kind = self._in_kind or y is not NOT_GIVEN

    def _check_names(self, x: Any) -> None:
        if self._names_in is not None and (names := names_of(x)) is not None:
            self._check_names_are(names, "x")

    def _check_names_are(self, names: list[str], argument: str) -> None:
        if self._names_in is not None and names != self._names_in:
            rule = f"{argument} must have the columns of the fit in their order, {self._names_in}"
            raise ValueError(f"{type(self).__name__}: {rule}, got {names}")

    def _named(self, given: Any, features: int | None) -> np.ndarray:
        """Names for the features: those given, else those of the fit, else scikit-learn's x0, x1, …."""
        names = given if given is not None else self._names_in
        if names is None and features is not None:
            names = [f"x{k}" for k in range(features)]
        if names is None or (features is not None and len(names) != features):
            rule = "one name a feature" if features is None else f"{features} names"
            raise ValueError(f"{type(self).__name__}: input_features must be {rule}, got {given!r}")
        if given is not None:
            self._check_names_are(list(given), "input_features")
        return np.asarray(names, dtype=object)

    def _answer(self, z: Tensor, x: Any) -> Any:
        """`z` in the kind of thing that the caller expects for `x`."""
        return z if isinstance(x, Tensor) or not self._in_kind else z.detach().cpu().numpy()

    def __sklearn_clone__(self) -> Self:
        clone = type(self)(**self.get_params(deep=False))
        clone._in_kind = True
        return clone

    def __sklearn_is_fitted__(self) -> bool:
        return self._is_fitted

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=["float64", "float32"]),
            input_tags=InputTags(allow_nan=getattr(self, "nan", None) == "omit"),
        )


def checked_peer(fitted: Any, kind: type, owner: str) -> None:
    """Refuse what is not scikit-learn's own `kind`, fitted."""
    if type(fitted) is not kind:  # what a subclass makes of the statistics, nobody knows
        raise TypeError(
            f"{owner}: fitted must be scikit-learn's {kind.__name__}, got a {type(fitted).__name__}"
        )
    if not hasattr(fitted, "n_features_in_"):
        raise ValueError(f"{owner}: fitted must be fitted, got no statistics")


def names_of_peer(fitted: Any) -> list[str] | None:
    names = getattr(fitted, "feature_names_in_", None)
    return None if names is None else list(names)


def peer_with(peer: Any, ours: Any, **attributes: Any) -> Any:
    """scikit-learn's `peer`, with attributes as it would have fitted them."""
    for name, value in attributes.items():
        setattr(peer, name, value.cpu().numpy().copy() if isinstance(value, Tensor) else value)
    peer.n_features_in_ = ours.n_features_in_
    if ours._names_in is not None:
        peer.feature_names_in_ = ours.feature_names_in_
    return peer


def as_float64(values: Any, features: int = 0) -> Tensor:
    """An array of scikit-learn's as a tensor of its own; NaN for each feature where there is none."""
    return torch.from_numpy(
        np.array(np.full(features, np.nan) if values is None else values, np.float64, order="C")
    )
