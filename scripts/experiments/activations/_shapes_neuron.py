"""A linear neuron with two weights and a bias that learns other weights from their answers on 64 examples."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

POSITIVE = math.sqrt(3)  # offset in standard deviations from which uniform inputs are all positive
EXAMPLES = 64
RATES = torch.tensor([0.1 * 1.35**k for k in range(14)], dtype=torch.float64)  # by the mean of |x|²
LIMIT = 4_000  # steps, more than any problem needs at its best rate
SOLVED = 0.01  # of the loss at the start


class Problems(NamedTuple):
    """Inputs `u` (problems, n, 2) around 0, of standard deviation 1, and the first `error` (problems, 3)."""

    u: Tensor
    error: Tensor


def problems(count: int, seed: int, device: str) -> Problems:
    """Uniform inputs; the neuron is off by N(0, 1) in each weight and in its mean answer."""
    generator = torch.Generator().manual_seed(seed)
    u = (2 * torch.rand(count, EXAMPLES, 2, generator=generator, dtype=torch.float64) - 1) * math.sqrt(3)
    error = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return Problems(u.to(device), error.to(device))


def inputs(made: Problems, offset: float, bias: bool) -> tuple[Tensor, Tensor]:
    """Inputs (problems, n, 3), the bias's last, and the first error: the same function at each offset."""
    one = torch.full_like(made.u[..., :1], float(bias))
    w, b = made.error[:, :2], made.error[:, 2]
    b = (b - offset * w.sum(1)) * bias
    return torch.cat([made.u + offset, one], -1), torch.cat([w, b[:, None]], 1)


def gradients(x: Tensor, error: Tensor, batch: int | None, generator: torch.Generator) -> Tensor:
    """Gradient (…, problems, 3) of half the mean squared error of a batch; None: of all examples."""
    if batch is not None:
        drawn = torch.randint(EXAMPLES, (len(x), batch), generator=generator).to(x.device)
        x = x.gather(1, drawn[..., None].expand(-1, -1, 3))
    return (x.mT @ (x @ error[..., None]))[..., 0] / x.shape[1]


def best_rates(x: Tensor, error: Tensor, batch: int | None, seed: int) -> tuple[Tensor, Tensor]:
    """Each problem's fewest steps to a hundredth of its first loss, and the rate that takes them."""
    generator = torch.Generator().manual_seed(seed)
    hessian = x.mT @ x / x.shape[1]
    rates = RATES.to(x.device)[:, None, None] / hessian.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None]
    path = error.expand(len(RATES), -1, -1)
    goal = SOLVED * _loss(hessian, error)
    steps = torch.full((len(error),), LIMIT, device=x.device)
    best = torch.zeros(len(error), dtype=torch.int64, device=x.device)
    for step in range(LIMIT):
        loss = _loss(hessian, path)
        lowest, at = loss.nan_to_num(torch.inf).min(0)
        new = (lowest < goal) & (steps == LIMIT)
        steps[new], best[new] = step, at[new]
        if (steps < LIMIT).all():
            break
        path = path - rates * (
            (hessian @ path[..., None])[..., 0] if batch is None else gradients(x, path, batch, generator)
        )
    return steps, rates[best, torch.arange(len(error), device=x.device), 0]


def _loss(hessian: Tensor, error: Tensor) -> Tensor:
    return ((hessian @ error[..., None])[..., 0] * error).sum(-1) / 2


def walk(
    x: Tensor, error: Tensor, batch: int | None, rate: Tensor, steps: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Errors (steps + 1, problems, 3) on the way, and gradients (steps, problems, 3), at a rate a problem."""
    generator = torch.Generator().manual_seed(seed)
    path, slopes = [error], []
    for _ in range(steps):
        slopes.append(gradients(x, path[-1], batch, generator))
        path.append(path[-1] - rate[:, None] * slopes[-1])
    return torch.stack(path), torch.stack(slopes)
