r"""Optimizers: one pure update rule each, and a thin `torch.optim.Optimizer` that keeps its state.

The rules change their tensors in place, one tensor at a time, and read like the papers. `step` leaves
`p.grad` as it is. Arguments and states have torch's names, so that torch's learning-rate schedulers work and
its checkpoints of the same optimizer go on here.

Every number (lr, momentum, betas, eps, …) may be a tensor that broadcasts against the parameters, of their
dtype and on their device: with `lr` of shape `(replicas, 1, 1)` each of many networks side by side has its
own. Torch's schedulers set numbers only; a tensor follows a schedule by assignment to `group["lr"]`.

A large parameter passes through its rule in pieces that stay in a processor's cache. For the last factor of
speed use torch's own: on a CPU with `fused=True` (the benchmarks measure how much faster), on a GPU with its
defaults, which handle many tensors in one go. For reading, checking and many small networks, use these.

Torch's other options (`maximize`, `foreach`, `fused`, `capturable`, `differentiable`, `amsgrad`, `centered`,
`dampening`) are taken where torch's class has them, at the value that does nothing; any other raises a
ValueError that names torch's class.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "RMSprop",
    "adam_rule",
    "momentum_rule",
    "rmsprop_rule",
    "sgd_rule",
    "weight_decay_rule",
]


def _add_(
    x: Tensor, scale: float | Tensor, a: Tensor, *, times: Tensor | None = None, over: Tensor | None = None
) -> None:
    """x ← x + scale · a, or scale · a · times, or scale · a / over, in place and in one pass.

    Torch's own `add_`, `addcmul_` and `addcdiv_` take a number for the scale; here it may be a tensor.
    """
    if isinstance(scale, Tensor):
        a, scale = scale * a, 1.0
    if times is not None:
        x.addcmul_(a, times, value=scale)
    elif over is not None:
        x.addcdiv_(a, over, value=scale)
    else:
        x.add_(a, alpha=scale)


def _plus(x: Tensor, scale: float | Tensor, a: Tensor, out: Tensor | None = None) -> Tensor:
    """x + scale · a, a new tensor or `out`, in one pass."""
    if isinstance(scale, Tensor):
        return torch.addcmul(x, scale, a, out=out)
    return torch.add(x, a, alpha=scale, out=out)


def _average_square_(s: Tensor, grad: Tensor, decay: float | Tensor) -> None:
    """s ← decay · s + (1 − decay) · grad², in place."""
    s.mul_(decay)
    _add_(s, 1 - decay, grad, times=grad)


def sgd_rule(parameter: Tensor, grad: Tensor, *, lr: float | Tensor) -> None:
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
    _add_(parameter, -lr, grad)


def momentum_rule(
    parameter: Tensor,
    grad: Tensor,
    velocity: Tensor,
    *,
    lr: float | Tensor,
    momentum: float | Tensor,
    nesterov: bool = False,
    averaging: bool = False,
) -> None:
    r"""One step of gradient descent with momentum, in place.

    $$V \leftarrow \beta V + g, \qquad \theta \leftarrow \theta - \alpha V$$

    With `nesterov`, θ moves by $-\alpha (g + \beta V)$, with the new V: as if g had been taken where the
    velocity is about to carry θ. With `averaging`, V is a running mean of the gradients,

    $$V \leftarrow \beta V + (1-\beta)\, g$$

    and every step is 1 − β times as long: ten times shorter at β = 0.9. A learning rate means nothing until
    one knows which form it is for.

    Args:
        parameter: θ, any shape; changed in place.
        grad: g, the same shape.
        velocity: V, the same shape, zeros before the first step; changed in place.
        lr: The learning rate α, at least 0.
        momentum: β, in [0, 1).
        nesterov: Look ahead.
        averaging: Weigh each gradient with 1 − β.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import momentum_rule
        >>> theta, velocity = torch.zeros(1), torch.zeros(1)
        >>> for _ in range(200):                     # the gradient stays 1, so V tends to 1 / (1 - β)
        ...     momentum_rule(theta, torch.ones(1), velocity, lr=0.1, momentum=0.9)
        >>> velocity
        tensor([10.0000])
        >>> theta, velocity = torch.zeros(1), torch.zeros(1)
        >>> for _ in range(200):
        ...     momentum_rule(theta, torch.ones(1), velocity, lr=0.1, momentum=0.9, averaging=True)
        >>> velocity
        tensor([1.0000])

    Differs from torch: the first form is torch's, and so is its Nesterov. Torch's `dampening=momentum` is the
    second form but for its first gradient, which torch leaves undamped. Keras puts the learning rate into the
    velocity, $V \leftarrow \beta V - \alpha g$: the same path while α stays, another one once a schedule
    changes it.

    Source: Polyak, *Some methods of speeding up the convergence of iteration methods* (1964); Nesterov, *A
    method of solving a convex programming problem with convergence rate O(1/k²)* (1983), in the form of
    Sutskever, Martens, Dahl & Hinton, *On the importance of initialization and momentum in deep learning*
    (2013).
    """
    if averaging:
        velocity.lerp_(grad, 1 - momentum)
        direction = grad.lerp(velocity, momentum) if nesterov else velocity
    else:
        _plus(grad, momentum, velocity, out=velocity)
        direction = _plus(grad, momentum, velocity) if nesterov else velocity
    _add_(parameter, -lr, direction)


def rmsprop_rule(
    parameter: Tensor,
    grad: Tensor,
    s: Tensor,
    velocity: Tensor | None = None,
    *,
    lr: float | Tensor,
    alpha: float | Tensor,
    eps: float | Tensor,
    eps_inside: bool = False,
    momentum: float | Tensor = 0.0,
) -> None:
    r"""One step of RMSprop, in place.

    $$s \leftarrow \rho s + (1-\rho)\, g^2, \qquad
      \theta \leftarrow \theta - \alpha\, \frac{g}{\sqrt{s} + \varepsilon}
      \quad\text{or, with \texttt{eps\_inside},}\quad \theta - \alpha\, \frac{g}{\sqrt{s + \varepsilon}}$$

    The two differ where gradients are small. Inside the root, ε = 1e-8 acts on gradients below 1e-4; outside,
    on those below 1e-8. With a `velocity`, the fraction takes the place of g in `momentum_rule`.

    Args:
        parameter: θ, any shape; changed in place.
        grad: g, the same shape.
        s: Running mean of the squared gradient, the same shape, zeros before the first step; changed in
            place.
        velocity: V of `momentum_rule`, the same shape; changed in place. None for no momentum.
        lr: The learning rate (the equation's α), at least 0.
        alpha: ρ, in [0, 1); torch calls it alpha, the source article β.
        eps: ε, at least 0.
        eps_inside: Add ε under the root.
        momentum: β of `momentum_rule`, in [0, 1).

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import rmsprop_rule
        >>> theta, s = torch.zeros(1), torch.zeros(1)
        >>> rmsprop_rule(theta, torch.tensor([5.0]), s, lr=0.1, alpha=0.99, eps=1e-8)
        >>> theta                                    # the first step is 10 lr: s starts at 0, uncorrected
        tensor([-1.])

    Differs from Keras: its ε is inside the root, 1e-7, and its ρ 0.9, by default.

    Source: Tieleman & Hinton, *Lecture 6.5: rmsprop*, Neural Networks for Machine Learning (2012).
    """
    _average_square_(s, grad, alpha)
    root = s.add(eps).sqrt_() if eps_inside else s.sqrt().add_(eps)
    if velocity is None:
        _add_(parameter, -lr, grad, over=root)
    else:
        momentum_rule(parameter, torch.div(grad, root, out=root), velocity, lr=lr, momentum=momentum)


def adam_rule(
    parameter: Tensor,
    grad: Tensor,
    m: Tensor,
    v: Tensor,
    *,
    step: int | Tensor,
    lr: float | Tensor,
    beta1: float | Tensor,
    beta2: float | Tensor,
    eps: float | Tensor,
    bias_correction: bool = True,
    eps_inside: bool = False,
) -> None:
    r"""One step of Adam, in place.

    $$m \leftarrow \beta_1 m + (1-\beta_1) g, \qquad v \leftarrow \beta_2 v + (1-\beta_2) g^2, \qquad
      \theta \leftarrow \theta - \alpha\, \frac{m / (1-\beta_1^t)}{\sqrt{v / (1-\beta_2^t)} + \varepsilon}$$

    m and v start at 0 and are too small at first, v for longer than m. The divisors 1 − βᵗ correct that.
    Without them the first step is $(1-\beta_1)/\sqrt{1-\beta_2}$ times α, and later ones are longer still
    before they settle.

    Args:
        parameter: θ, any shape; changed in place.
        grad: g, the same shape.
        m: Running mean of the gradient, the same shape; changed in place.
        v: Running mean of the squared gradient, the same shape; changed in place.
        step: t, counted from 1; in a compiled step a tensor.
        lr: The learning rate α, at least 0.
        beta1, beta2: β₁ and β₂, in [0, 1).
        eps: ε, at least 0, outside the root.
        bias_correction: Divide by 1 − βᵗ; without it both divisors are 1.
        eps_inside: Add ε under the root instead. The source article's Adam has it there, and no correction.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import adam_rule
        >>> theta, m, v = torch.zeros(1), torch.zeros(1), torch.zeros(1)
        >>> adam_rule(theta, torch.tensor([5.0]), m, v, step=1, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8)
        >>> theta                                    # the first step is lr, whatever the gradient's size
        tensor([-0.1000])

    Differs from Keras: it adds its ε, 1e-7 by default, to the uncorrected √v, which is the paper's ε̂.

    Source: Kingma & Ba, *Adam: a method for stochastic optimization* (2015), algorithm 1.
    """
    m.lerp_(grad, 1 - beta1)
    _average_square_(v, grad, beta2)
    correction1, correction2 = (1 - beta1**step, 1 - beta2**step) if bias_correction else (1.0, 1.0)
    root = (v / correction2).add_(eps).sqrt_() if eps_inside else v.sqrt().div_(correction2**0.5).add_(eps)
    _add_(parameter, -lr / correction1, m, over=root)


def weight_decay_rule(parameter: Tensor, *, lr: float | Tensor, weight_decay: float | Tensor) -> None:
    r"""Shrink a parameter by a fixed fraction, in place: decoupled weight decay, the W of AdamW.

    $$\theta \leftarrow (1 - \alpha\lambda)\, \theta$$

    The other kind, λθ added to the gradient, is the same thing for plain gradient descent only: Adam divides
    what was added by the gradient's own size, so parameters with large gradients hardly decay.

    Args:
        parameter: θ, any shape; changed in place.
        lr: The learning rate α, at least 0.
        weight_decay: λ, at least 0.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import weight_decay_rule
        >>> theta = torch.tensor([2.0])
        >>> weight_decay_rule(theta, lr=0.1, weight_decay=0.5)
        >>> theta
        tensor([1.9000])

    Source: Loshchilov & Hutter, *Decoupled weight decay regularization* (2019), algorithm 2.
    """
    parameter.mul_(1 - lr * weight_decay)


_BELOW = {  # every number lies from 0 to below this
    **dict.fromkeys(["lr", "eps", "weight_decay"], math.inf),
    **dict.fromkeys(["momentum", "alpha", "betas[0]", "betas[1]"], 1.0),
}
_COMMON = {"maximize": False, "foreach": None, "differentiable": False}  # options of torch's classes
_HOW = ("capturable", "differentiable", "foreach", "fused")  # how torch takes its steps, not which ones
_PIECE = 2**17  # elements a thread: all that Adam reads and writes of them, 2 MB, stays in the cache


def _in_pieces(rule: Callable[..., None]) -> Callable[..., None]:
    """`rule(step, *tensors, **numbers)`, but of tensors beyond the cache piece by piece: the same to the bit.

    Pieces of the flat tensors, or of their first dimension if a number has dimensions and is cut with them.
    """

    @wraps(rule)
    def in_pieces(step: int | Tensor, *tensors: Tensor, **numbers: Any) -> None:
        pieces = tensors[0].numel() // _PIECE
        if pieces < 8 or torch.compiler.is_compiling() or not all(map(_is_flat, tensors)):
            rule(step, *tensors, **numbers)
            return
        if not any(isinstance(number, Tensor) and number.ndim for number in numbers.values()):
            tensors = tuple(tensor.view(-1) for tensor in tensors)
        first = tensors[0]
        rows = max(1, _PIECE * torch.get_num_threads() * len(first) // first.numel())
        varying = {
            name: number.split(rows)
            for name, number in numbers.items()
            if isinstance(number, Tensor) and number.ndim == first.ndim and len(number) > 1
        }
        for k, piece in enumerate(zip(*(tensor.split(rows) for tensor in tensors), strict=True)):
            rule(step, *piece, **numbers | {name: number[k] for name, number in varying.items()})

    return in_pieces


def _is_flat(tensor: Tensor) -> bool:
    """Whether its numbers lie in a row in the memory of a processor."""
    return type(tensor) in (Tensor, nn.Parameter) and tensor.device.type == "cpu" and tensor.is_contiguous()


class _Base(Optimizer):
    """Closures, groups, state and checks; a subclass says how one parameter is updated."""

    torchs: ClassVar[type[Optimizer]]  # torch's class of the same name
    neutral: ClassVar[dict[str, object]] = {}  # the options that only that one has, where they do nothing
    counts = False  # the steps of each parameter

    def __init__(
        self, params: ParamsT, defaults: dict, *, check_finite: bool, only_torch: dict | None = None
    ) -> None:
        for name in only_torch or {}:
            if name not in self.neutral:
                rule = f"options must be its own or those of torch.optim.{self.torchs.__name__}"
                raise TypeError(f"{type(self).__name__}: {rule}, got {name}")
        self.check_finite = check_finite
        self._check(only_torch or {})
        super().__init__(params, defaults | self.neutral)

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "check_finite": self.check_finite}  # torch's own drops attributes

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # torch's checkpoints lack what only ours can do
            group.update({**self.defaults, **group})

    def add_param_group(self, param_group: dict) -> None:
        super().add_param_group(param_group)
        try:
            self._check(self.param_groups[-1])
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    def load_state_dict(self, state_dict: dict) -> None:
        for group in state_dict["param_groups"]:
            self._check({name: value for name, value in group.items() if name not in _HOW})
        super().load_state_dict(state_dict)
        self._take_older_shapes()

    def _take_older_shapes(self) -> None:
        """A BatchNorm's parameters were (features, 1), and are (features,)."""
        for parameter, state in self.state.items():
            for name, value in state.items():
                if isinstance(value, Tensor) and value.shape == (*parameter.shape, 1):
                    state[name] = value.view_as(parameter)

    def _buffers(self, group: dict) -> tuple[str, ...]:
        """The tensors that a parameter's state holds."""
        raise NotImplementedError

    def _rule(self, group: dict) -> Callable[..., None]:
        """What updates a parameter θ of the group: a function of its step, θ, g and the buffers."""
        raise NotImplementedError

    def _init_group(
        self, group: dict, compiling: bool, parameters: list, grads: list, steps: list, *buffers: list
    ) -> None:
        """Fill the lists with what has a gradient, and its state, zeros at first.

        `torch.compile` runs a method of this name before it traces, so that all steps are one graph.
        """
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter] if buffers else {}
            if self.counts:  # torch's own Adam saves the step as a float32 tensor, too coarse for beta2**step
                step = state.get("step", 0)
                state["step"] = torch.as_tensor(step, dtype=torch.float64) if compiling else int(step) + 1
            parameters.append(parameter)
            grads.append(parameter.grad)
            steps.append(state.get("step", 0))
            for name, buffer in zip(self._buffers(group), buffers, strict=True):
                if name not in state:
                    state[name] = torch.zeros_like(parameter)
                buffer.append(state[name])

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """Update every parameter that has a gradient; `closure`, if given, computes the loss anew first.

        Raises:
            TypeError: For a sparse gradient; nothing changes.
            FloatingPointError: With `check_finite=True`, for NaN or infinity in a gradient, or for one of
                0 / 0 in the making: `eps` is 0 in the parameter's dtype, and so is the mean squared gradient.
                Nothing changes.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._check_gradients()
        for group in self.param_groups:
            lists: list[list] = [[] for _ in ("parameters", "grads", "steps", *self._buffers(group))]
            self._init_group(group, torch.compiler.is_compiling(), *lists)
            rule = self._rule(group)
            for parameter, grad, step, *buffers in zip(*lists, strict=True):
                rule(step.add_(1) if isinstance(step, Tensor) else step, parameter, grad, *buffers)
        return loss

    def _check_gradients(self) -> None:
        for g, group in enumerate(self.param_groups):
            for p, parameter in enumerate(group["params"]):
                where, grad = f"parameter {p} of group {g}", parameter.grad
                if grad is not None and grad.layout is not torch.strided:
                    raise TypeError(
                        f"{type(self).__name__}: gradients must be dense, got {grad.layout} for {where}"
                    )
                if grad is not None and self.check_finite:
                    self._check_finite(group, parameter, where)

    def _check_finite(self, group: dict, parameter: Tensor, where: str) -> None:
        grad: Any = parameter.grad
        if bad := int((~grad.isfinite()).sum()):
            raise FloatingPointError(
                f"{type(self).__name__}: gradients must be finite; {where}, shape "
                f"{tuple(parameter.shape)}, has {bad} NaN or infinite of {parameter.numel()}"
            )
        if "eps" in group and bool((self._divisor(group, parameter) == 0).any()):
            raise FloatingPointError(
                f"{type(self).__name__}: eps must be above 0 in {parameter.dtype} where squared "
                f"gradients are 0, got {group['eps']} for {where}"
            )

    def _divisor(self, group: dict, parameter: Tensor) -> Tensor:
        """ε in the parameter's dtype; where it is 0, plus the mean squared gradient after this step."""
        eps = torch.as_tensor(group["eps"], dtype=parameter.dtype, device=parameter.device)
        if bool((eps > 0).all()):
            return eps
        adam = "betas" in group
        name, decay = ("exp_avg_sq", group["betas"][1]) if adam else ("square_avg", group["alpha"])
        grad: Any = parameter.grad
        if _is_on(group["weight_decay"]) and not group.get("decoupled_weight_decay"):
            grad = _plus(grad, group["weight_decay"], parameter)
        square = self.state.get(parameter, {}).get(name, torch.zeros_like(parameter)).clone()
        _average_square_(square, grad, decay)
        return square.add_(eps)

    def _check(self, group: dict) -> None:
        """Refuse numbers out of their range, and what only torch's class can do."""
        owner, betas = type(self).__name__, group.get("betas", (0.0, 0.0))
        if len(betas) != 2:
            raise ValueError(f"{owner}: betas must be two numbers, got {betas}")
        numbers = {**group, "betas[0]": betas[0], "betas[1]": betas[1]}
        for name, value in ((name, numbers[name]) for name in _BELOW if name in numbers):
            for one in value.flatten().tolist() if isinstance(value, Tensor) else [value]:
                if not 0.0 <= one < _BELOW[name]:  # also refuses NaN
                    raise ValueError(f"{owner}: {name} must be in [0, {_BELOW[name]:g}), got {one}")
        for name, nothing in self.neutral.items():
            if group.get(name):
                rule = f"{name} must be {nothing} or left to torch.optim.{self.torchs.__name__}"
                raise ValueError(f"{owner}: {rule}, got {group[name]}")
        for parameter in group.get("params", ()):
            if isinstance(parameter, Tensor) and parameter.is_complex():
                raise TypeError(f"{owner}: parameters must be real, got {parameter.dtype}")
            self._check_shapes(parameter, numbers)

    def _check_shapes(self, parameter: Any, numbers: dict) -> None:
        if not isinstance(parameter, Tensor):  # of a checkpoint
            return
        for name, value in ((name, numbers.get(name)) for name in _BELOW):
            if isinstance(value, Tensor) and not _fits(value.shape, parameter.shape):
                raise ValueError(
                    f"{type(self).__name__}: {name} must broadcast against every parameter of its group, "
                    f"got {tuple(value.shape)} for one of shape {tuple(parameter.shape)}"
                )


