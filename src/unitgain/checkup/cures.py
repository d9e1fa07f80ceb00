"""Counterfactuals: a cause is named where a copy without it learns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .data_facts import columns
from .losses import KNOWN, Kind, canonical
from .model_facts import BOUNDS, last_operation
from .program import Batch, Program
from .trials import Task, Trial

__all__ = ["Cure", "cures"]

LINEAR = (nn.Linear, nn.modules.conv._ConvNd)
SQUASHING = (nn.Sigmoid, nn.Tanh, nn.Softsign, nn.Hardtanh, nn.Hardsigmoid)
FAR, WILD = 2.0, 20.0  # offset of a column in its deviations; ratio of scales, or a scale away from 1
SMALL, LARGE = 0.2, 4.0  # standard deviation of weights times the root of their inputs
STRONG = 0.6  # dropout
DECAY = 0.02  # relative loss of a weight a step … of weight decay times rate
TINY = 4  # examples in a batch
UNEQUAL = 0.85  # share of the commonest class


class Cure(NamedTuple):
    """A way to train a copy without one cause.

    Attributes:
        suspicion: From 0 to 1, how much the evidence speaks for this cause before the trial.
        modes: Whether the trial sets training mode at each step.
    """

    name: str
    evidence: str
    suspicion: float
    make: Callable[[], Program]
    better: str = ""
    layer: str = ""


def cures(program: Program, task: Task, kind: Kind, trial: Trial) -> Iterator[Cure]:
    """All that are worth a trial, in no order."""
    for part in (_of_inputs, _of_targets, _of_weights, _of_the_rate, _of_regularization, _of_parameters):
        yield from part(program, task, kind, trial)
    yield from _of_normalization(program)
    yield from _of_the_loss(program, task, kind)
    yield from _of_depth(program)
    yield from _of_order(program, task)


def own_loop(program: Program) -> Program:
    """The same without the user's step."""
    return replace(program, step=None)


# Inputs and targets


def _mapped_inputs(program: Program, centre: bool = True, scale: bool = True) -> Program:
    xs = torch.cat([b.x for b in program.batches]).detach()  # type: ignore[misc]
    x = xs.flatten(1).double() if xs.ndim > 1 else xs.double()[:, None]
    if xs.ndim > 2:  # channels or steps share their scale, unless they differ widely
        std = x.std(0, correction=0)
        alike = std[std > 0]
        if len(alike) and float(alike.max() / alike.median()) < WILD:
            x = x.reshape(-1, 1)
    mean, std = x.mean(0), x.std(0, correction=0)
    std = torch.where(std > 1e-7 * mean.abs().clamp_min(1e-30), std, torch.ones_like(std))
    mean, std = mean if centre else 0 * mean, std if scale else std / std * std.median()
    like = next(p.dtype for p in program.model.parameters() if p.is_floating_point())

    def through(batch: Batch) -> Batch:
        old: Any = batch.x
        flat = old.flatten(1).double() if old.ndim > 1 else old.double()[:, None]
        return batch.with_x((((flat - mean) / std).reshape(old.shape)).to(like))

    return replace(program, batches=[through(batch) for batch in program.batches])


def _of_inputs(program: Program, task: Task, kind: Kind, trial: Trial) -> Iterator[Cure]:
    x = program.batches[0].x
    embeds = any(isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for m in program.model.modules())
    if x is None or (embeds and not x.is_floating_point()) or x.dtype == torch.bool:
        return
    told = columns(program.batches)
    if not len(told.std):
        return
    offset, ratio, size = told.offset, told.ratio, told.size
    far = abs(math.log10(max(size, 1e-30)))
    wild = ratio > WILD or far > math.log10(WILD)
    said = f"columns lie {offset:.2g} standard deviations from 0 (median; 0 expected), the scales from {float(told.std.min()):.2g} to {float(told.std.max()):.2g} (1 expected)."
    if offset > 1 or wild:
        if told.integer and told.largest > 8:
            yield Cure(
                "inputs-integer",
                f"whole numbers up to {told.largest:.4g}; {said}",
                0.85,
                lambda: _mapped_inputs(program),
            )
        elif wild and not offset > 5 * max(1.0, far):
            yield Cure("inputs-wild-scales", said, 0.9, lambda: _mapped_inputs(program))
        else:
            yield Cure(
                "inputs-not-centred", said, 0.9 if offset > FAR else 0.5, lambda: _mapped_inputs(program)
            )


