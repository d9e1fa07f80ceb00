"""What boundary does the 2-2-1 ReLU network learn when the data is centred?  Chapter: normalize-your-data."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from experiments.normalize_your_data._shared.circles import (
    animate_boundary,
    film,
    film_note,
    film_table,
    relu,
)
from experiments.words import percent

CENTER = 0.0
FPS = 12
table = film_table


def compute(*, networks=61, frames=60, seed=0, device="cpu"):
    """The film of one network 2-2-1; keys as in `films`."""
    return film(CENTER, "relu", 2, networks=networks, frames=frames, seed=seed, device=device)


def animate(result) -> Iterator[Figure]:
    return animate_boundary(result, relu)


def caption(result) -> str:
    return (
        "**Two ReLU units fold the plane, and one straight line in the folded space then gets "
        f"{percent(result['accuracy'][-1])} of the points right.**\n\n"
        f"The line is the decision boundary, left "
        f"among the inputs, right among the hidden units, where it is always straight. {film_note(result)}"
    )


def alt(result) -> str:
    return (
        "Animation: during training the decision boundary bends around the inner circle, and the accuracy "
        f"rises from {result['accuracy'][0]:.2f} to {result['accuracy'][-1]:.2f}."
    )
