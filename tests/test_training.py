"""training.py: the losses against torch's; K replicas trained together against each trained alone."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler

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
    "full batch": {"batch_size": None, "epochs": 20},
    "mini-batch": {"batch_size": 16, "epochs": 4},
    "stochastic": {"batch_size": 1, "epochs": 1},
}
ORDERS = ["one generator", "one a replica"]


@pytest.mark.parametrize(
    ("way", "optimizer", "orders", "own_data"),
    [
        *(("full batch", SGD, "one generator", own_data) for own_data in (False, True)),
        *(("mini-batch", SGD, orders, own_data) for orders in ORDERS for own_data in (False, True)),
        ("mini-batch", Adam, "one a replica", True),  # a rule does not see where its gradients come from
        ("stochastic", SGD, "one generator", False),
        ("stochastic", Adam, "one a replica", True),
    ],
)
def test_replicas_train_as_each_would_alone(way, optimizer, orders, own_data):
    """Equal at the start to the bit, 1e-8 apart at most at every step and in every weight."""
    replicas, options = 3, {"bias": "uniform", "dtype": torch.float64}
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


# Accumulation: a batch in pieces


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("micro_batch", [1, 7, 8, 24, 50])
@pytest.mark.parametrize("batch_size", [None, 50])
def test_pieces_add_up_to_the_batch(name, micro_batch, batch_size):
    """One step of plain descent: weights, and so gradients, to rounding; the last piece may be smaller."""
    ends, histories = [], []
    z, y = outputs_and_targets(name, 50)
    x = torch.randn(50, 3, generator=seeded(1)[0], dtype=torch.float64)
    for size in None, micro_batch:
        model = MLP((3, 5, z.shape[-1]), "tanh", generator=seeded(2)[0], dtype=torch.float64)
        histories.append(
            train(
                model,
                x,
                y,
                loss=name,
                optimizer=SGD(model.parameters(), lr=1.0),
                epochs=1,
                batch_size=batch_size,
                micro_batch=size,
                generator=seeded(3)[0],
            )
        )
        ends.append([p.detach() for p in model.parameters()])
    torch.testing.assert_close(*histories, rtol=0, atol=2e-15)
    torch.testing.assert_close(*ends, rtol=0, atol=2e-15)


@pytest.mark.parametrize("orders", ["one generator", "one a replica"])
def test_pieces_of_replicas(orders):
    """Batches of 20, 20 and 10 in pieces of 8: the same training, each replica with its own order or not."""
    histories, ends = [], []
    x, y = circles(50, generator=seeded(0)[0], dtype=torch.float64)
    for micro_batch in None, 8:
        model = MLP((2, 6, 1), "tanh", replicas=(3,), generator=seeded(1, 2, 3), dtype=torch.float64)
        histories.append(
            train(
                model,
                x,
                y,
                loss="binary_cross_entropy",
                optimizer=Adam(model.parameters(), lr=0.05),
                epochs=10,
                batch_size=20,
                micro_batch=micro_batch,
                generator=seeded(4)[0] if orders == "one generator" else seeded(4, 5, 6),
            )
        )
        ends.append([p.detach() for p in model.parameters()])
    torch.testing.assert_close(*histories, rtol=0, atol=1e-10)
    torch.testing.assert_close(*ends, rtol=0, atol=1e-10)


def test_pieces_are_what_passes_through():
    model, x = Recorder(), torch.arange(10.0).unsqueeze(-1)
    optimizer = SGD(model.parameters(), lr=0.0)
    given = {"loss": squared_error, "optimizer": optimizer, "epochs": 2, "generator": seeded(0)[0]}
    history = train(model, x, x.squeeze(-1), batch_size=6, micro_batch=4, **given)
    assert [len(batch) for batch in model.batches] == [4, 2, 4] * 2
    assert torch.equal(torch.cat(model.batches[:3]).flatten().sort().values, torch.arange(10.0))
    first = torch.cat(model.batches[:2]).square().mean() / 2  # the outputs stay 0
    torch.testing.assert_close(history[0], first)
    assert len(history) == 4


# Schedules

SCHEDULES = {
    "step": lambda o: lr_scheduler.StepLR(o, 2, 0.5),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 8),
    "chained": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 3), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "warm_up": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=3), lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, threshold=0.2, patience=0),
    "one_cycle": lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=24),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_scheduler_equals_the_plain_loop(schedule):
    """Stepped after every epoch of three batches; one that counts steps, through the callback."""
    x, y = circles(60, generator=seeded(0)[0], dtype=torch.float64)
    counts_steps = schedule == "one_cycle"
    models = [
        MLP((2, 4, 1), "tanh", bias="normal", generator=seeded(1)[0], dtype=torch.float64) for _ in range(2)
    ]
    ours, theirs = (SGD(model.parameters(), lr=0.5, momentum=0.5) for model in models)
    scheduler, peer = SCHEDULES[schedule](ours), SCHEDULES[schedule](theirs)
    rates: list[float] = []

    def callback(steps):
        if counts_steps:
            steps and scheduler.step()
        rates.append(ours.param_groups[0]["lr"])

    history = train(
        models[0],
        x,
        y,
        loss="binary_cross_entropy",
        optimizer=ours,
        epochs=8,
        batch_size=25,
        generator=seeded(2)[0],
        scheduler=None if counts_steps else scheduler,
        callback=callback,
    )
    (generator,), losses, expected = seeded(2), [], []
    for _ in range(8):
        epoch = []
        for rows in torch.randperm(60, generator=generator).split(25):
            expected.append(theirs.param_groups[0]["lr"])
            theirs.zero_grad()
            loss = functional.binary_cross_entropy_with_logits(
                models[1](x[rows]).squeeze(-1), y[rows].double()
            )
            loss.backward()
            theirs.step()
            epoch.append(loss.detach())
            if counts_steps:
                peer.step()
        if schedule == "plateau":
            peer.step(sum(epoch) / 3)
        elif not counts_steps:
            peer.step()
        losses += epoch
    assert rates == [*expected, theirs.param_groups[0]["lr"]]
    assert len(set(rates)) > 2
    torch.testing.assert_close(history, torch.stack(losses), rtol=1e-9, atol=0)


def test_history_shows_a_loss_that_blows_up():
    x, y = circles(20, generator=seeded(0)[0])
    model = MLP((2, 4, 1), generator=seeded(1)[0], replicas=(2,))
    with torch.no_grad():
        model.layers[0].weight[1] *= math.nan
    history = train(
        model, x, y, loss="squared_error", optimizer=SGD(model.parameters(), lr=0.1), epochs=5, micro_batch=7
    )
    assert history[:, 0].isfinite().all()  # the other replica's business
    assert history[:, 1].isnan().all()
    history = train(
        model, x, 1e3 * y, loss="squared_error", optimizer=SGD(model.parameters(), 1e3), epochs=30
    )
    assert history[0, 0].isfinite()
    assert history[-1, 0].isnan()


def test_loss_may_be_any_function_with_a_value_for_each_network():
    x, y = circles(20, generator=seeded(0)[0])
    model = MLP((2, 4, 1), replicas=(3,))

    def absolute_error(output, y):
        return (output.squeeze(-1) - y).abs().mean(-1)

    history = train(model, x, y, loss=absolute_error, optimizer=SGD(model.parameters(), lr=0.1), epochs=20)
    assert history.shape == (20, 3)
    assert (history[-1] < history[0]).all()


@pytest.mark.parametrize("name", LOSSES)
def test_targets_may_broadcast_over_replicas(name):
    z, y = outputs_and_targets(name, 2, 3, 30)
    torch.testing.assert_close(
        LOSSES[name](z, y[:, :1]), LOSSES[name](z, y[:, :1].expand(2, 3, 30)), rtol=0, atol=0
    )
    assert accuracy(z, y[:, :1]).shape == (2, 3)
