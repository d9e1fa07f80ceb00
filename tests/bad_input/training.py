"""Rules of training.py."""

import math
from collections.abc import Callable
from functools import partial

import torch

from tests.bad_input import Case
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import accuracy, binary_cross_entropy, cross_entropy, squared_error, train

X, Y = torch.zeros(10, 2), torch.zeros(10)
TARGETS = "y must have shape (n,) or (*replicas, n), here (10,)"
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def trained(replicas: tuple[int, ...] = (), **options: object) -> None:
    """A call of train in order but for `options`; nothing may have moved when it is refused."""
    model = MLP((2, 1), replicas=replicas, bias="normal")
    before = [p.detach().clone() for p in model.parameters()]
    usual = {
        "x": X,
        "y": Y,
        "loss": "squared_error",
        "optimizer": SGD(model.parameters(), lr=1.0),
        "epochs": 1,
    }
    try:
        train(model, **usual | options)
    finally:
        assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def refused(says: str, **options: object) -> Case:
    return Case("training.train", partial(trained, **options), ValueError, f"train: {says}")


def of_another_optimizer() -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.StepLR(SGD([torch.nn.Parameter(torch.ones(1))]), 5)


def shapes(function: Loss, output: tuple[int, ...], y: tuple[int, ...], says: str, got: str) -> Case:
    """`function` given an output and targets of these shapes."""
    name = function.__name__
    call = partial(function, torch.zeros(output), torch.zeros(y))
    return Case(f"training.{name}", call, ValueError, f"{name}: {says}, got {got}")


CASES = [
    refused("x must have shape (…, n, features), n at least 1, got (10,)", x=X[:, 0]),
    refused("x must have shape (…, n, features), n at least 1, got (0, 2)", x=X[:0], y=Y[:0]),
    refused("x and y must have the same number of examples, got 10 and 9", y=Y[:9]),
    refused("x and y must have the same number of examples, got 10 and 1", y=Y.unsqueeze(-1)),
    refused("x and y must have the same number of examples, got 10 and a single target", y=Y[0]),
    refused("epochs must be at least 1, got 0", epochs=0),
    refused("epochs must be at least 1, got nan", epochs=math.nan),
    refused("batch_size must be from 1 to the number of examples 10, got 0", batch_size=0),
    refused("batch_size must be from 1 to the number of examples 10, got 11", batch_size=11),
    refused("micro_batch must be from 1 to the batch's size 10, got 0", micro_batch=0),
    refused("micro_batch must be from 1 to the batch's size 10, got 11", micro_batch=11),
    refused("micro_batch must be from 1 to the batch's size 4, got 5", batch_size=4, micro_batch=5),
    refused(
        "loss must be one of binary_cross_entropy, cross_entropy, squared_error or a function; "
        "got 'cross-entropy', did you mean 'cross_entropy'?",
        loss="cross-entropy",
    ),
    refused("loss must be one of", loss=None),
    refused(
        "loss must return one value a network, shape (3,), got ()",
        replicas=(3,),
        loss=lambda output, y: (output.squeeze(-1) - y).square().mean(),
    ),
    refused(
        "loss must return one value a network, shape (), got (10,)", loss=lambda output, y: output[:, 0] - y
    ),
    refused(
        "scheduler must belong to the optimizer given, got StepLR of another",
        scheduler=of_another_optimizer(),
    ),
    refused(
        "one generator a replica needs a single replicas dimension, got x of shape (2, 3, 10, 2)",
        x=X.expand(2, 3, 10, 2),
        batch_size=5,
        generator=generators(6),
    ),
    refused(
        "one generator a replica needs a single replicas dimension, got y of shape (2, 3, 10)",
        y=Y.expand(2, 3, 10),
        batch_size=5,
        generator=generators(6),
    ),
    refused(
        "generator must hold one generator a replica, got 2 for x of shape (3, 10, 2)",
        replicas=(3,),
        x=X.expand(3, 10, 2),
        batch_size=5,
        generator=generators(2),
    ),
    refused(
        "generator must hold one generator a replica, got 4 for y of shape (3, 10)",
        replicas=(3,),
        y=Y.expand(3, 10),
        batch_size=5,
        generator=generators(4),
    ),
    *(
        case
        for function, name in ((binary_cross_entropy, "logits"), (squared_error, "output"))
        for case in (
            shapes(function, (10,), (10,), f"{name} must have shape (*replicas, n, 1)", "(10,)"),
            shapes(function, (10, 2), (10,), f"{name} must have shape (*replicas, n, 1)", "(10, 2)"),
            shapes(function, (10, 1), (10, 1), TARGETS, "(10, 1)"),
            shapes(function, (3, 10, 1), (2, 10), f"{TARGETS} or (3, 10)", "(2, 10)"),
            shapes(function, (10, 1), (), TARGETS, "()"),
        )
    ),
    *(
        case
        for function in (cross_entropy, accuracy)
        for case in (
            shapes(function, (10,), (10,), "logits must have shape (*replicas, n, classes)", "(10,)"),
            shapes(function, (10, 4), (10, 4), TARGETS, "(10, 4)"),
            shapes(function, (10, 4), (1,), TARGETS, "(1,)"),
            shapes(function, (10, 4), (3, 10), TARGETS, "(3, 10)"),
        )
    ),
    Case(
        "training.cross_entropy",
        partial(cross_entropy, torch.zeros(10, 4), torch.full((10,), 0.7)),
        TypeError,
        "cross_entropy: y must hold class numbers, whole ones, got dtype torch.float32",
    ),
]