def _fits(shape: torch.Size, into: torch.Size) -> bool:
    """Whether a tensor of `shape` broadcasts against one of shape `into` without enlarging it."""
    return len(shape) <= len(into) and all(
        a in (1, b) for a, b in zip(reversed(shape), reversed(into), strict=False)
    )


def _is_on(value: float | Tensor) -> bool:
    """Whether a hyper-parameter does anything; a tensor counts as on: looking would wait for the device."""
    return isinstance(value, Tensor) or value != 0


class SGD(_Base):
    """Gradient descent, plain or with momentum: batch, mini-batch or stochastic, as its gradients are.

    Args:
        params: Parameters or parameter groups, as torch's optimizers take them.
        lr: The learning rate, at least 0.
        momentum: β of `momentum_rule`, in [0, 1). 0 is plain gradient descent.
        nesterov: Nesterov's form of momentum.
        averaging: The velocity is a running mean of the gradients, as in the source article; steps are 1 − β
            times as long as torch's.
        weight_decay: λ, at least 0; λθ is added to the gradient, as if the loss had a term λ‖θ‖²/2.
        check_finite: Report a gradient that holds NaN or infinity instead of stepping into it (waits for the
            device).
        only_torch: Options that torch's class has besides, at the value that does nothing.

    Raises:
        TypeError: For complex parameters.
        ValueError: For a number outside its range or NaN, a tensor that does not broadcast, an option that
            only torch's optimizer has, or Nesterov's form without momentum.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import SGD
        >>> theta = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = SGD([theta], lr=0.1)
        >>> (theta**2).sum().backward()
        >>> optimizer.step()
        >>> theta.detach()
        tensor([0.8000])

    Differs from torch: no `dampening` but 0; see `momentum_rule` for what `averaging` does instead. Keras's
    `weight_decay` is the decoupled kind of `weight_decay_rule` in every one of its optimizers.

    Source: see `sgd_rule` and `momentum_rule`.
    """

    torchs: ClassVar[type[Optimizer]] = torch.optim.SGD
    neutral: ClassVar = {"dampening": 0, "fused": None, **_COMMON}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float | Tensor = 0.0,
        *,
        nesterov: bool = False,
        averaging: bool = False,
        weight_decay: float | Tensor = 0.0,
        check_finite: bool = False,
        **only_torch: object,
    ) -> None:
        if nesterov and not _is_on(momentum):
            raise ValueError(f"SGD: momentum must be above 0 with nesterov, got {momentum}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "averaging": averaging,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults, check_finite=check_finite, only_torch=only_torch)

    def _buffers(self, group: dict) -> tuple[str, ...]:
        return ("momentum_buffer",) if _is_on(group["momentum"]) else ()

    def _rule(self, group: dict) -> Callable[..., None]:
        names = ("lr", "momentum", "nesterov", "averaging", "weight_decay")
        return partial(_sgd, **{name: group[name] for name in names})


def _sgd(
    _: int | Tensor, parameter: Tensor, grad: Tensor, *velocity: Tensor, weight_decay: Any, **numbers: Any
) -> None:
    if _is_on(weight_decay):
        grad = _plus(grad, weight_decay, parameter)
    if velocity:
        momentum_rule(parameter, grad, *velocity, **numbers)
    else:
        sgd_rule(parameter, grad, lr=numbers["lr"])


class RMSprop(_Base):
    """RMSprop: each parameter's gradient is divided by its own recent size.

    Args:
        params: Parameters or parameter groups, as torch's optimizers take them.
        lr: The learning rate, at least 0.
        alpha: ρ of `rmsprop_rule`, the decay of the mean of squared gradients, in [0, 1).
        eps: ε, at least 0.
        eps_inside: Add ε under the root, as the source article and Keras do; torch adds it to the root.
        momentum: β of `momentum_rule`, applied to the divided gradient, in [0, 1).
        weight_decay: λ, at least 0; λθ is added to the gradient.
        check_finite: Report a gradient that holds NaN or infinity, or an `eps` too small for the dtype,
            instead of stepping into it (waits for the device).
        only_torch: Options that torch's class has besides, at the value that does nothing.

    Raises:
        TypeError: For complex parameters.
        ValueError: For a number outside its range or NaN, a tensor that does not broadcast, or an option that
            only torch's optimizer has.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import RMSprop
        >>> theta = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = RMSprop([theta], lr=0.01)
        >>> (100 * theta**2).sum().backward()
        >>> optimizer.step()
        >>> theta.detach()
        tensor([0.9000])

    In float16 take `eps` 1e-4; see `Adam`.

    Differs from torch: no `centered` but False. Keras's defaults are lr 0.001, ρ 0.9 and ε 1e-7 inside the
    root, and its velocity contains the learning rate.

    Source: see `rmsprop_rule`.
    """

    torchs: ClassVar[type[Optimizer]] = torch.optim.RMSprop
    neutral: ClassVar = {"centered": False, "capturable": False, **_COMMON}
    counts = True  # for torch: its RMSprop counts, and can load ours

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float | Tensor = 0.99,
        eps: float | Tensor = 1e-8,
        *,
        eps_inside: bool = False,
        momentum: float | Tensor = 0.0,
        weight_decay: float | Tensor = 0.0,
        check_finite: bool = False,
        **only_torch: object,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "eps_inside": eps_inside,
            "momentum": momentum,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults, check_finite=check_finite, only_torch=only_torch)

    def _buffers(self, group: dict) -> tuple[str, ...]:
        return ("square_avg", "momentum_buffer") if _is_on(group["momentum"]) else ("square_avg",)

    def _rule(self, group: dict) -> Callable[..., None]:
        names = ("lr", "alpha", "eps", "eps_inside", "momentum", "weight_decay")
        return partial(_rmsprop, **{name: group[name] for name in names})


