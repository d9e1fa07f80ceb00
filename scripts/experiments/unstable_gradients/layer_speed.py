"""How much slower does the first layer learn, and what helps?  Chapter: unstable-gradients."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import between, mean_interval, median_interval, number, percent
from unitgain.datasets import digits, split
from unitgain.diagnostics import observe
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import accuracy, train
from unitgain.transforms import StandardScaler

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
    larger rates (rates, networks).
    """
    generator = torch.Generator().manual_seed(seed)
    parts = split(*digits(device=device), generator=generator)
    scaler = StandardScaler().fit(parts.train.x)
    x, y = scaler.transform(parts.train.x), parts.train.y
    check, labels = scaler.transform(parts.validation.x), parts.validation.y
    steps = -(-len(x) // BATCH)  # an epoch
    norms, scores, larger = [], [], None
    for arm, (activation, weight, normalization) in enumerate(ARMS.values()):
        rates = (RATE, *LARGER) if arm == 0 else (RATE,)
        count = len(rates) * networks
        model = MLP(
            SIZES,
            activation,
            weight=weight,
            normalization=normalization,
            replicas=count,
            generator=[torch.Generator().manual_seed(1 + seed * 1_000_000 + k) for k in range(count)],
            device=device,
        )
        rate = torch.tensor(rates, device=device).repeat_interleave(networks)[:, None, None]
        optimizer = SGD(model.parameters(), lr=rate)
        layers = [f"layers.{k}" for k in range(HIDDEN)]
        with observe(model, every=steps, optimizer=optimizer, layers=layers, sample=2) as seen:
            train(
                model,
                x,
                y,
                loss="cross_entropy",
                optimizer=optimizer,
                epochs=EPOCHS,
                batch_size=BATCH,
                generator=generator,
            )
        found = [torch.stack([layer.norm[:networks] for layer in record.gradients]) for record in seen.steps]
        norms.append(torch.stack(found, 1))
        with torch.no_grad():
            score = accuracy(model.eval()(check), labels).view(-1, networks)
        scores.append(score[0])
        larger = score[1:] if arm == 0 else larger
    return {"norm": torch.stack(norms), "accuracy": torch.stack(scores), "larger": larger}


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
    arm, layer, epoch = np.meshgrid(list(ARMS), range(1, layers + 1), range(epochs), indexing="ij")
    low, high = np.quantile(result["norm"], [0, 1], axis=-1)
    return {
        "network": arm.ravel(),
        "hidden_layer": layer.ravel(),
        "epoch": epoch.ravel(),
        "gradient_norm_median": np.median(result["norm"], -1).ravel(),
        "lowest": low.ravel(),
        "highest": high.ravel(),
    }


def caption(result) -> str:
    ratios = _ratios(result)
    edges = np.array([mean_interval(score) for score in result["accuracy"][1:]])
    return (
        f"**The first of six sigmoid layers learns {number(np.median(ratios[0]), 2)} times more slowly than "
        f"the last, and the network learns nothing: accuracy {percent(result['accuracy'][0].mean())}.** "
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
