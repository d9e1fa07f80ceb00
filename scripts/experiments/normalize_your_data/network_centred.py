"""Which units light up for which points when the data is centred?  Chapter: normalize-your-data."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from experiments.normalize_your_data._shared.circles import (
    animate_network,
    film,
    film_note,
    film_table,
    relu,
    states,
)

CENTER, THRESHOLD, WIDTH = 0.0, 0.0, 4
FPS = 8
table = film_table


def compute(*, networks=61, seed=0, device="cpu"):
    """The first and the last moment of one network 2-4-1; keys as in `films`."""
    return film(CENTER, "relu", WIDTH, networks=networks, frames=2, seed=seed, device=device)


def animate(result) -> Iterator[Figure]:
    return animate_network(result, relu, THRESHOLD)


def caption(result) -> str:
    before, after = states(result, 0, relu, THRESHOLD), states(result, -1, relu, THRESHOLD)
    return (
        f"**Centred data keeps the hidden units busy: {before.count('alive')} of {WIDTH} answer to some "
        f"points and not to others at initialization, {after.count('alive')} of {WIDTH} after training.**\n\n"
        "Networks 2-4-1. Fill: how strongly a unit answers to the ringed point; green ring: alive; thick "
        "gold: on for all points; dotted grey: dead; the fuller the output, the surer of class 1. Edges: "
        f"solid for positive weights, dashed for negative ones. {film_note(result)}"
    )


def alt(result) -> str:
    return (
        "Animation: as the highlighted point walks around the centred circles, the hidden units switch on "
        f"and off in turn, {states(result, -1, relu, THRESHOLD).count('alive')} of {WIDTH} of them after "
        "training."
    )
