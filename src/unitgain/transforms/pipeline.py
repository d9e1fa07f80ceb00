"""A chain of transforms that is fitted, applied and undone as one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from .arrays import Array, as_tensor, names_of
from .base import Transform
from .estimator import NOT_GIVEN, Estimator

__all__ = ["Compose"]

ROWS_OF = 2**19  # elements that pass through the stages at a time while they are fitted


class Compose(Estimator, nn.Module):
    r"""Several transforms one after the other: each is fitted to what the ones before it make of the data.

    $$ z = (t_k \circ \dots \circ t_2 \circ t_1)(x), \qquad
       x = (t_1^{-1} \circ t_2^{-1} \circ \dots \circ t_k^{-1})(z) $$

    with $t_1$ to $t_k$ the `transforms`, $x$ the argument of `transform` and $z$ that of `inverse_transform`.

    `fit` reads the data once for each stage that learns, in pieces of some rows along dimension 0, so it
    needs no second copy of the data. `partial_fit`, `merge` and `synchronize` work where one stage learns:
    there later data cannot change what an earlier stage has made of earlier data. With two such stages there
    is no way to do them in one pass, and they say so; fit the stages by hand, or at once.

    Args:
        transforms: The stages, in order. A `Compose` stands for its own stages. Any other module, such as
            `nn.Flatten()`, is a stage that learns nothing; it must treat each row by itself and needs an
            `inverse_transform` only where that is called.

    Attributes:
        stages: The stages, an `nn.ModuleList`.

    Raises:
        TypeError: A stage is no module.
        ValueError: There are no stages, or one stands there twice.

    Examples:
        >>> import torch
        >>> from unitgain.transforms import Center, Compose, MinMaxScaler
        >>> x = torch.tensor([[1.0, 10.0], [3.0, 26.0], [2.0, 42.0]])
        >>> both = Compose(Center(), MinMaxScaler((-1, 1))).fit(x)
        >>> both(x)
        tensor([[-1., -1.],
                [ 1.,  0.],
                [ 0.,  1.]])
        >>> both.inverse_transform(both(x)).tolist() == x.tolist(), both.stages[0].mean_.tolist()
        (True, [2.0, 26.0])

    Source: scikit-learn's `Pipeline`, with torchvision's name.

    Differs from scikit-learn: the stages have numbers, not names; `fit` does not hold the result of a stage;
    `partial_fit`, `merge` and `synchronize` are new.
    """

    stages: nn.ModuleList

    def __init__(self, *transforms: nn.Module) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for k, stage in enumerate(transforms):
            if not isinstance(stage, nn.Module):
                raise TypeError(
                    f"Compose: transforms must be modules, got a {type(stage).__name__} as stage {k}"
                )
            stages += stage.stages if isinstance(stage, Compose) else [stage]
        if not stages:
            raise ValueError("Compose: transforms must hold at least one stage, got none")
        learners = [stage for stage in stages if isinstance(stage, Transform)]
        for stage in learners:
            if sum(stage is other for other in learners) > 1:
                raise ValueError(
                    f"Compose: transforms must differ, got the same {type(stage).__name__} twice"
                )
        self.stages = nn.ModuleList(stages)

    def fit(self, x: Array, y: Any = NOT_GIVEN) -> Self:
        """Fit each stage in turn to what the ones before it make of `x`, forgetting any other data.

        Args:
            x: What the first stage takes.
            y: Ignored, but for what it says of the caller, as in `Transform.fit`.

        Returns:
            The chain itself.

        Raises:
            TypeError, ValueError: As the stages' own. All stages then stay as they were.
        """
        before = [dict(stage._buffers) for stage in self.stages]
        try:
            for k, stage in enumerate(self.stages):
                if isinstance(stage, Transform):
                    parts = (stage._measured(part, None) for part in self._outputs(x, k))
                    stage._keep(reduce(lambda a, b: a.merge(b), parts))
        except BaseException:
            for stage, buffers in zip(self.stages, before, strict=True):
                stage._buffers.update(buffers)
            raise
        self._fitted_to(x, y)
        return self

    def partial_fit(self, x: Array, y: Any = None) -> Self:
        """Add the data in `x` to the statistics of the only stage that learns.

        Args:
            x: What the first stage takes.
            y: Ignored.

        Returns:
            The chain itself.

        Raises:
            RuntimeError: Several stages learn, or none.
            TypeError, ValueError: As the stage's own; it then stays as it was.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import Compose, StandardScaler
            >>> chain = Compose(torch.nn.Flatten(), StandardScaler())
            >>> for batch in torch.arange(12.0).view(3, 2, 2).split(2):
            ...     chain = chain.partial_fit(batch)
            >>> chain.stages[1].mean_.tolist()
            [4.0, 5.0, 6.0, 7.0]
        """
        k, stage = self._learner("partial_fit")
        names = self._names_in if stage._is_fitted else names_of(x)
        if stage._is_fitted:
            self._check_names(x)
        with torch.no_grad():
            stage.partial_fit(self._through(self.stages[:k], as_tensor(x, "Compose", read_only=True)))
        self._names_in = names
        return self

    def transform(self, x: Array) -> Tensor:
        """Pass `x` through all stages.

        Args:
            x: What the first stage takes.

        Returns:
            What the last stage gives; as an array, if scikit-learn calls with one.

        Raises:
            RuntimeError: A stage is not fitted.
            TypeError, ValueError: As the stages' own.
        """
        self._check_names(x)
        z = self._through(self.stages, as_tensor(x, "Compose"))
        z = self._answer(z, x)
        return z  # noqa: RET504

    def inverse_transform(self, x: Array) -> Tensor:
        """Undo `transform`: the stages' inverses, from the last to the first.

        Args:
            x: What the last stage gives.

        Returns:
            What the first stage takes.

        Raises:
            RuntimeError: A stage is not fitted.
            TypeError: A stage has no `inverse_transform`; and as the stages' own.
            ValueError: As the stages' own.
        """
        z = as_tensor(x, "Compose")
        for stage in self.stages:
            if not hasattr(stage, "inverse_transform"):
                rule = "stages must have an inverse_transform to be undone"
                raise TypeError(f"Compose: {rule}, got a {type(stage).__name__}, which has none")
        for stage in reversed(list(self.stages)):
            z = cast(Transform, stage).inverse_transform(z)
        z = self._answer(z, x)
        return z  # noqa: RET504

    def forward(self, x: Array) -> Tensor:
        """The same as `transform(x)`, always as a tensor."""
        return torch.as_tensor(self.transform(x))

    def merge(self, other: Self) -> Self:
        """Add the data that `other` has seen to the statistics of the only stage that learns.

        Args:
            other: A chain of the same stages. Those that learn nothing are taken to be equal.

        Returns:
            The chain itself.

        Raises:
            RuntimeError: Several stages learn, or none.
            TypeError: `other` has other stages.
            ValueError: As the stage's own; it then stays as it was.
        """
        k, stage = self._learner("merge")
        mine, its = _names(self), _names(other)
        if its != mine:
            raise TypeError(f"Compose: other must be a {mine}, got a {its}")
        names = self._names_in if stage._is_fitted else other._names_in
        if stage._is_fitted and other._names_in is not None:
            self._check_names_are(other._names_in, "other")
        stage.merge(cast(Transform, other.stages[k]))
        self._names_in = names
        return self

    def synchronize(self, group: Any = None) -> Self:
        """Give every process of a torch.distributed group the statistics of the data of all of them.

        Args:
            group: A process group; None is the default one.

        Returns:
            The chain itself.

        Raises:
            RuntimeError: Several stages learn, or none; and as the stage's own.
            ValueError: As the stage's own.
        """
        self._learner("synchronize")[1].synchronize(group)
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The stages by number, as words, and with `deep` their own arguments: "0__dim"."""
        params: dict[str, Any] = {str(k): stage for k, stage in enumerate(self.stages)}
        for name, stage in list(params.items()) if deep else []:
            if isinstance(stage, Estimator):
                params |= {f"{name}__{key}": value for key, value in stage.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Change arguments of stages, named as `get_params` names them, or put other stages there."""
        known = self.get_params()
        for name in params:
            if name not in known:
                raise ValueError(f"Compose: params must be among {list(known)}, got {name!r}")
        stages = {name: params.get(name, stage) for name, stage in self.get_params(deep=False).items()}
        chain = Compose(*stages.values())
        changed = []
        for name, stage in stages.items():
            own = {
                key.removeprefix(f"{name}__"): v for key, v in params.items() if key.startswith(f"{name}__")
            }
            changed += [(stage, stage._changed(own))] if own else []
        for stage, other in changed:  # no call can be refused any more
            stage._take(other)
        self.stages = chain.stages
        return self

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names for the features of the result: those that stage after stage gives to those of `x`.

        Args:
            input_features: Names of the features of `x`; None takes those of the table it was fitted to.

        Returns:
            A NumPy array of words.

        Raises:
            RuntimeError, ValueError: As the stages' own.
            AttributeError: A stage has no such names.
        """
        names = self._named(input_features, None) if input_features is not None or self._names_in else None
        return reduce(
            lambda names, stage: cast(Transform, stage).get_feature_names_out(names), self.stages, names
        )

    def __sklearn_clone__(self) -> Self:
        stages = [
            s.__sklearn_clone__() if isinstance(s, Estimator) else copy.deepcopy(s) for s in self.stages
        ]
        clone = type(self)(*stages)
        clone._in_kind = True
        return clone

    @property
    def n_features_in_(self) -> int:
        """Number of features of the data; no such attribute where the first stage has none."""
        return cast(Transform, self.stages[0]).n_features_in_

    @property
    def _is_fitted(self) -> bool:
        return all(stage._is_fitted for stage in self.stages if isinstance(stage, Transform))

    def _learner(self, method: str) -> tuple[int, Transform]:
        """The number of the only stage that learns, and that stage."""
        learners = [(k, stage) for k, stage in enumerate(self.stages) if isinstance(stage, Transform)]
        if len(learners) != 1:
            names = ", ".join(type(stage).__name__ for _, stage in learners) or "none"
            raise RuntimeError(
                f"Compose: {method} must have exactly one stage that learns, as a later one's data depend on "
                f"the fit of an earlier one, got {len(learners)} ({names}): call fit with all data at once"
            )
        return learners[0]

    def _outputs(self, x: Array, k: int) -> Iterator[Tensor]:
        """What the stages before stage `k` make of `x`: some rows at a time, where the stages keep rows."""
        x = as_tensor(x, "Compose", read_only=True)
        dims = [stage.dim for stage in self.stages if isinstance(stage, Transform)]
        rows_stay = all(dim is None or dim == -1 or dim > 0 for dim in dims)
        whole = k == 0 or x.numel() <= ROWS_OF or not rows_stay
        with torch.no_grad():
            for part in [x] if whole else x.split(max(1, ROWS_OF * len(x) // x.numel())):
                yield self._through(self.stages[:k], part)

    @staticmethod
    def _through(stages: Iterable[nn.Module], x: Tensor) -> Tensor:
        return reduce(lambda z, stage: stage(z), stages, x)


def _names(module: object) -> str:
    stages = [type(stage).__name__ for stage in module.stages] if isinstance(module, Compose) else None
    return type(module).__name__ + ("" if stages is None else f" of {', '.join(stages)}")
