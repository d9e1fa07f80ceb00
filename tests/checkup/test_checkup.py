"""Does a check-up name what was done to a sound program, and does it leave sound programs alone?"""

import json
import warnings

import pytest
import torch
from sklearn.datasets import load_diabetes, make_moons
from torch import nn
from torch.nn import functional as F

from unitgain.checkup import FAULTS, assert_trainable, checkup
from unitgain.datasets import digits

RAW, LABELS = digits()
PIXELS = (RAW - RAW.mean(0)) / (RAW.std(0) + 1e-8)
MOONS, MOON = (torch.from_numpy(a).float() for a in make_moons(400, noise=0.1, random_state=0))
MOON = MOON[:, None]
PATIENTS, PROGRESS = (torch.from_numpy(a).float() for a in load_diabetes(return_X_y=True))
PATIENTS, PROGRESS = 21 * PATIENTS, PROGRESS[:, None]
SCALED = (PROGRESS - PROGRESS.mean()) / PROGRESS.std()
CE, BCE, MSE = nn.CrossEntropyLoss(), nn.BCEWithLogitsLoss(), nn.MSELoss()

SICK, SOUND = {}, {}


def batches(x, y, size=64, shuffle=True):
    order = torch.randperm(len(x)) if shuffle else torch.arange(len(x))
    return [(x[rows], y[rows]) for rows in order.split(size)]


def mlp(*sizes, act=nn.ReLU, last=()):
    layers = [m for a, b in zip(sizes, sizes[1:], strict=False) for m in (nn.Linear(a, b), act())]
    return nn.Sequential(*layers[:-1], *last)


def sgd(model, lr=0.1, **options):
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def adam(model, lr=1e-3):
    return torch.optim.Adam(model.parameters(), lr=lr)


class Two(nn.Module):
    """Two layers; `between` is what happens to the hidden units."""

    def __init__(self, between=F.relu, more=None):
        super().__init__()
        self.one, self.two, self.between, self.more = nn.Linear(64, 64), nn.Linear(64, 10), between, more

    def forward(self, x):
        return self.two(self.between(self.one(x)))


def stepping(zero=True, step=True, clip=None, mode=None):
    """A training step with a line too few or too many."""

    def run(model, batch, optimizer):
        if mode:
            getattr(model, mode)()
        if zero:
            optimizer.zero_grad()
        loss = CE(model(batch[0]), batch[1])
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        if step:
            optimizer.step()
        return loss

    return run


def digit_net(loss=CE, optimizer=sgd, x=PIXELS, step=None, model=None, y=LABELS, **options):
    model = model or mlp(64, 64, 10, **options)
    return model, batches(x, y), loss, optimizer(model), step


SOUND |= {
    "digits": digit_net,
    "digits, Adam": lambda: digit_net(optimizer=adam),
    "pixels from 0 to 1": lambda: digit_net(x=RAW / 16),
    "a step that clips seldom": lambda: digit_net(step=stepping(clip=1.0)),
    "a step and batch normalization": lambda: digit_net(
        model=nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10)),
        step=stepping(mode="train"),
    ),
    "moons": lambda: on_moons(mlp(2, 32, 32, 1)),
    "noisy moons": lambda: on_moons(
        mlp(2, 32, 32, 1), y=torch.where(torch.rand(400, 1) < 0.3, 1 - MOON, MOON)
    ),
    "diabetes": lambda: on_patients(mlp(10, 32, 1)),
    "one layer": lambda: on_patients(mlp(10, 1), optimizer=sgd),
}


def on_moons(model, x=MOONS, y=MOON, lr=1e-2):
    return model, (x, y), BCE, adam(model, lr), None


def on_patients(model, y=SCALED, optimizer=adam):
    return model, batches(PATIENTS, y), MSE, optimizer(model), None


def filled(model, value):
    for p in model.parameters():
        nn.init.constant_(p, value)
    return model


def drawn(model, std):
    for p in model.parameters():
        nn.init.normal_(p, 0, std)
    return model


def biased(model, value):
    nn.init.constant_(model[0].bias, value)
    return model


def frozen():
    model = mlp(64, 8, 10)
    model[0].requires_grad_(False)
    model[2].weight.requires_grad_(False)
    return digit_net(model=model)


def listed():
    model = Two()
    model.hidden = [nn.Linear(64, 64), nn.Linear(64, 64)]
    model.between = lambda h: model.hidden[1](F.relu(model.hidden[0](F.relu(h))))
    return digit_net(model=model)


def sorted_digits():
    order, model = LABELS.argsort(), mlp(64, 64, 10)
    return model, batches(PIXELS[order], LABELS[order], shuffle=False), CE, sgd(model), None


def rare():
    keep = (LABELS != 8) | (torch.rand(len(LABELS)) < 0.12)
    model = mlp(64, 32, 1)
    return model, batches(PIXELS[keep], (LABELS[keep] == 8).float()[:, None]), BCE, sgd(model, 0.01), None


def normalized(**options):
    return nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64, **options), nn.ReLU(), nn.Linear(64, 10))


