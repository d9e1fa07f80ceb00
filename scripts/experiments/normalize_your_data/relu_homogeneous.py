"""Does ReLU need centred data, or something else?  Chapter: normalize-your-data."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import wilson
from experiments.trials import generator
from experiments.words import long_table, percent
from unitgain.datasets import uniform_cloud
from unitgain.initializers import uniform_

SPREADS = (0.01, 0.1, 1.0, 10.0, 100.0)  # half-widths of the cloud
RATIOS = np.array([0.0, 0.03, 0.1, 0.2, 0.4, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 9.0])  # offset / spread
MAP_RATIOS, MAP_SPREADS = (0.1, 0.35, 0.7, 1.5, 3.0, 9.0), (0.1, 0.3, 0.6, 1.0, 10.0, 100.0)


def _all_or_none(w, b, x, ratios) -> torch.Tensor:
    """Neurons active on < 1 % or > 99 % of the points `x`, moved by each ratio: (ratios, neurons)."""
    share = torch.stack([(w @ (x + ratio).T + b > 0).float().mean(1) for ratio in ratios])
    return (share < 0.01) | (share > 0.99)


def compute(*, neurons=2_000, points=500, mapped=2_000, seed=0, device="cpu"):
    """Which neurons are `all_or_none`: active on < 1 % or > 99 % of the data.

    Axes: bias off or on, spreads, ratios, neurons. With biases, `centred` (map's spreads, mapped) and `moved`
    (map's spreads, map's ratios, mapped): each spread has its own neurons and data.
    """

    def drawn(draws, neurons):
        w, b = (uniform_(torch.empty(neurons, k), generator=draws).to(device) for k in (2, 1))
        return w, b, uniform_cloud(points, -1, 1, generator=draws, device=device)

    w, b, x = drawn(generator(seed), neurons)
    rows = [_all_or_none(w, bias / spread, x, RATIOS) for bias in (0 * b, b) for spread in SPREADS]
    fresh, more = generator(seed, "fresh"), []
    for spread in MAP_SPREADS:
        w, b, x = drawn(fresh, mapped)
        more.append(_all_or_none(w, b / spread, x, (0, *MAP_RATIOS)))
    more = torch.stack(more)
    return {
        "all_or_none": torch.stack(rows).unflatten(0, (2, len(SPREADS))),
        "centred": more[:, 0],
        "moved": more[:, 1:],
    }


def predicted(ratio: np.ndarray) -> np.ndarray:
    """Fraction of bias-free neurons that see all or nothing of U(ratio - 1, ratio + 1)².

    Such a neuron has |ratio (w₀ + w₁)| > |w₀| + |w₁|. Weights of one sign: whenever ratio > 1. Of two signs:
    the smaller must be below (ratio - 1) / (ratio + 1) of the larger, and for weights U(-1, 1) their quotient
    is U(0, 1). Together: ratio / (ratio + 1).
    """
    return np.where(ratio > 1, ratio / (ratio + 1), 0)


def draw(result) -> Figure:
    fig, axes = style.figure(7.4, 3.4, ncols=2, sharey=True, tall=5.4)
    share = 100 * result["all_or_none"].mean(-1)
    colours = style.palette()
    fine = np.array([0, 1, *np.linspace(1 + 1e-9, 9, 200)])
    axes[0].plot(fine, 100 * predicted(fine), color=style.ink(), lw=1)
    marks = dict(zip(SPREADS, ("v", "s", "o", "D", "^"), strict=True))
    for spread, plain, biased in zip(SPREADS, *share, strict=True):
        axes[0].plot(RATIOS, plain, "o", ms=6, mfc="none", mec=colours["alive"], mew=1.2)
        axes[1].plot(RATIOS, biased, marker=marks[spread], ms=4, color=colours["alive"], lw=1.3)
    for ax, title in zip(axes, ("Biases 0", "Biases U(−1, 1)"), strict=True):
        ax.set(
            title=title,
            xlabel="offset of the data / its half-width",
            ylim=(-2, 113),
            xlim=(-0.2, 9.3),
            yticks=range(0, 101, 20),
        )
    axes[0].set_ylabel("neurons that see all or nothing (%)")
    axes[0].text(2.2, 50, "line: predicted")
    axes[0].text(2.2, 38, "circles: measured, half-widths\n0.01 to 100 coincide", va="top")
    for spread, x, y in ((0.01, 4.6, 107), (0.1, 0.3, 82), (1.0, 1.4, 27)):
        axes[1].text(x, y, f"half-width {spread:g}", va="center")
    axes[1].text(2.4, 8, "10 and 100: as without bias")
    return fig


def table(result) -> dict:
    axes = {"random_bias": [0, 1], "half_width": SPREADS, "offset_ratio": RATIOS}
    return long_table(axes, all_or_none=result["all_or_none"].mean(-1))


def _off(result) -> float:
    """Largest distance of a bias-free curve from the prediction, away from the jump at 1."""
    away = np.abs(RATIOS - 1) > 0.16
    return float(np.abs(result["all_or_none"][0].mean(-1) - predicted(RATIOS))[:, away].max())


def caption(result) -> str:
    share = result["all_or_none"].mean(-1)
    return (
        "**What matters is the offset relative to the spread, and the spread relative to the biases: "
        f"without biases five half-widths give one curve, within {100 * _off(result):.1f} points of the "
        "prediction away from its jump.**\n\nWith biases U(−1, 1), centred data of half-width 0.01 leaves "
        f"{percent(share[1, 0, 0])} of the neurons all-or-none. {result['all_or_none'].shape[-1]:,} neurons, "
        "weights U(−1, 1); all or nothing counts from 99 %, which is why the circles lie above the line."
    )


def alt(result) -> str:
    return (
        "Line plots of the fraction of all-or-none neurons against the ratio of offset to half-width. "
        "Without biases the lines for five half-widths coincide; with biases the small half-widths start "
        "high even at offset 0."
    )


def claims(result) -> Iterator[Claim]:
    hits = result["all_or_none"]
    collapse = float(np.abs(hits[0].mean(-1) - hits[0, 2].mean(-1)).max())
    narrow_centred, wide_centred = hits[1, [0, -1], 0]
    wide_offset = hits[1, -1, 1]  # half-width 100 at offset 3
    more = np.subtract(result["moved"], result["centred"][:, None], dtype=np.float64)
    yield Claim.of_difference(
        hits[1, 2, -1],
        hits[1, 2, 0],
        id="relu-homogeneous",
        statement="ReLU assumes that its input is centred around zero",
        sources=("inputs-post",),
        verdict="depends",
        measure="fraction of all-or-none neurons on U(8, 10)² minus that on U(−1, 1)², weights and biases "
        "U(−1, 1)",
        units="neurons, all on the same points",
        map=Map.of_means(
            more.swapaxes(0, 1),
            axes={"offset (of the half-width: 1)": MAP_RATIOS, "half-width of the data": MAP_SPREADS},
            above=0.25,
            measure="fraction of all-or-none neurons minus that on the same data, centred",
            units="neurons, all of a row on the same points",
        ),
        holds=wilson(narrow_centred)[0] > 0.9
        and max(wilson(wide_offset)[1], wilson(wide_centred)[1]) < 0.1
        and collapse < 0.01
        and _off(result) < 0.08,
        finding="An offset costs neurons where it exceeds the spread, and the spread is not small beside the "
        "biases. Large data alone costs none: at half-width 100 "
        f"{percent(wide_centred.mean(), 1)} are all-or-none centred, and {percent(wide_offset.mean(), 1)} at "
        f"an offset of 3. At half-width 0.01 {percent(narrow_centred.mean())} are so on centred data. "
        "ReLU is positively homogeneous: without biases only offset / spread counts (largest difference "
        f"between the curves of five half-widths {percent(collapse, 1)}).",
    )
