"""Facts about the data that need no training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .program import Batch, Program
from .report import Finding
from .trials import Task

__all__ = ["Columns", "columns", "data_facts", "split_facts"]

FEW = 0.5  # of the rows that differ: less is a data set of copies
SHARED = 0.05  # of the validation rows that are training rows
APART = 1.0  # standard deviations between two parts' means
TIMES = 3.0  # between their standard deviations
RICH = 10  # so many times as many rows would be possible as there are: copies are then no coincidence
SORTED = 6.0  # standard errors of a batch's modal share from that of shuffled labels


class Columns(NamedTuple):
    """Offset and spread of the columns that vary and are neither sparse nor yes-or-no: (columns,) each."""

    mean: Tensor
    std: Tensor
    integer: bool
    largest: float

    @property
    def offset(self) -> float:
        """The median distance of a column's mean from 0, in its standard deviations."""
        return float((self.mean.abs() / self.std).median()) if len(self.std) else 0.0

    @property
    def ratio(self) -> float:
        """The largest standard deviation by the smallest."""
        return float(self.std.max() / self.std.min()) if len(self.std) else 1.0

    @property
    def size(self) -> float:
        """The standard deviation farthest from 1."""
        if not len(self.std):
            return 1.0
        low, high = float(self.std.min()), float(self.std.max())
        return high if high * low > 1 else low


def table(batches: Sequence[Batch]) -> Tensor | None:
    """The inputs as rows of numbers (rows, columns), float64; None where they are of several shapes."""
    xs = [batch.x for batch in batches]
    if any(x is None or x.ndim == 0 for x in xs) or len({x.shape[1:] for x in xs if x is not None}) > 1:
        return None
    x = torch.cat([x.detach() for x in xs if x is not None])
    return x.flatten(1).double() if x.ndim > 1 else x.double()[:, None]


def columns(batches: Sequence[Batch]) -> Columns:
    """Of the first tensor of the inputs. Sequences and images count by channel where that is last."""
    x = table(batches)
    none = torch.empty(0, dtype=torch.float64)
    if x is None or len(x) < 2:
        return Columns(none, none, False, 0.0)
    x = torch.where(x.isfinite(), x, torch.zeros(()).to(x))
    mean, std = x.mean(0), x.std(0, correction=0)
    low, high = x.amin(0), x.amax(0)
    two = ((x == low) | (x == high)).all(0) & (high - low <= 1.0)  # yes or no, as one-hot columns are
    sparse = (x == 0).double().mean(0) > 0.5
    keep = (std > 1e-7 * mean.abs()) & (std > 0) & ~two & ~sparse
    whole = bool((x == x.round()).all()) and bool((high - low > 1).any())
    return Columns(mean[keep], std[keep], whole, float(x.abs().max()))


