"""optimizers.py: one contract for all optimizers: at every step the numbers of torch.optim, to the bit."""

import copy
import io
import math
import pickle
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from unitgain.devices import best_device
from unitgain.optimizers import SGD, Adam, adam_rule, sgd_rule

DEVICES = sorted({"cpu", best_device().type})
STEPS = 200
OURS = {"sgd": SGD, "adam": Adam}
THEIRS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}

both = pytest.mark.parametrize("name", OURS)
exactly = settings(max_examples=20, deadline=None, derandomize=True, database=None)
rates = st.floats(1e-6, 10) | st.just(0.0)
shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)
decays = st.floats(0, 0.9999)
dtypes = st.sampled_from([torch.float64, torch.float32])


def pair(name, parameters, **options):
    """Our parameters and torch's, which start alike, and an optimizer over each."""
    mine = [torch.nn.Parameter(p.clone()) for p in parameters]
    theirs = [torch.nn.Parameter(p.clone()) for p in parameters]
    return mine, theirs, OURS[name](mine, **options), THEIRS[name](theirs, **options)


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


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The numbers


@exactly
@given(lr=rates, shape=shapes, dtype=dtypes, seed=st.integers(0, 2**31))
def test_sgd_equals_torch_at_every_step(lr, shape, dtype, seed):
    generator = seeded(seed)
    start = torch.randn(shape, generator=generator, dtype=dtype)
    mine, theirs, ours, peers = pair("sgd", [start], lr=lr)
    for _ in range(STEPS):
        give_gradients(generator, mine, theirs)
        ours.step(), peers.step()
        assert_same(mine, theirs)


@exactly
@given(
    lr=rates,
    beta1=decays,
    beta2=decays,
    eps=st.floats(1e-12, 1),
    shape=shapes,
    dtype=dtypes,
    seed=st.integers(0, 2**31),
)
def test_adam_equals_torch_at_every_step(lr, beta1, beta2, eps, shape, dtype, seed):
    generator = seeded(seed)
    start = torch.randn(shape, generator=generator, dtype=dtype)
    mine, theirs, ours, peers = pair("adam", [start], lr=lr, betas=(beta1, beta2), eps=eps)
    for _ in range(STEPS):
        give_gradients(generator, mine, theirs)
        ours.step(), peers.step()
        assert_same(mine, theirs)
    for a, b in zip(mine, theirs, strict=True):
        assert ours.state[a].keys() == peers.state[b].keys()
        for key, value in ours.state[a].items():
            assert torch.equal(torch.as_tensor(value, dtype=dtype), peers.state[b][key].to(dtype))


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


def test_sgd_rule_is_in_place():
    theta, gradient = torch.tensor([1.0, 2.0]), torch.tensor([10.0, -10.0])
    assert sgd_rule(theta, gradient, lr=0.1) is None
    assert theta.tolist() == pytest.approx([0.0, 3.0], abs=1e-6)


@both
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_device_and_dtype(name, device, dtype):
    mine, theirs, ours, peers = pair(name, [torch.ones(4, 3, device=device, dtype=dtype)], lr=0.01)
    generator = seeded(0)
    for _ in range(20):
        give_gradients(generator, mine, theirs)
        ours.step(), peers.step()
        torch.testing.assert_close(mine, theirs)
    assert mine[0].device.type == device
    assert mine[0].dtype == dtype


# The books


@both
def test_parameter_groups(name):
    generator = seeded(1)
    starts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in [(3, 2), (2,), ()]]
    sides, optimizers = [], []
    for kind in OURS[name], THEIRS[name]:
        parameters = [torch.nn.Parameter(start.clone()) for start in starts]
        groups = [{"params": parameters[:1], "lr": 0.5}, {"params": parameters[1:2]}]
        if name == "adam":
            groups[0] |= {"betas": (0.5, 0.6), "eps": 1e-2}
        optimizer = kind(groups, lr=0.01)
        optimizer.add_param_group({"params": parameters[2:], "lr": 0.1})
        sides.append(parameters), optimizers.append(optimizer)
    for _ in range(STEPS):
        give_gradients(generator, *sides)
        for optimizer in optimizers:
            optimizer.step()
        assert_same(*sides)
    assert [group["lr"] for group in optimizers[0].param_groups] == [0.5, 0.01, 0.1]


SCHEDULERS = {
    "step": lambda o: lr_scheduler.StepLR(o, 30, 0.5),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)),
    "one_cycle": lambda o: lr_scheduler.OneCycleLR(
        o, 0.3, total_steps=STEPS, cycle_momentum="betas" in o.defaults
    ),
    "warm_up": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=20), lr_scheduler.ExponentialLR(o, 0.99)], [20]
    ),
}


@both
@pytest.mark.parametrize("schedule", SCHEDULERS)
def test_schedulers_of_torch(name, schedule):
    generator = seeded(2)
    mine, theirs, ours, peers = pair(name, [torch.ones(3, dtype=torch.float64)], lr=0.1)
    schedulers = [SCHEDULERS[schedule](optimizer) for optimizer in (ours, peers)]
    rates_seen = set()
    for _ in range(STEPS - 1):
        give_gradients(generator, mine, theirs)
        ours.step(), peers.step()
        for scheduler in schedulers:
            scheduler.step()
        assert_same(mine, theirs)
        rates_seen.add(ours.param_groups[0]["lr"])
    assert len(rates_seen) > 5


