"""initializers.py: every rule against torch.nn.init, in distribution, and replica by replica to the bit."""

import math
import re
from functools import partial

import pytest
import torch
from scipy.stats import ks_2samp
from torch import nn

from unitgain.devices import best_device
from unitgain.initializers import (
    INITIALIZERS,
    constant_,
    he_normal_,
    initialize,
    initializer,
    lecun_uniform_,
    normal_,
    uniform_,
    zeros_,
)
from unitgain.layers import Linear
from unitgain.models import MLP

DEVICES = sorted({"cpu", best_device().type})
SHAPE = (250, 600)  # fan_out, fan_in: far enough apart to tell them from each other and from their mean
N = SHAPE[0] * SHAPE[1]

he, glorot = partial(partial, nonlinearity="relu"), partial(partial, gain=1.0)
lecun = partial(partial, nonlinearity="linear")
TORCH = {
    "zeros": nn.init.zeros_,
    "uniform": partial(nn.init.uniform_, a=-1.0, b=1.0),
    "normal": nn.init.normal_,
    "lecun_uniform": lecun(nn.init.kaiming_uniform_),
    "lecun_normal": lecun(nn.init.kaiming_normal_),
    "glorot_uniform": glorot(nn.init.xavier_uniform_),
    "glorot_normal": glorot(nn.init.xavier_normal_),
    "he_uniform": he(nn.init.kaiming_uniform_),
    "he_normal": he(nn.init.kaiming_normal_),
}
TORCH |= {f"xavier_{shape}": TORCH[f"glorot_{shape}"] for shape in ("uniform", "normal")}
TORCH |= {f"kaiming_{shape}": TORCH[f"he_{shape}"] for shape in ("uniform", "normal")}

FAN_OUT, FAN_IN = SHAPE
DEVIATION = {
    "zeros": 0.0,
    "uniform": 1 / math.sqrt(3),
    "normal": 1.0,
    "lecun_uniform": FAN_IN**-0.5,
    "lecun_normal": FAN_IN**-0.5,
    "glorot_uniform": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "glorot_normal": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "he_uniform": math.sqrt(2 / FAN_IN),
    "he_normal": math.sqrt(2 / FAN_IN),
}
DEVIATION |= {f"xavier_{shape}": DEVIATION[f"glorot_{shape}"] for shape in ("uniform", "normal")}
DEVIATION |= {f"kaiming_{shape}": DEVIATION[f"he_{shape}"] for shape in ("uniform", "normal")}


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_every_rule_is_tested():
    assert INITIALIZERS.keys() == TORCH.keys() == DEVIATION.keys()


# One network


@pytest.mark.parametrize("name", INITIALIZERS)
def test_distribution(name):
    """Mean and standard deviation within five standard errors, and torch's distribution."""
    mine = INITIALIZERS[name](torch.empty(SHAPE, dtype=torch.float64), generator=seeded(1)[0])
    theirs = TORCH[name](
        torch.empty(SHAPE, dtype=torch.float64), **({} if name == "zeros" else {"generator": seeded(2)[0]})
    )
    sigma = DEVIATION[name]
    assert abs(mine.mean().item()) <= 5 * sigma / math.sqrt(N)
    assert abs(mine.std().item() - sigma) <= 5 * sigma / math.sqrt(2 * N)
    if name != "zeros":
        assert ks_2samp(mine.flatten(), theirs.flatten()).pvalue > 1e-5
    if "uniform" in name:
        assert 0.999 < mine.abs().max().item() / (math.sqrt(3) * sigma) <= 1


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_same_generator_same_numbers_as_torch(name, dtype):
    mine = INITIALIZERS[name](torch.empty(7, 30, dtype=dtype), generator=seeded(3)[0])
    theirs = TORCH[name](
        torch.empty(7, 30, dtype=dtype), **({} if name == "zeros" else {"generator": seeded(3)[0]})
    )
    torch.testing.assert_close(mine, theirs, rtol=4 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_in_place_and_repeatable(name):
    weight = torch.empty(5, 4)
    state = torch.get_rng_state()
    assert INITIALIZERS[name](weight, generator=seeded(0)[0]) is weight
    assert torch.equal(torch.get_rng_state(), state)  # a generator leaves the global one alone
    assert torch.equal(weight, INITIALIZERS[name](torch.empty(5, 4), generator=seeded(0)[0]))
    torch.manual_seed(0)
    assert torch.equal(weight, INITIALIZERS[name](torch.empty(5, 4)))  # no generator: torch's global one


def test_parameters_of_a_graph_can_be_drawn_anew():
    weight = nn.Parameter(torch.ones(3, 2))
    he_normal_(weight)
    assert weight.requires_grad
    assert weight.grad_fn is None


def test_simple_rules():
    assert zeros_(torch.ones(3)).tolist() == [0, 0, 0]
    assert constant_(torch.ones(2, 2), 0.5).unique().tolist() == [0.5]
    weight = uniform_(torch.empty(1000), 2.0, 3.0)
    assert 2 <= weight.min() < 2.05 < 2.95 < weight.max() <= 3
    assert normal_(torch.empty(5), mean=4.0, std=0.0).tolist() == [4.0] * 5


# Replicas


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("replicas", [(6,), (2, 3)])
def test_replica_gets_the_numbers_of_its_generator(name, replicas):
    """To the bit, at sizes on both sides of torch's switch to its vectorized generator (16 numbers)."""
    for shape in [(2, 2), (2, 1), (20, 30)]:
        weight = INITIALIZERS[name](torch.empty(*replicas, *shape), generator=seeded(*range(6)))
        for k, one in enumerate(weight.view(-1, *shape)):
            assert torch.equal(one, INITIALIZERS[name](torch.empty(shape), generator=seeded(k)[0]))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_leading_dimensions_are_replicas_not_fans(name):
    weight = INITIALIZERS[name](torch.empty(2, 3, *SHAPE), generator=seeded(0)[0])
    error = 5 * DEVIATION[name] / math.sqrt(2 * N)
    assert ((weight.std(dim=(-2, -1)) - DEVIATION[name]).abs() <= error).all()


# Models


def test_initialize_draws_weight_before_bias_layer_by_layer():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False), nn.BatchNorm1d(2))
    norm = model[3].weight.clone()
    assert initialize(model, "he_normal", "uniform", generator=seeded(0)[0]) is model
    (generator,) = seeded(0)
    assert torch.equal(model[0].weight, he_normal_(torch.empty(4, 3), generator=generator))
    assert torch.equal(model[0].bias, uniform_(torch.empty(4), generator=generator))
    assert torch.equal(model[2].weight, he_normal_(torch.empty(2, 4), generator=generator))
    assert torch.equal(model[3].weight, norm)


