"""Is one hidden unit on where the others are off, in a small network that has learned the circles?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.normalize_your_data._shared.circles import learn, many_circles
from experiments.trials import mlps, score
from experiments.words import percent
from unitgain.datasets import Examples

UNITS = (2, 3, 8)
OFFSETS = (0.0, 2.0)  # of both inputs
EARLY, STEPS = 50, 300
CASES = ("before training", f"{EARLY} steps", f"{STEPS} steps", f"{STEPS} steps, circles at [2, 2]")
TRAINED = 2  # index of the headline's case
POINTS, FRESH = 50, 200
STARTS = 4  # networks on the same data, of which the one that learns it best is looked at
MOSTLY = 0.75


def compute(*, networks=100, mapped=80, seed=0, device="cpu"):
    """Of networks 2-units-1, the best of STARTS in training each: for how many fresh points are units on?

    `states` of two units, trained (3, networks): shares of the points for which none, one and both are on.
    `right` (networks,): the accuracy of these. For the map, `alone` (UNITS, CASES, mapped): of the points for
    which any unit is on, the share with exactly one; 0 where none is on for any point.
    """
    (last,) = _shares(2, networks, (0.0,), (STEPS,), seed, device)
    none, one, right = last[0]
    rows = []
    for units in UNITS:
        fresh, early, late = _shares(units, mapped, OFFSETS, (0, min(EARLY, STEPS), STEPS), seed, device)
        cases = fresh[0], early[0], late[0], late[1]
        rows.append(torch.stack([_alone(*case[:2]) for case in cases]))
    return {
        "states": torch.stack([none, one, 1 - none - one]),
        "right": right,
        "alone": torch.stack(rows),
    }


def _alone(none: Tensor, one: Tensor) -> Tensor:
    return torch.where(none < 1, one / (1 - none).clamp(min=1e-9), 0.0)


def _shares(units: int, networks: int, offsets, moments, seed: int, device) -> list[Tensor]:
    """After each of `moments`: shares of points with none and with one unit on, and the accuracy.

    Each (offsets, 3, networks).
    """

    def moved(count: int, stream: str) -> Examples:
        x, y = many_circles(seed, networks, count, stream, device=device)
        x = torch.stack([x + offset for offset in offsets])
        return Examples(x.repeat_interleave(STARTS, 1), y.repeat_interleave(STARTS, 0))

    data, fresh = moved(POINTS, "data"), moved(FRESH, "fresh")
    replicas = (len(offsets), networks * STARTS)
    model = mlps((2, units, 1), replicas, seed=seed, device=device, activation="relu")
    found = {}

    def look(step: int) -> None:
        if step in moments:
            on = (model.hidden(fresh.x)[0] > 0).sum(-1)
            shares = [(on == count).float().mean(-1) for count in (0, 1)]
            all_starts = torch.stack([*shares, score(model, fresh)], 1).unflatten(-1, (-1, STARTS))
            best = score(model, data).unflatten(-1, (-1, STARTS)).argmax(-1)[:, None, :, None]
            found[step] = all_starts.take_along_dim(best, -1).squeeze(-1)

    learn(model, data, steps=moments[-1], seed=seed, callback=look)
    return [found[step] for step in moments]


def claims(result) -> Iterator[Claim]:
    none, one, both = result["states"]
    alone = np.where(none < 1, one / np.maximum(1 - none, 1e-9), 0.0)
    means = result["alone"].mean(-1)
    units = "data sets, each with the best of its own four networks in training"
    yield Claim.of_mean(
        alone,
        id="h0-on-h1-off",
        statement="In the small ReLU network that has learned the circles, one hidden unit is for the most "
        "part off where the other is on",
        sources=("galletti-part-1, part I",),
        verdict="depends",
        measure=f"of the fresh points for which any of two units is on, the share with exactly one, centred, "
        f"after {STEPS} steps",
        units=units,
        map=Map.of_means(
            result["alone"],
            axes={"hidden units": UNITS, "when": CASES},
            above=MOSTLY,
            measure="of the fresh points for which any unit is on, the share with exactly one",
            units=units,
        ),
        holds=mean_interval(both)[1] < mean_interval(one)[0] and result["right"].mean() > 0.8,
        finding=f"So it is with the source's two units: both are on for {percent(both.mean())} of the "
        f"points, exactly one for {percent(one.mean())}, none for {percent(none.mean())}. Training does it: "
        f"before, of the points with any unit on {percent(means[0, 0])} have exactly one. And it takes just "
        f"two: with three units the share is {percent(means[1, TRAINED])}, with eight "
        f"{percent(means[-1, TRAINED])}.",
    )
