"""Do sigmoid units light up differently at [10, 10]?  Chapter: normalize-your-data."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from experiments.normalize_your_data._shared.circles import (
    animate_network,
    film,
    film_note,
    film_table,
    sigmoid,
    states,
)

CENTER, THRESHOLD, WIDTH = 10.0, 0.5, 4
FPS = 8
table = film_table


def compute(*, networks=61, seed=0, device="cpu"):
    """The first and the last moment of one network 2-4-1; keys as in `films`."""
    return film(CENTER, "sigmoid", WIDTH, networks=networks, frames=2, seed=seed, device=device)


def animate(result) -> Iterator[Figure]:
    return animate_network(result, sigmoid, THRESHOLD)


def caption(result) -> str:
    before, after = states(result, 0, sigmoid, THRESHOLD), states(result, -1, sigmoid, THRESHOLD)
    return (
        f"**Of {WIDTH} sigmoid units at [10, 10], {WIDTH - before.count('alive')} see all or nothing at "
        f"initialization and {WIDTH - after.count('alive')} after training.**\n\nA sigmoid "
        f"counts as on where it exceeds one half. {film_note(result)}"
    )


def alt(result) -> str:
    before, after = states(result, 0, sigmoid, THRESHOLD), states(result, -1, sigmoid, THRESHOLD)
    return (
        f"Animation: as the highlighted point walks around the circles at [10, 10], {before.count('alive')} "
        f"of {WIDTH} sigmoid units cross one half at initialization, {after.count('alive')} after training."
    )
