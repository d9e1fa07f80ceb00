"""Facts about model, loss and graph: each is asked of one batch, and is a proof where it says something."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .losses import Kind
from .program import Batch, Program
from .report import Finding
from .trials import Task

__all__ = ["error_finding", "last_operation", "model_facts"]

SHAPES = ("View", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Permute", "T", "Clone", "Select", "Alias", "ToCopy",
          "UnsafeView", "Slice", "Cat", "Contiguous", "Expand")  # fmt: skip
BOUNDS = {"SigmoidBackward": (0.0, 1.0), "TanhBackward": (-1.0, 1.0), "SoftmaxBackward": (0.0, 1.0)}
BOUNDS |= {
    "ReluBackward": (0.0, float("inf")),
    "HardtanhBackward": (0.0, 6.0),
    "SoftplusBackward": (0.0, float("inf")),
}
STEPS = ("Sign", "Round", "Floor", "Ceil", "Trunc", "Heaviside")  # operations whose derivative is 0
MEANT = 0.85  # dropout that nobody means
BEYOND = 0.05  # of the targets out of reach


def error_finding(error: str) -> Finding:
    """What an error of the program says."""
    lower = error.lower()
    name = "does-not-run"
    if (
        ("target" in lower
        and ("out of bounds" in lower or "out of range" in lower))
        or "indexerror: target" in lower
    ):
        name = "labels-out-of-range"
    elif "long and float" in lower or "byte and float" in lower or "int and float" in lower:
        name = "inputs-integer"
    elif "between 0 and 1" in lower:
        name = "logits-into-probability-loss"
    elif "does not require grad" in lower:
        name = "detached"
    elif "more than 1 value per channel" in lower:
        name = "batchnorm-tiny-batch"
    return Finding(name, f"it raises {error[:300]}")


def operations(output: Tensor) -> Iterator[Any]:
    """The nodes of the graph behind a tensor, each once, from the last one on."""
    waiting, seen = [output.grad_fn], set()
    while waiting:
        node = waiting.pop(0)
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [following for following, _ in node.next_functions]


def last_operation(output: Tensor) -> tuple[str, int | None]:
    """The name of the last operation that does more than change the shape, and along which dimension."""
    node = output.grad_fn
    while node is not None:
        name = type(node).__name__.rstrip("0123456789")
        if name.removesuffix("Backward").removeprefix("_") in SHAPES and node.next_functions:
            node = node.next_functions[0][0]
            continue
        dim = getattr(node, "_saved_dim", None)
        if dim is not None and dim >= 2**63:
            dim -= 2**64
        return name.lstrip("_"), dim
    return "", None


def model_facts(program: Program, task: Task, kind: Kind) -> list[Finding]:
    """On a copy of the model."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copied = program.copied()
        batch = copied.batches[0]
        found = _optimizer_facts(copied) + _unregistered(copied) + _dropout(copied)
        copied.model.train()
        try:
            with torch.enable_grad():
                output = copied.output(batch)
        except Exception as raised:
            return [error_finding(f"{type(raised).__name__}: {raised}"), *found]
        if not isinstance(output, Tensor):
            return [Finding("does-not-run", "the model returns no tensor."), *found]
        if not output.is_floating_point():
            return [Finding("non-differentiable", f"the output is of type {output.dtype}."), *found]
        found += _output_facts(output, batch, task, kind)
        found += _loss_facts(copied, output, batch, task, kind)
        if any(f.name == "does-not-run" or "raises" in f.evidence for f in found):
            return found
        found += _graph_facts(copied, batch)
        found += _evaluation_facts(copied, batch)
        found += _affine(copied, batch, output)
        found += _equal_units(copied)
    return found


def _optimizer_facts(program: Program) -> list[Finding]:
    own, kept = set(program.model.parameters()), set(program.parameters)
    if not own & kept:
        said = f"{len(kept)} parameters in the optimizer, none of them among the model's {len(own)}."
        return [Finding("optimizer-of-another-model", said)]
    return []


