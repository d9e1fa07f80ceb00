"""Facts about model, loss and graph: each is asked of one batch, and is a proof where it says something."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .losses import Kind
from .program import Batch, Program
from .report import Finding
from .trials import Task

__all__ = [
    "BATCH_NORMS",
    "BOUNDS",
    "DROPOUTS",
    "LINEAR",
    "error_finding",
    "last_operation",
    "model_facts",
    "plain",
]

LINEAR = (nn.Linear, nn.modules.conv._ConvNd)
BATCH_NORMS, DROPOUTS = nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd
SHAPING: tuple[str, ...] = (
    "View",
    "UnsafeView",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Permute",
    "T",
    "Select",
)
SHAPING += ("Slice", "Clone", "Alias", "ToCopy", "Contiguous", "Expand", "Cat")
ABOVE = (0.0, float("inf"))
BOUNDS = {"SigmoidBackward": (0.0, 1.0), "SoftmaxBackward": (0.0, 1.0), "TanhBackward": (-1.0, 1.0)}
BOUNDS |= {"ReluBackward": ABOVE, "SoftplusBackward": ABOVE, "HardtanhBackward": (0.0, 6.0)}
BENDS = {
    "ReluBackward",
    "SigmoidBackward",
    "TanhBackward",
    "GeluBackward",
    "EluBackward",
    "LeakyReluBackward",
}
BENDS |= {"SiluBackward", "SoftplusBackward", "HardtanhBackward", "PreluKernelBackward"}
FLAT = ("Sign", "Round", "Floor", "Ceil", "Trunc", "Heaviside")  # operations whose derivative is 0
ABSURD = 8.0  # standard deviation of weights, times the root of the inputs
MEANT = 0.85  # dropout that nobody means
BEYOND = 0.05  # of the targets out of reach
ERRORS = {  # what errors say
    "labels-out-of-range": ("target", "out of bounds"),
    "inputs-integer": ("long and float", "byte and float", "int and float"),
    "logits-into-probability-loss": ("between 0 and 1",),
    "detached": ("does not require grad",),
    "batchnorm-tiny-batch": ("more than 1 value per channel",),
}


def error_finding(raised: str) -> Finding:
    """What an error of the program says."""
    lower = raised.lower()
    for name, words in ERRORS.items():
        if (all if name == "labels-out-of-range" else any)(word in lower for word in words):
            return Finding(name, f"it raises {raised[:300]}")
    return Finding("does-not-run", f"it raises {raised[:300]}")


def plain(operation: str) -> str:
    """The name of an operation of the graph, as people write it."""
    return operation.removesuffix("Backward").lower()


def operation_of(node: Any) -> str:
    """Without its number."""
    return type(node).__name__.rstrip("0123456789").lstrip("_")


def operations(output: Tensor) -> set[str]:
    """All operations of the graph behind a tensor."""
    waiting, seen = [output.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
    return set(map(operation_of, seen))


def last_operation(output: Tensor) -> tuple[str, int | None]:
    """The last operation that does more than change the shape, and along which dimension."""
    node = output.grad_fn
    while node is not None and node.next_functions and plain_of_shape(node):
        node = node.next_functions[0][0]
    dim = getattr(node, "_saved_dim", None)
    return (operation_of(node) if node is not None else ""), dim - 2**64 if dim and dim >= 2**63 else dim


def plain_of_shape(node: Any) -> bool:
    """Whether an operation changes the shape only."""
    return operation_of(node).removesuffix("Backward") in SHAPING


def model_facts(program: Program, task: Task, kind: Kind) -> list[Finding]:
    """On a copy of the model."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copied = program.copied()
        copied.model.train()
        found = [*_optimizer_facts(copied), *_unregistered(copied), *_dropout(copied), *_sizes(copied)]
        batch = copied.batches[0]
        try:
            with torch.enable_grad():
                output = copied.output(batch)
                if not isinstance(output, Tensor):
                    return [Finding("does-not-run", "the model returns no tensor."), *found]
                if not output.is_floating_point():
                    return [Finding("non-differentiable", f"the output is of type {output.dtype}."), *found]
                loss = copied.loss_of(batch)
        except Exception as raised:
            if str(raised).startswith("checkup: "):
                raise
            return [error_finding(f"{type(raised).__name__}: {raised}"), *found]
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            return [Finding("does-not-run", "the loss is not one number."), *found]
        if isinstance(batch.target, Tensor) and batch.target.ndim:
            found += _output_facts(output, batch.target, task, kind)
            found += _loss_facts(copied, output, loss, batch.target, task, kind)
            found += _saturated_squares(output, batch.target, task, kind)
        found += [*_graph_facts(copied, batch), *_evaluation_facts(copied, batch), *_units(copied, batch)]
        found += [*_affine(copied, batch, output), *_equal_units(copied)]
    return found


