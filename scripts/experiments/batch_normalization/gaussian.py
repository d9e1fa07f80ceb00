"""Does batch normalization make what passes through it Gaussian?  Chapter: batch-normalization."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import generator, mlps, standardized
from experiments.words import between, number
from unitgain.datasets import digits
from unitgain.layers import BatchNorm
from unitgain.models import MLP

WIDTH, HIDDEN = 100, 4
POSITIONS = {"before": "weighted inputs", "after": "a ReLU's outputs"}
PLACES = ("A pixel", "A pre-activation", "A ReLU's output")
LAYERS = (1, 2, 4, 10)  # the map: is there a layer whose shape it changes?
FED = {  # the inputs and the place of the normalization
    "digits, before ReLU": ("digits", "before"),
    "digits, after ReLU": ("digits", "after"),
    "normal inputs, before ReLU": ("normal", "before"),
}
TAKEN = 0.5  # of the skew
SMALLEST = 1e-6  # variance of a unit that is not taken for constant


def compute(*, networks=60, mapped=6, seed=0, device="cpu"):
    """`skew` and excess `kurtosis` (positions, in and out, networks, units) of the last hidden layer's
    normalization over all images, before training; `mean` and `var` of what comes out (positions, networks,
    units); what varies at all is `alive` (positions, networks, units).

    `shapes`: the median |skew| of the units that vary (in and out, LAYERS, FED, mapped).

    `example` (in and out, places, images): what a pixel, a weighted input and an output become. `normal`:
    the mean |skew| of as many normal numbers.
    """
    raw, _ = digits(device=device)
    x = standardized(raw, raw)
    found = {key: [] for key in ("skew", "kurtosis", "mean", "var", "alive")}
    pixel = raw[:, _typical(_shape(raw.T.double())[0])][:, None]
    examples = [(pixel[:, 0], BatchNorm(1, device=device)(pixel)[:, 0])]
    for position in POSITIONS:
        kind = {"normalization": "batch", "position": position, "weight": "he_normal"}
        model = mlps((64, *[WIDTH] * HIDDEN, 10), networks, seed=seed, device=device, **kind)
        ways = _around(model, x)[-1]
        skew, kurtosis = zip(*map(_shape, ways), strict=True)
        found["skew"].append(torch.stack(skew))
        found["kurtosis"].append(torch.stack(kurtosis))
        found["mean"].append(ways[1].mean(-1))
        found["var"].append(ways[1].var(-1, correction=0))
        found["alive"].append(ways[0].var(-1) > SMALLEST)
        unit = _typical(skew[0][0])
        examples.append(tuple(way[0, unit] for way in ways))
    fed = {"digits": x, "normal": torch.randn(x.shape, generator=generator(seed, "data")).to(device)}
    shapes = [_shapes(fed[name], position, mapped, seed) for name, position in FED.values()]
    normal = torch.randn(200, len(x), generator=generator(seed), dtype=torch.float64)
    return {
        **{key: torch.stack(rows) for key, rows in found.items()},
        "example": torch.stack([torch.stack([way.double() for way in one]) for one in examples], 1).detach(),
        "normal": _shape(normal)[0].abs().mean(),
        "shapes": torch.stack(shapes, 2),
    }


def _shapes(x: torch.Tensor, position: str, networks: int, seed: int) -> torch.Tensor:
    """Median |skew| before and after the normalizations of LAYERS: (in and out, layers, networks)."""
    sizes = (x.shape[-1], *[WIDTH] * max(LAYERS), 10)
    kind = {"normalization": "batch", "position": position, "weight": "he_normal"}
    around = _around(mlps(sizes, networks, seed=seed, device=x.device, **kind), x)
    skews = torch.stack([torch.stack([_shape(way)[0].abs() for way in around[i - 1]]) for i in LAYERS], 1)
    return torch.where(skews > 0, skews, torch.nan).nanmedian(-1).values


@torch.no_grad()
def _around(model: MLP, x: torch.Tensor) -> list[list[torch.Tensor]]:
    """What each normalization receives, and what it passes on: (networks, units, images) each."""
    seen: list[list[torch.Tensor]] = []

    def keep(_, arriving, out) -> None:
        seen.append([arriving[0].double(), out.double()])

    for norm in model.normalizations:
        norm.register_forward_hook(keep)
    model(x)
    return seen


def _shape(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Skewness and excess kurtosis over the last dimension; 0 for what is constant."""
    c = values - values.mean(-1, keepdim=True)
    square = c * c
    var = square.mean(-1)
    third, fourth = (torch.linalg.vecdot(square, power) / c.shape[-1] for power in (c, square))
    return tuple(
        torch.where(var <= SMALLEST, 0, moment) for moment in (third / var**1.5, fourth / var**2 - 3)
    )


