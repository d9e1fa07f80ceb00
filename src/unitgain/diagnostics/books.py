"""The books of one measured step: raw figures as the hooks bring them, a record when somebody reads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .figures import Counts, active, gradient_counts, joint_norm, moments, norm, workspace
from .records import LayerGradient, LayerSignal, Pass, StepRecord

__all__ = ["Books", "Parameter"]


class Parameter(NamedTuple):
    """A watched parameter. Figures of a small one can wait: a copy costs less than computing them."""

    name: str
    tensor: nn.Parameter
    dims: tuple[int, ...] | None  # all but the replicas; None: all
    small: bool


class Books:
    """One step: what each call of a layer left, what each parameter's gradient and update were."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.passes: list[Pass] = []
        self.signals: list[LayerSignal] = []  # made of the passes
        self.gradients: dict[str, Counts | Tensor] = {}  # by parameter; of a small one a copy
        self.updates: dict[str, tuple[Tensor, Tensor]] = {}  # step and parameter: norms, or copies

    def forget(self, memory: dict[torch.dtype, Tensor]) -> None:
        """Let go of the samples, with `memory` to work in."""
        self._settle(memory)
        for one in self.passes:
            one.forget()

    def clear(self) -> None:
        """Forget the forward pass: another batch comes before the same optimizer step."""
        for one in self.passes:
            one.forget()
        self.passes, self.signals = [], []

    def record(self, layers: dict[str, list[Parameter]]) -> StepRecord:
        """What is in the books so far; `layers` holds the watched parameters, by layer."""
        self._settle({})
        self.signals += [_signal(one) for one in self.passes[len(self.signals) :]]
        ran = dict.fromkeys(one.name for one in self.passes)
        names = [name for name in {**ran, **dict.fromkeys(layers)} if name in layers]
        gradients = [row for name in names if (row := self._gradient(name, layers[name])) is not None]
        return StepRecord(self.step, list(self.signals), gradients)

    def _settle(self, memory: dict[torch.dtype, Tensor]) -> None:
        """The figures of layers whose samples hold all their data, in one go: in a hook each costs more."""
        for one in self.passes:
            z, h = one.arrived, one.left
            if z.active is None and z.sample is not None:
                z.active = active(z.sample, (-2,), workspace(memory, z.sample))
            if one.moments is None and h is not None:
                one.moments = moments(h, (-2,), workspace(memory, h))

    def _gradient(self, name: str, parameters: list[Parameter]) -> LayerGradient | None:
        seen: list[Counts] = []
        moved: list[list[Tensor]] = []
        for parameter in parameters:
            found = self.gradients.get(parameter.name)
            if found is None:
                continue
            if isinstance(found, Tensor):
                found = gradient_counts(found, parameter.dims, workspace({}, found))
            seen.append(found)
            if change := self.updates.get(parameter.name):
                moved.append([norm(t, parameter.dims) if parameter.small else t for t in change])
        if not seen:
            return None
        norms, zeros, non_finite, entries = zip(*seen, strict=True)
        update = None
        if moved:
            steps, sizes = zip(*moved, strict=True)
            update = joint_norm(steps) / joint_norm(sizes)
        bad = sum(non_finite, torch.zeros_like(zeros[0]))
        return LayerGradient(name, joint_norm(norms), sum(zeros) / sum(entries), bad, update)


def _signal(one: Pass) -> LayerSignal:
    assert one.moments is not None
    assert one.arrived.active is not None
    mean, variance = one.moments
    # NaN > 0 is False: a diverged unit would pass for a dead one
    share = (one.arrived.active / one.data).masked_fill(mean.isnan(), torch.nan)
    signal = LayerSignal(one.name, mean, variance.sqrt(), share)
    object.__setattr__(signal, "_pass", one)  # not an argument: nobody else has one
    return signal
