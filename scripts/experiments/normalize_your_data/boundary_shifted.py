"""What boundary does the same network learn when the data lies around [10, 10]?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

from matplotlib.figure import Figure

from experiments.evidence import percent
from experiments.normalize_your_data._circles import (
    animate_boundary,
    film,
    film_note,
    film_table,
    hidden,
    relu,
)
from unitgain.plots import unit_states

CENTER = 10.0


def compute(*, networks=61, frames=50, seed=0, device="cpu"):
    """The film of one network 2-2-1; keys as in `film`."""
    return film(
        center=CENTER, activation="relu", width=2, networks=networks, frames=frames, seed=seed, device=device
    )


def animate(result) -> Iterator[Figure]:
    return animate_boundary(result, relu)


def table(result) -> dict:
    return film_table(result)


def caption(result) -> str:
    states = unit_states((hidden(result, result["x"], -1, relu) > 0).mean(0))
    low, high = percent(result["accuracy"][0]), percent(result["accuracy"][-1])
    return (
        f"**At [10, 10] networks with the same first weights as above go from {low} to a median of {high}.** "
        f"Of the two "
        f"units of the one shown, {states.count('dead')} are dead at the end, {states.count('always_on')} "
        f"always "
        f"on and {states.count('alive')} alive. {film_note(result)}"
    )


def alt(result) -> str:
    return (
        "Animation: the decision boundary of a ReLU network on data around [10, 10]; the accuracy goes from "
        f"{result['accuracy'][0]:.2f} to {result['accuracy'][-1]:.2f}."
    )
