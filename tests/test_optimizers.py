"""optimizers.py: one table, one contract: at every step the numbers of torch.optim or of the formula."""

import copy
import inspect
import io
import math
import pickle
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
import torch._dynamo
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from unitgain import optimizers
from unitgain.devices import best_device
from unitgain.optimizers import (
    SGD,
    Adam,
    AdamW,
    RMSprop,
    adam_rule,
    momentum_rule,
    rmsprop_rule,
    sgd_rule,
    weight_decay_rule,
)

DEVICES = sorted({"cpu", best_device().type})
STEPS = 100
PRECISION = {torch.float64: 1e-12, torch.float32: 1e-4}


class Written(torch.optim.Optimizer):
    """θ ← θ − α d, with d written out from the formula: what torch does not have, slowly and plainly."""

    def __init__(self, params, lr=1e-3, *, direction, **options):
        super().__init__(params, {"lr": lr, **options})
        self.direction = direction

    @torch.no_grad()
    def step(self):  # coupled decay and closures are not its business
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(group["lr"] * self.direction(p.grad, self.state[p], group))


def averaging(g, state, group, *, nesterov=False):
    beta = group["momentum"]
    state["V"] = beta * state.get("V", 0) + (1 - beta) * g
    return beta * state["V"] + (1 - beta) * g if nesterov else state["V"]


def article_rmsprop(g, state, group):
    rho = group["alpha"]
    state["S"] = rho * state.get("S", 0) + (1 - rho) * g**2
    return g / torch.sqrt(state["S"] + group["eps"])


def article_adam(g, state, group):
    (beta1, beta2), eps = group["betas"], group["eps"]
    state["V"] = beta1 * state.get("V", 0) + (1 - beta1) * g
    state["S"] = beta2 * state.get("S", 0) + (1 - beta2) * g**2
    return state["V"] / torch.sqrt(state["S"] + eps)


def uncorrected_adam(g, state, group):
    (beta1, beta2), eps = group["betas"], group["eps"]
    state["V"] = beta1 * state.get("V", 0) + (1 - beta1) * g
    state["S"] = beta2 * state.get("S", 0) + (1 - beta2) * g**2
    return state["V"] / (torch.sqrt(state["S"]) + eps)


def corrected_adam_eps_inside(g, state, group):
    (beta1, beta2), eps = group["betas"], group["eps"]
    state["t"] = state.get("t", 0) + 1
    state["V"] = beta1 * state.get("V", 0) + (1 - beta1) * g
    state["S"] = beta2 * state.get("S", 0) + (1 - beta2) * g**2
    mean, square = state["V"] / (1 - beta1 ** state["t"]), state["S"] / (1 - beta2 ** state["t"])
    return mean / torch.sqrt(square + eps)


class Kind(NamedTuple):
    """An optimizer of ours, its peer, what both are given, and what ours alone has to be told."""

    ours: type[torch.optim.Optimizer]
    theirs: Callable[..., torch.optim.Optimizer]
    options: dict = {}  # noqa: RUF012
    ours_alone: dict = {}  # noqa: RUF012
    bits: bool = False  # the very bits, or as close as rounding allows


def written(direction, **options):
    return lambda params, **given: Written(params, direction=direction, **options | given)


