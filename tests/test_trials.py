"""trials.py: streams that never meet, splits without a leak, training side by side as alone, fair scores."""

import itertools

import pytest
import torch
from experiments import trials
from experiments.trials import (
    REPLICAS,
    SEEDS,
    STREAMS,
    by_part,
    descend,
    drawn,
    generator,
    generators,
    mlps,
    raw,
    scaled,
    score,
    splits,
    stacked,
    standardized,
)
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unitgain.datasets import Examples, Split, circles, split
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam
from unitgain.training import accuracy, train

# Random streams

places = st.tuples(st.integers(0, SEEDS - 1), st.sampled_from(STREAMS), st.integers(0, REPLICAS - 1))


def seed_of(seed, stream, replica):
    """What torch's generator of the CPU keeps of its seed: the low 32 bits."""
    (one,) = generators(seed, 1, stream, first=replica)
    return one.initial_seed() % 2**32


def test_torch_knows_the_low_32_bits_of_a_seed_only():
    one, other = (torch.Generator().manual_seed(seed) for seed in (7, 7 + 2**32))
    assert torch.equal(torch.rand(9, generator=one), torch.rand(9, generator=other))


def test_streams_at_the_ends_of_their_ranges_never_meet():
    ends = [(0, 1, SEEDS // 2, SEEDS - 1), STREAMS, (0, 1, REPLICAS // 2, REPLICAS - 1)]
    seeds = [seed_of(*place) for place in itertools.product(*ends)]
    assert len(set(seeds)) == len(seeds) == 16 * len(STREAMS)
    assert len(set(STREAMS)) == len(STREAMS)


@given(one=places, other=places)
def test_no_two_streams_meet(one, other):
    assert (seed_of(*one) == seed_of(*other)) == (one == other)


@given(places)
def test_a_seed_says_where_it_comes_from(place):
    """There is a way back: no two places can have the same."""
    rest, replica = divmod(seed_of(*place), REPLICAS)
    seed, stream = divmod(rest, len(STREAMS))
    assert (seed, STREAMS[stream], replica) == place


def test_a_replica_s_generator_is_its_own_and_fresh():
    many = generators(3, 4, "noise", times=2)
    draws = [torch.rand(5, generator=one).tolist() for one in many]
    assert draws[:4] == draws[4:]
    assert len({tuple(draw) for draw in draws}) == 4
    later = generators(3, 2, "noise", first=2)
    assert [torch.rand(5, generator=one).tolist() for one in later] == draws[2:4]
    assert torch.rand(5, generator=generator(3, "noise")).tolist() == draws[0]
    assert generators(3, 0) == []
    assert generators(3, 1)[0].initial_seed() == generators(3, 1, "weights")[0].initial_seed()
    assert generator(3).initial_seed() == generators(3, 1, "draws")[0].initial_seed()


def test_an_unknown_stream_is_refused():
    with pytest.raises(
        ValueError, match=r"^generators: stream must be one of draws, .*search, got 'weight'$"
    ):
        generators(0, 1, "weight")


@pytest.mark.parametrize(
    ("seed", "first", "count"),
    [(-1, 0, 1), (SEEDS, 0, 1), (0, -1, 1), (0, 0, REPLICAS + 1), (0, REPLICAS, 1), (0, REPLICAS - 1, 2)],
)
def test_a_seed_or_replica_out_of_range_is_refused(seed, first, count):
    says = rf"got seed {seed}, replicas {first} to {first + count - 1}$"
    with pytest.raises(ValueError, match=says):
        generators(seed, count, first=first)


# Data


def examples(n=20, features=3):
    """Rows that say which they are: x = (k, k², …), y = k."""
    k = torch.arange(1.0, n + 1)
    return torch.stack([k ** (power + 1) for power in range(features)], -1), k


def test_splits_are_disjoint_and_keep_examples_whole():
    x, y = examples()
    parts = splits(x, y, generators(0, 4, "split"), validation=0.2, test=0.3)
    assert [part.x.shape for part in parts] == [(4, 10, 3), (4, 4, 3), (4, 6, 3)]
    assert [part.y.shape for part in parts] == [(4, 10), (4, 4), (4, 6)]
    for part in parts:
        assert torch.equal(part.x[..., 0], part.y)
    for k in range(4):
        rows = torch.cat([part.y[k] for part in parts])
        assert torch.equal(rows.sort().values, y)


def test_splits_are_independent():
    """Each generator's own, whatever the others: no two replicas alike, and each as it would be alone."""
    x, y = examples()
    parts = splits(x, y, generators(0, 6, "split"), validation=0.5)
    assert len({tuple(sorted(row.tolist())) for row in parts.validation.y}) == 6
    for k, draw in enumerate(generators(0, 6, "split")):
        alone = split(x, y, validation=0.5, generator=draw)
        for mine, its in zip(parts, alone, strict=True):
            assert torch.equal(mine.x[k], its.x)
            assert torch.equal(mine.y[k], its.y)


def test_by_default_a_fifth_is_held_out_and_nothing_scaled():
    parts = splits(*examples(), generators(0, 2, "split"))
    assert [part.y.shape[-1] for part in parts] == [16, 4, 0]
    assert torch.equal(parts.train.x[..., 0], parts.train.y)


def test_a_scale_knows_the_training_rows_only():
    x, y = examples()
    seen = []

    def scale(rows, training):
        seen.append((rows, training))
        return rows - training.mean(0)

    parts = splits(x, y, generators(0, 3, "split"), validation=0.2, test=0.2, scale=scale)
    assert len(seen) == 3
    for rows, training in seen:
        assert training.shape == (12, 3)
        assert torch.equal(rows[:12], training)
        assert len(set(rows[:, 0].tolist())) == len(x)
    for k in range(3):
        mean = parts.train.y[k].mean()
        for part in parts:
            torch.testing.assert_close(part.x[k, :, 0], part.y[k] - mean)


def test_a_standardized_split_does_not_see_what_is_held_out():
    x, y = examples()
    clean = splits(x, y, generators(1, 1, "split"), scale=standardized)
    torch.testing.assert_close(clean.train.x[0].mean(0), torch.zeros(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(clean.train.x[0].std(0, correction=0), torch.ones(3))
    spoiled = x.clone()
    spoiled[torch.isin(y, clean.validation.y[0])] *= 1e6
    again = splits(spoiled, y, generators(1, 1, "split"), scale=standardized)
    assert torch.equal(again.train.x, clean.train.x)
    assert not torch.equal(again.validation.x, clean.validation.x)


def test_parts_are_scaled_by_the_training_part_and_an_empty_one_stays():
    x, y = examples(6)
    assert raw(x, x[:2]) is x
    cut = [Examples(x[rows], y[rows]) for rows in (slice(4), slice(4, 6), slice(0))]
    parts = scaled(Split(*cut), standardized)
    for part, old in zip(parts, cut, strict=True):
        torch.testing.assert_close(part.x, (old.x - x[:4].mean(0)) / x[:4].std(0, correction=0))
        assert part.y is old.y


def test_stacked_puts_replicas_side_by_side():
    x, y = stacked([(torch.zeros(3, 2), torch.zeros(3)), (torch.ones(3, 2), torch.ones(3))])
    assert (x.shape, y.shape) == ((2, 3, 2), (2, 3))
    assert y.tolist() == [[0] * 3, [1] * 3]
    with pytest.raises(ValueError, match="shorter"):
        stacked([(torch.zeros(3), torch.zeros(3)), (torch.zeros(3),)])


@pytest.mark.parametrize("count", [4, 10, 25])
def test_drawn_examples_come_again_when_all_have_come(count):
    x, y = examples(10)
    one, again, other = (drawn(count, Examples(x, y), generator(seed, "order")) for seed in (0, 0, 1))
    assert torch.equal(one.x[:, 0], one.y)
    for passed in one.y.split(10):
        assert len(set(passed.tolist())) == len(passed)
    assert torch.equal(one.y, again.y)
    assert not torch.equal(one.y, other.y)
    if count > 20:
        assert not torch.equal(one.y[:10], one.y[10:20])


# Training and scoring


def networks(replicas=(3,)):
    count = torch.Size(replicas).numel()
    return MLP((2, 5, 2), "tanh", replicas=replicas, generator=generators(0, count), dtype=torch.float64)


def points(replicas=()):
    made = [circles(40, generator=draw, dtype=torch.float64) for draw in generators(0, 3, "data")]
    return Examples(*stacked(made)) if replicas else Examples(*made[0])


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("batch", [None, 16, 1000])
@pytest.mark.parametrize("own_data", [False, True])
def test_epochs_are_those_of_train(batch, own_data):
    model, peer, data = networks(), networks(), points((3,) if own_data else ())
    losses = descend(model, data, 0.3, seed=5, epochs=4, batch=batch)
    expected = train(
        peer,
        *data,
        loss="cross_entropy",
        optimizer=SGD(peer.parameters(), lr=0.3),
        epochs=4,
        batch_size=None if batch is None else min(batch, 40),
        generator=generator(5, "order"),
    )
    assert losses.shape == ({None: 4, 16: 12, 1000: 4}[batch], 3)
    assert torch.equal(losses, expected)
    for mine, its in zip(weights(model), weights(peer), strict=True):
        assert torch.equal(mine, its)


def test_one_epoch_is_the_default():
    assert descend(networks(), points(), 0.1, seed=0).shape == (1, 3)


class Recorder(nn.Module):
    """One weight a replica, and the batches it was given."""

    def __init__(self, replicas=()):
        super().__init__()
        self.weight, self.batches = nn.Parameter(torch.zeros(*replicas, 1, 1)), []

    def forward(self, x):
        self.batches.append(x[..., 0].detach().clone())
        return x @ self.weight


def test_steps_are_counted_and_use_all_examples_alike():
    x, y = examples(10, 1)
    model = Recorder()
    steps = []
    losses = descend(
        model, Examples(x, y), 0.0, seed=0, steps=7, batch=4, loss="squared_error", callback=steps.append
    )
    assert losses.shape == (7,)
    assert steps == list(range(8))  # before each step and after the last
    assert [len(batch) for batch in model.batches] == [4] * 7
    counts = torch.cat(model.batches).long().bincount(minlength=11)[1:]
    assert counts.sum() == 28
    assert counts.min() == 2  # never a third time before all have come twice
    assert counts.max() == 3


def test_a_batch_may_be_larger_than_the_data():
    model = Recorder()
    losses = descend(model, Examples(*examples(5, 1)), 0.0, seed=0, steps=3, batch=8, loss="squared_error")
    assert losses.shape == (3,)
    assert torch.cat(model.batches).numel() == 24


def test_each_replica_takes_its_own_examples_at_the_same_positions():
    x, y = examples(10, 1)
    model = Recorder((2,))
    both = Examples(torch.stack([x, 100 + x]), torch.stack([y, 100 + y]))
    descend(model, both, 0.0, seed=0, steps=4, batch=3, loss="squared_error")
    for one, other in model.batches:
        assert torch.equal(one + 100, other)


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_a_rate_for_each_network(optimizer):
    """Rates of shape (2, 1) for networks (2, 3): each trains as it would alone at its own."""
    model, data = networks((2, 3)), points()
    options = {"seed": 4, "steps": 12, "batch": 8, "optimizer": optimizer}
    losses = descend(model, data, torch.tensor([[0.05], [0.2]], dtype=torch.float64), **options)
    assert losses.shape == (12, 2, 3)
    for k, rate in enumerate((0.05, 0.2)):
        peer = networks((2, 3))
        expected = descend(peer, data, rate, **options)
        torch.testing.assert_close(losses[:, k], expected[:, k], rtol=1e-9, atol=1e-12)
        for mine, its in zip(weights(model), weights(peer), strict=True):
            torch.testing.assert_close(mine[k], its[k], rtol=1e-9, atol=1e-12)


def test_a_rate_of_0_moves_nothing():
    model = networks((2,))
    before = weights(model)
    descend(model, points(), torch.tensor([0.0, 0.1]), seed=0, epochs=2)
    for mine, its in zip(weights(model), before, strict=True):
        assert torch.equal(mine[0], its[0])
        assert not torch.equal(mine[1], its[1])


def test_the_order_depends_on_the_seed_and_nothing_else():
    runs = []
    for state, seed in ((0, 1), (1, 1), (1, 2)):
        torch.manual_seed(state)
        runs.append(descend(networks(), points(), 0.1, seed=seed, steps=5, batch=8))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[1], runs[2])


class Fixed(nn.Module):
    """Gives these outputs, others in training."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, x):
        return -self.outputs if self.training else self.outputs


@pytest.mark.parametrize("classes", [1, 3])
def test_a_network_without_numbers_guesses(classes):
    """One output that is none is enough, and another network's does not matter."""
    outputs = torch.randn(4, 6, classes, generator=generator(0))
    y = torch.arange(6) % max(classes, 2)
    model = Fixed(outputs).eval()
    assert torch.equal(score(model, Examples(torch.zeros(6, 2), y)), accuracy(outputs, y))
    spoiled = outputs.clone()
    spoiled[1, 3, 0], spoiled[2, 0, -1] = torch.nan, -torch.inf
    found = score(Fixed(spoiled).eval(), Examples(torch.zeros(6, 2), y))
    expected = accuracy(outputs, y)
    expected[1:3] = 1 / max(classes, 2)
    torch.testing.assert_close(found, expected)


def test_a_score_is_of_the_present_mode_and_without_gradients():
    outputs, y = torch.tensor([[1.0], [2.0]]), torch.tensor([1, 1])
    model = Fixed(nn.Parameter(outputs))
    data = Examples(torch.zeros(2, 1), y)
    assert score(model.train(), data) == 0
    assert score(model.eval(), data) == 1
    assert not score(model, data).requires_grad


def test_by_part_gives_each_part_its_own_activation():
    z = torch.tensor([[-1.0, 2.0], [-1.0, 2.0]])[:, None]
    h = by_part(torch.relu, torch.neg)(z)
    assert h.tolist() == [[[0.0, 2.0]], [[1.0, -2.0]]]
    with pytest.raises(ValueError):  # noqa: PT011  a part without an activation: zip's words
        by_part(torch.relu)(z)


def test_everything_that_trials_offers_is_tested_here():
    here = globals()
    functions = {
        name for name, item in vars(trials).items() if getattr(item, "__module__", "") == trials.__name__
    }
    assert functions - {"Scale"} <= here.keys()


def test_networks_start_differently_along_the_last_dimension_alone():
    weight = mlps((2, 3, 1), (2, 4), seed=5, device="cpu").layers[0].weight
    assert weight.shape == (2, 4, 3, 2)
    assert torch.equal(weight[0], weight[1])
    for network, draw in zip(weight[1], generators(5, 4), strict=True):
        assert torch.equal(network, MLP((2, 3, 1), generator=draw).layers[0].weight)
    assert not torch.equal(weight[0, 0], weight[0, 1])
