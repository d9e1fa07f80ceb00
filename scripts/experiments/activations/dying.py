"""How many units die as the learning rate rises, and which activations prevent it?  Chapter: activations."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.activations._shared.digits import BATCH, at_rates, digit_sets, unit_range
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import descend, mlps, standardized
from experiments.words import between, long_table, percent
from unitgain.diagnostics import activity
from unitgain.models import MLP
from unitgain.training import accuracy

ARMS = {  # title: activation, scale of the inputs
    "ReLU": ("relu", unit_range),
    "leaky ReLU": ("leaky_relu", unit_range),
    "PReLU": ("prelu", unit_range),
    "Maxout": ("maxout", unit_range),
    "ReLU, standardized": ("relu", standardized),
}
WIDTH = 100
RATES = (0.1, 0.3, 0.7, 1.0, 1.4, 2.0, 2.8)
TOO_HIGH = 4  # index of the rate that the claim calls too high
EPOCHS = 3
GOOD = 0.9  # accuracy

OFFSETS = (0.0, 0.25, 0.5, 1.0, 2.0)  # the map: of standardized pixels, in their standard deviations
WIDTHS = {"one layer of 20": (20,), "one layer of 100": (WIDTH,), "two layers of 40": (40, 40)}
HIGH = (0.7, 1.4, 2.8, 5.6)  # rates of the map
SHORT = 2  # its epochs
FORTY = 0.4  # as claimed


def _units(model: MLP, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which of the hidden units never switch on, and which no gradient passes, whatever the example.

    Of a maxout unit the first are its pieces that are never the largest: (networks, pieces * units).
    """
    z = model.layers[0].columns(x.mT).detach().requires_grad_()
    (slope,) = torch.autograd.grad(model.activations[0](z).sum(), z)
    passes = (slope != 0).any(-1)
    if getattr(model.activations[0], "name", "") == "maxout":
        return ~passes, ~passes.unflatten(-1, (WIDTH, -1)).any(-1)
    return activity(model, x)[0].dead, ~passes


def _mapped(networks: int, seed: int, device) -> torch.Tensor:
    """The most that die at any of the rates HIGH (offsets, shapes, networks): shares of the first layer.

    A network that diverges counts with its shares at the other rates.
    """
    train = digit_sets(seed, networks, standardized, device=device).train
    offsets = torch.tensor(OFFSETS, device=device)[:, None, None, None, None]
    examples = train._replace(x=train.x + offsets)
    replicas, found = (len(OFFSETS), len(HIGH), networks), []
    for hidden in WIDTHS.values():
        words = {"activation": "relu", "weight": "he_normal", "seed": seed, "device": device}
        model = mlps((64, *hidden, 10), replicas, **words)
        rate = torch.tensor(HIGH)[:, None].expand(len(OFFSETS), -1, 1)
        descend(model, examples, rate, seed=seed, epochs=SHORT, batch=BATCH)
        with torch.no_grad():
            finite = model(examples.x).isfinite().flatten(-2).all(-1)
            share = activity(model, examples.x)[0].dead.float().mean(-1)
        found.append(torch.where(finite, share, 0.0).amax(1))
    return torch.stack(found, dim=1)


def compute(*, networks=8, mapped=8, seed=0, device="cpu"):
    """After training: shares of units that are `silent` (never on) and `unreached` (by any gradient).

    Also the validation `accuracy` and whether a network has `diverged` to numbers that are not finite; all
    (arms, rates, networks). And the share `born` silent (arms, networks), and the `parameters` (arms,). For
    the map the `most` that are silent at any rate (offsets, shapes, networks).
    """
    found = {"silent": [], "unreached": [], "accuracy": [], "diverged": [], "born": [], "parameters": []}
    for name, scale in ARMS.values():
        sets = digit_sets(seed, networks, scale, device=device)
        kind = (64, WIDTH, 10), name, "he_normal"
        born, _ = at_rates(*kind, RATES[:1], networks, seed, device)
        found["born"].append(_units(born, sets.train.x)[0][0].float().mean(-1))
        model, rate = at_rates(*kind, RATES, networks, seed, device)
        descend(model, sets.train, rate, seed=seed, epochs=EPOCHS, batch=BATCH)
        for key, units in zip(("silent", "unreached"), _units(model, sets.train.x), strict=True):
            found[key].append(units.float().mean(-1))
        with torch.no_grad():
            outputs = model(sets.validation.x)
        found["accuracy"].append(accuracy(outputs, sets.validation.y))
        found["diverged"].append(~outputs.isfinite().flatten(-2).all(-1))
        found["parameters"].append(torch.tensor(sum(p[0, 0].numel() for p in model.parameters())))
    measured = {key: torch.stack(values) for key, values in found.items()}
    return {**measured, "most": _mapped(mapped, seed, device)}


