"""What a measured step leaves: a signal for each call of a layer, a gradient for each layer, one record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .layout import ROWS, Layout
from .measures import SATURATED_BELOW, Moments, correlation, effective_rank, saturated_share

__all__ = ["Kept", "LayerGradient", "LayerSignal", "Pass", "StepRecord", "plain_rows"]


@dataclass(eq=False)
class Kept:
    """What is kept of one tensor between two layers; both may refer to it."""

    sample: Tensor | None = None  # (*replicas, rows, units); gone when the next measured step takes its own
    active: Tensor | None = None  # number of positive entries, (*replicas, units)


@dataclass(eq=False)
class Pass:
    """One call of one layer, as the hooks found it."""

    layer: str = ""
    name: str = ""  # the layer's, with the number of the call if it is not the first
    fraction: float = SATURATED_BELOW
    layout: Layout = ROWS  # of the outputs
    activation: nn.Module | None = None  # if it is one, element by element
    before: Kept = field(default_factory=Kept)  # pre-activations; of any other layer, the outputs
    output: Tensor | None = None  # a sample of the outputs
    moments: Moments | None = None  # of all of them
    quick: bool = False  # whether the moments may be too coarse
    data: int = 1  # examples and positions, all of them
    entries: int = 1  # of the outputs, for one network
    norm: Tensor | None = None  # of the gradient with respect to the outputs
    runs_again: bool = False  # in backward, as checkpointing has it

    def release(self) -> None:
        """Let go of the samples."""
        self.before.sample = self.output = None


@dataclass(frozen=True, eq=False)
class LayerSignal:
    r"""What passed through one layer in one measured step.

    `observe` makes these. With replicas every measure has their dimensions in front; units are features, for
    images channels, and everything else (examples, positions) is data.

    Attributes:
        name: The module's name within the model, "" for the model itself. Each call of a module has a row of
            its own: the second one of `relu` is called "relu#2".
        mean: Mean of each unit's output, `(*replicas, units)`.
        std: Standard deviation of each unit's output around it, divided by n, `(*replicas, units)`.
        share: Fraction of the data that activates each unit, `(*replicas, units)`, in [0, 1]: a positive
            pre-activation, which is an activation's input and any other layer's output. NaN where the mean
            is.

    `saturation`, `correlation` and `rank` are computed when first read, from a sample of the data that only
    the last measured step keeps: read them before the next one, or after the end.

    Raises:
        RuntimeError: When one of these is read for the first time after the sample has gone.

    Examples:
        >>> import torch
        >>> from unitgain.diagnostics import LayerSignal
        >>> share = torch.tensor([0.0, 0.4, 1.0])
        >>> layer = LayerSignal("0", mean=torch.zeros(3), std=torch.ones(3), share=share)
        >>> layer.dead, layer.always_on
        (tensor([ True, False, False]), tensor([False, False,  True]))

    Source: Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks*
    (2010), who follow each layer's activations and gradients through training; dead and always-on as in
    `LayerActivity`.
    """

    name: str
    mean: Tensor
    std: Tensor
    share: Tensor
    _pass: Pass = field(default_factory=Pass, init=False, repr=False)

    @property
    def is_activation(self) -> bool:
        """Whether the module is an activation, and its units are those of a hidden layer."""
        return self._pass.activation is not None

    @property
    def dead(self) -> Tensor:
        """Units that no data activates, `(*replicas, units)`: a ReLU among them gets no gradient."""
        return self.share == 0

    @property
    def always_on(self) -> Tensor:
        """Units that all data activates, `(*replicas, units)`: a ReLU among them is linear here."""
        return self.share == 1

    @property
    def gradient(self) -> Tensor | None:
        """Root mean square of the loss's gradient with respect to the outputs, `(*replicas,)`.

        The signal on its way back; None before backward. Of the loss itself where a `GradScaler` scales it.
        """
        return None if self._pass.norm is None else self._pass.norm / math.sqrt(self._pass.entries)

    def _sample(self, name: str, sample: Tensor | None) -> Tensor:
        if sample is None:
            raise RuntimeError(
                f"LayerSignal: {name} must be read before the next measured step takes its sample, "
                f"got layer {self.name!r} without one"
            )
        return sample

    @cached_property
    def saturation(self) -> Tensor | None:
        """Fraction of the data on which each unit is saturated, see `saturation`; None for no activation."""
        one = self._pass
        z = self._sample("saturation", one.before.sample)
        f = one.activation
        return None if f is None else saturated_share(f, z, one.fraction, one.layout.behind)

    @property
    def saturated(self) -> Tensor | None:
        """Units that are saturated on all data, `(*replicas, units)`; None for no activation."""
        return None if self.saturation is None else self.saturation == 1

    @cached_property
    def correlation(self) -> Tensor:
        """Mean absolute correlation between two units' outputs, `(*replicas,)`: see `correlation`."""
        return correlation(self._sample("correlation", self._pass.output))

    @cached_property
    def rank(self) -> Tensor:
        """Effective rank of the outputs, `(*replicas,)`: see `effective_rank`."""
        return effective_rank(self._sample("rank", self._pass.output))