RMS, MOMENTS = {"alpha": 0.95, "eps": 1e-8}, {"betas": (0.8, 0.99), "eps": 1e-8}
KINDS = {
    "sgd": Kind(SGD, torch.optim.SGD, bits=True),
    "sgd, decay": Kind(SGD, torch.optim.SGD, {"weight_decay": 0.1}, bits=True),
    "momentum": Kind(SGD, torch.optim.SGD, {"momentum": 0.9}),
    "momentum, decay": Kind(SGD, torch.optim.SGD, {"momentum": 0.6, "weight_decay": 0.1}),
    "nesterov": Kind(SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "averaging": Kind(SGD, written(averaging), {"momentum": 0.9}, {"averaging": True}),
    "averaging, nesterov": Kind(
        SGD,
        written(lambda *given: averaging(*given, nesterov=True)),
        {"momentum": 0.7},
        {"averaging": True, "nesterov": True},
    ),
    "rmsprop": Kind(RMSprop, torch.optim.RMSprop, RMS, bits=True),
    "rmsprop, decay": Kind(RMSprop, torch.optim.RMSprop, RMS | {"weight_decay": 0.1}, bits=True),
    "rmsprop, momentum": Kind(RMSprop, torch.optim.RMSprop, RMS | {"momentum": 0.9}),
    "rmsprop, inside": Kind(RMSprop, written(article_rmsprop), RMS, {"eps_inside": True}),
    "adam": Kind(Adam, torch.optim.Adam, MOMENTS, bits=True),
    "adam, decay": Kind(Adam, torch.optim.Adam, MOMENTS | {"weight_decay": 0.1}, bits=True),
    "adam, decoupled": Kind(
        Adam, torch.optim.Adam, MOMENTS | {"weight_decay": 0.1, "decoupled_weight_decay": True}, bits=True
    ),
    "adamw": Kind(AdamW, torch.optim.AdamW, MOMENTS, bits=True),
    "adam, uncorrected": Kind(Adam, written(uncorrected_adam), MOMENTS, {"bias_correction": False}),
    "adam, the article's": Kind(
        Adam, written(article_adam), MOMENTS, {"bias_correction": False, "eps_inside": True}
    ),
    "adam, inside": Kind(Adam, written(corrected_adam_eps_inside), MOMENTS, {"eps_inside": True}),
}
OF_TORCH = [name for name, kind in KINDS.items() if isinstance(kind.theirs, type)]

every = pytest.mark.parametrize("name", KINDS)
of_torch = pytest.mark.parametrize("name", OF_TORCH)
exactly = settings(max_examples=4, deadline=None, derandomize=True, database=None)
decays = st.floats(0, 0.9999)
DRAWN = {
    "lr": st.floats(1e-6, 10) | st.just(0.0),
    "momentum": decays.filter(bool),  # 0 is plain gradient descent
    "alpha": decays,
    "betas": st.tuples(decays, decays),
    "eps": st.floats(1e-12, 1),
    "weight_decay": st.floats(0, 0.1),  # lr · λ from 2 on would diverge
}
shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def starts(seed: int, *shapes, dtype=torch.float64):
    generator = seeded(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


class Race:
    """Ours and its peer from the same start over the same gradients, compared after every step."""

    def __init__(self, name, tensors, *, seed=0, bits=True, **options):
        kind = KINDS[name]
        self.mine, self.theirs = ([torch.nn.Parameter(t.clone()) for t in tensors] for _ in range(2))
        self.ours = kind.ours(self.mine, **kind.options | kind.ours_alone | options)
        self.peer = kind.theirs(self.theirs, **kind.options | options)
        self.bits, self.generator = bits and kind.bits, seeded(seed)
        self.largest = [t.abs().amax().item() if t.numel() else 0.0 for t in tensors]

    def step(self):
        give_gradients(self.generator, self.mine, self.theirs)
        self.ours.step(), self.peer.step()
        for k, (mine, theirs) in enumerate(zip(self.mine, self.theirs, strict=True)):
            if self.bits:
                assert torch.equal(mine, theirs), (mine - theirs).abs().max()
            elif mine.numel():
                self.largest[k] = max(self.largest[k], theirs.abs().amax().item())
                assert (mine - theirs).abs().amax() <= PRECISION[mine.dtype] * self.largest[k]


def give_gradients(generator, *sides):
    """The same gradient to the twins of every side: of any size, at times exactly 0, at times none."""
    for twins in zip(*sides, strict=True):
        size = 10 ** torch.empty(()).uniform_(-6, 3, generator=generator).item()
        fate = torch.rand((), generator=generator).item()
        gradient = torch.randn(twins[0].shape, generator=generator).to(twins[0]) * size
        for twin in twins:
            twin.grad = None if fate < 0.05 else gradient * 0 if fate < 0.1 else gradient.clone()


def assert_same(mine, theirs):
    for a, b in zip(mine, theirs, strict=True):
        assert torch.equal(a, b), (a - b).abs().max()


def made(name, parameters, **options):
    kind = KINDS[name]
    return kind.ours(parameters, **kind.options | kind.ours_alone | options)


# The numbers


@every
@pytest.mark.parametrize("dtype", PRECISION)
def test_equals_its_peer_at_every_step(name, dtype):
    @exactly
    @given(data=st.data(), shape=shapes, seed=st.integers(0, 2**31))
    def holds(data, shape, seed):
        options = {key: data.draw(DRAWN[key], key) for key in ("lr", *KINDS[name].options) if key in DRAWN}
        race = Race(name, starts(seed, shape, dtype=dtype), seed=seed, **options)
        for _ in range(STEPS):
            race.step()

    holds()


@of_torch
def test_state_is_that_of_torch(name):
    race = Race(name, starts(0, (3, 2)))
    for _ in range(STEPS):
        race.step()
    ours, theirs = race.ours.state[race.mine[0]], race.peer.state[race.theirs[0]]
    theirs = {key: value for key, value in theirs.items() if value is not None}
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        torch.testing.assert_close(
            torch.as_tensor(value, dtype=torch.float64), theirs[key].double(), rtol=1e-12, atol=0
        )


@every
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_device_and_dtype(name, device, dtype):
    kind = KINDS[name]
    mine, theirs = ([torch.nn.Parameter(torch.ones(4, 3, device=device, dtype=dtype))] for _ in range(2))
    ours = kind.ours(mine, lr=0.01, **kind.options | kind.ours_alone)
    peer = kind.theirs(theirs, lr=0.01, **kind.options)
    generator = seeded(0)
    for _ in range(20):
        mine[0].grad = torch.randn(4, 3, generator=generator).to(mine[0])
        theirs[0].grad = mine[0].grad.clone()
        ours.step(), peer.step()
        torch.testing.assert_close(
            mine, theirs, **({"rtol": 0, "atol": 0.05} if dtype is torch.bfloat16 else {})
        )
    assert mine[0].device.type == device
    assert mine[0].dtype == dtype
    assert all(
        value.dtype == dtype and value.device == mine[0].device
        for value in ours.state[mine[0]].values()
        if isinstance(value, torch.Tensor)
    )


def test_adam_rule_is_the_paper():
    """Algorithm 1, number by number, in Python's floats."""
    theta, m, v = 0.3, 0.0, 0.0
    tensors = [torch.tensor(value, dtype=torch.float64) for value in (theta, m, v)]
    for t, g in enumerate([2.0, -1.0, 0.0, 5.0, 1e-9], start=1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        theta -= 0.05 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.99**t)) + 1e-8)
        gradient = torch.tensor(g, dtype=torch.float64)
        adam_rule(tensors[0], gradient, *tensors[1:], step=t, lr=0.05, beta1=0.9, beta2=0.99, eps=1e-8)
        assert [x.item() for x in tensors] == pytest.approx([theta, m, v], rel=1e-12)
        assert gradient.item() == g


