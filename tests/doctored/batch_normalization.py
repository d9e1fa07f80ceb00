"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.batch_normalization import explosion, noise, position, scale
from experiments.batch_normalization.evaluation import MOMENTS, MOMENTUMS, SERVED
from experiments.batch_normalization.gradient_identity import BATCHES
from experiments.batch_normalization.robustness import RATES, SIGMAS, TRIED
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


SLOW_NET, DEEP_NET = (190, 180, 40, 50), (120, 270, 90, 150)
LOSS = np.stack([falls(*SLOW_NET), falls(*DEEP_NET)])
MOVED = np.array([0.1, 0.2, 0.01, 0.25])[:, None, None] * np.exp(around(0, 2, 4, 2, 6, spread=0.1))

WAY = (1 - np.array(MOMENTUMS)[:, None, None]) ** np.array(MOMENTS)[:, None] * np.ones(8)
HELD = around(0.97, 8)
MIXED = (HELD - 0.5 * np.linspace(1, 0, len(SERVED))[:, None]).clip(0, 1)

SOUND = {
    "gaussian": {
        "skew": np.stack([SKEW, SKEW + 1e-5], 1),
        "kurtosis": np.stack([3 * SKEW, 3 * SKEW], 1),
        "mean": np.zeros((2, 20, 100)),
        "var": np.ones((2, 20, 100)),
        "alive": np.ones((2, 20, 100), bool),
        "normal": np.array(0.05),
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
        "narrow": np.full(12, 1.5),
    },
    "robustness": {
        "sigma_training": sweep(BAD, WELL),
        "sigma_held": sweep(BAD, WELL),
        "rate_held": np.stack([trains(RATES, *ends, 6) for ends in RATE_ENDS]),
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
    },
    "noise": {"loss": LOSS, "shift": MOVED},
    "evaluation": {
        "evaluation": HELD,
        "served": np.stack([MIXED, around(0.1, len(SERVED), 8)]),
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
        "what comes out is normal": put("skew", 0, 0.04),
        "a ReLU's outputs are": put("skew", 1, 0.04),
        "the shape changes": put("skew", (0, 0), 2 * SKEW[0]),
        "the tails change": put("kurtosis", (1, 1, 3), 0.0),
        "the mean stays": put("mean", (0, 2, 5), 0.3),
        "the variance stays": put("var", (1, 4, 6), 1.3),
    },
    ("scale", "bn-scale-invariant"): {
        "the outputs change": put("scaled_output", (1, 0, 2), 1e-3),
        "the gradients do not shrink alike": put("scaled_gradient", (1, 4), 0.1),
        "they point along the weights": put("scaled_cosine", (1, 2, 1), 0.01),
        "the norm does not follow": lambda r: {"norm": 1.1 * r["norm"]},
        "it settles elsewhere": lambda r: {"gradient": 4 * r["gradient"]},
        "the first weights do not matter": lambda r: {"gradient": r["gradient"] ** 0 * KEPT * r["norm"][:-1]},
    },
    ("gradient_identity", "bn-gradient-identity"): {
        "one unit disagrees": put("off", (4, 17), 1e-6),
        "a batch of two keeps its gradient": lambda r: (
            put("mean", (1, 0), 0.1)(r) | put("along", (1, 0), 0.1)(r)
        ),
    },
    ("explosion", "bn-explodes"): {
        "it does not": put("factor", -1, 1.0),
        "it explodes faster": put("factor", -1, 1.55),
        "it varies": put("factor", -1, around(1.467, 12, spread=0.3)),
        "small batches do not follow": put("factor", 2, 1.48),
        "it does so without normalization": lambda r: put("deep", 1, r["deep"][0])(r),
        "He's weights vanish": lambda r: put("deep", 1, 1 / r["deep"][0])(r),
    },
    ("robustness", "bn-robust"): {
        "without it as many σ train": lambda _: {
            "sigma_training": sweep(WELL, WELL),
            "sigma_held": sweep(WELL, WELL),
        },
        "with it as few": lambda _: {"sigma_training": sweep(BAD, BAD), "sigma_held": sweep(BAD, BAD)},
        "it trains the training images alone": put("sigma_held", 1, 0.1),
        "no more learning rates": lambda r: {"rate_held": np.stack([r["rate_held"][0]] * 2)},
    },
    ("position", "bn-before-after"): {
        "after is as good on shifted circles": put("accuracy", (1, 3), around(0.95, 10, spread=0.005)),
        "before is as bad": put("accuracy", (1, 2), around(0.75, 10, spread=0.005)),
        "after is bad on centred circles": put("accuracy", (0, 3), around(0.75, 10, spread=0.005)),
        "after is bad on the spirals": put("accuracy", (2, 3), around(0.75, 10, spread=0.005)),
        "before is bad on the table": put("accuracy", (4, 2), around(0.75, 10, spread=0.005)),
    },
    ("noise", "bn-not-covariate-shift"): {
        "the noise takes the benefit": put("loss", (0, 3), falls(180)[0]),
        "the noise does not shift": put("shift", (0, 3), 0.01),
        "nor in the deep network": put("shift", (1, 3), 0.01),
        "batch normalization steadies nothing": put("shift", (0, noise.NORM), 0.2),
        "the deep network gains too": deep(270, 280, 90, 100),
        "noise is as bad with it as without": deep(120, 150, 90, 150),
    },
    ("evaluation", "bn-eval"): {
        "two images lose nothing": put("served", (0, 0), HELD),
        "many mixed images lose too": put("served", (0, -1), HELD - 0.1),
        "one digit loses nothing": put("served", (1, -1), HELD),
        "the running means are not as predicted": lambda r: {"gap": r["gap"] * 1.3},
        "refitting does not help": lambda r: {"drifted": np.stack([r["drifted"][0]] * 3)},
        "nor is it needed": lambda r: {"drifted": np.stack([r["drifted"][1]] * 3)},
    },
}
