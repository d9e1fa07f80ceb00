"""Batch, layer or RMS normalization: which works where?  Chapter: batch-normalization."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.batch_normalization._training import CLASSES, descend, digit_parts, score
from experiments.evidence import mean_interval, percent
from experiments.replicas import generators
from unitgain.datasets import circles
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.training import accuracy, train

ARMS = {"none": None, "batch": "batch", "layer": "layer", "RMS": "rms"}
SIZES = (64, 32, 32, 32, CLASSES)
RATES = (0.05, 0.3)
BATCHES = (2, 4, 8, 32, 128)
SIGMAS = (0.001, 0.01, 0.1, 1.0)
BATCH = 32
HE = (None,)  # instead of a σ: the weights by He's rule
STEPS, EPOCHS = 100, 200  # on the digits, on all points of the circles
POINTS = 100


def _digits(normalization, sigmas, batch: int, parts, networks: int, seed: int, device) -> list[torch.Tensor]:
    """Accuracies on the training and the held-out digits, (sigmas, rates, networks); σ None: He's rule."""
    replicas = len(sigmas), len(RATES), networks
    model = MLP(
        SIZES,
        normalization=normalization,
        replicas=replicas,
        weight="he_normal" if sigmas == HE else "normal",
        generator=[draw for _ in sigmas for _ in RATES for draw in generators(seed, networks)],
        device=device,
    )
    if sigmas != HE:
        with torch.no_grad():
            for layer in model.layers:
                layer.weight *= torch.tensor(sigmas, device=device)[:, None, None, None, None]
    rate = torch.tensor(RATES, device=device)[:, None, None, None]
    descend(model, parts[0], rate, steps=STEPS, batch=batch, seed=seed)
    model.eval()
    return [score(model, examples) for examples in parts]


def _circles(normalization, networks: int, seed: int, device) -> torch.Tensor:
    """Accuracy on fresh circles at [10, 10], each network with its own data."""
    sets = [circles(2 * POINTS, center=10.0, generator=draw) for draw in generators(seed, networks)]
    x, y = (torch.stack(tensors).to(device) for tensors in zip(*sets, strict=True))
    draws = generators(seed + 1, networks)
    model = MLP((2, 32, 1), normalization=normalization, replicas=networks, generator=draws, device=device)
    optimizer = Adam(model.parameters(), lr=0.02)
    n, loss = POINTS, "binary_cross_entropy"
    train(model, x[:, :n], y[:, :n], loss=loss, optimizer=optimizer, epochs=EPOCHS)
    with torch.no_grad():
        return accuracy(model.eval()(x[:, n:]), y[:, n:])


def compute(*, networks=5, moments=5, seed=0, device="cpu"):
    """Accuracies on `training` and `held`-out digits, (arms, batch sizes and then σ, rates, networks).

    And on the `circles`, (arms, networks). The first `moments` batch sizes are tried.
    """
    parts = digit_parts(seed, device)
    found = {"training": [], "held": [], "circles": []}
    for normalization in ARMS.values():
        runs = [(HE, batch) for batch in BATCHES[:moments]] + [(SIGMAS, BATCH)]
        sweeps = [_digits(normalization, *run, parts, networks, seed, device) for run in runs]
        for key, rows in zip(("training", "held"), zip(*sweeps, strict=True), strict=True):
            found[key].append(torch.cat(rows))
        found["circles"].append(_circles(normalization, networks, seed, device))
    return {key: torch.stack(rows) for key, rows in found.items()}


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
    axes = np.meshgrid(list(ARMS), [*setting, "circles"], range(right.shape[-1]), indexing="ij")
    names = ("normalization", "setting", "network", "accuracy")
    return {name: values.ravel() for name, values in zip(names, (*axes, right), strict=True)}


def caption(result) -> str:
    right, small = _at_best(result).mean(-1), len(_batches(result))
    _, batch, layer, rms = right
    _, batch_far, layer_far, _ = result["circles"].mean(-1)
    return (
        f"**In batches of {BATCHES[0]} batch normalization reaches {percent(batch[0])}, layer normalization "
        f"{percent(layer[0])}; on circles at [10, 10] it is {percent(batch_far)} against "
        f"{percent(layer_far)}.** In batches of {BATCHES[small - 1]} all four reach "
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
