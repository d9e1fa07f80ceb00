"""What do the units of a deep layer see of the data, with and without batch normalization?

Chapter: batch-normalization.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

from experiments import style
from experiments.batch_normalization._shared.training import CLASSES, digit_parts
from experiments.intervals import mean_interval
from experiments.trials import descend, generators, score, stacked
from experiments.words import between, number, percent
from unitgain.datasets import Examples
from unitgain.initializers import uniform_
from unitgain.models import MLP
from unitgain.plots import unit_states
from unitgain.training import accuracy

ARMS = {None: "without", "batch": "with batch normalization"}
HIDDEN, WIDTH = 8, 40
SIZES = (64, *[WIDTH] * HIDDEN, CLASSES)
RATE, BATCH, EPOCHS = 0.1, 50, 6
WORDS = {"always_on": "always on", "dead": "never on", "alive": "on for some"}
SHOWN = 10  # units of the last hidden layer
EDGES = np.linspace(-4, 4, 161)
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2


def _model(normalization: str | None, generators: list, device) -> MLP:
    """Networks with PyTorch's initial weights and biases, U(±1/√inputs)."""
    model = MLP(SIZES, "relu", normalization=normalization, replicas=len(generators), weight="zeros")
    for layer in model.layers:
        bound = layer.in_features**-0.5
        for parameter in (layer.weight, layer.bias):
            uniform_(parameter, -bound, bound, generator=generators)
    return model.to(device)


