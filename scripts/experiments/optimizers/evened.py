"""Does a scale for each weight even out a ravine that lies askew to the weights?  Chapter: optimizers."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from experiments.evidence import Claim, Map
from experiments.intervals import ratio
from experiments.optimizers._shared.quadratics import walk
from experiments.trials import generator
from experiments.words import number, percent
from unitgain.optimizers import SGD, RMSprop

CONDITIONS = (10.0, 30.0, 100.0, 220.0, 1000.0, 10_000.0)
ANGLES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # degrees between the ravine and a weight
AT, SMALL = CONDITIONS.index(100.0), 0.01  # where the headline is; the rate while the scale is read
FIRST = 10  # steps after which it is read
RACED, ENDS = (10.0, 300.0), (0.0, 45.0)  # condition numbers and angles of the race
DECAY = 0.9  # of the running mean
DONE = 1e-2  # of the first loss
STEPS = 600  # at most
RATES = {  # of the race: those of descent by the largest curvature, those of RMSprop by the first distance
    "descent": np.linspace(0.8, 1.99, 35),
    "RMSprop": np.geomspace(0.001, 0.3, 21),
}


def compute(*, pairs=6_000, networks=150, seed=0, device="cpu"):
    """`left` (CONDITIONS, 1 + ANGLES, pairs): how many times as fast the steep direction shrinks as the flat.

    In RMSprop's scale, as the first steps from a random start set it; along the weights, and at each angle.
    `race` (RACED, ENDS, RATES, networks): steps to a hundredth of the loss, each at the best of its rates,
    chosen on other starts; `chosen`: its place among them, 0 to 1, (RACED, ENDS, RATES).
    """
    draw = generator(seed)
    left = []
    for condition in CONDITIONS:
        for angle in (0.0, *ANGLES):
            start = torch.randn(pairs, 2, generator=draw, dtype=torch.float64).to(device)
            left.append(_left(start, condition, angle))
    race, chosen = [], []
    for condition in RACED:
        start = torch.randn(2 * networks, 2, generator=draw, dtype=torch.float64).to(device)
        start[:, 0] *= condition**0.5  # both directions hold as much of the loss
        for angle in ENDS:
            for name in RATES:
                steps, place = _raced(start, condition, angle, name)
                race.append(steps)
                chosen.append(place)
    return {
        "left": torch.stack(left).unflatten(0, (len(CONDITIONS), -1)),
        "race": torch.stack(race).view(len(RACED), len(ENDS), len(RATES), -1),
        "chosen": torch.stack(chosen).view(len(RACED), len(ENDS), len(RATES)),
    }


def _ravine(start: Tensor, condition: float, angle: float) -> tuple[Tensor, Tensor, Tensor]:
    """Its flat and its steep direction as rows, its Hessian, and the start, turned with it."""
    a = torch.tensor(angle, dtype=start.dtype, device=start.device).deg2rad()
    turn = torch.stack([a.cos(), a.sin(), -a.sin(), a.cos()]).view(2, 2)
    curvature = start.new_tensor([1 / condition, 1.0])
    return turn, turn.T * curvature @ turn, start @ turn


def _left(start: Tensor, condition: float, angle: float) -> Tensor:
    turn, hessian, first = _ravine(start, condition, angle)
    made = []

    def rule(w):
        made.append(RMSprop(w, lr=SMALL, alpha=DECAY))
        return made[-1]

    for _ in walk(rule, lambda w: w @ hessian, first, FIRST):
        pass
    (state,) = made[0].state.values()
    flat, steep = (turn**2 / state["square_avg"].sqrt()[:, None]).sum(-1).T  # steps by gradient
    return condition * steep / flat


def _raced(start: Tensor, condition: float, angle: float, name: str) -> tuple[Tensor, Tensor]:
    _, hessian, first = _ravine(start, condition, angle)
    rates = start.new_tensor(RATES[name])[:, None, None]

    def rule(w):
        return SGD(w, rates) if name == "descent" else RMSprop(w, rates * condition**0.5, alpha=DECAY)

    path = walk(rule, lambda w: w @ hessian, first.expand(len(rates), -1, -1), STEPS)
    loss = torch.stack([((w @ hessian) * w).sum(-1) for w in path])
    above = (loss > DONE * loss[0]) | ~loss.isfinite()
    last = torch.arange(1, len(above) + 1, device=start.device)[:, None, None]
    steps = (above * last).amax(0)  # and below from then on
    half = len(start) // 2
    best = steps[:, :half].double().log().mean(-1).argmin()
    return steps[best, half:], best / (len(rates) - 1)


def _powers(result) -> np.ndarray:
    """Share of the condition number's powers of ten that are left: (CONDITIONS, 1 + ANGLES, pairs)."""
    return np.log(result["left"]) / np.log(CONDITIONS)[:, None, None]


def claims(result) -> Iterator[Claim]:
    powers, along = _powers(result), [ratio(row[0], 1) for row in result["left"]]
    (gentle, _), (straight, askew) = (
        [ratio(rmsprop, descent) for descent, rmsprop in row] for row in result["race"]
    )
    units = "starts, normal in both directions"
    yield Claim.of_ratio(
        result["left"][AT, 0],
        np.ones_like(result["left"][AT, 0]),
        id="rmsprop-evens",
        statement="Where learning should be fast, RMSprop divides by a small number, and where it should be "
        "slow, by a large one",
        sources=("tuning-lesson, optimizers",),
        verdict="depends",
        measure="how many times as fast the steep direction shrinks as the flat one, in a ravine along the "
        f"weights with the condition number {CONDITIONS[AT]:g}, by the scale that RMSprop has after {FIRST} "
        "steps, geometric mean; plain descent has the condition number itself",
        units=units,
        map=Map.of_means(
            powers[:, 1:],
            axes={"condition number": CONDITIONS, "degrees from the weights": ANGLES},
            below=0.5,
            measure="share of the condition number's powers of ten that is left",
            units=units,
        ),
        holds=all(low > 0.5 and high < 2 for _, (low, high) in along)
        and straight[1][1] < 1 < askew[1][0]
        and gentle[1][0] > 3
        and result["chosen"].min() > 0
        and result["chosen"].max() < 1,
        finding="So it does in a ravine along the weights: both directions shrink about equally fast, at any "
        f"condition number from {CONDITIONS[0]:g} to {CONDITIONS[-1]:,.0f}. In one that is turned, each "
        "weight gets the large gradients of the steep direction, and they hide the small ones. The steeper "
        f"it is, the less it may turn: at {ANGLES[-2]:g} degrees {percent(powers[0, -2].mean())} of the "
        f"powers of ten of {CONDITIONS[0]:g} are left, and {percent(powers[-1, -2].mean())} of those of "
        f"{CONDITIONS[-1]:,.0f}. And even is not yet fast: to {DONE:g} of the loss RMSprop takes "
        f"{number(straight[0], 2)} times the steps of descent at a condition number of {RACED[1]:g}, "
        f"{number(askew[0], 2)} times at {ENDS[1]:g} degrees, and {number(gentle[0], 2)} times at "
        f"{RACED[0]:g} along the weights: at a constant rate it hops about the floor.",
    )
