"""For which inputs does a sigmoid neuron not shrink the gradient?  Chapter: unstable-gradients."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.special import ndtr

from experiments import style
from experiments.evidence import Claim
from experiments.intervals import mean_interval, wilson
from experiments.trials import generator
from experiments.unstable_gradients._shared.chain import reach
from experiments.words import number, percent
from unitgain.activations import derivative
from unitgain.theory import sigmoid_window

WEIGHTS = np.array([1, 2, 3, 3.9, 4.1, 4.4, 5, 5.8, 6.894, 8.2, 10, 14, 20, 30, 50, 100])
WIDEST = 8  # the index of 6.894
ROUNDING = 1e-10
FINE = np.geomspace(1, 100, 400)
SHOWN = (2, 6.9, 40)  # weights, on the left


def compute(*, neurons=200, points=1_000, pairs=20_000, seed=0, device="cpu"):
    """Random search for |w σ′(wa + b)| ≥ 1.

    `width` of the set of inputs (weights, neurons), each neuron with a bias and a sign of its own, from
    inputs spread at random over an interval of length 2; `chance` (weights, pairs): whether it holds for an
    input U(0, 1) and a bias N(0, 1). And by autograd the `edge` |w σ′(wa + b)| − 1 at both ends of the window
    of the closed form (2, pairs), for |w| from 4 to 100.
    """
    draw, slope = generator(seed), derivative("sigmoid")

    def normal(*shape):
        return torch.randn(*shape, generator=draw, dtype=torch.float64).to(device)

    def uniform(*shape):
        return torch.rand(*shape, generator=draw, dtype=torch.float64).to(device)

    width, chance = [], []
    for weight in WEIGHTS.tolist():
        w, b = weight * normal(neurons, 1).sign(), normal(neurons, 1)
        a = -b / w - 1 + 2 * (torch.arange(points, device=device) + uniform(neurons, points)) / points
        width.append(2 * ((w * slope(w * a + b)).abs() >= 1).double().mean(1))
        chance.append(weight * slope(weight * uniform(pairs) + normal(pairs)) >= 1)
    w = 4 * 25 ** uniform(pairs) * normal(pairs).sign()
    b = normal(pairs)
    ends = -b / w + sigmoid_window(w.abs()) / 2 * torch.tensor([[-1.0], [1.0]], device=device)
    edge = (w * slope(w * ends + b)).abs() - 1
    return {"width": torch.stack(width), "chance": torch.stack(chance), "edge": edge}


def chance(weight: np.ndarray) -> np.ndarray:
    """Probability that |w σ′(wa + b)| ≥ 1 for an input U(0, 1) and a bias N(0, 1)."""
    a = (np.arange(2000) + 0.5) / 2000
    half, middle = reach(weight)[:, None], np.asarray(weight)[:, None] * a
    return (ndtr(half - middle) - ndtr(-half - middle)).mean(1)


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.8, 3.7, ncols=2)
    colours, ink = style.palette(), style.ink()
    a, slope = np.linspace(0, 1, 401), derivative("sigmoid")
    for weight in SHOWN:
        factor = weight * slope(torch.from_numpy(weight * (a - 0.5))).numpy()
        left.plot(a, factor, color=ink, lw=0.9)
        left.plot(a, np.where(factor >= 1, factor, np.nan), color=colours["standardized"], lw=3)
    left.axhline(1, color=ink, lw=0.6, ls=":")
    for x, y, weight in zip((0.5, 0.7, 0.57), (0.33, 1.5, 8), SHOWN, strict=True):
        left.text(x, y, f"|w| = {weight:g}", ha="center" if x == 0.5 else "left", va="center")
    left.text(0, 1.1, "not shrunk")
    left.set(
        title="Factor of three neurons",
        xlabel="input a",
        ylabel="factor |w σ′(z)| (log scale)",
        yscale="log",
        ylim=(0.05, 14),
        yticks=(0.1, 1, 10),
    )
    left.minorticks_off()
    width = sigmoid_window(torch.from_numpy(FINE)).numpy()
    for line, values, interval, key, mark in (
        (width, result["width"], mean_interval, "standardized", "o"),
        (chance(FINE), result["chance"], wilson, "raw", "^"),
    ):
        edges, mean = np.array([interval(row) for row in values]), values.mean(1)
        right.plot(FINE, line, color=ink, lw=1)
        dots = {"fmt": mark, "ms": 5, "mew": 0, "color": colours[key], "elinewidth": 1.2}
        right.errorbar(WEIGHTS, mean, np.abs(edges.T - mean), **dots)
    right.text(11, 0.44, "width of the window", color=colours["standardized"])
    right.text(1, 0.26, "chance that\na neuron\nis in it", color=colours["raw"], va="center")
    right.text(24, 0.37, "line: predicted\ndots: measured", va="center")
    right.text(1, 0.02, "below 4: 0")
    right.set(
        title="It is never wide",
        xscale="log",
        xlabel="weight |w| (log scale)",
        ylabel="width, or chance",
        ylim=(-0.01, 0.5),
    )
    right.set_xticks([1, 4, 10, 100], ["1", "4", "10", "100"])
    right.minorticks_off()
    return fig


def table(result) -> dict:
    return {
        "weight": WEIGHTS,
        "predicted_width": sigmoid_window(torch.from_numpy(WEIGHTS)).numpy(),
        "measured_width": result["width"].mean(1),
        "predicted_chance": chance(WEIGHTS),
        "measured_chance": result["chance"].mean(1),
    }


def _off(result) -> float:
    return float(np.abs(result["width"].mean(1) - sigmoid_window(torch.from_numpy(WEIGHTS)).numpy()).max())


def caption(result) -> str:
    width, inside = result["width"].mean(1), result["chance"].mean(1)
    reaches_4 = 2 * ndtr(-4)
    return (
        f"**There is no window below |w| = 4. It is widest, {number(width[WIDEST], 4)}, at |w| = "
        f"{WEIGHTS[WIDEST]}; a random neuron is in it with a chance of at most {percent(inside.max())}.**\n\n"
        "Left: the factor by which a neuron multiplies the gradient, with the bias −w/2, which puts its "
        "window in the middle; thick where it is at least 1. Right, the width: "
        f"{result['width'].shape[1]} neurons a weight, with biases N(0, 1) and random signs; the formula is "
        f"met within {number(_off(result), 1)}. The chance: {result['chance'].shape[1]:,} neurons a weight, "
        "inputs spread evenly over 0 to 1, biases N(0, 1). Bars, mostly hidden by the dots: 95 % intervals. "
        f"Of N(0, 1) weights, one in {round(1 / reaches_4, -3):,.0f} reaches 4."
    )


def alt(result) -> str:
    width = result["width"].mean(1)
    return (
        "Left: the factor against the input, a bell for each of three weights: that of the smallest stays "
        "below 1, that of the largest is above 1 for a narrow range. Right, against the weight: the width of "
        "the window and the chance to be inside are 0 up to a weight of 4, rise steeply, and fall again; the "
        f"width peaks at {number(width[WIDEST], 3)}. Measured dots lie on the predicted lines."
    )


def claims(result) -> Iterator[Claim]:
    width, line = result["width"], sigmoid_window(torch.from_numpy(FINE)).numpy()
    below = width[WEIGHTS < 4]
    yield Claim.of_identity(
        result["edge"],
        within=ROUNDING,
        id="window",
        statement="|w σ′(wa + b)| ≥ 1 holds for a narrow window of inputs only, at most about 0.45 wide, "
        "at |w| ≈ 6.9",
        sources=(
            "tuning-lesson, prevalence of the vanishing gradient problem",
            "nielsen-2015-5, chapter 5",
        ),
        verdict="confirmed",
        measure="largest distance of |w σ′(wa + b)| from 1 at the ends of a window of the width "
        "(4 / |w|) arcosh(√|w| / 2)",
        units="ends, of neurons with random weights of 4 to 100 and random biases",
        holds=0.445 < line.max() < 0.45
        and 6.8 < FINE[line.argmax()] < 7.0
        and below.max() == 0
        and _off(result) < 0.005,
        finding=f"The closed form has its widest window, {number(line.max(), 4)}, at |w| = "
        f"{FINE[line.argmax()]:.1f}, and a random search meets it within {number(_off(result), 1)}. "
        f"None of {below.size:,} neurons with |w| < 4 has such an input. Large weights narrow the window "
        f"again, to {number(width[-1].mean(), 2)} at |w| = {WEIGHTS[-1]:g}.",
    )
