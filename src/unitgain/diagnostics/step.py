"""One measured step: raw measures as the hooks bring them, a record when somebody reads."""

from __future__ import annotations

import math
import weakref
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from .layout import Layout
from .measures import Counts, are_far, gradient_counts, joint_norm, moments, norm, workspace
from .records import Kept, LayerGradient, LayerSignal, Pass, StepRecord

__all__ = ["Memory", "Parameter", "Recomputation", "Step", "Traced", "version_of"]

Memory = dict[torch.dtype, Tensor]  # to work in, see measures.workspace


class Parameter(NamedTuple):
    """A watched parameter. Measures of a small one can wait: a copy costs less than computing them."""

    name: str
    tensor: nn.Parameter
    dims: tuple[int, ...] | None  # all but the replicas; None: all
    small: bool


class Step:
    """What each call of a layer gave, what each parameter's gradient and update were."""

    def __init__(self, step: int, *, training: bool = True, wanted: bool = True) -> None:
        self.step, self.training = step, training
        self.wanted = wanted  # as what it is now; an evaluation that may turn out to be a step is not always
        self.passes: list[Pass] = []
        self.signals: list[LayerSignal] = []  # made of the passes
        self.gradients: dict[str, Counts | Tensor] = {}  # by parameter; of a small one a copy
        self.updates: dict[str, tuple[Tensor, Tensor]] = {}  # step and parameter: norms, or copies
        self.scale: Tensor | None = None  # what the loss was multiplied by before backward
        self.samples: dict[tuple[int, str], Tensor] = {}  # the memory of the samples, by call
        self.opened = False  # whether there is anything to keep
        self.handles: list[RemovableHandle] = []  # of the hooks on outputs
        self._calls: dict[str, int] = {}

    def call(self, layer: str, fraction: float, layout: Layout, shape: torch.Size) -> Pass:
        """A new pass of `layer`, whose outputs have that layout and shape."""
        count = self._calls[layer] = self._calls.get(layer, 0) + 1
        one = Pass(layer, layer if count == 1 else f"{layer}#{count}", fraction, layout)
        one.entries = math.prod(shape[layout.replicas :])
        one.data = one.entries // shape[layout.units]
        self.passes.append(one)
        return one

    def release(self, memory: Memory) -> dict[tuple[int, str], Tensor]:
        """Let go of the samples and hand over what held them, with `memory` to work in."""
        self._complete(memory)
        for one in self.passes:
            one.release()
        samples, self.samples = self.samples, {}
        return samples

    def clear(self) -> None:
        """Forget the forward pass: another batch comes before the same optimizer step."""
        for one in self.passes:
            one.release()
        self.passes, self.signals, self._calls = [], [], {}

    def record(self, layers: dict[str, list[Parameter]]) -> StepRecord:
        """What was measured so far; `layers` holds the watched parameters, by layer."""
        self._complete({})
        self.signals += [_signal(one) for one in self.passes[len(self.signals) :]]
        ran = dict.fromkeys(one.layer for one in self.passes)
        names = [name for name in {**ran, **dict.fromkeys(layers)} if name in layers]
        gradients = [row for name in names if (row := self._gradient(name, layers[name])) is not None]
        return StepRecord(self.step, list(self.signals), gradients, self.training)

    def _complete(self, memory: Memory) -> None:
        """Measure again what was measured too coarsely, while there is the sample."""
        quick = [one for one in self.passes if one.quick]
        if quick and are_far([one.moments for one in quick if one.moments is not None]):
            for one in quick:
                assert one.output is not None
                one.moments = moments(one.output, (-2,), workspace(memory, one.output))
        for one in quick:
            one.quick = False

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
        length = joint_norm(norms)
        if self.scale is not None:
            length = length / self.scale
        update = None
        if moved:
            steps, sizes = zip(*moved, strict=True)
            update = joint_norm(steps) / joint_norm(sizes)
        bad = sum(non_finite, torch.zeros_like(zeros[0]))
        return LayerGradient(name, length, sum(zeros) / sum(entries), bad, update)


def _signal(one: Pass) -> LayerSignal:
    assert one.moments is not None
    assert one.before.active is not None
    mean, variance = one.moments
    # NaN > 0 is False: a diverged unit would pass for a dead one
    share = (one.before.active / one.data).masked_fill(mean.isnan(), torch.nan)
    signal = LayerSignal(one.name, mean, variance.sqrt(), share)
    object.__setattr__(signal, "_pass", one)  # not an argument: nobody else has one
    return signal


class Recomputation:
    """Layers that run again within backward, and whose gradients belong to their first run.

    A checkpoint runs its segment anew when backward reaches it, then backward goes through the new tensors:
    of the calls that wait, its own are the last ones of each layer.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._calls: list[str] = []
        self._passes: list[Pass] = []

    @property
    def is_over(self) -> bool:
        """Whether backward has gone on, so that the next layer to run again is another segment's."""
        return bool(self._passes)

    def call(self, layer: str) -> int:
        """The number of a new call of `layer` in the segment."""
        self._calls.append(layer)
        return len(self._calls) - 1

    def first_run(self, number: int) -> Pass:
        """The pass that the call of this number repeats; asked for after the segment's last call."""
        if not self._passes:
            waiting: dict[str, list[Pass]] = {}
            for one in self._step.passes:
                if one.runs_again:
                    waiting.setdefault(one.layer, []).append(one)
            for layer in set(self._calls):
                del waiting.get(layer, [])[: -self._calls.count(layer)]
            for layer in self._calls:
                one = waiting[layer].pop(0) if waiting.get(layer) else Pass()
                one.runs_again = False
                self._passes.append(one)
        return self._passes[number]


class Traced(NamedTuple):
    """What is known of a tensor between two layers."""

    tensor: weakref.ref[Tensor]
    version: int  # counted up by in-place operations
    shape: torch.Size  # of its rows
    layout: Layout
    kept: Kept

    def is_still(self, tensor: Tensor) -> bool:
        """Whether `tensor` is that one, unchanged since."""
        return self.tensor() is tensor and self.version == version_of(tensor) != -1


def version_of(tensor: Tensor) -> int:
    """How often it was changed in place; -1 where nobody counts."""
    return -1 if tensor.is_inference() else tensor._version
