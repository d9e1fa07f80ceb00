"""The order of a check-up: what is proven, what cures, what is seen."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from unitgain.diagnostics.unharmed import unharmed

from .cures import Cure, cures, own_loop, rows_of
from .data_facts import data_facts, split_facts
from .loop import loop_facts
from .losses import Kind, identify
from .model_facts import BATCH_NORMS, LINEAR, error_finding, model_facts
from .program import Program, batches_of, check, program_of, touches_original
from .report import Finding, Report
from .trials import Task, Trial, reference, task_of, train

__all__ = ["assert_trainable", "checkup"]

STEPS = 480  # of the first trial
LEARNS = 0.6  # of the reference's skill: as much and a network counts as one that learns
CURED = 0.75  # of the best skill that is known
UNSURE = 2.0  # standard errors: less is no better than a constant
ENOUGH = 120  # rows, to say so
LIKELY = 0.7  # suspicion
PARTLY = 0.93  # of the reference's skill: below, a cause that the evidence speaks for may be named
GAIN = 0.15  # of skill, that a cure must bring


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
        TypeError, ValueError: If an argument is not what it must be. What the model itself raises is a finding.

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
    check(model, optimizer, step)
    with unharmed(model, optimizer, data, validation):
        program = program_of(model, data, loss, optimizer, step)
        program = _with_targets(program, loss)
        like = next(p.dtype for p in program.model.parameters())
        held = (
            []
            if validation is None
            else batches_of(validation, like, next(model.parameters()).device, "validation")
        )
        found, told, other, losses, notes = _examined(program, held, start + time_limit)
    return Report(
        tuple(_ranked(found)[:most]), told, other, time.perf_counter() - start, tuple(losses), tuple(notes)
    )


def _with_targets(program: Program, loss: Any) -> Program:
    """An autoencoder's targets are its inputs."""
    if loss is None or not all(batch.target is None for batch in program.batches):
        return program
    return replace(program, batches=[replace(batch, target=batch.x) for batch in program.batches])


def _kind(program: Program) -> Kind:
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            output = program.copied().output(program.batches[0])
        return (
            identify(program.loss, output, program.batches[0].target)
            if isinstance(output, Tensor)
            else Kind(None)
        )
    except Exception:
        return Kind(None)