SICK |= {
    "softmax-before-cross-entropy": lambda: digit_net(last=(nn.Softmax(-1),)),
    "softmax-wrong-axis": lambda: digit_net(last=(nn.Softmax(0),)),
    "rate-too-high": lambda: digit_net(optimizer=lambda model: sgd(model, 50)),
    "rate-too-low": lambda: digit_net(optimizer=lambda model: sgd(model, 1e-5)),
    "inputs-not-centred": lambda: on_moons(mlp(2, 32, 32, 1), x=MOONS + 100, lr=1e-3),
    "inputs-wild-scales": lambda: on_moons(mlp(2, 32, 32, 1), x=MOONS * torch.tensor([1e4, 1e-3]), lr=1e-3),
    "inputs-non-finite": lambda: digit_net(
        x=torch.where(torch.rand(len(PIXELS), 1) < 0.01, torch.nan, PIXELS)
    ),
    "inputs-shuffled": lambda: digit_net(y=LABELS[torch.randperm(len(LABELS))]),
    "targets-unscaled": lambda: on_patients(mlp(10, 32, 1), y=PROGRESS),
    "targets-broadcast": lambda: on_patients(mlp(10, 32, 1), y=SCALED[:, 0]),
    "targets-constant": lambda: on_patients(mlp(10, 32, 1), y=0 * SCALED + 1),
    "labels-out-of-range": lambda: digit_net(y=LABELS + 1),
    "batches-sorted": sorted_digits,
    "classes-unequal": rare,
    "weights-zero": lambda: digit_net(model=filled(mlp(64, 64, 10), 0.0)),
    "weights-equal": lambda: digit_net(model=filled(mlp(64, 64, 10), 0.05)),
    "weights-large": lambda: digit_net(model=drawn(mlp(64, 64, 64, 10, act=nn.Tanh), 10)),
    "weights-small": lambda: digit_net(model=drawn(mlp(64, 64, 64, 64, 64, 10), 0.001)),
    "biases-kill": lambda: digit_net(model=biased(mlp(64, 64, 64, 10), -20)),
    "vanishing": lambda: digit_net(model=mlp(64, *[32] * 8, 10, act=nn.Sigmoid)),
    "no-nonlinearity": lambda: on_moons(nn.Sequential(nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 1))),
    "too-narrow": lambda: digit_net(model=mlp(64, 32, 1, 32, 10)),
    "output-activation": lambda: on_patients(mlp(10, 32, 1, last=(nn.ReLU(),))),
    "squared-error-saturated": lambda: digit_net(
        loss=MSE,
        y=F.one_hot(LABELS, 10).float(),
        model=biased(nn.Sequential(nn.Linear(64, 10), nn.Sigmoid()), -12),
    ),
    "sum-for-mean": lambda: digit_net(loss=nn.CrossEntropyLoss(reduction="sum")),
    "weight-decay": lambda: digit_net(optimizer=lambda model: sgd(model, weight_decay=2)),
    "dropout-strong": lambda: digit_net(
        model=nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.97), nn.Linear(64, 10))
    ),
    "dropout-in-evaluation": lambda: digit_net(model=Two(lambda h: F.dropout(F.relu(h), 0.5))),
    "frozen": frozen,
    "missing-from-optimizer": lambda: digit_net(
        optimizer=lambda model: torch.optim.SGD([model[2].bias], lr=0.1)
    ),
    "optimizer-of-another-model": lambda: digit_net(optimizer=lambda model: sgd(mlp(64, 64, 10))),
    "not-registered": listed,
    "unused": lambda: digit_net(model=Two(more=nn.Linear(64, 64))),
    "detached": lambda: digit_net(model=Two(lambda h: F.relu(h).detach())),
    "non-differentiable": lambda: digit_net(model=Two(torch.sign)),
    "no-step": lambda: digit_net(step=stepping(step=False)),
    "gradients-not-zeroed": lambda: digit_net(step=stepping(zero=False)),
    "clipping-tight": lambda: digit_net(step=stepping(clip=1e-4)),
    "batchnorm-mode": lambda: digit_net(model=normalized(), step=stepping(mode="eval")),
    "batchnorm-lagging": lambda: digit_net(x=RAW, model=normalized(momentum=1e-5)),
}


def examined(make, **options):
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's, of broadcasting
        model, data, loss, optimizer, step = make()
        return checkup(model, data, loss, optimizer=optimizer, step=step, **options)


@pytest.mark.parametrize("name", SICK)
def test_names_the_cause(name):
    report = examined(SICK[name])
    assert name in [finding.name for finding in report.findings], report
    assert report.seconds < 5


@pytest.mark.parametrize("name", SOUND)
def test_leaves_a_sound_program_alone(name):
    assert not examined(SOUND[name])


def test_a_report_says_it_in_words_in_html_and_as_plain_values():
    report = examined(SICK["rate-too-high"])
    told = json.loads(json.dumps(report.to_dict()))
    first = told["findings"][0]
    assert first["id"] == FAULTS["rate-too-high"].id == "UG051"
    assert first["name"] in report.summary
    assert "lr=" in first["fix"]
    assert "{" not in first["fix"]
    text = str(report)
    assert text.startswith("1 finding: rate-too-high")
    assert first["evidence"] in text
    html = report._repr_html_()
    assert "<strong>rate-too-high</strong>" in html


def test_html_is_escaped():
    from unitgain.checkup import Finding, Report

    report = Report((Finding("does-not-run", "it raises <b> & so on"),), 0.0, 0.0, 0.1)
    assert "&lt;b&gt; &amp; so" in report._repr_html_()


def test_at_most_so_many():
    model = filled(mlp(64, 64, 10, last=(nn.Softmax(-1),)), 0.0)
    assert len(examined(lambda: digit_net(model=model), most=1).findings) == 1


def test_assert_trainable():
    model, data, loss, optimizer, _ = digit_net()
    assert_trainable(model, data, loss, optimizer=optimizer)
    model, data, loss, optimizer, _ = SICK["weights-zero"]()
    with pytest.raises(AssertionError, match="weights-zero"):
        assert_trainable(model, data, loss, optimizer=optimizer)


def test_ids_are_stable_and_each_once():
    ids = [fault.id for fault in FAULTS.values()]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert FAULTS["inputs-not-centred"].id == "UG001"
    assert FAULTS["does-not-run"].id == "UG076"
