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
    fig, axes = style.figure(7.2, 3.5, ncols=2, sharex=True)
    colour = style.palette()["standardized"]
    width = sigmoid_window(torch.from_numpy(FINE)).numpy()
    for ax, line, values, interval, scale in (
        (axes[0], width, result["width"], mean_interval, 1),
        (axes[1], 100 * chance(FINE), result["chance"], wilson, 100),
    ):
        edges, mean = scale * np.array([interval(row) for row in values]), scale * values.mean(1)
        ax.plot(FINE, line, color=style.ink(), lw=1)
        ax.errorbar(WEIGHTS, mean, np.abs(edges.T - mean), fmt="o", ms=5, mew=0, color=colour, elinewidth=1.2)
        ax.axvline(4, color=style.ink(), lw=0.6, ls=":")
        ax.set_xscale("log")
        ax.set_xlabel("weight |w| (log scale)")
        ax.set_xticks([1, 4, 10, 100], ["1", "4", "10", "100"])
        ax.minorticks_off()
    axes[0].set(title="How wide is the window?", ylabel="width, in units of the input a", ylim=(-0.01, 0.5))
    axes[1].set(
        title="How often is a neuron in it?", ylabel="random neurons in the window (%)", ylim=(-0.6, 30)
    )
    axes[0].text(1.05, 0.2, "|w| < 4:\nno window", va="center")
    axes[0].text(16, 0.4, "line: predicted\ndots: measured")
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
        f"**Below |w| = 4 there is no window; it is widest, {number(width[WIDEST], 4)}, at |w| = "
        f"{WEIGHTS[WIDEST]}; and at none of these weights is a random neuron in it with a chance above "
        f"{percent(inside.max())}.**\n\n"
        f"Left: {result['width'].shape[1]} neurons a weight, with biases N(0, 1) "
        f"and random signs; the formula is met within {number(_off(result), 1)}. Right: "
        f"{result['chance'].shape[1]:,} neurons a weight, inputs spread evenly over 0 to 1, biases N(0, 1). "
        f"Bars, mostly hidden by the dots: 95 % intervals. Of N(0, 1) weights, one in "
        f"{round(1 / reaches_4, -3):,.0f} reaches 4."
    )


def alt(result) -> str:
    width = result["width"].mean(1)
    return (
        "Two panels against the weight on a logarithmic axis. Both the width of the window and the chance "
        "to be inside are 0 up to a weight of 4, rise steeply, and fall again; the width peaks at "
        f"{number(width[WIDEST], 3)}. Measured dots lie on the predicted lines."
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
            "Tuning neural networks with normalization, Prevalence of the vanishing gradient problem",
            "Nielsen, Neural Networks and Deep Learning, chapter 5",
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
