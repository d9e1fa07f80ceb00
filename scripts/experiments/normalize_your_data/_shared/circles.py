"""Networks on the concentric circles, trained here; several experiments film them or count with them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from torch import Tensor

from experiments import style
from experiments.trials import descend, generator, generators, score, stacked, standardized
from experiments.words import percent
from unitgain.datasets import Examples, circles
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.plots import boundary, grid, network, scatter, unit_states

POINTS, LEARNING_RATE, STEPS = 200, 0.05, 500
GRID = 160  # of a boundary that moves
SHOWN = 48  # frames of a film on training


def many_circles(seed: int, count: int, points: int, stream: str = "data", device="cpu") -> Examples:
    """One data set a replica: x (count, points, 2), y (count, points)."""
    draws = generators(seed, count, stream)
    return Examples(*stacked(circles(points, generator=draw, device=device) for draw in draws))


def both_standardized(x: Tensor, fresh: Tensor) -> tuple[Tensor, Tensor]:
    """Each replica's points, and its fresh ones, standardized by the former: (replicas, points, 2) each."""
    sets = zip(x, fresh, strict=True)
    all_points = torch.stack([standardized(torch.cat([one, new]), one) for one, new in sets])
    return all_points.split([x.shape[1], fresh.shape[1]], dim=1)


def learn(model: MLP, examples: Examples, *, steps: int, seed: int, callback=None) -> None:
    """Train `model` in place on all of `examples` at a time."""
    descend(
        model,
        examples,
        LEARNING_RATE,
        seed=seed,
        epochs=steps,
        optimizer=Adam,
        loss="binary_cross_entropy",
        callback=callback,
    )


def fresh_accuracy(
    sizes, activation: str, data: Examples, fresh: Examples, *, steps: int, seed: int
) -> Tensor:
    """Train a network on each data set, x (kinds, networks, points, 2): the accuracy of each on fresh points.

    The initial weights are the same for every kind of data.
    """
    replicas = data.x.shape[:2]
    draws = generators(seed, replicas[1], times=replicas[0])
    model = MLP(sizes, activation, replicas=tuple(replicas), generator=draws, device=data.x.device)
    learn(model, data, steps=steps, seed=seed)
    return score(model, fresh)


def film(center: float, activation: str, width: int, *, seed: int, device: str, **size) -> dict:
    """The film of one network 2-width-1 on one data set; keys and `size` as in `films`."""
    x, y = circles(POINTS, center=center, generator=generator(seed, "data"), device=device)
    (one,) = films(x.unsqueeze(0), y, activation, width, seed=seed, **size)
    return one


def films(
    x: Tensor,
    y: Tensor,
    activation: str,
    width: int,
    *,
    networks: int,
    frames: int,
    seed: int,
    rank: float = 0.5,
) -> list[dict]:
    """Train `networks` networks 2-width-1, the same for each kind of data in `x` (kinds, points, 2).

    Kept are, for each kind, `frames` moments of the network that ends at the quantile `rank` of the
    accuracies.
    """
    replicas, draws = (len(x), networks), generators(seed, networks, times=len(x))
    model = MLP((2, width, 1), activation, replicas=replicas, generator=draws, device=x.device)
    examples = Examples(x.unsqueeze(1), y)
    # Denser where more happens
    moments = np.unique((np.linspace(0, 1, frames) ** 1.7 * STEPS).round().astype(int))
    kept = []

    def keep(step: int) -> None:
        if step in moments:
            hidden, out = model.layers
            numbers = (hidden.weight, hidden.bias[..., 0], out.weight[..., 0, :], out.bias[..., 0, 0])
            kept.append([*(one.detach().clone() for one in numbers), score(model, examples)])

    learn(model, examples, steps=STEPS, seed=seed, callback=keep)
    history = dict(zip(("w1", "b1", "w2", "b2", "accuracy"), stacked(kept), strict=True))
    made = []
    for kind, final in enumerate(history["accuracy"][-1]):
        shown = final.argsort(stable=True)[int(rank * (networks - 1))]  # accuracies tie
        one = {key: value[:, kind, shown] for key, value in history.items()}
        one |= {"x": x[kind], "y": y, "step": torch.from_numpy(moments)}
        made.append(one | {"final_accuracy": final, "rank": torch.tensor(rank)})
    return made


