"""Watching a training loop from outside.

The life of one measured step. A step begins with the block and whenever the optimizer has stepped; without
an optimizer, whenever the model is called to be trained. If it is to be measured, `_begin` opens a `Step`.
A call without gradient, or in eval mode and never followed by backward, is an evaluation and has a `Step` of
its own.

`Calls` says when the model is called. Its modules are hooked from outside, by the hooks that torch has for
all modules at once, and only while something is measured: a copy of the model carries none, and torch runs
everything as it would without. Forward, `_on_input` (before an activation) and `_on_output` (after any layer)
take mean, deviation and share while the tensor is in the cache, and copy a sample of the rows, because what
follows may work in place; what one layer gives and the next takes is looked at once. Backward,
`_on_output_gradient` takes the norm of the gradient with respect to an output, `_on_gradient` the measures of
a parameter's, in a distributed model at the end, when it is the average. Around the update, `_before_step`
copies the parameters, `_after_step` takes the norm of the change.

Saturation, correlation and rank are computed when somebody reads, from the samples, until the next measured
step needs their memory (`Step.release`).
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Variable
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim import Optimizer

from .hooks import Calls, ScaledLosses, in_backward, remove
from .layout import (
    NORMALIZES,
    Layout,
    Layouts,
    as_rows,
    check_model,
    first_tensor,
    is_activation,
    modules_of,
    sample_rows,
    tensors_of,
)
from .measures import SATURATED_BELOW, active, gradient_counts, moments, norm, quick_moments, wide, workspace
from .records import Kept, Pass, StepRecord, plain_rows
from .step import Memory, Parameter, Recomputation, Step, Traced, version_of

__all__ = ["Observation", "observe"]

_scaled_losses = ScaledLosses()

FUSED = (nn.TransformerEncoderLayer,)  # in eval mode one function, whose parts do not run as modules
SMALL = 4096  # entries of a parameter whose measures can wait


class Undecided(NamedTuple):
    """A call in eval mode with gradient: training if backward follows."""

    step: Step | None  # if it is measured


class Observation:
    """What `observe` has seen, step by step. Made by `observe`, which has the example and the source."""

    def __init__(
        self,
        model: nn.Module,
        every: int,
        optimizer: Optimizer | None,
        layers: dict[str, nn.Module],
        activations: Collection[type[nn.Module]],
        sample: int,
        fraction: float,
        keep: int | None,
    ) -> None:
        self._model, self._every, self._optimizer = model, every, optimizer
        self._rows, self._fraction, self._declared = sample, fraction, activations
        self._steps: deque[Step] = deque(maxlen=keep)
        self._evaluations: deque[Step] = deque(maxlen=keep)
        self._modules = modules_of(model)
        self._names = {module: name for name, module in layers.items() if module in self._modules}
        self._activations = {module for module in self._names if is_activation(module, activations)}
        leaves = {module for module in self._modules if next(module.children(), None) is None}
        self._looked_at = self._activations | {module for module in self._names if isinstance(module, FUSED)}
        self._measured = leaves | self._names.keys()
        self._parameters = _parameters(model, layers)
        self._flat = [parameter for several in self._parameters.values() for parameter in several]
        self._handles: list[Any] = []  # of the whole block
        self._modules_hooks: list[Any] = []  # of all modules, while something is measured
        self._measuring: list[Any] = []  # of the parameters, in measured steps
        self._trained: list[bool] = []  # which parameters have a hook
        self._count = 0  # steps begun before this one
        self._evaluated = 0  # calls that were evaluations
        self._started = self._entered = self._distributed = False
        self._called = False  # the model, since the step began
        self._scale: Tensor | None = None  # of the backward pass under way
        self._now: Step | None = None  # the step under way, if it is measured
        self._clear()

    def _clear(self) -> None:
        self._current: Step | None = None  # what the call of the model under way is written to
        self._depth = 0  # of calls of the model within each other
        self._with_gradient = self._afresh = False  # of the last call of the model
        self._undecided: Undecided | None = None
        self._seemed: Step | None = None  # the last evaluation, as long as nothing says otherwise
        self._outermost: list[Any] = []  # hooks on the outputs of the model
        self._layouts = Layouts()
        self._inputs: dict[nn.Module, Traced | int] = {}
        self._passed: Traced | None = None
        self._recomputation: Recomputation | None = None
        self._touched: dict[str, Parameter] = {}  # parameters whose gradient has come
        self._queued = -1  # the backward pass at whose end their measures are due
        self._before: dict[str, Tensor] = {}
        self._moving: list[tuple[Parameter, Tensor, Tensor]] = []  # value, size before a step
        self._memory: Memory = {}

    # What was seen

    @property
    def steps(self) -> list[StepRecord]:
        """One record a measured step, oldest first."""
        return [step.record(self._parameters) for step in self._steps]

    @property
    def evaluations(self) -> list[StepRecord]:
        """One record a measured call that did not train, oldest first: validation, say."""
        return [step.record(self._parameters) for step in self._evaluations]

    @property
    def last(self) -> StepRecord:
        """The latest step; where nothing was trained, the latest evaluation.

        Raises:
            IndexError: Before anything was measured.
        """
        steps = self._steps or self._evaluations
        if not steps:
            raise IndexError("Observation: last must follow a measured step, got none yet")
        return steps[-1].record(self._parameters)

    def table(self, records: Sequence[StepRecord] | None = None) -> list[dict[str, Any]]:
        """Plain numbers for a CSV file or a data frame: one row for each step and call of a layer.

        Means over units and replicas; "dead" and "always_on" are fractions of units. None where there is
        nothing to say: a layer without parameters has no norm, a frozen one no update, and of a layer that is
        called twice the first row has both.

        Args:
            records: What to put in rows, such as `evaluations`. None: `steps`; where nothing was trained,
                `evaluations`.
        """
        records = self.steps or self.evaluations if records is None else records
        return [row for record in records for row in plain_rows(record)]

    # The block

    def __enter__(self) -> Observation:
        if self._entered:
            raise RuntimeError(
                "Observation: a `with` block must be given an observation of its own, got a used one"
            )
        check_model("observe", self._model, self._declared)
        self._entered = True
        self._calls = Calls.of(self._model)
        self._calls.observers.append(self)
        _scaled_losses.watch(self)
        if self._optimizer is not None:
            self._handles.append(self._optimizer.register_step_pre_hook(self._before_step))
            self._handles.append(self._optimizer.register_step_post_hook(self._after_step))
            self._begin()
        self._hook_modules()
        return self

    def __exit__(self, *error: object) -> None:
        self._calls.leave(self)
        _scaled_losses.leave(self)
        self._end()
        self._decide()
        for handles in (self._handles, self._modules_hooks, self._measuring, self._outermost):
            remove(handles)
        self._clear()

    def _begin(self) -> None:
        self._started = True
        if self._count % self._every == 0:
            self._now, self._called = Step(self._count), False
            self._attach()
        else:
            remove(self._measuring)
        self._hook_modules()

    def _attach(self) -> None:
        """Hook the parameters of a measured step; what has been thawed since the last one is new."""
        self._distributed = distributed.is_available() and distributed.is_initialized()
        trained = [parameter.tensor.requires_grad for parameter in self._flat]
        if self._measuring and trained == self._trained:
            return
        remove(self._measuring)
        self._trained = trained
        for parameter in self._flat:
            if parameter.tensor.requires_grad:
                hook = partial(self._on_gradient, parameter)
                self._measuring.append(parameter.tensor.register_post_accumulate_grad_hook(hook))

    def _end(self) -> None:
        if self._now is not None:
            remove(self._now.handles)
        self._now = self._current = self._passed = self._recomputation = None
        self._inputs.clear()
        self._touched.clear()
        self._moving.clear()

    def _next(self) -> None:
        self._end()
        self._count += self._started
        self._begin()

    def _hook_modules(self) -> None:
        """Hook all modules while there is something to measure: a step under way, a call, or the first."""
        if self._now is None and self._current is None and self._started:
            remove(self._modules_hooks)
        elif not self._modules_hooks:
            self._modules_hooks.append(register_module_forward_pre_hook(self._on_input))
            self._modules_hooks.append(register_module_forward_hook(self._on_output))

    # Calls of the model

    def enter_call(self) -> None:
        """The model is called: another batch, an evaluation, or a checkpoint of all of it in backward."""
        self._depth += 1
        self._called = True
        within = in_backward()
        if self._depth > 1 or (within and self._with_gradient):
            return
        if within:  # what seemed to be an evaluation was the first run of a checkpoint
            self._forget_evaluation(self._seemed)
        self._with_gradient, self._afresh = torch.is_grad_enabled(), within
        self._passed = None
        self._inputs.clear()
        if self._with_gradient:
            self._decide()
        if self._with_gradient and (self._model.training or within):
            if self._optimizer is None:
                self._next()
            elif self._now is not None:  # before the same step: its signals replace those of the last batch
                remove(self._now.handles)
                self._now.clear()
                self._attach()
            self._current = self._now
        else:
            self._current = self._evaluation()
        self._hook_modules()

    def _evaluation(self) -> Step | None:
        """The step of a call in eval mode or without gradient, if it is measured."""
        wanted = self._evaluated % self._every == 0
        self._evaluated += 1
        taken = self._count + (self._optimizer is None and self._started)
        trains = self._with_gradient and taken % self._every == 0  # measured, should backward follow
        if trains:
            self._attach()
        step = Step(taken, training=False, wanted=wanted) if wanted or trains else None
        if self._with_gradient:
            self._undecided = Undecided(step)
        self._seemed = step
        return step

    def _decide(self) -> None:
        """No backward pass came: the last call in eval mode was an evaluation."""
        if self._undecided is not None and self._undecided.step is not None:
            remove(self._undecided.step.handles)
        self._undecided = None

    def _forget_evaluation(self, step: Step | None) -> None:
        self._evaluated -= 1
        if step is not None and step in self._evaluations:
            self._evaluations.remove(step)

    def leave_call(self, output: Any) -> None:
        """The model returns, and there backward is to begin."""
        self._depth -= 1
        if self._depth:
            return
        self._afresh = False
        outputs = [tensor for tensor in tensors_of(output) if tensor.requires_grad]
        if outputs and (self._undecided is not None or (self._distributed and self._current is not None)):
            remove(self._outermost)
            hook = partial(self._on_backward, self._undecided)
            self._outermost += [tensor.register_hook(hook) for tensor in outputs]
        if self._current is not self._now:
            self._current = None
            self._hook_modules()

    def _on_backward(self, call: Undecided | None, gradient: Tensor) -> None:
        if call is not None and call is self._undecided:
            self._undecided = None
            self._train(call.step)
        if self._distributed:
            self._measure_at_its_end()

    def _train(self, step: Step | None) -> None:
        """Backward has reached a call in eval mode: it was no evaluation."""
        self._forget_evaluation(step)
        if self._optimizer is None:
            self._end()
            self._count += self._started
            self._started = True
            measured = self._count % self._every == 0
        else:
            measured = self._now is not None
        if not measured or step is None:
            return
        if self._now is not None:  # earlier batches of the same optimizer step
            step.gradients = self._now.gradients
            remove(self._now.handles)
            if self._steps and self._steps[-1] is self._now:
                self._steps.pop()
        step.step, step.training, step.wanted, self._now = self._count, True, True, step
        self._open(step)

    def _refuse_compiled(self, module: Any) -> None:
        if (name := self._modules.get(module._orig_mod)) is not None:
            raise RuntimeError(
                f"observe: model must be called itself, got a call of what torch.compile made of "
                f"{repr(name) if name else 'it'}"
            )

    def _step_of(self, module: nn.Module) -> Step | None:
        """What a call of `module` is written to; outside a call of the model, the step under way."""
        if self._depth:
            return self._current
        if in_backward():
            return self._now
        return self._now if torch.is_grad_enabled() and module.training else None

    def _open(self, step: Step) -> None:
        """Keep the record of a step; the step before hands its samples' memory over."""
        step.opened = True
        kept = self._steps if step.training else self._evaluations
        if step.wanted and not (kept and kept[-1] is step):
            if kept:
                samples = kept[-1].release(self._memory)
                step.samples = step.samples or samples
            kept.append(step)

    # Forward

    def _on_input(self, module: nn.Module, inputs: tuple) -> None:
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return
        if type(module).__name__ == "OptimizedModule":
            self._refuse_compiled(module)
        if module not in self._looked_at or (step := self._step_of(module)) is None:
            return
        if isinstance(module, FUSED):
            self._inputs[module] = len(step.passes)
        elif torch.is_inference_mode_enabled():
            with torch.inference_mode(False), torch.no_grad():
                self._measure_input(step, module, inputs)
        elif self._afresh or not in_backward():
            self._measure_input(step, module, inputs)

    def _on_output(self, module: nn.Module, inputs: tuple, output: Any) -> None:
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return
        if module in self._measured and (step := self._step_of(module)) is not None:
            known, tensor = self._inputs.pop(module, None), first_tensor(output)
            if tensor is None:
                pass
            elif torch.is_inference_mode_enabled():  # measured in ordinary tensors all the same
                with torch.inference_mode(False), torch.no_grad():
                    self._measure_output(step, module, tensor, known)
            elif self._afresh or not in_backward():
                self._measure_output(step, module, tensor, known)
            else:
                self._run_again(module, tensor)

    def _measure_input(self, step: Step, module: nn.Module, inputs: tuple) -> None:
        if (tensor := first_tensor(inputs)) is not None:
            passed = self._passed
            if passed is None or not passed.is_still(tensor):
                passed = self._look(step, module, tensor, as_rows(tensor), (len(step.passes), "before"))
            self._inputs[module] = passed

    def _measure_output(
        self, step: Step, module: nn.Module, tensor: Tensor, known: Traced | int | None
    ) -> None:
        z, name = as_rows(tensor), self._names.get(module)
        if name is None:
            self._layouts.follow(z, self._layouts.find(module, z))
            return
        if isinstance(known, int) and known < len(step.passes):  # its parts have run and have rows
            return
        key = len(step.passes), "output"
        if isinstance(known, Traced) and known.shape == z.shape:
            traced, activation = known, module
            rows, sample = self._sample(step, z, traced.layout, key)
            sample.copy_(rows)
        else:  # no activation, or Maxout, whose units are others
            traced, activation = self._look(step, module, tensor, z, key), None
            assert traced.kept.sample is not None
            sample = traced.kept.sample
        layout = traced.layout
        self._passed = traced
        self._layouts.follow(z, layout)
        one = step.call(name, self._fraction, layout, z.shape)
        one.activation, one.before, one.output = activation, traced.kept, sample
        if sample.numel() == z.numel():  # it is all
            one.moments = quick_moments(sample)
        one.quick = one.moments is not None
        if one.moments is None:
            one.moments = moments(z, layout.data, workspace(self._memory, z))
        if tensor.requires_grad:
            step.handles.append(tensor.register_hook(partial(self._on_output_gradient, one)))
        else:
            one.runs_again = self._with_gradient and not torch.is_grad_enabled()

    def _look(self, step: Step, module: nn.Module, tensor: Tensor, z: Tensor, key: tuple[int, str]) -> Traced:
        layout = self._layouts.find(module, z)
        rows, sample = self._sample(step, z, layout, key)
        if rows.numel() == z.numel() and rows.dtype == wide(rows.dtype):  # the sample's memory serves twice
            count = active(rows, (-2,), sample)
        else:
            count = active(z, layout.data, workspace(self._memory, z))
        kept = Kept(sample.copy_(rows), count)
        return Traced(weakref.ref(tensor), version_of(tensor), z.shape, layout, kept)

    def _sample(self, step: Step, z: Tensor, layout: Layout, key: tuple[int, str]) -> tuple[Tensor, Tensor]:
        """At most so many rows, and where they are to be kept, the same memory at every measured step."""
        if not step.opened:
            self._open(step)
        rows, sample = sample_rows(z, layout, self._rows), step.samples.get(key)
        if sample is None or sample.shape != rows.shape or sample.dtype != rows.dtype:
            sample = step.samples[key] = torch.empty_like(rows, memory_format=torch.contiguous_format)
        return rows, sample

    def _run_again(self, module: nn.Module, tensor: Tensor) -> None:
        """A layer in a checkpoint, in backward: of its first run only the gradient is missing."""
        name = self._names.get(module)
        if name is None or not tensor.requires_grad or self._now is None:
            return
        if self._recomputation is None or self._recomputation.is_over:
            self._recomputation = Recomputation(self._now)
        segment = self._recomputation
        number = segment.call(name)

        def hook(gradient: Tensor) -> None:
            self._on_output_gradient(segment.first_run(number), gradient)

        self._now.handles.append(tensor.register_hook(hook))

    # Backward

    def _on_output_gradient(self, one: Pass, gradient: Tensor) -> None:
        g = as_rows(gradient)
        replicas = one.layout.replicas
        length = norm(g, tuple(range(replicas, g.ndim)) if replicas else None)
        one.norm = length if self._scale is None else length / self._scale

    def on_scaled_backward(self, scale: Tensor, gradient: Tensor) -> None:
        """Backward begins at a loss that a `GradScaler` has multiplied by `scale`."""
        self._scale = scale

        def ends() -> None:
            self._scale = None

        Variable._execution_engine.queue_callback(ends)

    def _on_gradient(self, parameter: Parameter, tensor: nn.Parameter) -> None:
        if self._now is not None:
            self._now.scale = self._scale
        if self._distributed:  # it is an average only at the end
            self._touched[parameter.name] = parameter
            self._measure_at_its_end()
        else:  # in one process at once, while the gradient is in the cache
            self._measure_gradient(parameter)

    def _measure_at_its_end(self) -> None:
        """When this backward pass is over, be it one that a checkpoint begins within another."""
        task = torch._C._current_graph_task_id()
        if task != self._queued:
            self._queued, queue = task, Variable._execution_engine.queue_callback
            queue(lambda: queue(self._on_gradients))  # after DistributedDataParallel's own, queued in between

    def _on_gradients(self) -> None:
        """Backward is at its end."""
        self._queued = -1
        for parameter in self._touched.values():
            self._measure_gradient(parameter)

    def _measure_gradient(self, parameter: Parameter) -> None:
        if self._now is None:
            return
        g = parameter.tensor.grad
        if g is None:
            self._now.gradients.pop(parameter.name, None)
            return
        g = g.detach() if g.layout == torch.strided else g.detach().to_dense()
        self._now.gradients[parameter.name] = (
            g.clone() if parameter.small else gradient_counts(g, parameter.dims, workspace(self._memory, g))
        )

    # Update

    def _before_step(self, optimizer: Optimizer, *call: object) -> None:
        if self._now is None:
            return
        if self._now.gradients and not self._now.opened:
            if not self._called and not self._steps:
                raise RuntimeError(
                    f"observe: model must be called module by module, got gradients of a "
                    f"{type(self._model).__name__} without a call of its layers, as of a compiled function"
                )
            self._open(self._now)  # none of its outputs is a tensor
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


