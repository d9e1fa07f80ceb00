"""models.py: MLP against torch.nn.Sequential, alone and side by side; ScalarChain against autograd."""

import copy
import io
from itertools import pairwise

import pytest
import torch
from torch import nn

from unitgain.activations import ACTIVATIONS
from unitgain.devices import best_device
from unitgain.initializers import constant_
from unitgain.layers import BatchNorm
from unitgain.models import MLP, ScalarChain

DEVICES = sorted({"cpu", best_device().type})


class LeCunTanh(nn.Module):
    def forward(self, x):
        return 1.7159 * torch.tanh(2 * x / 3)


class Maxout(nn.Module):
    """The larger of two neighbours, row by row."""

    def forward(self, x):
        return torch.maximum(x[..., 0::2], x[..., 1::2])


TWINS = {
    "lecun_tanh": LeCunTanh,
    "mish": nn.Mish,
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
}


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def like_torch(model: MLP, activation: str) -> nn.Sequential:
    """torch's network with the weights of `model`, a single one."""
    modules: list[nn.Module] = []
    for layer in model.layers:
        twin = nn.Linear(
            layer.in_features, layer.out_features, bias=layer.bias is not None, dtype=layer.weight.dtype
        )
        with torch.no_grad():
            twin.weight.copy_(layer.weight)
            if layer.bias is not None:
                twin.bias.copy_(layer.bias.squeeze(-1))
        modules += [twin, TWINS[activation]()]
    return nn.Sequential(*modules[:-1])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(3, 1), (2, 2, 1), (4, 7, 5, 3)])
@pytest.mark.parametrize("bias", ["uniform", None])
def test_equals_torch(activation, sizes, bias):
    (generator,) = seeded(0)
    model = MLP(sizes, activation, bias=bias, generator=generator, dtype=torch.float64)
    twin, x = (
        like_torch(model, activation),
        torch.randn(6, sizes[0], generator=generator, dtype=torch.float64),
    )
    torch.testing.assert_close(model(x), twin(x), rtol=1e-12, atol=1e-14)
    model(x).square().sum().backward()
    twin(x).square().sum().backward()
    for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad.reshape(theirs.shape), theirs.grad, rtol=1e-11, atol=1e-13)


def test_hidden_is_what_the_activations_give():
    model = MLP((2, 5, 3, 1), "tanh", bias="normal", dtype=torch.float64)
    twin, x = like_torch(model, "tanh"), torch.randn(4, 2, dtype=torch.float64)
    hidden = model.hidden(x)
    assert [tuple(h.shape) for h in hidden] == [(4, 5), (4, 3)]
    for h, after in zip(hidden, (2, 4), strict=True):
        torch.testing.assert_close(h, twin[:after](x), rtol=1e-12, atol=1e-14)
    assert MLP((2, 1)).hidden(torch.zeros(4, 2)) == []


@pytest.mark.parametrize("replicas", [(4,), (2, 2)])
@pytest.mark.parametrize("own_data", [False, True])
def test_replica_equals_the_single_network(replicas, own_data):
    """The weights to the bit, whatever the rules; the outputs to float64's rounding."""
    for weight, bias in [("glorot_uniform", "zeros"), ("uniform", "uniform"), ("he_normal", "normal")]:
        options = {"weight": weight, "bias": bias, "dtype": torch.float64}
        model = MLP((3, 20, 6, 2), replicas=replicas, generator=seeded(5, 6, 7, 8), **options)
        x = torch.randn(*(replicas if own_data else ()), 9, 3, dtype=torch.float64)
        y, hidden = model(x).reshape(4, 9, 2), model.hidden(x)
        assert model(x).shape == (*replicas, 9, 2)
        for k in range(4):
            single = MLP((3, 20, 6, 2), generator=seeded(5 + k)[0], **options)
            its_x = x.reshape(4, 9, 3)[k] if own_data else x
            for mine, theirs in zip(model.parameters(), single.parameters(), strict=True):
                assert torch.equal(mine.view(4, *theirs.shape)[k], theirs)
            torch.testing.assert_close(y[k], single(its_x), rtol=1e-12, atol=1e-13)
            for mine, theirs in zip(hidden, single.hidden(its_x), strict=True):
                torch.testing.assert_close(mine.reshape(4, 9, -1)[k], theirs, rtol=1e-12, atol=1e-13)


def test_state_dict_round_trip():
    model, other = MLP((2, 3, 1), replicas=(2,)), MLP((2, 3, 1), replicas=(2,))
    other.load_state_dict(model.state_dict())
    x = torch.randn(5, 2)
    assert torch.equal(model(x), other(x))
    assert list(model.state_dict()) == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
    ]