# Parameters


def _optimizer_facts(program: Program) -> Iterator[Finding]:
    own, kept = set(program.model.parameters()), set(program.parameters)
    layers = [(name, m) for name, m in program.model.named_modules() if isinstance(m, LINEAR)]
    if not own & kept:
        said = f"{len(kept)} parameters in the optimizer, none of them among the model's {len(own)}."
        yield Finding("optimizer-of-another-model", said)
    elif layers and layers[-1][1].weight.requires_grad and layers[-1][1].weight not in kept:
        said = f"the optimizer has {len(own & kept)} of {len(own)} parameters; the last layer's are not among them."
        yield Finding("missing-from-optimizer", said, layer=layers[-1][0])
    for name, module in layers:
        w = module.weight.detach().flatten(1) * module.weight[0].numel() ** 0.5
        fresh = float(w.abs().max()) <= 1.0001 and abs(float(w.std()) - 3**-0.5) < 0.06
        if not module.weight.requires_grad and w.numel() >= 32 and fresh:
            said = "its weights are frozen and still as torch drew them: U(−1, 1) by the root of the inputs."
            yield Finding("frozen", said, layer=name)
            return


@torch.no_grad()
def _sizes(program: Program) -> Iterator[Finding]:
    """Initial weights that no rule would give."""
    layers = [
        (n, m.weight.float().flatten(1)) for n, m in program.model.named_modules() if isinstance(m, LINEAR)
    ]
    sizes = [(float(w.square().mean().sqrt()) * w.shape[1] ** 0.5, name) for name, w in layers]
    rule = "times the root of the inputs; 0.58 to 1.4 expected."
    if sizes and max(sizes)[0] > ABSURD:
        size, name = max(sizes)
        yield Finding(
            "weights-large", f"standard deviation of {name}'s weights: {size:.3g} {rule}", layer=name
        )
    if len(sizes) > 1 and 0 < sorted(sizes)[len(sizes) // 2][0] < 0.05:
        size, name = min(sizes)
        yield Finding(
            "weights-small", f"standard deviation of {name}'s weights: {size:.2g} {rule}", layer=name
        )


def _dropout(program: Program) -> Iterator[Finding]:
    for name, module in program.model.named_modules():
        if isinstance(module, DROPOUTS) and module.p >= MEANT:
            said = (
                f"dropout of {module.p:g}: {1 - module.p:.0%} of the units are left; half or more is usual."
            )
            yield Finding("dropout-strong", said, layer=name)


def _unregistered(program: Program) -> Iterator[Finding]:
    """Modules and tensors that the model holds but does not see, and the optimizer neither."""
    known, held = set(program.model.modules()), set(program.parameters)
    for path, module in program.model.named_modules():
        for name, value in vars(module).items():
            parts = (
                value.values()
                if isinstance(value, dict)
                else value
                if isinstance(value, (list, tuple))
                else [value]
            )
            lost = [p for p in parts if isinstance(p, Tensor) and p.requires_grad and p.is_leaf]
            for part in parts:
                lost += part.parameters() if isinstance(part, nn.Module) and part not in known else ()
            if lost and not name.startswith("_") and not held.issuperset(lost):
                where = f"{path}.{name}".lstrip(".")
                said = f"{where} holds {len(lost)} parameters that model.parameters() leaves out."
                yield Finding("not-registered", said, layer=where)


@torch.no_grad()
def _equal_units(program: Program) -> Iterator[Finding]:
    """Hidden layers whose units are one. One layer at zero is a method; of two, no gradient comes back."""
    weights = [(n, m.weight.flatten(1)) for n, m in program.model.named_modules() if isinstance(m, LINEAR)]
    zero = sum(not w.any() for _, w in weights)
    for name, w in weights[:-1]:
        if len(w) > 2 and w.shape[1] > 1 and bool((w == w[:1]).all()) and (w.any() or zero > 1):
            what = "start with the same weights" if w.any() else "have weights of 0"
            said = f"all {len(w)} units {what}."
            yield Finding("weights-equal" if w.any() else "weights-zero", said, layer=name)
            return


# Output and loss


def _output_facts(output: Tensor, target: Tensor, task: Task, kind: Kind) -> Iterator[Finding]:
    """Does the last operation fit the loss and the targets?"""
    operation, dim = last_operation(output)
    soft, logits = (
        operation == "SoftmaxBackward",
        kind.name in ("cross_entropy", "binary_cross_entropy_with_logits"),
    )
    if operation in ("SoftmaxBackward", "LogSoftmaxBackward") and dim is not None:
        dim %= output.ndim
        if output.shape[dim] == 1 or (dim == 0 and output.ndim > 1 and len(output) == len(target)):
            said = f"a softmax of shape {tuple(output.shape)} along dimension {dim}."
            yield Finding("softmax-wrong-axis", said)
            return
    if kind.name == "cross_entropy" and operation in ("SoftmaxBackward", "SigmoidBackward"):
        said = f"the output is a {plain(operation)}, and the loss is the cross-entropy of logits."
        yield Finding("softmax-before-cross-entropy", said)
    elif kind.name == "binary_cross_entropy_with_logits" and operation == "SigmoidBackward":
        yield Finding("sigmoid-before-logits-loss", "the output is a sigmoid, and the loss applies one too.")
    elif soft and task.sort == "yes or no" and target.shape == output.shape and target[0].numel() > 1:
        labels = target.sum(1).double()
        if float((labels != 1).double().mean()) > BEYOND:
            said = f"a row has {float(labels.mean()):.2g} labels in the mean; a softmax gives 1 in all."
            yield Finding("softmax-multilabel", said)
    elif kind.name == "nll" and operation != "LogSoftmaxBackward" and target.ndim + 1 == output.ndim:
        total = float(output.detach().double().exp().sum(1 if output.ndim > 2 else -1).median())
        if abs(total - 1) > 0.05:
            said = f"exp(output) adds up to {total:.3g} in a row, of log probabilities to 1."
            yield Finding("logits-into-probability-loss", said)
    elif operation in BOUNDS and not soft and (logits or target.numel() == output.numel()):
        low, high = BOUNDS[operation]
        beyond = float(((target < low - 1e-3) | (target > high + 1e-3)).double().mean())
        said = f"the last operation is a {plain(operation)}, from {low:g} to {high:g}"
        if logits:
            yield Finding("output-activation", f"{said}; logits go everywhere.")
        elif beyond > BEYOND and (kind.squared or task.sort == "numbers"):
            yield Finding("output-activation", f"{said}; {beyond:.0%} of the targets lie beyond.")


def _loss_facts(
    program: Program, output: Tensor, loss: Tensor, target: Tensor, task: Task, kind: Kind
) -> Iterator[Finding]:
    """The loss as a black box."""
    low, high = float(target.min()), float(target.max())
    if (kind.name or "").startswith("binary") and (low < 0 or high > 1):
        said = f"targets from {low:g} to {high:g}; a binary cross-entropy wants 0 to 1."
        yield Finding("targets-outside-loss", said)
        return
    if kind.name == "cross_entropy" and target.is_floating_point() and target.shape == output.shape:
        total = target.sum(-1).double()
        if float((total - 1).abs().median()) > 0.05 or low < 0:
            name = "targets-outside-loss" if task.sort == "classes" or low < 0 else "wrong-loss"
            said = f"the targets of a row add up to {float(total.mean()):.3g}, as probabilities to 1."
            yield Finding(name, said)
            return
    shown = torch.rand(output.shape, generator=torch.Generator().manual_seed(1)).to(output).clamp(0.05, 0.95)
    try:
        with torch.no_grad():
            ask = lambda out, y: float(program.loss(out, y))  # noqa: E731
            before = ask(shown, target)
            if _broadcasts(ask, before, shown, target):
                said = (
                    f"an output of shape {tuple(output.shape)} against targets of shape {tuple(target.shape)}"
                )
                yield Finding("targets-broadcast", f"{said}: which target stands where makes no difference.")
            elif len(output) > 1 and before == ask(0.5 * shown.flip(0), target):
                said = f"it is {before:.3g} for any output of shape {tuple(output.shape)}."
                yield Finding("wrong-loss", said)
            elif before != before and bool(target.isfinite().all()):
                yield Finding("targets-outside-loss", "the loss is NaN for outputs between 0 and 1.")
            elif told := _prefers_wrong(ask, shown, target, task, kind):
                yield Finding("wrong-loss", told)
    except Exception:
        return


def _prefers_wrong(ask: Callable[..., float], shown: Tensor, target: Tensor, task: Task, kind: Kind) -> str:
    """Whether the loss likes right answers no better than wrong ones, or has no least value at all."""
    if task.sort == "classes" and target.ndim == 1 and shown.ndim == 2 and not target.is_floating_point():
        classes = shown.shape[1]
        if classes < 2 or int(target.max()) >= classes or int(target.min()) < 0:
            return ""
        right, wrong = (
            0.02 + 0.9 * nn.functional.one_hot((target.long() + k) % classes, classes).to(shown)
            for k in (0, 1)
        )
        right, wrong = (right.log(), wrong.log()) if kind.name == "nll" else (right, wrong)
        likes = ask(right, target), ask(wrong, target)
        if likes[0] >= likes[1] - 1e-6 * abs(likes[1]):
            return f"it is {likes[0]:.3g} for the right answers and {likes[1]:.3g} for wrong ones."
    elif kind.name is None and target.is_floating_point() and shown.shape == target.shape:
        away = [ask(shown + c, target) for c in (-20.0, -10.0, 10.0, 20.0)]
        steps = [b - a for a, b in zip(away, away[1:], strict=False)]
        if abs(steps[0] - steps[2]) <= 1e-4 * abs(steps[0]) and steps[0] * steps[2] > 0:
            return f"it falls without end as the outputs go {'up' if steps[0] < 0 else 'down'}."
    return ""


def _saturated_squares(output: Tensor, target: Tensor, task: Task, kind: Kind) -> Iterator[Finding]:
    """A squared error whose outputs start on the flat ends of their sigmoid or softmax."""
    operation, _ = last_operation(output)
    if kind.name == "mse" and operation in ("SigmoidBackward", "SoftmaxBackward") and task.sort != "numbers":
        flat = float((output * (1 - output) < 0.01).double().mean())
        if flat > 0.9 and output.shape[-1] <= 100:
            said = f"{flat:.0%} of the {plain(operation)} outputs start with a slope below 0.01; 0.25 is possible."
            yield Finding("squared-error-saturated", said)


@torch.no_grad()
def _units(program: Program, batch: Batch) -> Iterator[Finding]:
    """Hidden layers of ReLUs that are off, or on, for all examples."""
    layers = [(name, m) for name, m in program.model.named_modules() if isinstance(m, LINEAR)][:-1]
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, _: Any, z: Tensor) -> None:
            channel = 1 if isinstance(module, nn.modules.conv._ConvNd) else -1
            seen[name] = z.detach().movedim(channel, 0).flatten(1)

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in layers]
    try:
        with torch.enable_grad():
            used = {name for name in operations(program.output(batch)) if name in BENDS}
    finally:
        for handle in handles:
            handle.remove()
    if (
        used != {"ReluBackward"}
        or len(batch) < 8
        or any(isinstance(m, BATCH_NORMS) for m in program.model.modules())
    ):
        return
    for name, module in layers:
        z = seen.get(name)
        if (
            z is not None
            and z.isfinite().all()
            and float((z.amax(1) <= 0).double().mean()) > 0.95
            and z.any()
        ):
            bias = 0.0 if module.bias is None else float(module.bias.median())
            kills = bias < -float(z.std()) and bias < -1
            said = f"all {len(z)} units are off for all {len(batch)} examples of a batch."
            yield Finding("biases-kill" if kills else "dead-units", said, layer=name)
            return
    on = [float((seen[name].amin(1) > 0).double().mean()) for name, _ in layers if name in seen]
    if on and min(on) > 0.9:
        yield Finding(
            "always-on", f"{min(on):.0%} or more of the units of each hidden layer are on for all examples."
        )