@_in_pieces
def _rmsprop(
    _: int | Tensor, parameter: Tensor, grad: Tensor, *buffers: Tensor, weight_decay: Any, **numbers: Any
) -> None:
    if _is_on(weight_decay):
        grad = _plus(grad, weight_decay, parameter)
    rmsprop_rule(parameter, grad, *buffers, **numbers)


class Adam(_Base):
    """Adam: each parameter's step is about lr, whatever the size of its gradient.

    Args:
        params: Parameters or parameter groups, as torch's optimizers take them.
        lr: The learning rate, at least 0.
        betas: (β₁, β₂), each in [0, 1).
        eps: ε, at least 0, outside the root as in torch and Keras.
        bias_correction: Make up for the zeros that the running means start from.
        eps_inside: Add ε under the root instead, as the source article does.
        weight_decay: λ, at least 0; by default λθ is added to the gradient.
        decoupled_weight_decay: Shrink the parameters by `weight_decay_rule` instead, as `AdamW` does.
        check_finite: Report a gradient that holds NaN or infinity, or an `eps` too small for the dtype,
            instead of stepping into it (waits for the device).
        only_torch: Options that torch's class has besides, at the value that does nothing.

    Raises:
        TypeError: For complex parameters.
        ValueError: For a number outside its range or NaN, a tensor that does not broadcast, or an option that
            only torch's optimizer has.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import Adam
        >>> theta = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Adam([theta], lr=0.1)
        >>> (100 * theta**2).sum().backward()
        >>> optimizer.step()
        >>> theta.detach()
        tensor([0.9000])

    In float16 take `eps` 1e-4: 1e-8 is 0 there, and the step may be 0 / 0; `check_finite` says where.

    Differs from torch: no `amsgrad` but False; torch cannot leave the bias correction out. Keras's ε is 1e-7,
    and its `weight_decay` is always decoupled.

    Source: see `adam_rule`.
    """

    torchs: ClassVar[type[Optimizer]] = torch.optim.Adam
    neutral: ClassVar = {"amsgrad": False, "capturable": False, "fused": None, **_COMMON}
    counts = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-8,
        *,
        bias_correction: bool = True,
        eps_inside: bool = False,
        weight_decay: float | Tensor = 0.0,
        decoupled_weight_decay: bool = False,
        check_finite: bool = False,
        **only_torch: object,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "bias_correction": bias_correction,
            "eps_inside": eps_inside,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults, check_finite=check_finite, only_torch=only_torch)

    def _buffers(self, group: dict) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _rule(self, group: dict) -> Callable[..., None]:
        names = ("lr", "eps", "bias_correction", "eps_inside", "weight_decay", "decoupled_weight_decay")
        beta1, beta2 = group["betas"]
        return partial(_adam, beta1=beta1, beta2=beta2, **{name: group[name] for name in names})


