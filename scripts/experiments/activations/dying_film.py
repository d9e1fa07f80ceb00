"""What does it look like when the units of a network die?  Chapter: activations."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from experiments import style
from experiments.activations._shared.digits import BATCH, at_rates, digit_sets, unit_range
from experiments.trials import descend
from experiments.words import percent
from unitgain.diagnostics import activity
from unitgain.models import MLP
from unitgain.plots import unit_states
from unitgain.training import accuracy

WIDTH, SIDE = 100, 10  # units, and units along a side of their picture
RATES = (0.5, 1.4)
EPOCHS = 5


def compute(*, networks=5, frames=60, seed=0, device="cpu"):
    """`share` of the training data that activates each unit (moments, rates, units), of the network shown.

    Also its validation `accuracy` (moments, rates), the `step` of each moment, and the share `dead` at the
    end of every network (rates, networks). Shown is the network with the median of it at the higher rate.
    """
    sets = digit_sets(seed, networks, unit_range, device=device)
    model, rate = at_rates((64, WIDTH, 10), "relu", "he_normal", RATES, networks, seed, device)
    total = EPOCHS * -(-sets.train.x.shape[1] // BATCH)
    moments = np.unique((np.linspace(0, 1, frames) ** 1.5 * total).round().astype(int))  # denser at first
    kept = []

    def keep(step):
        if step in moments:
            kept.append([parameter.detach().clone() for parameter in model.parameters()])

    descend(model, sets.train, rate, seed=seed, epochs=EPOCHS, batch=BATCH, callback=keep)
    dead = activity(model, sets.train.x)[0].dead.float().mean(-1)
    shown = int(dead[1].argsort(stable=True)[networks // 2])
    film = MLP((64, WIDTH, 10), "relu", replicas=(len(moments), len(RATES)), weight="zeros", device=device)
    with torch.no_grad():
        for parameter, *at in zip(film.parameters(), *kept, strict=True):
            parameter.copy_(torch.stack(at)[:, :, shown])
        output = film(sets.validation.x[shown])
    return {
        "step": torch.from_numpy(moments),
        "share": activity(film, sets.train.x[shown])[0].share,
        "accuracy": accuracy(output, sets.validation.y[shown]),
        "dead": dead,
    }


def _dead(result) -> np.ndarray:
    """Fraction of dead units (moments, rates)."""
    return (result["share"] == 0).mean(-1)


class _Units:
    """The units of a layer in a square: filled by their share of the data, ringed by their state."""

    def __init__(self, ax, colours) -> None:
        self.colours = colours
        self.y, self.x = np.divmod(np.arange(WIDTH), SIDE)
        common = {"animated": True, "zorder": 2}
        self.units = ax.scatter(
            self.x, -self.y, s=210 / 4 ** style.narrow(), linewidths=1.8 / 1.5 ** style.narrow(), **common
        )
        self.crosses = ax.scatter(
            [],
            [],
            s=45 / 4 ** style.narrow(),
            marker="x",
            color=colours["dead"],
            linewidths=1.6 / 1.5 ** style.narrow(),
            **common,
        )
        ax.set(xlim=(-0.6, SIDE - 0.4), ylim=(0.6 - SIDE, 0.6), aspect="equal")
        ax.axis("off")

    def update(self, share: np.ndarray) -> None:
        states = unit_states(share)
        rings = [to_rgb(self.colours[state]) for state in states]
        fill = np.where(share == 0, 0, 0.06 + 0.9 * share)
        self.units.set_facecolors([(*ring, alpha) for ring, alpha in zip(rings, fill, strict=True)])
        self.units.set_edgecolors(rings)
        dead = share == 0
        self.crosses.set_offsets(np.column_stack([self.x[dead], -self.y[dead]]))


def animate(result) -> Iterator[Figure]:
    fig, axes = style.figure(7.0, 4.4, ncols=2, stacked=(1, 2), tall=2.8)
    colours, steps, dead = style.palette(), result["step"], _dead(result)
    panels = []
    for ax, rate in zip(axes, RATES, strict=True):
        ax.set_title(f"Learning rate {rate:g}", pad=38)
        text = ax.text(0, 1.015, "", transform=ax.transAxes, va="bottom", animated=True)
        panels.append((_Units(ax, colours), text))
    tick = style.progress(axes[1], len(steps))
    for k, step in enumerate(steps):
        for r, (units, text) in enumerate(panels):
            units.update(result["share"][k, r])
            text.set_text(f"accuracy {percent(result['accuracy'][k, r])}\n{percent(dead[k, r])} dead")
        tick(k, int(step))
        yield fig


def table(result) -> dict:
    dead = _dead(result)
    columns = {"step": result["step"]}
    for r, rate in enumerate(RATES):
        columns |= {f"dead_at_{rate:g}": dead[:, r], f"accuracy_at_{rate:g}": result["accuracy"][:, r]}
    return columns


def caption(result) -> str:
    dead, right = _dead(result)[-1], result["accuracy"][-1]
    low, high = result["dead"][1].min(), result["dead"][1].max()
    always = "; amber: always on" if (result["share"] == 1).any() else ""
    return (
        f"**The same initial weights, the same batches: {percent(dead[0])} of the units end dead at a "
        f"learning rate of {RATES[0]:g}, and {percent(dead[1])} at {RATES[1]:g}.**\n\nThe accuracy ends at "
        f"{percent(right[0])} and {percent(right[1])}. A circle is one of the {WIDTH} hidden ReLUs, filled "
        f"by the fraction of the data that activates it; crossed out: dead, active for none of it{always}. "
        f"Network 64-{WIDTH}-10, digits with pixels from 0 to 1, {EPOCHS} epochs of plain SGD in batches "
        f"of {BATCH}. Of {result['dead'].shape[1]} networks this is the median by dead units at the higher "
        f"rate; there, all end between {percent(low)} and {percent(high)}."
    )


def alt(result) -> str:
    dead = _dead(result)
    return (
        "Animation of two squares of 100 circles, the units of one network trained at two learning rates. "
        f"At {RATES[0]:g} they stay filled, {percent(dead[-1, 0])} dead at the end; at {RATES[1]:g} they "
        f"empty and are crossed out one after the other until {percent(dead[-1, 1])} are dead."
    )
