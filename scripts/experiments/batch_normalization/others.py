"""Batch, layer or RMS normalization: which works where?  Chapter: batch-normalization."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.batch_normalization._shared.training import CLASSES, digit_parts, side_by_side
from experiments.intervals import mean_interval
from experiments.trials import descend, generators, score, stacked
from experiments.words import long_table, percent
from unitgain.datasets import Examples, Split, circles
from unitgain.optimizers import Adam

ARMS = {"none": None, "batch": "batch", "layer": "layer", "RMS": "rms"}
SIZES = (64, 32, 32, 32, CLASSES)
RATES = (0.05, 0.3)
BATCHES = (2, 4, 8, 32, 128)
SIGMAS = (0.001, 0.01, 0.1, 1.0)
BATCH = 32
STEPS, EPOCHS = 100, 200  # on the digits, on all points of the circles
POINTS = 100


def _digits(sigmas, batch: int, parts: Split, networks: int, seed: int, device) -> list[torch.Tensor]:
    """Accuracies on the training and the held-out digits, (arms, sigmas, rates, networks).

    Initial weights N(0, σ²), or by He's rule where there are no sigmas.
    """
    weight, replicas = "normal" if sigmas else "he_normal", (len(sigmas) or 1, len(RATES), networks)
    options = {"replicas": replicas, "weight": weight, "seed": seed, "device": device}
    model = side_by_side(list(ARMS.values()), SIZES, **options)
    if sigmas:
        with torch.no_grad():
            for layer in model.layers:
                layer.weight *= torch.tensor(sigmas, device=device)[:, None, None, None, None]
    descend(model, parts.train, torch.tensor(RATES)[:, None], seed=seed, steps=STEPS, batch=batch)
    model.eval()
    return [score(model, examples) for examples in parts[:2]]


def _circles(networks: int, seed: int, device) -> torch.Tensor:
    """Accuracies on fresh circles at [10, 10], (arms, networks), each network with its own data."""
    x, y = stacked(
        circles(2 * POINTS, center=10.0, generator=draw) for draw in generators(seed, networks, "data")
    )
    x, y, options = x.to(device), y.to(device), {"replicas": (networks,), "seed": seed, "device": device}
    model = side_by_side(list(ARMS.values()), (2, 32, 1), weight="glorot_uniform", **options)
    training, fresh = (Examples(x[:, part], y[:, part]) for part in (slice(POINTS), slice(POINTS, None)))
    loss = "binary_cross_entropy"
    descend(model, training, 0.02, seed=seed, epochs=EPOCHS, optimizer=Adam, loss=loss)
    return score(model.eval(), fresh)


def compute(*, networks=5, moments=5, seed=0, device="cpu"):
    """Accuracies on `training` and `held`-out digits, (arms, batch sizes and then σ, rates, networks).

    And on the `circles`, (arms, networks). The first `moments` batch sizes are tried.
    """
    parts = digit_parts(seed, device)
    runs = [((), batch) for batch in BATCHES[:moments]] + [(SIGMAS, BATCH)]
    training, held = zip(*(_digits(*run, parts, networks, seed, device) for run in runs), strict=True)
    far = _circles(networks, seed, device)
    return {"training": torch.cat(training, 1), "held": torch.cat(held, 1), "circles": far}


def _at_best(result) -> np.ndarray:
    """Held-out accuracies at the rate that is best on the training images: (arms, values, networks)."""
    best = result["training"].mean(-1).argmax(-1)[..., None, None]
    return np.take_along_axis(result["held"], best, axis=2)[..., 0, :]


def _batches(result) -> tuple[int, ...]:
    return BATCHES[: result["held"].shape[1] - len(SIGMAS)]


def draw(result) -> Figure:
    small, right = len(_batches(result)), 100 * _at_best(result)
    rows = {
        f"Batches of {BATCHES[small - 1]}": right[:, small - 1],
        f"Batches of {BATCHES[0]}": right[:, 0],
        f"Initial σ = {SIGMAS[0]:g}": right[:, small],
        "Data at [10, 10]": 100 * result["circles"],
    }
    fig, axes = style.figure(8.0, 2.9, ncols=len(rows), sharex=True, sharey=True, tall=5.4)
    colours = [*(style.palette()[key] for key in ("raw", "standardized")), *[style.ink()] * 2]
    for ax, (title, values) in zip(axes, rows.items(), strict=True):
        for i, (row, colour) in enumerate(zip(values, colours, strict=True)):
            ax.plot(row, [-i + 0.2] * len(row), "o", ms=3.5, mew=0, alpha=0.55, color=colour)
            ax.plot(np.clip(mean_interval(row), 0, 100), [-i] * 2, color=colour, lw=2)
            ax.plot(row.mean(), -i, "o", ms=7, color=colour, clip_on=False)
            ax.text(row.mean(), -i - 0.18, f"{row.mean():.0f}", color=colour, ha="center", va="top")
        ax.set(title=title, xlim=(0, 103), xticks=(0, 50, 100), ylim=(-3.6, 0.5))
    axes[0].set_yticks(range(0, -len(ARMS), -1), ["none", *list(ARMS)[1:]])
    axes[0].tick_params(axis="y", length=0)
    for label, colour in zip(axes[0].get_yticklabels(), colours, strict=True):
        label.set_color(colour)
    fig.supxlabel("accuracy on fresh examples (%)", fontsize=10)
    return fig


def table(result) -> dict:
    setting = [f"batches of {size}" for size in _batches(result)] + [f"σ = {sigma:g}" for sigma in SIGMAS]
    right = np.concatenate([_at_best(result), result["circles"][:, None]], axis=1)
    axes = {"normalization": list(ARMS), "setting": [*setting, "circles"], "network": range(right.shape[-1])}
    return long_table(axes, accuracy=right)


def caption(result) -> str:
    right, small = _at_best(result).mean(-1), len(_batches(result))
    _, batch, layer, rms = right
    _, batch_far, layer_far, _ = result["circles"].mean(-1)
    return (
        f"**In batches of {BATCHES[0]}, batch normalization reaches {percent(batch[0])} and layer "
        f"normalization {percent(layer[0])}. On circles at [10, 10] it is {percent(batch_far)} against "
        f"{percent(layer_far)}.**\n\nIn batches of {BATCHES[small - 1]} all four reach "
        f"{percent(right[:, small - 1].min())} or more; in batches of {BATCHES[1]}, batch normalization "
        f"{percent(batch[1])} and layer {percent(layer[1])}. With initial weights of σ = {SIGMAS[0]:g}, "
        f"batch normalization reaches {percent(batch[small])}, layer {percent(layer[small])}, RMS "
        f"{percent(rms[small])}. The first three: digits, three hidden layers of {SIZES[1]} ReLUs, "
        f"{STEPS} steps of SGD whatever the batch, at the better of the learning rates {RATES[0]:g} "
        f"and {RATES[1]:g}; {result['circles'].shape[-1]} networks, large dots: means with "
        f"{percent(0.95)} intervals."
    )


def alt(result) -> str:
    right, small = _at_best(result).mean(-1), len(_batches(result))
    said = "; ".join(
        f"{name}: {percent(row[0])} in batches of {BATCHES[0]}, {percent(row[small - 1])} in batches "
        f"of {BATCHES[small - 1]}, {percent(row[small])} from weights of {SIGMAS[0]:g}, {percent(far)} on "
        "circles"
        for name, row, far in zip(ARMS, right, result["circles"].mean(-1), strict=True)
    )
    return f"Accuracies by batch size, by the spread of the initial weights and on circles at 10, 10. {said}."
