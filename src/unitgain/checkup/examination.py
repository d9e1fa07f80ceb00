"""The order of a check-up: what is proven, what cures, what is seen."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from unitgain.diagnostics.unharmed import unharmed

from .cures import cures, gradients, own_loop, rows_of, through_time
from .data_facts import data_facts, split_facts
from .loop import loop_facts
from .losses import Kind, identify
from .model_facts import BATCH_NORMS, LINEAR, error_finding, model_facts
from .program import Program, batches_of, check, program_of, touches_original
from .report import Finding, Report
from .trials import Sound, Task, Trial, reference, task_of, train

__all__ = ["assert_trainable", "checkup"]

STEPS = 480  # of a trial, if the time allows
LEARNS = 0.6  # of the reference's skill: below, a network does not learn, and whatever cures it is named
PARTLY = 0.93  # below, it learns in part, and what the evidence speaks for is named if it cures
LIKELY = 0.7  # suspicion: the evidence speaks for it
UNSURE = 2.0  # standard errors: less is no better than a constant
ENOUGH = 120  # rows, to say so
CURED = 0.75  # of the reference's skill
GAIN = 0.15  # of skill, that a cure must bring
BASES = ("proven", "cured", "seen")


def checkup(
    model: nn.Module,
    data: Any,
    loss: Any = None,
    *,
    optimizer: Optimizer | None = None,
    step: Callable[..., Any] | None = None,
    validation: Any = None,
    time_limit: float = 5.0,
    most: int = 3,
) -> Report:
    """Find out why a network does not learn.

    Model, optimizer, random states and all that belongs to them are afterwards as before, to the bit.

    Args:
        model: Any module, as it is before training.
        data: A batch (inputs, targets), a dictionary, a list of batches, a dataset or a loader; up to 64
            batches of it are looked at.
        loss: A function of output and targets, one of cross_entropy, nll, binary_cross_entropy,
            binary_cross_entropy_with_logits, mse, l1, huber, or None: that which fits the targets, or which
            the model returns.
        optimizer: The one in use; Adam over all parameters if there is none.
        step: The user's own training step, for faults of the loop. Its arguments are found by name: model,
            batch, optimizer, x, y, loss.
        validation: A batch or a loader of the validation data.
        time_limit: Seconds, about.
        most: Findings to report; causes, not symptoms.

    Returns:
        A `Report`, the most probable cause first. It is false where nothing was found.

    Raises:
        TypeError, ValueError: If an argument is not what it must be. What the model raises is a finding.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> draw = torch.Generator().manual_seed(0)
        >>> x = torch.randn(200, 4, generator=draw)
        >>> y = (x[:, :1] + x[:, 1:2] > 0).float()
        >>> model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
        >>> report = checkup(model, (x, y), "binary_cross_entropy_with_logits")
        >>> [finding.name for finding in report.findings]
        ['sigmoid-before-logits-loss']

    Source: Unit Gain. The order of the questions is that of the chapter on the recipe.
    """
    start = time.perf_counter()
    if not (isinstance(time_limit, (int, float)) and time_limit > 0):
        raise ValueError(f"checkup: time_limit must be above 0 seconds, got {time_limit}")
    if not (isinstance(most, int) and most > 0):
        raise ValueError(f"checkup: most must be 1 or more, got {most}")
    start = time.perf_counter()
    check(model, optimizer, step)
    if not time_limit > 0:
        raise ValueError(f"checkup: time_limit must be above 0 seconds, got {time_limit}")
    if not most >= 1:
        raise ValueError(f"checkup: most must be 1 or more, got {most}")
    with unharmed(model, optimizer, data, validation), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = program_of(model, data, loss, optimizer, step)
        like = next(program.model.parameters())
        held = [] if validation is None else batches_of(validation, like.dtype, like.device, "validation")
        facts = data_facts(program, task := task_of(program)) + (split_facts(program, held) if held else [])
        examination = Examination(program, task, _kind(program), start + time_limit)
        found = examination.findings(facts)
    told = examination.skill, examination.sound, time.perf_counter() - start
    return Report(tuple(_ranked(found)[:most]), *told, tuple(examination.losses))


def _kind(program: Program) -> Kind:
    try:
        with torch.no_grad():
            output = program.copied().output(program.batches[0])
        return (
            identify(program.loss, output, program.batches[0].target)
            if isinstance(output, Tensor)
            else Kind(None)
        )
    except Exception:
        return Kind(None)


def _ranked(found: list[Finding]) -> list[Finding]:
    """The proven first, then what cures by its gain, then what is seen; each name once."""
    first: dict[str, Finding] = {}
    for finding in sorted(found, key=lambda f: (BASES.index(f.basis), -f.gain)):
        first.setdefault(finding.name, finding)
    return list(first.values())


@dataclass
class Examination:
    """One program on its way through the questions.

    Attributes:
        skill: What it learned as the user trains it; `sound`, what a small sound network learned of the same
            data, on rows held out; NaN where that is not known.
    """

    program: Program
    task: Task
    kind: Kind
    deadline: float
    skill: float = math.nan
    sound: float = math.nan
    losses: tuple[float, ...] | list[float] = ()

    def findings(self, facts: list[Finding]) -> list[Finding]:
        """What is proven, and what else there is if the network does not learn."""
        program = self.program
        found = facts + model_facts(program, self.task, self.kind)
        own = touches_original(program.step)
        if program.step is not None:
            with unharmed(program.model, program.optimizer):
                found += loop_facts(program if own else program.copied())
        if any(f.name == "does-not-run" or f.evidence.startswith("it raises") for f in found):
            return found
        beside = reference(program, self.task)
        self.sound = min(beside.seen, beside.held) if beside.held == beside.held else beside.seen
        self.seconds = min(1.2, max(0.2, (self.deadline - time.perf_counter()) / 4))
        with unharmed(program.model, program.optimizer):
            trial = self._trial(
                program, in_place=own, enough=self.sound * PARTLY + 0.01 if self.sound > 0.5 else 1
            )
        self.losses = trial.losses
        if trial.error and not found:
            return [error_finding(trial.error)]
        self.skill = trial.told
        if beside.sure < UNSURE and self._by_heart() < 1.5 * UNSURE:
            said = f"on rows held out a small sound network has a skill of {beside.held:.2f}, a constant 0"
            return [*found, Finding("inputs-shuffled", f"{said}; so has this one.", "seen")]
        if self._disagrees(trial):
            return [*found, self._disagreement(trial)]
        if self._learns(self.skill):
            return found
        return found + self._cured(trial, beside, proven=bool(found))

    def _trial(self, program: Program, *, in_place: bool = False, enough: float = 0.9) -> Trial:
        return train(program, self.task, self.kind, STEPS, self.seconds, enough=enough, in_place=in_place)

    def _learns(self, skill: float) -> bool:
        """Whether a network learns what can be learned; if nothing is known, nothing speaks against it."""
        least = 0.3 if self.sound != self.sound else max(PARTLY * self.sound, 0.02)
        return not skill < least

    def _partly(self, skill: float) -> bool:
        """Whether it learns something, so that only what the evidence speaks for may be named."""
        return skill >= (0.3 if self.sound != self.sound else max(LEARNS * self.sound, 0.02))

    def _better(self, skill: float) -> bool:
        """Whether a cure has cured."""
        before = max(self.skill, 0.0) if self.skill == self.skill else 0.0
        if self._partly(before):
            best = min(1.0, max(skill, self.sound if self.sound == self.sound else skill))
            return skill - before >= max(0.05, 0.5 * (best - before))
        needed = CURED * self.sound if self.sound > 0.2 else 0.3
        return skill - before >= GAIN and (skill >= needed or skill - before >= 0.4)

    def _by_heart(self) -> float:
        """Train on three quarters of the rows: how sure is it that the rest is answered not by luck?"""
        plain = own_loop(self.program)
        if sum(map(len, plain.batches)) < ENOUGH:
            return math.inf
        parts = plain.batches if len(plain.batches) > 3 else rows_of(plain.batches, 32)
        cut = len(parts) - max(1, len(parts) // 4)
        trained = self._trial(replace(plain, batches=parts[:cut]), enough=2).program
        if trained is None:
            return math.inf
        try:
            with torch.no_grad():
                trained.model.eval()
                outputs = torch.cat([trained.output(batch) for batch in parts[cut:]])
            targets = torch.cat([batch.target for batch in parts[cut:]])
        except Exception:
            return math.inf
        sure = self.task.certainty(outputs, targets, self.task.skill(outputs, targets, self.kind))
        return math.inf if sure != sure else sure

    def _disagrees(self, trial: Trial) -> bool:
        momenta = [m.momentum for m in self.program.model.modules() if isinstance(m, BATCH_NORMS)]
        lagging = any(momentum is not None and momentum <= 0.01 for momentum in momenta)
        return trial.in_training_mode - trial.skill > (0.02 if lagging else 0.12)

    def _disagreement(self, trial: Trial) -> Finding:
        seen = f"skill {trial.skill:.2f} in evaluation mode, {trial.in_training_mode:.2f} in training mode"
        norms = [m for m in self.program.model.modules() if isinstance(m, BATCH_NORMS)]
        if norms and (rows := max(map(len, self.program.batches))) <= 4:
            return Finding("batchnorm-tiny-batch", f"batches of {rows}; {seen}.", "cured")
        if norms:
            return Finding("batchnorm-lagging", f"momentum {norms[0].momentum}; {seen}.", "cured")
        return Finding("train-evaluation-disagree", f"{seen}, on the same data.", "cured")

    def _cured(self, trial: Trial, beside: Sound, *, proven: bool) -> list[Finding]:
        """The network does not learn: what helps?"""
        plain = own_loop(self.program)
        if self.program.step is not None:
            loop = self._trial(plain)
            if loop.skill - self.skill >= GAIN and self._better(loop.skill):
                said = f"skill {self.skill:.2f} by the step as given, {loop.skill:.2f} by a plain loop."
                return [] if proven else [Finding("clipping-tight", said, "cured", loop.skill - self.skill)]
        partly = self._partly(self.skill)
        tried: list[tuple[float, Finding]] = []
        for cure in sorted(cures(plain, self.task, self.kind, trial), key=lambda one: -one.suspicion):
            if time.perf_counter() > self.deadline or (partly and cure.suspicion < LIKELY):
                break
            skill = self._without(cure.make)
            if self._better(skill):
                gain = skill - max(self.skill, -0.2)
                said = f"{cure.evidence} Without it a copy learned {skill:.2f}, with it {self.skill:.2f}."
                finding = Finding(cure.name, said, "cured", gain, cure.layer, cure.better)
                tried.append((gain * (0.4 + cure.suspicion), finding))
                if cure.suspicion >= LIKELY and skill >= 0.9 * max(self.sound, 0.5):
                    break
        tried.sort(key=lambda one: -one[0])
        if tried or proven:
            return [finding for score, finding in tried if score > 0.5 * tried[0][0]][:2]
        return list(self._left(trial, beside, partly=partly))

    def _without(self, make: Callable[[], Program]) -> float:
        try:
            return self._trial(make()).told
        except Exception:
            return math.nan

    def _left(self, trial: Trial, beside: Sound, *, partly: bool) -> Iterator[Finding]:
        """No cure was found: what is left to say?"""
        modules = list(self.program.model.modules())
        layers = [m for m in modules if isinstance(m, LINEAR)]
        widths = [len(m.weight) for m in layers[:-1]]
        widths += [m.hidden_size for m in modules if isinstance(m, nn.RNNBase)]
        narrowest = min(widths, default=99)
        recurrent, sizes = (
            through_time(self.program),
            [g.norm() / w.norm() for w, g in gradients(self.program)],
        )
        ratio = float(sizes[0] / sizes[-1]) if len(sizes) > 3 and sizes[-1] > 0 else 1.0
        if recurrent is not None and not 1e-4 < recurrent < 1e4:
            said = f"the gradient at the first step of the inputs is {recurrent:.1e} of that at the last."
            yield Finding("vanishing" if recurrent < 1 else "exploding", said, "seen")
        elif narrowest <= 2:
            yield Finding("too-narrow", f"the narrowest hidden layer has {narrowest} units.", "seen")
        elif ratio < 1e-2:
            said = f"the first layer's gradient, relative to its weights, is {ratio:.1e} of the last one's."
            yield Finding("vanishing", said, "seen")
        elif partly:
            return
        elif len(layers) == 1 and self.sound - self.skill > 0.3 and not own_parameters(modules):
            yield Finding("no-nonlinearity", "there is one layer, and so a linear map.", "seen")
        else:
            said = f"skill {self.skill:.2f} after {trial.steps} steps, of a small sound network {beside.seen:.2f}."
            yield Finding("cannot-overfit", said, "seen")


def own_parameters(modules: list[nn.Module]) -> bool:
    """Whether there are weights beside those of linear and convolutional layers."""
    known = (*LINEAR, nn.modules.batchnorm._NormBase, nn.LayerNorm)
    return any(not isinstance(m, known) and list(m.parameters(recurse=False)) for m in modules)


def assert_trainable(model: nn.Module, batch: Any, loss: Any = None, **options: Any) -> None:
    """Fail, with the report, where `checkup` finds a cause: for tests.

    Args:
        model, batch, loss, **options: As for `checkup`.

    Raises:
        AssertionError: If there is a finding.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
        >>> assert_trainable(model, (x, x**2), "mse", optimizer=torch.optim.Adam(model.parameters(), 0.03))

    Source: Unit Gain.
    """
    __tracebackhide__ = True
    report = checkup(model, batch, loss, **options)
    if report:
        raise AssertionError(f"the network will not train\n{report}")