class _Scaled:
    """A loss of an output in standard deviations of the targets, for targets as they are."""

    def __init__(self, loss: Callable[..., Tensor], mean: Tensor, std: Tensor) -> None:
        self.loss, self.mean, self.std = loss, mean, std

    def __call__(self, output: Any, target: Any) -> Tensor:
        return self.loss((output - self.mean) / self.std, (target - self.mean) / self.std)


class Rescaled(nn.Module):
    """A model whose outputs are carried to the targets' mean and standard deviation."""

    def __init__(self, model: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.model, self.mean, self.std = model, mean, std

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.mean + self.std * self.model(*args, **kwargs)


def _of_targets(program: Program, task: Task, kind: Kind, trial: Trial) -> Iterator[Cure]:
    if task.sort != "numbers":
        return
    y = torch.cat([batch.target for batch in program.batches]).detach()
    mean, std = y.mean(0), y.std(0)
    std = torch.where(std > 0, std, torch.ones_like(std))
    offset, size = float((mean.abs() / std).median()), float(std.median())
    if offset > 4 or not 0.1 < size < 8:
        said = f"targets have mean {float(mean.median()):.3g} and standard deviation {size:.3g}; 0 and 1 expected."

        def make() -> Program:
            return replace(
                program,
                model=Rescaled(program.model, mean, std),
                loss=_Scaled(program.loss, mean, std),
                step=None,
            )

        yield Cure("targets-unscaled", said, 0.9, make)


# Weights


def _of_weights(program: Program, task: Task, kind: Kind, trial: Trial) -> Iterator[Cure]:
    sizes = []
    for name, module in program.model.named_modules():
        if isinstance(module, LINEAR) and module.weight.is_floating_point():
            w = module.weight.detach().float().flatten(1)
            sizes.append((name, float(w.square().mean().sqrt() * w.shape[1] ** 0.5), module))
    if not sizes:
        return
    name, low, _ = min(sizes, key=lambda one: one[1])
    most, high, _ = max(sizes, key=lambda one: one[1])
    rule = "times the root of their inputs; 0.58 to 1.4 expected"
    fresh = lambda: fresh_weights(program)  # noqa: E731
    if low == 0:
        yield Cure("weights-zero", f"all weights of {name} are 0.", 1.0, fresh, layer=name)
    if 0 < low < SMALL:
        yield Cure(
            "weights-small",
            f"standard deviation of {name}'s weights: {low:.2g} {rule}.",
            0.9,
            fresh,
            layer=name,
        )
    if high > LARGE:
        yield Cure(
            "weights-large",
            f"standard deviation of {most}'s weights: {high:.3g} {rule}.",
            0.9,
            fresh,
            layer=most,
        )
    for name, size, module in sizes[:-1]:
        if module.bias is not None:
            bias = module.bias.detach().float()
            if float(bias.median()) < -1.0 * max(size, 0.3):
                said = f"the median bias of {name} is {float(bias.median()):.2g}, for signals of size {size:.2g}; 0 expected."
                yield Cure("biases-kill", said, 0.95, lambda: fresh_weights(program), layer=name)
                break
    alike = [n for n, _, m in sizes if m.weight.shape[0] > 2 and _alike(m.weight)]
    if alike and low > 0:
        yield Cure("weights-equal", f"the units of {alike[0]} start alike.", 0.95, fresh, layer=alike[0])
    if low >= SMALL and high <= LARGE and not alike:
        dead = _flat_share(program)
        if dead > 0.6:
            yield Cure(
                "dead-units", f"{dead:.0%} of the hidden units get no gradient from any example.", 0.6, fresh
            )


def _alike(weight: Tensor) -> bool:
    w = weight.detach().float().flatten(1)
    return float((w - w.mean(0)).abs().max()) < 1e-3 * float(w.abs().max())


def _flat_share(program: Program) -> float:
    """Share of the hidden layers' units whose gradient is exactly 0."""
    try:
        copied = program.copied()
        copied.loss_of(copied.batches[0]).backward()
    except Exception:
        return 0.0
    layers = [m for m in copied.model.modules() if isinstance(m, LINEAR) and m.weight.grad is not None][:-1]
    shares = [float((m.weight.grad.flatten(1).abs().amax(1) == 0).float().mean()) for m in layers]
    return max(shares, default=0.0)


def fresh_weights(program: Program) -> Program:
    """A copy whose layers start as torch starts them; norms and embeddings too."""
    copied = program.copied()
    torch.manual_seed(1)
    for module in copied.model.modules():
        if isinstance(module, LINEAR):
            nn.init.kaiming_normal_(module.weight, a=1.0 if _last(copied.model, module) else 0.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif hasattr(module, "reset_parameters") and not isinstance(module, nn.Module.__class__):
            module.reset_parameters()
    return replace(copied, step=program.step)


def _last(model: nn.Module, module: nn.Module) -> bool:
    layers = [m for m in model.modules() if isinstance(m, LINEAR)]
    return bool(layers) and layers[-1] is module


# Training


def _with_groups(program: Program, change: Callable[[dict[str, Any]], None]) -> Program:
    copied = program.copied()
    for group in copied.optimizer.param_groups:
        change(group)
    return copied


def _of_the_rate(program: Program, task: Task, kind: Kind, trial: Trial) -> Iterator[Cure]:
    rate = program.optimizer.param_groups[0].get("lr", 1e-3)
    rate = float(rate)
    losses = trial.losses
    blown = trial.diverged or (len(losses) > 4 and max(losses[1:6]) > 3 * abs(losses[0]))
    slow = trial.moved < 0.02 and not trial.diverged
    for factor, name in (
        (0.05, "rate-too-high"),
        (0.003, "rate-too-high"),
        (20.0, "rate-too-low"),
        (1000.0, "rate-too-low"),
    ):
        high = name == "rate-too-high"
        suspicion = (0.8 if blown else 0.4) if high else (0.8 if slow else 0.35)
        if factor in (0.003, 1000.0):
            suspicion -= 0.25
        if high and slow:
            suspicion = 0.1
        said = f"with {rate:.2g} the loss {'rises' if high and blown else 'does not fall'}; with {rate * factor:.2g} it falls."

        def make(factor: float = factor) -> Program:
            return _with_groups(program, lambda group: group.update(lr=group["lr"] * factor))

        yield Cure(name, said, suspicion, make, better=f"{rate * factor:.2g}")


def _of_regularization(program: Program, task: Task, kind: Kind, trial: Trial) -> Iterator[Cure]:
    groups = program.optimizer.param_groups
    decay = max(float(group.get("weight_decay", 0.0) or 0.0) for group in groups)
    decoupled = type(program.optimizer).__name__ == "AdamW"
    if decay > 0:
        eaten = decay * float(groups[0].get("lr", 1e-3))
        strong = decay >= (0.5 if decoupled else DECAY) or eaten > 1e-3

        def make() -> Program:
            return _with_groups(program, lambda group: group.update(weight_decay=0.0))

        yield Cure(
            "weight-decay",
            f"a weight decay of {decay:g} takes {eaten:.1e} of a weight each step.",
            0.85 if strong else 0.2,
            make,
        )
    strongest = max(
        (m.p for m in program.model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)), default=0.0
    )
    fields = [
        m.dropout
        for m in program.model.modules()
        if isinstance(getattr(m, "dropout", None), float)
    ]
    strongest = max([strongest, *fields])
    if strongest > 0.3:

        def without() -> Program:
            copied = program.copied()
            for module in copied.model.modules():
                if isinstance(module, nn.modules.dropout._DropoutNd):
                    module.p = 0.0
                if isinstance(getattr(module, "dropout", None), float):
                    module.dropout = 0.0  # type: ignore[assignment]
            return copied

        yield Cure(
            "dropout-strong",
            f"dropout of {strongest:g}; up to 0.5 is usual.",
            0.9 if strongest >= STRONG else 0.3,
            without,
        )


def _of_parameters(program: Program, task: Task, kind: Kind, trial: Trial) -> Iterator[Cure]:
    own = dict(program.model.named_parameters())
    frozen = [name for name, p in own.items() if not p.requires_grad]
    kept = set(program.parameters)
    missing = [name for name, p in own.items() if p.requires_grad and p not in kept]
    if frozen:
        share = sum(own[n].numel() for n in frozen) / sum(p.numel() for p in own.values())
        yield Cure(
            "frozen",
            f"{len(frozen)} of {len(own)} parameters, {share:.0%} of the weights, require no gradient.",
            0.9,
            lambda: _all_trained(program),
            layer=frozen[0],
        )
    if missing and len(missing) < len(own):
        share = sum(own[n].numel() for n in missing) / sum(p.numel() for p in own.values())
        yield Cure(
            "missing-from-optimizer",
            f"{len(missing)} of {len(own)} parameters, {share:.0%} of the weights, are in no group of the optimizer.",
            0.9,
            lambda: _all_trained(program),
            layer=missing[0],
        )


def _all_trained(program: Program) -> Program:
    copied = program.copied()
    held = set(copied.parameters)
    copied.model.requires_grad_(True)
    rest = [p for p in copied.model.parameters() if p not in held]
    if rest:
        first = {k: v for k, v in copied.optimizer.param_groups[0].items() if k != "params"}
        copied.optimizer.add_param_group({**first, "params": rest})
    return copied


def _of_normalization(program: Program) -> Iterator[Cure]:
    norms = [m for m in program.model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    rows = max(len(batch) for batch in program.batches)
    if rows <= TINY and len(program.batches) > 1:
        size = max(1, 32 // rows)

        def merged() -> Program:
            parts = [program.batches[k : k + size] for k in range(0, len(program.batches), size)]
            return own_loop(replace(program, batches=[_joined(part) for part in parts]))

        yield Cure(
            "batchnorm-tiny-batch",
            f"batches of {rows} with batch normalization; 16 and more expected.",
            0.95,
            merged,
        )


def _joined(batches: list[Batch]) -> Batch:
    """One batch of several."""
    join = lambda parts: torch.cat(parts) if isinstance(parts[0], Tensor) and parts[0].ndim else parts[0]  # noqa: E731
    inputs = tuple(join([b.inputs[i] for b in batches]) for i in range(len(batches[0].inputs)))
    named = {key: join([b.named[key] for b in batches]) for key in batches[0].named}
    target = join([b.target for b in batches])
    return Batch(inputs, named, target, (*inputs, target))


def _of_the_loss(program: Program, task: Task, kind: Kind) -> Iterator[Cure]:
    batch = program.batches[0]
    if not isinstance(batch.target, Tensor):
        return
    if kind.summed:
        rows = max(len(b) for b in program.batches)

        def mean() -> Program:
            return own_loop(replace(program, loss=lambda output, target: program.loss(output, target) / rows))

        yield Cure("sum-for-mean", f"the loss of a batch is the sum over its {rows} examples.", 0.9, mean)
    output = program.copied().output(batch)
    operation, _ = last_operation(output)
    fits = canonical(output, batch.target) if output.is_floating_point() else ""
    if task.sort in ("classes", "yes or no") and (kind.squared or kind.name is None):
        bounded = operation in ("SigmoidBackward", "SoftmaxBackward")
        if bounded and output.shape == batch.target.shape:
            mean_slope = float((output * (1 - output)).detach().mean())
            said = f"squared error of outputs of {operation.removesuffix('Backward').lower()} whose mean slope is {mean_slope:.2g}; up to 0.25 is possible."
            loss = KNOWN["binary_cross_entropy"]
            yield Cure(
                "squared-error-saturated",
                said,
                0.7,
                lambda: own_loop(
                    replace(program, loss=lambda o, t: loss(o.clamp(1e-6, 1 - 1e-6), t.to(o.dtype)))
                ),
            )
    if kind.name and fits and fits != kind.name and not (kind.squared and fits in ("mse", "l1", "huber")):
        if _runs(KNOWN[fits], output, batch.target):
            said = f"{kind.name} for targets that ask for {fits}."
            yield Cure("wrong-loss", said, 0.6, lambda: own_loop(replace(program, loss=KNOWN[fits])))
    if operation in BOUNDS:

        def bare() -> Program:
            copied = program.copied()
            last = [
                (parent, name)
                for parent in copied.model.modules()
                for name, m in parent.named_children()
                if isinstance(
                    m, (nn.ReLU, nn.Sigmoid, nn.Tanh, nn.Softmax, nn.ReLU6, nn.Hardtanh, nn.Softplus)
                )
            ]
            if last:
                setattr(*last[-1], nn.Identity())
            return copied

        yield Cure(
            "output-activation",
            f"the last operation is {operation.removesuffix('Backward').lower()}.",
            0.5,
            bare,
        )


def _runs(loss: Callable[..., Tensor], output: Tensor, target: Tensor) -> bool:
    try:
        return bool(torch.isfinite(loss(output, target)))
    except Exception:
        return False


def _of_depth(program: Program) -> Iterator[Cure]:
    """Other activations where they squash, and a normalization after each layer."""
    squash = [m for m in program.model.modules() if isinstance(m, SQUASHING)]
    ratio = gradient_ratio(program)
    if ratio is None:
        return
    said = f"the gradient of the first layer's weights, relative to their size, is {ratio:.1e} of the last one's; about 1 expected."
    if ratio < 1e-2 or not math.isfinite(ratio):
        name = "vanishing"
    elif ratio > 1e3:
        name = "exploding"
    else:
        if len(squash) > 1:
            yield Cure("saturated", said, 0.3, lambda: _unsquashed(program))
        return
    yield Cure(name, said, 0.75, lambda: _unsquashed(program))


def _unsquashed(program: Program) -> Program:
    copied = fresh_weights(program)
    for parent in list(copied.model.modules()):
        children = list(parent.named_children())
        for name, module in children[:-1] if parent is copied.model else children:
            if isinstance(module, SQUASHING):
                setattr(parent, name, nn.ReLU())
    return own_loop(copied)


def gradient_ratio(program: Program) -> float | None:
    """Size of the first layer's gradient by its weights, over that of the last; None where there are no layers."""
    try:
        copied = program.copied()
        copied.model.train()
        copied.loss_of(copied.batches[0]).backward()
    except Exception:
        return None
    sizes = [
        float(m.weight.grad.double().norm() / m.weight.detach().double().norm().clamp_min(1e-30))
        for m in copied.model.modules()
        if isinstance(m, LINEAR) and m.weight.grad is not None
    ]
    if len(sizes) < 3 or sizes[-1] == 0:
        return None
    return sizes[0] / sizes[-1]


def _of_order(program: Program, task: Task) -> Iterator[Cure]:
    if task.sort not in ("classes", "yes or no"):
        return
    y = torch.cat([batch.target for batch in program.batches])
    y = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 and y.is_floating_point() else y.long().flatten()
    if y.ndim != 1 or len(y) != sum(map(len, program.batches)):
        return
    counts = torch.bincount(y - y.min())
    share = float(counts.max()) / len(y)
    if share > UNEQUAL:

        def balanced() -> Program:
            one = _joined(program.batches) if len(program.batches) > 1 else program.batches[0]
            own = torch.Generator().manual_seed(0)
            weight = 1 / counts[y - y.min()].double()
            picks = torch.multinomial(weight, max(len(y), 512), replacement=True, generator=own)
            return own_loop(replace(program, batches=[_rows(one, part) for part in picks.split(64)]))

        yield Cure("classes-unequal", f"{share:.0%} of the targets are of one class.", 0.85, balanced)


def rows_of(batches: list[Batch], size: int) -> list[Batch]:
    """The same rows in smaller batches."""
    return [_rows(batch, part) for batch in batches for part in torch.arange(len(batch)).split(size)]


def _rows(batch: Batch, picks: Tensor) -> Batch:
    rows = len(batch)
    take = lambda t: t[picks] if isinstance(t, Tensor) and t.ndim and len(t) == rows else t  # noqa: E731
    inputs, named = tuple(map(take, batch.inputs)), {k: take(v) for k, v in batch.named.items()}
    target = take(batch.target)
    return Batch(inputs, named, target, (*inputs, target))
