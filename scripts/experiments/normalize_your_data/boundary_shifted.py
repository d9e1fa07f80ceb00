"""What boundary does the same network learn when the data lies around [10, 10]?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

from matplotlib.figure import Figure

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
    return (
        f"**At [10, 10] the same network, with the same first weights, ends at {result['accuracy'][-1]:.0%}: "
        f"it has found nothing that a straight line could not.** Of its two units {states.count('dead')} are "
        f"dead at the end, {states.count('always_on')} always on and {states.count('alive')} alive. "
        f"{film_note(result)}"
    )


def alt(result) -> str:
    return (
        "Animation: on data around [10, 10] the decision boundary never bends around the inner circle; "
        f"the accuracy ends at {result['accuracy'][-1]:.2f}."
    )
