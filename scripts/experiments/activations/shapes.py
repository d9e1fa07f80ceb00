"""What do the activations and their derivatives look like, and how steep do they get?

Chapter: activations.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.activations._shared.names import NAMES
from experiments.evidence import Claim
from experiments.trials import generator
from experiments.words import number
from unitgain.activations import activation, derivative, peak

SLOPE = 0.25  # of the PReLU that is drawn: where He and colleagues start it


def prelu(x: torch.Tensor) -> torch.Tensor:
    """A PReLU whose slope is still the first one."""
    return torch.where(x > 0, x, SLOPE * x)


def maxout(x: torch.Tensor) -> torch.Tensor:
    """A Maxout unit of two pieces that learned to fall and to rise."""
    return torch.maximum(-0.5 * x - 0.5, 0.75 * x - 0.25)


FUNCTIONS = {name: name for name in NAMES} | {"prelu": prelu, "maxout": maxout}
TITLES = NAMES | {"prelu": "PReLU", "maxout": "Maxout"}
SHOWN = (  # a panel each, the second one dashed
    *(("sigmoid",), ("tanh", "lecun_tanh"), ("relu", "softplus")),
    *(("prelu", "maxout"), ("elu", "selu"), ("gelu", "silu")),
)
RANGE = 21.0
GRID = torch.linspace(-4, 4, 320, dtype=torch.float64)  # even: 0, a kink, lies between two points


def compute(*, points=40_000, tables=20, seed=0, device="cpu"):
    """Curves `value` and `slope` (functions, grid), the `peak` that autograd finds, and where, `at`.

    And without autograd: the largest `secant` (tables, functions) between neighbours among random points,
    which by the mean value theorem is never above the peak, but for rounding.
    """
    x = RANGE * (2 * torch.rand(tables, points, generator=generator(seed), dtype=torch.float64) - 1)
    x = x.sort(dim=1).values.to(device)
    grid = GRID.to(device)
    peaks = [peak(f) for f in FUNCTIONS.values()]
    functions = [activation(f) for f in FUNCTIONS.values()]
    run = x.diff(dim=1).clamp(min=1e-9)  # closer neighbours would show rounding only
    return {
        "value": torch.stack([f(grid) for f in functions]),
        "slope": torch.stack([derivative(f)(grid) for f in functions]),
        "peak": torch.tensor([p.value for p in peaks]),
        "at": torch.tensor([p.x for p in peaks]),
        "secant": torch.stack([(f(x).diff(dim=1) / run).abs().amax(1) for f in functions], dim=1),
        "points": torch.tensor(points),
    }


def _of(name: str) -> int:
    return list(FUNCTIONS).index(name)


def draw(result) -> Figure:
    fig, axes = style.figure(7.6, 5.2, nrows=2, ncols=3, tall=6.7, sharex=True, sharey=True)
    colour, ink, x = style.palette()["standardized"], style.ink(), GRID.numpy()
    for ax, names in zip(axes.flat, SHOWN, strict=True):
        ax.hlines((0, 1), -4, 4, color=style.GRID, lw=0.6, alpha=0.7)
        title = []
        for name, dash in zip(names, ("-", (0, (3, 1.5))), strict=False):
            i = _of(name)
            slope, top, at = result["slope"][i], result["peak"][i], result["at"][i]
            jumps = np.flatnonzero(np.abs(np.diff(slope)) > 0.1) + 1
            ax.plot(x, result["value"][i], color=colour, lw=2, ls=dash)
            ax.plot(np.insert(x, jumps, np.nan), np.insert(slope, jumps, np.nan), color=ink, lw=1.1, ls=dash)
            near = abs(at) < 4  # else approached far out
            ax.plot(at, top, "o", ms=4.5, color=ink, visible=near)
            title.append(f"{TITLES[name]}: f′ {'≤' if near else '→'} {top:.4g}")
        ax.set(
            title="\n".join(title), xlim=(-4, 4), ylim=(-1.9, 2.6), xticks=(-3, 0, 3), yticks=(-1, 0, 1, 2)
        )
    axes[0, 0].text(-3.8, -0.3, "thick: f; thin: derivative f′\ndashed: second name", va="top")
    fig.supxlabel("pre-activation z", fontsize="medium")
    return fig


def table(result) -> dict:
    curves = {f"{name}_{kind}": result[kind][_of(name)] for name in FUNCTIONS for kind in ("value", "slope")}
    return {"z": GRID.numpy(), **curves}


def _off(result) -> float:
    """Largest distance of the mean steepest secant from the peak."""
    return float(np.abs(result["secant"].mean(0) - np.abs(result["peak"])).max())


def _steep(result) -> list[str]:
    return [name for name in FUNCTIONS if result["peak"][_of(name)] > 1 + 1e-6]


def caption(result) -> str:
    steep = _steep(result)
    away = [TITLES[name] for name in steep if abs(result["at"][_of(name)]) > 1e-3]
    return (
        f"**Of {len(FUNCTIONS)} activations {len(steep)} are steeper than 1 somewhere: there the slope "
        f"enlarges a gradient on its way back, SELU's up to {number(result['peak'].max(), 4)} times.**\n\n"
        f"{', '.join(away)} are steepest away from 0. Leaky ReLU, a PReLU with a smaller slope, and Mish, "
        "much like SiLU, are not drawn. Dots: peaks of the derivatives. PReLU and Maxout learn their "
        "slopes; these are examples. Checked without derivatives, by the steepest line between "
        f"neighbours among {result['points']:,} random points, {len(result['secant'])} times: the largest "
        f"difference is {number(_off(result), 2)}."
    )


def alt(result) -> str:
    return (
        "Six panels with one or two activations and their derivatives. Peaks of the derivatives: "
        + ", ".join(f"{TITLES[name]} {number(result['peak'][_of(name)])}" for name in sum(SHOWN, ()))
        + "."
    )


def claims(result) -> Iterator[Claim]:
    peak, at = (dict(zip(FUNCTIONS, result[key].tolist(), strict=True)) for key in ("peak", "at"))
    others = ("gelu", "silu", "mish")
    listed = ", ".join(f"{TITLES[name]} {number(peak[name], 4)} at {number(at[name])}" for name in others)
    yield Claim.of_identity(
        [peak[name] - (0.25 if name == "sigmoid" else 1) for name in NAMES],
        within=1e-6,
        id="peak-one",
        statement=(
            "The derivatives of all activations peak at g′(0) = 1, but for the sigmoid's, which peaks at ¼"
        ),
        sources=("tuning-lesson, vanishing gradient problem",),
        verdict="refuted",
        measure="largest distance of a peak from the claimed one: SELU's",
        units="activations",
        holds=max(peak[name] for name in NAMES) == peak["selu"]
        and abs(peak["sigmoid"] - 0.25) + abs(peak["tanh"] - 1) + abs(at["sigmoid"]) + abs(at["tanh"]) < 1e-6
        and min(peak[name] for name in others) > 1.05
        and min(abs(at[name]) for name in others) > 1
        and _off(result) < 0.01,
        finding=(
            f"True of tanh and the sigmoid. SELU's approaches {number(peak['selu'], 5)} from "
            f"below 0; others peak away from 0: {listed}. ReLU has no derivative at 0, and "
            f"softplus has {number(0.5, 1)} there and reaches 1 nowhere."
        ),
    )
