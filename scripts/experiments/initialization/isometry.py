"""Which initial weights let a deep network keep every direction, not only the size of the signal?

Chapter: initialization.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import generator
from experiments.words import between, long_table, number, percent
from unitgain.activations import ACTIVATIONS, derivative
from unitgain.initializers import lecun_normal_, orthogonal_

WIDTH = 64
DEPTHS = (1, 2, 5, 10, 20, 30, 40, 50)
RULES = {"orthogonal": orthogonal_, "Gaussian": lecun_normal_}
FUNCTIONS = {"identity": ("linear", 1.0), "tanh": ("tanh", 1.0), "relu": ("ReLU", 2**0.5)}  # title, gain
FLOOR, LOWEST = 1e-40, 1e-12  # of what is kept, and of what is drawn
RANKS = (0, 16, 32, 48, 63)  # whose predictions are drawn, from the largest singular value
NEAR = 10  # a factor
SETTLED = 10  # layers after which the spread grows as over many
INPUTS, LAYERS = (2, 4, 8, 16, 32, 48), (2, 5, 10, 30)  # the map: which Gaussian maps keep theirs?
KEPT = 2  # a factor between directions
CLOSE = 0.05  # relative distance of the spread's logarithm from its prediction, at most


def compute(*, networks=24, mapped=24, seed=0, device="cpu"):
    """Singular values from input to output: `values` (functions, rules, depths, networks, units).

    Of the map itself where it is linear, else of its Jacobian at an input from N(0, 1). And `smallest` for
    the linear Gaussian map (depths, networks), through its inverse: float64 loses it in the map itself.
    `ends`, the largest and the smallest value of Gaussian maps with few inputs (2, inputs, layers, networks).
    """
    own = generator(seed)
    x = torch.randn(networks, WIDTH, 1, dtype=torch.float64, generator=own)

    def draw(rule) -> list[Tensor]:
        weights = (x.new_empty(networks, WIDTH, WIDTH) for _ in range(DEPTHS[-1]))
        return [rule(w, generator=own).to(device) for w in weights]

    layers = [draw(rule) for rule in RULES.values()]
    values = [_values(name, rows, x.to(device)) for name in FUNCTIONS for rows in layers]
    inverse, smallest = torch.eye(WIDTH, dtype=x.dtype, device=device), []
    for depth, w in enumerate(layers[-1], start=1):
        inverse = inverse @ torch.linalg.inv(w)
        if depth in DEPTHS:
            smallest.append(torch.linalg.eigvalsh(inverse.mT @ inverse)[:, -1].rsqrt())
    return {
        "values": torch.stack(values).unflatten(0, (len(FUNCTIONS), len(RULES))).clamp(min=FLOOR),
        "smallest": torch.stack(smallest),
        "ends": _ends(mapped, own, device),
    }


def _ends(networks: int, own: torch.Generator, device) -> Tensor:
    """Largest and smallest singular value of Gaussian maps from INPUTS: (2, inputs, layers, networks)."""
    h, found = torch.eye(WIDTH, dtype=torch.float64, device=device), []
    for depth in range(1, LAYERS[-1] + 1):
        w = lecun_normal_(h.new_empty(networks, WIDTH, WIDTH, device="cpu"), generator=own)
        h = w.to(device) @ h
        if depth in LAYERS:
            values = [torch.linalg.svdvals(h[..., :k]) for k in INPUTS]
            found.append(torch.stack([torch.stack([v[:, 0], v[:, -1]]) for v in values], 1))
    return torch.stack(found, 2)


def _values(name: str, layers: Sequence[Tensor], x: Tensor) -> Tensor:
    f, slope, gain = ACTIVATIONS[name], derivative(name), FUNCTIONS[name][1]
    h, jacobian, found = x, torch.eye(WIDTH, dtype=x.dtype, device=x.device), []
    for depth, w in enumerate(layers, start=1):
        w = gain * w
        z = w @ h
        h, jacobian = f(z), slope(z) * (w @ jacobian)
        if depth in DEPTHS:
            found.append(torch.linalg.svdvals(jacobian))
    return torch.stack(found)


def log_growth(rank: int) -> float:
    """By which a Gaussian layer changes the logarithm of a singular value, on the average over depth.

    Newman's exponents: half of E ln(χ²/n), χ² with as many degrees of freedom as there are smaller values.
    """
    free = torch.tensor((WIDTH - rank) / 2, dtype=torch.float64)
    return (torch.digamma(free).item() + np.log(2 / WIDTH)) / 2


def _near(result) -> np.ndarray:
    """Fraction of the singular values within a factor of the largest: (functions, rules, depths)."""
    values = result["values"]
    return (values * NEAR > values[..., :1]).mean((-2, -1))


def _decades(result) -> np.ndarray:
    """Powers of ten between a linear Gaussian map's largest and smallest values: (depths, networks)."""
    return np.log10(result["values"][0, 1, :, :, 0] / result["smallest"])


