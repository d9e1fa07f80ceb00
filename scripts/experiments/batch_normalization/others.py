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

    First weights N(0, σ²), or by He's rule where there are no sigmas.
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
    sizes = _batches(result)
    fig, (batches, sigmas, far) = style.figure(9.0, 3.5, ncols=3, width_ratios=(1.25, 1, 0.95))
    colours, right = style.palette(), 100 * _at_best(result)
    looks = {"none": ("raw", "^", "--"), "batch": ("standardized", "o", "-")}
    looks |= {"layer": ("dead", "s", "-"), "RMS": ("dead", "D", ":")}
    for i, name in enumerate(ARMS):
        key, mark, line = looks[name]
        colour = colours[key]
        sweeps = (batches, sizes, right[i, : len(sizes)]), (sigmas, SIGMAS, right[i, len(sizes) :])
        for ax, values, rows in sweeps:
            x = np.array(values) * (values[1] / values[0]) ** (0.06 * (i - 1.5))
            low, high = np.array([mean_interval(row) for row in rows]).T.clip(0, 100)
            ax.plot(x, rows.mean(-1), line, marker=mark, ms=4.5, lw=1.5, color=colour)
            ax.vlines(x, low, high, color=colour, lw=1.2)
        row = 100 * result["circles"][i]
        far.plot(row, [-i + 0.16] * len(row), mark, ms=3.5, mew=0, alpha=0.55, color=colour)
        low, high = np.clip(mean_interval(row), 0, 100)
        far.plot([low, high], [-i] * 2, color=colour, lw=2)
        far.plot(row.mean(), -i, mark, ms=6, color=colour)
    batches.set(title="Small batches", xscale="log", xlabel="images a batch (log scale)")
    batches.set_xticks(sizes, [str(size) for size in sizes])
    sigmas.set(title="Bad first weights", xscale="log", xlabel="their σ (log scale)")
    sigmas.set_xticks(SIGMAS, [f"{sigma:g}" for sigma in SIGMAS])
    for ax in (batches, sigmas):
        ax.set(ylim=(0, 104), yticks=range(0, 101, 20))
    batches.set_ylabel("accuracy on held-out images (%)")
    far.set(title="Circles at [10, 10]", xlim=(35, 104), xticks=(40, 60, 80, 100), xlabel="accuracy (%)")
    far.set_yticks(range(0, -len(ARMS), -1), list(ARMS))
    far.tick_params(axis="y", length=0)
    for label, (key, _, _) in zip(far.get_yticklabels(), looks.values(), strict=True):
        label.set_color(colours[key])
    batches.text(2.6, 30, "batch", color=colours["standardized"])
    batches.text(7, 72, "none, layer, RMS")
    for ax in (batches, sigmas, far):
        ax.minorticks_off()
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
        f"**In batches of {BATCHES[0]} batch normalization reaches {percent(batch[0])}, layer normalization "
        f"{percent(layer[0])}; on circles at [10, 10] it is {percent(batch_far)} against "
        f"{percent(layer_far)}.**\n\nIn batches of {BATCHES[small - 1]} all four reach "
        f"{percent(right[:, small - 1].min())} or more. With first weights of σ = {SIGMAS[0]:g} batch "
        f"normalization reaches {percent(batch[small])}, layer {percent(layer[small])}, RMS "
        f"{percent(rms[small])}. Digits: three hidden layers of {SIZES[1]} ReLUs, {STEPS} steps of SGD "
        f"whatever the batch, at the better of the rates {RATES[0]:g} and {RATES[1]:g}; "
        f"{result['circles'].shape[-1]} networks, means with {percent(0.95)} intervals."
    )


def alt(result) -> str:
    right, small = _at_best(result).mean(-1), len(_batches(result))
    said = "; ".join(
        f"{name}: {percent(row[0])} in batches of {BATCHES[0]}, {percent(row[small - 1])} in batches "
        f"of {BATCHES[small - 1]}, {percent(row[small])} from weights of {SIGMAS[0]:g}, {percent(far)} on "
        "circles"
        for name, row, far in zip(ARMS, right, result["circles"].mean(-1), strict=True)
    )
    return f"Accuracies by batch size, by the spread of the first weights and on circles at 10, 10. {said}."