def test_exports():
    """No data-dependent branch: torch.export takes it, for any number of rows."""
    model = MLP((3, 4, 2), replicas=(2,)).eval()
    rows = torch.export.Dim("rows", min=2)
    program = torch.export.export(model, (torch.zeros(5, 3),), dynamic_shapes=({0: rows},))
    x = torch.randn(8, 3)
    torch.testing.assert_close(program.module()(x), model(x))


@pytest.mark.parametrize("device", DEVICES)
def test_device(device):
    model = MLP((3, 4, 2), replicas=(2,), device=device)
    assert {p.device.type for p in model.parameters()} == {device}
    assert model(torch.zeros(5, 3, device=device)).device.type == device


# Normalizations, learned activations

HIDDEN = [*ACTIVATIONS, "prelu", "maxout", torch.sin]
NORMS = [(None, "before"), *((name, p) for name in ("batch", "layer", "rms") for p in ("before", "after"))]
# Wherever the units are counted (maxout), learned (prelu) or neither, every normalization; it sees nothing
# else of an activation, so the others meet one.
BUILT = [(activation, *norm) for activation in ("tanh", "prelu", "maxout") for norm in NORMS]
BUILT += [
    (activation, "batch", "before") for activation in HIDDEN if activation not in ("tanh", "prelu", "maxout")
]
TORCH_NORMS = {
    "batch": lambda units: nn.BatchNorm1d(units, dtype=torch.float64),
    "layer": lambda units: nn.LayerNorm(units, dtype=torch.float64),
    "rms": lambda units: nn.RMSNorm(units, eps=1e-5, dtype=torch.float64),
}


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(x)


def torchs(sizes, activation, normalization, position) -> nn.Sequential:
    """torch's own network of the same shape, put together by hand."""
    modules: list[nn.Module] = []
    pieces = 2 if activation == "maxout" else 1
    for m, n in pairwise(sizes[:-1]):
        if activation == "prelu":
            act = nn.PReLU(n, dtype=torch.float64)
        else:
            act = {**TWINS, "maxout": Maxout, torch.sin: Sine}[activation]()
        modules.append(nn.Linear(m, pieces * n, dtype=torch.float64))
        if normalization is None:
            modules.append(act)
        elif position == "before":
            modules += [TORCH_NORMS[normalization](pieces * n), act]
        else:
            modules += [act, TORCH_NORMS[normalization](n)]
    return nn.Sequential(*modules, nn.Linear(sizes[-2], sizes[-1], dtype=torch.float64))


def in_order(model: MLP, twin: nn.Sequential) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Parameters and statistics of both, kind by kind: linear layers, then the others in each one's order."""
    linear = [m for m in twin if isinstance(m, nn.Linear)]
    norms = [m for m in twin if isinstance(m, (nn.BatchNorm1d, nn.LayerNorm, nn.RMSNorm))]
    slopes = [m for m in twin if isinstance(m, nn.PReLU)]
    pairs = []
    for ours, theirs in ((model.layers, linear), (model.activations, slopes), (model.normalizations, norms)):
        mine = [t for module in ours for t in module.state_dict().items()]
        other = [t for module in theirs for t in module.state_dict().items()]
        assert [key for key, _ in mine] == [key for key, _ in other]
        pairs += [(a, b) for (_, a), (_, b) in zip(mine, other, strict=True)]
    return pairs


