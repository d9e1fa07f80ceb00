"""How many units of a network are active, on one set of examples."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from .layout import Layouts, as_rows, check_model, first_tensor, is_activation, modules_of

__all__ = ["LayerActivity", "activity"]


@dataclass(frozen=True)
class LayerActivity:
    """How one activated layer responded to a set of examples.

    A unit is *active* on an example when its pre-activation is positive: a ReLU then passes something on, a
    sigmoid lies above one half.

    Attributes:
        name: The activation module's name within the model; of its second call with "#2" behind it.
        share: Fraction of examples on which each unit is active, `(*replicas, units)`, in [0, 1]; NaN for a
            unit that some pre-activation is NaN for: its network has diverged, which is another death. A
            convolution's units are its channels, and each position counts as an example; so does each element
            of a sequence.
        count: Number of active units on each example, `(*replicas, n)`.

    Examples:
        >>> import torch
        >>> from unitgain.diagnostics import LayerActivity
        >>> layer = LayerActivity("0", share=torch.tensor([0.0, 0.4, 1.0]), count=torch.tensor([1, 2]))
        >>> layer.dead, layer.always_on
        (tensor([ True, False, False]), tensor([False, False,  True]))

    Source: the dead and always-on units of Galletti's *Tuning neural networks, part I*.
    """

    name: str
    share: Tensor
    count: Tensor

    @property
    def dead(self) -> Tensor:
        """Units that no example activates, `(*replicas, units)`: a ReLU among them gets no gradient."""
        return self.share == 0

    @property
    def always_on(self) -> Tensor:
        """Units that every example activates, `(*replicas, units)`: a ReLU among them is linear here."""
        return self.share == 1


@torch.no_grad()
def activity(
    model: nn.Module, x: Any, *, activations: Collection[type[nn.Module]] = ()
) -> list[LayerActivity]:
    """Run `model` on `x` once and report how active every unit of every activation module is.

    Args:
        model: Any module whose activations are modules: `unitgain.models.MLP`, or torch's own `nn.ReLU()` and
            the like, after dense layers, convolutions or on sequences. Only layers that have `replicas` make
            many networks of what they give. Runs in the mode it is in and is left as it was, running
            statistics included. Functions such as `torch.relu` are not seen, nor what torch runs as one
            function: `nn.TransformerEncoderLayer` in eval mode.
        x: Examples as the model takes them.
        activations: Classes of your own, or of another package, that apply a function unit by unit.

    Returns:
        One record for each call of an activation module, in the order in which they ran; the second call of
        `relu` is called "relu#2".

    Raises:
        ValueError: If the model ran no activation module, is compiled, or `activations` holds something else
            than classes of modules.

    Examples:
        >>> import torch
        >>> from unitgain.diagnostics import activity
        >>> from unitgain.models import MLP
        >>> far_away = 9 + torch.rand(100, 2)
        >>> model = MLP((2, 8, 1), weight="uniform", generator=torch.Generator().manual_seed(1))
        >>> layer = activity(model, far_away)[0]
        >>> bool((layer.dead | layer.always_on).float().mean() > 0.5)
        True

    Source: see `LayerActivity`.
    """
    check_model("activity", model, activations)
    records: list[LayerActivity] = []
    layouts = Layouts()
    modules = modules_of(model)
    names = {module: name for module, name in modules.items() if is_activation(module, activations)}

    def on_input(module: nn.Module, inputs: tuple) -> None:  # before it runs: it may work in place
        if module in names and (tensor := first_tensor(inputs)) is not None:
            z = as_rows(tensor)
            layout = layouts.find(module, z)
            rows = z.movedim(layout.units, -1).flatten(layout.replicas, -2)
            active = rows > 0
            share = active.float().mean(-2).masked_fill(rows.isnan().any(-2), torch.nan)
            count = calls[module] = calls.get(module, 0) + 1
            name = names[module] if count == 1 else f"{names[module]}#{count}"
            records.append(LayerActivity(name, share, active.sum(-1)))

    def on_output(module: nn.Module, inputs: tuple, output: object) -> None:
        is_leaf = module in modules and next(module.children(), None) is None
        if is_leaf and (tensor := first_tensor(output)) is not None:
            z = as_rows(tensor)
            layouts.follow(z, layouts.find(module, z))

    calls: dict[nn.Module, int] = {}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}  # what BatchNorm updates
    handles = [register_module_forward_pre_hook(on_input), register_module_forward_hook(on_output)]
    try:
        functional_call(model, buffers, (x,))
    finally:
        for handle in handles:
            handle.remove()
    if not records:
        raise ValueError(
            f"activity: model must hold activation modules such as nn.ReLU(), {type(model).__name__} ran none"
        )
    return records
