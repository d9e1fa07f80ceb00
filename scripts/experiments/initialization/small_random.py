"""Which width and depth do weights of one fixed size suit?  Chapter: initialization."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.initialization._shared.rms import rms
from experiments.trials import generator
from experiments.words import long_table, number, percent
from unitgain.theory import signal_factor

SIZES = {0.01: "0.01 · randn", 0.1: "0.1 · randn", 1.0: "randn"}
WIDTHS = (25, 100, 400, 1600, 6400, 25_600, 102_400)
MATRICES = 3  # so many widths with matrices; beyond, a layer's outputs are drawn from their distribution
SHARE = (4, 16, 0.5, 0.5, 0.5, 0.5, 0.25)  # of `networks`, a width: narrow ones differ more
DEPTH = 10
BY_DEPTH = (25, 100, 400, 1600, 6400, 25_600)
MAP_WIDTHS = (100, 400, 1600, 6400, 14_400, 25_600)
MAP_DEPTHS = (1, 2, 4, 8, 16, 32)
KILLED = 1e-3  # what is left of a signal that counts as killed
NARROW, WIDE = WIDTHS.index(100), WIDTHS.index(25_600)


def compute(*, networks=32, mapped=8, seed=0, device="cpu"):
    """Root mean square of the pre-activations of ReLU layers, `size_<width>` (sizes, layers, networks).

    The inputs have mean square 1. And what weights of the first size leave of them, `left` (MAP_DEPTHS,
    MAP_WIDTHS, mapped).
    """
    draw = generator(seed)
    scale = torch.tensor([*SIZES], dtype=torch.float64, device=device)
    found = {}
    for width, share in zip(WIDTHS, SHARE, strict=True):
        pass_on = _matrix if width in WIDTHS[:MATRICES] else _distribution
        h = _normal(max(2, int(share * networks)), width, 1, draw=draw, device=device)
        h = (h / h.square().mean(1, keepdim=True).sqrt()).expand(-1, -1, len(scale))
        layers = []
        for _ in range(DEPTH):
            z = scale * pass_on(h, draw)
            layers.append(z.square().mean(1).sqrt().T)
            h = z.relu_()
        found[f"size_{width}"] = torch.stack(layers, 1)
    return found | {"left": torch.stack([_left(width, mapped, draw, device) for width in MAP_WIDTHS], 1)}


def _left(width: int, networks: int, draw, device) -> Tensor:
    """Root mean square of the pre-activations (MAP_DEPTHS, networks), with weights of the first size."""
    h, found = torch.ones(networks, width, 1, dtype=torch.float64, device=device), []
    for depth in range(1, MAP_DEPTHS[-1] + 1):
        z = next(iter(SIZES)) * _distribution(h, draw)
        h = z.relu()
        if depth in MAP_DEPTHS:
            found.append(z.square().mean((1, 2)).sqrt())
    return torch.stack(found)


def _normal(*shape: int, draw, device) -> Tensor:
    return torch.randn(shape, generator=draw).to(device).double()


def _matrix(h: Tensor, draw) -> Tensor:
    """W h for every network's own W ~ N(0, 1)."""
    networks, width, _ = h.shape
    return _normal(networks, width, width, draw=draw, device=h.device) @ h


def _distribution(h: Tensor, draw) -> Tensor:
    """The same without W: given h, the components of W h are independent and normal with variance ‖h‖²."""
    networks, width, _ = h.shape
    return _normal(networks, width, 1, draw=draw, device=h.device) * h.norm(dim=1, keepdim=True)


def _predicted() -> np.ndarray:
    """The factor a layer (widths, sizes)."""
    variance = torch.tensor([*SIZES], dtype=torch.float64).square()
    return torch.stack([signal_factor(torch.relu, variance, width) for width in WIDTHS]).numpy()


def _measured(result) -> np.ndarray:
    """Root mean square over the networks of the factor a layer, and its interval (widths, sizes, 3)."""
    sizes = (result[f"size_{width}"] for width in WIDTHS)
    return np.array([rms(size[:, -1] / size[:, 0], DEPTH - 1) for size in sizes])


