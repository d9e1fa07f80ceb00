"""devices.py, and every public function on an accelerator: imitated here, a CUDA device where there is one.

`FakeTensorMode` computes shapes, dtypes and devices without numbers, and raises where two devices meet. The
device "lazy" stands for an accelerator: every build of torch can differentiate on it, none keeps data there.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from unitgain import (
    activations,
    datasets,
    diagnostics,
    initializers,
    layers,
    models,
    optimizers,
    theory,
    training,
    transforms,
)
from unitgain.devices import best_device

IMITATED = torch.device("lazy", 0)


@pytest.mark.parametrize(
    ("cuda", "mps", "best"),
    [(False, False, "cpu"), (False, True, "mps"), (True, False, "cuda"), (True, True, "cuda")],
)
def test_order_of_preference(monkeypatch, cuda, mps, best):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device() == torch.device(best)


def test_works_on_this_machine():
    x = torch.ones(2, device=best_device())
    assert (x + x).sum().item() == 4


# An accelerator without one


class Watch(TorchDispatchMode):
    """Counts what makes the host wait for the accelerator, and what moves between the two."""

    def __init__(self, answer: bool):
        super().__init__()
        self.seen, self.answer = Counter(), answer

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        there = [t for t in args if isinstance(t, torch.Tensor) and t.device == IMITATED]
        if name == "_local_scalar_dense" and there:  # no number is known: each is 1, each place 0
            self.seen["waits"] += 1
            return self.answer if args[0].dtype == torch.bool else 1.0 if args[0].is_floating_point() else 0
        if name in ("index", "index_put_") and any(map(is_choice, args[1])):  # of how many?
            self.seen["waits"] += 1  # of none
            none = torch.empty(0, dtype=torch.int64, device=args[0].device)
            indices = [new for i in args[1] for new in ([none] * i.ndim if is_choice(i) else [i])]
            args = args[0], indices or [none], *args[2:]
            if not indices:  # a single number, chosen or not
                args = args[0].unsqueeze(0), *args[1:]
        if name in ("nonzero", "masked_select", "equal", "is_nonzero") and there:
            self.seen["waits"] += 1
        out = func(*args, **(kwargs or {}))
        if name in ("_to_copy", "copy_"):
            source = args[-1] if name == "copy_" else args[0]
            if source.device != out.device and out.ndim:  # a number alone travels with the call
                self.seen["fetches" if source.device == IMITATED else "brings"] += 1
        return out


def is_choice(index):
    return index is not None and index.dtype == torch.bool


@contextmanager
def imitated(answer: bool) -> Iterator[Counter]:
    """What happened; every test of a number is said to give `answer`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Accessing the data pointer")  # to know tied weights
        with FakeTensorMode(allow_non_fake_inputs=True), Watch(answer) as watch:
            yield watch.seen


class Case(NamedTuple):
    """`call(device, given(device))`, and why it may wait for the device or move data."""

    call: Callable
    given: Callable = lambda device: None
    waits: str = ""
    brings: str = ""
    answer: bool = False


def ones(device, *shape, **options):
    return torch.ones(*shape, device=device, **options)


def mlp(device, **options):
    return models.MLP((3, 4, 2), device=device, **options)


def both_ways(device, scaler):
    x = ones(device, 5, 3)
    return scaler(x), scaler.inverse_transform(x), scaler.transform(x, out=torch.empty_like(x))


def streamed(kind):
    return lambda d, _: kind().fit(ones(d, 8, 3)).partial_fit(ones(d, 4, 3)).merge(kind().fit(ones(d, 4, 3)))


def trained(kind, **options):
    def call(device, model):
        optimizer = getattr(optimizers, kind)(model.parameters(), lr=0.1)
        x, y = ones(device, 8, 3), ones(device, 8, dtype=torch.long)
        return training.train(model, x, y, loss="cross_entropy", optimizer=optimizer, epochs=2, **options)

    return Case(call, lambda d: mlp(d, normalization="batch"), brings=DRAWS if options else "")


def ruled(name, tensors, **numbers):
    return Case(lambda d, _: getattr(optimizers, name)(*(ones(d, 3) for _ in range(tensors)), **numbers))


def normalized(kind):
    return Case(
        lambda d, layer: layer(ones(d, 8, 3)).sum().backward(),
        lambda d: getattr(layers, kind)(3, device=d),
    )


def observed(device, model):
    optimizer = optimizers.SGD(model.parameters(), lr=0.1)
    with diagnostics.observe(model, optimizer=optimizer) as seen:
        for _ in range(2):
            optimizer.zero_grad()
            model(ones(device, 8, 3)).square().mean().backward()
            optimizer.step()
    layer = seen.last.layers[2]
    return layer.rank, layer.correlation, layer.saturation, layer.dead, seen.last.ratios


def predicted(name, numbers, *more, function=None, brings=""):
    def call(device, _):
        functions = [] if function is None else [function]
        return getattr(theory, name)(*functions, *(ones(device, 2) for _ in range(numbers)), *more)

    return Case(call, waits=CHECKS, brings=brings, answer=True)