def _broadcasts(ask: Callable[..., float], before: float, shown: Tensor, target: Tensor) -> bool:
    """Whether the loss looks at the targets, but not at which of them belongs to which output."""
    if len(target) < 4 or shown.shape == target.shape or not target.is_floating_point():
        return False
    if bool((target == target[:1]).all()):
        return False
    order = torch.randperm(len(target), generator=torch.Generator().manual_seed(2))
    same = abs(before - ask(shown, target[order])) <= 1e-5 * abs(before)
    return same and ask(shown, target + 1) != before


# The graph


def _graph_facts(program: Program, batch: Batch) -> Iterator[Finding]:
    """Which parameters get no gradient although they should, and why."""
    every = list(program.model.named_parameters())
    wanted = [(name, p) for name, p in every if p.requires_grad]
    if not wanted:
        yield Finding("frozen", "no parameter requires a gradient.")
        return
    with torch.enable_grad():
        torch.manual_seed(0)
        loss = program.loss_of(batch)
        if not loss.requires_grad:
            yield Finding(_cut(program, batch, every), "the loss has no gradient at all.")
            return
        grads = torch.autograd.grad(loss, [p for _, p in wanted], allow_unused=True)
    pairs = list(zip(wanted, grads, strict=True))
    missing = [one for one, grad in pairs if grad is None]
    zero = [name for (name, _), grad in pairs if grad is not None and not grad.any()]
    flat = sorted(plain(name) for name in operations(loss) if name.startswith(FLAT))
    if any(p.numel() > 1 for _, p in missing):
        name = _cut(program, batch, missing)
        what = {"unused": "changing them does not change the output", "detached": "they change the output"}
        said = what.get(name, "they change the output in jumps")
        layers = ", ".join(name for name, _ in missing[:4]) + (" …" if len(missing) > 4 else "")
        yield Finding(
            name, f"{len(missing)} of {len(wanted)} parameters get no gradient; {said}.", layer=layers
        )
    elif flat and zero:
        said = f"{', '.join(flat)}: {len(zero)} of {len(wanted)} parameters get a gradient of exactly 0."
        yield Finding("non-differentiable", said, layer=zero[0])


