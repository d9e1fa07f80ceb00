"""Which units light up for which points when the data lies around [10, 10]?  Chapter: normalize-your-data."""

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

CENTER, THRESHOLD, WIDTH = 10.0, 0.0, 4
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
        f"**At [10, 10], {before.count('always_on')} of {WIDTH} hidden units are on for every point at "
        f"initialization and {before.count('dead')} for none; {after.count('alive')} switch between points "
        f"after training.**\n\n{film_note(result)}"
    )


def alt(result) -> str:
    before, after = states(result, 0, relu, THRESHOLD), states(result, -1, relu, THRESHOLD)
    return (
        f"Animation: as the highlighted point walks around the circles at [10, 10], {before.count('alive')} "
        f"of {WIDTH} hidden units switch on and off at initialization, {after.count('alive')} after training."
    )
