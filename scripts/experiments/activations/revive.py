"""Do leaky ReLUs come back from where ReLUs stay dead?  Chapter: activations."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from experiments.activations._shared.digits import BATCH, at_rates, digit_sets, unit_range
from experiments.evidence import Claim, Map
from experiments.trials import descend, score
from experiments.words import percent
from unitgain.diagnostics import activity

WIDTH, EPOCHS = 50, 3
TEST, TRAINING = 0.1, 0.7
RATES = (0.1, 0.4, 0.8, 1.6)  # after the units have died
BEST = 0.4  # about the best rate of a network whose units live
LOW = 3.0  # biases lower by so much switch every unit off
SHOCK, SHOCKED = 4.0, 20  # a learning rate that kills, and for how many steps
HAND, SHOCKS = f"biases at −{LOW:g}", f"{SHOCKED} steps at rate {SHOCK:g}"
LEAKY = {f"slope {s:g}": partial(leaky_relu, negative_slope=s) for s in (0.01, 0.1, 0.25)}
VARIANTS = {**LEAKY, "PReLU": "prelu"}
ROWS = [(variant, HAND) for variant in VARIANTS] + [
    (variant, SHOCKS) for variant in ("slope 0.01", "slope 0.25")
]


def compute(*, networks=12, seed=0, device="cpu"):
    """Test accuracies: of `healthy` ReLU networks at the rate best on validation data (networks,); of `relu`
    networks after their units died by HAND and by SHOCKS at RATES (2, rates, networks); of `variants` that
    went through the same (ROWS, rates, networks). And the share of the ReLUs that died, `dead` (2, networks).
    """
    sets = digit_sets(seed, networks, unit_range, test=TEST, device=device)

    def trained(function, cause: str = "") -> tuple[Tensor, ...]:
        model, rate = at_rates((64, WIDTH, 10), function, "he_normal", RATES, networks, seed, device)
        with torch.no_grad():
            model.layers[0].bias -= LOW * (cause == HAND)
        if cause == SHOCKS:
            descend(model, sets.train, SHOCK, seed=seed, steps=SHOCKED, batch=BATCH)
        off = activity(model, sets.train.x)[0].dead.float().mean(-1)[0]
        descend(model, sets.train, rate, seed=seed, epochs=EPOCHS, batch=BATCH)
        return off, score(model, sets.validation), score(model, sets.test)

    _, choice, healthy = trained("relu")
    lost = [trained("relu", cause) for cause in (HAND, SHOCKS)]
    variants = [trained(VARIANTS[name], cause)[-1] for name, cause in ROWS]
    return {
        "healthy": healthy[choice.mean(-1).argmax()],
        "dead": torch.stack([off for off, _, _ in lost]),
        "relu": torch.stack([right for _, _, right in lost]),
        "variants": torch.stack(variants),
    }


def _above_half(result) -> np.ndarray:
    """Accuracies minus those halfway from the dead to the healthy: (ROWS, rates, networks)."""
    lost = np.stack([result["relu"][(HAND, SHOCKS).index(cause)] for _, cause in ROWS])
    return result["variants"] - (lost + result["healthy"]) / 2


def claims(result) -> Iterator[Claim]:
    above, best = _above_half(result), RATES.index(BEST)
    splits = {"test": TEST, "training": TRAINING}
    units = "networks, each with its own weights and random split of the same digits"
    where = Map.of_resampled(
        above.swapaxes(0, 1),
        axes={
            "learning rate afterwards": RATES,
            "variant and cause of death": [", ".join(row) for row in ROWS],
        },
        above=0,
        measure="accuracy, minus the one halfway between dead ReLUs, after the same cause, and ReLUs alive "
        "at their best rate",
        units=units,
        **splits,
    )
    by = dict(zip(ROWS, result["variants"].mean(-1), strict=True))
    dead, (hand, steps) = result["dead"].mean(-1), result["relu"].mean(-1)
    small = by["slope 0.01", HAND]
    yield Claim.of_resampled(
        above[0, best],
        id="leaky-cures-dying",
        statement="Leaky ReLU and PReLU address the dying-ReLU problem by a small slope where the unit is "
        "off",
        sources=("inputs-post, activation functions", "cs231n-1, activation functions"),
        verdict="depends",
        measure=f"accuracy on test digits of leaky ReLUs, slope 0.01, that start with {HAND} and learn at "
        f"rate {BEST:g}, minus the one halfway between ReLUs that start so and ReLUs that start with biases "
        "at 0",
        units=units,
        map=where,
        holds=dead[0] > 0.98
        and dead[1] > 0.5
        and hand.max() < 0.2
        and not (where.cells[:, ROWS.index(("slope 0.01", HAND))] == "holds").any()
        and (where.cells[-1, [ROWS.index((name, HAND)) for name in ("slope 0.25", "PReLU")]] == "fails").all()
        and small.max()
        < 0.25
        < 0.6
        < min(by[name, HAND].max() for name in ("slope 0.1", "slope 0.25", "PReLU"))
        and by["slope 0.01", SHOCKS].max() < steps.max() + 0.2
        and by["slope 0.25", SHOCKS].max() < result["healthy"].mean() - 0.05,
        finding=f"A slope of 0.01, the usual one, brings next to nothing back: a hundredth of the gradient "
        f"passes through the unit, and in {EPOCHS} epochs the accuracy gets from "
        f"{percent(hand.max())} with dead ReLUs to {percent(small.max())} at the best rate; with living ones "
        f"it is {percent(result['healthy'].mean())}. With slopes of 0.1 and 0.25 it gets to "
        f"{percent(by['slope 0.1', HAND].max())} and {percent(by['slope 0.25', HAND].max())}, with PReLU to "
        f"{percent(by['PReLU', HAND].max())}, where the rate is neither too low nor too high. A rate that "
        f"kills ReLUs harms leaky networks as well: after {SHOCKS}, which kill {percent(dead[1])} of the "
        f"ReLUs, and then the best rate, a slope of 0.01 has {percent(by['slope 0.01', SHOCKS].max())}, a "
        f"slope of 0.25 {percent(by['slope 0.25', SHOCKS].max())}, ReLU {percent(steps.max())}.",
        **splits,
    )