@torch.no_grad()
def _cut(program: Program, batch: Batch, pairs: list[tuple[str, nn.Parameter]]) -> str:
    """Change the parameters a little and much: does the output follow smoothly, in jumps, or not at all?"""
    program.model.eval()
    base = program.output(batch).double()

    def moved(by: float) -> float:
        saved, own = [p.clone() for _, p in pairs], torch.Generator().manual_seed(3)
        for _, p in pairs:
            if p.is_floating_point():
                p.add_(by * (p.abs().mean() + 0.01) * torch.randn(p.shape, generator=own).to(p))
        out = program.output(batch).double()
        for (_, p), before in zip(pairs, saved, strict=True):
            p.copy_(before)
        return float((out - base).abs().max())

    little, much = moved(1e-3), moved(1.0)
    program.model.train()
    return "unused" if much == 0 else "non-differentiable" if little == 0 else "detached"


# Evaluation mode


def _first_rows(batch: Batch, count: int) -> Batch:
    rows = len(batch)
    cut = lambda t: t[:count] if isinstance(t, Tensor) and t.ndim and len(t) == rows else t  # noqa: E731
    named = {key: cut(value) for key, value in batch.named.items()}
    return Batch(tuple(map(cut, batch.inputs)), named, cut(batch.target), batch.raw)


