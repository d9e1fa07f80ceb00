"""How deep may a tanh network be, at which initial weights, and does theory know?

Chapter: initialization.
"""

import math
from functools import partial

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.initialization._shared.networks import BATCH, Depths, standardized_digits
from experiments.trials import descend, generator, score
from experiments.words import long_table, number, percent
from unitgain.datasets import Examples
from unitgain.initializers import normal_
from unitgain.theory import critical_weight_var, depth_scales

WIDTH = 64
BIAS = 0.05  # variance of a bias
LOWEST, HIGHEST = 1.0, 4.0  # variance of a weight times inputs
SHALLOWEST, FACTOR = 8, 1.5  # layers, from row to row
RATE = 0.01
STEPS = 100
TRAINED, CHANCE = 0.5, 0.1  # accuracies


def compute(*, networks=10, moments=6, points=400, seed=0, device="cpu"):
    """`accuracy` after training of tanh networks: (depths, weight variances).

    `networks` weight variances, evenly spaced, at each of `moments` depths; accuracy on
    `points` digits.
    """
    x, y = standardized_digits(device)

    def rule(weight: Tensor, *, generator: torch.Generator) -> Tensor:
        std = (_weight_vars(networks) / weight.shape[-1]).sqrt()
        return normal_(weight, generator=generator).mul_(std[:, None, None])

    model = Depths(
        _depths(moments),
        WIDTH,
        "tanh",
        (networks,),
        weight=rule,
        bias=partial(normal_, std=math.sqrt(BIAS)),
        generator=generator(seed, "weights"),
    ).to(device)
    descend(model, Examples(x, y), RATE, seed=seed, steps=STEPS, batch=BATCH)
    return {"accuracy": score(model, Examples(x[:points], y[:points]))}


def _weight_vars(count: int) -> torch.Tensor:
    return torch.linspace(LOWEST, HIGHEST, count)


def _depths(count: int) -> list[int]:
    """8, 12, 18, 27, …"""
    return [round(SHALLOWEST * FACTOR**k) for k in range(count)]


def _scales(weight_vars: np.ndarray) -> np.ndarray:
    """ξ_c, the layers over which two inputs' correlation settles."""
    return depth_scales(torch.tanh, torch.from_numpy(weight_vars), BIAS).correlation.numpy()


def _axes(result) -> tuple[np.ndarray, np.ndarray]:
    """Weight variances and depths of the map."""
    rows, columns = result["accuracy"].shape
    return _weight_vars(columns).double().numpy(), np.array(_depths(rows))


def _reached(result) -> np.ndarray:
    """The depth at which the accuracy falls to TRAINED, for each weight variance; NaN beyond the map.

    Interpolated over the logarithm of the depth, after the rows are made to fall.
    """
    _, depths = _axes(result)
    found = []
    for column in result["accuracy"].T:
        falling = np.minimum.accumulate(column)
        inside = falling[-1] < TRAINED <= falling[0]
        log = np.interp(-TRAINED, -falling, np.log(depths)) if inside else np.nan
        found.append(math.exp(log))
    return np.array(found)


def _ratios(result) -> np.ndarray:
    """Reached depths over ξ_c, left out near the critical line, where the steps and not ξ_c set the limit."""
    weight_vars, depths = _axes(result)
    scales = _scales(weight_vars)
    ratios = (_reached(result) / scales)[6 * scales < 2 * depths[-1]]
    return ratios[np.isfinite(ratios)]


def _factor(result) -> float:
    """The mean of these ratios, 0 if there is none."""
    ratios = _ratios(result)
    return float(np.exp(np.log(ratios).mean())) if len(ratios) else 0.0


def _shade(accuracy: np.ndarray) -> np.ndarray:
    colours = mpl.colormaps["cividis"]((accuracy - CHANCE) / (1 - 2 * CHANCE))
    colours[..., 3] = 0.6  # the page shows through, so that its ink is legible everywhere
    return colours