class LayerGradient(NamedTuple):
    """The gradients of one layer's own parameters in one measured step, all of them taken as one vector.

    As backward left them in `p.grad`: accumulated where the loop accumulates, averaged over the processes of
    `DistributedDataParallel`, before clipping; of the loss itself where a `GradScaler` scales it.

    Examples:
        >>> import torch
        >>> from unitgain.diagnostics import observe
        >>> model = torch.nn.Linear(2, 1)
        >>> with observe(model) as seen:
        ...     model(torch.tensor([[3.0, 0.0]])).sum().backward()
        >>> gradient = seen.last.gradients[0]        # of w1, w2 and b: 3, 0 and 1
        >>> round(gradient.norm.item() ** 2), round(gradient.zeros.item(), 2), int(gradient.non_finite)
        (10, 0.33, 0)

    Source: Pascanu, Mikolov & Bengio, *On the difficulty of training recurrent neural networks* (2013), for
    norms; Bengio, *Practical recommendations for gradient-based training* (2012), for updates of some 0.001.
    """

    name: str
    """The module's name within the model."""
    norm: Tensor
    """Euclidean norm, `(*replicas,)`."""
    zeros: Tensor
    """Share of entries that are exactly 0, `(*replicas,)`."""
    non_finite: Tensor
    """Number of entries that are NaN or infinite, `(*replicas,)`."""
    update: Tensor | None
    """Norm of the optimizer's step over the norm before it, `(*replicas,)`; None where none was seen."""


@dataclass(frozen=True, eq=False)
class StepRecord:
    """One measured step, or one measured evaluation between two of them.

    Attributes:
        step: How many steps were taken before it.
        layers: One `LayerSignal` for each call of a layer, in the order in which they ran.
        gradients: One `LayerGradient` for each layer whose parameters got a gradient, in that order too; for
            an evaluation none.
        training: Whether it is a step; False for an evaluation.

    Examples:
        >>> import torch
        >>> from unitgain.diagnostics import LayerGradient, StepRecord
        >>> norms = {"first": torch.tensor(2.0), "second": torch.tensor(8.0)}
        >>> zero = torch.tensor(0.0)
        >>> rows = [LayerGradient(name, norm, zero, zero, None) for name, norm in norms.items()]
        >>> StepRecord(0, layers=[], gradients=rows).ratios
        tensor([0.2500])

    Source: see `LayerSignal` and `LayerGradient`.
    """

    step: int
    layers: Sequence[LayerSignal]
    gradients: Sequence[LayerGradient]
    training: bool = True

    @property
    def ratios(self) -> Tensor:
        """Each layer's gradient norm over that of the next one in `gradients`, `(layers - 1, *replicas)`.

        All below 1: the gradient vanishes on its way back. All above 1: it explodes. Empty for fewer than two
        rows.
        """
        if len(self.gradients) < 2:
            return torch.empty(0)
        norms = torch.stack([gradient.norm for gradient in self.gradients])
        return norms[:-1] / norms[1:]


def plain_rows(record: StepRecord) -> list[dict[str, Any]]:
    """The rows of one record in `Observation.table`."""
    gradients = {gradient.name: gradient for gradient in record.gradients}
    signals = [(signal.name, signal) for signal in record.layers]
    ran = {name for name, _ in signals}
    rows = []
    for name, signal in (*signals, *((name, None) for name in gradients if name not in ran)):
        tensors: dict[str, Tensor | None] = {}
        for key in ("mean", "std", "share", "dead", "always_on", "gradient"):
            tensors[key] = None if signal is None else getattr(signal, key)
        for key in ("norm", "zeros", "non_finite", "update"):
            tensors[key] = getattr(gradients[name], key) if name in gradients else None
        numbers = {key: None if t is None else t.cpu().double().mean().item() for key, t in tensors.items()}
        rows.append({"step": record.step, "layer": name, **numbers})
    return rows