def _examined(
    program: Program, held: list, deadline: float
) -> tuple[list[Finding], float, float, list[float], list[str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task, kind = task_of(program), _kind(program)
        found = data_facts(program, task) + (split_facts(program, held) if held else [])
        found += model_facts(program, task, kind)
        own = touches_original(program.step)
        if program.step is not None:
            with unharmed(program.model, program.optimizer):
                found += loop_facts(program if own else program.copied())
        if any(f.name == "does-not-run" or f.evidence.startswith("it raises") for f in found):
            return found, math.nan, math.nan, [], []
        beside = reference(program, task)
        known = beside.seen
        sound = min(known, beside.held) if beside.held == beside.held else known
        seconds = min(0.4, max(0.1, (deadline - time.perf_counter()) / 8))
        enough = min(0.98, PARTLY * sound + 0.01) if sound > 0.5 else 0.98
        trial = _as_used(program, task, kind, seconds, enough)
        if trial.error and not found:
            return [error_finding(trial.error)], trial.skill, sound, trial.losses, []
        skill = trial.skill
        if skill != skill:
            skill = _by_loss(trial)
        proven = {f.name for f in found}
        if beside.sure < UNSURE and _by_heart(program, task, kind, seconds) < 1.5 * UNSURE:
            said = f"on rows held out a small sound network has a skill of {beside.held:.2f} (0: a constant), and so has this one."
            found.append(Finding("inputs-shuffled", said, "seen"))
        elif not _learns(skill, sound):
            found += _cured(program, task, kind, trial, skill, sound, proven, deadline, seconds, known)
        elif _disagrees(program, trial):
            found.append(_disagreement(program, trial))
    return found, skill, sound, trial.losses, []


def _as_used(program: Program, task: Task, kind: Kind, seconds: float, enough: float) -> Trial:
    """Trained as the user does: by the user's own step where there is one."""
    if touches_original(program.step):
        with unharmed(program.model, program.optimizer):
            return _in_place(program, task, kind, seconds)
    return train(program, task, kind, STEPS, seconds, enough=enough)


def _in_place(program: Program, task: Task, kind: Kind, seconds: float) -> Trial:
    """The step reaches the model itself, so that no copy can be trained by it."""

    class Same(Program):
        def copied(self) -> Program:
            return self

    same = Same(
        program.model, program.batches, program.loss, program.optimizer, program.step, program.own_optimizer
    )
    return train(same, task, kind, STEPS, seconds)


def _by_loss(trial: Trial) -> float:
    """Where there is no skill to measure: by how much the loss fell, from 0 to 1."""
    losses = [loss for loss in trial.losses if loss == loss]
    if len(losses) < 8:
        return math.nan
    part = max(1, len(losses) // 8)
    first, last = sum(losses[:part]) / part, sum(losses[-part:]) / part
    return (first - last) / abs(first) if first else 0.0


def _learns(skill: float, sound: float) -> bool:
    """Whether a network learns what can be learned."""
    if skill != skill:
        return True  # nothing speaks against it
    if sound != sound:
        return skill > 0.3
    return skill >= PARTLY * min(sound, 1.0) and skill > 0.02


def _by_heart(program: Program, task: Task, kind: Kind, seconds: float) -> float:
    """Train on three quarters of the rows: how sure is it that the rest is answered better than by a constant?"""
    rows = sum(map(len, program.batches))
    if rows < ENOUGH:
        return math.inf
    parts = program.batches if len(program.batches) > 3 else rows_of(program.batches, 32)
    cut = len(parts) - max(1, len(parts) // 4)
    plain = replace(program, step=None)
    trained = train(replace(plain, batches=parts[:cut]), task, kind, STEPS, seconds).program
    if trained is None:
        return math.inf
    trained.model.eval()
    try:
        with torch.no_grad():
            outputs = torch.cat([trained.output(batch) for batch in parts[cut:]])
        targets = torch.cat([batch.target for batch in parts[cut:]])
    except Exception:
        return math.inf
    sure = task.certainty(outputs, targets, task.skill(outputs, targets, kind))
    return sure if sure == sure else math.inf


def _disagrees(program: Program, trial: Trial) -> bool:
    slow = any(
        isinstance(m, BATCH_NORMS) and m.momentum is not None and m.momentum <= 0.01
        for m in program.model.modules()
    )
    return trial.in_training_mode - trial.skill > (0.05 if slow else 0.25)


def _disagreement(program: Program, trial: Trial) -> Finding:
    said = f"skill {trial.skill:.2f} in evaluation mode, {trial.in_training_mode:.2f} in training mode, on the same data."
    norms = [m for m in program.model.modules() if isinstance(m, BATCH_NORMS)]
    rows = max(len(batch) for batch in program.batches)
    if norms and rows <= 4:
        return Finding("batchnorm-tiny-batch", f"batches of {rows}; {said}", "cured")
    if norms:
        momentum = min((m.momentum for m in norms if m.momentum is not None), default=None)
        return Finding("batchnorm-lagging", f"momentum {momentum}; {said}", "cured")
    return Finding("train-evaluation-disagree", said, "cured")


def _cured(
    program: Program,
    task: Task,
    kind: Kind,
    trial: Trial,
    skill: float,
    sound: float,
    proven: set[str],
    deadline: float,
    seconds: float,
    known: float,
) -> list[Finding]:
    """The network does not learn: what helps?"""
    if _disagrees(program, trial) and _learns(trial.in_training_mode, sound):
        return [_disagreement(program, trial)]
    found: list[Finding] = []
    base = program
    if program.step is not None:
        base = own_loop(program)
        loop = train(base, task, kind, STEPS, seconds)
        if _better(loop.skill, skill, sound) and loop.skill - skill >= GAIN and not proven:
            said = f"skill {skill:.2f} by the step as given, {loop.skill:.2f} by a plain loop with the same optimizer."
            return [Finding("clipping-tight", said, "cured", loop.skill - skill)]
        if not _learns(loop.skill, sound) or loop.skill <= skill + GAIN:
            pass
        elif proven:
            return []
    tried: list[tuple[float, Finding]] = []
    likely = sorted(cures(base, task, kind, trial), key=lambda one: -one.suspicion)
    if _partly(skill, sound):
        likely = [cure for cure in likely if cure.suspicion >= LIKELY]
    for cure in likely:
        if time.perf_counter() > deadline:
            break
        gained = _tried(cure, task, kind, seconds)
        if _better(gained, skill, sound):
            gain = gained - max(skill, -0.2)
            said = f"{cure.evidence} Without it a copy learned {gained:.2f}, with it {skill:.2f}."
            finding = Finding(cure.name, said, "cured", gain, cure.layer, cure.better)
            tried.append((gain * (0.4 + cure.suspicion), finding))
            if cure.suspicion >= 0.7 and gained >= 0.9 * max(sound, 0.5):
                break
    tried.sort(key=lambda one: -one[0])
    found += [finding for score, finding in tried if score > 0.5 * tried[0][0]][:2]
    if not found and not proven and not _partly(skill, sound):
        found += _seen(program, task, kind, trial, skill, sound, known)
    return found


def _partly(skill: float, sound: float) -> bool:
    """Whether it learns something, so that only what the evidence speaks for may be named."""
    return skill >= LEARNS * sound if sound == sound else skill > 0.3


def _tried(cure: Cure, task: Task, kind: Kind, seconds: float) -> float:
    try:
        program = cure.make()
        trial = train(
            program, task, _kind(program) if cure.name == "wrong-loss" else kind, STEPS, seconds, enough=0.9
        )
    except Exception:
        return math.nan
    return _by_loss(trial) if trial.skill != trial.skill else trial.skill


def _better(skill: float, before: float, sound: float) -> bool:
    if skill != skill:
        return False
    if before != before:
        before = 0.0
    if _partly(before, sound):
        return skill - before >= max(0.05, 0.5 * (min(1.0, max(sound, skill)) - before))
    needed = CURED * sound if sound == sound and sound > 0.2 else 0.3
    return skill - max(before, 0.0) >= GAIN and (skill >= needed or skill - before >= 0.4)


def _seen(
    program: Program, task: Task, kind: Kind, trial: Trial, skill: float, sound: float, known: float
) -> list[Finding]:
    """No cure was found: what is left to say?"""
    widths = [m.out_features for m in program.model.modules() if isinstance(m, nn.Linear)][:-1]
    if widths and min(widths) <= 3 and sound == sound:
        return [Finding("too-narrow", f"the narrowest hidden layer has {min(widths)} units.", "seen")]
    layers = [m for m in program.model.modules() if isinstance(m, LINEAR)]
    if len(layers) == 1 and sound == sound and sound - skill > 0.3:
        return [Finding("no-nonlinearity", "there is one layer, and so a linear map.", "seen")]
    return [
        Finding(
            "cannot-overfit",
            f"skill {skill:.2f} after {trial.steps} steps; a small sound network learned {known:.2f}.",
            "seen",
        )
    ]


def _ranked(found: list[Finding]) -> list[Finding]:
    """The proven first, then what cures by its gain, then what is seen; each name once."""
    order = {"proven": 0, "cured": 1, "seen": 2}
    first: dict[str, Finding] = {}
    for finding in sorted(found, key=lambda f: (order[f.basis], -f.gain)):
        first.setdefault(finding.name, finding)
    return list(first.values())


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
