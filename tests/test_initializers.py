"""initializers.py: every rule against torch.nn.init, in distribution, and replica by replica to the bit."""

import math
import re
from functools import partial

import pytest
import torch
from scipy.stats import chisquare, ks_2samp, kstest, truncnorm
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from unitgain import initializers
from unitgain.activations import gain
from unitgain.devices import best_device
from unitgain.initializers import (
    INITIALIZERS,
    constant_,
    glorot_normal_,
    glorot_uniform_,
    he_normal_,
    he_uniform_,
    identity_,
    initialize,
    initializer,
    lecun_normal_,
    lecun_uniform_,
    lsuv_,
    normal_,
    orthogonal_,
    sparse_,
    truncated_normal_,
    uniform_,
    variance_scaling_,
    zeros_,
)
from unitgain.layers import Linear
from unitgain.models import MLP

DEVICES = sorted({"cpu", best_device().type})
SHAPE = (250, 600)  # fan_out, fan_in: far enough apart to tell them from each other and from their mean
N = SHAPE[0] * SHAPE[1]

he, glorot = partial(partial, nonlinearity="relu"), partial(partial, gain=1.0)
lecun = partial(partial, nonlinearity="linear")
FIXED = {
    "zeros": nn.init.zeros_,
    "ones": nn.init.ones_,
    "identity": nn.init.eye_,
}
TORCH = {
    "uniform": partial(nn.init.uniform_, a=-1.0, b=1.0),
    "normal": nn.init.normal_,
    "truncated_normal": nn.init.trunc_normal_,
    "random_uniform": partial(nn.init.uniform_, a=-0.05, b=0.05),
    "random_normal": partial(nn.init.normal_, std=0.05),
    "orthogonal": nn.init.orthogonal_,
    "lecun_uniform": lecun(nn.init.kaiming_uniform_),
    "lecun_normal": lecun(nn.init.kaiming_normal_),
    "glorot_uniform": glorot(nn.init.xavier_uniform_),
    "glorot_normal": glorot(nn.init.xavier_normal_),
    "he_uniform": he(nn.init.kaiming_uniform_),
    "he_normal": he(nn.init.kaiming_normal_),
}
FAN_OUT, FAN_IN = SHAPE
CUT_AT_2 = truncnorm(-2, 2).std()  # 0.8796
DEVIATION = {
    "uniform": 1 / math.sqrt(3),
    "normal": 1.0,
    "truncated_normal": CUT_AT_2,
    "random_uniform": 0.05 / math.sqrt(3),
    "random_normal": 0.05,
    "lecun_uniform": FAN_IN**-0.5,
    "lecun_normal": FAN_IN**-0.5,
    "glorot_uniform": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "glorot_normal": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "he_uniform": math.sqrt(2 / FAN_IN),
    "he_normal": math.sqrt(2 / FAN_IN),
}
ALIASES = {
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
    "trunc_normal": "truncated_normal",
    "eye": "identity",
}
FUNCTIONS = {  # every initializer of a tensor, as a user calls it
    name: partial(getattr(initializers, name), **({"value": 0.5} if name == "constant_" else {}))
    for name in initializers.__all__
    if name.endswith("_") and name != "lsuv_"
}


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_every_rule_is_tested():
    assert INITIALIZERS.keys() == TORCH.keys() | FIXED.keys() | ALIASES.keys() | {"sparse"}
    assert TORCH.keys() == DEVIATION.keys() | {"orthogonal"}
    assert all(INITIALIZERS[alias] is INITIALIZERS[name] for alias, name in ALIASES.items())
    others = {"sparse", "constant", "variance_scaling"}
    assert {f"{name}_" for name in TORCH.keys() | FIXED.keys() | others} >= FUNCTIONS.keys()


# One network


@pytest.mark.parametrize("name", DEVIATION)
def test_distribution(name):
    """Mean and standard deviation within five standard errors, and torch's distribution."""
    mine = INITIALIZERS[name](torch.empty(SHAPE, dtype=torch.float64), generator=seeded(1)[0])
    theirs = TORCH[name](torch.empty(SHAPE, dtype=torch.float64), generator=seeded(2)[0])
    sigma = DEVIATION[name]
    assert abs(mine.mean().item()) <= 5 * sigma / math.sqrt(N)
    assert abs(mine.std().item() - sigma) <= 5 * sigma / math.sqrt(2 * N)
    assert ks_2samp(mine.flatten(), theirs.flatten()).pvalue > 1e-5
    if "uniform" in name:
        assert 0.999 < mine.abs().max().item() / (math.sqrt(3) * sigma) <= 1


@pytest.mark.parametrize(
    "name", [name for name in TORCH if name != "truncated_normal"]
)  # torch draws again what it cuts off
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_same_generator_same_numbers_as_torch(name, dtype):
    for shape in [(7, 30), (30, 7)]:
        mine = INITIALIZERS[name](torch.empty(shape, dtype=dtype), generator=seeded(3)[0])
        theirs = TORCH[name](torch.empty(shape, dtype=dtype), generator=seeded(3)[0])
        torch.testing.assert_close(mine, theirs, rtol=4 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("shape", [(7, 30), (30, 7), (5, 5)])
def test_fixed_rules_are_torchs(name, shape):
    assert torch.equal(INITIALIZERS[name](torch.empty(shape)), FIXED[name](torch.empty(shape)))


KERAS_BOUND = {  # Keras's limits and standard deviations, written out
    lecun_uniform_: lambda fan_in, fan_out: math.sqrt(3 / fan_in),
    glorot_uniform_: lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)),
    he_uniform_: lambda fan_in, fan_out: math.sqrt(6 / fan_in),
}
KERAS_STD = {
    lecun_normal_: lambda fan_in, fan_out: math.sqrt(1 / fan_in),
    glorot_normal_: lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    he_normal_: lambda fan_in, fan_out: math.sqrt(2 / fan_in),
}