@torch.no_grad()
def _evaluation_facts(program: Program, batch: Batch) -> list[Finding]:
    """Is the output the same again, and each example's own affair?"""
    model, small = program.model.eval(), _first_rows(batch, 16)
    try:
        one, again = program.output(small).double(), program.output(small).double()
        apart = float((one - again).abs().max())
        if apart > 1e-5 * float(one.abs().max()):
            return [
                Finding("dropout-in-evaluation", f"the same inputs twice differ by {apart:.2g}; 0 expected.")
            ]
        x = small.x
        if (
            x is None
            or x.ndim < 2
            or len(one) != len(x)
            or len(x) < 4
            or len(small.inputs) + len(small.named) != 1
        ):
            return []
        swapped = torch.cat([x[1:2], x[1:]])
        apart = float((program.output(small.with_x(swapped)).double() - one)[2:].abs().max())
        if apart > 1e-3 * float(one.std()):
            said = f"another first row changes the outputs of other rows by {apart:.2g}; 0 expected."
            norms = [m for m in model.modules() if isinstance(m, BATCH_NORMS)]
            stateless = any(not m.track_running_stats for m in norms)
            return [Finding("batchnorm-mode" if stateless else "mixes-examples", said)]
    except Exception:
        return []
    finally:
        model.train()
    return []


