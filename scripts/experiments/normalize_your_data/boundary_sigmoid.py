"""Do sigmoid hidden units escape the trap at [10, 10]?  Chapter: normalize-your-data."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from experiments.normalize_your_data._circles import animate_boundary, film, film_note, film_table, sigmoid

CENTER = 10.0


def compute(*, networks=61, frames=50, seed=0, device="cpu"):
    """The film of one network 2-2-1; keys as in `film`."""
    return film(
        center=CENTER,
        activation="sigmoid",
        width=2,
        networks=networks,
        frames=frames,
        seed=seed,
        device=device,
    )


def animate(result) -> Iterator[Figure]:
    return animate_boundary(result, sigmoid)


def table(result) -> dict:
    return film_table(result)


def caption(result) -> str:
    return (
        "**Sigmoid hidden units fare little better at [10, 10]: the median network ends at "
        f"{result['accuracy'][-1]:.0%}.** The points huddle in a corner of the hidden space, where both "
        f"sigmoids are nearly flat. {film_note(result)}"
    )


def alt(result) -> str:
    return (
        "Animation: with sigmoid hidden units on data around [10, 10] the boundary stays almost straight; "
        f"the accuracy ends at {result['accuracy'][-1]:.2f}."
    )