@pytest.mark.parametrize("rule", KERAS_BOUND | KERAS_STD, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("gain", [1.0, 0.3])
@pytest.mark.parametrize("fans", [None, (7, 90)])
def test_keras_formulas_with_gain_and_fans(rule, gain, fans):
    """The same draw as plain numbers of Keras's size, times the gain."""
    drawn = rule(torch.empty(50, 20), gain=gain, fans=fans, generator=seeded(5)[0])
    fan_in, fan_out = fans or (20, 50)
    if rule in KERAS_BOUND:
        size, plain = KERAS_BOUND[rule](fan_in, fan_out), uniform_
    else:
        size, plain = KERAS_STD[rule](fan_in, fan_out), normal_
    expected = plain(torch.empty(50, 20), generator=seeded(5)[0]) * (gain * size)
    torch.testing.assert_close(drawn, expected, rtol=1e-5, atol=1e-6 * size)


SHORT = {  # scale and mode of the six rules
    "lecun": (1.0, "fan_in"),
    "glorot": (1.0, "fan_avg"),
    "he": (2.0, "fan_in"),
}


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize("name", SHORT)
def test_six_rules_are_variance_scaling(name, distribution):
    drawn = INITIALIZERS[f"{name}_{distribution}"](torch.empty(50, 20), gain=0.7, generator=seeded(0)[0])
    scaled = variance_scaling_(
        torch.empty(50, 20), *SHORT[name], distribution, gain=0.7, generator=seeded(0)[0]
    )
    assert torch.equal(drawn, scaled)


@pytest.mark.parametrize("distribution", ["normal", "uniform", "truncated_normal"])
@pytest.mark.parametrize(
    ("mode", "fan"), [("fan_in", FAN_IN), ("fan_out", FAN_OUT), ("fan_avg", (FAN_IN + FAN_OUT) / 2)]
)
def test_variance_scaling(mode, fan, distribution):
    w = variance_scaling_(
        torch.empty(2, *SHAPE, dtype=torch.float64), 3.0, mode, distribution, gain=0.5, generator=seeded(1)[0]
    )
    sigma = 0.5 * math.sqrt(3 / fan)
    assert abs(w.std().item() - sigma) <= 5 * sigma / math.sqrt(2 * 2 * N)
    largest = {"uniform": math.sqrt(3) * sigma, "truncated_normal": 2 * sigma / CUT_AT_2}.get(distribution)
    if largest:
        assert 0.999 < w.abs().max().item() / largest <= 1


@pytest.mark.parametrize("name", ["lecun_normal", "lecun_uniform", "glorot_normal", "he_uniform", "sparse"])
def test_complex_weights_have_the_variance_of_real_ones(name):
    w = INITIALIZERS[name](torch.empty(SHAPE, dtype=torch.complex64), generator=seeded(0)[0])
    sigma = {"sparse": FAN_IN**-0.5}.get(name) or DEVIATION[name]
    assert w.var().item() == pytest.approx(sigma**2, rel=0.06 if name == "sparse" else 0.02)
    assert w.real.var().item() == pytest.approx(w.imag.var().item(), rel=0.1)


def test_complex_orthogonal_is_unitary():
    w = orthogonal_(torch.empty(5, 3, dtype=torch.complex128), generator=seeded(0)[0])
    torch.testing.assert_close(w.mH @ w, torch.eye(3, dtype=w.dtype))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (0, 0), (2, 0, 3), (2, 3, 0)])
def test_tensors_without_elements_stay(name, shape):
    """As in torch, whose functions return them."""
    generators = seeded(*range(2 if len(shape) == 3 else 1))
    for generator in (None, generators[0], generators):
        assert FUNCTIONS[name](torch.empty(shape), generator=generator).shape == shape


def test_replicas_may_lie_anywhere_in_memory():
    strided = partial(torch.empty_strided, stride=(1, 120, 4))
    weight = he_normal_(strided((4, 20, 30)), generator=seeded(0, 1, 2, 3))
    for k in range(4):
        assert torch.equal(weight[k], he_normal_(strided((1, 20, 30)), generator=seeded(k)[0])[0])


def test_fans_free_the_tensors_shape():
    assert he_normal_(torch.empty(4), fans=(9, 2), generator=seeded(0)[0]).shape == (4,)


def test_gain_of_an_activation_preserves_the_signal():
    """Ten layers of tanh: with the computed gain the pre-activations keep their size."""
    x = normal_(torch.empty(500, 400), generator=seeded(0)[0])
    generator = seeded(1)[0]
    sizes = {}
    for g in (1.0, gain("tanh")):
        h = x
        for _ in range(10):
            h = torch.tanh(h) @ lecun_normal_(torch.empty(400, 400), gain=g, generator=generator).mT
        sizes[g] = h.square().mean().item()
    assert sizes[1.0] < 0.15
    assert sizes[gain("tanh")] == pytest.approx(1, abs=0.1)


BOUNDS = [(-2, 2), (-1, 3), (0, 1), (1, 3), (4, 6), (-9, -7), (10, 12), (-12, 12)]


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_truncated_normal_is_scipys(bounds, dtype):
    w = truncated_normal_(torch.empty(100, 300, dtype=dtype), 3.0, 2.0, *bounds, generator=seeded(4)[0])
    z = (w.double() - 3) / 2
    assert z.min() >= bounds[0] - 1e-6
    assert z.max() <= bounds[1] + 1e-6
    assert kstest(z.flatten(), truncnorm(*bounds).cdf).pvalue > 1e-5
    assert abs(z.mean() - truncnorm(*bounds).mean()) <= 5 * truncnorm(*bounds).std() / math.sqrt(z.numel())


def test_truncated_normal_counts_in_standard_deviations():
    small = truncated_normal_(torch.empty(SHAPE), std=0.02, generator=seeded(0)[0])
    one = truncated_normal_(torch.empty(SHAPE), generator=seeded(0)[0])
    torch.testing.assert_close(small, 0.02 * one)
    assert 0.0399 < small.abs().max() <= 0.04
    assert truncated_normal_(torch.empty(2, 2), 1.5, 0.0).tolist() == [[1.5] * 2] * 2
    absurd = truncated_normal_(torch.empty(2, 2), low=-60, high=-50)  # beyond what float64 can tell from 0
    assert ((absurd >= -60) & (absurd <= -50)).all()


