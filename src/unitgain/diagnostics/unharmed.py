"""Trying things with a model and leaving no trace."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["unharmed"]


def _random_states(*data: Any) -> Callable[[], None]:
    """Remembers all random states that a program may draw from; called, sets them back."""
    legacy = np.random.get_state()  # noqa: NPY002  of those who still use it
    states = torch.get_rng_state(), random.getstate()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    own = []
    for one in data:
        for part in (one, getattr(one, "sampler", None), getattr(one, "batch_sampler", None)):
            generator = getattr(part, "generator", None)
            if isinstance(generator, torch.Generator):
                own.append((generator, generator.get_state()))

    def back() -> None:
        torch.set_rng_state(states[0])
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(states[1])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
        for generator, state in own:
            generator.set_state(state)

    return back


def _tensors(model: nn.Module, optimizer: Optimizer | None) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()
    if optimizer is not None:
        yield from (p for group in optimizer.param_groups for p in group["params"])
        for state in optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))


@contextmanager
def unharmed(model: nn.Module, optimizer: Optimizer | None, *data: Any) -> Iterator[None]:
    """Afterwards values, gradients, modes, optimizer, random states are to the bit as before; after errors too."""
    back = _random_states(*data)
    tensors = {id(t): (t, t.detach().clone()) for t in _tensors(model, optimizer)}
    gradients = [
        (p, p.grad, None if p.grad is None else p.grad.clone(), p.requires_grad) for p in model.parameters()
    ]
    modes = [(module, module.training) for module in model.modules()]
    groups = [dict(group) for group in optimizer.param_groups] if optimizer is not None else []
    states = {p: dict(state) for p, state in optimizer.state.items()} if optimizer is not None else {}
    try:
        yield
    finally:
        with torch.no_grad():
            for t, before in tensors.values():
                if not _same(t, before):
                    t.copy_(before)
            for p, grad, kept, needs in gradients:
                if grad is not None and kept is not None and not _same(grad, kept):
                    grad.copy_(kept)
                p.grad = grad
                if p.requires_grad != needs:
                    p.requires_grad_(needs)
        for module, training in modes:
            module.training = training
        if optimizer is not None:
            for group, values in zip(optimizer.param_groups, groups, strict=True):
                group.clear()
                group.update(values)
            optimizer.state.clear()
            optimizer.state.update(states)
        back()


def _same(one: Tensor, other: Tensor) -> bool:
    """To the bit, NaN equal to itself."""
    if one.is_sparse or one.dtype == torch.bool or not one.numel():
        return bool(torch.equal(one, other))
    return bool(torch.equal(one, other)) or bool(((one == other) | ((one != one) & (other != other))).all())