def _typical(skew: torch.Tensor) -> int:
    """The index of the median |skew|."""
    return int(skew.abs().argsort()[len(skew) // 2])


def _moments(values: np.ndarray) -> tuple[float, float]:
    return tuple(float(moment) for moment in _shape(torch.from_numpy(values)))


def _said(values: np.ndarray) -> str:
    mean = number(values.mean(), 2) if abs(values.mean()) > 1e-6 else "0"
    return f"mean {mean}\nsd {number(values.std(), 2)}\nskew {number(_moments(values)[0], 2)}"


def draw(result) -> Figure:
    fig, axes = style.figure(7.4, 4.0, nrows=2, ncols=3, tall=5.4)
    colours, fine = style.palette(), np.linspace(-3.4, 3.4, 200)
    for place, (title, bars, column) in enumerate(zip(PLACES, (16, 48, 48), axes.T, strict=True)):
        for ax, values, key in zip(column, result["example"][:, place], ("raw", "standardized"), strict=True):
            half = np.ptp(values) / bars / 2
            edges = np.linspace(values.min() - half, values.max() + half, bars + 2)
            ax.hist(values, edges, density=True, color=colours[key], histtype="stepfilled")
            ax.set(xlim=values.mean() + np.array([-3, 6]) * values.std(), yticks=[])
            ax.text(1, 0.98, _said(values), transform=ax.transAxes, ha="right", va="top")
            ax.spines["left"].set_visible(False)
        column[0].set_title(title)
        column[1].set_xticks([-2, 0, 2, 4])
        column[1].plot(fine, np.exp(-(fine**2) / 2) / np.sqrt(2 * np.pi), color=style.ink(), lw=1.2)
    axes[0, 0].set_ylabel("as it arrives")
    axes[1, 0].set_ylabel("normalized")
    axes[1, 0].text(0.3, 0.48, "line: normal", va="bottom")
    return fig


def table(result) -> dict:
    skew_in, skew_out = _medians(result, np.abs(result["skew"][:, 0])), _typical_skew(result)
    return {
        "position": np.repeat(list(POSITIONS), skew_in.shape[1]),
        "median_abs_skew_in": skew_in.ravel(),
        "median_abs_skew_out": skew_out.ravel(),
        "kurtosis_out": _medians(result, result["kurtosis"][:, 1]).ravel(),
    }


def _medians(result, values: np.ndarray) -> np.ndarray:
    """Medians over the units that vary, of values (positions, networks, units)."""
    return np.nanmedian(np.where(result["alive"], values, np.nan), -1)


def _typical_skew(result) -> np.ndarray:
    """Median |skew| of what comes out of the normalization, (positions, networks)."""
    return _medians(result, np.abs(result["skew"][:, 1]))


def _changed(result) -> float:
    """Largest change of a unit's skewness or excess kurtosis."""
    alive = result["alive"]
    return max(
        float(np.abs(result[key][:, 1] - result[key][:, 0])[alive].max()) for key in ("skew", "kurtosis")
    )


def caption(result) -> str:
    before, after = _typical_skew(result)
    return (
        "**Batch normalization moves and scales a distribution and leaves its shape: no unit's skew or "
        f"kurtosis changes by more than {number(_changed(result), 1)}.**\n\nIn the last of {HIDDEN} hidden "
        "layers, before training, "
        f"the typical |skew| of what comes out is {number(before.mean(), 2)} "
        f"{between(mean_interval(before), 2)} with the normalization before the ReLU and "
        f"{number(after.mean(), 2)} {between(mean_interval(after), 2)} after it; normal numbers would have "
        f"{number(result['normal'], 1)}. Shown: the pixel and the units of median |skew|. {len(before)} "
        f"networks of {WIDTH} units a layer, He's weights, all images of the digits, standardized; the "
        "kurtosis of a normal distribution counts as 0; 95 % intervals."
    )


def alt(result) -> str:
    said = [
        f"{place.lower()} keeps its skew of {number(_moments(out)[0], 2)}"
        for place, out in zip(PLACES, result["example"][1], strict=True)
    ]
    return (
        "Six histograms, three above as the values arrive and three below after batch normalization, there "
        f"with the normal curve. Each pair has the same shape: {', '.join(said)}."
    )


def claims(result) -> Iterator[Claim]:
    before, after = _typical_skew(result)
    alive = result["alive"]
    mean, var = np.abs(result["mean"][alive]).max(), np.abs(result["var"][alive] - 1).max()
    arriving, leaving = result["shapes"]
    noise = leaving[0, list(FED).index("normal inputs, before ReLU")].mean()
    yield Claim.of_mean(
        before,
        id="bn-gaussian",
        statement="Batch normalization forces the activations throughout a network to take on a unit "
        "Gaussian distribution at the beginning of the training",
        sources=("cs231n-2, batch normalization",),
        verdict="refuted",
        measure="median |skewness| of a layer's units behind batch normalization, before training; mean over "
        "networks",
        units="networks, each with its own weights; all images in one batch",
        map=Map.of_ratios(
            leaving,
            arriving,
            axes={"hidden layer": LAYERS, "inputs, and where it stands": tuple(FED)},
            below=TAKEN,
            measure="median |skewness| behind batch normalization over that before it",
            units="networks, each with its own weights; the same inputs, in one batch",
        ),
        holds=mean_interval(before)[0] > 5 * result["normal"]
        and _changed(result) < 1e-3
        and mean < 1e-3
        and var < 0.05,
        finding="Mean and variance become 0 and 1; the shape of a batch stays. Every unit keeps its skew and "
        "kurtosis, "
        f"to {number(_changed(result), 1)}; a normal distribution would show a |skew| of "
        f"{number(result['normal'], 1)} on as many images. Behind a ReLU, half of whose outputs are 0, the "
        f"typical skew is {number(after.mean(), 2)}. Only what arrives normal leaves as normal: on normal "
        f"inputs the first layer's pre-activations show {number(noise, 1)}.",
    )
