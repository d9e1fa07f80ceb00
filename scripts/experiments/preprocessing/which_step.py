"""Which preprocessing lets a network learn fastest, on which data?  Chapter: preprocessing."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments import style
from experiments.preprocessing._shared.steps import steps_to_learn
from experiments.trials import generators, score, splits
from experiments.words import long_table, percent
from unitgain.datasets import Examples, breast_cancer, digits, wine
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.theory import hessian_eigenvalues
from unitgain.transforms import Center, Compose, MinMaxScaler, StandardScaler, Whitening

SCALINGS = {
    "raw": nn.Identity,
    "centred": Center,
    "[0, 1]": MinMaxScaler,
    "[−1, 1]": lambda: MinMaxScaler((-1, 1)),
    "standardized": StandardScaler,
    "… and whitened": lambda: Compose(StandardScaler(), Whitening(epsilon=1e-3)),
}
FAULTY = ("raw", "centred", "[0, 1]")  # in offset or scale
DATA = {"Wine": (wine, 3), "Breast cancer": (breast_cancer, 2), "Digits": (digits, 10)}
EXAMPLES = 200  # to learn from, two thirds of the data at most; the rest is validation
RATES = tuple(4.0**k for k in range(6))  # over the largest eigenvalue of the inputs' second moments or 1
WIDTH = 12
EPOCHS = 150  # each one step on all examples
LEARNED = 0.2  # training loss


def compute(*, networks=4, seed=0, device="cpu"):
    """`steps` to a training loss of LEARNED (data, scalings, networks), EPOCHS where it is not reached.

    Each at the rate at which all its networks are there first or, where no rate will do, at that with the
    least last loss; and the validation `accuracy` there. Each network has its own split and first weights,
    the same for every scaling.
    """
    steps, right = [], []
    for load, classes in DATA.values():
        x, y = load(device=device)
        held_out = 1 - min(EXAMPLES / len(x), 2 / 3)
        for make in SCALINGS.values():
            draws, scale = generators(seed, networks, "split"), partial(_scaled, make)
            sets = splits(x, y, draws, validation=held_out, scale=scale)
            taken, best, model = _learn((x.shape[1], WIDTH, classes), sets.train, seed)
            steps.append(taken[best])
            right.append(score(model, sets.validation)[best])
    shape = len(DATA), len(SCALINGS)
    return {
        "steps": torch.stack(steps).unflatten(0, shape),
        "accuracy": torch.stack(right).unflatten(0, shape),
    }


def _scaled(make: Callable[[], nn.Module], x: Tensor, training: Tensor) -> Tensor:
    return Compose(make()).fit(training)(x)


def _learn(sizes, examples: Examples, seed: int) -> tuple[Tensor, int, MLP]:
    """Gradient descent until all networks (networks,) have learned at one of RATES, or for EPOCHS.

    Steps that each took (rates, networks), which rate is best, and the networks as they are then.
    """
    x, y = examples
    draws, replicas = generators(seed, len(x), times=len(RATES)), (len(RATES), len(x))
    model = MLP(sizes, weight="he_normal", replicas=replicas, generator=draws, device=x.device)
    largest = hessian_eigenvalues(x[0])[-1].clamp(min=1.0)
    x = x.repeat(len(RATES), 1, 1, 1)  # once, or every step would
    rate = (torch.tensor(RATES).to(largest) / largest).float()[:, None, None, None]
    optimizer = SGD(model.parameters(), lr=rate)
    steps, learning, loss = steps_to_learn(model, optimizer, Examples(x, y), LEARNED, EPOCHS)
    loss = loss.mean(1).nan_to_num(torch.inf)
    done = (~learning).all(1)
    return steps, int((loss.masked_fill(~done, torch.inf) if done.any() else loss).argmin()), model


def draw(result) -> Figure:
    fig, axes = style.figure(8.2, 3.1, ncols=len(DATA), tall=7.0, sharey=True)
    fig.get_layout_engine().set(wspace=0.09)
    colours, rows = style.palette(), -np.arange(len(SCALINGS))
    for ax, name, steps, right in zip(axes, DATA, result["steps"], result["accuracy"], strict=True):
        beside = {"transform": ax.get_yaxis_transform(), "fontsize": 9.5}
        for row, scaling, taken, scores in zip(rows, SCALINGS, steps, right, strict=True):
            colour = colours["raw" if scaling in FAULTY else "standardized"]
            late = taken >= EPOCHS
            spread = row + np.linspace(-0.18, 0.18, len(taken))
            ax.plot(taken[~late], spread[~late], "o", ms=5, mew=0, color=colour)
            ax.plot(taken[late], spread[late], ">", ms=5.5, mfc="none", mew=1.1, color=colour)
            ax.text(1.06, row, percent(scores.mean()), va="center", **beside)
        ax.axvline(EPOCHS, color=style.GRID, lw=0.8)
        ax.text(1.06, 0.72, "accuracy", **beside)
        ax.set(title=name, xscale="log", xlim=(0.8, 1.25 * EPOCHS))
        ax.set(xticks=(1, 10, 100), xticklabels=(1, 10, 100))
        ax.set(yticks=rows, yticklabels=SCALINGS, ylim=(rows[-1] - 0.5, 0.5))
        ax.minorticks_off()
        ax.tick_params(axis="y", length=0)
    fig.supxlabel(f"steps to a training loss of {LEARNED:g} (log); ▷ not in {EPOCHS}", fontsize=9.5)
    return fig


def table(result) -> dict:
    return long_table(
        {"data": list(DATA), "inputs": list(SCALINGS)},
        median_steps=np.median(result["steps"], axis=-1),
        fewest=result["steps"].min(-1),
        most=result["steps"].max(-1),
        validation_accuracy=result["accuracy"].mean(-1),
    )


def _medians(result, scaling: str) -> list[float]:
    return np.median(result["steps"][:, list(SCALINGS).index(scaling)], axis=-1).tolist()


def _listed(steps: list[float]) -> str:
    return ", ".join(f"{one:.0f}" for one in steps[:-1]) + f" and {steps[-1]:.0f}"


def caption(result) -> str:
    by, to, white = (_listed(_medians(result, key)) for key in ("[0, 1]", "standardized", "… and whitened"))
    late = "not" if (result["steps"][:, 0] >= EPOCHS).all() else "mostly not"
    digit = result["accuracy"][-1].mean(-1)
    names = list(SCALINGS)
    return (
        f"**Scaled to [0, 1] the three data sets take {by} steps, standardized {to}; raw they are {late} "
        f"learned in {EPOCHS}.**\n\n"
        f"Whitened as well they take {white}, and on the digits that costs accuracy: "
        f"{percent(digit[names.index('… and whitened')])} instead of "
        f"{percent(digit[names.index('standardized')])}. These are medians. The networks have {WIDTH} hidden "
        f"ReLUs and learn by plain gradient descent at the best of {len(RATES)} learning rates. Each dot is "
        f"one of {result['steps'].shape[-1]} networks with a split of its own. The accuracy is the mean on "
        "validation data when the loss is reached, or in the end."
    )


def alt(result) -> str:
    spoken = ("raw", "centred", "from 0 to 1", "from −1 to 1", "standardized", "standardized and whitened")
    rows = (
        f"{name} {', '.join(f'{median:.0f}' for median in _medians(result, scaling))}"
        for name, scaling in zip(spoken, SCALINGS, strict=True)
    )
    return (
        "Dots for the steps that networks take to learn wine, breast cancer and digits, by preprocessing, "
        f"log scale. Median steps: {'; '.join(rows)}."
    )
