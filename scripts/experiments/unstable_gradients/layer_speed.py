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
    fig, axes = style.figure(7.8, 3.8, ncols=len(ARMS), sharex=True, sharey=True)
    colours = style.palette()
    slower = np.median(_ratios(result), -1)
    for arm, (ax, title) in enumerate(zip(axes, ARMS, strict=True)):
        norm = result["norm"][arm]
        epochs = np.arange(norm.shape[1])
        for layer, runs in enumerate(norm):
            key = {0: "class0", HIDDEN - 1: "class1"}.get(layer)
            if key is None:
                ax.plot(epochs, np.median(runs, -1), color=style.GRID, lw=0.8)
            else:
                ax.plot(epochs, runs, color=colours[key], lw=0.6, alpha=0.4)
                ax.plot(epochs, np.median(runs, -1), color=colours[key], lw=2)
        ax.set(title=title, yscale="log", xlabel="epoch", xlim=(-0.3, epochs[-1] + 0.3), ylim=(1e-4, 60))
        said = f"first layer\n{_times(slower[arm])}\naccuracy {percent(result['accuracy'][arm].mean())}"
        ax.text(0.03, 0.98, said, transform=ax.transAxes, va="top", fontsize=9.5)
    axes[0].set_ylabel("gradient norm of a layer (log scale)")
    axes[0].text(0.5, 0.3, "last hidden layer", color=colours["class1"], va="bottom")
    axes[0].text(0.5, 2.1e-4, "first hidden layer", color=colours["class0"], va="top")
    return fig


def _ratios(result) -> np.ndarray:
    """Last hidden layer's gradient norm over the first's, geometric mean over epochs: (arms, networks)."""
    logs = np.log(result["norm"][:, -1] / result["norm"][:, 0])
    return np.exp(logs.mean(1))


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
        f"Thick: medians of {ratios.shape[-1]} networks; thin: each network; grey: the layers between. The "
        f"{number(np.median(ratios[0]), 2)} {between(median_interval(ratios[0]), 2)} is the last norm over "
        "the first, averaged over the epochs. Accuracy is on held-out examples; the 95 % intervals of the "
        f"other three lie between {percent(edges.min(), 1)} and {percent(edges.max(), 1)}. Larger rates do "
        f"not help the first: with {LARGER[0]:g} and {LARGER[1]:g} the best of {result['larger'].size} "
        f"networks reaches {percent(result['larger'].max())}. Standardized digits, hidden layers of {UNITS}, "
        f"plain gradient descent at rate {RATE}, batches of {BATCH}, {EPOCHS} epochs."
    )


def alt(result) -> str:
    slower = np.median(_ratios(result), -1)
    return (
        "Four panels of gradient norm against epoch on a logarithmic axis. Sigmoid: six level lines, a step "
        f"apart, the last above the first by a factor of {number(slower[0], 2)}. Tanh, ReLU and sigmoid with "
        f"batch normalization: the lines lie within a factor of {number(1 / slower[1:].min(), 2)}, the first "
        "layer's on top."
    )
