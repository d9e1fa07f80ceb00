"""Which activations keep a signal of variance 1, layer after layer?  Chapter: initialization."""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import generator
from experiments.words import between, long_table, number, percent, shown
from unitgain.activations import ACTIVATIONS, gain
from unitgain.initializers import lecun_normal_
from unitgain.theory import variance_map

WIDTH, DEPTH = 240, 100
CURVES = (
    ("selu", 10.0),
    ("selu", 1.0),
    ("selu", 0.1),
    ("lecun_tanh", 1.0),
    ("tanh", 1.0),
)  # variance at start
SELU, LECUN, TANH = 1, 3, 4  # the curves that start from 1
SHOWN = np.array([1, 2, 3, 5, 8, 13, 20, 32, 50, 71, 100])  # layers
SETTLED = 50  # layers after which SELU's other starts are forgotten

# The maps
KEEPS = 0.5  # of the variance, at least
STARTS, DEPTHS = (0.01, 0.12, 1.0), (1, 3, 6, 16, 36, 80)  # of tanh: variances of its inputs, layers
OFFSETS = (0.1, 0.25, 0.5, 1.0, 3.0, 10.0)  # of SELU's inputs
ROWS = {  # layers, units, whether a unit's weights add up to 0, as the theorem has it
    "layer 10": (10, WIDTH, False),
    "layer 100": (100, WIDTH, False),
    "layer 100, of 8 units": (100, 8, False),
    "layer 10, weights of sum 0": (10, WIDTH, True),
}
NEAR_1 = 0.8, 1.25
VARIANCES, WITHIN = (0.2, 0.45, 0.66, 1.0, 1.5, 3.0), 0.1  # of the pre-activations, and what counts as kept
SHAPES = "two values, ±", "uniform", "normal"  # of the pre-activations


def compute(*, networks=16, points=8, mapped=16, seed=0, device="cpu"):
    """`variance` and `mean` of each layer's outputs: (curves, layers, networks).

    Normal inputs of the curve's variance; weights N(0, 1/width), which at equal widths is both Glorot's rule
    and LeCun's, the same for all curves; no biases. For the maps: what tanh leaves of its inputs' variance,
    `left` (layers, starts, networks); the variance over examples of SELU's units, for inputs N(offset, 1),
    `told` (offsets, rows, networks); what LeCun's tanh keeps of a variance, `kept` (variances, shapes).
    """
    draw = generator(seed)
    functions, starts = zip(*CURVES, strict=True)
    x = torch.randn(networks, WIDTH, points, generator=draw).repeat(1, 1, len(CURVES))
    h = (x * torch.tensor(starts).sqrt().repeat_interleave(points)).to(device)
    found = {"mean": [], "variance": []}
    for _ in range(DEPTH):
        w = lecun_normal_(torch.empty(networks, WIDTH, WIDTH), generator=draw).to(device)
        columns = zip(functions, (w @ h).split(points, -1), strict=True)
        h = torch.cat([ACTIVATIONS[name](z) for name, z in columns], -1)
        variance, mean = torch.var_mean(h.unflatten(-1, (-1, points)), (1, 3), correction=0)
        found["mean"].append(mean)
        found["variance"].append(variance)
    return {key: torch.stack(rows).permute(2, 0, 1) for key, rows in found.items()} | {
        "left": _left(mapped, points, draw, device),
        "told": torch.stack([_told(*row, mapped, 2 * points, draw, device) for row in ROWS.values()], 1),
        "kept": _kept(),
    }


def _outputs(name: str, h: Tensor, depths: Sequence[int], draw, *, centred: bool = False) -> Iterator[Tensor]:
    """Outputs (networks, units, examples) of the layers `depths`, of h (networks, units, examples)."""
    networks, width, _ = h.shape
    for depth in range(1, depths[-1] + 1):
        w = lecun_normal_(torch.empty(networks, width, width), generator=draw).to(h.device)
        h = ACTIVATIONS[name]((w - w.mean(-1, keepdim=True) if centred else w) @ h)
        if depth in depths:
            yield h