def draw(result) -> Figure:
    fig, (left, right) = style.figure(8.2, 3.9, ncols=2)
    ink, key, layers = style.ink(), style.palette()["standardized"], np.arange(1, DEPTH + 1)
    for width in BY_DEPTH:
        first = 0.01 * width**0.5
        line = first * _predicted()[WIDTHS.index(width), 0] ** (layers - 1.0)
        size = np.sqrt(np.square(result[f"size_{width}"][0]).mean(-1))
        left.plot(layers, line, color=ink, lw=0.8)
        left.plot(layers, size, "o", color=key, ms=3.6, mew=0)
        left.text(DEPTH + 0.3, line[-1], f"{width:,} units", va="center", color=key)
    left.axhline(1, color=style.GRID, lw=0.8, alpha=0.6)
    left.set(
        title="0.01 · randn: size of the signal",
        xlabel="layer",
        ylabel="size, 1 at the input (log)",
        yscale="log",
        xlim=(0.5, DEPTH + 4.2),
        ylim=(1e-15, 1e2),
        xticks=(1, 5, 10),
        yticks=10.0 ** np.arange(-15, 1, 5),
    )
    for s, title in enumerate(SIZES.values()):
        right.plot(WIDTHS, _predicted()[:, s], color=ink, lw=0.8)
        middle, low, high = _measured(result)[:, s].T
        dots = {"fmt": "o", "ms": 4, "mew": 0, "elinewidth": 1, "color": key}
        right.errorbar(WIDTHS, middle, (middle - low, high - middle), **dots)
        right.text(1.1e5, _predicted()[-1, s] / 4, title, color=key, ha="right", va="top")
    right.axhline(1, color=style.GRID, lw=0.8, alpha=0.6)
    right.set(
        title="Factor of one layer, by width",
        xlabel="units a layer (log)",
        ylabel="factor, 1 keeps the signal (log)",
        xscale="log",
        yscale="log",
        ylim=(0.02, 400),
        yticks=(0.1, 1, 10, 100),
        yticklabels=("0.1", "1", "10", "100"),
    )
    for ax in (left, right):
        ax.minorticks_off()
    return fig


def table(result) -> dict:
    factor, low, high = np.moveaxis(_measured(result), -1, 0)
    axes = {"width": WIDTHS, "weight_sd": list(SIZES)}
    return long_table(axes, predicted=_predicted(), factor=factor, low=low, high=high)


def _off(result) -> float:
    """Largest relative distance of a factor from its prediction."""
    return float(np.abs(_measured(result)[..., 0] / _predicted() - 1).max())


def _left_of_the_signal(result, width: int) -> str:
    return number(np.sqrt(np.square(result[f"size_{width}"][0, -1]).mean()), 2)


def caption(result) -> str:
    counts = [result[f"size_{width}"].shape[-1] for width in WIDTHS]
    return (
        f"**With weights 0.01 · randn, {DEPTH} ReLU layers of 100 units leave "
        f"{_left_of_the_signal(result, 100)} of the signal, layers of 25,600 enlarge it to "
        f"{_left_of_the_signal(result, 25_600)}: a fixed size suits one width only.**\n\n"
        f"Each layer multiplies "
        "by σ√(n/2), with σ the size of a weight and n the width (lines). Dots: measured, root mean "
        f"squares over {min(counts)} to {max(counts)} networks with "
        f"{percent(0.95)} intervals; the factors agree within {percent(_off(result), 1)}. From "
        f"{WIDTHS[MATRICES]:,} units on, a layer's outputs are drawn from their exact distribution instead "
        "of through a matrix."
    )


def alt(result) -> str:
    small, large = _measured(result)[:, 0, 0], _measured(result)[:, -1, 0]
    return (
        f"Left, on a logarithmic axis, the size of the signal over {DEPTH} layers for six widths with "
        "weights 0.01 randn: five lines fall, the steeper the narrower, and only that of 25,600 units "
        f"rises. Right, the factor of a layer rises with the root of the width: from {number(small[0], 2)} "
        f"to {number(small[-1], 2)} for 0.01 randn, from {number(large[0], 2)} to {number(large[-1], 2)} "
        "for randn; dots lie on the lines."
    )


def claims(result) -> Iterator[Claim]:
    measured = _measured(result)
    estimate, low, high = measured[NARROW, 0]
    _, wide, _ = measured[WIDE, 0]
    yield Claim(
        id="small-random",
        statement="Small random numbers, 0.01 · randn, kill the signal of a deep network",
        sources=("cs231n-2, weight initialization",),
        verdict="depends",
        measure="factor by which one layer of 100 ReLUs with weights 0.01 · randn multiplies the signal's "
        f"root mean square over the networks, through {DEPTH} layers",
        estimate=float(estimate),
        interval=(float(low), float(high)),
        n=result["size_100"].shape[-1],
        units="networks, each with its own weights and input",
        map=Map.of_means(
            result["left"],
            axes={"layers": MAP_DEPTHS, "units a layer": MAP_WIDTHS},
            below=KILLED,
            measure="size of the signal behind so many ReLU layers with weights 0.01 · randn, 1 at the input",
            units="networks, each with its own weights",
        ),
        holds=high < 0.1 and wide > 1 and measured[NARROW, -1, 1] > 1 and _off(result) < 0.05,
        finding="Unless the layers are few or wide. A layer multiplies the signal by σ√(n/2) with ReLU, "
        f"by σ√n where the activation is linear near 0, as tanh is. For 100 ReLUs that is {estimate:.3f}, "
        f"which leaves {_left_of_the_signal(result, 100)} after {DEPTH} layers; for 25,600 it is "
        f"{measured[WIDE, 0, 0]:.2f}. With randn instead, 100 units multiply it by "
        f"{number(measured[NARROW, -1, 0])}.",
    )
