"""Is it enough to scale every feature to [0, 1], and does it matter how many there are?

Chapter: preprocessing.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.preprocessing._shared.steps import steps_to_learn
from experiments.trials import generator, generators, mlps
from experiments.words import long_table, number, percent
from unitgain.datasets import Examples, uniform_cloud
from unitgain.optimizers import SGD, Adam
from unitgain.theory import condition_number, hessian_eigenvalues, population_eigenvalues
from unitgain.transforms import MinMaxScaler, StandardScaler

FEATURES = (1, 2, 4, 8, 16, 32, 64)
SCALINGS = {"[0, 1]": MinMaxScaler, "[−1, 1]": lambda: MinMaxScaler((-1, 1)), "standardized": StandardScaler}
MEAN = np.array([0.5, 0.0, 0.0])  # of uniform features so scaled
STD = np.array([1 / 12**0.5, 1 / 3**0.5, 1.0])
WIDTHS = (2, 8, 64)  # the map: features of a network's table
OPTIMIZERS = {  # with rates to choose from
    "gradient descent": (SGD, (0.25, 0.5, 1.0, 2.0, 4.0)),
    "momentum 0.9": (partial(SGD, momentum=0.9), (0.1, 0.3, 1.0, 3.0)),
    "Adam": (Adam, (0.01, 0.03, 0.1, 0.3)),
}
EXAMPLES, HIDDEN = 150, 12
LEARNED, MOST = 0.2, 120  # the loss to reach, and in how many steps at most
AS_WELL = 1.5  # times the steps


def _coins(features: int, networks: int, seed: int, device) -> Examples:
    """A table for each network: uniform features, labelled by a random plane through their middle."""
    drawn = []
    for draw in generators(seed, networks, "data"):
        x, w = torch.rand(EXAMPLES, features, generator=draw), torch.randn(features, generator=draw)
        drawn.append((x, ((x - 0.5) @ w > 0).long()))
    return Examples(*(torch.stack(part).to(device) for part in zip(*drawn, strict=True)))


def _steps(examples: Examples, make, rates, seed: int) -> Tensor:
    """Steps to a loss of LEARNED (networks,), at the rate with the fewest; MOST where it is not reached."""
    x, y = examples
    replicas = len(rates), len(x)
    model = mlps((x.shape[-1], HIDDEN, 2), replicas, seed=seed, device=x.device, weight="he_normal")
    optimizer = make(model.parameters(), lr=torch.tensor(rates, device=x.device)[:, None, None, None])
    steps, _, _ = steps_to_learn(model, optimizer, Examples(x.repeat(len(rates), 1, 1, 1), y), LEARNED, MOST)
    return steps[steps.mean(1).argmin()].clamp(min=1)


def _mapped(networks: int, seed: int, device) -> Tensor:
    """Steps on [0, 1] and standardized (2, WIDTHS, OPTIMIZERS, networks)."""
    found = []
    for features in WIDTHS:
        x, y = _coins(features, networks, seed, device)
        for make in (MinMaxScaler, StandardScaler):
            z = torch.stack([make().fit(rows).transform(rows) for rows in x])
            found.append(torch.stack([_steps(Examples(z, y), *one, seed) for one in OPTIMIZERS.values()]))
    return torch.stack(found).unflatten(0, (len(WIDTHS), 2)).movedim(1, 0)


def compute(*, mapped=16, tables=8, rows=15_000, seed=0, device="cpu"):
    """`kappa` (2, scalings, features, tables), bias held, then learned; `steps`: see `_mapped`."""
    kappa = torch.zeros(2, len(SCALINGS), len(FEATURES), tables)
    options = {"features": FEATURES[-1], "generator": generator(seed), "device": device}
    for k in range(tables):
        x = uniform_cloud(rows, 3.0, 7.0, dtype=torch.float64, **options)  # in some unit
        for s, make in enumerate(SCALINGS.values()):
            z = make().fit(x).transform(x)
            # R of z = QR, after a column for the bias, has the singular values of z, and so have its columns
            r = torch.linalg.qr(torch.cat([torch.ones_like(z[:, :1]), z], 1), mode="r").R
            for f, features in enumerate(FEATURES):
                for bias in (0, 1):
                    curvature = hessian_eigenvalues(r[:, 1 - bias : features + 1])
                    kappa[bias, s, f, k] = condition_number(curvature)
    return {"kappa": kappa, "steps": _mapped(mapped, seed, device), "rows": torch.tensor(rows)}


def predicted(features) -> np.ndarray:
    """Condition numbers (2, scalings, features) of endless uniform data, bias held, then learned."""
    shape = len(SCALINGS), len(features)
    theory = np.zeros((2, *shape))
    for (s, f), _ in np.ndenumerate(theory[0]):
        mean = torch.full((features[f],), MEAN[s], dtype=torch.float64)
        for bias in (0, 1):
            theory[bias, s, f] = condition_number(population_eigenvalues(mean, STD[s], bias=bool(bias)))
    return theory


def draw(result) -> Figure:
    fig, ax = style.figure(7.4, 3.3, tall=4.2)
    colours, theory = style.palette(), predicted(FEATURES)
    for bias, s, name, key, mark, x, y in (
        (1, 0, "scaled to [0, 1],\nbias learned", "raw", "^", 7, 230),
        (0, 0, "scaled to [0, 1], bias\nheld at its right value", "raw", "v", 9, 8.5),
        (1, 1, "scaled to [−1, 1], bias learned", "standardized", "s", 4, 4.2),
        (1, 2, "standardized, bias learned", "standardized", "o", 4, 1.45),
    ):
        rows = result["kappa"][bias, s]
        ax.plot(FEATURES, theory[bias, s], color=style.ink(), lw=1)
        ax.vlines(FEATURES, *np.array([mean_interval(row) for row in rows]).T, color=colours[key], lw=2)
        ax.plot(FEATURES, rows.mean(-1), mark, ms=6.5, mew=0, color=colours[key])
        ax.text(x, y, name, color=colours[key], ha="right" if (bias, s) == (1, 0) else "left")
    ax.text(1, 4e3, "lines: predicted\nmarks: measured", va="center")
    ax.set(xscale="log", yscale="log", title="Condition number κ (log)", ylim=(0.7, 8e3), xlim=(0.85, 80))
    ax.set(xticks=FEATURES, xticklabels=FEATURES, xlabel="uniform features (log)")
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    ends = np.apply_along_axis(mean_interval, -1, result["kappa"])
    return long_table(
        {"bias_learned": [False, True], "scaling": list(SCALINGS), "features": FEATURES},
        predicted=predicted(FEATURES),
        measured=result["kappa"].mean(-1),
        low=ends[..., 0],
        high=ends[..., 1],
    )


def _off(result) -> float:
    """Largest relative distance of a mean on [0, 1] from its prediction."""
    return float(np.abs(result["kappa"].mean(-1) / predicted(FEATURES) - 1)[:, 0].max())


def caption(result) -> str:
    learned = result["kappa"][1].mean(-1)
    return (
        "**Features in [0, 1] are badly conditioned, the worse the more there are: κ is "
        f"{number(learned[0, 1], 2)} for two and {number(learned[0, -1], 2)} for {FEATURES[-1]}. "
        f"Standardized, it is {number(learned[2, 1], 2)} and {number(learned[2, -1], 2)}.**\n\nA linear "
        "unit with the squared error, on independent uniform features that are scaled; means over "
        f"{result['kappa'].shape[-1]} tables of {result['rows']:,} rows. The lines are computed for infinite "
        f"data; on [0, 1] they are right within {percent(_off(result))}. Standardized features stay above 1 "
        "because a finite table is correlated by chance. With the bias held, [−1, 1] does as well as "
        "standardizing."
    )


def alt(result) -> str:
    held, learned = result["kappa"].mean(-1)
    return (
        "Condition number against the number of uniform features, 1 to 64, log scales. Scaled to 0 to 1 it "
        f"rises to {held[0, -1]:.0f} with the bias held and to {learned[0, -1]:.0f} with the bias learned. "
        f"Scaled to −1 to 1 it stays near 1 and {learned[1, 0]:.0f}, standardized near 1. The marks lie on "
        "the predicted lines."
    )


def claims(result) -> Iterator[Claim]:
    held, learned = result["kappa"]
    two = FEATURES.index(2)
    unit, standardized = result["steps"]
    times = np.exp(np.log(unit / standardized).mean(-1))
    yield Claim.of_ratio(
        learned[0, two],
        learned[2, two],
        id="range-01",
        statement="A range from 0 to 1 serves training as well as mean 0 and standard deviation 1",
        sources=("Unit Gain", "tuning-lesson, which names both and prefers neither"),
        verdict="refuted",
        measure="condition number of a linear unit with a bias and two uniform features in [0, 1], by that "
        "of "
        "the same standardized",
        units=f"tables of {result['rows']:,} rows",
        map=Map.of_ratios(
            unit,
            standardized,
            axes={"features": WIDTHS, "optimizer": tuple(OPTIMIZERS)},
            below=AS_WELL,
            measure=f"steps to a loss of {LEARNED:g} on [0, 1], by those on standardized features, a network "
            f"with {HIDDEN} hidden ReLUs, each at its best learning rate",
            units="networks, each with its own table and weights",
        ),
        holds=mean_interval(learned[0, two])[0] > 20
        and mean_interval(held[0, two])[0] > 5
        and _off(result) < 0.2
        and mean_interval(learned[0, -1])[0] > 1_000
        and max(held[1:].max(), learned[2].max()) < 1.5
        and learned[1].max() < 4,
        finding=f"On [0, 1] it is {number(learned[0, two].mean())}, predicted "
        f"{number(predicted(FEATURES)[1, 0, two])}, and it grows with the number of features: with "
        f"{FEATURES[-1]} it is {number(learned[0, -1].mean())}. The range from −1 to 1 leaves at most "
        f"{number(learned[1].max(), 2)}, standardizing at most {number(learned[2].max(), 2)}. Networks learn "
        f"on [0, 1] too, but take at least {number(times.min(), 2)} times the steps, and at least "
        f"{number(times[:, -1].min(), 2)} times with Adam: a learning rate for each weight does not undo an "
        "offset that all features have.",
    )
