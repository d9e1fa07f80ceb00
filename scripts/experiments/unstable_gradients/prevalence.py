"""For which weights, and how deep, do gradients vanish or explode?  Chapter: unstable-gradients."""

import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from experiments import style
from experiments.trials import generator
from experiments.unstable_gradients._shared.networks import predicted, sizes
from experiments.words import long_table, number, percent
from unitgain.activations import ACTIVATIONS
from unitgain.theory import critical_weight_var

NAMES = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU"}
SCALES = np.geomspace(0.3, 30, 41)
WIDTH, LAYERS = 100, 50
LIMIT = 6  # powers of ten at which the colours end
LEVELS = (-3, 3)  # those with a line


def compute(*, networks=12, seed=0, device="cpu"):
    """log10 of the gradient after 1 to 50 layers over that at the output.

    `measured` (activations, scales, layers, networks) and `predicted` (activations, scales, layers); no
    biases, weights of standard deviation scale / √width.
    """
    functions, scales = [ACTIVATIONS[name] for name in NAMES], torch.from_numpy(SCALES)
    size = sizes(
        networks=networks,
        width=WIDTH,
        depth=LAYERS,
        functions=functions,
        scales=scales.to(device),
        generator=generator(seed),
    )
    expected = np.stack([predicted(f, LAYERS, scales) for f in functions])
    return {"measured": size.log10().float(), "predicted": np.log10(expected)}


def critical() -> list[float]:
    """The weight scale at which the theory has unit gain in deep networks; nan where there is none."""
    return [float(critical_weight_var(ACTIVATIONS[name])) ** 0.5 for name in NAMES]


def draw(result) -> Figure:
    fig, axes = style.figure(7.8, 3.7, ncols=3, sharex=True, sharey=True, tall=7.2)
    ink, colours = style.ink(), style.palette()
    x, y = np.log10(SCALES), np.arange(1, LAYERS + 1)
    step = x[1] - x[0]
    extent = (x[0] - step / 2, x[-1] + step / 2, 0.5, LAYERS + 0.5)
    panels = zip(axes, NAMES.values(), result["measured"], result["predicted"], strict=True)
    for ax, title, values, line in panels:
        picture = _picture(np.median(values, -1).T, colours)
        ax.imshow(picture, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
        kept = {"colors": ink, "linestyles": "-"}
        around = ax.contour(x, y, line.T, LEVELS, linewidths=0.6, **kept)
        if ax is not axes[0]:  # no room on the right of its line
            ax.clabel(around, fmt=lambda level: style.plain(10**level), fontsize=9)
        ax.contour(x, y, line.T, [0], linewidths=2.2, **kept)
        ax.set(title=title, ylim=(0.5, LAYERS + 0.5), yticks=(1, 10, 20, 30, 40, 50))
        ax.set_xticks(np.log10([0.3, 1, 3, 10, 30]), ["0.3", "1", "3", "10", "30"])
        at = (np.log10(WIDTH) / 2, LAYERS + 0.5)
        ax.annotate("N(0, 1)", at, (0, 5), textcoords="offset points", ha="center", fontsize=9)
        ax.plot(*at, "v", ms=5, color=ink, clip_on=False)
    axes[0].text(np.log10(0.36), 42, "vanishes")
    for ax in axes[1:]:
        ax.text(np.log10(26), 42, "explodes", ha="right")
    axes[0].set_ylabel("layers passed")
    fig.supxlabel("weight scale: standard deviation × √width (log scale)", fontsize=9.5)
    return fig


def _picture(power: np.ndarray, colours) -> np.ndarray:
    """RGBA: blue where gradients vanish, orange where they explode, the page where they stay."""
    power = np.clip(power / LIMIT, -1, 1)[..., None]
    picture = np.where(power < 0, (*to_rgb(colours["class0"]), 1), (*to_rgb(colours["class1"]), 1))
    picture[..., 3:] = 0.7 * np.abs(power)  # words stay readable on it
    return picture


def table(result) -> dict:
    return long_table(
        {"activation": list(NAMES), "weight_scale": SCALES, "layers_passed": range(1, LAYERS + 1)},
        log10_measured=np.median(result["measured"], -1),
        log10_predicted=result["predicted"],
    )


def _difference(result) -> np.ndarray:
    """log10 of the median network over the prediction: (activations, scales, layers)."""
    return np.median(result["measured"], -1) - result["predicted"]


def _right(result) -> float:
    """Fraction of the map where the median network does what the theory says, vanish or explode."""
    return float((np.sign(np.median(result["measured"], -1)) == np.sign(result["predicted"])).mean())


def _scatter(result) -> float:
    """Standard deviation over networks of log10 of the gradient, median over the map."""
    return float(np.median(result["measured"].std(-1, ddof=1)))


def caption(result) -> str:
    sigmoid, tanh, relu = critical()
    lag = np.abs(_difference(result))
    return (
        f"**Only a narrow band of weights carries a gradient through {LAYERS} layers: around scale "
        f"{number(sigmoid)} for sigmoid, {number(tanh)} for tanh and {number(relu)} for ReLU; the deeper the "
        f"network, the narrower.**\n\nColours: measured, medians of {result['measured'].shape[-1]} networks, "
        f"which scatter by {number(_scatter(result), 2)} powers of 10. Lines: predicted size of the "
        "gradient; thick where it keeps its size. Both agree on vanishing or exploding in "
        f"{percent(_right(result), 1)} of the cells, and on the size to {number(np.median(lag), 2)} powers "
        f"of 10 in half of them; they part most, by {number(lag.max(), 2)}, for tanh with the largest "
        f"weights, where {WIDTH} units are not many. Layers of {WIDTH} units, no biases, inputs N(0, 1). The "
        f"triangle marks N(0, 1) weights; the colour stays the same beyond ±{LIMIT} powers of 10."
    )


def alt(result) -> str:
    sigmoid, tanh, relu = critical()
    return (
        "Three maps over weight scale and depth, for sigmoid, tanh and ReLU: blue on the left where "
        "gradients vanish, orange on the right where they explode, with a colourless seam between that "
        f"narrows with depth. Predicted unit gain runs up the seam, at weight scales {number(sigmoid)}, "
        f"{number(tanh)} and {number(relu)}."
    )
