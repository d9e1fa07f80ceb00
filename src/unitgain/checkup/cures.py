"""Counterfactuals: a cause is named where a copy without it learns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .data_facts import columns
from .losses import KNOWN, Kind, canonical
from .model_facts import BATCH_NORMS, BOUNDS, DROPOUTS, LINEAR, last_operation, plain
from .program import Batch, Program
from .trials import Task, Trial

__all__ = ["Cure", "cures", "own_loop", "rows_of"]

SQUASHING = (nn.Sigmoid, nn.Tanh, nn.Softsign, nn.Hardtanh, nn.Hardsigmoid)
LAST = (*SQUASHING, nn.ReLU, nn.ReLU6, nn.Softmax, nn.Softplus)
FAR, WILD = 2.0, 20.0  # offset of a column in its deviations; ratio of scales, or a scale away from 1
SMALL, LARGE = 0.2, 4.0  # standard deviation of weights times the root of their inputs
STRONG = 0.6  # dropout
DECAY = 0.02  # weight decay: more is strong, and so is what takes a thousandth of a weight each step
TINY = 4  # examples in a batch
UNEQUAL = 0.85  # share of the commonest class


class Cure(NamedTuple):
    """A way to make a copy without one cause.

    Attributes:
        suspicion: From 0 to 1, how much the evidence speaks for this cause before the trial.
        better: A number for the fix.
    """

    name: str
    suspicion: float
    make: Callable[[], Program]
    evidence: str
    layer: str = ""
    better: str = ""


def cures(program: Program, task: Task, kind: Kind, trial: Trial) -> Iterator[Cure]:
    """All that are worth a trial, in no order."""
    yield from _of_inputs(program)
    yield from _of_targets(program, task)
    yield from _of_weights(program)
    yield from _of_the_rate(program, trial)
    yield from _of_regularization(program)
    yield from _of_parameters(program)
    yield from _of_batches(program, task)
    yield from _of_the_loss(program, task, kind)
    yield from _of_depth(program)


def own_loop(program: Program, **changes: Any) -> Program:
    """The same without the user's step, and with these changes."""
    return replace(program, step=None, **changes)


# Inputs and targets


def _of_inputs(program: Program) -> Iterator[Cure]:
    x = program.batches[0].x
    if x is None or x.dtype == torch.bool or (_embeds(program) and not x.is_floating_point()):
        return
    told = columns(program.batches)
    if not len(told.std):
        return
    far = abs(math.log10(max(told.size, 1e-30)))
    wild = told.ratio > WILD or far > math.log10(WILD)
    said = (
        f"columns lie {told.offset:.2g} standard deviations from 0 (median; 0 expected), "
        f"the scales from {float(told.std.min()):.2g} to {float(told.std.max()):.2g} (1 expected)."
    )
    standardized = partial(_standardized, program)
    if not wild and told.offset <= 1:
        return
    if told.integer and told.largest > 8:
        yield Cure("inputs-integer", 0.85, standardized, f"whole numbers up to {told.largest:.4g}; {said}")
    elif wild and told.offset <= 5 * max(1.0, far):
        yield Cure("inputs-wild-scales", 0.9, standardized, said)
    else:
        yield Cure("inputs-not-centred", 0.9 if told.offset > FAR else 0.5, standardized, said)


def _embeds(program: Program) -> bool:
    return any(isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for m in program.model.modules())


def _standardized(program: Program) -> Program:
    """Column by column; of images and sequences all as one, unless their scales differ widely."""
    x = torch.cat([b.x for b in program.batches if b.x is not None]).detach()
    table = x.flatten(1).double() if x.ndim > 1 else x.double()[:, None]
    spread = table.std(0, correction=0)
    if x.ndim > 2 and spread.max() < WILD * spread[spread > 0].median():
        table = table.reshape(-1, 1)
    mean, std = table.mean(0), table.std(0, correction=0)
    std = torch.where(std > 1e-7 * mean.abs().clamp_min(1e-30), std, torch.ones_like(std))
    like = next(p.dtype for p in program.model.parameters() if p.is_floating_point())

    def through(batch: Batch) -> Batch:
        old: Any = batch.x
        rows = old.flatten(1) if old.ndim > 1 else old[:, None]
        return batch.with_x(((rows.double() - mean) / std).reshape(old.shape).to(like))

    return replace(program, batches=[through(batch) for batch in program.batches])