def compute(*, networks=5, frames=80, seed=0, device="cpu"):
    """What the ReLUs of the last hidden layer receive from all training images, without and with.

    Of the network with the median accuracy `counts` (arms, moments, units, bins) of its values, the `share`
    of the images that activates each unit (arms, moments, units), and the `accuracy` (arms, moments) on these
    images, at each `step`; of every network the accuracy on `held_out` images (arms, networks).
    """
    images, held, _ = digit_parts(seed, device)
    total = EPOCHS * -(-len(images.x) // BATCH)
    moments = np.unique((np.linspace(0, 1, frames) ** 1.5 * total).round().astype(int))  # denser at first
    found = {"counts": [], "share": [], "accuracy": [], "held_out": []}
    for normalization in ARMS:
        model, kept = _model(normalization, generators(seed, networks), device), []

        def keep(step, model=model, kept=kept):
            if step in moments:
                kept.append([parameter.detach().clone() for parameter in model.parameters()])

        descend(model, images, RATE, seed=seed, epochs=EPOCHS, batch=BATCH, callback=keep)
        held_out = score(model.eval(), held)
        shown = int(held_out.argsort(stable=True)[networks // 2])
        film = MLP(SIZES, "relu", normalization=normalization, weight="zeros", device=device)
        seen = [_seen(film, [values[shown] for values in at], images) for at in kept]
        for key, rows in zip(("counts", "share", "accuracy"), stacked(seen), strict=True):
            found[key].append(rows)
        found["held_out"].append(held_out)
    films = {key: torch.stack(rows) for key, rows in found.items()}
    return {"step": torch.from_numpy(moments), "images": torch.tensor(len(images.x)), **films}


@torch.no_grad()
def _seen(model: MLP, parameters: list[torch.Tensor], images: Examples) -> tuple[torch.Tensor, ...]:
    """One moment of a network: counts, shares and accuracy."""
    for parameter, value in zip(model.parameters(), parameters, strict=True):
        parameter.copy_(value)
    arriving = []
    hook = model.activations[-1].register_forward_pre_hook(lambda _, inputs: arriving.append(*inputs))
    right = accuracy(model(images.x), images.y)
    hook.remove()
    (z,) = arriving
    counts = np.array([np.histogram(unit, EDGES)[0] for unit in z[:SHOWN].cpu().double().numpy()])
    return torch.from_numpy(counts), (z > 0).float().mean(-1), right


def _shapes(counts: np.ndarray) -> np.ndarray:
    """Histograms, smoothed over a quarter of their standard deviation, whose peaks are as high as a row."""
    share = counts / counts.sum(-1, keepdims=True)
    deviation = np.sqrt((share @ MIDDLES**2 - (share @ MIDDLES) ** 2).clip(1e-4)) / (MIDDLES[1] - MIDDLES[0])
    smooth = np.empty_like(share)
    for at in np.ndindex(deviation.shape):
        smooth[at] = gaussian_filter1d(share[at], deviation[at] / 4, mode="constant")
    return 0.85 * smooth / smooth.max(-1, keepdims=True)


def _all_or_nothing(result) -> np.ndarray:
    """How many units are on for all of the images or for none (arms, moments)."""
    return ((result["share"] == 0) | (result["share"] == 1)).sum(-1)


def animate(result) -> Iterator[Figure]:
    fig, axes = style.figure(7.0, 4.7, ncols=2, sharey=True, tall=6.8)
    colours, ink = style.palette(), style.ink()
    at = np.concatenate([EDGES[:1], MIDDLES, EDGES[-1:]])
    height = np.pad(_shapes(result["counts"]), [(0, 0)] * 3 + [(1, 1)])
    stuck = _all_or_nothing(result)
    panels = []
    for ax, title in zip(axes, ARMS.values(), strict=True):
        ax.set_title(title[0].upper() + title[1:], fontsize=12, pad=44)
        ax.axvline(0, color=ink, lw=0.8)
        ax.set(xlim=(-4, 4), ylim=(-SHOWN + 0.9, 2.0), yticks=[], xlabel="what a unit receives")
        ax.spines["left"].set_visible(False)
        for x, side, word in ((-0.15, "right", "off"), (0.15, "left", "on")):
            ax.text(x, 1.95, word, ha=side, va="top")
        shapes = PolyCollection([], linewidths=1.2, animated=True, zorder=2)
        ax.add_collection(shapes)
        text = ax.text(0, 1.02, "", transform=ax.transAxes, va="bottom", fontsize=11, animated=True)
        panels.append((shapes, text))
    for ax, shares in zip(axes, result["share"][:, 0, :SHOWN], strict=True):
        states = unit_states(shares)
        for state, word in WORDS.items():
            if state in states:
                y = 0.12 - states.index(state)
                ax.text(4, y, word, color=colours[state], ha="right", va="bottom")
    axes[0].set_ylabel(f"{SHOWN} units of layer {HIDDEN}, one a row")
    tick = style.progress(axes[1], len(result["step"]))
    for k, step in enumerate(result["step"]):
        for arm, (shapes, text) in enumerate(panels):
            rows = [np.column_stack([at, row - unit]) for unit, row in enumerate(height[arm, k])]
            states = [to_rgb(colours[state]) for state in unit_states(result["share"][arm, k, :SHOWN])]
            shapes.set_verts(rows)
            shapes.set_facecolors([(*state, 0.5) for state in states])
            shapes.set_edgecolors(states)
            score = percent(result["accuracy"][arm, k])
            text.set_text(f"accuracy {score}\n{stuck[arm, k]} of {WIDTH} units see all or nothing")
        tick(k, int(step))
        yield fig


def table(result) -> dict:
    columns, stuck = {"step": result["step"]}, _all_or_nothing(result)
    for arm, name in enumerate(("without", "with")):
        columns |= {f"accuracy_{name}": result["accuracy"][arm], f"all_or_nothing_{name}": stuck[arm]}
    return columns


def _with_interval(shares: np.ndarray) -> str:
    low, high = mean_interval(shares)
    return f"{number(100 * shares.mean(), 2)}\u00a0% {between((100 * low, 100 * high), 2)}"


def caption(result) -> str:
    (before, after), (before_with, after_with) = _all_or_nothing(result)[:, [0, -1]]
    learned = [percent(score) for score in result["accuracy"][:, -1]]
    without, norm = result["held_out"]
    return (
        f"**Without batch normalization, {before} of {WIDTH} units of the eighth layer are on for all images "
        f"or for none, before training, and {after} after it: accuracy {learned[0]}. With it, {before_with} "
        f"and {after_with}: accuracy {learned[1]}.**\n\nEach shape is the distribution of a unit's input "
        f"over {int(result['images']):,} training images. {HIDDEN} layers of ReLUs as PyTorch makes them, "
        f"standardized digits, plain SGD at learning rate {RATE:g} in batches of {BATCH}, {EPOCHS} epochs; "
        f"shown are the networks of median accuracy out of {len(norm)}. On held-out images all {len(norm)} "
        f"average {_with_interval(without)} without it and {_with_interval(norm)} with it."
    )


def alt(result) -> str:
    stuck = _all_or_nothing(result)
    return (
        "Animation, two panels of ten distributions. Left, without batch normalization: ten needles beside "
        f"zero that do not move, {stuck[0, -1]} of {WIDTH} units see all or nothing, the accuracy ends at "
        f"{percent(result['accuracy'][0, -1])}. Right, with it: wide hills across zero that change as the "
        f"accuracy rises to {percent(result['accuracy'][1, -1])}."
    )