def _kept(result, key: str, arm: int) -> list[np.ndarray]:
    """The networks that have not diverged, a row for each rate."""
    return [v[~gone] for v, gone in zip(result[key][arm], result["diverged"][arm], strict=True)]


def _points(ax, rows: list[np.ndarray], colour, line: str, mark: str, **marker) -> None:
    """Means and intervals, in percent, where at least half of the networks are left."""
    most = max(len(row) for row in rows)
    there = [(rate, 100 * row) for rate, row in zip(RATES, rows, strict=True) if len(row) >= max(2, most / 2)]
    rates = [rate for rate, _ in there]
    ends = np.array([mean_interval(row) for _, row in there]).reshape(-1, 2)
    ax.vlines(rates, *ends.T, color=colour, lw=1.2)
    ax.plot(rates, [row.mean() for _, row in there], line + mark, color=colour, lw=1.2, ms=5, **marker)


def draw(result) -> Figure:
    fig, (dead, right) = style.figure(8.2, 3.8, ncols=2, tall=6.8, sharex=True)
    raw, centred = (style.palette()[key] for key in ("raw", "standardized"))
    _points(dead, _kept(result, "silent", 1), raw, ":", "s", mfc="none")
    for arm in range(len(ARMS)):
        look = (centred, "-", "o") if arm == len(ARMS) - 1 else (raw, "--", "^sDv"[arm])
        _points(dead, _kept(result, "unreached", arm), *look)
        _points(right, _kept(result, "accuracy", arm), *look)
        gone = np.array(RATES)[result["diverged"][arm].mean(-1) > 0.5][:1]
        if len(gone):
            height = 20 if list(ARMS)[arm] == "PReLU" else 4
            right.plot(gone, height, "x", color=raw, ms=7, mew=1.8)
            right.text(
                gone[0] / 1.15, height, f"{list(ARMS)[arm]} diverges", color=raw, ha="right", va="center"
            )
    for ax, x, y, text, colour in (
        (dead, 3.2, 96, "ReLU", raw),
        (dead, 3.2, 80, "leaky ReLU:\nnever on,\nbut not dead", raw),
        (dead, 0.1, 14, "PReLU, Maxout and\nstandardized ReLU", centred),
        (right, 3.2, 42, "leaky ReLU", raw),
        (right, 3.2, 25, "ReLU,\nstandardized", centred),
        (right, 3.2, 5, "ReLU", raw),
    ):
        ax.text(x, y, text, color=colour, va="center")
    for ax, title in ((dead, "Dead units after training (%)"), (right, "Accuracy (%)")):
        ax.set(title=title, xlabel="learning rate (log)", xscale="log", xlim=(0.085, 11))
        ax.set(ylim=(-4, 106), yticks=range(0, 101, 25))
        ax.set_xticks((0.1, 0.3, 1, 2.8), ("0.1", "0.3", "1", "2.8"))
        ax.minorticks_off()
    return fig


def table(result) -> dict:
    axes = {"arm": list(ARMS), "learning_rate": RATES, "network": range(result["silent"].shape[-1])}
    return long_table(axes, **{key: result[key] for key in ("silent", "unreached", "accuracy", "diverged")})


def _at(result, key: str, arm: int, rate: int = TOO_HIGH) -> str:
    rows = _kept(result, key, arm)[rate]
    return percent(rows.mean()) if len(rows) else "none left"


def _highest(result, arm: int) -> float:
    """The highest rate at which no network has diverged and the mean accuracy is above GOOD."""
    good = (result["accuracy"][arm].mean(-1) > GOOD) & ~result["diverged"][arm].any(-1)
    return float(np.array(RATES)[good].max()) if good.any() else 0.0


