"""Inputs of one sign make a neuron's path zig-zag; with batches it gets there in far fewer steps."""

import torch

RATES = torch.logspace(-0.9, 0.4, 20)
CASES = {
    "offset 0.6, 16 of 64 examples a step": ({"offset": 0.6, "batch": 16}, "holds"),
    "offset 0.7, three inputs, all 64": ({"offset": 0.7, "batch": 64, "inputs": 3}, "holds"),
    "offset 4, all 64": ({"offset": 4.0, "batch": 64}, "fails"),
}


def steps_needed(x, error, batch, most=1000):
    """Steps until the loss over all examples is a hundredth of the first, each problem at its best rate."""
    problems, examples, inputs = x.shape
    rate = RATES[:, None, None] / x.square().sum(2).mean(1, keepdim=True)
    error = error.expand(len(RATES), problems, inputs).clone()
    first = torch.einsum("pei,rpi->rpe", x, error).square().mean(2)
    steps = torch.full(error.shape[:2], float(most))
    for step in range(1, most):
        some = x.take_along_dim(torch.rand(problems, examples, 1).argsort(1)[:, :batch], 1)
        gradient = torch.einsum("pei,rpe->rpi", some, torch.einsum("pei,rpi->rpe", some, error)) / batch
        error -= rate * gradient
        loss = torch.einsum("pei,rpi->rpe", x, error).square().mean(2)
        steps = torch.where((loss < first / 100) & (steps == most), step, steps)
    return steps.min(0).values


def measured(seed, *, offset, batch, inputs=2):
    """The number: steps with a batch / steps with one example, geometric mean over 150 problems."""
    torch.manual_seed(seed)
    x = torch.randn(150, 64, inputs + 1) + offset
    x[:, :, -1] = 1  # the last weight is the bias
    error = torch.randn(150, inputs + 1)
    return float((steps_needed(x, error, batch) / steps_needed(x, error, 1)).log().mean().exp())


def holds(number):
    return number <= 2 / 3