RULES = {
    "sgd": lambda p, g: sgd_rule(p, g, lr=0.1),
    "momentum": lambda p, g: momentum_rule(p, g, torch.ones(2), lr=0.1, momentum=0.5),
    "nesterov": lambda p, g: momentum_rule(p, g, torch.ones(2), lr=0.1, momentum=0.5, nesterov=True),
    "rmsprop": lambda p, g: rmsprop_rule(p, g, torch.ones(2), lr=0.1, alpha=0.5, eps=0.1),
    "adam": lambda p, g: adam_rule(
        p, g, torch.ones(2), torch.ones(2), step=3, lr=0.1, beta1=0.5, beta2=0.5, eps=0.1
    ),
    "weight decay": lambda p, g: weight_decay_rule(p, lr=0.1, weight_decay=0.5),
}


@pytest.mark.parametrize("rule", RULES)
def test_rules_work_in_place_on_the_parameter_alone(rule):
    theta, gradient = torch.tensor([1.0, 2.0]), torch.tensor([10.0, -10.0])
    assert RULES[rule](theta, gradient) is None
    assert not torch.isin(theta, torch.tensor([1.0, 2.0])).any()
    assert gradient.tolist() == [10, -10]


# The source article's forms, and the figures they lead to


def constant(name, gradient, steps, **options):
    """Lengths of the first steps, in units of the learning rate, while the gradient stays what it is."""
    kind = KINDS[name]
    theta = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
    optimizer = kind.ours([theta], lr=1.0, **kind.ours_alone | options)
    lengths = []
    for _ in range(steps):
        theta.grad, before = torch.tensor(gradient, dtype=torch.float64), theta.item()
        optimizer.step()
        lengths.append(before - theta.item())
    return lengths


def test_momentum_in_the_averaging_form_is_torch_s_with_a_shorter_rate():
    """From the first step on, as both velocities start at 0: V in one form is (1 − β) V in the other."""
    for nesterov in False, True:
        tensors = starts(1, (4, 3))
        mine, theirs = ([torch.nn.Parameter(t.clone()) for t in tensors] for _ in range(2))
        ours = SGD(mine, lr=0.5, momentum=0.9, averaging=True, nesterov=nesterov)
        peer = torch.optim.SGD(theirs, lr=0.5 * (1 - 0.9), momentum=0.9, nesterov=nesterov)
        generator = seeded(2)
        for _ in range(STEPS):
            mine[0].grad = torch.randn(4, 3, generator=generator, dtype=torch.float64)
            theirs[0].grad = mine[0].grad.clone()
            ours.step(), peer.step()
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)
    assert constant("momentum", 1.0, 300, momentum=0.9)[-1] == pytest.approx(10)
    assert constant("averaging", 1.0, 300, momentum=0.9)[-1] == pytest.approx(1)