def caption(result) -> str:
    arms, count = list(ARMS), result["parameters"]
    works = "; ".join(f"{title} {_highest(result, arm):g}" for arm, title in enumerate(arms))
    return (
        f"**After training at a learning rate of {RATES[2]:g}, {_at(result, 'silent', 0, 2)} of the ReLUs "
        f"are dead; at {RATES[TOO_HIGH]:g} it is {_at(result, 'silent', 0)}, and at "
        f"{RATES[TOO_HIGH + 1]:g} {_at(result, 'silent', 0, TOO_HIGH + 1)}.**\n\n"
        f"At {RATES[TOO_HIGH]:g}, {_at(result, 'silent', 1)} of the leaky ReLUs are never on either, but a "
        f"gradient still reaches them: accuracy {_at(result, 'accuracy', 1)}, with ReLU "
        f"{_at(result, 'accuracy', 0)}. Highest learning rate at which no network diverges and the mean "
        f"accuracy is above {percent(GOOD)}: {works}. Maxout has {count[3] / count[0]:.2f} times the "
        f"parameters. Networks 64-{WIDTH}-10, digits with pixels from 0 to 1, or standardized where it says "
        f"so, {EPOCHS} epochs of plain SGD in batches of {BATCH}; means over those of "
        f"{result['silent'].shape[-1]} networks that stay finite, {percent(0.95)} intervals. Crosses: from "
        "this learning rate on, more than half do not."
    )


def alt(result) -> str:
    left = [len(rows[TOO_HIGH]) > 0 for rows in (_kept(result, "silent", arm) for arm in range(len(ARMS)))]
    listed = "; ".join(
        f"{title}: {_at(result, 'unreached', arm)} dead and {_at(result, 'silent', arm)} silent, accuracy "
        f"{_at(result, 'accuracy', arm)}"
        if left[arm]
        else f"{title}: diverged"
        for arm, title in enumerate(ARMS)
    )
    return (
        "Two plots against the learning rate from 0.1 to 2.8: the fraction of units that are dead or never "
        f"on, and the accuracy. At {RATES[TOO_HIGH]:g}: {listed}."
    )


def claims(result) -> Iterator[Claim]:
    share, right = result["silent"][0], result["accuracy"][0]
    best = int(right[:, ::2].mean(-1).argmax())  # by one half of the networks
    proper = mean_interval(share[best, 1::2])
    yield Claim.of_mean(
        share[TOO_HIGH],
        id="dead-forty",
        statement="As much as 40 % of a network's ReLUs can be dead if the learning rate is too high; "
        "with a proper rate this is less often an issue",
        sources=("cs231n-1, activation functions",),
        verdict="depends",
        measure=f"fraction of dead ReLUs after {EPOCHS} epochs at learning rate {RATES[TOO_HIGH]:g}, pixels "
        "from 0 to 1: active on none of the training data",
        units="networks, each with its own weights and split of the same digits",
        map=Map.of_means(
            result["most"],
            axes={"mean of the pixels, in their standard deviations": OFFSETS, "hidden": tuple(WIDTHS)},
            above=FORTY,
            measure="fraction of the first layer's ReLUs that are dead at the worst of the learning rates "
            + ", ".join(f"{rate:g}" for rate in HIGH),
            units="networks, each with its own weights and split of the same digits",
        ),
        holds=mean_interval(share[TOO_HIGH])[0] > FORTY
        and proper[1] < FORTY
        and result["most"][0].max() < 0.1,
        finding=f"It takes inputs off centre, which push all of a unit's examples the same way. On pixels "
        f"from 0 to 1 {percent(share[-1].mean())} are dead at a learning rate of {RATES[-1]:g}; at "
        f"{RATES[best]:g}, where the accuracy is best, it is {percent(share[best, 1::2].mean())} "
        f"{between(proper, 2)}, before training {percent(result['born'][0].mean())}. On standardized "
        f"pixels at most {percent(result['most'][0].max())} die at any learning rate tried: too high a "
        "learning rate breaks the network in other ways.",
    )