@torch.no_grad()
def _affine(program: Program, batch: Batch, output: Tensor) -> list[Finding]:
    """Is the network one linear map, whatever its layers? A bottleneck is meant."""
    layers, x = [m for m in program.model.modules() if isinstance(m, LINEAR)], batch.x
    if len(layers) < 2 or x is None or not x.is_floating_point() or len(x) < 6 or len(batch.inputs) != 1:
        return []
    widths = [m.out_features for m in layers[:-1] if isinstance(m, nn.Linear)]
    if widths and min(widths) < min(x[0].numel(), output[0].numel()):
        return []
    operation, _ = last_operation(output)
    program.model.eval()
    try:
        points = x[:2], -3 * x[2:4], 5 * x[4:6]  # far apart: no unit is on, or off, for all of them
        told = [
            _unsquashed(program.output(_first_rows(batch, 2).with_x(part)).double(), operation)
            for part in (*points, points[0] + points[1] - points[2])
        ]
        error = float((told[0] + told[1] - told[2] - told[3]).abs().max())
        scale = float((told[0] - told[1]).abs().max())
        if scale > 1e-6 * max(float(t.abs().max()) for t in told) and error < 1e-4 * scale:
            said = (
                f"f(a) + f(b) − f(c) = f(a + b − c) within {error / scale:.0e}, through {len(layers)} layers."
            )
            return [Finding("no-nonlinearity", said)]
    except Exception:
        return []
    finally:
        program.model.train()
    return []


def _unsquashed(output: Tensor, operation: str) -> Tensor:
    if operation == "SigmoidBackward":
        return output.logit()
    if operation in ("SoftmaxBackward", "LogSoftmaxBackward"):
        z = output.log() if operation == "SoftmaxBackward" else output
        return z - z.mean(-1, keepdim=True)
    return output
