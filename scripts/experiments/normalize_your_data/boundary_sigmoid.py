"""Do sigmoid hidden units escape the trap at [10, 10]?  Chapter: normalize-your-data."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from experiments.normalize_your_data._shared.circles import (
    animate_boundary,
    film,
    film_note,
    film_table,
    sigmoid,
)
from experiments.words import percent

CENTER = 10.0
FPS = 12
table = film_table


def compute(*, networks=61, frames=60, seed=0, device="cpu"):
    """The film of one network 2-2-1; keys as in `films`."""
    return film(CENTER, "sigmoid", 2, networks=networks, frames=frames, seed=seed, device=device)


def animate(result) -> Iterator[Figure]:
    return animate_boundary(result, sigmoid)


def caption(result) -> str:
    return (
        "**With sigmoid hidden units the median network at [10, 10] ends at "
        f"{percent(result['accuracy'][-1])}.**\n\n"
        f"Right: the square that two sigmoids can reach, and the part "
        f"of it that the points use. {film_note(result)}"
    )


def alt(result) -> str:
    return (
        "Animation: the decision boundary of a network with sigmoid hidden units on data around [10, 10]; "
        f"the accuracy goes from {result['accuracy'][0]:.2f} to {result['accuracy'][-1]:.2f}."
    )
