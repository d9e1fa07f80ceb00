"""Optimizers: one pure update rule each, and a thin `torch.optim.Optimizer` that keeps its books.

The rules change their tensors in place, one tensor at a time, and read like the papers. `step` leaves
`p.grad` as it is. For the last factor of speed use torch's own, with `fused=True`; for reading and checking,
use these.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = ["SGD", "Adam", "adam_rule", "sgd_rule"]


def sgd_rule(parameter: Tensor, grad: Tensor, *, lr: float) -> None:
    r"""One step of gradient descent, in place.

    $$\theta \leftarrow \theta - \alpha\, g$$

    Args:
        parameter: θ, any shape; changed in place.
        grad: g, the same shape.
        lr: The learning rate α, at least 0.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import sgd_rule
        >>> theta = torch.tensor([1.0])
        >>> sgd_rule(theta, torch.tensor([2.0]), lr=0.1)
        >>> theta
        tensor([0.8000])

    Source: Cauchy, *Méthode générale pour la résolution des systèmes d'équations simultanées* (1847).
    """
    parameter.add_(grad, alpha=-lr)


def adam_rule(
    parameter: Tensor,
    grad: Tensor,
    m: Tensor,
    v: Tensor,
    *,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    r"""One step of Adam, in place.

    $$m \leftarrow \beta_1 m + (1-\beta_1) g, \qquad v \leftarrow \beta_2 v + (1-\beta_2) g^2, \qquad
      \theta \leftarrow \theta - \alpha\, \frac{m / (1-\beta_1^t)}{\sqrt{v / (1-\beta_2^t)} + \varepsilon}$$

    Args:
        parameter: θ, any shape; changed in place.
        grad: g, the same shape.
        m: Running mean of the gradient, the same shape; changed in place.
        v: Running mean of the squared gradient, the same shape; changed in place.
        step: t, counted from 1.
        lr: The learning rate α, at least 0.
        beta1, beta2: β₁ and β₂, in [0, 1).
        eps: ε, at least 0, outside the root.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import adam_rule
        >>> theta, m, v = torch.zeros(1), torch.zeros(1), torch.zeros(1)
        >>> adam_rule(theta, torch.tensor([5.0]), m, v, step=1, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8)
        >>> theta                                    # the first step is lr, whatever the gradient's size
        tensor([-0.1000])

    Source: Kingma & Ba, *Adam: a method for stochastic optimization* (2015), algorithm 1.
    """
    m.lerp_(grad, 1 - beta1)
    v.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    root = (v.sqrt() / (1 - beta2**step) ** 0.5).add_(eps)
    parameter.addcdiv_(m, root, value=-lr / (1 - beta1**step))


class _Books(Optimizer):
    """Closures, groups, state and checks; a subclass says what one parameter's update is."""

    def __init__(self, params, defaults: dict, check_finite: bool) -> None:
        self.check_finite = check_finite
        super().__init__(params, defaults)

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "check_finite": self.check_finite}  # torch's own drops attributes

    def _update(self, parameter: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """Update every parameter that has a gradient; `closure`, if given, computes the loss anew first.

        Raises:
            FloatingPointError: With `check_finite=True`, for NaN or infinity in a gradient; nothing changes.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self.check_finite:
            self._refuse_non_finite()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, self.state[parameter], group)
        return loss

    def _refuse_non_finite(self) -> None:
        for g, group in enumerate(self.param_groups):
            for p, parameter in enumerate(group["params"]):
                if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                    bad = int((~parameter.grad.isfinite()).sum())
                    raise FloatingPointError(
                        f"{type(self).__name__}: gradients must be finite; parameter {p} of group {g}, shape "
                        f"{tuple(parameter.shape)}, has {bad} NaN or infinite of {parameter.numel()}"
                    )


def _check_range(owner: str, name: str, value: float, low: float, high: float) -> None:
    if not low <= value < high:  # also refuses NaN
        raise ValueError(f"{owner}: {name} must be in [{low:g}, {high:g}), got {value}")


class SGD(_Books):
    """Gradient descent: batch, mini-batch or stochastic, as the gradients it is given are.

    Args:
        params: Parameters or parameter groups, as torch's optimizers take them.
        lr: The learning rate, at least 0.
        check_finite: Report a gradient that holds NaN or infinity instead of stepping into it (waits for the
            device).

    Raises:
        ValueError: For a learning rate below 0 or NaN.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import SGD
        >>> theta = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = SGD([theta], lr=0.1)
        >>> (theta**2).sum().backward()
        >>> optimizer.step()
        >>> theta.detach()
        tensor([0.8000])

    Source: see `sgd_rule`.
    """

    def __init__(self, params, lr: float = 1e-3, *, check_finite: bool = False) -> None:
        _check_range("SGD", "lr", lr, 0.0, math.inf)
        super().__init__(params, {"lr": lr}, check_finite)

    def _update(self, parameter: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        sgd_rule(parameter, grad, lr=group["lr"])


class Adam(_Books):
    """Adam: each parameter's step is about lr, whatever the size of its gradient.

    Args:
        params: Parameters or parameter groups, as torch's optimizers take them.
        lr: The learning rate, at least 0.
        betas: (β₁, β₂), each in [0, 1).
        eps: ε, at least 0, outside the root as in torch and Keras.
        check_finite: Report a gradient that holds NaN or infinity instead of stepping into it (waits for the
            device).

    Raises:
        ValueError: For a number outside its range or NaN.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import Adam
        >>> theta = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Adam([theta], lr=0.1)
        >>> (100 * theta**2).sum().backward()
        >>> optimizer.step()
        >>> theta.detach()
        tensor([0.9000])

    Source: see `adam_rule`.
    """

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        check_finite: bool = False,
    ) -> None:
        _check_range("Adam", "lr", lr, 0.0, math.inf)
        _check_range("Adam", "betas[0]", betas[0], 0.0, 1.0)
        _check_range("Adam", "betas[1]", betas[1], 0.0, 1.0)
        _check_range("Adam", "eps", eps, 0.0, math.inf)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps}, check_finite)

    def _update(self, parameter: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(parameter), exp_avg_sq=torch.zeros_like(parameter))
        # torch's own Adam saves the step as a float32 tensor, too coarse for beta2**step
        state["step"] = int(state["step"]) + 1
        beta1, beta2 = group["betas"]
        adam_rule(
            parameter,
            grad,
            state["exp_avg"],
            state["exp_avg_sq"],
            step=state["step"],
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            eps=group["eps"],
        )
