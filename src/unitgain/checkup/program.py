"""What is examined: a model, its batches, loss, optimizer and loop, and copies of them to try things on."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .losses import named_loss

__all__ = ["Batch", "Program", "batches_of", "program_of"]

ROWS, BATCHES = 4096, 64  # that are looked at
TARGETS = ("labels", "label", "targets", "target", "y")  # of a batch that is a dictionary
STEP_ARGUMENTS = {
    "model": ("model", "net", "network", "module"),
    "optimizer": ("optimizer", "optim", "opt"),
    "batch": ("batch", "data", "examples"),
    "x": ("x", "inputs", "input", "features", "xb"),
    "y": ("y", "targets", "target", "labels", "label", "yb"),
    "loss": ("loss", "loss_fn", "criterion", "loss_function", "loss_fun"),
}


@dataclass(frozen=True, eq=False)
class Batch:
    """What the model is called with, what its output is compared with, and the batch as it came."""

    inputs: tuple
    named: dict[str, Any]
    target: Any
    raw: Any

    @property
    def x(self) -> Tensor | None:
        """The first tensor among the inputs."""
        return next((t for t in (*self.inputs, *self.named.values()) if isinstance(t, Tensor)), None)

    def with_x(self, x: Tensor) -> Batch:
        """The same with other values of the first tensor, and so in the raw batch."""
        old = self.x
        swap = lambda value: x if value is old else value  # noqa: E731
        raw = self.raw
        if raw is old:
            raw = x
        elif isinstance(raw, Mapping):
            raw = {key: swap(value) for key, value in raw.items()}
        elif isinstance(raw, (tuple, list)):
            raw = type(raw)(map(swap, raw)) if not hasattr(raw, "_fields") else type(raw)(*map(swap, raw))
        target = x if self.target is old else self.target
        return Batch(tuple(map(swap, self.inputs)), {k: swap(v) for k, v in self.named.items()}, target, raw)

    def __len__(self) -> int:
        return 0 if self.x is None or not self.x.ndim else len(self.x)


@dataclass(frozen=True)
class Program:
    """A training program. `dataclasses.replace` makes another; `copied` one that may be trained."""

    model: nn.Module
    batches: list[Batch]
    loss: Callable[[Any, Any], Tensor]
    optimizer: Optimizer
    step: Callable[..., Any] | None = None
    own_optimizer: bool = True  # False: none was given, and this is Adam over all parameters

    def copied(self) -> Program:
        """The same with a model and an optimizer of its own."""
        model, optimizer = copy.deepcopy((self.model, self.optimizer), _memo(self.model))
        for p in model.parameters():
            p.grad = None
        return replace(self, model=model, optimizer=optimizer)

    def called(self, batch: Batch, model: nn.Module | None = None) -> Any:
        """The model's output."""
        return (model or self.model)(*batch.inputs, **batch.named)

    def output(self, batch: Batch) -> Tensor:
        """The tensor of the output that the loss is about: the first."""
        return first_tensor(self.called(batch))

    def loss_of(self, batch: Batch) -> Tensor:
        """The loss of one batch, a number with its graph."""
        return self.loss(self.called(batch), batch.target)

    def run(self, batch: Batch) -> float:
        """One step of training as the user does; the loss before it, NaN where the step does not tell."""
        if self.step is not None:
            told = call_step(self.step, self, batch)
            told = first_tensor(told)
            return float(told.detach().float().mean()) if isinstance(told, Tensor) else float("nan")
        self.optimizer.zero_grad()
        loss = self.loss_of(batch)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Those of the optimizer."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]


def _memo(model: nn.Module) -> dict[int, Any]:
    """Tensors that a forward pass has left on the model belong to a graph: a copy gets their values only."""
    kept = (value for module in model.modules() for value in vars(module).values())
    return {id(t): t.detach().clone() for t in kept if isinstance(t, Tensor) and t.grad_fn is not None}


def first_tensor(value: Any) -> Any:
    """The first tensor in an output: of a tuple, a dictionary, or an object with `logits` or the like."""
    if isinstance(value, Tensor) or value is None:
        return value
    if isinstance(value, Mapping):
        values: Iterable[Any] = value.values()
    elif isinstance(value, (tuple, list)):
        values = value
    else:
        values = vars(value).values() if hasattr(value, "__dict__") else ()
    return next((t for t in map(first_tensor, values) if isinstance(t, Tensor)), None)


def arguments(step: Callable[..., Any]) -> list[str]:
    """What a step wants to be called with: by the names of its arguments, else by their number."""
    names = [
        p.name
        for p in inspect.signature(step).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        and p.default is p.empty  # what has a default keeps it
    ]
    meant = [next((k for k, words in STEP_ARGUMENTS.items() if n.lower() in words), None) for n in names]
    if all(meant):
        return [key for key in meant if key]
    order = {1: ["batch"], 2: ["x", "y"], 3: ["model", "batch", "optimizer"]}.get(len(names))
    if order is None:
        raise ValueError(f"checkup: step must take model, batch and optimizer by these names, got {names}")
    return order


def call_step(step: Callable[..., Any], program: Program, batch: Batch) -> Any:
    """The user's step, with what it wants."""
    raw = batch.raw
    pair = raw if isinstance(raw, (tuple, list)) and len(raw) == 2 else (batch.x, batch.target)
    known = {
        "model": program.model,
        "optimizer": program.optimizer,
        "batch": raw,
        "x": pair[0],
        "y": pair[1],
        "loss": program.loss,
    }
    meant = arguments(step)
    return step(*(known[key] for key in meant))