@_in_pieces
def _adam(
    step: int | Tensor, parameter: Tensor, grad: Tensor, m: Tensor, v: Tensor, *, lr: Any, **numbers: Any
) -> None:
    weight_decay, decoupled = (numbers.pop(name) for name in ("weight_decay", "decoupled_weight_decay"))
    if _is_on(weight_decay) and decoupled:
        weight_decay_rule(parameter, lr=lr, weight_decay=weight_decay)
    elif _is_on(weight_decay):
        grad = _plus(grad, weight_decay, parameter)
    adam_rule(parameter, grad, m, v, step=step, lr=lr, **numbers)


class AdamW(Adam):
    """Adam with decoupled weight decay: parameters shrink by the same fraction, lr · weight_decay, a step.

    Args:
        params: Parameters or parameter groups, as torch's optimizers take them.
        lr: The learning rate, at least 0.
        betas: (β₁, β₂), each in [0, 1).
        eps: ε, at least 0, outside the root.
        bias_correction: As for `Adam`.
        eps_inside: As for `Adam`.
        weight_decay: λ, at least 0.
        check_finite: Report a gradient that holds NaN or infinity, or an `eps` too small for the dtype,
            instead of stepping into it (waits for the device).
        only_torch: Options that torch's class has besides, at the value that does nothing.

    Raises:
        TypeError, ValueError: As for `Adam`.

    Examples:
        >>> import torch
        >>> from unitgain.optimizers import AdamW
        >>> theta = torch.nn.Parameter(torch.tensor([2.0]))
        >>> optimizer = AdamW([theta], lr=0.1, weight_decay=0.5)
        >>> (0 * theta).sum().backward()             # no gradient: the decay alone
        >>> optimizer.step()
        >>> theta.detach()
        tensor([1.9000])

    In float16 take `eps` 1e-4; see `Adam`.

    Differs from torch: as `Adam`. Keras's `weight_decay` is 0.004 by default; 0.01 here and in torch.

    Source: see `weight_decay_rule`.
    """

    torchs: ClassVar[type[Optimizer]] = torch.optim.AdamW

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-8,
        *,
        bias_correction: bool = True,
        eps_inside: bool = False,
        weight_decay: float | Tensor = 1e-2,
        check_finite: bool = False,
        **only_torch: object,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            bias_correction=bias_correction,
            eps_inside=eps_inside,
            weight_decay=weight_decay,
            decoupled_weight_decay=True,
            check_finite=check_finite,
            **only_torch,
        )