def _dropout(program: Program) -> list[Finding]:
    """So much that nobody means it."""
    for name, module in program.model.named_modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p >= MEANT:
            said = (
                f"dropout of {module.p:g}: {1 - module.p:.0%} of the units are left; 50 % or more is usual."
            )
            return [Finding("dropout-strong", said, layer=name)]
    return []


def _unregistered(program: Program) -> list[Finding]:
    """Modules and tensors that the model holds but does not see."""
    known = set(program.model.modules())
    lost = []
    for path, module in program.model.named_modules():
        for name, value in vars(module).items():
            if name.startswith("_"):
                continue
            for part in _parts(value):
                if (isinstance(part, nn.Module) and part not in known and any(True for _ in part.parameters())) or (isinstance(part, Tensor) and part.requires_grad and part.is_leaf):
                    lost.append(f"{path}.{name}".lstrip("."))
    held = set(program.parameters)
    if lost and not all(p in held for p in _lost_parameters(program.model, known)):
        where = ", ".join(dict.fromkeys(lost))
        return [
            Finding(
                "not-registered", f"{where} holds parameters that model.parameters() leaves out.", layer=where
            )
        ]
    return []


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple, set)):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (Tensor, nn.Module)):
        yield value


def _lost_parameters(model: nn.Module, known: set[nn.Module]) -> list[Tensor]:
    lost: list[Tensor] = []
    for module in known:
        for name, value in vars(module).items():
            if not name.startswith("_"):
                for part in _parts(value):
                    if isinstance(part, nn.Module) and part not in known:
                        lost += list(part.parameters())
                    elif isinstance(part, Tensor) and part.requires_grad and part.is_leaf:
                        lost.append(part)
    return lost


def _output_facts(output: Tensor, batch: Batch, task: Task, kind: Kind) -> list[Finding]:
    """Does the last operation fit the loss and the targets?"""
    operation, dim = last_operation(output)
    target = batch.target
    if not isinstance(target, Tensor):
        return []
    soft = operation == "SoftmaxBackward"
    found = []
    if operation in ("SoftmaxBackward", "LogSoftmaxBackward") and dim is not None:
        dim = dim % output.ndim
        if output.shape[dim] == 1 or (dim == 0 and output.ndim > 1 and len(output) == len(target)):
            found.append(
                Finding(
                    "softmax-wrong-axis", f"a softmax of shape {tuple(output.shape)} along dimension {dim}."
                )
            )
            return found
    if kind.name == "cross_entropy" and (soft or operation == "SigmoidBackward"):
        what = "a softmax" if soft else "a sigmoid"
        found.append(
            Finding(
                "softmax-before-cross-entropy",
                f"the output is {what} and the loss is the cross-entropy of logits.",
            )
        )
    elif kind.name == "binary_cross_entropy_with_logits" and operation == "SigmoidBackward":
        found.append(
            Finding("sigmoid-before-logits-loss", "the output is a sigmoid and the loss applies one too.")
        )
    elif soft and task.sort == "yes or no" and target.ndim == 2 and target.shape == output.shape:
        labels = target.sum(1)
        if target.shape[1] > 1 and float((labels != 1).double().mean()) > BEYOND:
            said = f"a row has up to {int(labels.max())} labels, on average {float(labels.double().mean()):.2g}; a softmax gives 1 in all."
            found.append(Finding("softmax-multilabel", said))
    elif (
        kind.name in ("cross_entropy", "binary_cross_entropy_with_logits")
        and operation in BOUNDS
        and not soft
    ):
        low, high = BOUNDS[operation]
        said = f"the last operation is {_plain(operation)}: logits from {low:g} to {high:g} only."
        found.append(Finding("output-activation", said))
    elif kind.name == "nll" and operation != "LogSoftmaxBackward" and target.ndim + 1 == output.ndim:
        at = 1 if output.ndim > 2 else -1
        total = float(output.detach().float().exp().sum(at).median())
        if abs(total - 1) > 0.05:
            said = f"exp(output) adds up to {total:.3g} in a row, of log probabilities to 1."
            found.append(Finding("logits-into-probability-loss", said))
    elif kind.squared or (kind.name is None and task.sort == "numbers"):
        found += _out_of_reach(operation, target, output)
    return found


