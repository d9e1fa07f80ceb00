"""Which activation goes with which scale of the inputs and which initializer?  Chapter: activations."""

from functools import partial

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments import style
from experiments.activations._shared.digits import BATCH, digit_sets, unit_range
from experiments.activations._shared.names import NAMES
from experiments.intervals import mean_interval
from experiments.trials import descend, generators, raw, score, standardized
from experiments.words import long_table, percent
from unitgain.initializers import glorot_normal_, he_normal_, normal_, uniform_
from unitgain.models import MLP

FUNCTIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "maxout")
SCALES = {"raw pixels, 0 to 16": raw, "divided by 16": unit_range, "standardized": standardized}


def torch_default_(tensor, generator=None):
    """PyTorch's rule for a linear layer's weights: U(±1/√fan_in)."""
    bound = tensor.shape[-1] ** -0.5
    return uniform_(tensor, -bound, bound, generator=generator)


INITIALIZERS = {
    "sd 0.01": partial(normal_, std=0.01),
    "sd 1": normal_,
    "Glorot": glorot_normal_,
    "He": he_normal_,
    "torch": torch_default_,
}
TORCH = list(INITIALIZERS).index("torch")
HIDDEN = (32, 32, 32)
RATES = (0.003, 0.03, 0.3)
TEST = 0.2
EPOCHS = 3
CLOSE = 0.05  # what counts as close to the best accuracy
DRAWN = [1, 2, 3, 4]  # initializers; with the first no network learns


def _networks(name: str, networks: int, seed: int, device) -> MLP:
    """All initializers at all rates, (initializers, rates, networks), from the same draws."""
    replicas = len(INITIALIZERS), len(RATES), networks
    draws = [generators(seed, networks, times=len(RATES)) for _ in INITIALIZERS]

    def rules(tensor, generator):
        for part, rule, draw in zip(tensor, INITIALIZERS.values(), generator, strict=True):
            rule(part, generator=draw)

    model = MLP((64, *HIDDEN, 10), name, replicas=replicas, weight=rules, generator=draws, device=device)
    with torch.no_grad():
        for layer in model.layers:  # torch's biases have the weights' rule
            bound = layer.in_features**-0.5
            uniform_(layer.bias[TORCH], -bound, bound, generator=draws[TORCH])
    return model


def compute(*, networks=5, seed=0, device="cpu"):
    """Accuracies on `validation` and `test`: (activations, scales, initializers, rates, networks)."""
    rate = torch.tensor(RATES)[:, None]
    found = {"validation": [], "test": []}
    sets = [digit_sets(seed, networks, scale, test=TEST, device=device) for scale in SCALES.values()]
    for name in FUNCTIONS:
        for one in sets:
            model = _networks(name, networks, seed, device)
            descend(model, one.train, rate, seed=seed, epochs=EPOCHS, batch=BATCH)
            for part, scores in found.items():
                scores.append(score(model, getattr(one, part)))
    return {
        key: torch.stack(values).unflatten(0, (len(FUNCTIONS), len(SCALES))) for key, values in found.items()
    }


def _at_best(result) -> np.ndarray:
    """Test accuracies at the rate that is best by the mean of the validation accuracies.

    Axes: activations, scales, initializers, networks.
    """
    best = result["validation"].mean(-1).argmax(-1)[..., None, None]
    return np.take_along_axis(result["test"], best, axis=3)[..., 0, :]


def _best(result) -> tuple[int, ...]:
    """The combination that is best on the validation parts: indices of activation, scale, initializer."""
    right = result["validation"].mean(-1).max(-1)
    return np.unravel_index(right.argmax(), right.shape)


def _close(result) -> np.ndarray:
    """Combinations surely at most CLOSE below the best, by the 95 % interval of the paired difference."""
    right = _at_best(result)
    lag = right[_best(result)] - right
    return np.apply_along_axis(lambda row: mean_interval(row)[1] <= CLOSE, -1, lag)


def _advice(result) -> tuple[list[tuple[int, int]], int]:
    """The pairs (scale, initializer) with which most activations come close to the best, and how many do."""
    count = _close(result).sum(0)
    return list(zip(*np.nonzero(count == count.max()), strict=True)), int(count.max())


