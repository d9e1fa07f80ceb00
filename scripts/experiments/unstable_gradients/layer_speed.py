"""How much slower does the first layer learn, and what helps?  Chapter: unstable-gradients."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import mean_interval, median_interval
from experiments.trials import descend, generators, score
from experiments.unstable_gradients._shared.digits import digit_parts
from experiments.words import between, long_table, number, percent
from unitgain.diagnostics import observe
from unitgain.models import MLP

ARMS = {  # activation, weights, normalization
    "sigmoid, Glorot": ("sigmoid", "glorot_uniform", None),
    "tanh, Glorot": ("tanh", "glorot_uniform", None),
    "ReLU, He": ("relu", "he_normal", None),
    "sigmoid, batch norm": ("sigmoid", "glorot_uniform", "batch"),
}
HIDDEN, UNITS = 6, 30
SIZES = (64, *[UNITS] * HIDDEN, 10)
RATE, LARGER = 0.1, (1.0, 10.0)  # the larger ones for the network that does not learn
EPOCHS, BATCH = 20, 50


def compute(*, networks=8, seed=0, device="cpu"):
    """Gradient norm of every hidden layer at the start of each epoch, (arms, layers, epochs, networks).

    `accuracy` on the validation part after training (arms, networks), `larger` that of the first arm with
    larger rates (rates, networks). All arms start from the same draws.
    """
    parts = digit_parts(seed, device)
    steps = -(-len(parts.train.x) // BATCH)  # an epoch
    layers = [f"layers.{k}" for k in range(HIDDEN)]
    norms, scores = [], []
    for arm, (name, weight, normalization) in enumerate(ARMS.values()):
        rates = torch.tensor([RATE, *(LARGER if arm == 0 else ())])[:, None]
        replicas, draws = (len(rates), networks), generators(seed, networks, times=len(rates))
        options = {"weight": weight, "normalization": normalization, "device": device}
        model = MLP(SIZES, name, replicas=replicas, generator=draws, **options)
        with observe(model, every=steps, layers=layers, sample=2) as seen:
            descend(model, parts.train, rates, seed=seed, epochs=EPOCHS, batch=BATCH)
        found = [torch.stack([layer.norm[0] for layer in record.gradients]) for record in seen.steps]
        norms.append(torch.stack(found, 1))
        scores.append(score(model.eval(), parts.validation))
    return {
        "norm": torch.stack(norms),
        "accuracy": torch.stack([one[0] for one in scores]),
        "larger": scores[0][1:],
    }


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 4.0, tall=4.3)
    speed, slower = _speeds(result), np.median(_ratios(result), -1)
    layers, ink = np.arange(1, HIDDEN + 1), style.ink()
    for arm, (name, key) in enumerate(zip(ARMS, ("raw", "class0", "class1", "standardized"), strict=True)):
        colour = style.palette()[key]
        ax.plot(layers, speed[arm], color=colour, lw=0.6, alpha=0.5)
        ax.plot(layers, np.median(speed[arm], -1), "o-", ms=5, mew=0, color=colour)
        said = f"{name}: {_times(slower[arm])}, {percent(result['accuracy'][arm].mean())}"
        ax.text(1, 1200 / 3**arm if arm else 0.0007, said, color=colour, va="center")
    ax.axhline(1, color=ink, lw=0.6, ls=":")
    ax.text(1, 1200, "first layer against the last; accuracy:", va="center")
    ax.set(
        yscale="log",
        xlabel="hidden layer (1: first)",
        ylabel="gradient norm, last layer = 1 (log scale)",
        ylim=(3e-4, 3000),
        yticks=10.0 ** np.arange(-3, 2),
    )
    ax.minorticks_off()
    return fig


def _speeds(result) -> np.ndarray:
    """Gradient norms over the last hidden layer's, geometric means over epochs: (arms, layers, networks)."""
    logs = np.log(result["norm"])
    return np.exp((logs - logs[:, -1:]).mean(2))


def _ratios(result) -> np.ndarray:
    """Last hidden layer's gradient norm over the first's, geometric mean over epochs: (arms, networks)."""
    return 1 / _speeds(result)[:, 0]


def _times(ratio: float) -> str:
    return f"{number(ratio, 2)} × slower" if ratio > 1 else f"{number(1 / ratio, 2)} × faster"


def table(result) -> dict:
    _, layers, epochs, _ = result["norm"].shape
    return long_table(
        {"network": list(ARMS), "hidden_layer": range(1, layers + 1), "epoch": range(epochs)},
        gradient_norm_median=np.median(result["norm"], -1),
        lowest=result["norm"].min(-1),
        highest=result["norm"].max(-1),
    )


def caption(result) -> str:
    ratios = _ratios(result)
    edges = np.array([mean_interval(score) for score in result["accuracy"][1:]])
    return (
        f"**The first of six sigmoid layers learns {number(np.median(ratios[0]), 2)} times more slowly than "
        f"the last, and the network learns nothing: accuracy {percent(result['accuracy'][0].mean())}.**\n\n"
        f"Thick: medians of {ratios.shape[-1]} networks; thin: each network. The "
        f"{number(np.median(ratios[0]), 2)} {between(median_interval(ratios[0]), 2)} is the last norm over "
        "the first. Ratios are averaged over the epochs, as geometric means. Accuracy is on held-out "
        f"examples; the 95 % intervals of the other three lie between {percent(edges.min(), 1)} and "
        f"{percent(edges.max(), 1)}. Larger learning rates do not help the first network: with "
        f"{LARGER[0]:g} and {LARGER[1]:g} the best of {result['larger'].size} reaches "
        f"{percent(result['larger'].max())}. Standardized digits, hidden layers of {UNITS} units, plain "
        f"gradient descent at a learning rate of {RATE}, batches of {BATCH}, {EPOCHS} epochs."
    )


def alt(result) -> str:
    slower = np.median(_ratios(result), -1)
    return (
        "Gradient norm of six hidden layers, as a multiple of the last one's, on a logarithmic axis. "
        f"Sigmoid: it rises from the first layer to the last by a factor of {number(slower[0], 2)}. "
        "Tanh, ReLU and sigmoid with batch normalization: all layers within a factor of "
        f"{number(1 / slower[1:].min(), 2)}, the first layer on top."
    )