def _plain(operation: str) -> str:
    return operation.removesuffix("Backward").lower()


def _out_of_reach(operation: str, target: Tensor, output: Tensor) -> list[Finding]:
    if operation not in BOUNDS or target.numel() != output.numel():
        return []
    low, high = BOUNDS[operation]
    beyond = float(((target < low - 1e-3) | (target > high + 1e-3)).double().mean())
    if beyond <= BEYOND:
        return []
    said = f"the last operation is {_plain(operation)}, from {low:g} to {high:g}; {beyond:.0%} of the targets lie beyond."
    return [Finding("output-activation", said)]


def _loss_facts(program: Program, output: Tensor, batch: Batch, task: Task, kind: Kind) -> list[Finding]:
    """The loss as a black box."""
    target = batch.target
    try:
        loss = program.loss_of(batch)
    except Exception as raised:
        if str(raised).startswith("checkup: "):
            raise
        return [error_finding(f"{type(raised).__name__}: {raised}")]
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        return [Finding("does-not-run", "the loss is not one number.")]
    if not isinstance(target, Tensor) or not target.ndim:
        return []
    found = []
    if kind.name in ("binary_cross_entropy", "binary_cross_entropy_with_logits") and target.numel():
        low, high = float(target.min()), float(target.max())
        if low < 0 or high > 1:
            said = f"targets from {low:g} to {high:g}; a binary cross-entropy wants 0 to 1."
            return [Finding("targets-outside-loss", said)]
    if kind.name == "cross_entropy" and target.is_floating_point() and target.shape == output.shape:
        sums = target.sum(-1)
        if float((sums - 1).abs().median()) > 0.05 or float(target.min()) < 0:
            name = (
                "wrong-loss" if task.sort == "numbers" or task.sort == "yes or no" else "targets-outside-loss"
            )
            said = f"the targets of a row add up to {float(sums.double().mean()):.3g}, as probabilities to 1."
            return [Finding(name, said)]
    own = torch.Generator().manual_seed(1)
    shown = torch.rand(output.shape, generator=own).to(output).clamp(0.05, 0.95)
    ask = lambda out, y: float(program.loss(out, y))  # noqa: E731
    try:
        with torch.no_grad():
            if _broadcasts(ask, shown, target):
                said = (
                    f"an output of shape {tuple(output.shape)} against targets of shape {tuple(target.shape)}"
                )
                found.append(
                    Finding(
                        "targets-broadcast",
                        f"{said}: the loss stays the same when the targets change places.",
                    )
                )
            elif abs(ask(shown, target) - ask(shown.flip(0) * 0.5, target)) == 0 and len(output) > 1:
                found.append(
                    Finding(
                        "wrong-loss",
                        f"it is {float(loss):.3g} for any output of shape {tuple(output.shape)}.",
                    )
                )
            elif (
                not torch.isfinite(loss)
                and output.isfinite().all()
                and bool(torch.as_tensor(target).isfinite().all())
            ):
                if ask(shown, target) != ask(shown, target):
                    found.append(
                        Finding("targets-outside-loss", "the loss is NaN for outputs between 0 and 1.")
                    )
    except Exception:
        return found
    return found


def _broadcasts(ask: Any, shown: Tensor, target: Tensor) -> bool:
    """Whether the loss does not care which target belongs to which output."""
    if len(target) < 4 or bool((target == target[:1]).all()) or not target.is_floating_point():
        return False
    if shown.shape == target.shape:
        return False
    order = torch.randperm(len(target), generator=torch.Generator().manual_seed(2))
    before, after = ask(shown, target), ask(shown, target[order])
    same = before == before and abs(before - after) <= 1e-5 * abs(before)
    return same and ask(shown, target + 1) != before  # it does look at the targets