def rescaled(device, model):
    with pytest.warns(UserWarning, match="lsuv_"):  # every variance is said to be off
        return initializers.lsuv_(model, ones(device, 8, 3))


DRAWS = "draws with the CPU's generator, so that every device gets the same numbers"
LOADS = "is made or read on the CPU"
ASKS = "asks whether the data is finite"
CHECKS = "checks its arguments"
SCALERS = "StandardScaler", "Center", "MinMaxScaler", "PCA", "Whitening"
OWN = torch.Generator().manual_seed(0)

CASES: dict[str, Case] = {
    **{
        f"activations.{made}: {name}": Case(
            lambda d, _, f=made, n=name: getattr(activations, f)(n)(ones(d, 4, 3))
        )
        for made in ("activation", "derivative", "Activation")
        for name in activations.ACTIVATIONS
    },
    "activations.PReLU": Case(
        lambda d, unit: unit(ones(d, 4, 3)).sum().backward(), lambda d: activations.PReLU(3, device=d)
    ),
    "activations.Maxout": Case(lambda d, _: activations.Maxout(2)(ones(d, 4, 6))),
    **{
        f"datasets.{name}": Case(lambda d, _, f=name, a=a: getattr(datasets, f)(*a, device=d), brings=LOADS)
        for name, a in {
            "circles": [8],
            "spirals": [8],
            "moons": [8],
            "uniform_cloud": [8, 0, 1],
            "ravine": [8],
            "classification_table": [8],
            "wine": [],
            "breast_cancer": [],
            "digits": [],
            "diabetes": [],
            "mnist": [],
            "image_patches": [8],
        }.items()
    },
    "datasets.wild_scales": Case(lambda d, _: datasets.wild_scales(ones(d, 8, 3)), brings=DRAWS),
    "datasets.split": Case(lambda d, _: datasets.split(ones(d, 8, 3), ones(d, 8)), brings=DRAWS),
    "diagnostics.activity": Case(lambda d, model: diagnostics.activity(model, ones(d, 8, 3)), mlp),
    "diagnostics.observe": Case(observed, mlp),
    **{
        f"diagnostics.{name}": Case(lambda d, _, f=name: getattr(diagnostics, f)(ones(d, 8, 3)))
        for name in ("correlation", "effective_rank")
    },
    "diagnostics.saturation": Case(lambda d, _: diagnostics.saturation(torch.nn.Tanh(), ones(d, 8, 3))),
    **{
        f"initializers.initialize: {rule}": Case(
            lambda _, layer, r=rule: initializers.initialize(layer, r), lambda d: nn.Linear(4, 3, device=d)
        )
        for rule in initializers.INITIALIZERS
    },
    "initializers.initialize, by a generator": Case(
        lambda _, layer: initializers.initialize(layer, "he_normal", generator=OWN),
        lambda d: nn.Linear(4, 3, device=d),
        brings=DRAWS,
    ),
    **{
        f"initializers.{name}": Case(
            lambda d, _, f=name: getattr(initializers, f)(ones(d, 4, 3), *[1.0] * (f == "constant_"))
        )
        for name in initializers.__all__
        if name.endswith("_") and name != "lsuv_"
    },
    "initializers.lsuv_": Case(rescaled, mlp, waits="repeats until each variance is 1", answer=True),
    **{f"layers.{kind}": normalized(kind) for kind in ("BatchNorm", "LayerNorm", "RMSNorm")},
    "layers.Linear": Case(lambda d, _: layers.Linear(3, 4, device=d)(ones(d, 8, 3)).sum().backward()),
    "models.MLP": Case(lambda d, model: (model(ones(d, 8, 3)), model.hidden(ones(d, 8, 3))), mlp),
    "models.ScalarChain": Case(
        lambda d, chain: (chain.states(ones(d, 8)), chain.factors(ones(d, 8)), chain.gradients(ones(d, 8))),
        lambda d: models.ScalarChain(3, device=d),
    ),
    **{f"optimizers.{kind}": trained(kind) for kind in ("SGD", "Adam", "AdamW", "RMSprop")},
    "optimizers.sgd_rule": ruled("sgd_rule", 2, lr=0.1),
    "optimizers.momentum_rule": ruled("momentum_rule", 3, lr=0.1, momentum=0.9),
    "optimizers.rmsprop_rule": ruled("rmsprop_rule", 3, lr=0.1, alpha=0.9, eps=1e-8),
    "optimizers.adam_rule": ruled("adam_rule", 4, step=1, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8),
    "optimizers.weight_decay_rule": ruled("weight_decay_rule", 1, lr=0.1, weight_decay=0.1),
    "training.train, in batches": trained("SGD", batch_size=4, micro_batch=2),
    **{
        f"training.{name}": Case(
            lambda d, _, f=name: getattr(training, f)(ones(d, 8, 1), ones(d, 8, dtype=torch.long))
        )
        for name in ("accuracy", "binary_cross_entropy", "cross_entropy", "squared_error")
    },
    **{
        f"transforms.{kind}, fitted": Case(streamed(getattr(transforms, kind)), waits=ASKS)
        for kind in SCALERS
    },
    **{
        f"transforms.{kind}, used": Case(
            both_ways, lambda d, k=kind: getattr(transforms, k)().fit(ones(d, 8, 3))
        )
        for kind in SCALERS
    },
    "transforms.Compose": Case(
        lambda d, both: both.inverse_transform(both(ones(d, 5, 3))),
        lambda d: transforms.Compose(transforms.Center(), transforms.PCA()).fit(ones(d, 8, 3)),
    ),
    "theory.born_dead_probability": predicted("born_dead_probability", 2),
    "theory.hessian_eigenvalues": Case(
        lambda d, _: theory.hessian_eigenvalues(ones(d, 8, 3)), waits=CHECKS, answer=True
    ),
    "theory.population_eigenvalues": predicted("population_eigenvalues", 2),
    "theory.condition_number": predicted("condition_number", 1),
    "theory.largest_stable_rate": predicted("largest_stable_rate", 1),
    "theory.optimal_descent": predicted("optimal_descent", 2),
    "theory.inactive_probability": predicted("inactive_probability", 2, 3, brings="is computed by NumPy"),
    "theory.sigmoid_window": predicted("sigmoid_window", 1),
    **{
        f"theory.{name}": predicted(name, n, function=torch.tanh, brings="places to integrate at")
        for name, n in {
            "chi": 2,
            "correlation_fixed_point": 2,
            "correlation_map": 3,
            "correlation_slope": 2,
            "critical_weight_var": 1,
            "depth_scales": 2,
            "gradient_factor": 2,
            "signal_factor": 2,
            "variance_fixed_point": 2,
            "variance_map": 2,
        }.items()
    },
}
LEFT_OUT = {
    "": "data, types and registries",
    "plots": "draws arrays",
}