def hidden(result: dict, x: np.ndarray, frame: int, function) -> np.ndarray:
    """The hidden units' activations at a frame for rows `x`: (n, width)."""
    return function(x @ result["w1"][frame].T + result["b1"][frame])


def output(result: dict, h: np.ndarray, frame: int) -> np.ndarray:
    """The logits at a frame for hidden activations `h`: (n,)."""
    return h @ result["w2"][frame] + result["b2"][frame]


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(z / 2)  # no overflow far from 0


def frame_of(points: np.ndarray, margin: float = 0.12, square: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a rectangle, or a square, around `points` with some air."""
    low, high = points.min(0), points.max(0)
    half = (0.5 + margin) * np.maximum(high - low, 1e-3)
    half = np.full_like(half, half.max()) if square else half
    return (low + high) / 2 - half, (low + high) / 2 + half


def panels(width: float, height: float) -> tuple[Figure, np.ndarray]:
    """Two square panels, side by side on a phone too, where both are seen at once."""
    fig, axes = style.figure(width, height, ncols=2, stacked=(1, 2), tall=2.5)
    for ax in axes:
        ax.set_box_aspect(1)
        ax.locator_params(nbins=4 if style.narrow() else 6)
        ax.xaxis.labelpad, ax.yaxis.labelpad = 1, 1
    return fig, axes


def counter(ax: Axes) -> Text:
    """A text above the right corner of `ax`, below its title, that changes."""
    return ax.text(1, 1.015, "", transform=ax.transAxes, ha="right", va="bottom", fontsize=9.5, animated=True)


def dots(ax: Axes, x: np.ndarray, y: np.ndarray) -> list[Line2D]:
    """The points of each class, drawn faster than as a collection."""
    colours, look = style.palette(), {"ms": 3, "mew": 0, "alpha": 0.9, "animated": True, "zorder": 2}
    return [ax.plot(*x[y == label].T, "o", color=colours[f"class{label}"], **look)[0] for label in range(2)]


def shown(frames: int) -> list[int]:
    """Which of them a film shows."""
    return np.unique(np.linspace(0, frames - 1, SHOWN).round().astype(int)).tolist()


def animate_boundary(result: dict, function) -> Iterator[Figure]:
    """The boundary in the space of the inputs and, straight, in the space of the two hidden units."""
    colours, ink = style.palette(), style.ink()
    fig, (left, right) = panels(7.0, 4.1)
    frames, x, y = len(result["step"]), result["x"], result["y"]
    seen = np.array([hidden(result, x, k, function) for k in range(frames)])
    feature_low, feature_high = frame_of(np.concatenate([seen.reshape(-1, 2), [[0, 0], [1, 1]]]), 0.08)
    low, high = frame_of(x, square=True)
    inputs = boundary(left, None, low, high, palette=colours, line=ink, animated=True)
    features = boundary(right, None, feature_low, feature_high, palette=colours, line=ink, animated=True)
    points = grid(low, high, GRID).astype(np.float64)
    feature_points = grid(feature_low, feature_high, 2).astype(np.float64)  # there it is straight
    dots(left, x, y)
    moving = dots(right, seen[0], y)
    left.set(xlabel="$x_0$", ylabel="$x_1$")
    right.set(xlabel="$h_0$", ylabel="$h_1$")
    for ax, title in ((left, "Among the inputs"), (right, "Hidden units")):
        ax.set_title(title, pad=19)
    correct = counter(right)
    tick = style.progress(left, frames)
    for k in shown(frames):
        inputs.update(output(result, hidden(result, points, k, function), k))
        features.update(output(result, feature_points, k))
        for label, some in enumerate(moving):
            some.set_data(*seen[k][y == label].T)
        correct.set_text(f"{percent(result['accuracy'][k])} right")
        tick(k, int(result["step"][k]))
        yield fig


def states(result: dict, frame: int, function, threshold: float) -> list[str]:
    """Whether each hidden unit is dead, alive or always on at a frame; on: more than `threshold`."""
    return unit_states((hidden(result, result["x"], frame, function) > threshold).mean(0))


def walk(result: dict) -> np.ndarray:
    """The order in which the network pictures visit the points: every fifth, around the circles by angle."""
    centred = result["x"] - result["x"].mean(0)
    return np.argsort(np.arctan2(centred[:, 1], centred[:, 0]))[::5]


def animate_network(result: dict, function, threshold: float) -> Iterator[Figure]:
    """The network at initialization and after training, lit by one point after the other."""
    colours, ink = style.palette(), style.ink()
    fig, (left, key, before, after) = style.figure(7.6, 2.4, ncols=4, tall=3.5)
    x, y = result["x"], result["y"]
    scatter(left, x, y, palette=colours, size=8, alpha=0.55)
    spot = left.scatter([], [], s=90, facecolors="none", edgecolors=ink, linewidths=2, animated=True)
    left.set(xlabel="$x_0$", ylabel="$x_1$", aspect="equal")
    left.set_title("The point", pad=5)
    left.locator_params(nbins=4)
    left.xaxis.labelpad, left.yaxis.labelpad = 1, 1
    _key(key)
    low, high = frame_of(x, 0)
    pictures = []
    for ax, title, k in ((before, "Before training", 0), (after, "After training", -1)):
        h = hidden(result, x, k, function)
        rings = [[""] * 2, states(result, k, function, threshold), [""]]
        sizes = (2, h.shape[1], 1)
        drawing = network(ax, sizes, palette=colours, ink=ink, animated=True)
        ax.set_title(title)
        strength = h / max(h.max(), 1e-9)
        probability = sigmoid(output(result, h, k))
        pictures.append((drawing, strength, probability, rings, [result["w1"][k], result["w2"][k][None]]))
    order = walk(result)
    tick = style.progress(left, len(order), "")
    for i, point in enumerate(order):
        spot.set_offsets(x[point])
        for drawing, strength, probability, rings, weights in pictures:
            inputs = (x[point] - low) / (high - low)
            drawing.update([inputs, strength[point], [probability[point]]], rings, weights)
        tick(i, "")
        yield fig


def _key(ax: Axes) -> None:
    """What the rings, fills and edges of a drawn network mean."""
    colours, ink = style.palette(), style.ink()
    rings = (
        ("alive", "on for some points", 2, "-"),
        ("always_on", "on for all: always on", 4, "-"),
        ("dead", "on for none: dead", 2, (0, (1, 1.2))),
    )
    for row, (state, text, width, dash) in enumerate(rings):
        ax.scatter(
            0.07, -row, s=110, facecolors="none", edgecolors=colours[state], linewidths=width, linestyles=dash
        )
        ax.text(0.2, -row, text, va="center")
    for row, text, dash in ((3, "weight above 0", "-"), (4, "weight below 0", (0, (2.2, 1.1)))):
        ax.plot([0, 0.14], [-row, -row], color=ink, ls=dash)
        ax.text(0.2, -row, text, va="center")
    ax.text(0, -5, "fuller: more active", va="center")
    ax.set(xlim=(-0.06, 1.1), ylim=(-5.5, 0.6))
    ax.axis("off")


def film_table(result: dict) -> dict:
    """The CSV behind a film: the network's parameters and accuracy at every moment."""
    columns = {"step": result["step"], "accuracy": result["accuracy"]}
    for j in range(result["b1"].shape[1]):
        columns |= {
            f"w1_{j}0": result["w1"][:, j, 0],
            f"w1_{j}1": result["w1"][:, j, 1],
            f"b1_{j}": result["b1"][:, j],
        }
        columns |= {f"w2_{j}": result["w2"][:, j]}
    return columns | {"b2": result["b2"]}


def film_note(result: dict) -> str:
    """What was filmed, with the spread over all the networks trained."""
    low, high = np.quantile(result["final_accuracy"], [0.1, 0.9])
    n = len(result["final_accuracy"])
    quantile = float(result["rank"])
    place = "median accuracy" if quantile == 0.5 else f"{percent(quantile)} quantile of the accuracies"
    return (
        f"Adam, learning rate {LEARNING_RATE}, {STEPS} steps on all {POINTS} points. Of {n} networks with "
        f"different initial weights, this is the one at the {place}; the middle 80 % end between "
        f"{percent(low)} and {percent(high)}."
    )
