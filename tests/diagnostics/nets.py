"""Small networks, and what must hold of their records."""

import torch
from torch import nn

from unitgain.devices import best_device
from unitgain.diagnostics import (
    LayerSignal,
    correlation,
    effective_rank,
)

DEVICES = sorted({"cpu", best_device().type})


def pieces(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """The output of every module of an nn.Sequential, detached copies."""
    outputs = []
    for module in model:
        x = module(x)
        outputs.append(x.detach().clone())
    return outputs


def assert_signal(layer: LayerSignal, out: torch.Tensor, z: torch.Tensor) -> None:
    """Against `out` and the pre-activations `z`, (…, n, units)."""
    out, z = out.double(), z.double()
    n = out.shape[-2]
    mean = out.sum(-2) / n
    std = ((out - mean.unsqueeze(-2)) ** 2).sum(-2).div(n).sqrt()
    torch.testing.assert_close(layer.mean.double(), mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(layer.std.double(), std, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        layer.share.double(), (z > 0).sum(-2) / n, rtol=0, atol=1e-6, check_dtype=False
    )
    assert torch.equal(layer.dead, (z <= 0).all(-2))
    assert torch.equal(layer.always_on, (z > 0).all(-2))
    torch.testing.assert_close(layer.rank, effective_rank(out))
    torch.testing.assert_close(layer.correlation, correlation(out), equal_nan=True)


def small_net(kind=nn.ReLU, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 7), kind(), nn.Linear(7, 5), kind(), nn.Linear(5, 2))


def data(n: int = 20, features: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, features, generator=torch.Generator().manual_seed(seed)) + 0.5


def assert_no_trace(model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    """No hook on the model, its parameters, its optimizer or on all modules, and torch's classes as ever."""
    everywhere = vars(torch.nn.modules.module)
    hooks = [value for key, value in everywhere.items() if key.startswith("_global") and "_hooks" in key]
    hooks += [value for module in model.modules() for key, value in vars(module).items() if "_hooks" in key]
    for parameter in model.parameters():
        hooks += [parameter._post_accumulate_grad_hooks, parameter._backward_hooks]
    if optimizer is not None:
        hooks += [optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks]
    assert len(hooks) > 8
    assert not any(hooks)
    assert "_compiled_call_impl" not in vars(model)
    assert torch.amp.GradScaler.scale.__qualname__ == "GradScaler.scale"
    assert not hasattr(torch.amp.GradScaler.scale, "__wrapped__")


def assert_no_hook(model: nn.Module) -> None:
    """A copy made within the block has none of its own."""
    assert model._compiled_call_impl is None
    for module in model.modules():
        assert not any(value for key, value in vars(module).items() if "_hooks" in key)
    for parameter in model.parameters():
        assert not parameter._post_accumulate_grad_hooks
        assert not parameter._backward_hooks
