"""Training copies: how well does a program learn, beside a constant and a small sound network?"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .losses import Kind, prediction
from .program import Batch, Program

__all__ = ["Task", "Trial", "reference", "task_of", "train"]

HELD = 4  # of the reference learner's rows, one in so many is held out
HIDDEN, RATE, STEPS = 48, 3e-3, 160  # of the reference learner


ANY = Kind(None)


@dataclass(frozen=True)
class Task:
    """What the targets ask for.

    Attributes:
        sort: "classes", "yes or no", "numbers", or "" where there are no targets to compare with.
        classes: How many, for classes.
    """

    sort: str
    classes: int = 0

    def skill(self, output: Tensor, target: Tensor, kind: Kind = ANY) -> float:
        """From 0, as good as the best constant output, to 1, perfect; below 0 is worse than a constant.

        Classes: balanced accuracy, rescaled. Yes or no: the area under the ROC curve, rescaled. Numbers: R².
        """
        if not self.sort or not isinstance(output, Tensor):
            return math.nan
        output = output.detach().float()
        if not output.isfinite().all():
            return -1.0
        if self.sort == "classes":
            guess, labels = _labels(output, target)
            if guess is None:
                return math.nan
            hits = [float((guess[labels == c] == c).float().mean()) for c in labels.unique()]
            chance = 1 / max(len(hits), 2)
            return (sum(hits) / len(hits) - chance) / (1 - chance)
        if self.sort == "yes or no":
            score = (
                output[..., 1] - output[..., 0]
                if output.ndim > target.ndim and output.shape[-1] == 2
                else output
            )
            if score.numel() != target.numel():
                return math.nan
            return _separation(score.flatten(), target.flatten() > 0.5)
        output = prediction(output, kind)
        if output.numel() != target.numel():
            return math.nan
        wanted = target.detach().float().reshape(len(target), -1)
        given = output.reshape(wanted.shape)
        spread = (wanted - wanted.mean(0)).square().sum()
        return max(-1.0, 1 - float((wanted - given).square().sum() / spread)) if spread > 0 else math.nan

    def certainty(self, output: Tensor, target: Tensor, skill: float) -> float:
        """The skill in standard errors of that of an output that knows nothing."""
        n = len(target)
        if not n or skill != skill:
            return math.nan
        if self.sort == "classes":
            return skill * math.sqrt(n * max(self.classes - 1, 1))
        if self.sort == "yes or no":
            return skill * math.sqrt(n) / 1.15
        both = torch.stack([output.float().flatten(), target.float().flatten()])
        return float(torch.corrcoef(both)[0, 1].nan_to_num() * math.sqrt(n))


def _labels(output: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor]:
    """The guessed and the right classes, flat."""
    if target.is_floating_point() and target.ndim == output.ndim:  # one-hot
        return output.argmax(-1).flatten(), target.argmax(-1).flatten()
    labels = target.long().flatten()
    if output.ndim == target.ndim + 1:
        at = 1 if output.ndim > 2 and output.shape[2:] == target.shape[1:] else -1
        return output.argmax(at).flatten(), labels
    if output.ndim == 2 and len(output) == len(labels):  # tokens, flattened
        return output.argmax(-1), labels
    return None, labels


def _separation(score: Tensor, positive: Tensor) -> float:
    """Twice the area under the ROC curve, less 1; ties count half."""
    n, p = int((~positive).sum()), int(positive.sum())
    if not n or not p:
        return math.nan
    values, place = score.unique(return_inverse=True)
    total = torch.bincount(place, minlength=len(values)).double()
    hits = torch.bincount(place[positive], minlength=len(values)).double()
    below = (total - hits).cumsum(0) - (total - hits) / 2
    return float(2 * (hits * below).sum() / (n * p) - 1)


def task_of(program: Program) -> Task:
    """From the targets, and from the output where classes are meant."""
    target = program.batches[0].target
    if not isinstance(target, Tensor) or target.ndim == 0:
        return Task("")
    every = torch.cat(
        [batch.target.flatten(0, 0) for batch in program.batches if batch.target.ndim == target.ndim]
    )
    if not target.is_floating_point():
        classes = int(every.max()) + 1 if every.numel() else 0
        return (
            Task("yes or no", 2) if classes <= 2 and not _has_classes(program) else Task("classes", classes)
        )
    if bool(((every == 0) | (every == 1)).all()):
        if every.ndim == 2 and every.shape[1] > 1 and bool((every.sum(1) == 1).all()):
            return Task("classes", every.shape[1])
        return Task("yes or no", 2)
    return Task("numbers")


def _has_classes(program: Program) -> bool:
    """Whether there is an output for each of more than two classes."""
    try:
        with torch.no_grad():
            output = program.output(program.batches[0])
        target = program.batches[0].target
        return output.ndim == target.ndim + 1 and output.shape[-1] > 2
    except Exception:
        return False


@dataclass
class Trial:
    """What became of a copy that was trained.

    Attributes:
        skill: After training, in evaluation mode, on what it was trained on; `in_training_mode` likewise.
        losses: Before each step.
        moved: Relative change of the weights.
    """

    skill: float
    in_training_mode: float
    losses: list[float]
    moved: float
    steps: int
    error: str = ""
    program: Program | None = field(default=None, repr=False)

    @property
    def told(self) -> float:
        """The skill; where there is none to measure, by how much the loss fell, from 0 to 1."""
        losses = [loss for loss in self.losses if loss == loss]
        if self.skill == self.skill or len(losses) < 8:
            return self.skill
        part = len(losses) // 8
        first, last = sum(losses[:part]) / part, sum(losses[-part:]) / part
        return (first - last) / abs(first) if first else 0.0

    @property
    def diverged(self) -> bool:
        """Whether the loss became no number, or grew tenfold."""
        ends = self.losses[-max(1, len(self.losses) // 10) :]
        worst = max((loss if math.isfinite(loss) else math.inf for loss in ends), default=0.0)
        return bool(self.losses) and (worst == math.inf or worst > 10 * abs(self.losses[0]) + 1e-6)


def train(
    program: Program,
    task: Task,
    kind: Kind,
    steps: int,
    seconds: float,
    *,
    enough: float = 2.0,
    in_place: bool = False,
) -> Trial:
    """Train a copy for so many steps, or until the time is up or the skill is `enough`.

    Training mode is set first, as every loop should; a user's own step sets its modes itself. With `in_place`
    it is the program itself that is trained.
    """
    torch.manual_seed(0)
    end = time.perf_counter() + seconds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copied = program if in_place else program.copied()
        before = [p.detach().clone() for p in copied.model.parameters()]
        losses: list[float] = []
        error = ""
        looks = {steps // 4, steps // 2} if enough < 2 else set()
        try:
            for done in range(steps):
                if copied.step is None:
                    copied.model.train()
                losses.append(copied.run(copied.batches[done % len(copied.batches)]))
                if done in looks and _skill(copied, task, kind, training=False) >= enough:
                    break
                if time.perf_counter() > end or (not math.isfinite(losses[-1]) and copied.step is None):
                    break
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
        told = [_skill(copied, task, kind, training=mode) for mode in (False, True)]
    moved = [
        float((p.detach() - b).float().norm() / b.float().norm().clamp_min(1e-12))
        for p, b in zip(copied.model.parameters(), before, strict=True)
        if p.is_floating_point() and p.ndim > 1
    ]
    return Trial(told[0], told[1], losses, max(moved, default=0.0), len(losses), error, copied)


def _skill(program: Program, task: Task, kind: Kind, *, training: bool) -> float:
    """On at most some 1,000 rows; in the mode that is asked for, without any change to the model."""
    if not task.sort:
        return math.nan
    modes = [(module, module.training) for module in program.model.modules()]
    kept = [(buffer, buffer.clone()) for buffer in program.model.buffers()] if training else []
    outputs, targets, rows = [], [], 0
    try:
        program.model.train(training)
        with torch.no_grad():
            for batch in program.batches[-1:] + program.batches[:-1]:
                outputs.append(program.output(batch))
                targets.append(batch.target)
                rows += len(batch)
                if rows >= 1000:
                    break
        if len({o.shape[1:] for o in outputs}) > 1 or len({t.shape[1:] for t in targets}) > 1:
            outputs, targets = outputs[:1], targets[:1]
        return task.skill(torch.cat(outputs), torch.cat(targets), kind)
    except Exception:
        return math.nan
    finally:
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)


# The reference learner


def features(batches: Sequence[Batch]) -> Tensor | None:
    """The inputs as a table (rows, columns) of at most 1,024 columns, standardized, or None."""
    xs = [batch.x for batch in batches]
    if any(x is None or x.ndim == 0 for x in xs) or len({x.shape[1:] for x in xs if x is not None}) > 1:
        return None
    x = torch.cat([x for x in xs if x is not None])
    if not x.is_floating_point() and x.ndim == 2 and int(x.max()) < 64 and int(x.min()) >= 0:
        x = F.one_hot(x.long()).float().flatten(1)  # codes
    x = x.flatten(1).float() if x.ndim > 1 else x.float()[:, None]
    x = torch.where(x.isfinite(), x, 0.0)
    if x.shape[1] > 1024:
        x = x[:, :: -(-x.shape[1] // 1024)]
    mean, std = x.double().mean(0), x.double().std(0, correction=0)
    return ((x.double() - mean) / torch.where(std > 1e-12 * mean.abs(), std, 1.0)).clamp(-8, 8).float()


class Sound(NamedTuple):
    """Skill of small sound networks on what they were trained on and on rows held out, and how sure that is.

    `sure` is the skill on the rows held out in its standard errors. NaN where none fits.
    """

    seen: float = math.nan
    held: float = math.nan
    sure: float = math.nan


def reference(program: Program, task: Task, steps: int = STEPS) -> Sound:
    """The better one of a linear map and a small network, trained on three quarters of the rows."""
    x = features(program.batches)
    targets = [batch.target for batch in program.batches]
    if x is None or not task.sort or len({t.shape[1:] for t in targets}) > 1:
        return Sound()
    y = torch.cat(targets).detach()
    if (
        len(y) != len(x)
        or (y.ndim > 2 and task.sort == "classes")
        or (y.ndim == 2 and not y.is_floating_point())
    ):
        return Sound()
    y = y.flatten(1) if y.ndim > 1 else y
    if y.is_floating_point() and not y.isfinite().all():
        return Sound()
    wanted = _wanted(y, task)
    own = torch.Generator().manual_seed(0)
    order = torch.randperm(len(x), generator=own)
    held, seen = order[: len(x) // HELD], order[len(x) // HELD :]
    outputs = task.classes if task.sort == "classes" else (wanted.shape[1] if wanted.ndim > 1 else 1)
    if len(seen) < 4 or outputs > 2000:
        return Sound()
    x, wanted = x.cpu(), wanted.cpu()
    told = []
    for hidden in ((), (HIDDEN, HIDDEN)):
        output = _fitted(x, wanted, (*hidden, outputs), seen, task, own, steps)
        output = output if task.sort == "classes" else output.reshape(wanted.shape)
        skills = [task.skill(output[rows], wanted[rows]) if len(rows) else math.nan for rows in (seen, held)]
        told.append(Sound(skills[0], skills[1], task.certainty(output[held], wanted[held], skills[1])))
    return max(told, key=lambda one: (one.held == one.held, one.held if one.held == one.held else one.seen))


def _fitted(
    x: Tensor,
    wanted: Tensor,
    widths: Sequence[int],
    seen: Tensor,
    task: Task,
    own: torch.Generator,
    steps: int,
) -> Tensor:
    """Outputs for all rows of a network that was trained on the rows `seen`."""
    torch.manual_seed(0)
    net = nn.Sequential()
    for fan_in, width in zip((x.shape[1], *widths), widths, strict=False):
        net.append(nn.Linear(fan_in, width)).append(nn.ReLU())
    optimizer = torch.optim.Adam(
        net[:-1].parameters(), lr=RATE if len(widths) > 1 else 3 * RATE, weight_decay=1e-4
    )
    with torch.enable_grad():
        for _ in range(steps):
            rows = seen[torch.randint(len(seen), (min(64, len(seen)),), generator=own)]
            loss = _reference_loss(net[:-1](x[rows]), wanted[rows], task)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return net[:-1](x)


def _wanted(y: Tensor, task: Task) -> Tensor:
    if task.sort == "classes":
        return y.argmax(-1) if y.is_floating_point() and y.ndim > 1 else y.long().flatten()
    if task.sort == "yes or no":
        return y.float()
    y = y.double()
    return ((y - y.mean(0)) / y.std(0).clamp_min(1e-30)).float()


def _reference_loss(output: Tensor, wanted: Tensor, task: Task) -> Tensor:
    if task.sort == "classes":
        return F.cross_entropy(output, wanted)
    output = output.reshape(wanted.shape)
    if task.sort == "yes or no":
        return F.binary_cross_entropy_with_logits(output, wanted)
    return F.mse_loss(output, wanted)