def test_dampening_of_torch_is_the_averaging_form_but_for_the_first_gradient():
    theta = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    peer, lengths = torch.optim.SGD([theta], lr=1.0, momentum=0.9, dampening=0.9), []
    for _ in range(100):
        theta.grad, before = torch.ones(1, dtype=torch.float64), theta.item()
        peer.step()
        lengths.append(before - theta.item())
    assert lengths == pytest.approx([1.0] * 100)
    ours = constant("averaging", 1.0, 100, momentum=0.9)
    assert ours == pytest.approx([1 - 0.9**t for t in range(1, 101)])


def test_epsilon_inside_the_root_shortens_small_gradients_steps():
    """|g| = 1e-6, ε = 1e-8, s settled: .010 α inside, .990 α outside."""
    settled = {"alpha": 0.9, "eps": 1e-8}
    assert constant("rmsprop, inside", 1e-6, 300, **settled)[-1] == pytest.approx(0.010, abs=5e-4)
    assert constant("rmsprop", 1e-6, 300, **settled)[-1] == pytest.approx(0.990, abs=5e-4)


def test_adam_without_correction_leaps_at_first():
    """3.16 α at once, 6.57 α at the twelfth step; α from the start with the correction."""
    for name in "adam, uncorrected", "adam, the article's":
        lengths = constant(name, 1.0, 100)
        assert lengths[0] == pytest.approx(3.16, abs=5e-3)
        assert max(lengths) == lengths[11] == pytest.approx(6.57, abs=5e-3)
    assert constant("adam", 1.0, 100) == pytest.approx([1.0] * 100, abs=1e-6)


def test_decay_through_the_gradient_is_divided_away():
    """Adam's first step is lr whatever λθ adds to the gradient; AdamW's shrinks θ by lr · λ besides."""
    ends = []
    for kind in Adam, AdamW:
        theta = torch.nn.Parameter(torch.full((2,), 10.0, dtype=torch.float64))
        theta.grad = torch.tensor([1.0, 1000.0], dtype=torch.float64)
        kind([theta], lr=0.01, weight_decay=0.1).step()
        ends += theta.tolist()
    assert ends == pytest.approx([9.99, 9.99, 9.98, 9.98], abs=1e-8)


# Many networks, each with its own numbers


@every
def test_a_tensor_gives_each_replica_its_own(name):
    """Replica k of tensors (5, …) moves as it would alone under the k-th number."""
    kind, replicas = KINDS[name], 5
    tensors = starts(3, (replicas, 3, 2), (replicas, 3, 1))
    numbers = {key: torch.linspace(0.1, 0.9, replicas).double() for key in ("lr", "momentum", "alpha")}
    numbers |= {"eps": 10.0 ** -torch.arange(2.0, 2 + replicas).double(), "weight_decay": numbers["lr"] / 9}
    keys = [key for key in ("lr", *kind.options) if key in numbers]
    columns = {key: numbers[key].view(replicas, 1, 1) for key in keys}
    if "betas" in kind.options:
        columns["betas"] = numbers["momentum"].view(-1, 1, 1), 1 - numbers["alpha"].view(-1, 1, 1) / 10
    together = [torch.nn.Parameter(t.clone()) for t in tensors]
    optimizers = [made(name, together, **columns)]
    alone = []
    for k in range(replicas):
        alone.append([torch.nn.Parameter(t[k].clone()) for t in tensors])
        own = {key: numbers[key][k].item() for key in keys}
        if "betas" in columns:
            own["betas"] = tuple(beta[k].item() for beta in columns["betas"])
        optimizers.append(made(name, alone[k], **own))
    generator = seeded(4)
    for _ in range(50):
        for i, parameter in enumerate(together):
            parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            for k in range(replicas):
                alone[k][i].grad = parameter.grad[k].clone()
        for optimizer in optimizers:
            optimizer.step()
        for i, parameter in enumerate(together):
            expected = torch.stack([one[i].detach() for one in alone])
            torch.testing.assert_close(parameter.detach(), expected, rtol=1e-9, atol=1e-9)


