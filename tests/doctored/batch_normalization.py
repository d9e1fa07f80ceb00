"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.batch_normalization import explosion, noise, position, scale
from experiments.batch_normalization.evaluation import MOMENTS, MOMENTUMS, SERVED, SHOWN
from experiments.batch_normalization.gradient_identity import BATCHES
from experiments.batch_normalization.robustness import HIDDEN, RATES, SIGMAS, SPREADS, TRIED, WAYS
from experiments.batch_normalization.scale import DECAY, FACTORS, RATE, STARTS

from tests.doctored.normalize_your_data import around, put

SKEW = np.stack([around(1.0, 20, 100, spread=0.3), around(2.4, 20, 100, spread=0.3)])

# Without decay the norm hardly grows; with it, each step adds what the decay takes away
FIRST = np.array(STARTS)[:, None] ** 2 * np.array([[[100.0]], [[10.0]]]) * around(1, 2, 2, len(STARTS), 4)
KEPT = 1 - (1 - RATE * DECAY) ** 2
GRADIENT = np.broadcast_to(
    np.stack([1e-2 / FIRST[:, 0], FIRST[:, 1] * KEPT / RATE**2], 1), (56, 2, 2, len(STARTS), 4)
)

EXPLODES = np.concatenate(
    [np.full((1, 12), 2.7), explosion.predicted(explosion.BATCHES[1:])[:, None] * around(1, 12, spread=5e-3)]
)
GROWN = np.array([explosion.LIMIT, 1.0, 1.1])[:, None, None] ** np.arange(1, explosion.STEPS + 1)[:, None]


def trains(values, low, high, *shape):
    """Accuracies 0.95 for the values from `low` to `high`, 0.1 elsewhere: (values, *shape)."""
    inside = (np.array(values) > low) & (np.array(values) < high)
    right = np.where(inside, 0.94, 0.1).reshape(-1, *[1] * len(shape))
    return (right + around(0, len(values), *shape)).clip(0, 1)


def sweep(*ends):
    return np.stack([trains(SIGMAS, *end, len(TRIED), 6) for end in ends])


BAD, WELL = (0.05, 0.5), (5e-4, 2.0)
RATE_ENDS = (0.02, 0.5), (0.02, 5.0)


def falls(*steps):
    """Losses that reach the goal about so many steps after the first, at the second rate: (arms, …)."""
    ends = [step * np.exp(around(0, 6, spread=0.1)) for step in steps]
    time = np.arange(noise.STEPS)
    loss = np.stack([2.3 * (0.5 / 2.3) ** ((time - noise.SMOOTH / 2) / end[:, None]) for end in ends])
    return np.stack([np.full_like(loss, 2.3), loss.clip(max=2.3)], 1)


SLOW_NET, DEEP_NET = (190, 180, 40, 50, 90, 400), (120, 230, 90, 150, 220, 400)
LOSS = np.stack([falls(*SLOW_NET), falls(*DEEP_NET)])
MOVED = np.array([0.1, 0.2, 0.01, 0.25, 1, 2])[:, None, None] * np.exp(around(0, 2, 6, 2, 6, spread=0.1))

WAY = (1 - np.array(MOMENTUMS)[:, None, None]) ** np.array(MOMENTS)[:, None] * np.ones(8)
HELD = around(0.97, 8)
FORGOTTEN = np.ones((len(SERVED), len(SHOWN), 1))  # what it costs
FORGOTTEN[:, -1] = np.linspace(1, 0, len(SERVED))[:, None]
SERVING = HELD - 0.5 * FORGOTTEN + around(0, len(SERVED), len(SHOWN), 8)

TOO_LATE = np.array([0.0, 0.0, 0.1, 0.3, 0.4])[:, None, None] * np.array([1.0, 0.5, 1.0])[:, None]
NARROWER = np.array([1.7, 1.3, 1.1, 1.03, 1.0])[:, None, None] + around(0, 5, 3, 12)
MAPPED = len(HIDDEN), len(WAYS), len(SPREADS), 2, 5  # of an arm


def spread_over(*decades):
    """Accuracies of both arms that train over so many decades of σ, whatever the rest: (…)."""
    arms = [(np.arange(len(SPREADS)) <= decade)[:, None, None] * 0.9 * np.ones(MAPPED) for decade in decades]
    return np.stack(arms, 2) + around(0, *MAPPED[:2], 2, *MAPPED[2:]).clip(0, 1)


SENSITIVE = spread_over(1, 3)
SENSITIVE[0] = spread_over(4, 3)[0]  # not with one hidden layer