def _left(networks: int, points: int, draw, device) -> Tensor:
    """What is left of the variance of tanh's inputs: (layers, starts, networks)."""
    starts = torch.tensor(STARTS)
    x = torch.randn(networks, WIDTH, points, generator=draw).repeat(1, 1, len(starts))
    h = (x * starts.sqrt().repeat_interleave(points)).to(device)
    rows = [h.unflatten(-1, (-1, points)).var((1, 3)) for h in _outputs("tanh", h, DEPTHS, draw)]
    return torch.stack(rows).mT / starts[:, None].to(device)


def _told(depth: int, width: int, centred: bool, networks: int, points: int, draw, device) -> Tensor:
    """The variance over examples of a SELU layer's units, mean over WIDTH of them: (offsets, networks)."""
    x = torch.randn(networks * (WIDTH // width), width, points, generator=draw).repeat(1, 1, len(OFFSETS))
    h = (x + torch.tensor(OFFSETS).repeat_interleave(points)).to(device)
    (h,) = _outputs("selu", h, (depth,), draw, centred=centred)
    return h.unflatten(-1, (-1, points)).var(-1).unflatten(0, (networks, -1)).mean((1, 2)).T


def _kept() -> Tensor:
    """The mean square of LeCun's tanh over that of its pre-activations: (variances, shapes)."""
    f, q = ACTIVATIONS["lecun_tanh"], torch.tensor(VARIANCES, dtype=torch.float64)
    line = (torch.arange(2000, dtype=q.dtype) + 0.5) / 2000
    uniform = f((3 * q).sqrt()[:, None] * line).square().mean(-1)
    return torch.stack([f(q.sqrt()).square(), uniform, variance_map(f, q, 1.0)], -1) / q[:, None]


@cache
def predicted() -> np.ndarray:
    """Mean squares of the layers' outputs: (curves, layers)."""
    lines = []
    for name, start in CURVES:
        q, line = torch.tensor(start), []
        for _ in range(DEPTH):
            q = variance_map(ACTIVATIONS[name], q, 1.0)
            line.append(q.item())
        lines.append(line)
    return np.array(lines)


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 4.0, tall=3.9)
    ink, colours, layers = style.ink(), style.palette(), np.arange(1, DEPTH + 1)
    keys = {"selu": ("alive", "o"), "lecun_tanh": ("saturated", "s"), "tanh": ("saturated", "D")}
    square = result["variance"] + result["mean"] ** 2
    for (name, _), line, rows in zip(CURVES, predicted(), square[:, SHOWN - 1], strict=True):
        key, mark = keys[name]
        ax.plot(layers, line, color=ink, lw=1)
        ax.vlines(SHOWN, *np.array([mean_interval(row) for row in rows]).T, color=colours[key], lw=1.5)
        ax.plot(SHOWN, rows.mean(-1), mark, ms=4.5, color=colours[key])
    ax.plot(layers, 1 / (2 * layers), color=ink, lw=1, ls=(0, (1, 2)))
    for text, x, y, key in (
        ("SELU, from 10, 1 and 0.1", 110, 1.7, "alive"),
        ("LeCun's tanh", 110, 0.2, "saturated"),
        ("tanh", 20, 0.011, "saturated"),
    ):
        ax.text(x, y, text, color=colours[key], va="center", ha="right")
    ax.text(1, 0.007, "dotted: 1/(2 · layer)\nlines: predicted", va="center")
    ax.set(xscale="log", yscale="log", xlim=(0.9, 125), ylim=(0.003, 12), xlabel="layer (log)")
    ax.set(ylabel="mean square of the outputs (log)")
    ax.set(xticks=(1, 2, 5, 10, 20, 50, 100), xticklabels=(1, 2, 5, 10, 20, 50, 100))
    ax.set(yticks=(0.01, 0.1, 1, 10), yticklabels=("0.01", "0.1", "1", "10"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_locator(NullLocator())
    return fig


def table(result) -> dict:
    ends = np.apply_along_axis(mean_interval, -1, result["variance"])
    names, starts = zip(*CURVES, strict=True)
    columns = long_table(
        {"activation": names, "layer": range(1, DEPTH + 1)},
        mean=result["mean"].mean(-1),
        variance=result["variance"].mean(-1),
        low=ends[..., 0],
        high=ends[..., 1],
        predicted_mean_square=predicted(),
    )
    return {"activation": columns.pop("activation"), "input_variance": np.repeat(starts, DEPTH), **columns}


def _tips(name: str) -> float:
    """How much of a small deviation of the variance from 1 is left a layer later, at the forward gain."""
    low, high = (variance_map(ACTIVATIONS[name], q, gain(name) ** 2).item() for q in (0.99, 1.01))
    return (high - low) / 0.02


def _variance(result, curve: int, layer: int) -> float:
    return float(result["variance"][curve, layer - 1].mean())


def _off(result, curve: int) -> float:
    """Largest relative distance of a mean square from its prediction, over the layers shown."""
    square = (result["variance"] + result["mean"] ** 2)[curve].mean(-1)
    return float(np.abs(square / predicted()[curve] - 1)[SHOWN - 1].max())


def caption(result) -> str:
    settles, falls = (number(_variance(result, curve, DEPTH), 2) for curve in (LECUN, TANH))
    return (
        "**With weights of variance 1/inputs, SELU returns to variance 1 from 10 and from 0.1, LeCun's "
        f"tanh settles at {settles}, and tanh falls as 1/(2 · layer), to {falls} at layer {DEPTH}.**\n\n"
        f"Normal "
        f"inputs of mean 0 and variance 1, for SELU also 10 and 0.1; {result['mean'].shape[-1]} networks of "
        f"{WIDTH} units a layer, means with {percent(0.95)} intervals. Lines: the theory's variance map, "
        f"right to {percent(_off(result, SELU))} for SELU, {percent(_off(result, LECUN))} for LeCun's tanh "
        f"and {percent(_off(result, TANH))} for tanh. By the same map a small deviation shrinks to "
        f"{number(_tips('selu'), 2)} of itself in a layer of SELU; with weights of the activation's own gain "
        f"it grows {number(_tips('gelu'))}-fold with GELU and {number(_tips('silu'))}-fold with SiLU."
    )


def alt(result) -> str:
    tanh = ", ".join(f"{number(_variance(result, TANH, d), 2)} at {d}" for d in (1, 10, 50, 100))
    return (
        f"Line plot of the mean square of the outputs over {DEPTH} layers, both axes logarithmic; three SELU "
        "curves from 10, 1 and 0.1 meet at 1; LeCun's tanh settles at "
        f"{number(_variance(result, LECUN, DEPTH), 2)}; tanh falls along a straight line: {tanh}. The dots "
        "lie on the predicted lines."
    )


def claims(result) -> Iterator[Claim]:
    yield _selu(result)
    yield _lecun(result)
    yield _tanh(result)


NETWORKS = "networks, each with its own weights and inputs"


def _selu(result) -> Claim:
    variance, mean = (result[key][SELU].mean(0) for key in ("variance", "mean"))  # over the layers
    low, high = mean_interval(variance)
    settled = result["variance"][:LECUN, SETTLED:].mean((1, 2))
    told, (ten, hundred, narrow, centred) = result["told"].mean(-1), range(len(ROWS))
    raw = OFFSETS.index(3.0)
    return Claim.of_mean(
        variance,
        id="selu-fixed-point",
        statement="SELU keeps mean 0 and variance 1, with weights of variance 1/inputs",
        sources=("klambauer-2017, theorem 1",),
        verdict="depends",
        measure=f"variance of the outputs, mean over {DEPTH} layers of {WIDTH} units; inputs N(0, 1)",
        units=NETWORKS,
        map=Map.of_means(
            result["told"],
            axes={"mean of all inputs, of variance 1": OFFSETS, "where": tuple(ROWS)},
            above=NEAR_1[0],
            below=NEAR_1[1],
            measure=f"variance of a unit over the examples, mean over {WIDTH} units",
            units=f"{NETWORKS}, of 8 units {WIDTH // 8} each",
        ),
        holds=low > 0.95
        and high < 1.05
        and np.abs(mean.mean()) < 0.02
        and np.abs(settled - 1).max() < 0.1
        and told[raw, hundred] > told[raw, ten],
        finding="In wide layers, for inputs of mean 0: from variances 10 and 0.1 the layers after the "
        f"{SETTLED}th have variance {number(settled[0])} and {number(settled[2])}, and the mean is "
        f"{number(mean.mean(), 1)} {between(mean_interval(mean), 1)}. But inputs of mean "
        f"{shown(OFFSETS[raw])} look alike at first: a unit's variance over them is "
        f"{number(told[raw, ten], 2)} in layer 10, {number(told[raw, hundred], 2)} in layer 100. With "
        f"weights that add up to 0 in each unit, as the theorem asks, {number(told[raw, centred], 2)} is "
        f"left in layer 10. And layers of {[*ROWS.values()][narrow][1]} units are too narrow: layer 100 "
        f"has {number(told[0, narrow], 2)}.",
    )


def _lecun(result) -> Claim:
    first = result["variance"][LECUN, 0]
    at_1 = ACTIVATIONS["lecun_tanh"](torch.tensor(1.0, dtype=torch.float64)).item()
    two, _, normal = result["kept"][VARIANCES.index(1.0)]
    return Claim.of_mean(
        first,
        id="lecun-tanh",
        statement="1.7159 tanh(2z/3) keeps the variance of its weighted inputs, since it maps ±1 to ±1",
        sources=("lecun-1998, section 4.4, for variance 1",),
        verdict="depends",
        measure=f"variance of a layer's outputs where its pre-activations are N(0, 1), {WIDTH} units",
        units=NETWORKS,
        map=Map.of_exact(
            result["kept"],
            axes={"variance of the pre-activations": VARIANCES, "their distribution": SHAPES},
            above=1 - WITHIN,
            below=1 + WITHIN,
            measure="mean square of the outputs over that of the pre-activations",
            units="integrals over the distribution",
        ),
        holds=abs(two - 1) < 1e-3
        and normal < 0.8
        and abs(normal / first.mean() - 1) < 0.05
        and _variance(result, LECUN, DEPTH) < 0.6,
        finding=f"At 1 the function is {number(at_1, 5)}, as designed: variance 1 passes if all weighted "
        "inputs are 1 or −1. Random weights make them normal; then large ones lose more than small ones "
        f"gain, and {number(first.mean(), 2)} is left. Layer after layer the variance settles at "
        f"{number(_variance(result, LECUN, DEPTH))}, which does pass. To keep variance 1, multiply the "
        f"weights by the gain, {number(gain('lecun_tanh'))}.",
    )


def _tanh(result) -> Claim:
    last = result["variance"][TANH, -1]
    depths = (10, 50, DEPTH)
    listed = ", ".join(number(_variance(result, TANH, d), 2) for d in depths)
    expected = ", ".join(number(1 / (2 * d), 2) for d in depths)
    left = result["left"].mean(-1)
    rule = 1 / (1 + 2 * np.array(STARTS) * np.array(DEPTHS)[:, None])
    small, deep = STARTS[0], DEPTHS[-2]
    return Claim.of_mean(
        last,
        id="tanh-glorot-decay",
        statement="With Glorot's weights, tanh keeps the variance of the signal",
        sources=("glorot-bengio-2010, section 4.2.1, “in a linear regime”",),
        verdict="depends",
        measure=f"variance of the outputs of layer {DEPTH}, inputs N(0, 1), {WIDTH} units a layer, "
        "normal weights",
        units=NETWORKS,
        map=Map.of_means(
            result["left"],
            axes={"layer": DEPTHS, "variance of the inputs": tuple(map(shown, STARTS))},
            above=KEEPS,
            measure="variance of a layer's outputs over that of the inputs",
            units=NETWORKS,
        ),
        holds=mean_interval(last)[1] < 0.02
        and _off(result, TANH) < 0.3
        and np.abs(left[:, 0] / rule[:, 0] - 1).max() < 0.2,
        finding="From a variance q, half is lost after about 1/(2q) layers: the smaller the signal, the "
        f"more linear is tanh. From {small:g}, layer {deep} still has {percent(left[-2, 0])} of it. From "
        f"1 the variance falls as 1/(2 · layer): at layers {', '.join(map(str, depths))} it is {listed}, "
        f"where the rule says {expected}. That is slow: weights that are too small shrink it "
        "exponentially.",
    )