def _parameters(model: nn.Module, layers: dict[str, nn.Module]) -> dict[str, list[Parameter]]:
    """The parameters of each layer; a shared one is the first layer's."""
    found: dict[str, list[Parameter]] = {}
    own = {parameter: name for name, parameter in model.named_parameters()}
    for name, module in layers.items():
        replicas = len(getattr(module, "replicas", ()))
        for parameter in module.parameters(recurse=False):
            if key := own.pop(parameter, None):
                dims = tuple(range(replicas, parameter.ndim)) if replicas else None
                watched = Parameter(key, parameter, dims, small=parameter.numel() <= SMALL)
                found.setdefault(name, []).append(watched)
    return found


def observe(
    model: nn.Module,
    *,
    every: int = 1,
    optimizer: Optimizer | None = None,
    layers: Collection[str] | None = None,
    activations: Collection[type[nn.Module]] = (),
    fraction: float = SATURATED_BELOW,
    sample: int = 1024,
    keep: int | None = None,
) -> Observation:
    r"""Watch what every layer and unit of `model` does while your own loop runs.

    Used in a `with` statement around the loop. Forward, backward and update give the same bits as without, no
    random number is drawn, and after the block, also after an exception in it, no hook is left. Copies of the
    model made in the block, in memory or in a file, carry no hook and leave no record.

    With `optimizer` a step lasts until the optimizer's step: gradients may be accumulated, and the signals
    are those of the last batch before it; a step that a `GradScaler` skips is none. Without, every call of
    `model` is a step, unless it is an evaluation: a call without gradient, or one in eval mode that no
    backward pass follows. Those have records of their own in `evaluations`, counted by `every` on their own;
    `steps`, `last` and `table()` are about training.

    Modules are seen, not functions: after `torch.relu(layer(x))` there is a row for the layer, and none for
    the ReLU. What torch runs as one function has one row, an `nn.TransformerEncoderLayer` in eval mode. A
    checkpointed layer stands there once, padding is no data in packed and in nested sequences (elsewhere it
    is), and calls under the transforms of `torch.func` leave nothing. A model that is compiled is refused,
    and a compiled function that calls it leaves nothing.

    Nothing is moved off the device, or waited for, before it is read. It holds, in float32, 12 bytes a unit
    and 12 an entry of parameters of at most 4,096 entries, for each measured step and evaluation; of the last
    of both also `sample` rows of every layer's outputs; and within the block a copy of the parameters that
    `optimizer` holds and, on the CPU, a buffer of the size of the largest tensor.

    Values are squared in their own dtype: in float32 gradients below some 1e-20 read as 0, and signals above
    some 1e19 as infinite. Watch a network that may vanish or explode so far in float64.

    Args:
        model: Any module; training or evaluating, with or without gradient, on any device, in one process or
            as `DistributedDataParallel`.
        every: Steps from one measured step to the next, at least 1; the first step is measured.
        optimizer: The one that trains the model, for the ratio of update to weight.
        layers: Names, as in `model.named_modules()`, of the modules to watch. None: those that hold
            parameters themselves, normalize, or are activations.
        activations: Classes of your own, or of another package, that apply a function unit by unit: they have
            a pre-activation then, and a saturation by their derivative.
        fraction: A unit counts as saturated on an example where its activation's derivative is below this
            fraction of its peak; in (0, 1).
        sample: Most rows (examples, positions) of a layer's outputs to keep for saturation, correlation and
            rank, at least 2; if there are more, they are chosen evenly, by the same rule every time.
        keep: Records to keep, the latest; at least 1. None: all.

    Returns:
        An `Observation`: `steps` holds one `StepRecord` a measured step, `last` is the latest, `evaluations`
        has the others, `table()` turns them into plain numbers.

    Raises:
        ValueError: For numbers out of range, an unknown layer, a model without layers, one that is compiled,
            sharded or on several devices, `activations` that are no classes of modules, or an optimizer that
            holds none of the model's parameters.
        RuntimeError: When the same observation is used for a second block, a compiled version of the model is
            called in it, or the optimizer's first step finds gradients but no layer that was called.

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
    check_model("observe", model, activations)
    modules = dict(model.named_modules())
    if layers is None:
        modules = {name: module for name, module in modules.items() if _is_layer(module, activations)}
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
    return Observation(model, every, optimizer, modules, activations, sample, fraction, keep)


def _is_layer(module: nn.Module, activations: Collection[type[nn.Module]]) -> bool:
    return (
        is_activation(module, activations)
        or isinstance(module, FUSED)
        or hasattr(module, "examples_dim")
        or hasattr(module, "parametrizations")
        or isinstance(module, NORMALIZES)
        or next(module.parameters(recurse=False), None) is not None
    )