def _keys(x: Tensor) -> Tensor:
    """A number for each row that only copies share."""
    weights = torch.rand(x.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x.cpu() @ weights


def _rich(x: Tensor) -> bool:
    """Whether so many different rows are possible that copies are no coincidence."""
    possible = 1.0
    for column in x.T[:64]:
        possible *= len(column.unique())
        if possible > RICH * len(x):
            return True
    return False


def data_facts(program: Program, task: Task) -> list[Finding]:
    """What inputs and targets show by themselves."""
    found: list[Finding] = []
    x = table(program.batches)
    if x is not None:
        bad = int((~x.isfinite()).any(1).sum())
        if bad:
            found.append(
                Finding("inputs-non-finite", f"{bad:,} of {len(x):,} rows hold NaN or infinity; 0 should.")
            )
        elif len(x) >= 4 and bool((x == x[:1]).all()):
            found.append(Finding("inputs-constant", f"all {len(x):,} rows are equal."))
        elif len(x) >= 20 and x.shape[1] > 1 and _rich(x):
            distinct = len(_keys(x).unique())
            if distinct < FEW * len(x):
                found.append(
                    Finding("inputs-duplicated", f"{distinct:,} of {len(x):,} rows differ; all should.")
                )
        if not bad and _rows_standardized(x):
            means = x.mean(0).abs().max()
            found.append(
                Finding(
                    "inputs-wrong-axis",
                    f"each row has mean 0 and deviation 1; columns have means up to {float(means):.2g}.",
                )
            )
    found += _target_facts(program, task)
    told = _told_by_inputs(x, program) if x is not None else None
    return [*found, Finding("leakage", told)] if told else found


def _told_by_inputs(x: Tensor, program: Program) -> str | None:
    """Whether one column of the inputs is the target, but for its scale."""
    targets = [batch.target for batch in program.batches]
    if not all(isinstance(t, Tensor) and t.numel() == len(t) > 0 for t in targets):
        return None
    y = torch.cat([t.flatten() for t in targets]).double()
    x, y = x - x.mean(0), y - y.mean()
    if len(y) < 20 or len(y) != len(x) or not x.isfinite().all() or not y.any():
        return None
    same = (x.T @ y).abs() / (x.norm(dim=0) * y.norm()).clamp_min(1e-300)
    best = int(same.argmax())
    said = f"column {best} of the inputs is the target: correlation {float(same[best]):.6f}."
    return said if same[best] > 0.99999 else None


def _rows_standardized(x: Tensor) -> bool:
    """Whether somebody has standardized along the wrong axis. Of images, that is a method."""
    if not 4 <= x.shape[1] <= 40 or len(x) < 8:
        return False
    std = [x.std(1, correction=c) for c in (0, 1)]
    rows = x.mean(1).abs().max() < 1e-3 and min(float((s - 1).abs().median()) for s in std) < 1e-3
    return bool(rows) and float(x.mean(0).abs().max()) > 0.3


def _target_facts(program: Program, task: Task) -> list[Finding]:
    targets = [batch.target for batch in program.batches]
    if not all(isinstance(t, Tensor) and t.ndim for t in targets) or len({t.shape[1:] for t in targets}) > 1:
        return []
    y, found = torch.cat(targets).detach(), []
    if task.sort in ("classes", "yes or no") and y.ndim == 1 + (y.shape[-1:] == (1,)) and len(y) >= 60:
        counts = torch.bincount(y.flatten().long() - int(y.min()))
        counts = counts[counts > 0]
        if len(counts) > 1 and counts.max() > 0.85 * len(y) and counts.min() < 10:
            said = f"of {len(y):,} rows {int(counts.max()):,} are of one class and {int(counts.min())} of another."
            found.append(Finding("classes-unequal", said))
    if y.is_floating_point() and not y.isfinite().all():
        found.append(
            Finding("targets-outside-loss", f"{int((~y.isfinite()).sum()):,} targets are NaN or infinite.")
        )
    elif len(y) >= 4 and bool((y == y[:1]).all()):
        found.append(Finding("targets-constant", f"all {len(y):,} targets are equal."))
    elif (told := _sorted_batches(targets, task)) is not None:
        found.append(Finding("batches-sorted", told))
    return found


def _sorted_batches(targets: Sequence[Tensor], task: Task) -> str | None:
    """Compare what the batches hold with what shuffled ones would."""
    targets = [t for t in targets if len(t) >= 4]
    if len(targets) < 3:
        return None
    own, y = torch.Generator().manual_seed(0), torch.cat(targets)
    sizes = [len(t) for t in targets]
    if task.sort == "numbers":
        y = y.double().flatten(1).mean(1) if y.ndim > 1 else y.double()
        if not y.std() > 0:
            return None
        measure = lambda parts: float(torch.stack([p.mean() for p in parts]).std() / y.std())  # noqa: E731
    elif y.ndim == 1 or (y.ndim == 2 and task.sort == "classes" and y.is_floating_point()):
        y = y.argmax(1) if y.ndim == 2 else y.long()
        measure = lambda parts: float(  # noqa: E731
            sum(torch.bincount(p - y.min()).max() for p in parts) / len(y)
        )
    else:
        return None
    seen = measure(y.split(sizes))
    shuffled = [measure(y[torch.randperm(len(y), generator=own)].split(sizes)) for _ in range(16)]
    mean, spread = sum(shuffled) / 16, torch.tensor(shuffled).std().item()
    if seen < mean + max(SORTED * spread, 0.15):
        return None
    what = (
        "spread of the batches' mean targets"
        if task.sort == "numbers"
        else "share of a batch's commonest class"
    )
    return f"{what}: {seen:.2f}; shuffled it would be {mean:.2f}."


def split_facts(program: Program, validation: Sequence[Batch]) -> list[Finding]:
    """What training and validation inputs have in common, and should not have, or should."""
    x, v = table(program.batches), table(validation)
    if x is None or v is None or x.shape[1] != v.shape[1]:
        return []
    found = []
    both = torch.cat([x, v])
    if _rich(both):
        shared = torch.isin(_keys(v), _keys(x)).double().mean().item()
        if shared > SHARED:
            found.append(
                Finding("leakage", f"{shared:.0%} of the validation rows are training rows; none should be.")
            )
    std = x.std(0, correction=0)
    keep = (std > 1e-9) & (v.std(0, correction=0) >= 0)
    if keep.any() and len(v) >= 8 and len(x) >= 8:
        moved = float(((v.mean(0) - x.mean(0))[keep] / std[keep]).abs().median())
        wide = float((v.std(0, correction=0)[keep] / std[keep]).clamp_min(1e-12).median())
        if moved > APART or not 1 / TIMES < wide < TIMES:
            found.append(
                Finding(
                    "validation-preprocessed",
                    f"in standard deviations of training, a column's mean is {moved:.2g} away (0 expected) "
                    f"and its standard deviation {wide:.2g} (1 expected), medians over columns.",
                )
            )
    return found
