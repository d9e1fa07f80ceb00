"""training.py: the losses against torch's; K replicas trained together against each trained alone."""

import math
import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from unitgain.datasets import circles
from unitgain.devices import best_device
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam
from unitgain.training import LOSSES, accuracy, binary_cross_entropy, cross_entropy, squared_error, train

DEVICES = sorted({"cpu", best_device().type})


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


# Losses

PEERS = {
    "binary_cross_entropy": lambda z, y: functional.binary_cross_entropy_with_logits(z.squeeze(-1), y.to(z)),
    "cross_entropy": lambda z, y: functional.cross_entropy(z, y),
    "squared_error": lambda z, y: functional.mse_loss(z.squeeze(-1), y.to(z)) / 2,
}


def outputs_and_targets(name, *shape):
    (generator,) = seeded(0)
    classes = 4 if name == "cross_entropy" else 1
    z = 10 * torch.randn(*shape, classes, generator=generator, dtype=torch.float64)
    return z, torch.randint(max(classes, 2), shape, generator=generator)


def test_every_loss_has_a_peer():
    assert LOSSES.keys() == PEERS.keys()
    assert LOSSES["squared_error"] is squared_error


@pytest.mark.parametrize("name", LOSSES)
def test_loss_equals_torch(name):
    z, y = outputs_and_targets(name, 30)
    ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    torch.testing.assert_close(LOSSES[name](ours, y), PEERS[name](theirs, y), rtol=1e-12, atol=1e-14)
    LOSSES[name](ours, y).backward()
    PEERS[name](theirs, y).backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("own_targets", [False, True])
def test_loss_of_replicas(name, own_targets):
    z, y = outputs_and_targets(name, 2, 3, 30)
    y = y if own_targets else y[0, 0]
    losses = LOSSES[name](z, y)
    assert losses.shape == (2, 3)
    for i, j in torch.cartesian_prod(torch.arange(2), torch.arange(3)).tolist():
        torch.testing.assert_close(
            losses[i, j], PEERS[name](z[i, j], y[i, j] if own_targets else y), rtol=1e-12, atol=0
        )


def test_losses_do_not_overflow():
    z = torch.tensor([[1e4], [-1e4]])
    assert binary_cross_entropy(z, torch.tensor([0, 1])).item() == 1e4
    assert binary_cross_entropy(z, torch.tensor([1, 0])).item() == 0
    assert cross_entropy(torch.tensor([[1e4, -1e4]]), torch.tensor([1])).item() == 2e4


def test_accuracy():
    y = torch.tensor([0, 1, 1, 0])
    assert accuracy(torch.tensor([[-1.0], [2.0], [-3.0], [0.0]]), y).item() == 0.75  # 0 is class 0
    assert accuracy(torch.eye(3)[[0, 1, 2, 2]], y).item() == 0.5
    z = torch.randn(5, 2, 4, 1)
    assert accuracy(z, y).shape == (5, 2)
    assert torch.equal(accuracy(z, y)[3, 1], accuracy(z[3, 1], y))


# The loop against torch written out


def test_full_batch_equals_the_plain_loop():
    x, y = circles(60, generator=seeded(0)[0], dtype=torch.float64)
    model = MLP((2, 4, 1), "tanh", bias="normal", generator=seeded(1)[0], dtype=torch.float64)
    plain = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    with torch.no_grad():
        for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
            theirs.copy_(mine.view(theirs.shape))
    history = train(
        model, x, y, loss="binary_cross_entropy", optimizer=Adam(model.parameters(), lr=0.01), epochs=200
    )
    optimizer, losses = torch.optim.Adam(plain.parameters(), lr=0.01), []
    for _ in range(200):
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(plain(x).squeeze(-1), y.double())
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    torch.testing.assert_close(history, torch.stack(losses), rtol=1e-9, atol=0)
    assert not history.requires_grad


class Recorder(nn.Module):
    """Has one weight that nothing moves, and remembers the batches it was given."""

    def __init__(self):
        super().__init__()
        self.weight, self.batches = nn.Parameter(torch.zeros(1, 1)), []

    def forward(self, x):
        self.batches.append(x.detach().clone())
        return x @ self.weight


def record(n, batch_size, epochs, generator):
    model, x = Recorder(), torch.arange(float(n)).unsqueeze(-1)
    steps: list[int] = []
    history = train(
        model,
        x,
        x.squeeze(-1),
        loss=squared_error,
        optimizer=SGD(model.parameters(), lr=0.0),
        epochs=epochs,
        batch_size=batch_size,
        generator=generator,
        callback=steps.append,
    )
    assert steps == list(range(len(history) + 1))  # before each step and after the last
    return history, [batch.squeeze(-1) for batch in model.batches]


@pytest.mark.parametrize(("batch_size", "sizes"), [(None, [10]), (10, [10]), (4, [4, 4, 2]), (1, [1] * 10)])
def test_every_epoch_sees_every_example_once(batch_size, sizes):
    history, batches = record(10, batch_size, epochs=3, generator=seeded(0)[0])
    assert [len(batch) for batch in batches] == 3 * sizes
    epochs = torch.cat(batches).view(3, 10)
    assert torch.equal(epochs.sort(dim=-1).values, torch.arange(10.0).expand(3, 10))
    if batch_size is not None:
        assert not torch.equal(epochs[0], epochs[1])  # a new order each epoch
    expected = torch.stack([batch.square().mean() / 2 for batch in batches])
    torch.testing.assert_close(history, expected)  # the outputs stay 0, so x and y of a batch belong together


