"""A linear neuron with two weights and a bias that learns other weights from their answers on 64 examples."""

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from experiments.trials import generator

POSITIVE = math.sqrt(3)  # offset in standard deviations from which uniform inputs are all positive
EXAMPLES = 64
RATES = torch.tensor([0.1 * 1.35**k for k in range(14)], dtype=torch.float64)  # by the mean of |x|²
LIMIT = 4_000  # steps, more than any problem needs at its best rate
SOLVED = 0.01  # of the loss at the start


class Problems(NamedTuple):
    """Inputs `u` (2, n, problems) around 0, of standard deviation 1, and the first `error` (3, problems)."""

    u: Tensor
    error: Tensor


def problems(count: int, seed: int, device: str) -> Problems:
    """Uniform inputs; the neuron is off by N(0, 1) in each weight and in its mean answer."""
    draw = generator(seed, "data")
    u = (2 * torch.rand(2, EXAMPLES, count, generator=draw, dtype=torch.float64) - 1) * math.sqrt(3)
    error = torch.randn(3, count, generator=draw, dtype=torch.float64)
    return Problems(u.to(device), error.to(device))


def inputs(made: Problems, offset: float, bias: bool) -> tuple[Tensor, Tensor]:
    """Inputs (3, n, problems), the bias's last, and the first error: the same function at each offset."""
    one = torch.full_like(made.u[:1], float(bias))
    w, b = made.error[:2], made.error[2:]
    return torch.cat([made.u + offset, one]), torch.cat([w, (b - offset * w.sum(0)) * bias])


def gradients(x: Tensor, error: Tensor, batch: int | None, draw: Generator) -> Tensor:
    """Gradients of half the mean squared error of a batch, or with None of all examples, at each error.

    Both are (3, errors, problems).
    """
    if batch is not None:
        rows = torch.randint(EXAMPLES, (batch, x.shape[-1]), generator=draw).to(x.device)
        x = x.gather(1, rows.expand(3, -1, -1))
    x = x[:, :, None]
    return (x * (x * error[:, None]).sum(0)).mean(1)


def best_rates(x: Tensor, error: Tensor, batch: int | None, seed: int) -> tuple[Tensor, Tensor]:
    """Each problem's fewest steps to a hundredth of its first loss, and the rate that takes them."""
    draw = generator(seed, "order")
    hessian = (x[:, None] * x).mean(2)[:, :, None]
    rates = RATES.to(x.device)[:, None] / x.square().sum(0).mean(0)
    path = error[:, None].expand(-1, len(RATES), -1)
    goal = SOLVED * (hessian * path).sum(1).mul(path).sum(0)[0]  # of twice the loss
    steps = torch.full_like(goal, LIMIT, dtype=torch.int64)
    best = torch.zeros_like(steps)
    for step in range(LIMIT):
        slope = (hessian * path).sum(1)
        lowest, at = (slope * path).sum(0).nan_to_num(torch.inf).min(0)
        new = (lowest < goal) & (steps == LIMIT)
        steps[new], best[new] = step, at[new]
        if (steps < LIMIT).all():
            break
        path = path - rates * (slope if batch is None else gradients(x, path, batch, draw))
    return steps, rates.gather(0, best[None])[0]


def walk(
    x: Tensor, error: Tensor, batch: int | None, rate: Tensor, steps: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Errors (steps + 1, 3, problems) on the way, and gradients (steps, 3, problems), at a rate a problem."""
    draw = generator(seed, "order")
    path, slopes = [error], []
    for _ in range(steps):
        slopes.append(gradients(x, path[-1][:, None], batch, draw)[:, 0])
        path.append(path[-1] - rate * slopes[-1])
    return torch.stack(path), torch.stack(slopes)
