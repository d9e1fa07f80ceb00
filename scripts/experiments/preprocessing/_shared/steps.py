"""How many steps networks take to a loss, at each of several rates."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from unitgain.datasets import Examples
from unitgain.training import cross_entropy


def steps_to_learn(
    model: nn.Module, optimizer: Optimizer, examples: Examples, learned: float, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Steps to a loss below `learned`, who is still learning, and the last loss: (rates, networks) each.

    Ends when all networks of one rate have learned, or after `most` steps.
    """
    x, y = examples
    steps = torch.zeros(model.replicas, device=x.device)
    learning = torch.ones(model.replicas, dtype=torch.bool, device=x.device)
    for _ in range(most):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        learning &= ~(loss.detach() < learned)
        steps += learning
        if (~learning).all(1).any():
            break
        loss.sum().backward()
        optimizer.step()
    return steps, learning, loss.detach()