def test_order_comes_from_the_generator():
    state = torch.get_rng_state()
    first, again = (torch.cat(record(10, 3, 2, seeded(5)[0])[1]) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    assert torch.equal(torch.cat(record(10, 3, 2, None)[1]), first)


# Replicas

STEPWISE = {
    "full batch": {"batch_size": None, "epochs": 60},
    "mini-batch": {"batch_size": 16, "epochs": 12},
    "stochastic": {"batch_size": 1, "epochs": 2},
}


@pytest.mark.parametrize("way", STEPWISE)
@pytest.mark.parametrize("optimizer", [SGD, Adam])
@pytest.mark.parametrize("orders", ["one generator", "one a replica"])
@pytest.mark.parametrize("own_data", [False, True])
def test_replicas_train_as_each_would_alone(way, optimizer, orders, own_data):
    """Equal at the start to the bit, 1e-8 apart at most at every step and in every weight."""
    replicas, options = 4, {"bias": "uniform", "dtype": torch.float64}
    data = [circles(50, generator=g, dtype=torch.float64) for g in seeded(*range(replicas))]
    x, y = (torch.stack(part) for part in zip(*data, strict=True)) if own_data else data[0]
    together = MLP((2, 6, 1), "tanh", replicas=(replicas,), generator=seeded(*range(replicas)), **options)
    history = train(
        together,
        x,
        y,
        loss="binary_cross_entropy",
        optimizer=optimizer(together.parameters(), lr=0.05),
        generator=seeded(70)[0] if orders == "one generator" else seeded(*range(70, 70 + replicas)),
        **STEPWISE[way],
    )
    for k in range(replicas):
        single = MLP((2, 6, 1), "tanh", generator=seeded(k)[0], **options)
        alone = train(
            single,
            x[k] if own_data else x,
            y[k] if own_data else y,
            loss="binary_cross_entropy",
            optimizer=optimizer(single.parameters(), lr=0.05),
            generator=seeded(70 if orders == "one generator" else 70 + k)[0],
            **STEPWISE[way],
        )
        torch.testing.assert_close(history[:, k], alone, rtol=0, atol=1e-8)
        for mine, theirs in zip(together.parameters(), single.parameters(), strict=True):
            torch.testing.assert_close(mine[k], theirs, rtol=0, atol=1e-8)
    if way == "full batch":
        assert (history[-1] < history[0]).all()


def test_several_replica_dimensions_share_one_order():
    x, y = circles(20, generator=seeded(0)[0])
    model = MLP((2, 3, 1), replicas=(2, 3))
    options = {"loss": "binary_cross_entropy", "optimizer": SGD(model.parameters(), lr=0.1), "epochs": 2}
    assert train(model, x, y, batch_size=8, **options).shape == (6, 2, 3)
    assert train(model, x.expand(2, 3, 20, 2), y.expand(2, 3, 20), batch_size=8, **options).shape == (6, 2, 3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("batch_size", [None, 16])
def test_device(device, batch_size):
    """The order is drawn on the CPU, so that every device takes the same steps."""
    histories = []
    for where in ("cpu", device):
        x, y = circles(64, generator=seeded(0)[0], device=where)
        model = MLP((2, 8, 1), "tanh", replicas=(3,), generator=seeded(1, 2, 3)).to(where)
        histories.append(
            train(
                model,
                x,
                y,
                loss="binary_cross_entropy",
                optimizer=Adam(model.parameters(), lr=0.02),
                epochs=10,
                batch_size=batch_size,
                generator=seeded(4, 5, 6),
            )
        )
    assert histories[1].device.type == device
    torch.testing.assert_close(histories[1].cpu(), histories[0], rtol=1e-4, atol=1e-5)


# Bad input

X, Y = torch.zeros(10, 2), torch.zeros(10)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"y": Y[:9]}, "train: x and y must have the same number of examples, got 10 and 9"),
        ({"epochs": 0}, "train: epochs must be at least 1, got 0"),
        ({"epochs": math.nan}, "train: epochs must be at least 1, got nan"),
        ({"batch_size": 0}, "train: batch_size must be from 1 to the number of examples 10, got 0"),
        ({"batch_size": 11}, "train: batch_size must be from 1 to the number of examples 10, got 11"),
        (
            {"loss": "hinge"},
            "one of binary_cross_entropy, cross_entropy, squared_error or a function, got 'hinge'",
        ),
        (
            {"x": X.expand(2, 3, 10, 2), "batch_size": 5, "generator": seeded(*range(6))},
            "one generator a replica needs a single replicas dimension, got x of shape (2, 3, 10, 2)",
        ),
    ],
)
def test_bad_input_is_named_and_changes_nothing(options, says):
    model = MLP((2, 1), bias="normal")
    before = [p.detach().clone() for p in model.parameters()]
    options = {
        "x": X,
        "y": Y,
        "loss": "squared_error",
        "optimizer": SGD(model.parameters(), lr=1.0),
        "epochs": 1,
    } | options
    with pytest.raises(ValueError, match=re.escape(says)):
        train(model, **options)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