def draw(result) -> Figure:
    fig, (ax, key) = style.figure(7.0, 4.0, ncols=2, width_ratios=(32, 1), stacked=(1, 2), tall=3.6)
    weight_vars, depths = _axes(result)
    half, levels = (weight_vars[1] - weight_vars[0]) / 2, np.arange(len(depths))
    extent = (LOWEST - half, HIGHEST + half, -0.5, levels[-1] + 0.5)
    options = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    ax.imshow(_shade(result["accuracy"]), extent=extent, **options)

    def level(depth: np.ndarray) -> np.ndarray:
        """Where a depth lies between the rows."""
        return np.log(depth / SHALLOWEST) / math.log(FACTOR)

    ink, fine = style.ink(), np.linspace(*extent[:2], 300)
    factor, scales = _factor(result), _scales(fine)
    ax.plot(fine, level(6 * scales), color=ink, lw=1, ls=(0, (4, 3)))
    if factor:
        ax.plot(fine, level(factor * scales), color=ink, lw=1.2)
    ax.plot(weight_vars, level(_reached(result)), "o", ms=6.5, mew=1.4, mfc="none", mec=ink)
    ax.text(4.1, level(6 * _scales(np.array([3.2])))[0] + 0.2, r"paper: 6 $\xi_c$", ha="right", va="bottom")
    ax.text(2.55, level(np.array([23]))[0], rf"{number(factor, 2)} $\xi_c$", va="center")
    ax.text(2.55, 0, f"circles: {percent(TRAINED)}", va="center")
    ax.set(xlim=extent[:2], ylim=extent[2:], yticks=levels, yticklabels=depths)
    ax.set(xlabel=r"variance of a weight × inputs, $\sigma_w^2$", ylabel="hidden layers (log)")
    ax.set(title="Accuracy after training", xticks=range(1, 5))
    ends = CHANCE, TRAINED, 1 - CHANCE
    key.imshow(_shade(np.linspace(*ends[::2], 100)[:, None]), extent=(0, 1, *ends[::2]), **options)
    key.set(xticks=[], yticks=ends, yticklabels=[percent(end) for end in ends])
    key.yaxis.tick_right()
    return fig


def table(result) -> dict:
    weight_vars, depths = _axes(result)
    accuracy, scales = result["accuracy"], _scales(weight_vars)
    axes = {"hidden_layers": depths, "weight_var": weight_vars}
    return long_table(axes, accuracy=accuracy, xi_c=np.broadcast_to(scales, accuracy.shape))


def _range(result) -> str:
    ratios = _ratios(result)
    return f"{number(ratios.min(), 2)} to {number(ratios.max(), 2)}" if len(ratios) else "none within the map"


def caption(result) -> str:
    critical = critical_weight_var(torch.tanh, BIAS).item()
    return (
        f"**These networks train to a depth of some {number(_factor(result), 2)} $\\xi_c$, whether "
        "gradients vanish or explode: theory knows the shape of the region, not its size.**\n\n"
        "Within $\\xi_c$ "
        "layers the correlation of two inputs comes e times closer to its limit; at the critical variance, "
        f"{number(critical)}, $\\xi_c$ is infinite. Circles: where the accuracy falls to {percent(TRAINED)}, "
        f"away from there at {_range(result)} $\\xi_c$. Each cell is one tanh network of {WIDTH} units a "
        f"layer, biases of variance {BIAS:g}, after {STEPS} steps of plain gradient descent on the digits "
        f"(learning rate {RATE:g}, batches of {BATCH}). Schoenholz and others (2017) saw 6 $\\xi_c$, with "
        "300 units and thousands of steps on MNIST."
    )


def alt(result) -> str:
    reached = zip(*(axis.tolist() for axis in (_axes(result)[0], _reached(result))), strict=True)
    listed = ", ".join(f"{depth:.0f} layers at {w:.1f}" for w, depth in reached if math.isfinite(depth))
    return (
        "Map of accuracies over weight variance and depth: high in a region that reaches deepest near the "
        f"critical variance. Accuracy falls to {percent(TRAINED)} at: {listed or 'no depth on the map'}. Two "
        "curves of the predicted shape, the lower through these points."
    )
