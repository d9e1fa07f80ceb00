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
        f"**With sigmoid hidden units the median network at [10, 10] ends at {result['accuracy'][-1]:.0%}.** "
        f"Right: the "
        f"square that two sigmoids can reach, and the part of it that the points use. {film_note(result)}"
    )


def alt(result) -> str:
    return (
        "Animation: the decision boundary of a network with sigmoid hidden units on data around [10, 10]; "
        "the "
        f"accuracy goes from {result['accuracy'][0]:.2f} to {result['accuracy'][-1]:.2f}."
    )