def _slope(result) -> tuple[float, float]:
    """Powers of ten that a Gaussian layer adds, measured from SETTLED on and predicted."""
    start, decades = DEPTHS.index(SETTLED), _decades(result).mean(-1)
    measured = (decades[-1] - decades[start]) / (DEPTHS[-1] - SETTLED)
    return float(measured), float((log_growth(0) - log_growth(WIDTH - 1)) / np.log(10))


def _dashes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One line with gaps, a dash for each of the values (depths, units): x and y."""
    depth, value = np.repeat(DEPTHS, values.shape[1]), values.ravel()
    seen = value > LOWEST
    x = depth[seen, None] + np.array([-0.9, 0.9, np.nan])
    return x.ravel(), np.repeat(value[seen], 3)


def draw(result) -> Figure:
    fig, (left, right) = style.figure(8.2, 3.9, ncols=2, tall=6.4)
    ink, colours = style.ink(), style.palette()
    depths, fine = np.array(DEPTHS), np.linspace(0, DEPTHS[-1], 500)
    orthogonal, gaussian = result["values"][0, :, :, 0]
    left.plot(*_dashes(gaussian), lw=1, color=colours["raw"])
    left.plot(*_dashes(orthogonal), lw=3, color=colours["standardized"])
    for rank in RANKS:
        line = np.exp(log_growth(rank) * fine)
        left.plot(fine[line > LOWEST], line[line > LOWEST], color=ink, lw=0.8)
    left.text(53, 60, "orthogonal: all 1", color=colours["standardized"], ha="right", va="bottom")
    left.text(53, 3e-14, "Gaussian, lines predicted", color=colours["raw"], ha="right", va="bottom")
    left.set(title="Linear network: its singular values", ylabel="singular value (log)", xlabel="layers")
    left.set(yscale="log", ylim=(2e-14, 5e3), yticks=(1e-12, 1e-8, 1e-4, 1))
    left.minorticks_off()
    near = 100 * _near(result)
    right.plot(depths, near[:, 1].T, "s", color=colours["raw"], ms=3, ls=(0, (4, 2)), lw=1.2)
    right.plot(depths, near[:, 0].T, "o-", color=colours["standardized"], ms=4, lw=1.6)
    right.text(53, 102, "linear, orthogonal", color=colours["standardized"], ha="right", va="bottom")
    right.text(53, 83, "tanh, orthogonal", color=colours["standardized"], ha="right", va="bottom")
    right.text(53, 34, "ReLU, orthogonal", color=colours["standardized"], ha="right", va="bottom")
    right.text(53, 24, "all three, Gaussian", color=colours["raw"], ha="right", va="bottom")
    right.set(title=f"Directions kept (within ×{NEAR} of the largest)", ylabel="singular values (%)")
    right.set(xlabel="layers", ylim=(0, 115), yticks=range(0, 101, 25))
    for ax in (left, right):
        ax.set(xlim=(-1, 53), xticks=(1, 10, 20, 30, 40, 50))
    return fig


def table(result) -> dict:
    titles, larger = [title for title, _ in FUNCTIONS.values()], np.array([0, 25, 50, 75, 100])
    quantiles = np.quantile(result["values"], 1 - larger / 100, axis=-1).mean(-1)
    axes = {"network": titles, "weights": list(RULES), "layers": DEPTHS, "larger_are_percent": larger}
    return long_table(axes, singular_value=np.moveaxis(quantiles, 0, -1))


def caption(result) -> str:
    near = _near(result)[..., -1]
    measured, predicted = _slope(result)
    return (
        "**Orthogonal weights keep every direction of a linear network and "
        f"{percent(near[1, 0])} of tanh's within a factor of {NEAR}; of ReLU's they keep "
        f"{percent(near[2, 0])}.**\n\nSingular values of the map from input to output, or of its Jacobian, "
        f"at {WIDTH} units a layer. Left, each dash is one of them, in one network; lines: predicted growth "
        f"of the 1st, 17th, 33rd, 49th and last value; a Gaussian layer adds {number(measured)} powers of "
        f"ten to the spread, predicted {number(predicted)}. Values below {number(LOWEST, 1)} are not drawn: "
        f"float64 loses them beside the large ones. Right, means over {result['smallest'].shape[-1]} "
        f"networks; {DEPTHS[-1]} layers in the finding. Weights have variance 1/inputs, for ReLU 2/inputs."
    )


def alt(result) -> str:
    near = _near(result)[..., -1]
    rows = (
        f"{title} {rule} {percent(near[f, r])}"
        for f, (title, _) in enumerate(FUNCTIONS.values())
        for r, rule in enumerate(RULES)
    )
    return (
        "Left, singular values of linear networks against depth on a logarithmic axis: orthogonal ones stay "
        f"at 1, Gaussian ones fan out. Right, the percentage within a factor of {NEAR} of the largest "
        f"against depth, for linear, tanh and ReLU networks; at the end: {', '.join(rows)}."
    )


def claims(result) -> Iterator[Claim]:
    decades = _decades(result)[-1]
    low, high = mean_interval(decades)
    off = float(np.abs(result["values"][0, 0] - 1).max())
    measured, predicted = _slope(result)
    gaussian = result["values"][0, 1, -1]
    seen = np.log10(gaussian[:, 0] / gaussian[:, -1]).mean()
    few = np.exp(np.log(result["ends"][0] / result["ends"][1]).mean(-1))
    yield Claim.of_mean(
        decades,
        id="orthogonal",
        statement="A deep linear network with orthogonal weights keeps all lengths and angles; with Gaussian "
        "weights it does not",
        sources=("saxe-2014, section 3",),
        verdict="depends",
        measure=f"powers of ten between the largest and the smallest singular value, {DEPTHS[-1]} Gaussian "
        f"layers of {WIDTH} units, variance 1/inputs",
        units="products of random matrices, each drawn anew",
        map=Map.of_ratios(
            *result["ends"],
            axes={
                f"inputs, to layers of {WIDTH} units": INPUTS,
                "Gaussian layers": [f"{n} layers" for n in LAYERS],
            },
            above=KEPT,
            measure="largest over smallest singular value: the factor by which directions differ",
            units="products of random matrices, each drawn anew",
        ),
        holds=off < 1e-9 and low > 10 and abs(measured / predicted - 1) < CLOSE,
        finding=f"With orthogonal weights every singular value is 1 to within {number(off, 1)}, at every "
        f"depth. With Gaussian ones the largest is 10 to the power {number(decades.mean())} "
        f"{between((low, high))} times the smallest after {DEPTHS[-1]} layers; the product in float64 "
        f"shows a power of {number(seen, 2)} only, as rounding hides the small ones. Few inputs to wide "
        f"layers are spread less: from {INPUTS[0]} inputs to {WIDTH} units, {LAYERS[-2]} Gaussian layers "
        f"leave directions within a factor of {number(few[0, -2], 2)}; from {INPUTS[-3]}, {LAYERS[0]} "
        f"layers spread them by {number(few[-3, 0], 2)}.",
    )
