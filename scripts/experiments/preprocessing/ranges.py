"""Is it enough to scale every feature to [0, 1], and does it matter how many there are?

Chapter: preprocessing.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, long_table, mean_interval, number, percent
from experiments.trials import generator
from unitgain.datasets import uniform_cloud
from unitgain.theory import condition_number, hessian_eigenvalues, population_eigenvalues
from unitgain.transforms import MinMaxScaler, StandardScaler

FEATURES = (1, 2, 4, 8, 16, 32, 64)
SCALINGS = {"[0, 1]": MinMaxScaler, "[−1, 1]": lambda: MinMaxScaler((-1, 1)), "standardized": StandardScaler}
MEAN = np.array([0.5, 0.0, 0.0])  # of uniform features so scaled
STD = np.array([1 / 12**0.5, 1 / 3**0.5, 1.0])


def compute(*, tables=8, rows=15_000, seed=0, device="cpu"):
    """Condition numbers `kappa` (2, scalings, features, tables): bias held, then learned."""
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
    return {"kappa": kappa, "rows": torch.tensor(rows)}


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
    fig, axes = style.figure(7.6, 3.9, ncols=2, sharey=True)
    colours, theory = style.palette(), predicted(FEATURES)
    marks = {
        "[0, 1]": ("raw", "^", 7),
        "[−1, 1]": ("standardized", "s", 6),
        "standardized": ("standardized", "o", 6),
    }
    for bias, (ax, title) in enumerate(
        zip(axes, ("Bias held at its right value", "Bias learned too"), strict=True)
    ):
        for s, name in enumerate(SCALINGS):
            key, mark, size = marks[name]
            ax.plot(FEATURES, theory[bias, s], color=style.ink(), lw=1)
            rows = result["kappa"][bias, s]
            ax.vlines(FEATURES, *np.array([mean_interval(row) for row in rows]).T, color=colours[key], lw=2)
            shade = {"mfc": "none", "mew": 1.3} if mark == "s" else {"mew": 0}
            ax.plot(FEATURES, rows.mean(-1), mark, ms=size, color=colours[key], **shade)
        ax.set(xscale="log", yscale="log", title=title, ylim=(0.6, 8e3), xlim=(0.8, 90))
        ax.set(xticks=FEATURES, xticklabels=FEATURES, xlabel="uniform features (log)")
        ax.minorticks_off()
    axes[0].text(5, 35, "[0, 1]", color=colours["raw"], ha="right")
    axes[1].text(5, 130, "[0, 1]", color=colours["raw"], ha="right")
    axes[0].text(4, 1.6, "[−1, 1] and standardized", color=colours["standardized"])
    axes[1].text(9, 4.3, "[−1, 1]", color=colours["standardized"])
    axes[1].text(9, 1.6, "standardized", color=colours["standardized"])
    axes[0].text(1, 1.1e3, "lines: predicted\nmarks: measured", va="bottom")
    axes[0].set_ylabel("condition number (log)")
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
        f"{number(learned[0, 1], 2)} for two and {number(learned[0, -1], 2)} for {FEATURES[-1]}, where "
        f"standardized ones have {number(learned[2, 1], 2)} and {number(learned[2, -1], 2)}.** A linear "
        "unit with squared error, independent uniform features in some unit, scaled; means over "
        f"{result['kappa'].shape[-1]} tables of {result['rows']:,} rows. Lines: computed for endless data, "
        f"on [0, 1] right within {percent(_off(result))}; what is left above 1 for standardized features is "
        "the chance correlation of a finite table. With the bias held, [−1, 1] does as well as "
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
    of_two, theory = mean_interval(held[0, two]), predicted(FEATURES)
    centred = max(held[1:].max(), learned[2].max())
    yield Claim.of_mean(
        learned[0, two],
        id="range-01",
        statement="To condition the first layer it is enough to scale all features to the range from 0 to 1",
        sources=("Tuning neural networks with normalization, Normalization in deep learning",),
        verdict="refuted",
        measure="condition number of the Hessian of a linear unit with a bias and two uniform features in "
        "[0, 1]",
        holds=mean_interval(learned[0, two])[0] > 20
        and of_two[0] > 5
        and _off(result) < 0.2
        and mean_interval(learned[0, -1])[0] > 1_000
        and centred < 1.5
        and learned[1].max() < 4,
        finding=f"Predicted is {number(theory[1, 0, two])}. It grows with the number of features: "
        f"{FEATURES[-1]} of them have {number(learned[0, -1].mean())}. With the bias held at its right "
        f"value it is 1 + 3d for d > 1 features: {number(held[0, two].mean())} measured for two. The range "
        f"from −1 to 1 leaves at most {number(learned[1].max(), 2)}, standardizing at most "
        f"{number(learned[2].max(), 2)}.",
    )