@pytest.mark.parametrize(("activation", "normalization", "position"), BUILT)
def test_trains_as_torch_does(activation, normalization, position):
    """The same outputs, weights and running statistics at each of 5 steps; then in evaluation."""
    sizes = (3, 5, 4, 2)
    model = MLP(
        sizes,
        activation,
        normalization=normalization,
        position=position,
        bias="uniform",
        generator=seeded(0)[0],
        dtype=torch.float64,
    )
    twin = torchs(sizes, activation, normalization, position)
    with torch.no_grad():
        for mine, theirs in in_order(model, twin):
            theirs.copy_(mine.reshape(theirs.shape))
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, twin)]
    for step in range(5):
        x = 1 + torch.randn(8, 3, generator=seeded(step)[0], dtype=torch.float64)
        outputs = []
        for network, optimizer in zip((model, twin), optimizers, strict=True):
            optimizer.zero_grad()
            outputs.append(network(x))
            (outputs[-1] - 1).square().mean().backward()
            optimizer.step()
        torch.testing.assert_close(*outputs, rtol=1e-9, atol=1e-11)
        for mine, theirs in in_order(model, twin):
            torch.testing.assert_close(mine.reshape(theirs.shape), theirs, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(model.eval()(x), twin.eval()(x), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("activation", "normalization", "position"), BUILT)
def test_replicas_train_as_alone(activation, normalization, position):
    """Replica k starts equal to the single network of seed k, to the bit, and stays with it to 1e-8."""
    options = {
        "normalization": normalization,
        "position": position,
        "bias": "uniform",
        "dtype": torch.float64,
    }
    singles = [MLP((3, 5, 4, 2), activation, generator=seeded(k)[0], **options) for k in range(3)]
    together = MLP((3, 5, 4, 2), activation, replicas=3, generator=seeded(0, 1, 2), **options)
    x = 1 + torch.randn(8, 3, generator=seeded(9)[0], dtype=torch.float64)
    y = torch.randn(8, 2, generator=seeded(8)[0], dtype=torch.float64)

    def same(**tolerance: float) -> None:
        for k, single in enumerate(singles):
            for key, value in single.state_dict().items():
                mine = together.state_dict()[key]
                mine = mine if key.endswith("num_batches_tracked") else mine[k]
                torch.testing.assert_close(mine, value, **tolerance)

    same(rtol=0, atol=0)
    networks = [together, *singles]
    optimizers = [torch.optim.SGD(network.parameters(), lr=0.1) for network in networks]
    for _ in range(10):
        for network, optimizer in zip(networks, optimizers, strict=True):
            optimizer.zero_grad()
            (network(x) - y).square().mean((-2, -1)).sum().backward()
            optimizer.step()
    same(rtol=1e-8, atol=1e-8)


def test_normalized_input():
    """A BatchNorm before the network: each replica as it would be alone."""
    together = nn.Sequential(BatchNorm(2, replicas=2), MLP((2, 3, 1), replicas=2, generator=seeded(0, 1)))
    x = 10 + torch.randn(20, 2, generator=seeded(2)[0])
    for training in (True, False):
        y = together.train(training)(x)
        assert y.shape == (2, 20, 1)
        for k in range(2):
            single = nn.Sequential(BatchNorm(2), MLP((2, 3, 1), generator=seeded(k)[0]))
            if not training:
                single(x)
            torch.testing.assert_close(y[k], single.train(training)(x))


@pytest.mark.parametrize(("normalization", "position"), NORMS)
@pytest.mark.parametrize("activation", ["tanh", "prelu", "maxout"])
def test_hooks_see_every_part(activation, normalization, position):
    """In the order in which they run, with tensors in the layout that `examples_dim` names."""
    model = MLP((3, 5, 4, 2), activation, normalization=normalization, position=position, replicas=2)
    seen: list[tuple[str, torch.Tensor]] = []
    for name, module in model.named_modules():
        if hasattr(module, "examples_dim"):
            module.register_forward_hook(
                lambda module, _, out, name=name: seen.append(
                    (name, out.mT if module.examples_dim == -1 else out)
                )
            )
    y = model(torch.randn(7, 3))
    one = ["layers", "activations"]
    if normalization is not None:
        one.insert(1 if position == "before" else 2, "normalizations")
    names = [f"{part}.{layer}" for layer in (0, 1) for part in one] + ["layers.2"]
    assert [name for name, _ in seen] == names
    assert torch.equal(seen[-1][1], y)
    hidden, last = model.hidden(torch.randn(7, 3)), f"{one[-1]}."
    assert [t.shape for name, t in seen if name.startswith(last)][:2] == [h.shape for h in hidden]
    assert [tuple(h.shape) for h in hidden] == [(2, 7, 5), (2, 7, 4)]
    marks = {"layers": "is_linear", "normalizations": "is_normalization"}
    for part, mark in marks.items():
        assert all(getattr(module, mark) for module in getattr(model, part))
    for module in model.activations:
        assert not any(hasattr(module, mark) for mark in marks.values())


def test_hidden_is_what_is_passed_on():
    x = torch.randn(50, 3, generator=seeded(0)[0])
    for normalization in ("batch", "layer"):
        dim = -2 if normalization == "batch" else -1
        after = MLP((3, 40, 2), "tanh", normalization=normalization, position="after").hidden(x)[0]
        torch.testing.assert_close(after.mean(dim), torch.zeros_like(after.mean(dim)), rtol=0, atol=1e-5)
        before = MLP((3, 40, 2), "relu", normalization=normalization, position="before").hidden(x)[0]
        assert (before >= 0).all()


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_maxout_has_its_pieces(pieces):
    model = MLP((3, 5, 4, 2), "maxout", pieces=pieces, normalization="batch")
    assert [layer.out_features for layer in model.layers] == [5 * pieces, 4 * pieces, 2]
    assert [layer.in_features for layer in model.layers] == [3, 5, 4]
    assert [norm.features for norm in model.normalizations] == [5 * pieces, 4 * pieces]
    after = MLP((3, 5, 4, 2), "maxout", pieces=pieces, normalization="batch", position="after")
    assert [norm.features for norm in after.normalizations] == [5, 4]
    assert MLP((3, 5, 2), "relu", pieces=pieces).layers[0].out_features == 5


@pytest.mark.parametrize(
    ("activation", "normalization", "position", "training"),
    [
        ("prelu", "batch", "after", True),  # the one normalization that knows the two
        ("prelu", "batch", "after", False),
        ("maxout", "layer", "before", True),
        ("relu", "rms", "after", True),
    ],
)
def test_everything_exports(activation, normalization, position, training):
    model = MLP((3, 4, 2), activation, normalization=normalization, position=position, replicas=2).train(
        training
    )
    other, rows = copy.deepcopy(model), torch.export.Dim("rows", min=2)
    program = torch.export.export(model, (torch.zeros(5, 3),), dynamic_shapes=({0: rows},))
    x = torch.randn(8, 3)
    torch.testing.assert_close(program.module()(x), other(x))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("activation", ["tanh", "prelu", "maxout"])
@pytest.mark.parametrize(("normalization", "position"), NORMS)
def test_bfloat16(device, activation, normalization, position):
    """A whole model cast: near the float32 one, in training and in evaluation."""
    options = {"normalization": normalization, "position": position, "replicas": 2}
    model = MLP((3, 8, 8, 2), activation, generator=seeded(0)[0], device=device, **options)
    cast = copy.deepcopy(model).to(torch.bfloat16)
    x = torch.randn(64, 3, generator=seeded(1)[0]).to(device)
    for training in (True, False):
        y = cast.train(training)(x.bfloat16())
        assert (y.dtype, y.device.type) == (torch.bfloat16, device)
        torch.testing.assert_close(y.float(), model.train(training)(x), rtol=0.1, atol=0.1)


def test_copies_load_and_are_their_own():
    model = MLP((3, 4, 2), "prelu", normalization="batch", replicas=2)
    x = torch.randn(8, 3)
    model(x)
    loaded, copied = MLP((3, 4, 2), "prelu", normalization="batch", replicas=2), copy.deepcopy(model)
    loaded.load_state_dict(model.state_dict())
    assert {key.split(".")[0] for key in model.state_dict()} == {"layers", "activations", "normalizations"}
    for other in (loaded, copied):
        assert torch.equal(other.eval()(x), model.eval()(x))
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(1)
        assert not torch.equal(other(x), model(x))


# ScalarChain

CHAINS = [*ACTIVATIONS, torch.sin]


@pytest.mark.parametrize(
    ("activation", "depth", "replicas"),
    [("tanh", depth, replicas) for depth in (1, 2, 4) for replicas in ((), (3,), (2, 3))]
    + [(activation, 4, (3,)) for activation in CHAINS if activation != "tanh"],
)
def test_chain_gradient_is_the_product(activation, depth, replicas):
    """∂a_L/∂w_l against autograd; the article's general formula has one w_l too many."""
    chain = ScalarChain(
        depth, activation, replicas=replicas, bias="normal", generator=seeded(3)[0], dtype=torch.float64
    )
    x = torch.randn(5, generator=seeded(1)[0], dtype=torch.float64)
    a, z = chain.states(x)
    assert (a.shape, z.shape) == ((*replicas, 5, depth + 1), (*replicas, 5, depth))
    gradients = chain.gradients(x)
    assert gradients.shape == (*replicas, 5, depth)
    for i in range(5):
        (expected,) = torch.autograd.grad(chain(x)[..., i].sum(), chain.weight)
        torch.testing.assert_close(gradients[..., i, :], expected, rtol=1e-10, atol=1e-14)
    factors = chain.factors(x)
    for l in range(depth):
        article = a[..., l] * factors[..., l:].prod(-1)
        right = gradients[..., l] * chain.weight[..., l, None]
        torch.testing.assert_close(article, right, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_chain_is_a_network_of_single_neurons(activation):
    """The numbers of MLP((1, …, 1)) with the last layer activated too; replica k those of generator k."""
    options = {"weight": "normal", "bias": "normal", "dtype": torch.float64}
    together = ScalarChain(3, activation, replicas=2, generator=seeded(0, 1), **options)
    x = torch.randn(6, dtype=torch.float64)
    for k in range(2):
        chain = ScalarChain(3, activation, generator=seeded(k)[0], **options)
        model = MLP((1, 1, 1, 1), activation, generator=seeded(k)[0], **options)
        assert torch.equal(chain.weight, torch.cat([layer.weight for layer in model.layers]).squeeze(-1))
        assert torch.equal(chain.bias, torch.cat([layer.bias for layer in model.layers]).squeeze(-1))
        assert torch.equal(together.weight[k], chain.weight)
        assert torch.equal(together.bias[k], chain.bias)
        hidden = torch.cat([*model.hidden(x[:, None]), ACTIVATIONS[activation](model(x[:, None]))], -1)
        a, z = chain.states(x)
        torch.testing.assert_close(a, torch.cat([x[:, None], hidden], -1), rtol=1e-12, atol=0)
        torch.testing.assert_close(ACTIVATIONS[activation](z), a[:, 1:], rtol=1e-12, atol=0)
        torch.testing.assert_close(chain(x), hidden[:, -1], rtol=1e-12, atol=0)
        torch.testing.assert_close(together(x)[k], chain(x), rtol=1e-12, atol=0)
        own = torch.stack([x, 2 * x])
        torch.testing.assert_close(together(own)[k], chain(own[k]), rtol=1e-12, atol=0)


def test_chain_explodes_as_the_article_says():
    """w = 100 and b = -100 a make each factor 100 / 4 for the sigmoid; b = 0 makes it vanish instead."""
    x = torch.tensor([0.5], dtype=torch.float64)
    weight = lambda t, generator: constant_(t, 100.0)  # noqa: E731
    bias = lambda t, generator: constant_(t, -50.0)  # noqa: E731
    steep = ScalarChain(4, weight=weight, bias=bias, dtype=torch.float64)
    torch.testing.assert_close(steep.factors(x), torch.full((1, 4), 25.0, dtype=torch.float64))
    torch.testing.assert_close(steep.gradients(x)[0, 0].item(), 25.0**3 / 4 * 0.5)
    assert ScalarChain(4, weight=weight, dtype=torch.float64).factors(x).abs().max() < 1e-15


@pytest.mark.parametrize("device", DEVICES)
def test_chain_on_device_copied_loaded_exported(device):
    chain = ScalarChain(3, "tanh", replicas=2, bias="normal", device=device)
    x, other = torch.randn(5, device=device), ScalarChain(3, "tanh", replicas=2, device=device)
    assert list(chain.state_dict()) == ["weight", "bias"]
    other.load_state_dict(chain.state_dict())
    for twin in (other, copy.deepcopy(chain)):
        assert torch.equal(twin(x), chain(x))
    assert chain.factors(x).device.type == device
    with torch.no_grad():
        torch.testing.assert_close(chain.gradients(x), other.gradients(x).detach())
    n = torch.export.Dim("n", min=2)
    program = torch.export.export(chain, (x,), dynamic_shapes=({0: n},))
    assert program.module()(torch.zeros(7, device=device)).shape == (2, 7)
    assert chain.to(torch.bfloat16)(x.bfloat16()).dtype == torch.bfloat16


# What torch's arguments and tools mean


def test_bias_means_what_it_means_in_torch():
    assert sum(p.numel() for p in MLP((3, 4, 1), bias=False).parameters()) == 16
    assert sum(p.numel() for p in MLP((3, 4, 1), bias=True).parameters()) == 21
    chain = ScalarChain(3, "tanh", bias=False)
    assert [name for name, _ in chain.named_parameters()] == ["weight"]
    x = torch.tensor([0.5, -1.0])
    z = x
    for w in chain.weight:
        z = torch.tanh(w * z)
    assert torch.equal(chain(x), z)
    assert torch.equal(ScalarChain(3, bias=True).bias, torch.zeros(3))


@pytest.mark.parametrize("activation", [*ACTIVATIONS, "prelu", "maxout"])
def test_whole_models_are_saved(activation):
    model, x, file = MLP((3, 4, 1), activation, normalization="batch"), torch.randn(5, 3), io.BytesIO()
    model(x)
    torch.save(model, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False).eval()(x), model.eval()(x))


def test_factors_in_inference_mode():
    chain, x = ScalarChain(3, "tanh", weight="normal"), torch.tensor([0.5, -1.0])
    factors, gradients = chain.factors(x), chain.gradients(x)
    assert factors.ne(0).all()
    with torch.inference_mode():
        assert torch.equal(chain.factors(x), factors)
        assert torch.equal(chain.gradients(x), gradients)
