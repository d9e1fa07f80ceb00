"""How many steps does a saturated output cost, by loss and by how wrong it is?  Chapter: losses."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.integrate import quad

from experiments import style
from experiments.evidence import Claim, Map
from experiments.trials import generator
from experiments.words import number
from unitgain.optimizers import SGD, Adam

RATE = 0.15
WORST = 8.0  # pre-activation at the start, at most: an output of .9997
LIMIT = 40_000  # steps, more than any start needs
LOSSES = ("squared_error", "cross_entropy")

STARTS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0)  # the map: pre-activations
INPUTS = 10
OPTIMIZERS = {  # how, and how many times the rate for the squared error
    "gradient descent": (SGD, {}, 1),
    "squared error at 4 times the rate": (SGD, {}, 4),
    "momentum 0.9": (SGD, {"momentum": 0.9}, 1),
    "Adam": (Adam, {}, 1),
}
LONG = 10  # times as many steps: it stalls

OUTPUTS = 0.7, 0.9, 0.99, 0.999  # on the axis


def _mapped(neurons: int, seed: int, device) -> torch.Tensor:
    """Steps until a ≤ ½ (losses, starts, optimizers, neurons): each neuron has its own inputs, once."""
    draw = generator(seed, "data")
    x = torch.randn(neurons, INPUTS, generator=draw, dtype=torch.float64) / INPUTS**0.5
    x = torch.cat([x, torch.ones(neurons, 1, dtype=torch.float64)], -1).to(device)  # the bias's last
    z = torch.tensor(STARTS, dtype=torch.float64, device=device)[:, None, None]
    start = z * x / x.square().sum(-1, keepdim=True)
    found = [
        [_taken(start, x, loss, RATE * (times if loss == LOSSES[0] else 1), kind, words) for loss in LOSSES]
        for kind, words, times in OPTIMIZERS.values()
    ]
    return torch.stack([torch.stack(row) for row in found]).movedim(0, 2)


def _taken(start, x, loss, rate, kind, words) -> torch.Tensor:
    w = start.clone().requires_grad_()
    optimizer = kind([w], lr=rate, **words)
    taken, wrong = (torch.zeros(w.shape[:2], dtype=kind) for kind in (torch.int64, torch.bool))
    taken, wrong = taken.to(x.device), ~wrong.to(x.device)
    for _ in range(LIMIT):
        z = (w.detach() * x).sum(-1)
        wrong &= z > 0
        if not wrong.any():
            break
        w.grad = _gradient(loss, z.sigmoid())[..., None] * x
        optimizer.step()
        taken += wrong
    return taken


def compute(*, neurons=2_000, mapped=50, seed=0, device="cpu"):
    """Pre-activation `z` at the start (neurons,), U(0.5, WORST), and `steps` (losses, neurons) until a ≤ ½.

    Weight and bias get the same gradient, as the input is 1: their sum moves twice the rate. For the map
    `mapped` (losses, starts, optimizers, neurons), the steps of neurons with several inputs.
    """
    start = 0.5 + (WORST - 0.5) * torch.rand(neurons, generator=generator(seed), dtype=torch.float64)
    steps = []
    for loss in LOSSES:
        z, taken = start.clone().to(device), torch.zeros(neurons, dtype=torch.int64, device=device)
        for _ in range(LIMIT):
            wrong = z > 0
            if not wrong.any():
                break
            a = z.sigmoid()
            z -= 2 * RATE * _gradient(loss, a)
            taken += wrong
        steps.append(taken)
    return {"z": start, "steps": torch.stack(steps), "mapped": _mapped(mapped, seed, device)}


def _gradient(loss: str, a):
    """Of the loss with respect to z, by the output a = σ(z); 0 is right."""
    return a * a * (1 - a) if loss == "squared_error" else a


def _output(z):
    return 1 / (1 + np.exp(-z))


def predicted(loss: str, z: float) -> float:
    """Steps from `z` to 0 were they infinitely small: the integral of 1 / (rate × gradient)."""
    return quad(lambda u: 1 / (2 * RATE * _gradient(loss, _output(u))), 0, z)[0]


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.8, tall=3.9)
    colours = style.palette()
    grid = np.linspace(0.5, WORST, 60)
    shown = np.argsort(result["z"])[:: max(1, len(result["z"]) // 60)]
    for loss, steps, key, name, at in zip(
        LOSSES,
        result["steps"],
        ("raw", "standardized"),
        ("squared error", "cross-entropy"),
        ((5.0, 1500), (6.0, 8)),
        strict=True,
    ):
        ax.plot(grid, [predicted(loss, z) for z in grid], color=style.ink(), lw=1)
        mark = "o" if key == "standardized" else "^"
        ax.plot(result["z"][shown], steps[shown], mark, color=colours[key], ms=4.5, mew=0)
        ax.text(*at, name, color=colours[key], ha="right")
    ax.text(7.9, 50, "lines: predicted", ha="right")
    ticks = np.array(OUTPUTS)
    ax.set(
        yscale="log",
        xlabel="output at the start; 0 is right (logit scale)",
        ylabel="steps until it is below ½ (log)",
        xticks=np.log(ticks / (1 - ticks)),
        xticklabels=[f"{tick:g}" for tick in ticks],
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    return {"output": _output(result["z"]), **dict(zip(LOSSES, result["steps"], strict=True))}


def _steps(result, low, high):
    """Steps (losses, neurons) of the starts in [low, high)."""
    return result["steps"][:, (result["z"] >= low) & (result["z"] < high)]


def _ratio(result, low, high):
    squared, cross = _steps(result, low, high)
    return np.mean(squared / cross)


def _off(result) -> float:
    """Largest relative distance between steps and prediction, of starts that need 20 or more."""
    away = [
        abs(steps / predicted(loss, z) - 1)
        for loss, row in zip(LOSSES, result["steps"], strict=True)
        for z, steps in list(zip(result["z"], row, strict=True))[:200]
        if steps >= 20
    ]
    return max(away, default=0.0)


def caption(result) -> str:
    mild, severe = _ratio(result, 1.0, 2.0), _ratio(result, 6.0, WORST)
    return (
        f"**The more wrong the output, the longer the squared error stalls: {number(mild, 2)} "
        f"times as many steps as the cross-entropy from an output around {_output(1.5):.1f}, "
        f"{number(severe, 2)} times from above {_output(6.0):.3f}.**\n\nThe lines are the integral "
        f"above, right within {100 * _off(result):.0f} % where 20 steps or more are needed. "
        f"{len(result['z']):,} neurons with random starts, some of them drawn."
    )


def alt(result) -> str:
    return (
        "Steps to correct a wrong output against that output, log scale. The squared error's steps rise a "
        "hundredfold towards an output of "
        f"{OUTPUTS[-1]}; the cross-entropy's stay below "
        f"{int(result['steps'][1].max()) + 1}."
    )


def claims(result) -> Iterator[Claim]:
    squared, cross = result["mapped"]
    made = Map.of_ratios(
        squared,
        cross,
        axes={"pre-activation at the start": STARTS, "optimizer": tuple(OPTIMIZERS)},
        above=LONG,
        measure="steps with the squared error / steps with the cross-entropy until a sigmoid output is ½",
        units="neurons, each with its own inputs",
    )
    plain, adam = (made.estimate[:, list(OPTIMIZERS).index(name)] for name in ("gradient descent", "Adam"))
    yield Claim.of_ratio(
        squared[-1, 0],
        cross[-1, 0],
        id="ce-vs-mse",
        statement=(
            "Learning stalls on a saturated output neuron with the squared error, not with the cross-entropy"
        ),
        sources=(
            "ekman-2021, chapter 5",
            "nielsen-2015-3, chapter 3",
        ),
        verdict="depends",
        measure=(
            "times as many steps with the squared error as with the cross-entropy until a sigmoid output "
            f"falls from {_output(STARTS[-1]):.3f} to ½, by gradient descent at one learning rate "
            "(geometric mean)"
        ),
        units="neurons, each with its own inputs",
        map=made,
        holds=result["steps"][1].max() < 100 and plain[0] < 6 and adam.max() < 2,
        finding=(
            f"With gradient descent, from a saturated output: {number(plain[-1], 2)} times the steps from "
            f"{_output(STARTS[-1]):.3f}, where the factor a (1 − a) of the squared error's gradient is "
            f"nearly 0. From just above ½ it is near ¼, which costs {number(plain[0], 2)} times the steps; a "
            "higher learning rate makes up for that. Adam divides the gradient by its own size, and the "
            f"factor with it: {number(adam.max(), 2)} times at most. The cross-entropy never needed more "
            f"than {int(result['steps'][1].max())} steps in the figure."
        ),
    )
