"""What does it cost to put a softmax before a loss that has one?  Chapter: losses."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import mean_interval
from experiments.trials import descend, generator, generators, score, splits, standardized
from experiments.words import between, number
from unitgain.datasets import Examples, digits
from unitgain.models import MLP
from unitgain.training import cross_entropy

EPOCHS, BATCH, RATE = 12, 32, 0.1
CLASSES = 10


def once_and_twice(output, y):
    """Of the first networks the right loss; of the second it takes logits and is given probabilities."""
    once, twice = output
    return torch.stack([cross_entropy(once, y), cross_entropy(twice.softmax(-1), y)])


def compute(*, networks=20, seed=0, device="cpu"):
    """Validation `accuracy` (2, epochs + 1, networks) and the training `loss` (2, epochs, networks).

    First right, then with the softmax twice.
    """
    sets = splits(*digits(device=device), [generator(seed, "split")], scale=standardized)
    train, validation, _ = (Examples(x[0], y[0]) for x, y in sets)
    sizes, draws = (64, 32, CLASSES), generators(seed, networks, times=2)
    model = MLP(sizes, weight="he_normal", replicas=(2, networks), generator=draws, device=device)
    scores, epoch = [], -(-len(train.x) // BATCH)  # steps an epoch

    def look(step):
        if step % epoch == 0:
            scores.append(score(model, validation))

    losses = descend(
        model, train, RATE, seed=seed, epochs=EPOCHS, batch=BATCH, loss=once_and_twice, callback=look
    )
    return {
        "accuracy": torch.stack(scores, 1),
        "loss": losses.unflatten(0, (EPOCHS, epoch)).mean(1).movedim(1, 0),
    }


FLOOR = np.log(1 + (CLASSES - 1) / np.e)  # certain and right: softmax of (1, 0, …, 0)


def draw(result) -> Figure:
    fig, axes = style.figure(7.4, 3.5, ncols=2)
    colours = style.palette()
    epochs = np.arange(result["accuracy"].shape[1])
    for key, scores, losses in zip(("standardized", "raw"), result["accuracy"], result["loss"], strict=True):
        line = {"color": colours[key], "ls": "-" if key == "standardized" else "--"}
        for ax, x, values in ((axes[0], epochs, 100 * (1 - scores)), (axes[1], epochs[1:], losses)):
            ax.plot(x, values, lw=0.6, alpha=0.3, **line)
            ax.plot(x, values.mean(1), **line)
    axes[0].set(
        yscale="log", ylabel="validation error (%, log)", xlabel="epochs", title="What the network learns"
    )
    axes[0].set_yticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
    axes[0].minorticks_off()
    axes[1].axhline(FLOOR, color=style.ink(), lw=1)
    axes[1].text(epochs[-1], FLOOR - 0.04, "least possible with two", ha="right", va="top")
    axes[1].set(ylim=(0, 2.5), ylabel="training loss", xlabel="epochs", title="What training reports")
    for ax, x, y, text, key in (
        (axes[0], 12, 70, "softmax twice", "raw"),
        (axes[0], 6, 3.2, "once", "standardized"),
        (axes[1], 12, 2.1, "softmax twice", "raw"),
        (axes[1], 6, 0.25, "once", "standardized"),
    ):
        ax.text(x, y, text, color=colours[key], ha="right")
    return fig


def table(result) -> dict:
    columns = {"epoch": np.arange(result["accuracy"].shape[1])}
    for name, scores in zip(("once", "twice"), result["accuracy"], strict=True):
        low, high = np.transpose([mean_interval(row) for row in scores])
        columns |= {f"accuracy_{name}": scores.mean(1), f"low_{name}": low, f"high_{name}": high}
    return columns


def caption(result) -> str:
    first = 100 * (1 - result["accuracy"][:, 1])
    last = 100 * (1 - result["accuracy"][:, -1])
    behind = mean_interval(last[1] - last[0])
    return (
        f"**After one epoch a network with two softmaxes gets {number(first[1].mean(), 2)} % of new digits "
        f"wrong, one with a single softmax {number(first[0].mean(), 2)} %; after "
        f"{result['accuracy'].shape[1] - 1} epochs it is still {number((last[1] - last[0]).mean(), 2)} "
        f"points worse.**\n\n95 % interval of these points: {between(behind, 2)}. Horizontal line: "
        f"{FLOOR:.2f}. Thin lines: {result['accuracy'].shape[-1]} networks each, 64-32-10 with ReLU, on "
        f"scikit-learn's digits in batches of {BATCH}, learning rate {RATE:g}; thick lines: their means."
    )


def alt(result) -> str:
    return (
        "Two panels over epochs. With one softmax the validation error falls quickly and the loss goes "
        f"towards 0; with two the error falls slowly and the loss lies flat above {FLOOR:.2f}."
    )