def test_a_tensor_may_hold_a_zero_and_change():
    """Momentum 0 in one replica is plain descent there; the rate is assigned anew as it goes."""
    theta = torch.nn.Parameter(torch.zeros(2, 1))
    momentum = torch.tensor([[0.0], [0.5]])
    optimizer = SGD([theta], lr=torch.tensor([[1.0], [1.0]]), momentum=momentum)
    for rate in 1.0, 0.1:
        optimizer.param_groups[0]["lr"] = torch.full((2, 1), rate)
        theta.grad = torch.ones(2, 1)
        optimizer.step()
    assert theta.flatten().tolist() == pytest.approx([-1.1, -1.15])
    assert momentum.flatten().tolist() == [0, 0.5]


# Closures, groups, state


@every
def test_parameter_groups(name):
    """A group's own numbers, one added later, one parameter frozen."""
    kind = KINDS[name]
    shapes = [(3, 2), (2,), (), (4,)]
    race = Race(name, starts(5, *shapes), lr=0.01)
    for side, optimizer, more in (
        (race.mine, kind.ours, kind.ours_alone),
        (race.theirs, kind.theirs, {}),
    ):
        own = {"betas": (0.5, 0.6), "eps": 1e-2} if "betas" in kind.options else {"lr": 0.5}
        own |= {"momentum": 0.5} if "momentum" in kind.options else {}
        groups = [{"params": side[:1], "lr": 0.5} | own, {"params": [side[1], side[3]]}]
        made = optimizer(groups, lr=0.01, **kind.options | more)
        made.add_param_group({"params": side[2:3], "lr": 0.1})
        if side is race.mine:
            race.ours = made
        else:
            race.peer = made
    still = race.mine[3].detach().clone()
    for _ in range(STEPS):
        race.step()
    assert [group["lr"] for group in race.ours.param_groups] == [0.5, 0.01, 0.1]
    assert not torch.equal(race.mine[3], still)


@every
def test_frozen_parameter_stays(name):
    moving, frozen = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2), requires_grad=False)
    optimizer = made(name, [moving, frozen], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (moving * frozen).sum().backward()
        optimizer.step()
    assert frozen.tolist() == [1, 1]
    assert moving.tolist() != [1, 1]
    assert frozen not in optimizer.state


def test_named_parameters():
    layer = torch.nn.Linear(2, 1)
    optimizer = SGD(layer.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]


SCHEDULERS = {
    "step": lambda o: lr_scheduler.StepLR(o, 15, 0.5),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)),
    "one_cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.3, total_steps=STEPS, cycle_momentum=False),
    "one_cycle, momentum": lambda o: lr_scheduler.OneCycleLR(o, 0.3, total_steps=STEPS),  # and β₁
    "warm_up": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=20), lr_scheduler.ExponentialLR(o, 0.99)], [20]
    ),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=5, factor=0.8),
}


CYCLING = ["sgd", "momentum", "nesterov", "averaging", "rmsprop, momentum", "adam", "adam, inside", "adamw"]


@pytest.mark.parametrize(
    ("name", "schedule"),
    [(name, "cosine") for name in KINDS]  # each kind reads its rate anew, and each schedule writes it alike
    + [(name, schedule) for name in ("sgd", "adam") for schedule in SCHEDULERS if schedule != "cosine"]
    + [(name, "one_cycle, momentum") for name in CYCLING if name not in ("sgd", "adam")],
)
def test_schedulers_of_torch(name, schedule):
    cycles = schedule == "one_cycle, momentum"
    race = Race(name, [torch.ones(3, dtype=torch.float64)], bits=not cycles, lr=0.1)
    schedulers = [SCHEDULERS[schedule](optimizer) for optimizer in (race.ours, race.peer)]
    rates, momenta = set(), set()
    for _ in range(STEPS - 1):
        race.step()
        for scheduler in schedulers:
            scheduler.step(*[1.0] * (schedule == "plateau"))
        group = race.ours.param_groups[0]
        rates.add(group["lr"])
        momenta.add(group["betas"] if "betas" in group else group["momentum"])
    assert len(rates) > 5
    assert len(momenta) > 5 if cycles else len(momenta) == 1


def continued(optimizer, parameters, generator, steps):
    for _ in range(steps):
        give_gradients(generator, parameters)
        optimizer.step()
    return [p.detach().clone() for p in parameters]


