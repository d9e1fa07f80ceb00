"""How many units of a network are active, on one set of examples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .layout import layout_of

__all__ = ["LayerActivity", "activity", "is_activation"]


@dataclass(frozen=True)
class LayerActivity:
    """How one activated layer responded to a set of examples.

    A unit is *active* on an example when its pre-activation is positive: a ReLU then passes something on, a
    sigmoid lies above one half.

    Attributes:
        name: The activation module's name within the model.
        share: Share of the examples on which each unit is active, `(*replicas, units)`, in [0, 1]; NaN for a
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


# Defined beside the activations, but their outputs have no unit of their own
MIXES_UNITS = (nn.GLU, nn.LogSoftmax, nn.MultiheadAttention, nn.Softmax, nn.Softmax2d, nn.Softmin)


def is_activation(module: nn.Module) -> bool:
    """Whether `module` is an activation, unit by unit."""
    if hasattr(module, "examples_dim"):  # ours; the layers among them say what they are
        return not (getattr(module, "is_linear", False) or getattr(module, "is_normalization", False))
    return type(module).__module__ == nn.ReLU.__module__ and not isinstance(module, MIXES_UNITS)


@torch.no_grad()
def activity(model: nn.Module, x: Tensor) -> list[LayerActivity]:
    """Run `model` on `x` once and report how active every unit of every activation module is.

    Args:
        model: Any module whose activations are modules: `unitgain.models.MLP`, or torch's own `nn.ReLU()` and
            the like, after dense layers, convolutions or on sequences. Only layers that have `replicas` make
            many networks of what they give. Runs in the mode it is in and is left as it was, running
            statistics included.
        x: Examples as the model takes them.

    Returns:
        One record for each activation module, in the order in which they ran.

    Raises:
        ValueError: If the model ran no activation module.

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
    records: list[LayerActivity] = []
    passed = None  # the shape and the layout of what left the layer before

    def on_input(name: str):
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            z = inputs[0].unsqueeze(0) if inputs[0].ndim == 1 else inputs[0]
            layout = layout_of(module, z, passed)
            rows = z.movedim(layout.units, -1).flatten(layout.replicas, -2)
            active = rows > 0
            share = active.float().mean(-2).masked_fill(rows.isnan().any(-2), torch.nan)
            records.append(LayerActivity(name, share, active.sum(-1)))

        return hook

    def on_output(module: nn.Module, _: tuple, output: object) -> None:
        nonlocal passed
        if isinstance(output, Tensor) and output.ndim > 1:
            passed = output.shape, layout_of(module, output, passed)

    handles = []
    for name, module in model.named_modules():
        if is_activation(module):  # before it runs: nn.Hardsigmoid(inplace=True) overwrites its input
            handles.append(module.register_forward_pre_hook(on_input(name)))
        if next(module.children(), None) is None:
            handles.append(module.register_forward_hook(on_output))
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}  # what BatchNorm updates
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
