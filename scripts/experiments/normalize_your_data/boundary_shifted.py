"""What boundary does the same network learn when the data lies around [10, 10]?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from experiments.normalize_your_data._shared.circles import (
    animate_boundary,
    film,
    film_note,
    film_table,
    relu,
    states,
)
from experiments.words import percent

CENTER = 10.0
FPS = 12
table = film_table


def compute(*, networks=61, frames=60, seed=0, device="cpu"):
    """The film of one network 2-2-1; keys as in `films`. The median one is dead: this one is better."""
    size = {"networks": networks, "frames": frames}
    return film(CENTER, "relu", 2, rank=0.75, seed=seed, device=device, **size)


def animate(result) -> Iterator[Figure]:
    return animate_boundary(result, relu)


def caption(result) -> str:
    ends = states(result, -1, relu, 0.0)
    return (
        "**At [10, 10] networks with the same initial weights as above end at a median accuracy of "
        f"{percent(np.median(result['final_accuracy']))}, the one shown at "
        f"{percent(result['accuracy'][-1])}.**\n\n"
        f"Of its two units {ends.count('always_on')} are always on at "
        f"the end, {ends.count('dead')} dead and {ends.count('alive')} alive. {film_note(result)}"
    )


def alt(result) -> str:
    return (
        "Animation: the decision boundary of a ReLU network on data around [10, 10]; the accuracy goes from "
        f"{result['accuracy'][0]:.2f} to {result['accuracy'][-1]:.2f}."
    )
