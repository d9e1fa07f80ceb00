"""Which way do two weights take when all inputs are positive?  Chapter: activations."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from experiments import style
from experiments.activations._shared.neuron import POSITIVE, SOLVED, best_rates, inputs, problems, walk
from experiments.words import number, percent

STEPS = 120
START = (0.5, -1.5, 0.0)  # error of the two weights and of the mean answer
FPS = 16


def compute(*, networks=200, seed=0, device="cpu"):
    """Errors `path` (2, STEPS + 1, 3) of weights and bias, centred then all-positive, one example a step.

    The same examples in the same order, each at its best rate; `loss` (2, STEPS + 1) by the first one's.
    Of many sets of examples the one with the most usual numbers of steps; all are in `steps` (2, networks).
    """
    made = problems(networks, seed, device)
    start = torch.tensor(START, dtype=torch.float64, device=device)[:, None].expand(-1, networks)
    steps, paths, losses = [], [], []
    for offset in (0.0, POSITIVE):
        x, error = inputs(made._replace(error=start), offset, bias=True)
        taken, rate = best_rates(x, error, 1, seed)
        path, _ = walk(x, error, 1, rate, STEPS, seed)
        loss = torch.einsum("knp,tkp->tnp", x, path).square().mean(1)
        steps.append(taken)
        paths.append(path)
        losses.append(loss / loss[0])
    log = torch.stack(steps).double().log()
    usual = (log - log.median(dim=1, keepdim=True).values).abs().sum(0).argmin()
    return {
        "path": torch.stack(paths)[..., usual],
        "loss": torch.stack(losses)[..., usual],
        "steps": torch.stack(steps),
    }


def _done(loss: np.ndarray) -> int:
    """The first step below a hundredth of the first loss; the last one if none is."""
    below = np.flatnonzero(loss < SOLVED)
    return int(below[0]) if len(below) else len(loss) - 1


def animate(result) -> Iterator[Figure]:
    fig, axes = style.figure(7.0, 4.0, ncols=2, sharex=True, sharey=True)
    colours = style.palette()
    last = max(map(_done, result["loss"]))
    keys, titles = ("standardized", "raw"), ("Inputs centred", "The same, all positive")
    lines, dots, notes = [], [], []
    reach = 1.15 * max(np.abs(result["path"][..., :2]).max(), 1.5)
    for ax, key, title, path in zip(axes, keys, titles, result["path"], strict=True):
        for radius in (0.5, 1.0):
            ax.add_patch(_circle(radius))
        ax.plot(0, 0, "x", color=style.ink(), ms=8, mew=1.5)
        ax.plot(*path[0, :2], "o", mfc="none", mec=style.ink(), ms=8)
        lines += ax.plot([], [], color=colours[key], lw=1.3, animated=True)
        dots += ax.plot([], [], "o", color=colours[key], ms=6, animated=True)
        notes.append(
            ax.text(0.03, 0.97, "", transform=ax.transAxes, color=colours[key], va="top", animated=True)
        )
        ax.set(
            title=title,
            xlim=(-reach, reach),
            ylim=(-reach, reach),
            aspect="equal",
            xlabel="error of the first weight",
            xticks=(-1, 0, 1),
            yticks=(-1, 0, 1),
        )
    axes[0].set_ylabel("error of the second weight")
    update = style.progress(axes[1], last + 1)
    for step in range(last + 1):
        for line, dot, note, path, loss in zip(
            lines, dots, notes, result["path"], result["loss"], strict=True
        ):
            at = min(step, _done(loss))
            line.set_data(*path[: at + 1, :2].T)
            dot.set_data(*path[at : at + 1, :2].T)
            note.set_text(
                f"done after {at} steps" if loss[at] < SOLVED else f"loss: {loss[at]:.2f} of the first"
            )
        update(step)
        yield fig


def _circle(radius: float) -> Circle:
    return Circle((0, 0), radius, fill=False, ec=style.GRID, lw=0.7)


def table(result) -> dict:
    centred, positive = result["path"]
    columns = {"step": np.arange(len(centred))}
    for name, path, loss in (
        ("centred", centred, result["loss"][0]),
        ("positive", positive, result["loss"][1]),
    ):
        columns |= {f"{name}_w{k}": path[:, k] for k in (0, 1)} | {
            f"{name}_bias": path[:, 2],
            f"{name}_loss": loss,
        }
    return columns


def _one_sign(path: np.ndarray) -> float:
    move = np.diff(path[:, :2], axis=0)
    return float((move.prod(1) > 0).mean())


def caption(result) -> str:
    done = [_done(loss) for loss in result["loss"]]
    centred, positive = (path[: n + 1] for path, n in zip(result["path"], done, strict=True))
    length = [np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1).sum() for path in (centred, positive)]
    return (
        "**On all-positive inputs both weights rise or both fall in every step, and learning takes "
        f"{done[1]} steps; on centred inputs it takes {done[0]}.**\n\nA linear neuron with two weights and a "
        "bias learns from one example a step, at its best learning rate, until the loss has fallen to a "
        "hundredth. Both runs see the same examples in the same order. Both weights rise or both fall on "
        f"{percent(_one_sign(positive))} of the steps with positive inputs, on {percent(_one_sign(centred))} "
        f"with centred ones. The path with positive inputs is {number(length[1] / length[0], 2)} times as "
        f"long. Cross: the goal; rings: equal loss if the bias is right. Of {result['steps'].shape[1]} sets "
        "of 64 examples this is the one with the most typical numbers of steps."
    )


def alt(result) -> str:
    done = [_done(loss) for loss in result["loss"]]
    return (
        f"Animation: two weights move towards their goal. With centred inputs they arrive in {done[0]} "
        "steps; with the same inputs moved until all are positive they go back and forth along one "
        f"diagonal for {done[1]} steps."
    )