def _graph_facts(program: Program, batch: Batch) -> list[Finding]:
    """Which parameters get no gradient although they should, and why."""
    model = program.model
    with torch.enable_grad():
        torch.manual_seed(0)
        loss = program.loss_of(batch)
        if not loss.requires_grad:
            if not any(p.requires_grad for p in model.parameters()):
                return [Finding("frozen", "no parameter requires a gradient.")]
            cut = _cut_by(program, batch, list(model.named_parameters()))
            return [Finding(cut, "the loss has no gradient at all.")]
        names = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        grads = torch.autograd.grad(loss, [p for _, p in names], allow_unused=True)
    steps = sorted(
        {
            type(n).__name__.rstrip("0123456789")
            for n in operations(loss)
            if type(n).__name__.startswith(STEPS)
        }
    )
    missing = [pair for pair, grad in zip(names, grads, strict=True) if grad is None]
    flat = [pair for pair, grad in zip(names, grads, strict=True) if grad is not None and not grad.any()]
    found = []
    if missing:
        layers = ", ".join(name for name, _ in missing[:4]) + (" …" if len(missing) > 4 else "")
        name = _cut_by(program, batch, missing)
        said = {
            "unused": "changing them does not change the output",
            "detached": "they change the output and get no gradient",
            "non-differentiable": "they change the output in jumps and get no gradient",
        }[name]
        if name != "unused" or not _harmless(missing):
            found.append(Finding(name, f"{len(missing)} of {len(names)} parameters: {said}.", layer=layers))
    elif steps and flat:
        said = f"{', '.join(map(_plain, steps))}: {len(flat)} of {len(names)} parameters get a gradient of exactly 0."
        found.append(Finding("non-differentiable", said, layer=flat[0][0]))
    return found


def _harmless(missing: list[tuple[str, nn.Parameter]]) -> bool:
    """A scalar or two that a class brings along."""
    return all(p.numel() <= 1 for _, p in missing)


@torch.no_grad()
def _cut_by(program: Program, batch: Batch, pairs: list[tuple[str, nn.Parameter]]) -> str:
    """Change the parameters a little and much: does the output follow smoothly, in jumps, or not at all?"""
    program.model.eval()

    def moved(by: float) -> float:
        saved = [p.clone() for _, p in pairs]
        own = torch.Generator().manual_seed(3)
        for _, p in pairs:
            if p.is_floating_point():
                scale = float(p.abs().mean()) + 0.01
                p.add_(by * scale * torch.randn(p.shape, generator=own).to(p))
        out = program.output(batch)
        for (_, p), before in zip(pairs, saved, strict=True):
            p.copy_(before)
        return float((out.double() - base).abs().max())

    base = program.output(batch).double()
    little, much = moved(1e-3), moved(1.0)
    program.model.train()
    if much == 0:
        return "unused"
    return "non-differentiable" if little == 0 or not base.is_floating_point() else "detached"


@torch.no_grad()
def _evaluation_facts(program: Program, batch: Batch) -> list[Finding]:
    """In evaluation mode: is the output the same again, and each example's own affair?"""
    model = program.model.eval()
    small = _first_rows(batch, 16)
    try:
        one, again = program.output(small), program.output(small)
        if not torch.equal(one, again) and float((one - again).abs().max()) > 1e-5 * float(one.abs().max()):
            said = f"the same inputs twice differ by up to {float((one - again).abs().max()):.2g}; they should not."
            return [Finding("dropout-in-evaluation", said)]
        x = small.x
        if (
            x is None
            or x.ndim < 2
            or len(x) < 4
            or len(one) != len(x)
            or len(small.inputs) + len(small.named) != 1
        ):
            return []
        if bool((x[0] == x[1]).all()):
            return []
        swapped = x.clone()
        swapped[0] = x[1]
        other = program.output(small.with_x(swapped))
        scale = float(one.float().std()) + 1e-12
        if float((other[2:] - one[2:]).abs().max()) > 1e-3 * scale:
            said = f"another first row changes the other rows' outputs by up to {float((other[2:] - one[2:]).abs().max()):.2g}; by 0 it should."
            lagless = any(
                getattr(m, "track_running_stats", True) is False
                and isinstance(m, nn.modules.batchnorm._BatchNorm)
                for m in model.modules()
            )
            return [Finding("batchnorm-mode" if lagless else "mixes-examples", said)]
    except Exception:
        return []
    finally:
        model.train()
    return []


