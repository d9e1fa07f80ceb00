"""Hooks that torch has not: on the calls of one model, and on backward passes of scaled losses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .layout import tensors_of

__all__ = ["Calls", "ScaledLosses", "in_backward", "remove"]


def remove(handles: list[Any]) -> None:
    """Take hooks away."""
    for handle in handles:
        handle.remove()
    handles.clear()


def in_backward() -> bool:
    """Whether autograd is at work, so that a layer that runs is one of a checkpoint, run again."""
    return torch._C._current_graph_task_id() != -1


class Observer(Protocol):
    """Who is told."""

    def enter_call(self) -> None:
        """The model is about to run."""

    def leave_call(self, output: Any) -> None:
        """It has run; None after an error."""

    def on_scaled_backward(self, scale: Tensor, gradient: Tensor) -> None:
        """Backward begins at a loss that was multiplied by `scale`."""


class Calls:
    """What `model(…)` runs while the model is observed; torch leaves this attribute out of every copy."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.observers: list[Observer] = []

    @classmethod
    def of(cls, model: nn.Module) -> Calls:
        """Those of `model`, which all its observers share."""
        if model._compiled_call_impl is None:
            model._compiled_call_impl = cls(model)
        return model._compiled_call_impl  # type: ignore[return-value]

    def leave(self, observer: Observer) -> None:
        """Without observers the model is as it was."""
        self.observers.remove(observer)
        if not self.observers and self._model._compiled_call_impl is self:  # not compiled since
            del self._model._compiled_call_impl

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return self._model._call_impl(*args, **kwargs)
        observers, output = list(self.observers), None
        for one in observers:
            one.enter_call()
        try:
            output = self._model._call_impl(*args, **kwargs)
        finally:
            for one in observers:
                one.leave_call(output)
        return output

    def __reduce__(self) -> tuple:  # where a class decides itself what its copies get
        return _nothing, ()


def _nothing() -> None:
    return None


class ScaledLosses:
    """Tells observers when backward begins at a loss that a `GradScaler` has multiplied, and by what.

    While there is an observer, `GradScaler.scale` marks what it returns.
    """

    def __init__(self) -> None:
        self._observers: list[Observer] = []
        self._scale: Any = None

    def watch(self, observer: Observer) -> None:
        """From now on."""
        if not self._observers:
            self._scale = torch.amp.GradScaler.scale
            torch.amp.GradScaler.scale = self._marking(self._scale)  # type: ignore[method-assign]
        self._observers.append(observer)

    def leave(self, observer: Observer) -> None:
        """Without observers torch's class is as it was."""
        self._observers.remove(observer)
        if not self._observers:
            torch.amp.GradScaler.scale = self._scale  # type: ignore[method-assign]

    def _marking(self, scale: Callable) -> Callable:
        @wraps(scale)
        def marking(scaler: torch.amp.GradScaler, outputs: Any) -> Any:
            losses = scale(scaler, outputs)
            for loss in tensors_of(losses):
                if scaler.is_enabled() and loss.requires_grad:
                    factor = scale(scaler, torch.ones((), device=loss.device))
                    for one in self._observers:
                        loss.register_hook(partial(one.on_scaled_backward, factor))
            return losses

        return marking