SOUND = {
    "gaussian": {
        "skew": np.stack([SKEW, SKEW + 1e-5], 1),
        "kurtosis": np.stack([3 * SKEW, 3 * SKEW], 1),
        "mean": np.zeros((2, 20, 100)),
        "var": np.ones((2, 20, 100)),
        "alive": np.ones((2, 20, 100), bool),
        "normal": np.array(0.05),
        "shapes": np.stack([around(1.3, 4, 3, 6)] * 2),
    },
    "scale": {
        **{
            f"scaled_{key}": np.array([0.9, 1e-15])[:, None, None] * np.ones((len(FACTORS), 4))
            for key in ("output", "gradient", "cosine")
        },
        "norm": scale.predicted(FIRST[None], GRADIENT),
        "gradient": GRADIENT,
    },
    "gradient_identity": {
        "off": np.abs(around(0, len(BATCHES) - 1, 300, spread=1e-14)),
        **{key: np.ones((2, 1, 3, 8)) / np.array(BATCHES)[:, None, None] for key in ("mean", "along")},
    },
    "explosion": {
        "deep": GROWN * np.ones(12),
        "factor": EXPLODES,
        "narrower": NARROWER,
    },
    "robustness": {
        "sigma_training": sweep(BAD, WELL),
        "sigma_held": sweep(BAD, WELL),
        "rate_held": np.stack([trains(RATES, *ends, 6) for ends in RATE_ENDS]),
        "mapped_training": SENSITIVE,
        "mapped_held": SENSITIVE,
    },
    "position": {
        "accuracy": np.where(
            (np.arange(len(position.TASKS)) == 1)[:, None, None]
            & (np.arange(len(position.ARMS)) % 3 == 0)[:, None],
            0.75,
            0.95,
        )
        + around(0, len(position.TASKS), len(position.ARMS), 10, spread=0.005),
        "extreme": np.full((len(position.TASKS), len(position.ARMS), 10), 0.1),
        "lost": TOO_LATE + around(0, 5, 3, 16),
    },
    "noise": {"loss": LOSS, "shift": MOVED},
    "evaluation": {
        "evaluation": HELD,
        "served": SERVING,
        "gap": WAY * np.exp(around(0, *WAY.shape)),
        "expected": WAY,
        "drifted": np.stack(
            [
                HELD - np.linspace(0, 0.3, 6)[:, None] * around(1, 6, 8, spread=0.3),
                HELD + around(0, 6, 8, spread=1e-3),
                HELD - np.linspace(0, 0.3, 6)[:, None],
            ]
        ),
    },
}


def deep(*steps):
    """A doctor: the deep network's arms reach the goal after so many steps."""
    return put("loss", 1, falls(*steps))


DOCTORED = {
    ("gaussian", "bn-gaussian"): {
        "one cell of the map: it takes the skew away": put("shapes", (1, 2, 1), 0.1),
        "what comes out is normal": put("skew", 0, 0.04),
        "the shape changes": put("skew", (0, 0), 2 * SKEW[0]),
        "the tails change": put("kurtosis", (1, 1, 3), 0.0),
        "the mean stays": put("mean", (0, 2, 5), 0.3),
        "the variance stays": put("var", (1, 4, 6), 1.3),
    },
    ("scale", "bn-scale-invariant"): {
        "the outputs change": put("scaled_output", (1, 0, 2), 1e-3),
        "the gradients do not shrink alike": put("scaled_gradient", (1, 4, 1), 1e-9),
        "they point along the weights": put("scaled_cosine", (1, 2, 1), 0.01),
        "the norm does not follow": lambda r: {"norm": 1.1 * r["norm"]},
        "it settles elsewhere": lambda r: {"gradient": 4 * r["gradient"]},
        "the first weights do not matter": lambda r: {"gradient": r["gradient"] ** 0 * KEPT * r["norm"][:-1]},
    },
    ("gradient_identity", "bn-gradient-identity"): {
        "one unit disagrees": put("off", (4, 17), 1e-9),
        "a batch of two keeps its gradient": lambda r: (
            put("mean", (1, 0), 0.1)(r) | put("along", (1, 0), 0.1)(r)
        ),
    },
    ("explosion", "bn-explodes"): {
        "cells of the map: in small batches it is the limit too": put("narrower", slice(3), 1.0),
        "one cell of the map: a gradient vanishes": put("narrower", (0, 2), 0.5),
        "small batches do not follow": put("factor", 2, 1.48),
        "it does so without normalization": lambda r: put("deep", 1, r["deep"][0])(r),
        "He's weights vanish": lambda r: put("deep", 1, 1 / r["deep"][0])(r),
    },
    ("robustness", "bn-robust"): {
        "one row of the map: a single layer gains too": lambda r: {
            key: np.concatenate([r[key][1:2], r[key][1:]]) for key in ("mapped_held", "mapped_training")
        },
        "no layer gains": lambda r: {
            key: np.concatenate([r[key][:1]] * len(HIDDEN)) for key in ("mapped_held", "mapped_training")
        },
        "it trains the training images alone": put("mapped_held", (slice(None), slice(None), 1), 0.1),
        "no more learning rates": lambda r: {"rate_held": np.stack([r["rate_held"][0]] * 2)},
    },
    ("position", "bn-before-after"): {
        "cells of the map: after is as good far off": put("lost", slice(2, None), around(0, 3, 3, 16)),
        "cells of the map: after is bad on centred circles too": put(
            "lost", slice(0, 2), around(0.3, 2, 3, 16)
        ),
    },
    ("noise", "bn-not-covariate-shift"): {
        "the map: no network gains": lambda r: {"loss": np.stack([falls(60, 250, 90, 150, 220, 400)] * 2)},
        "the noise does not shift": put("shift", (0, 3), 0.01),
        "nor in the deep network": put("shift", (1, 3), 0.01),
        "batch normalization steadies nothing": put("shift", (0, noise.NORM), 0.2),
        "no noise is too much": lambda r: {"loss": np.stack([falls(230, 235, 20, 30, 40, 50)] * 2)},
        "noise is as bad with it as without": deep(120, 150, 90, 150, 220, 400),
    },
    ("evaluation", "bn-eval"): {
        "the map: many mixed images lose too": put("served", (slice(None), -1), HELD - 0.3),
        "the running means are not as predicted": lambda r: {"gap": r["gap"] * 1.3},
        "refitting does not help": lambda r: {"drifted": np.stack([r["drifted"][0]] * 3)},
        "nor is it needed": lambda r: {"drifted": np.stack([r["drifted"][1]] * 3)},
    },
}