def draw(result) -> Figure:
    fig, axes = style.figure(8.2, 3.8, ncols=len(SCALES), stacked=(1, len(SCALES)), tall=4.6, sharey=True)
    right, close = _at_best(result).mean(-1)[..., DRAWN], _close(result)[..., DRAWN]
    for s, (ax, title) in enumerate(zip(axes, SCALES, strict=True)):
        colours = mpl.colormaps["cividis"](right[:, s])
        colours[..., 3] = 0.4  # the page shows through, so that its ink is legible on every cell
        ax.imshow(colours, aspect="auto", interpolation="nearest")
        for (f, i), value in np.ndenumerate(right[:, s]):
            ax.text(i, f, f"{100 * value:.0f}", ha="center", va="center")
        for f, i in np.argwhere(close[:, s]):
            ax.add_patch(Rectangle((i - 0.44, f - 0.4), 0.88, 0.8, fill=False, ec=style.ink(), lw=1.2))
        ax.set_title(title.replace(", ", ",\n").replace(" by", "\nby"))
        ax.set_xticks(range(len(DRAWN)), np.array(list(INITIALIZERS))[DRAWN], rotation=90 * style.narrow())
        ax.set_yticks(range(len(FUNCTIONS)), [_name(f) for f in FUNCTIONS])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    fig.supxlabel("initial weights\nnumbers: accuracy (%); framed: close to the best", fontsize="medium")
    return fig


def _name(function: str) -> str:
    return NAMES.get(function, "Maxout")


def table(result) -> dict:
    right = _at_best(result)
    ends = np.apply_along_axis(mean_interval, -1, right)
    return long_table(
        {
            "activation": [_name(f) for f in FUNCTIONS],
            "inputs": list(SCALES),
            "initializer": list(INITIALIZERS),
        },
        learning_rate=np.array(RATES)[result["validation"].mean(-1).argmax(-1)],
        accuracy=right.mean(-1),
        low=ends[..., 0],
        high=ends[..., 1],
        close_to_best=_close(result),
    )


def _in_words(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _spread(result, axis: int) -> str:
    """How far one choice moves the mean accuracy over the other two."""
    means = _at_best(result).mean(-1).mean(axis=tuple({0, 1, 2} - {axis}))
    return f"{100 * np.ptp(means):.0f}"


def caption(result) -> str:
    pairs, most = _advice(result)
    right, (f, s, i) = _at_best(result), _best(result)
    scale, rule = list(SCALES)[s], list(INITIALIZERS)[i]
    close = _close(result)[:, *pairs[0]]
    others = [_name(name) for name, one in zip(FUNCTIONS, close, strict=True) if not one]
    advice = _in_words([f"inputs {list(SCALES)[a]} with {list(INITIALIZERS)[b]} weights" for a, b in pairs])
    some = 0 < len(others) < len(FUNCTIONS) and len(pairs) == 1
    left_out = f" (all but {_in_words(others)})" if some else ""
    return (
        f"**Recommended: {advice}; {most} of {len(FUNCTIONS)} activations{left_out} then come within "
        f"{100 * CLOSE:.0f} points of the best combination, {percent(right[f, s, i].mean())}.**\n\nNo other "
        "pair serves as many. Averaged over the rest, the initial weights move the accuracy by "
        f"{_spread(result, 2)} points, the activation by {_spread(result, 0)}, the scale of the inputs by "
        f"{_spread(result, 1)}. Framed: within {100 * CLOSE:.0f} points of the best combination, "
        f"{_name(FUNCTIONS[f])} with {rule} weights (inputs: {scale}) by validation, by the {percent(0.95)} "
        "interval of the difference in test accuracy. Columns: normal weights of standard deviation 1, by "
        "Glorot's or He's rule, and PyTorch's default. With a standard deviation of 0.01 the accuracy is "
        f"{percent(right[..., 0, :].mean(-1).max())} at most; it is not drawn. Test accuracy on the digits, "
        f"networks 64-32-32-32-10, {EPOCHS} epochs of plain SGD in batches of {BATCH} at the best of "
        f"{len(RATES)} learning rates; means over {right.shape[-1]} networks."
    )


def alt(result) -> str:
    right, (f, s, i) = _at_best(result).mean(-1), _best(result)
    means = dict(zip(INITIALIZERS, right.mean((0, 1)), strict=True))
    by = (f"{title} {percent(means[title])}" for title in np.array(list(means))[DRAWN])
    return (
        "Three heat maps of accuracies, one for each scale of the inputs; rows are seven activations, "
        f"columns four rules for the initial weights. Best: {_name(FUNCTIONS[f])}, {list(SCALES)[s]}, "
        f"{list(INITIALIZERS)[i]} with {percent(right[f, s, i])}. Mean of each column over the maps: "
        f"{', '.join(by)}."
    )