@every
def test_resumed_run_is_the_same_run(name):
    """Saved to a file at step 70, loaded into a fresh optimizer: the same bits at step 200."""
    generator = seeded(4)
    parameters = [torch.nn.Parameter(t) for t in [*starts(3, (3, 2)), torch.ones(2)]]
    optimizer = made(name, parameters, lr=0.02)
    half = continued(optimizer, parameters, generator, 70)
    file, generator_state = io.BytesIO(), generator.get_state()
    torch.save(optimizer.state_dict(), file)
    whole = continued(optimizer, parameters, generator, 130)

    file.seek(0)
    again = [torch.nn.Parameter(t.clone()) for t in half]
    resumed = KINDS[name].ours(again, lr=9.0)  # what is loaded counts, not what it was made with
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.param_groups[0]["lr"] == 0.02
    fresh_generator = torch.Generator()
    fresh_generator.set_state(generator_state)
    assert_same(continued(resumed, again, fresh_generator, 130), whole)


@pytest.mark.parametrize(
    ("name", "direction"), [(name, way) for name in OF_TORCH for way in ("from torch", "to torch")]
)
def test_runs_go_on_across(name, direction):
    """The state's names and meanings are torch's: its state_dict goes on here, and ours there."""
    race = Race(name, [torch.ones(4, dtype=torch.float64)], lr=0.1, bits=direction == "from torch")
    giver, given, taker, taken = (
        (race.peer, race.theirs, race.ours, race.mine)
        if direction == "from torch"
        else (race.ours, race.mine, race.peer, race.theirs)
    )
    continued(giver, given, race.generator, 50)
    with torch.no_grad():
        taken[0].copy_(given[0])
    taker.load_state_dict(copy.deepcopy(giver.state_dict()))  # loading shares the tensors, as torch's does
    for _ in range(50):
        race.step()


def test_a_checkpoint_from_before_momentum_goes_on():
    theta = torch.nn.Parameter(torch.ones(1))
    optimizer = SGD([theta], lr=9.0)
    optimizer.load_state_dict({"state": {}, "param_groups": [{"lr": 0.5, "params": [0]}]})
    theta.grad = torch.ones(1)
    optimizer.step()
    assert theta.tolist() == [0.5]


@every
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_go_on_alike(name, clone):
    parameters = [torch.nn.Parameter(torch.ones(3))]
    optimizer = made(name, parameters, lr=0.1, check_finite=True)
    parameters[0].grad = torch.ones(3)
    optimizer.step()
    twin = clone(optimizer)
    optimizer.step()
    its_parameters = twin.param_groups[0]["params"]
    its_parameters[0].grad = torch.ones(3)
    twin.step()
    assert_same(parameters, its_parameters)
    its_parameters[0].grad = torch.full((3,), math.nan)
    with pytest.raises(FloatingPointError):
        twin.step()


@every
def test_closure(name):
    theta = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = made(name, [theta], lr=0.05)

    def closure():
        optimizer.zero_grad()
        loss = (theta**2).sum()
        loss.backward()  # needs gradients, which step otherwise switches off
        return loss

    losses = [optimizer.step(closure).item() for _ in range(100)]
    assert losses[0] == 4
    assert losses[-1] < 0.2
    assert optimizer.step() is None


@every
def test_leaves_the_gradient_as_it_is(name):
    theta = torch.nn.Parameter(torch.ones(3))
    gradient = torch.tensor([1.0, -2.0, 0.0])
    theta.grad = gradient
    optimizer = made(name, [theta], lr=0.1)
    for _ in range(5):
        optimizer.step()
    assert theta.grad is gradient
    assert gradient.tolist() == [1.0, -2.0, 0.0]
    assert not theta.grad.requires_grad
    assert theta.requires_grad
    assert theta.is_leaf


@every
def test_parameter_without_gradient_stays(name):
    used, idle = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    used.grad = torch.ones(2)
    optimizer = made(name, [used, idle], lr=0.1)
    optimizer.step()
    assert idle.tolist() == [1, 1]
    assert used.tolist() != [1, 1]
    assert idle not in optimizer.state


# Bad input: the rules themselves are broken in bad_input/optimizers.py


@every
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_check_finite_reports_before_anything_changes(name, bad):
    parameters = [torch.nn.Parameter(torch.ones(shape)) for shape in [(2,), (2, 3), (1,)]]
    optimizer = made(
        name, [{"params": parameters[:1]}, {"params": parameters[1:]}], lr=0.1, check_finite=True
    )
    for parameter in parameters[:2]:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    before, state = [p.detach().clone() for p in parameters], copy.deepcopy(optimizer.state_dict())
    parameters[1].grad[0, 1:] = bad
    with pytest.raises(FloatingPointError) as error:
        optimizer.step()
    kind = KINDS[name].ours.__name__
    assert str(error.value) == (
        f"{kind}: gradients must be finite; parameter 0 of group 1, shape (2, 3), has 2 NaN or infinite of 6"
    )
    assert_same(parameters, before)
    torch.testing.assert_close(optimizer.state_dict()["state"], state["state"], rtol=0, atol=0)