def touches_original(step: Callable[..., Any] | None) -> bool:
    """Whether the step reaches the model by itself, since it is not handed one."""
    if step is None:
        return False
    return "model" not in arguments(step)


# Batches


def batches_of(data: Any, like: torch.dtype, device: torch.device, owner: str = "data") -> list[Batch]:
    """At most BATCHES batches and about ROWS rows of a batch, a list of batches, a dataset or a loader."""
    if hasattr(data, "__next__"):
        raise TypeError(
            f"checkup: {owner} must be a batch or a loader that can be read again, got an iterator"
        )
    if _is_batch(data):
        found = [_batch(data, like, device)]
    else:
        if not hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
            raise TypeError(f"checkup: {owner} must be a batch or a loader, got {type(data).__name__}")
        if isinstance(data, torch.utils.data.Dataset) and not isinstance(
            data, torch.utils.data.IterableDataset
        ):
            data = torch.utils.data.DataLoader(data, batch_size=64)
        found, rows = [], 0
        for raw in data:
            found.append(_batch(raw, like, device))
            rows += len(found[-1])
            if len(found) == BATCHES or rows >= ROWS:
                break
    if not found or all(len(batch) == 0 for batch in found):
        raise ValueError(f"checkup: {owner} must hold at least one row, got {_said(data)}")
    return found


def _is_batch(data: Any) -> bool:
    """Whether this is one batch, not several."""
    if isinstance(data, (Tensor, np.ndarray, Mapping)):
        return True
    if isinstance(data, (tuple, list)) and data:
        return all(isinstance(part, (Tensor, np.ndarray)) for part in data) and (
            isinstance(data, tuple)
            or (len({len(part) for part in data if part.ndim}) == 1 and len(data) == 2)
        )
    return False


def _tensor(value: Any, like: torch.dtype, device: torch.device) -> Any:
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)
        value = value.to(like) if value.dtype == torch.float64 else value
    return value.to(device) if isinstance(value, Tensor) else value


def _batch(raw: Any, like: torch.dtype, device: torch.device) -> Batch:
    if isinstance(raw, Mapping):
        named = {key: _tensor(value, like, device) for key, value in raw.items()}
        key = next((key for key in TARGETS if key in named), None)
        target = named.get(key) if key else None
        inputs = {k: v for k, v in named.items() if k != key}
        return Batch((), inputs, target, dict(named))
    if isinstance(raw, (tuple, list)):
        parts = [_tensor(value, like, device) for value in raw]
        if len(parts) > 1:
            return Batch(
                tuple(parts[:-1]), {}, parts[-1], type(raw)(parts) if type(raw) in (tuple, list) else parts
            )
        raw = parts[0]
    x = _tensor(raw, like, device)
    if not isinstance(x, Tensor):
        raise TypeError(
            f"checkup: a batch must be a tensor, a tuple or a dictionary of tensors, got {_said(raw)}"
        )
    return Batch((x,), {}, None, x)


def _said(value: Any) -> str:
    return (
        f"{type(value).__name__} of length {len(value)}"
        if hasattr(value, "__len__")
        else type(value).__name__
    )


def check(model: Any, optimizer: Any, step: Any) -> None:
    """Refuse what is none."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"checkup: model must be an nn.Module, got {type(model).__name__}")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise TypeError(f"checkup: optimizer must be a torch.optim.Optimizer, got {type(optimizer).__name__}")
    if step is not None and not callable(step):
        raise TypeError(f"checkup: step must be a function, got {type(step).__name__}")
    waits = [t for t in (*model.parameters(), *model.buffers()) if t.is_meta or nn.parameter.is_lazy(t)]
    if waits:
        raise ValueError(
            "checkup: model must hold its values: call it once (lazy layers), or take it off meta"
        )
    if step is not None:
        arguments(step)


def program_of(
    model: nn.Module, data: Any, loss: Any, optimizer: Optimizer | None, step: Callable[..., Any] | None
) -> Program:
    """The program to examine, with what was left out filled in."""
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        model = model.module
    known = list(model.parameters())
    if not known:
        raise ValueError(f"checkup: model must have parameters, got {type(model).__name__} without any")
    like = next((p.dtype for p in known if p.is_floating_point()), torch.float32)
    batches = batches_of(data, like, known[0].device)
    batches = [_as_called(model, batch) for batch in batches] if batches[0].named else batches
    if loss is not None and all(batch.target is None for batch in batches):
        batches = [replace(batch, target=batch.x) for batch in batches]  # an autoencoder's
    own = optimizer is not None
    if optimizer is None:
        optimizer = torch.optim.Adam([p for p in known if p.requires_grad] or known)
    return Program(model, batches, named_loss(loss), optimizer, step, own)


def _as_called(model: nn.Module, batch: Batch) -> Batch:
    """A batch that is a dictionary, as this model takes it: by its names, or whole."""
    names = inspect.signature(model.forward).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in names.values())
    if takes_all or set(batch.named) <= set(names):
        extra = {k: v for k, v in batch.raw.items() if k in names and k not in batch.named}
        return replace(batch, named=batch.named | (extra if batch.target is None else {}))
    if len(names) == 1:
        return (
            replace(batch, inputs=(batch.named,), named={})
            if len(batch.named) > 1
            else replace(batch, inputs=tuple(batch.named.values()), named={})
        )
    return replace(batch, named={k: v for k, v in batch.named.items() if k in names})