def test_plateau_scheduler():
    optimizer = SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.1)
    for _ in range(3):
        optimizer.step()
        scheduler.step(1.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def continued(optimizer, parameters, generator, steps):
    for _ in range(steps):
        give_gradients(generator, parameters)
        optimizer.step()
    return [p.detach().clone() for p in parameters]


@both
def test_resumed_run_is_the_same_run(name):
    """Saved to a file at step 70, loaded into a fresh optimizer: the same bits at step 200."""
    starts = [torch.randn(3, 2, generator=seeded(3), dtype=torch.float64), torch.ones(2)]
    generator = seeded(4)
    parameters, _, optimizer, _ = pair(name, starts, lr=0.02)
    half = continued(optimizer, parameters, generator, 70)
    file, generator_state = io.BytesIO(), generator.get_state()
    torch.save(optimizer.state_dict(), file)
    whole = continued(optimizer, parameters, generator, 130)

    file.seek(0)
    again, _, resumed, _ = pair(name, half, lr=9.0)  # what is loaded counts, not what it was made with
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.param_groups[0]["lr"] == 0.02
    fresh_generator = torch.Generator()
    fresh_generator.set_state(generator_state)
    assert_same(continued(resumed, again, fresh_generator, 130), whole)


@both
def test_resumes_a_run_of_torch(name):
    """The state's names and meanings are torch's: its state_dict goes on here, to the bit."""
    mine, theirs, ours, peers = pair(name, [torch.ones(4, dtype=torch.float64)], lr=0.1)
    generator = seeded(5)
    continued(peers, theirs, generator, 50)
    with torch.no_grad():
        mine[0].copy_(theirs[0])
    ours.load_state_dict(copy.deepcopy(peers.state_dict()))  # loading shares the tensors, as torch's does
    for _ in range(50):
        give_gradients(generator, mine, theirs)
        ours.step(), peers.step()
        assert_same(mine, theirs)


@both
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_go_on_alike(name, clone):
    parameters = [torch.nn.Parameter(torch.ones(3))]
    optimizer = OURS[name](parameters, lr=0.1, check_finite=True)
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


@both
def test_closure(name):
    theta = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = OURS[name]([theta], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (theta**2).sum()
        loss.backward()  # needs gradients, which step otherwise switches off
        return loss

    losses = [optimizer.step(closure).item() for _ in range(50)]
    assert losses[0] == 4
    assert losses[-1] < 0.1
    assert optimizer.step() is None


@both
def test_leaves_the_gradient_as_it_is(name):
    theta = torch.nn.Parameter(torch.ones(3))
    gradient = torch.tensor([1.0, -2.0, 0.0])
    theta.grad = gradient
    optimizer = OURS[name]([theta], lr=0.1)
    for _ in range(5):
        optimizer.step()
    assert theta.grad is gradient
    assert gradient.tolist() == [1.0, -2.0, 0.0]
    assert not theta.grad.requires_grad
    assert theta.requires_grad
    assert theta.is_leaf


@both
def test_parameter_without_gradient_stays(name):
    used, idle = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    used.grad = torch.ones(2)
    optimizer = OURS[name]([used, idle], lr=0.1)
    optimizer.step()
    assert idle.tolist() == [1, 1]
    assert used.tolist() != [1, 1]
    assert idle not in optimizer.state or not optimizer.state[idle]


# Bad input


@both
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_check_finite_reports_before_anything_changes(name, bad):
    parameters = [
        torch.nn.Parameter(torch.ones(2)),
        torch.nn.Parameter(torch.ones(2, 3)),
        torch.nn.Parameter(torch.ones(1)),
    ]
    optimizer = OURS[name](
        [{"params": parameters[:1]}, {"params": parameters[1:]}], lr=0.1, check_finite=True
    )
    for parameter in parameters[:2]:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    before, state = [p.detach().clone() for p in parameters], copy.deepcopy(optimizer.state_dict())
    parameters[1].grad[0, 1:] = bad
    with pytest.raises(FloatingPointError) as error:
        optimizer.step()
    kind = OURS[name].__name__
    assert str(error.value) == (
        f"{kind}: gradients must be finite; parameter 0 of group 1, shape (2, 3), has 2 NaN or infinite of 6"
    )
    assert_same(parameters, before)
    torch.testing.assert_close(optimizer.state_dict()["state"], state["state"], rtol=0, atol=0)


@both
def test_without_check_finite_it_steps_as_torch_does(name):
    mine, theirs, ours, peers = pair(name, [torch.ones(2)], lr=0.1)
    for twin in mine[0], theirs[0]:
        twin.grad = torch.tensor([math.nan, 1.0])
    ours.step(), peers.step()
    torch.testing.assert_close(mine, theirs, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        (SGD, {"lr": -0.1}, "SGD: lr must be in [0, inf), got -0.1"),
        (SGD, {"lr": math.nan}, "SGD: lr must be in [0, inf), got nan"),
        (SGD, {"lr": math.inf}, "SGD: lr must be in [0, inf), got inf"),
        (Adam, {"lr": -1}, "Adam: lr must be in [0, inf), got -1"),
        (Adam, {"betas": (1.0, 0.9)}, "Adam: betas[0] must be in [0, 1), got 1.0"),
        (Adam, {"betas": (0.9, -0.1)}, "Adam: betas[1] must be in [0, 1), got -0.1"),
        (Adam, {"betas": (0.9, math.nan)}, "Adam: betas[1] must be in [0, 1), got nan"),
        (Adam, {"eps": -1e-8}, "Adam: eps must be in [0, inf), got -1e-08"),
    ],
)
def test_bad_input_is_named(kind, options, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        kind([torch.nn.Parameter(torch.ones(1))], **options)


def test_base_class_has_no_rule():
    class Forgetful(SGD.__base__):
        def __init__(self, params):
            super().__init__(params, {}, check_finite=False)

    theta = torch.nn.Parameter(torch.ones(1))
    theta.grad = torch.ones(1)
    with pytest.raises(NotImplementedError):
        Forgetful([theta]).step()