@of_torch
def test_without_check_finite_it_steps_as_torch_does(name):
    race = Race(name, [torch.ones(2)], lr=0.1)
    for twin in race.mine[0], race.theirs[0]:
        twin.grad = torch.tensor([math.nan, 1.0])
    race.ours.step(), race.peer.step()
    torch.testing.assert_close(race.mine, race.theirs, rtol=0, atol=0, equal_nan=True)


@every
def test_sparse_gradient_is_refused_before_anything_changes(name):
    dense, table = torch.nn.Parameter(torch.ones(2)), torch.nn.Embedding(4, 2, sparse=True)
    optimizer = made(name, [dense, table.weight], lr=0.1)
    (table(torch.tensor([1])).sum() + dense.sum()).backward()
    with pytest.raises(
        TypeError, match=r"gradients must be dense, got torch.sparse_coo for parameter 1 of group 0"
    ):
        optimizer.step()
    assert dense.tolist() == [1, 1]
    assert not optimizer.state


@pytest.mark.parametrize("bad", [{"lr": -1.0}, {"lr": torch.ones(3)}])
def test_refused_group_is_not_added(bad):
    optimizer = SGD([torch.nn.Parameter(torch.ones(1))])
    with pytest.raises(ValueError, match="SGD: lr must"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))], **bad})
    assert len(optimizer.param_groups) == 1