@pytest.mark.parametrize("name", CASES)
def test_on_an_imitated_device(name):
    case = CASES[name]
    with imitated(case.answer) as seen:
        given = case.given(IMITATED)
        seen.clear()
        case.call(IMITATED, given)
    print(name, dict(seen))
    assert bool(seen["waits"]) == bool(case.waits)
    assert bool(seen["brings"]) == bool(case.brings)
    assert not seen["fetches"]


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_on_a_cuda_device(name):
    """The same calls; CUDA itself says where it is waited for."""
    case, device = CASES[name], torch.device("cuda", 0)
    given = case.given(device)
    torch.cuda.set_sync_debug_mode("default" if case.waits or case.brings or case.answer else "error")
    try:
        case.call(device, given)
    finally:
        torch.cuda.set_sync_debug_mode("default")


PLANTED = {
    "a mismatch": (lambda d: ones(d, 3) + torch.ones(3), "two devices"),
    "a transfer": (lambda d: ones(d, 3).cpu(), "fetches"),
    "another transfer": (lambda d: torch.arange(3).to(d), "brings"),
    "a number read": (lambda d: ones(d, 3).sum().item(), "waits"),
    "a branch": (lambda d: 1 if (ones(d, 3) > 0).any() else 0, "waits"),
    "a choice": (lambda d: ones(d, 3)[ones(d, 3) > 0], "waits"),
    "a choice to write to": (lambda d: ones(d, 3).index_put_((ones(d, 3) > 0,), ones(d, 1)), "waits"),
    "places": (lambda d: ones(d, 3).nonzero(), "waits"),
    "a list": (lambda d: ones(d, 3).tolist(), "waits"),
    "a comparison": (lambda d: torch.equal(ones(d, 3), ones(d, 3)), "waits"),
}


@pytest.mark.parametrize(("call", "kind"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(call, kind):
    with imitated(answer=False) as seen:
        try:
            call(IMITATED)
        except RuntimeError as error:  # FakeTensorMode itself says so
            seen["two devices"] += "at least two devices" in str(error)
    assert list(+seen) == [kind]


LEFT_OUT = {
    "data": {"Examples", "Ravine", "Split", "Descent", "DepthScales", "Generators", "Peak", "States",
             "LayerActivity", "LayerGradient", "LayerSignal", "Observation", "StepRecord"},
    "a table of names": {"ACTIVATIONS", "INITIALIZERS", "LOSSES", "NORMALIZATIONS"},
    "a function's own, without a device": {"gain", "initializer", "peak"},
    "the class of those that are called": {"Transform"},
}  # fmt: skip


@pytest.mark.parametrize(
    "module",
    [
        activations,
        datasets,
        diagnostics,
        initializers,
        layers,
        models,
        optimizers,
        theory,
        training,
        transforms,
    ],
)
def test_every_public_name_is_called_or_left_out_with_a_reason(module):
    name = module.__name__.rpartition(".")[2]
    called = {case.split(".")[1].split(",")[0].split(":")[0] for case in CASES if case.startswith(f"{name}.")}
    assert called | set().union(*LEFT_OUT.values()) >= set(module.__all__)
    assert called <= set(module.__all__)