@pytest.mark.parametrize("replicas", [(), (3,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sparse_connects_each_neuron_to_as_many_inputs(replicas, dtype):
    rows, inputs = 600, 1000
    w = sparse_(torch.empty(*replicas, rows, inputs, dtype=dtype), 7, generator=seeded(0)[0])
    assert ((w != 0).sum(-1) == 7).all()
    drawn = w[w != 0].double()
    assert abs(drawn.std() - 7**-0.5) <= 5 * 7**-0.5 / math.sqrt(2 * len(drawn))
    assert abs(drawn.mean()) <= 5 * 7**-0.5 / math.sqrt(len(drawn))
    per_input = (w != 0).sum(-2)
    assert per_input.unique().numel() > 1  # torch's rule would make them equal
    # Every input is equally likely: Pearson's statistic of ten blocks of inputs, whatever the weight's dtype
    per_block = per_input.view(-1, 10, inputs // 10).sum(-1)
    statistic = ((per_block - rows * 7 / 10) ** 2).sum() / (rows * 7 / 10)
    degrees = per_block.numel() - len(per_block)
    assert statistic <= degrees + 5 * math.sqrt(2 * degrees)
    assert torch.unique((w != 0).view(-1, inputs), dim=0).shape[0] == w[..., 0].numel()


def test_sparse_in_small_layers_and_with_its_own_std():
    w = sparse_(torch.empty(4000, 3), generator=seeded(0)[0])
    assert (w != 0).all()
    assert abs(w.std() - 3**-0.5) <= 5 * 3**-0.5 / math.sqrt(2 * w.numel())
    w = sparse_(torch.empty(4000, 30), 2, std=0.1, generator=seeded(0)[0])
    assert abs(w[w != 0].std() - 0.1) <= 5 * 0.1 / math.sqrt(2 * 8000)
    assert (sparse_(torch.ones(3, 20), std=0.0) == 0).all()


@pytest.mark.parametrize("shape", [(30, 30), (50, 20), (20, 50), (2, 3, 20, 50), (4, 50, 20)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orthogonal_has_singular_values_of_gain(shape, dtype):
    w = orthogonal_(torch.empty(shape, dtype=dtype), 1.5, generator=seeded(0)[0])
    wide = w if shape[-2] <= shape[-1] else w.mT
    eye = 1.5**2 * torch.eye(wide.shape[-2], dtype=dtype)
    tolerance = 2e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(wide @ wide.mT, eye.expand(*shape[:-2], -1, -1), rtol=0, atol=2 * tolerance)
    torch.testing.assert_close(
        torch.linalg.svdvals(w), torch.full_like(wide[..., 0], 1.5), rtol=0, atol=tolerance
    )


def test_orthogonal_matrices_are_equally_likely():
    """Without the signs of R's diagonal the first entry would be negative in every draw."""
    n = 4000
    w = orthogonal_(torch.empty(n, 3, 3, dtype=torch.float64), generator=seeded(0)[0])
    assert (w.mean(0).abs() <= 5 * math.sqrt(1 / 3 / n)).all()
    for entry in w.view(n, 9).T:  # the coordinate of a uniform point on the sphere is U(-1, 1): Archimedes
        assert kstest(entry, "uniform", (-1, 2)).pvalue > 1e-5
    positive = int((torch.linalg.det(w) > 0).sum())
    assert chisquare([positive, n - positive]).pvalue > 1e-5


def test_identity_of_every_replica():
    w = identity_(torch.empty(2, 3, 4), gain=2.0)
    assert torch.equal(w, 2 * torch.eye(3, 4).expand(2, 3, 4))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_in_place_and_repeatable(name):
    weight = torch.empty(5, 4)
    state = torch.get_rng_state()
    assert INITIALIZERS[name](weight, generator=seeded(0)[0]) is weight
    assert torch.equal(torch.get_rng_state(), state)  # a generator leaves the global one alone
    assert torch.equal(weight, INITIALIZERS[name](torch.empty(5, 4), generator=seeded(0)[0]))
    torch.manual_seed(0)
    assert torch.equal(weight, INITIALIZERS[name](torch.empty(5, 4)))  # no generator: torch's global one


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parameters_of_a_graph_can_be_drawn_anew(name):
    weight = nn.Parameter(torch.full((3, 2), 7.0))
    FUNCTIONS[name](weight)
    assert (weight != 7).all()
    assert weight.requires_grad
    assert weight.grad_fn is None


def test_simple_rules():
    assert zeros_(torch.ones(3)).tolist() == [0, 0, 0]
    assert constant_(torch.ones(2, 2), 0.5).unique().tolist() == [0.5]
    weight = uniform_(torch.empty(1000), 2.0, 3.0)
    assert 2 <= weight.min() < 2.05 < 2.95 < weight.max() <= 3
    assert normal_(torch.empty(5), mean=4.0, std=0.0).tolist() == [4.0] * 5


# Replicas


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("replicas", [(6,), (2, 3)])
def test_replica_gets_the_numbers_of_its_generator(name, replicas, dtype):
    """To the bit, at sizes on both sides of torch's switch to its vectorized generator (16 numbers)."""
    for shape in [(2, 2), (2, 1), (20, 30)]:
        weight = FUNCTIONS[name](torch.empty(*replicas, *shape, dtype=dtype), generator=seeded(*range(6)))
        for k, one in enumerate(weight.view(-1, *shape)):
            single = FUNCTIONS[name](torch.empty(shape, dtype=dtype), generator=seeded(k)[0])
            assert torch.equal(one, single)


@pytest.mark.parametrize("name", DEVIATION)
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


CONVOLUTIONS = [
    nn.Conv1d(4, 6, 3),
    nn.Conv2d(4, 6, (3, 2), bias=False),
    nn.Conv3d(2, 4, (3, 2, 1)),
    nn.Conv2d(4, 6, 3, groups=2, padding_mode="circular", padding=1),
    nn.Conv2d(4, 4, 3, groups=4, dilation=2),
    nn.ConvTranspose1d(4, 6, 3),
    nn.ConvTranspose2d(4, 6, (3, 2), groups=2),
    nn.ConvTranspose3d(2, 3, (2, 1, 2), bias=False),
]


def connections(layer):
    """How many inputs an output of a convolution adds up, and how many outputs an input reaches: counted."""
    dims = layer.weight.ndim - 2
    x = torch.ones(1, layer.in_channels, *[11] * dims, requires_grad=True)
    with torch.no_grad():
        layer.weight.copy_(layer.weight != 0)
    y = layer(x)
    if layer.bias is not None:
        y = y - layer.bias.view(-1, *[1] * dims)
    y.sum().backward()
    middle = (0, slice(None), *[size // 2 for size in y.shape[2:]])
    return y[middle].detach(), x.grad[0][(slice(None), *[5] * dims)]


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
def test_fans_of_convolutions(layer):
    """Against torch's where there are no groups, and everywhere against the connections themselves."""
    seen = []

    def rule(tensor, *, fans, generator):
        seen.append((fans, tuple(tensor.shape)))
        tensor.fill_(1.0)

    initialize(layer, rule)
    ((fans, shape),) = seen
    fan_in, fan_out = fans
    assert shape == (layer.out_channels, fan_in)
    if layer.groups == 1:
        theirs = nn.init._calculate_fan_in_and_fan_out(layer.weight)
        assert fans == (theirs[::-1] if layer.transposed else theirs)
    ins, outs = connections(layer)
    assert (ins == fan_in).all()
    assert (outs == fan_out).all()


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
def test_rules_that_know_no_fans_see_the_matrix_of_a_convolution(layer):
    """Exactly two connections an output channel, wherever the layer keeps its weights."""
    initialize(layer, partial(sparse_, connections=2), generator=seeded(0)[0])
    ins, _ = connections(layer)
    assert (ins == 2).all()


def test_convolutions_are_drawn_as_matrices():
    conv = initialize(nn.Conv2d(3, 40, 5), "orthogonal", generator=seeded(0)[0])
    torch.testing.assert_close(conv.weight.flatten(1) @ conv.weight.flatten(1).T, torch.eye(40))
    expected = orthogonal_(torch.empty(40, 75), generator=seeded(0)[0])
    assert torch.equal(conv.weight.flatten(1), expected)
    channels_last = nn.Conv2d(3, 40, 5).to(memory_format=torch.channels_last)
    initialize(channels_last, "orthogonal", generator=seeded(0)[0])
    assert torch.equal(channels_last.weight.flatten(1), expected)
    deconv = initialize(nn.ConvTranspose2d(10, 4, 3), "orthogonal", generator=seeded(0)[0])
    outputs = deconv.weight.transpose(0, 1).flatten(1)
    torch.testing.assert_close(outputs @ outputs.T, torch.eye(4))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_he_preserves_the_signal_through_convolutions(kind, groups):
    """Away from the border, outputs of rectified N(0, 1) have variance 1 again; torch's fan of a transposed
    convolution would give a third of it."""
    layer = initialize(kind(24, 72, 3, groups=groups, bias=False), "he_normal", generator=seeded(0)[0])
    x = normal_(torch.empty(20, 24, 9, 9), generator=seeded(1)[0]).relu()
    squares = layer(x)[:, :, 3:-3, 3:-3].square().mean((0, 2, 3))  # one a channel: independent
    assert abs(squares.mean() - 1) <= 5 * squares.std() / math.sqrt(72)
    assert 5 * squares.std() / math.sqrt(72) < 0.5


def test_rules_by_type_the_most_specific_first():
    class Head(nn.Linear):
        pass

    model = nn.Sequential(
        nn.Conv1d(2, 4, 3),
        nn.LayerNorm(4),
        nn.Embedding(5, 4),
        nn.Linear(4, 4),
        Head(4, 3, bias=False),
        Linear(4, 2),
    )
    norm, embedding = model[1].weight.clone(), model[2].weight.clone()
    rules = {
        nn.Linear: ("ones", partial(constant_, value=0.5)),
        Head: "identity",
        nn.Conv1d: partial(constant_, value=3.0),
    }
    initialize(model, "lecun_normal", partial(constant_, value=0.1), rules=rules, generator=seeded(0)[0])
    assert model[0].weight.unique().tolist() == [3.0]
    assert model[0].bias.tolist() == pytest.approx([0.1] * 4)
    assert torch.equal(model[1].weight, norm)
    assert torch.equal(model[2].weight, embedding)
    assert model[3].weight.unique().tolist() == [1.0]
    assert model[3].bias.unique().tolist() == [0.5]
    assert torch.equal(model[4].weight, torch.eye(3, 4))
    assert torch.equal(model[5].weight, lecun_normal_(torch.empty(2, 4), generator=seeded(0)[0]))

    initialize(model, rules={nn.Module: ("ones", "zeros"), nn.Embedding: "zeros"})
    assert model[1].weight.tolist() == [1.0] * 4
    assert (model[2].weight == 0).all()
    assert all((model[k].weight == 1).all() for k in (0, 3, 4, 5))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_whole_models_in_bfloat16(name):
    """The numbers of float32 to bfloat16's three digits, where both are drawn alike; else their size."""
    model = nn.Sequential(nn.Conv2d(1, 30, 5), nn.Flatten(), nn.Linear(30, 400), MLP((400, 20, 3)))
    for dtype in (torch.float32, torch.bfloat16):
        initialize(model.to(dtype), name, generator=seeded(0)[0])
        sizes = [p.double().square().mean().sqrt().item() for p in model.parameters() if p.ndim > 1]
        if dtype == torch.float32:
            expected = sizes
    assert sizes == pytest.approx(expected, rel=0.15)
    assert all(p.dtype == torch.bfloat16 and p.isfinite().all() for p in model.parameters())


def test_initializer_by_name_or_function():
    assert initializer("kaiming_normal") is initializer("he_normal") is initializer(he_normal_) is he_normal_


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", DEVIATION)
def test_device(device, name):
    generator = torch.Generator(device).manual_seed(0)
    weight = INITIALIZERS[name](torch.empty(2, *SHAPE, device=device), generator=generator)
    assert weight.device.type == device
    torch.testing.assert_close(weight.std().item(), DEVIATION[name], rtol=5 / math.sqrt(4 * N), atol=0)


def test_unknown_names_say_the_closest():
    closest = {"he_norm": "he_normal", "Kaiming_Uniform": "kaiming_uniform", "he": "he_", 3: ""}
    for wrong, right in closest.items():
        says = re.escape(f"got {wrong!r}, did you mean '{right}")
        with pytest.raises(ValueError, match=rf"must be one of zeros, ones, uniform, .*{says}"):
            initializer(wrong)


def test_number_of_generators_is_the_number_of_replicas():
    for generators, shape, replicas in [(2, (3, 2, 2), 3), (0, (2, 2), 1)]:
        says = f"one generator or one a replica, got {generators} for {replicas} replicas"
        with pytest.raises(ValueError, match=says):
            normal_(torch.empty(shape), generator=seeded(*range(generators)))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(4, 4, 3, padding=1),
        nn.Conv2d(4, 4, (3, 5), padding=(1, 2), groups=2),
        nn.Conv3d(2, 2, (3, 1, 3), padding=(1, 0, 1), bias=False),
        nn.ConvTranspose1d(4, 4, 3, padding=1),
        nn.ConvTranspose2d(4, 4, 3, padding=1, groups=4),
    ],
    ids=str,
)
def test_identity_of_a_convolution_hands_its_inputs_on(layer):
    x = torch.randn(2, layer.in_channels, *[5] * (layer.weight.ndim - 2), generator=seeded(0)[0])
    assert torch.equal(initialize(layer, "identity")(x), x)
    assert torch.equal(initialize(layer, partial(identity_, gain=0.5))(x), x / 2)


@pytest.mark.parametrize(
    "layer",
    [nn.Conv1d(6, 4, 4, groups=2), nn.Conv2d(4, 6, (2, 3)), nn.Conv2d(2, 8, 3, groups=2), nn.Conv3d(3, 2, 2)],
    ids=str,
)
def test_identity_of_any_convolution_is_torchs_dirac(layer):
    expected = nn.init.dirac_(torch.empty_like(layer.weight), layer.groups)
    assert torch.equal(initialize(layer, "identity").weight, expected)


# Layers that only rules reach


@pytest.mark.parametrize(
    ("layer", "gates"),
    [
        (nn.LSTM(3, 5, num_layers=2, bidirectional=True, proj_size=2), 4),
        (nn.GRU(3, 5, num_layers=2), 3),
        (nn.RNN(3, 5, bias=False), 1),
        (nn.LSTMCell(3, 5), 4),
        (nn.GRUCell(3, 5, bias=False), 3),
        (nn.RNNCell(3, 5), 1),
        (nn.MultiheadAttention(5, 1, add_bias_kv=True), 3),
        (nn.MultiheadAttention(5, 1, kdim=3, vdim=2, bias=False), 1),
    ],
    ids=str,
)
def test_rules_draw_each_gate_and_block_as_a_matrix(layer, gates):
    """In torch's order, each with the fans of its own (rows, columns)."""
    rules = {nn.Module: "orthogonal", type(layer): ("glorot_uniform", partial(constant_, value=0.5))}
    initialize(layer, rules=rules, generator=seeded(0)[0])
    (generator,) = seeded(0)
    for name, drawn in layer.named_parameters():
        if name.startswith("out_proj"):
            continue
        if "bias" in name:
            assert (drawn == 0.5).all(), name
            continue
        count = 1 if name.startswith("weight_hr") else gates
        assert len(drawn) == (2 if name.startswith("weight_hr") else count * 5)
        for block in drawn.chunk(count):
            assert torch.equal(block, glorot_uniform_(torch.empty(block.shape), generator=generator)), name


def test_without_rules_they_keep_what_they_have():
    model = nn.ModuleList([nn.Linear(2, 2), nn.GRU(2, 2), nn.Embedding(3, 2), nn.MultiheadAttention(2, 1)])
    before = {name: p.clone() for name, p in model.named_parameters()}
    initialize(model, "zeros", partial(constant_, value=0.5))
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"0.weight", "0.bias", "3.out_proj.weight", "3.out_proj.bias"}


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_padding_rows_are_zero(kind):
    table = initialize(kind(6, 4, padding_idx=-2), rules={kind: "normal"}, generator=seeded(0)[0]).weight
    expected = normal_(torch.empty(6, 4), generator=seeded(0)[0])
    expected[4] = 0
    assert torch.equal(table, expected)


def test_bilinear_layers_add_up_pairs_of_inputs():
    weight = initialize(nn.Bilinear(30, 20, 50), rules={nn.Bilinear: "lecun_normal"}).weight
    assert weight.var().item() * 600 == pytest.approx(1, abs=5 * math.sqrt(2 / weight.numel()))


def test_rules_reach_subclasses_and_frozen_layers():
    class Mine(nn.LSTM):
        pass

    layer = Mine(2, 2).requires_grad_(False)
    assert all((p == 1).all() for p in initialize(layer, rules={nn.RNNBase: ("ones", "ones")}).parameters())


# Weights that are computed, shared or cannot be written


def pruned(layer):
    torch.manual_seed(0)
    return prune.random_unstructured(layer, "weight", amount=0.5)


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight

    def right_inverse(self, weight):
        return weight / 2


class OneWay(nn.Module):
    def forward(self, weight):
        return weight.exp()


def parametrized(parametrization):
    return lambda layer: parametrize.register_parametrization(layer, "weight", parametrization())


WRITABLE = {
    "weight_norm": parametrizations.weight_norm,
    "weight_norm, whole": partial(parametrizations.weight_norm, dim=None),
    "older weight_norm": nn.utils.weight_norm,
    "older weight_norm, columns": partial(nn.utils.weight_norm, dim=1),
    "doubled": parametrized(Doubled),
    "doubled weight_norm": lambda layer: parametrized(Doubled)(parametrizations.weight_norm(layer)),
    "pruned": pruned,
    "pruned twice": lambda layer: pruned(pruned(layer)),
}
older = pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm`:FutureWarning")


@older
@pytest.mark.parametrize("way", WRITABLE)
@pytest.mark.parametrize("rule", ["zeros", "ones", "he_normal", "orthogonal", "identity", "sparse"])
@pytest.mark.parametrize("make", [partial(nn.Linear, 20, 30), partial(nn.Conv2d, 4, 6, 3, groups=2)])
def test_computed_weights_are_what_is_drawn(make, way, rule):
    layer, plain = WRITABLE[way](make()), make()
    kept = {id(p) for p in layer.parameters()}
    for one in (nn.Sequential(layer), plain):
        initialize(one, rule, "ones", generator=seeded(0)[0])
    expected = plain.weight * getattr(layer, "weight_mask", 1)
    torch.testing.assert_close(layer.weight, expected)
    layer(torch.zeros(1, *([20] if make.func is nn.Linear else [4, 3, 3])))  # older ones compute it here
    torch.testing.assert_close(layer.weight, expected)
    assert (layer.bias == 1).all()
    assert {id(p) for p in layer.parameters()} == kept  # the optimizer's
    if "pruned" in way:
        assert torch.equal(layer.weight_orig, plain.weight)


def test_weight_norm_of_zeros_can_learn():
    layer = initialize(parametrizations.weight_norm(nn.Linear(3, 2)), "zeros")
    layer(torch.ones(1, 3)).sum().backward()
    gradients = [p.grad for p in layer.parametrizations.weight.parameters()]
    assert all(g.isfinite().all() for g in gradients)
    assert gradients[0].abs().min() > 0


@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0"])
def test_rules_write_through_the_parametrization_of_a_gate(name):
    layer, plain = parametrizations.weight_norm(nn.LSTM(3, 4), name), nn.LSTM(3, 4)
    for one in (layer, plain):
        initialize(one, rules={nn.LSTM: "orthogonal"}, generator=seeded(0)[0])
    torch.testing.assert_close(getattr(layer, name), getattr(plain, name))
    x = normal_(torch.empty(5, 2, 3))
    torch.testing.assert_close(layer(x)[0], plain(x)[0])


@pytest.mark.parametrize("norm", [parametrizations.spectral_norm, nn.utils.spectral_norm])
@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (20, 20)])
@pytest.mark.parametrize("rule", ["orthogonal", "identity"])
def test_spectral_norm_holds_what_has_norm_1(norm, shape, rule):
    layer = initialize(norm(nn.Linear(*shape)), rule, generator=seeded(0)[0])
    expected = INITIALIZERS[rule](torch.empty(shape[::-1]), generator=seeded(0)[0])
    x = normal_(torch.empty(7, shape[0]))
    for one in (layer.train(), layer.eval()):
        torch.testing.assert_close(one(x), x @ expected.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("way", [{}, {"orthogonal_map": "householder", "use_trivialization": False}])
@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (20, 20)])
def test_orthogonal_parametrizations_hold_orthogonal_weights(way, shape):
    layer = initialize(
        parametrizations.orthogonal(nn.Linear(*shape), **way), "orthogonal", generator=seeded(0)[0]
    )
    expected = orthogonal_(torch.empty(shape[::-1]), generator=seeded(0)[0])
    torch.testing.assert_close(layer.weight, expected, rtol=0, atol=1e-5)


class Computed(nn.Module):
    is_linear = True
    weight = property(lambda self: 3 * self.third)

    def __init__(self):
        super().__init__()
        self.third = nn.Parameter(torch.ones(6, 6))


UNWRITABLE = {
    "spectral_norm": (parametrizations.spectral_norm, "_SpectralNorm"),
    "older spectral_norm": (nn.utils.spectral_norm, "SpectralNorm"),
    "orthogonal": (parametrizations.orthogonal, "_Orthogonal"),
    "Cayley": (
        partial(parametrizations.orthogonal, orthogonal_map="cayley", use_trivialization=False),
        "not possible to assign",
    ),
    "one way": (parametrized(OneWay), "right_inverse"),
    "computed": (lambda layer: Computed(), "computed elsewhere"),
}


def state(model):
    """All that a refused call must leave: values, and which tensors hold them."""
    tensors = [*model.parameters(), *model.buffers()]
    return [t.clone() for t in tensors], tensors


def assert_as_before(model, before):
    values, tensors = before
    assert all(a is b for a, b in zip([*model.parameters(), *model.buffers()], tensors, strict=True))
    assert all(torch.equal(t, old) for t, old in zip(tensors, values, strict=True))


@pytest.mark.parametrize("way", UNWRITABLE)
@pytest.mark.parametrize("rule", ["zeros", "he_normal", "lsuv"])
def test_weights_that_cannot_be_held_are_refused_by_name_and_change_nothing(way, rule):
    make, says = UNWRITABLE[way]
    model = nn.Sequential(nn.Linear(6, 6), nn.Sigmoid(), make(nn.Linear(6, 6)))
    call = (
        partial(lsuv_, x=normal_(torch.empty(30, 6))) if rule == "lsuv" else partial(initialize, weight=rule)
    )
    before = state(model)
    with pytest.raises(ValueError, match=f"layer '2' must .*{says}"):
        call(model)
    assert_as_before(model, before)


@older
def test_a_refused_call_leaves_computed_weights_alone():
    model = nn.Sequential(pruned(nn.Linear(6, 6)), nn.utils.weight_norm(nn.Linear(6, 6)), of_shape_1())
    before, computed = state(model), [layer.weight.clone() for layer in model]
    with pytest.raises(ValueError, match="expanded"):
        initialize(model, "he_normal")
    assert_as_before(model, before)
    assert all(torch.equal(layer.weight, old) for layer, old in zip(model, computed, strict=True))


def of_shape_1():
    layer = nn.Linear(6, 6)
    layer.weight = nn.Parameter(torch.ones(6).expand(6, 6))
    return layer


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_layers_are_refused_until_they_have_shapes():
    model = nn.Sequential(nn.Linear(2, 3), nn.LazyLinear(4))
    before = model[0].weight.clone()
    for call in (initialize, partial(lsuv_, x=torch.ones(3, 2))):
        with pytest.raises(ValueError, match=r"'1' .* LazyLinear that has not seen a batch|1.weight without"):
            call(model)
    assert torch.equal(model[0].weight, before)
    model(torch.ones(3, 2))
    assert (initialize(model, "ones")[1].weight == 1).all()


class Tied(nn.Module):
    """A table of 7 words, its padding row 2, that is the last layer's weight, too."""

    def __init__(self):
        super().__init__()
        self.embed, self.hidden = nn.Embedding(7, 9, padding_idx=2), nn.Linear(9, 9)
        self.head = nn.Linear(9, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, words):
        return self.head(self.hidden(self.embed(words)))


@pytest.mark.parametrize("rules", [{nn.Embedding: partial(constant_, value=3.0)}, {}])
def test_tied_tensors_take_the_rule_of_the_type_that_rules_name(rules):
    model = initialize(Tied(), "ones", rules=rules)
    expected = torch.full((7, 9), 3.0 if rules else 1.0)
    expected[2] = 0
    assert torch.equal(model.embed.weight, expected)
    assert (model.hidden.weight == 1).all()


def test_inside_inference_mode():
    with torch.inference_mode():
        layer = initialize(nn.Linear(3, 2), "he_normal", generator=seeded(0)[0])
    assert torch.equal(layer.weight, he_normal_(torch.empty(2, 3), generator=seeded(0)[0]))


def test_bad_names_change_nothing():
    layer = nn.Linear(3, 2)
    before = layer.weight.clone()
    with pytest.raises(ValueError, match="did you mean"):
        initialize(layer, "zeros", "zeroes")
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("device", ["meta", best_device().type])
def test_a_generator_on_the_cpu_draws_for_every_device(device, name):
    """A tensor on meta has no values, but the generator must have drawn them all."""
    here, there = (torch.Generator().manual_seed(3) for _ in range(2))
    expected = FUNCTIONS[name](torch.empty(4, 3), generator=here)
    drawn = FUNCTIONS[name](torch.empty(4, 3, device=device), generator=there)
    assert there.get_state().equal(here.get_state())
    assert drawn.device.type == device
    if device != "meta":
        assert drawn.cpu().equal(expected)


# Fitted to data


def outputs(model, x):
    """What every linear layer makes of x."""
    seen = {}
    handles = [
        layer.register_forward_hook(lambda _, __, z, name=name: seen.setdefault(name, z.detach()))
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    model(x)
    for handle in handles:
        handle.remove()
    return seen


def convolutional():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.GELU(),
        nn.Conv2d(8, 16, 3, groups=2, bias=False),
        nn.Softplus(),
        nn.Flatten(),
        nn.Linear(64, 30),
        nn.Sigmoid(),
        nn.Linear(30, 4),
    )


def test_lsuv_gives_every_layer_unit_variance():
    model, x = convolutional(), 7 + 3 * normal_(torch.empty(60, 3, 6, 6), generator=seeded(0)[0])
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    norm = model[1].weight.clone()
    assert lsuv_(model, x, generator=seeded(1)[0]) == {"0": 1, "3": 1, "6": 1, "8": 1}
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())
    assert torch.equal(model[1].weight, norm)
    assert not any(layer._forward_hooks for layer in model.modules())
    for name, z in outputs(model, x).items():
        assert z.var(correction=0).item() == pytest.approx(1, abs=0.01), name
    for layer, bias in [(model[0], 8), (model[6], 30), (model[8], 4)]:
        assert layer.bias.tolist() == [0.0] * bias
    start = initialize(convolutional(), "orthogonal", generator=seeded(1)[0])
    for k in (0, 3, 6, 8):  # the direction is the orthogonal start's
        ratio = model[k].weight / start[k].weight
        torch.testing.assert_close(ratio, ratio.flatten()[0].expand_as(ratio), rtol=1e-4, atol=0)


def test_lsuv_beats_the_theory_where_there_is_none():
    """Thirty layers of a sigmoid: Glorot's variance is gone, LSUV's stays."""
    x = normal_(torch.empty(200, 50), generator=seeded(0)[0])
    model = nn.Sequential(*[layer for _ in range(30) for layer in (nn.Linear(50, 50), nn.Sigmoid())])
    assert max(lsuv_(model, x, generator=seeded(1)[0]).values()) == 1
    variances = [z.var(correction=0).item() for z in outputs(model, x).values()]
    assert variances == pytest.approx([1] * 30, abs=0.01)


class ByRows(nn.Module):
    """Our own layers, called as torch's are."""

    def __init__(self, replicas=()):
        super().__init__()
        self.first = Linear(6, 5, replicas=replicas)
        self.last = Linear(5, 2, replicas=replicas, bias=None)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


@pytest.mark.parametrize("make", [ByRows, lambda replicas=(): MLP((6, 5, 2), "tanh", replicas=replicas)])
@pytest.mark.parametrize("replicas", [(4,), (2, 2)])
@pytest.mark.parametrize(("scale", "tolerance"), [(5, 0.01), (1, 0.05)])  # 1: some replicas can stay
def test_lsuv_rescales_each_replica_apart(make, replicas, scale, tolerance):
    """As if it were alone: replica k becomes the single network of generator k."""
    x = scale * normal_(torch.empty(40, 6), generator=seeded(9)[0])
    many = make(replicas=replicas)
    counts = lsuv_(many, x, tolerance=tolerance, generator=seeded(0, 1, 2, 3))
    assert list(counts.values()) == [1, 1]
    fewest = 1
    for k in range(4):
        single = make()
        fewest = min(fewest, *lsuv_(single, x, tolerance=tolerance, generator=seeded(k)[0]).values())
        for mine, its in zip(many.parameters(), single.parameters(), strict=True):
            torch.testing.assert_close(mine.view(-1, *mine.shape[-2:])[k], its, rtol=1e-5, atol=0)
    assert fewest == (0 if scale == 1 else 1)
    assert (many(x).var(dim=(-2, -1), correction=0) - 1).abs().max() <= tolerance


def test_lsuv_counts_and_stops():
    x = normal_(torch.empty(64, 6), generator=seeded(0)[0])
    model = nn.Sequential(nn.Linear(6, 6), nn.Identity(), nn.Linear(6, 6))
    with pytest.warns(
        UserWarning, match=r"within 1e-12 of 1 in 3 rescalings, got (0\.9|1\.0)\d+ in layer '[02]'"
    ):
        counts = lsuv_(model, x, tolerance=1e-12, max_iterations=3, generator=seeded(0)[0])
    assert 1 < max(counts.values()) <= 3  # float32 cannot: it stops
    whitened = x / x.std(correction=0)
    assert lsuv_(nn.Linear(6, 6), whitened, tolerance=0.5) == {"": 0}  # an orthogonal matrix keeps the size


def test_lsuv_of_shared_and_idle_layers():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.idle = nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.shared(self.shared(x).relu())

    model, x = Twice(), 4 * normal_(torch.empty(64, 6), generator=seeded(0)[0])
    assert lsuv_(model, x) == {"shared": 1}
    assert model.shared(x).var(correction=0).item() == pytest.approx(1, abs=0.01)
    torch.testing.assert_close(model.idle.weight @ model.idle.weight.T, torch.eye(3))


@older
@pytest.mark.parametrize("way", WRITABLE)
def test_lsuv_fits_computed_weights(way):
    layer = WRITABLE[way](nn.Linear(6, 8))
    model, x = nn.Sequential(layer, nn.Tanh(), nn.Linear(8, 4)), 9 * normal_(torch.empty(64, 6))
    assert lsuv_(model, x, generator=seeded(0)[0]) == {"0": 1, "2": 1}
    assert [z.var(correction=0).item() for z in outputs(model, x).values()] == pytest.approx([1, 1], abs=0.01)
    half = nn.Sequential(WRITABLE[way](nn.Linear(6, 8, dtype=torch.bfloat16)))
    lsuv_(half, x.bfloat16(), tolerance=0.05)
    assert half(x.bfloat16()).float().var(correction=0).item() == pytest.approx(1, abs=0.05)
    if way == "pruned":  # what the mask hides is rescaled with the rest
        ratio = layer.weight_orig / orthogonal_(torch.empty(8, 6), generator=seeded(0)[0])
        torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio))


class Standardized(nn.Linear):
    """As in weight standardization: the outputs do not depend on the size of the weight."""

    def forward(self, x):
        return 3 * nn.functional.linear(x, self.weight / self.weight.norm())


def tied_layers():
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    model[2].weight = model[0].weight
    return model


def tied_transposed():
    model = tied_layers()
    model[2].weight = nn.Parameter(model[0].weight.detach().T)  # one memory
    return model


NOT_ALL_FITTED = {
    "no effect": (lambda: nn.Sequential(nn.Linear(6, 6), Standardized(6, 6)), "1", {"0": 1, "1": 10}),
    "tied": (tied_layers, "2", {"0": 1, "2": 0}),
    "tied to its transpose": (tied_transposed, "2", {"0": 1, "2": 0}),
}


@pytest.mark.parametrize("case", NOT_ALL_FITTED)
def test_lsuv_names_the_layers_that_it_could_not_fit(case):
    make, name, counts = NOT_ALL_FITTED[case]
    model, x = make(), 7 * normal_(torch.empty(64, 6), generator=seeded(0)[0])
    with pytest.warns(UserWarning, match=f"in layer '{name}'") as warned:
        assert lsuv_(model, x, generator=seeded(0)[0]) == counts
    variances = {n: z.var(correction=0).item() for n, z in outputs(model, x).items()}
    assert variances.pop(name) == pytest.approx(
        float(re.search(rf"got ([\d.]+) in layer '{name}'", str(warned[0].message))[1]), rel=1e-4
    )
    assert list(variances.values()) == pytest.approx([1], abs=0.01)
    assert warned[0].filename == __file__


def test_lsuv_leaves_a_table_that_the_head_shares():
    model, words = Tied(), torch.arange(7).repeat(5)
    with pytest.warns(UserWarning, match="in layer 'head', a shared weight"):
        assert lsuv_(model, words, generator=seeded(0)[0]) == {"hidden": 1, "head": 0}
    assert model.hidden(model.embed(words)).var(correction=0).item() == pytest.approx(1, abs=0.01)


def test_lsuv_that_warns_as_an_error_changes_nothing():
    model = tied_layers()
    before = state(model)
    with pytest.raises(UserWarning, match="layer '2'"):
        lsuv_(model, 7 * normal_(torch.empty(64, 6)))
    assert_as_before(model, before)


def test_lsuv_is_the_same_under_autocast():
    """Which would go on with the rounded weights of the first pass."""
    x, models = 3 * normal_(torch.empty(64, 6), generator=seeded(0)[0]), []
    for enabled in (False, True):
        models.append(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)))
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            assert lsuv_(models[-1], x, generator=seeded(1)[0]) == {"0": 1, "2": 1}
    assert all(map(torch.equal, *(model.state_dict().values() for model in models)))


def test_lsuv_in_bfloat16():
    model, x = (
        convolutional().to(torch.bfloat16),
        5 * normal_(torch.empty(60, 3, 6, 6), generator=seeded(0)[0]),
    )
    lsuv_(model, x.to(torch.bfloat16), tolerance=0.05)
    for z in outputs(model, x.to(torch.bfloat16)).values():
        assert z.float().var().item() == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.zeros(5, 6), "layer '0' outputs of finite variance above 0, got 0"),
        (torch.full((5, 6), math.nan), "layer '0' outputs of finite variance above 0, got nan"),
        (torch.zeros(5, 7), "shapes cannot be multiplied"),
    ],
)
def test_refused_lsuv_changes_nothing(x, says):
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    before = [p.clone() for p in model.parameters()]
    with pytest.raises((ValueError, RuntimeError), match=says):
        lsuv_(model, x)
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
    assert not any(layer._forward_hooks for layer in model.modules())