def test_refused_checkpoint_changes_nothing():
    theta = torch.nn.Parameter(torch.ones(1))
    peer = torch.optim.SGD([theta], lr=0.5, momentum=0.9, dampening=0.5)
    optimizer = SGD([theta], lr=0.1)
    with pytest.raises(ValueError, match=r"SGD: dampening must be 0 or left to torch.optim.SGD, got 0\.5"):
        optimizer.load_state_dict(peer.state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("kind", [SGD, RMSprop, Adam, AdamW])
def test_takes_torch_s_options_where_they_do_nothing(kind):
    """All that torch's class takes, and so in our checkpoints too; none of them by another value."""
    torchs = getattr(torch.optim, kind.__name__)
    theta = [torch.nn.Parameter(torch.ones(1))]
    names = torchs([*theta]).defaults.keys()
    assert names <= kind([*theta]).defaults.keys()
    for name in names - {"lr", "betas", "eps", "alpha", "momentum", "nesterov", "weight_decay"}:
        if name == "decoupled_weight_decay":
            continue
        neutral = inspect.signature(torchs).parameters[name].default
        for value in (neutral, False, None, 0):
            assert kind(theta, **{name: value}).defaults[name] == neutral
        with pytest.raises(
            ValueError, match=rf"{name} must be {neutral} or left to torch.optim.{kind.__name__}"
        ):
            kind(theta, **{name: 0.5 if name == "dampening" else True})
    with pytest.raises(TypeError, match="lambd"):
        kind(theta, lambd=0)


@pytest.mark.parametrize("option", ["foreach", "fused"])
def test_a_checkpoint_may_have_been_computed_another_way(option):
    """How torch took its steps does not matter to ours, and goes back to torch."""
    race = Race("adam", [torch.ones(4)], lr=0.1, bits=False)
    race.peer = torch.optim.Adam(race.theirs, lr=0.1, **{option: True}, **MOMENTS)
    continued(race.peer, race.theirs, race.generator, 3)
    with torch.no_grad():
        race.mine[0].copy_(race.theirs[0])
    race.ours.load_state_dict(copy.deepcopy(race.peer.state_dict()))
    for _ in range(20):
        race.step()
    assert race.ours.state_dict()["param_groups"][0][option]


def test_a_checkpoint_from_before_torch_s_shapes():
    """A BatchNorm's parameters were `(features, 1)` in 0.1."""
    old, theta = torch.nn.Parameter(torch.ones(3, 1)), torch.nn.Parameter(torch.ones(3))
    before, after = Adam([old]), Adam([theta])
    old.grad = torch.ones(3, 1)
    before.step()
    after.load_state_dict(before.state_dict())
    assert after.state[theta]["exp_avg"].shape == (3,)


# Large tensors, and compiled steps


def both_ways(kind, shape, monkeypatch, *, strided=False, **options):
    """The parameter after some steps, whole and in pieces of at least 8 elements."""
    ends = []
    for piece in (2**40, 8):
        monkeypatch.setattr(optimizers, "_PIECE", piece)
        (start,) = starts(0, shape, dtype=torch.float32)
        theta, generator = torch.nn.Parameter(start.mT if strided else start), seeded(1)
        optimizer = kind([theta], **options)
        for _ in range(5):
            gradient = torch.randn(shape, generator=generator)
            theta.grad = gradient.mT if strided else gradient
            optimizer.step()
        ends.append(theta.detach())
    return ends


@every
@pytest.mark.parametrize("shape", [(7, 5, 3), (1, 1001), (257,)])
def test_pieces_are_the_whole_to_the_bit(name, shape, monkeypatch):
    kind = KINDS[name]
    options = {"lr": 0.1, **kind.options, **kind.ours_alone}
    whole, pieces = both_ways(kind.ours, shape, monkeypatch, **options)
    assert torch.equal(whole, pieces)


@pytest.mark.parametrize("kind", [RMSprop, Adam, AdamW])
@pytest.mark.parametrize("rate", [(), (1, 1, 1), (7, 1, 1), (7, 5, 1), (1, 5, 1), (3,)])
def test_pieces_take_their_own_numbers_along(kind, rate, monkeypatch):
    whole, pieces = both_ways(kind, (7, 5, 3), monkeypatch, lr=torch.rand(rate, generator=seeded(2)))
    assert torch.equal(whole, pieces)


def test_what_is_strided_stays_whole(monkeypatch):
    whole, pieces = both_ways(Adam, (70, 50), monkeypatch, strided=True)
    assert torch.equal(whole, pieces)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of modules that torch's compiler imports
@pytest.mark.parametrize("name", ["sgd", "momentum", "rmsprop", "rmsprop, momentum", "adam", "adamw"])
def test_is_one_graph_under_compile(name):
    """Torch's own Adam is one, its SGD with momentum two."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    race = Race(name, starts(0, (3, 2), (4,)), lr=0.1, bits=False)
    race.ours.step = torch.compile(race.ours.step, backend="eager", fullgraph=True)
    generator = seeded(1)
    for _ in range(4):
        for mine, theirs in zip(race.mine, race.theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator, dtype=mine.dtype)
            theirs.grad = mine.grad.clone()
        race.ours.step(), race.peer.step()
        torch.testing.assert_close(race.mine, race.theirs, rtol=1e-12, atol=1e-14)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    plain = made(name, race.mine, lr=0.1)
    plain.load_state_dict(race.ours.state_dict())
    plain.step()
    race.peer.step()
    torch.testing.assert_close(race.mine, race.theirs, rtol=1e-12, atol=1e-14)


# ε in half precision


@pytest.mark.parametrize("kind", [RMSprop, Adam, AdamW])
@pytest.mark.parametrize("gradient", [0.0, 1e-3])
def test_check_finite_sees_0_over_0_coming(kind, gradient):
    """1e-8 is 0 in float16, and so is the square of 1e-3 in the running mean."""
    theta = torch.nn.Parameter(torch.ones(2, dtype=torch.float16))
    theta.grad = torch.tensor([1.0, gradient], dtype=torch.float16)
    careful = kind([theta], lr=0.1, check_finite=True, weight_decay=0.0)
    with pytest.raises(FloatingPointError, match=r"eps must be above 0 in torch.float16 where squared"):
        careful.step()
    assert theta.tolist() == [1, 1]
    assert not careful.state
    theta.grad = torch.ones(2, dtype=torch.float16)
    careful.step()
    assert theta.isfinite().all()
    theta.grad = torch.zeros(2, dtype=torch.float16)
    careful.step()  # the mean of squares is not 0 yet
    assert theta.isfinite().all()


@pytest.mark.parametrize("kind", [RMSprop, Adam, AdamW])
def test_check_finite_lets_a_larger_epsilon_pass(kind):
    theta = torch.nn.Parameter(torch.ones(2, dtype=torch.float16))
    theta.grad = torch.tensor([0.0, 1e-3], dtype=torch.float16)
    kind([theta], lr=0.1, eps=1e-4, check_finite=True).step()
    assert theta.isfinite().all()


def test_base_class_has_no_rule():
    class Forgetful(SGD.__base__):
        def __init__(self, params):
            super().__init__(params, {}, check_finite=False)

    theta = torch.nn.Parameter(torch.ones(1))
    theta.grad = torch.ones(1)
    with pytest.raises(NotImplementedError):
        Forgetful([theta]).step()