def test_initialize_treats_both_linear_layers_alike():
    theirs = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    mine = MLP((3, 4, 2))
    for model in theirs, mine:
        initialize(model, "lecun_normal", partial(normal_, std=0.1), generator=seeded(0)[0])
    for a, b in zip(theirs.parameters(), mine.parameters(), strict=True):
        assert torch.equal(a, b.view(a.shape))


def test_initialize_takes_layers_without_bias_and_functions():
    layer = initialize(Linear(3, 2, bias=None), lecun_uniform_, generator=seeded(0)[0])
    assert torch.equal(layer.weight, lecun_uniform_(torch.empty(2, 3), generator=seeded(0)[0]))
    assert initialize(nn.Linear(3, 2), bias=partial(constant_, value=0.1)).bias.tolist() == pytest.approx(
        [0.1, 0.1]
    )


def test_initializer_by_name_or_function():
    assert initializer("kaiming_normal") is initializer("he_normal") is initializer(he_normal_) is he_normal_


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", INITIALIZERS)
def test_device(device, name):
    generator = torch.Generator(device).manual_seed(0)
    weight = INITIALIZERS[name](torch.empty(2, *SHAPE, device=device), generator=generator)
    assert weight.device.type == device
    torch.testing.assert_close(weight.std().item(), DEVIATION[name], rtol=5 / math.sqrt(4 * N), atol=0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: uniform_(torch.empty(2), 1.0, 1.0),
            "uniform_: low must be below high, got low=1.0, high=1.0",
        ),
        (
            lambda: uniform_(torch.empty(2), 1.0, math.nan),
            "uniform_: low must be below high, got low=1.0, high=nan",
        ),
        (lambda: normal_(torch.empty(2), std=-0.5), "normal_: std must be at least 0, got -0.5"),
        (lambda: normal_(torch.empty(2), std=math.nan), "normal_: std must be at least 0, got nan"),
        (
            lambda: he_normal_(torch.empty(3)),
            "tensor: a fan needs at least 2 dimensions (fan_out, fan_in), got shape (3,)",
        ),
        (
            lambda: normal_(torch.empty(3, 2, 2), generator=seeded(0, 1)),
            "one generator or one a replica; got 2 for 3 replicas",
        ),
        (
            lambda: normal_(torch.empty(2, 2), generator=[]),
            "one generator or one a replica; got 0 for 1 replicas",
        ),
        (lambda: initializer("he_norm"), "must be one of zeros, uniform, normal, "),
        (lambda: initializer("he_norm"), "got 'he_norm', did you mean 'he_normal'?"),
        (lambda: initializer("Kaiming_Uniform"), "did you mean 'kaiming_uniform'?"),
        (lambda: initializer(3), "got 3, did you mean"),
        (lambda: initialize(nn.Linear(2, 2), "xavier"), "got 'xavier', did you mean 'xavier_"),
        (lambda: initialize(nn.Linear(2, 2), bias="zero"), "got 'zero', did you mean 'zeros'?"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()


def test_bad_names_change_nothing():
    layer = nn.Linear(3, 2)
    before = layer.weight.clone()
    with pytest.raises(ValueError, match="did you mean"):
        initialize(layer, "zeros", "zeroes")
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("device", ["meta", best_device().type])
def test_a_generator_on_the_cpu_draws_for_every_device(device):
    """A tensor on meta has no values, but the generator must have drawn them all."""
    here, there = (torch.Generator().manual_seed(3) for _ in range(2))
    expected = uniform_(torch.empty(4, 3), generator=here)
    drawn = uniform_(torch.empty(4, 3, device=device), generator=there)
    assert there.get_state().equal(here.get_state())
    if device != "meta":
        assert drawn.cpu().equal(expected)
