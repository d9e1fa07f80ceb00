"""One measured step: raw measures as the hooks bring them, a record when somebody reads."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .layout import Layout
from .measures import Counts, active, gradient_counts, joint_norm, moments, norm, workspace
from .records import Kept, LayerGradient, LayerSignal, Pass, StepRecord

__all__ = ["Parameter", "Step", "Traced", "batched", "is_signal"]


class Parameter(NamedTuple):
    """A watched parameter. Measures of a small one can wait: a copy costs less than computing them."""

    name: str
    tensor: nn.Parameter
    dims: tuple[int, ...] | None  # all but the replicas; None: all
    small: bool


class Step:
    """One step: what each call of a layer left, what each parameter's gradient and update were."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.passes: list[Pass] = []
        self.signals: list[LayerSignal] = []  # made of the passes
        self.gradients: dict[str, Counts | Tensor] = {}  # by parameter; of a small one a copy
        self.updates: dict[str, tuple[Tensor, Tensor]] = {}  # step and parameter: norms, or copies

    def release(self, memory: dict[torch.dtype, Tensor]) -> None:
        """Let go of the samples, with `memory` to work in."""
        self._complete(memory)
        for one in self.passes:
            one.release()

    def clear(self) -> None:
        """Forget the forward pass: another batch comes before the same optimizer step."""
        for one in self.passes:
            one.release()
        self.passes, self.signals = [], []

    def record(self, layers: dict[str, list[Parameter]]) -> StepRecord:
        """What was measured so far; `layers` holds the watched parameters, by layer."""
        self._complete({})
        self.signals += [_signal(one) for one in self.passes[len(self.signals) :]]
        ran = dict.fromkeys(one.name for one in self.passes)
        names = [name for name in {**ran, **dict.fromkeys(layers)} if name in layers]
        gradients = [row for name in names if (row := self._gradient(name, layers[name])) is not None]
        return StepRecord(self.step, list(self.signals), gradients)

    def _complete(self, memory: dict[torch.dtype, Tensor]) -> None:
        """The measures of layers whose samples hold all their data, in one go: in a hook each costs more."""
        for one in self.passes:
            z, h = one.before, one.output
            if z.active is None and z.sample is not None:
                z.active = active(z.sample, (-2,), workspace(memory, z.sample))
            if one.moments is None and h is not None:
                one.moments = moments(h, (-2,), workspace(memory, h))

    def _gradient(self, name: str, parameters: list[Parameter]) -> LayerGradient | None:
        counts: list[Counts] = []
        moved: list[list[Tensor]] = []
        for parameter in parameters:
            found = self.gradients.get(parameter.name)
            if found is None:
                continue
            if isinstance(found, Tensor):
                found = gradient_counts(found, parameter.dims, workspace({}, found))
            counts.append(found)
            if change := self.updates.get(parameter.name):
                moved.append([norm(t, parameter.dims) if parameter.small else t for t in change])
        if not counts:
            return None
        norms, zeros, non_finite, entries = zip(*counts, strict=True)
        update = None
        if moved:
            steps, sizes = zip(*moved, strict=True)
            update = joint_norm(steps) / joint_norm(sizes)
        bad = sum(non_finite, torch.zeros_like(zeros[0]))
        return LayerGradient(name, joint_norm(norms), sum(zeros) / sum(entries), bad, update)


def _signal(one: Pass) -> LayerSignal:
    assert one.moments is not None
    assert one.before.active is not None
    mean, variance = one.moments
    # NaN > 0 is False: a diverged unit would pass for a dead one
    share = (one.before.active / one.data).masked_fill(mean.isnan(), torch.nan)
    signal = LayerSignal(one.name, mean, variance.sqrt(), share)
    object.__setattr__(signal, "_pass", one)  # not an argument: nobody else has one
    return signal


class Traced(NamedTuple):
    """What is known of a tensor between two layers."""

    tensor: weakref.ref[Tensor]
    version: int  # counted up by in-place operations
    shape: torch.Size
    layout: Layout
    kept: Kept

    @classmethod
    def of(cls, z: Tensor, layout: Layout, kept: Kept) -> Traced:
        """What is to be remembered of `z`."""
        return cls(weakref.ref(z), _version(z), batched(z).shape, layout, kept)

    def is_still(self, z: Tensor) -> bool:
        """Whether `z` is that tensor, unchanged since."""
        return self.tensor() is z and self.version == _version(z) != -1


def _version(z: Tensor) -> int:
    return -1 if z.is_inference() else z._version


def is_signal(z: Any) -> bool:
    """Whether there is anything to measure."""
    return isinstance(z, Tensor) and z.is_floating_point() and z.ndim > 0 and z.numel() > 0


def batched(z: Tensor) -> Tensor:
    """`z` without its graph; a single example becomes a batch of one."""
    return z.detach().unsqueeze(0) if z.ndim == 1 else z.detach()
