"""Watching a training loop from outside.

The life of one measured step. A step begins with the block and whenever the optimizer has stepped; without
an optimizer, whenever the model is called. If it is to be measured, `_begin` opens `Step` for it and hooks
layers and parameters; the other steps run without these hooks.

Forward, `_on_input` (before an activation) and `_on_output` (after any layer) copy a sample of the rows,
because what follows may work in place; what one layer gives and the next takes is copied once. Backward,
`_on_output_gradient` takes the norm of the gradient with respect to an output, `_on_gradient` the measures of
a parameter's gradient. Around the update, `_before_step` copies the parameters, `_after_step` takes the norm
of the change.

Mean, deviation and share are computed when somebody reads, at the latest when the next measured step needs
the samples' memory (`Step.release`); saturation, correlation and rank only when somebody reads.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection
from difflib import get_close_matches
from functools import partial, wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .layout import NORMALIZES, Layout, layout_of, sample_rows
from .measures import SATURATED_BELOW, active, gradient_counts, moments, norm, workspace
from .records import Kept, Pass, StepRecord, plain_rows
from .step import Parameter, Step, Traced, batched, is_signal
from .units import is_activation

__all__ = ["Observation", "observe"]

SMALL = 4096  # entries of a parameter whose measures can wait


def _remove(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()
    handles.clear()


def _hook(method: Callable) -> Callable:
    """Measure in ordinary tensors also where the model runs in inference mode."""

    @wraps(method)
    def quietly(self: Observation, *args: Any) -> None:
        if torch.is_inference_mode_enabled():
            with torch.inference_mode(False), torch.no_grad():
                method(self, *args)
        else:
            method(self, *args)

    return quietly


class Observation:
    """What `observe` has seen, step by step. Made by `observe`, which has the example and the source."""

    def __init__(
        self,
        model: nn.Module,
        every: int,
        optimizer: Optimizer | None,
        layers: dict[str, nn.Module],
        sample: int,
        fraction: float,
        keep: int | None,
    ) -> None:
        self._model, self._every, self._optimizer = model, every, optimizer
        self._layers, self._rows, self._fraction = layers, sample, fraction
        self._steps: deque[Step] = deque(maxlen=keep)
        self._parameters: dict[str, list[Parameter]] = {}  # by layer, a shared one by the first
        own = {parameter: name for name, parameter in model.named_parameters()}
        for name, module in layers.items():
            replicas = len(getattr(module, "replicas", ()))
            for parameter in module.parameters(recurse=False):
                if key := own.pop(parameter, None):
                    dims = tuple(range(replicas, parameter.ndim)) if replicas else None
                    watched = Parameter(key, parameter, dims, small=parameter.numel() <= SMALL)
                    self._parameters.setdefault(name, []).append(watched)
        self._flat = [parameter for several in self._parameters.values() for parameter in several]
        self._activations = {name for name, module in layers.items() if is_activation(module)}
        self._layouts: dict[tuple[str, int], Layout] = {}
        self._handles: list[Any] = []  # of the whole block
        self._measuring: list[Any] = []  # of measured steps
        self._returning: list[Any] = []  # of the outputs of one measured step
        self._trained: list[bool] = []  # which parameters have a hook
        self._now: Step | None = None
        self._count = 0  # steps begun before this one
        self._started = self._entered = False
        self._clear()

    def _clear(self) -> None:
        self._inputs: dict[str, Traced] = {}
        self._passed: Traced | None = None
        self._before: dict[str, Tensor] = {}
        self._moving: list[tuple[Parameter, Tensor, Tensor]] = []  # value, size before a step
        self._samples: dict[tuple[int, str], Tensor] = {}
        self._buffers: dict[torch.dtype, Tensor] = {}

    # What was seen

    @property
    def steps(self) -> list[StepRecord]:
        """One record a measured step, oldest first."""
        return [step.record(self._parameters) for step in self._steps]

    @property
    def last(self) -> StepRecord:
        """The latest record.

        Raises:
            IndexError: Before anything was measured.
        """
        if not self._steps:
            raise IndexError("Observation: last must follow a measured step, got none yet")
        return self._steps[-1].record(self._parameters)

    def table(self) -> list[dict[str, Any]]:
        """Plain numbers for a CSV file or a data frame: one row for each step and layer.

        Means over units and replicas; "dead" and "always_on" are shares of units. None where there is nothing
        to say: a layer without parameters has no norm, a frozen one no update.
        """
        return [row for record in self.steps for row in plain_rows(record)]

    # The block

    def __enter__(self) -> Observation:
        if self._entered:
            raise RuntimeError(
                "Observation: a `with` block must be given an observation of its own, got a used one"
            )
        self._entered = True
        self._handles.append(self._model.register_forward_pre_hook(self._called, prepend=True))
        if self._optimizer is not None:
            self._handles.append(self._optimizer.register_step_pre_hook(self._before_step))
            self._handles.append(self._optimizer.register_step_post_hook(self._after_step))
            self._begin()
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        _remove(self._measuring)
        _remove(self._handles)
        self._clear()

    def _begin(self) -> None:
        self._started = True
        if self._count % self._every == 0:
            self._now = Step(self._count)
            self._attach()
        else:
            _remove(self._measuring)

    def _attach(self) -> None:
        """Hook a measured step; the others run with no hooks but the model's own and the optimizer's."""
        trained = [parameter.tensor.requires_grad for parameter in self._flat]
        if self._measuring and trained == self._trained:
            return
        _remove(self._measuring)
        self._trained, hooks = trained, self._measuring
        for name, module in self._layers.items():
            if name in self._activations:  # before it runs: it may work in place
                hooks.append(module.register_forward_pre_hook(partial(self._on_input, name)))
            if not isinstance(module, nn.utils.parametrize.ParametrizationList):
                hooks.append(module.register_forward_hook(partial(self._on_output, name)))
        for parameter in self._flat:
            if parameter.tensor.requires_grad:
                hook = partial(self._on_gradient, parameter)
                hooks.append(parameter.tensor.register_post_accumulate_grad_hook(hook))

    def _end(self) -> None:
        _remove(self._returning)
        self._now = self._passed = None
        self._inputs.clear()
        self._moving.clear()

    def _next(self) -> None:
        self._end()
        self._count += self._started
        self._begin()

    # Hooks

    def _called(self, model: nn.Module, inputs: tuple) -> None:
        hooked = bool(self._measuring)
        if self._optimizer is None:
            self._next()
        elif self._now is not None:  # another batch before the same step: its signals replace the last one's
            _remove(self._returning)
            self._now.clear()
            self._attach()  # what has been thawed since
        if self._now is not None and not hooked and "" in self._activations:
            self._on_input("", model, inputs)  # the model is being called: its new hook comes too late

    def _open(self) -> Step | None:
        """The step of this step, if it is measured; the step before lets go of its samples."""
        if self._now is not None and not (self._steps and self._steps[-1] is self._now):
            if self._steps:
                self._steps[-1].release(self._buffers)
            self._steps.append(self._now)
        return self._now

    @_hook
    def _on_input(self, name: str, module: nn.Module, inputs: tuple) -> None:
        if not inputs or not is_signal(inputs[0]) or (step := self._open()) is None:
            return
        passed = self._passed
        if passed is None or not passed.is_still(inputs[0]):
            passed = self._look(name, module, inputs[0], (len(step.passes), "before"))
        self._inputs[name] = passed

    @_hook
    def _on_output(self, name: str, module: nn.Module, inputs: tuple, output: Any) -> None:
        h = output[0] if isinstance(output, tuple) and output else output
        before = self._inputs.pop(name, None)
        if not is_signal(h) or (step := self._open()) is None:
            return
        z, key, one = batched(h), (len(step.passes), "output"), Pass(name, self._fraction)
        if before is None or before.shape != z.shape:  # no activation, or Maxout, whose units are others
            seen = self._look(name, module, h, key)
            one.output = seen.kept.sample
        else:
            seen, one.activation = before, module
            one.output = self._keep(z, seen.layout, key)
        self._passed, one.before = seen, seen.kept
        units, replicas, data = seen.layout
        one.entries = math.prod(z.shape[replicas:])
        one.data = one.entries // z.shape[units]
        if one.before.active is not None:  # the sample is not all
            one.moments = moments(z, data, workspace(self._buffers, z))
        step.passes.append(one)
        if h.requires_grad:
            dims = tuple(range(replicas, h.ndim)) if replicas else None
            self._returning.append(h.register_hook(partial(self._on_output_gradient, one, dims)))

    def _look(self, name: str, module: nn.Module, tensor: Tensor, key: tuple[int, str]) -> Traced:
        z, passed = batched(tensor), self._passed
        layout = self._layouts.get((name, z.ndim))
        if layout is None:
            before = None if passed is None else (passed.shape, passed.layout)
            layout = self._layouts[name, z.ndim] = layout_of(module, z, before)
        sample, count = self._keep(z, layout, key), None
        if sample.numel() < z.numel():
            count = active(z, layout.data, workspace(self._buffers, z))
        return Traced.of(tensor, layout, Kept(sample, count))

    def _keep(self, z: Tensor, layout: Layout, key: tuple[int, str]) -> Tensor:
        """A sample, in the same memory at every measured step."""
        rows, sample = sample_rows(z, layout, self._rows), self._samples.get(key)
        if sample is None or sample.shape != rows.shape or sample.dtype != rows.dtype:
            sample = self._samples[key] = torch.empty_like(rows, memory_format=torch.contiguous_format)
        return sample.copy_(rows)

    def _on_output_gradient(self, one: Pass, dims: tuple[int, ...] | None, gradient: Tensor) -> None:
        one.norm = norm(gradient.detach(), dims)

    def _on_gradient(self, parameter: Parameter, tensor: nn.Parameter) -> None:
        assert self._now is not None
        assert tensor.grad is not None
        g = tensor.grad.detach()
        if g.layout != torch.strided:
            g = g.to_dense()
        self._now.gradients[parameter.name] = (
            g.clone() if parameter.small else gradient_counts(g, parameter.dims, workspace(self._buffers, g))
        )

    def _before_step(self, optimizer: Optimizer, *call: object) -> None:
        if self._now is None:
            return
        held = {id(tensor) for group in optimizer.param_groups for tensor in group["params"]}
        for parameter in self._flat:
            if id(parameter.tensor) in held:
                now = parameter.tensor.detach()
                if parameter.small:
                    before = size = now.clone()
                else:
                    if (memory := self._before.get(parameter.name)) is None:
                        memory = self._before[parameter.name] = torch.empty_like(now)
                    before = memory.copy_(now)
                    size = norm(before, parameter.dims)
                self._moving.append((parameter, before, size))

    def _after_step(self, optimizer: Optimizer, *call: object) -> None:
        for parameter, before, size in self._moving:
            after = parameter.tensor.detach()
            step = before - after if parameter.small else norm(before.sub_(after), parameter.dims)
            self._now.updates[parameter.name] = step, size  # type: ignore[union-attr]
        self._next()


def observe(
    model: nn.Module,
    *,
    every: int = 1,
    optimizer: Optimizer | None = None,
    layers: Collection[str] | None = None,
    fraction: float = SATURATED_BELOW,
    sample: int = 1024,
    keep: int | None = None,
) -> Observation:
    r"""Watch what every layer and unit of `model` does while your own loop runs.

    Used in a `with` statement around the loop. Forward, backward and update give the same bits as without, no
    random number is drawn, and after the block, also after an exception in it, no hook is left.

    With `optimizer` a step lasts until the optimizer's step: gradients may be accumulated, and the signals
    are those of the last batch before it. Without, every call of `model` is a step.

    Nothing is moved off the device, or waited for, before it is read. Held are, in float32, 12 bytes a unit
    and 12 an entry of parameters of at most 4,096 entries, for each measured step; of the last one also
    `sample` rows of every layer's outputs; and within the block a copy of the parameters that `optimizer`
    holds and, on the CPU, a buffer of the size of the largest tensor.

    Values are squared in their own dtype: in float32 gradients below some 1e-20 read as 0, and signals above
    some 1e19 as infinite. Watch a network that may vanish or explode so far in float64.

    Args:
        model: Any module; training or evaluating, with or without gradient, on any device.
        every: Steps from one measured step to the next, at least 1; the first step is measured.
        optimizer: The one that trains the model, for the ratio of update to weight.
        layers: Names, as in `model.named_modules()`, of the modules to watch. None: those that hold
            parameters themselves, normalize, or are activations.
        fraction: A unit counts as saturated on an example where its activation's derivative is below this
            fraction of its peak; in (0, 1).
        sample: Most rows (examples, positions) of a layer's outputs to keep for saturation, correlation and
            rank, at least 2; if there are more, they are chosen evenly, by the same rule every time.
        keep: Records to keep, the latest; at least 1. None: all.

    Returns:
        An `Observation`: `steps` holds one `StepRecord` a measured step, `last` is the latest, `table()`
        turns them into plain numbers.

    Raises:
        ValueError: For numbers out of range, an unknown layer, a model without layers, or an optimizer that
            holds none of its parameters.
        RuntimeError: When the same observation is used for a second block.

    Examples:
        >>> import torch
        >>> from unitgain.diagnostics import observe
        >>> from unitgain.models import MLP
        >>> model = MLP((2, 8, 8, 1), generator=torch.Generator().manual_seed(0))
        >>> optimizer, x = torch.optim.SGD(model.parameters(), lr=0.1), 9 + torch.rand(100, 2)
        >>> with observe(model, every=10, optimizer=optimizer) as seen:
        ...     for _ in range(30):
        ...         optimizer.zero_grad()
        ...         model(x).square().mean().backward()
        ...         optimizer.step()
        >>> [record.step for record in seen.steps]
        [0, 10, 20]
        >>> [layer.name for layer in seen.last.layers]
        ['layers.0', 'activations.0', 'layers.1', 'activations.1', 'layers.2']
        >>> seen.last.layers[1].share.shape, seen.last.layers[1].rank.shape
        (torch.Size([8]), torch.Size([]))
        >>> [gradient.name for gradient in seen.last.gradients], seen.last.ratios.shape
        (['layers.0', 'layers.1', 'layers.2'], torch.Size([2]))

    Source: see `LayerSignal` and `LayerGradient`.
    """
    if not every >= 1 or every != int(every):
        raise ValueError(f"observe: every must be a whole number of at least 1, got {every}")
    if not 0 < fraction < 1:
        raise ValueError(f"observe: fraction must be above 0 and below 1, got {fraction}")
    if not sample >= 2:
        raise ValueError(f"observe: sample must be at least 2, got {sample}")
    if keep is not None and not keep >= 1:
        raise ValueError(f"observe: keep must be at least 1 or None, got {keep}")
    modules = dict(model.named_modules())
    if layers is None:
        modules = {name: module for name, module in modules.items() if _is_layer(module)}
        if not modules:
            kind = type(model).__name__
            raise ValueError(f"observe: model must hold parameters or activations, got a {kind} without any")
    else:
        for name in layers:
            if name not in modules:
                close = get_close_matches(str(name), modules, n=1, cutoff=0)[0]
                raise ValueError(
                    f"observe: layers must name modules of model, got {name!r}, did you mean {close!r}?"
                )
        modules = {name: module for name, module in modules.items() if name in layers}
    if optimizer is not None:
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if not any(id(parameter) in held for parameter in model.parameters()):
            kind = type(optimizer).__name__
            raise ValueError(f"observe: optimizer must hold parameters of model, got a {kind} of others")
    return Observation(model, every, optimizer, modules, sample, fraction, keep)


def _is_layer(module: nn.Module) -> bool:
    return (
        is_activation(module)
        or hasattr(module, "examples_dim")
        or hasattr(module, "parametrizations")
        or isinstance(module, NORMALIZES)
        or next(module.parameters(recurse=False), None) is not None
    )