def _first_rows(batch: Batch, count: int) -> Batch:
    """The first rows of everything that has rows."""
    rows = len(batch)
    cut = lambda t: t[:count] if isinstance(t, Tensor) and t.ndim and len(t) == rows else t  # noqa: E731
    named = {key: cut(value) for key, value in batch.named.items()}
    return Batch(tuple(map(cut, batch.inputs)), named, cut(batch.target), batch.raw)


@torch.no_grad()
def _affine(program: Program, batch: Batch, output: Tensor) -> list[Finding]:
    """Is the network one linear map, whatever its layers?"""
    linear = [m for m in program.model.modules() if isinstance(m, (nn.Linear, nn.modules.conv._ConvNd))]
    x = batch.x
    if (
        len(linear) < 2
        or x is None
        or not x.is_floating_point()
        or len(x) < 8
        or len(batch.inputs) + len(batch.named) != 1
    ):
        return []
    widths = [m.out_features for m in linear[:-1] if isinstance(m, nn.Linear)]
    if widths and min(widths) < min(x[0].numel(), output[0].numel()):
        return []  # a bottleneck, as of a linear autoencoder, is a method
    operation, _ = last_operation(output)
    model = program.model.eval()
    try:
        a, b, c = x[:2], -3 * x[2:4], 5 * x[4:6]  # far apart: no unit is on, or off, for all of them
        told = [
            _unsquashed(program.output(_first_rows(batch, 2).with_x(part)).double(), operation)
            for part in (a, b, c, a + b - c)
        ]
        error = float((told[0] + told[1] - told[2] - told[3]).abs().max())
        scale = max(float((told[0] - told[1]).abs().max()), 1e-9)
        alive = scale > 1e-6 * max(float(t.abs().max()) for t in told)
        if alive and error < 1e-4 * scale and all(t.isfinite().all() for t in told):
            return [
                Finding(
                    "no-nonlinearity",
                    f"f(a) + f(b) − f(c) = f(a + b − c) within {error / scale:.0e}, through {len(linear)} layers.",
                )
            ]
    except Exception:
        return []
    finally:
        model.train()
    return []


def _unsquashed(output: Tensor, operation: str) -> Tensor:
    if operation == "SigmoidBackward":
        return output.logit()
    if operation == "SoftmaxBackward":
        return output.log() - output.log().mean(-1, keepdim=True)
    return output - output.mean(-1, keepdim=True) if operation == "LogSoftmaxBackward" else output


@torch.no_grad()
def _equal_units(program: Program) -> list[Finding]:
    """Hidden layers whose units are one."""
    weights = [
        (n, m.weight)
        for n, m in program.model.named_modules()
        if isinstance(m, (nn.Linear, nn.modules.conv._ConvNd))
    ]
    for name, w in weights[:-1]:
        flat = w.flatten(1)
        if len(flat) > 2 and flat.shape[1] > 1 and bool((flat == flat[:1]).all()):
            if bool((flat == 0).all()):
                following = [v for n, v in weights if n != name]
                if sum(bool((v == 0).all()) for v in following) == 0:
                    continue  # one layer at zero, as the last one of a residual block
                return [Finding("weights-zero", f"all {flat.numel():,} weights are 0.", layer=name)]
            return [
                Finding("weights-equal", f"all {len(flat)} units start with the same weights.", layer=name)
            ]
    return []
