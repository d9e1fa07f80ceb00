"""How far off may the initial weights and the learning rate be, with batch normalization and without?

Chapter: batch-normalization.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import style
from experiments.batch_normalization._shared.training import CLASSES, digit_parts, side_by_side
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import descend, score
from experiments.words import between, long_table, number, percent
from unitgain.datasets import Split
from unitgain.optimizers import SGD, Adam

ARMS = {"without": None, "batch normalization": "batch"}
SIZES = (64, 32, 32, 32, CLASSES)
STEP = 0.5  # decades between two values
SIGMAS = tuple(10 ** (STEP * k) for k in range(-6, 3))
RATES = tuple(10 ** (STEP * k) for k in range(-6, 3))
TRIED = (0.01, 0.1, 1.0)  # rates for each σ
HE = math.sqrt(2 / SIZES[1])  # He's σ between the hidden layers
STEPS, BATCH = 150, 32
GOOD = 0.8  # accuracy of a network that trains
HIDDEN = (1, 2, 5)  # the map: layers
WAYS = {"SGD": (SGD, (0.1, 1.0)), "Adam": (Adam, (0.003, 0.03))}  # and the rates tried
SPREADS = (1e-3, 1e-2, 0.1, 1.0, 10.0)  # σ, a decade apart
MORE = 0.5  # decades


def _gained(parts: Split, way: str, hidden: int, networks: int, seed: int, device) -> torch.Tensor:
    """Held-out and training accuracies at SPREADS: (2, arms, spreads, rates, networks)."""
    optimizer, rates = WAYS[way]
    sizes, replicas = (64, *[SIZES[1]] * hidden, CLASSES), (len(SPREADS), len(rates), networks)
    kinds, options = list(ARMS.values()), {"weight": "normal", "seed": seed, "device": device}
    model = side_by_side(kinds, sizes, replicas=replicas, **options)
    for layer in model.layers:
        layer.weight.data *= torch.tensor(SPREADS, device=device).view(-1, 1, 1, 1, 1)
    rate, how = (
        torch.tensor(rates)[:, None],
        {"steps": STEPS, "batch": BATCH, "optimizer": optimizer},
    )
    descend(model, parts.train, rate, seed=seed, **how)
    model.eval()
    return torch.stack([score(model, parts.validation), score(model, parts.train)])


def compute(*, networks=7, mapped=8, seed=0, device="cpu"):
    """Accuracies after training, on training and on held-out images, in evaluation mode.

    `sigma_training` and `sigma_held`: (arms, sigmas, tried rates, networks), the weights N(0, σ²);
    `rate_held`: (arms, rates, networks), the weights by He's rule. `mapped_held` and `mapped_training`:
    (HIDDEN, WAYS, arms, SPREADS, rates, networks), the weights N(0, σ²).
    """
    training, held, _ = digit_parts(seed, device, networks=networks)
    sweep = len(SIGMAS), len(TRIED)
    sigma = torch.tensor(SIGMAS).repeat_interleave(len(TRIED))  # then He's rule, for each of the RATES
    rate = torch.tensor([*TRIED * len(SIGMAS), *RATES])[:, None]
    replicas = (len(rate), networks)
    model = side_by_side(
        list(ARMS.values()), SIZES, replicas=replicas, weight="normal", seed=seed, device=device
    )
    for layer in model.layers:
        he = torch.full((len(RATES),), math.sqrt(2 / layer.in_features))
        layer.weight.data *= torch.cat([sigma, he]).to(device)[:, None, None, None]
    descend(model, training, rate, seed=seed, steps=STEPS, batch=BATCH)
    model.eval()
    on_training, on_held = score(model, training), score(model, held)
    parts = digit_parts(seed, device, networks=mapped)
    cells = [[_gained(parts, way, hidden, mapped, seed, device) for way in WAYS] for hidden in HIDDEN]
    mapped_held, mapped_training = torch.stack([torch.stack(row) for row in cells]).unbind(2)
    return {
        "mapped_held": mapped_held,
        "mapped_training": mapped_training,
        "sigma_training": on_training[:, : len(sigma)].unflatten(1, sweep),
        "sigma_held": on_held[:, : len(sigma)].unflatten(1, sweep),
        "rate_held": on_held[:, len(sigma) :],
    }


def _at_best(result, sweep: str = "sigma") -> np.ndarray:
    """Held-out accuracies at the rate that is best on the training images: (…, arms, sigmas, networks)."""
    best = result[f"{sweep}_training"].mean(-1).argmax(-1)[..., None, None]
    return np.take_along_axis(result[f"{sweep}_held"], best, axis=-2)[..., 0, :]


def _decades(right: np.ndarray, step: float = STEP) -> np.ndarray:
    """How many decades of a sweep end above GOOD, by straight lines between its values.

    From (…, arms, values, networks) to (…, arms, networks).
    """
    low, high = np.sort(np.stack([right[..., :-1, :], right[..., 1:, :]]), axis=0)
    share = (high - GOOD) / np.where(high > low, high - low, 1)  # of a piece that crosses
    return step * np.where(low > GOOD, 1, share.clip(0, 1)).sum(-2)


def _panel(ax: Axes, values, right: np.ndarray, label: str) -> None:
    colours = style.palette()
    looks = {"without": ("raw", "^", "--"), "batch normalization": ("standardized", "o", "-")}
    for i, (name, rows) in enumerate(zip(ARMS, 100 * right, strict=True)):
        key, mark, line = looks[name]
        low, high = np.array([mean_interval(row) for row in rows]).T.clip(0, 100)
        x, middle = np.array(values) * 10 ** (0.03 * (2 * i - 1)), rows.mean(-1)
        ax.plot(x, middle, line, marker=mark, ms=5, mew=0, lw=1.5, color=colours[key])
        ax.vlines(x, low, high, color=colours[key], lw=1.3)
        fine = np.linspace(*np.log10([values[0], values[-1]]), 1000)
        trains = 10 ** fine[np.interp(fine, np.log10(values), middle) > 100 * GOOD]
        if trains.size:
            ax.plot(trains[[0, -1]], [108 + 17 * i] * 2, color=colours[key], lw=4, solid_capstyle="butt")
            decades = f"{_decades(right)[i].mean():.1f} decades"
            ax.text(
                math.sqrt(trains[0] * trains[-1]), 110.5 + 17 * i, decades, color=colours[key], ha="center"
            )
    ax.axhline(100 * GOOD, color=style.GRID, lw=0.8, ls=(0, (1, 2)))
    ax.set(xscale="log", xlabel=label, ylim=(0, 137), yticks=range(0, 101, 20))
    ax.set_xticks([1e-3, 1e-2, 0.1, 1, 10], ["0.001", "0.01", "0.1", "1", "10"])
    ax.minorticks_off()


def draw(result) -> Figure:
    fig, (left, right) = style.figure(8.0, 3.9, ncols=2, sharey=True, tall=6.4)
    colours = style.palette()
    _panel(left, SIGMAS, _at_best(result), "σ of the initial weights (log scale)")
    _panel(right, RATES, result["rate_held"], "learning rate (log scale)")
    left.annotate(
        "He's rule", (HE, 0), (HE, 7), ha="center", arrowprops={"arrowstyle": "-", "color": style.ink()}
    )
    left.set(title="Initial weights", ylabel="held-out accuracy (%)")
    right.set_title("Learning rate")
    right.text(8e-4, 82, "trains above", va="bottom")
    left.text(1.1e-3, 17, "without", color=colours["raw"])
    left.text(1.1e-3, 87.5, "batch normalization", color=colours["standardized"], va="center")
    return fig


def table(result) -> dict:
    parts = []
    for sweep, sigmas, rates, key in (
        ("sigma", SIGMAS, TRIED, "sigma_held"),
        ("rate", [math.nan], RATES, "rate_held"),
    ):
        networks = range(result[key].shape[-1])
        axes = {"sweep": [sweep], "arm": list(ARMS), "sigma": sigmas, "rate": rates, "network": networks}
        parts.append(long_table(axes, accuracy=result[key].reshape(*map(len, axes.values()))))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _widths(result) -> list[str]:
    """Decades that train: σ without and with, the rate without and with."""
    both = (_decades(_at_best(result)), _decades(result["rate_held"]))
    return [f"{row.mean():.1f}" for decades in both for row in decades]


def caption(result) -> str:
    plain, norm, plain_rate, norm_rate = _widths(result)
    return (
        f"**With batch normalization, the network trains over {norm} of the four decades of the initial "
        f"weights' σ, without it over {plain}. For the learning rate it is {norm_rate} against "
        f"{plain_rate}.**\n\nThe network trains: it gets more than {percent(GOOD)} of the held-out digits "
        f"right after {STEPS} steps of plain SGD in batches of {BATCH} (dotted line; bars on top; straight "
        "lines between the values tried). The first panel: all weights N(0, σ²), at the best of the "
        f"learning rates {', '.join(f'{rate:g}' for rate in TRIED)} for each σ. The second: He's weights. "
        f"Three hidden layers of {SIZES[1]} ReLUs; means over {result['rate_held'].shape[-1]} networks with "
        f"{percent(0.95)} intervals."
    )


def alt(result) -> str:
    plain, norm, plain_rate, norm_rate = _widths(result)
    return (
        "Two plots of accuracy on logarithmic axes, against the spread of the initial weights and against "
        f"the learning rate, each from 0.001 to 10. Without normalization a narrow peak: {plain} and "
        f"{plain_rate} decades train. With batch normalization a plateau: {norm} and {norm_rate} decades."
    )


def claims(result) -> Iterator[Claim]:
    plain, norm = _decades(_at_best(result))
    plain_rate, norm_rate = _decades(result["rate_held"])
    over = _decades(_at_best(result, "mapped"), step=1)  # (hidden, ways, arms, networks)
    said = "; ".join(
        f"{way} " + ", ".join(f"{number(b, 2)} against {number(a, 2)}" for a, b in over[:, i].mean(-1))
        for i, way in enumerate(WAYS)
    )
    units = "networks, each with its own weights and split of the images"
    yield Claim.of_difference(
        norm,
        plain,
        id="bn-robust",
        statement="Networks with batch normalization are far less sensitive to bad initialization",
        sources=("cs231n-2, batch normalization",),
        verdict="depends",
        measure="decades of the initial weights' σ over which the network trains (gets more than "
        f"{percent(GOOD)} of held-out digits right after {STEPS} steps of SGD), with batch normalization "
        f"minus without, each at the best of the rates {', '.join(f'{rate:g}' for rate in TRIED)}",
        units=units,
        map=Map.of_means(
            over[:, :, 1] - over[:, :, 0],
            axes={"hidden layers": HIDDEN, "optimizer": tuple(WAYS)},
            above=MORE,
            measure="decades of σ over which the network trains, with batch normalization minus without",
            units=units,
        ),
        holds=mean_interval(norm_rate - plain_rate)[0] > 0,
        finding="It depends on the depth and the optimizer. Decades of σ over which the network trains, "
        f"with against without it, for {', '.join(map(str, HIDDEN))} hidden layers: {said}. With three "
        f"and SGD it is {number(norm.mean())} {between(mean_interval(norm))} against "
        f"{number(plain.mean(), 2)} {between(mean_interval(plain), 2)}, of the four from 0.001 to 10; of "
        f"the learning rate, {number(norm_rate.mean())} against {number(plain_rate.mean())}. Large "
        "weights defeat it: the last layer is not normalized, and the larger the weights before a "
        "normalization, the less a step turns them.",
    )