class Rescaled(nn.Module):
    """A model whose outputs are carried to the targets' mean and standard deviation."""

    def __init__(self, model: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.model, self.mean, self.std = model, mean, std

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.mean + self.std * self.model(*args, **kwargs)


def _of_targets(program: Program, task: Task) -> Iterator[Cure]:
    if task.sort != "numbers":
        return
    y = torch.cat([batch.target for batch in program.batches]).detach()
    mean, std = y.mean(0), y.std(0)
    std = torch.where(std > 0, std, torch.ones_like(std))
    offset, size = float((mean.abs() / std).median()), float(std.median())
    if offset <= 4 and 0.1 < size < 8:
        return

    def make() -> Program:
        def loss(output: Any, target: Any) -> Tensor:
            return program.loss((output - mean) / std, (target - mean) / std)

        return own_loop(program, model=Rescaled(program.model, mean, std), loss=loss)

    said = f"targets have mean {float(mean.median()):.3g} and standard deviation {size:.3g}"
    yield Cure("targets-unscaled", 0.9, make, f"{said}; 0 and 1 expected.")


# Weights


def _of_weights(program: Program) -> Iterator[Cure]:
    layers = [(n, m) for n, m in program.model.named_modules() if isinstance(m, LINEAR)]
    if not layers:
        return
    fresh = partial(fresh_weights, program)
    sizes = [(_size(module), name) for name, module in layers]
    (low, least), (high, most) = min(sizes), max(sizes)
    rule = "times the root of the inputs; 0.58 to 1.4 expected."
    said = f"standard deviation of {{}}'s weights: {{:.3g}} {rule}"
    alike = [name for name, m in layers if len(m.weight) > 2 and _alike(m.weight)]
    if low == 0:
        yield Cure("weights-zero", 1.0, fresh, f"all weights of {least} are 0.", least)
    elif alike:
        yield Cure("weights-equal", 0.95, fresh, f"the units of {alike[0]} start alike.", alike[0])
    elif low < SMALL:
        yield Cure("weights-small", 0.9, fresh, said.format(least, low), least)
    if high > LARGE:
        yield Cure("weights-large", 0.9, fresh, said.format(most, high), most)
    for name, module in layers[:-1]:
        bias = 0.0 if module.bias is None else float(module.bias.detach().float().median())
        if bias < -max(_size(module), 0.3):
            said = f"the median bias of {name} is {bias:.2g}, for signals of size {_size(module):.2g}"
            yield Cure("biases-kill", 0.95, fresh, f"{said}; 0 expected.", name)
            break
    dead = _dead(program)
    if low >= SMALL and high <= LARGE and not alike and dead > 0.6:
        said = f"{dead:.0%} of a hidden layer's units get no gradient from any example."
        yield Cure("dead-units", 0.6, fresh, said)


def _size(module: nn.Module) -> float:
    w = module.weight.detach().float().flatten(1)  # type: ignore[operator]
    return float(w.square().mean().sqrt() * w.shape[1] ** 0.5)


def _alike(weight: Tensor) -> bool:
    w = weight.detach().float().flatten(1)
    return float((w - w.mean(0)).abs().max()) < 1e-3 * float(w.abs().max())


def gradients(program: Program) -> list[tuple[Tensor, Tensor]]:
    """Weight and gradient of each layer before training, in training mode; none where it raises."""
    copied = program.copied()
    copied.model.train()
    try:
        copied.loss_of(copied.batches[0]).backward()
    except Exception:
        return []
    weights = [m.weight for m in copied.model.modules() if isinstance(m, LINEAR)]
    return [(w.detach().double(), w.grad.double()) for w in weights if w.grad is not None]


def _dead(program: Program) -> float:
    """The largest share of a hidden layer's units whose gradient is exactly 0."""
    shares = [float((g.flatten(1).abs().amax(1) == 0).double().mean()) for _, g in gradients(program)[:-1]]
    return max(shares, default=0.0)


def fresh_weights(program: Program) -> Program:
    """A copy that starts from He's weights, LeCun's in the last layer, and biases of 0."""
    copied = program.copied()
    torch.manual_seed(1)
    layers = [m for m in copied.model.modules() if isinstance(m, LINEAR)]
    for module in copied.model.modules():
        if module in layers:
            nn.init.kaiming_normal_(module.weight, a=float(module is layers[-1]))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif callable(getattr(module, "reset_parameters", None)):
            module.reset_parameters()  # type: ignore[operator]
    return copied


# Training


def _with_groups(program: Program, change: Callable[[dict[str, Any]], None]) -> Program:
    copied = program.copied()
    for group in copied.optimizer.param_groups:
        change(group)
    return copied


def _times(group: dict[str, Any], by: float) -> None:
    group["lr"] = group["lr"] * by


def _of_the_rate(program: Program, trial: Trial) -> Iterator[Cure]:
    rate, losses = float(program.optimizer.param_groups[0].get("lr", 1e-3)), trial.losses
    blown = trial.diverged or (len(losses) > 4 and max(losses[1:6]) > 3 * abs(losses[0]))
    slow = trial.moved < 0.02 and not trial.diverged
    high, low = (0.8 if blown else 0.1 if slow else 0.4), (0.8 if slow else 0.35)
    trials = (("rate-too-high", 0.05, high), ("rate-too-high", 0.003, high - 0.25))
    for name, factor, suspicion in (*trials, ("rate-too-low", 20, low), ("rate-too-low", 1000, low - 0.25)):
        what = "rises" if blown else "does not fall"
        said = f"with {rate:.2g} the loss {what}; with {rate * factor:.2g} it falls."
        make = partial(_with_groups, program, partial(_times, by=factor))
        yield Cure(name, suspicion, make, said, better=f"{rate * factor:.2g}")


def _of_regularization(program: Program) -> Iterator[Cure]:
    groups = program.optimizer.param_groups
    decay = max(float(group.get("weight_decay") or 0.0) for group in groups)
    if decay > 0:
        eaten = decay * float(groups[0].get("lr", 1e-3))
        usual = 0.5 if type(program.optimizer).__name__ == "AdamW" else DECAY
        strong = decay >= usual or eaten > 1e-3
        make = partial(_with_groups, program, lambda group: group.update(weight_decay=0.0))
        said = f"a weight decay of {decay:g} takes {eaten:.1e} of a weight each step."
        yield Cure("weight-decay", 0.85 if strong else 0.2, make, said)
    strongest = max(map(_dropout, program.model.modules()))
    if strongest > 0.3:
        said = f"dropout of {strongest:g}; up to 0.5 is usual."
        make = partial(_without_dropout, program)
        yield Cure("dropout-strong", 0.9 if strongest >= STRONG else 0.3, make, said)


def _dropout(module: nn.Module) -> float:
    """Of a layer, or of one that has it inside, as attention and recurrent layers do."""
    inside = getattr(module, "dropout", 0.0)
    return float(module.p) if isinstance(module, DROPOUTS) else inside if isinstance(inside, float) else 0.0


def _without_dropout(program: Program) -> Program:
    copied = program.copied()
    for module in copied.model.modules():
        if _dropout(module):
            setattr(module, "p" if isinstance(module, DROPOUTS) else "dropout", 0.0)
    return copied


def _of_parameters(program: Program) -> Iterator[Cure]:
    own, kept = dict(program.model.named_parameters()), set(program.parameters)
    weights = sum(p.numel() for p in own.values())
    frozen = [name for name, p in own.items() if not p.requires_grad]
    missing = [name for name, p in own.items() if p.requires_grad and p not in kept]
    for fault, names, what in (
        ("frozen", frozen, "require no gradient"),
        ("missing-from-optimizer", missing, "are in no group of the optimizer"),
    ):
        if names and len(names) < len(own):
            share = sum(own[name].numel() for name in names) / weights
            said = f"{len(names)} of {len(own)} parameters, {share:.0%} of the weights, {what}."
            yield Cure(fault, 0.9, partial(_all_trained, program), said, names[0])


def _all_trained(program: Program) -> Program:
    copied = program.copied()
    held = set(copied.parameters)
    copied.model.requires_grad_(True)
    rest = [p for p in copied.model.parameters() if p not in held]
    if rest:
        like = {k: v for k, v in copied.optimizer.param_groups[0].items() if k != "params"}
        copied.optimizer.add_param_group({**like, "params": rest})
    return copied


# Batches


def _of_batches(program: Program, task: Task) -> Iterator[Cure]:
    rows, batches = max(map(len, program.batches)), program.batches
    if rows <= TINY and len(batches) > 1 and any(isinstance(m, BATCH_NORMS) for m in program.model.modules()):
        size = 32 // rows
        parts = [batches[k : k + size] for k in range(0, len(batches), size)]
        said = f"batches of {rows} with batch normalization; 16 and more expected."
        make = partial(own_loop, program, batches=[_joined(part) for part in parts])
        yield Cure("batchnorm-tiny-batch", 0.95, make, said)
    if task.sort not in ("classes", "yes or no"):
        return
    y = torch.cat([batch.target for batch in batches])
    y = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 and y.is_floating_point() else y.long().flatten()
    if len(y) != sum(map(len, batches)):
        return
    counts = torch.bincount(y - y.min())
    share = float(counts.max()) / len(y)
    if share > UNEQUAL:
        own, weight = torch.Generator().manual_seed(0), 1 / counts[y - y.min()].double()
        picks = torch.multinomial(weight, max(len(y), 512), replacement=True, generator=own)
        one = _joined(batches)
        make = partial(own_loop, program, batches=[_rows(one, part) for part in picks.split(64)])
        yield Cure("classes-unequal", 0.85, make, f"{share:.0%} of the targets are of one class.")


def _over(batch: Batch, change: Callable[[Any], Any], *others: Batch) -> Batch:
    """A batch of what `change` makes of each part, and of the same parts of the others."""
    inputs = tuple(change(parts) for parts in zip(*(b.inputs for b in (batch, *others)), strict=True))
    named = {key: change([b.named[key] for b in (batch, *others)]) for key in batch.named}
    target = change([b.target for b in (batch, *others)])
    return Batch(inputs, named, target, (*inputs, target))


def _joined(batches: list[Batch]) -> Batch:
    """One batch of several."""
    first, *others = batches
    rows = isinstance(first.x, Tensor)
    join = lambda parts: torch.cat(list(parts)) if rows and isinstance(parts[0], Tensor) else parts[0]  # noqa: E731
    return _over(first, join, *others)


def _rows(batch: Batch, picks: Tensor) -> Batch:
    rows = len(batch)
    take = lambda t: t[picks] if isinstance(t, Tensor) and t.ndim and len(t) == rows else t  # noqa: E731
    return _over(batch, lambda parts: take(parts[0]))


def rows_of(batches: list[Batch], size: int) -> list[Batch]:
    """The same rows in smaller batches."""
    return [_rows(batch, part) for batch in batches for part in torch.arange(len(batch)).split(size)]


# Loss and depth


def _of_the_loss(program: Program, task: Task, kind: Kind) -> Iterator[Cure]:
    target = program.batches[0].target
    if not isinstance(target, Tensor):
        return
    if kind.summed and kind.name:
        mean = partial(own_loop, program, loss=KNOWN[kind.name])
        said = f"the loss of a batch is the sum over its {max(map(len, program.batches))} examples."
        yield Cure("sum-for-mean", 0.9, mean, said)
    output = program.copied().output(program.batches[0])
    operation, _ = last_operation(output)
    fits = canonical(output, target)
    squared = kind.squared or kind.name is None
    bounded = operation in ("SigmoidBackward", "SoftmaxBackward") and output.shape == target.shape
    if task.sort in ("classes", "yes or no") and squared and bounded:
        slope = float((output * (1 - output)).detach().mean())
        said = (
            f"squared error of a {plain(operation)}, whose mean slope is {slope:.2g}; up to 0.25 is possible."
        )

        def entropy(output: Tensor, y: Tensor) -> Tensor:
            return KNOWN["binary_cross_entropy"](output.clamp(1e-6, 1 - 1e-6), y.to(output.dtype))

        yield Cure("squared-error-saturated", 0.7, partial(own_loop, program, loss=entropy), said)
    other = kind.name and fits != kind.name and not (kind.squared and fits == "mse")
    if other and _runs(KNOWN[fits], output, target):
        said = f"{kind.name} for targets that ask for {fits}."
        yield Cure("wrong-loss", 0.6, partial(own_loop, program, loss=KNOWN[fits]), said)
    if operation in BOUNDS:
        said = f"the last operation is a {plain(operation)}."
        yield Cure("output-activation", 0.5, partial(_bare, program), said)


def _runs(loss: Callable[..., Tensor], output: Tensor, target: Tensor) -> bool:
    try:
        return bool(torch.isfinite(loss(output, target)))
    except Exception:
        return False


def _bare(program: Program) -> Program:
    """Without the last activation."""
    copied = program.copied()
    every = [(parent, *child) for parent in copied.model.modules() for child in parent.named_children()]
    last = [(parent, name) for parent, name, module in every if isinstance(module, LAST)]
    if last:
        setattr(*last[-1], nn.Identity())
    return copied


def signal_growth(program: Program) -> float:
    """The spread of the last layer's weighted inputs over that of the first's, before training."""
    copied, spreads = program.copied(), []
    handles = [
        m.register_forward_hook(lambda _, __, z: spreads.append(float(z.detach().double().std())))
        for m in copied.model.modules()
        if isinstance(m, LINEAR)
    ]
    with torch.no_grad():
        copied.output(copied.batches[0])
    for handle in handles:
        handle.remove()
    return spreads[-1] / spreads[0] if len(spreads) > 3 and spreads[0] > 0 else 1.0


def through_time(program: Program) -> float | None:
    """In a recurrent network, the gradient at the first step of the inputs over that at the last."""
    copied = program.copied()
    batch = copied.batches[0]
    recurrent = any(isinstance(m, nn.RNNBase) for m in copied.model.modules())
    if not recurrent or batch.x is None or batch.x.ndim != 3 or not batch.x.is_floating_point():
        return None
    x = batch.x.detach().clone().requires_grad_()
    copied.model.train()
    copied.loss_of(batch.with_x(x)).backward()
    first, last = (float(x.grad[:, t].double().norm()) for t in (0, -1))  # type: ignore[index]
    return first / last if last > 0 else None


def _of_depth(program: Program) -> Iterator[Cure]:
    """ReLUs and fresh weights in place of what squashes."""
    growth = signal_growth(program)
    if not growth < 50:
        said = f"the last layer's signal is {growth:.1e} times as large as the first's; about 1 expected."
        yield Cure("exploding", 0.92, partial(fresh_weights, program), said)
    sizes = [float(g.norm() / w.norm().clamp_min(1e-30)) for w, g in gradients(program)]
    if len(sizes) < 3 or not sizes[-1] > 0:
        return
    ratio = sizes[0] / sizes[-1]
    squash = sum(isinstance(m, SQUASHING) for m in program.model.modules())
    said = (
        f"the first layer's gradient, relative to its weights, is {ratio:.1e} of the last one's; 1 expected."
    )
    make = partial(_unsquashed, program)
    if ratio < 1e-2:
        yield Cure("vanishing", 0.75, make, said)
    elif not ratio < 1e3:
        yield Cure("exploding", 0.75, make, said)
    elif squash > 1:
        yield Cure("saturated", 0.3, make, said)


def _unsquashed(program: Program) -> Program:
    copied = fresh_weights(program)
    for parent in list(copied.model.modules()):
        children = list(parent.named_children())
        for name, module in children[:-1] if parent is copied.model else children:
            if isinstance(module, SQUASHING):
                setattr(parent, name, nn.ReLU())
    return own_loop(copied)
