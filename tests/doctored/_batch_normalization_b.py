"""Results of the chapter on batch normalization, its part on what it is good for, made by hand."""

import numpy as np
from experiments.batch_normalization.evaluation import MOMENTUMS, SERVED
from experiments.batch_normalization.noise import NORM, SMOOTH, STEPS
from experiments.batch_normalization.position import ARMS, TASKS
from experiments.batch_normalization.robustness import RATES, SIGMAS, TRIED

from tests.doctored.normalize_your_data import around, put


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
    time = np.arange(STEPS)
    loss = np.stack([2.3 * (0.5 / 2.3) ** ((time - SMOOTH / 2) / end[:, None]) for end in ends])
    return np.stack([np.full_like(loss, 2.3), loss.clip(max=2.3)], 1)


SLOW_NET, DEEP_NET = (190, 180, 40, 50), (120, 270, 90, 150)
LOSS = np.stack([falls(*SLOW_NET), falls(*DEEP_NET)])
MOVED = np.array([0.1, 0.2, 0.01, 0.25])[:, None, None] * np.exp(around(0, 2, 4, 2, 6, spread=0.1))

KEPT = np.array(MOMENTUMS)[:, None, None]
WAY = (1 - KEPT) ** np.array([1, 2, 4, 8, 16, 32, 64, 128, 256])[:, None] * np.ones(8)
HELD = around(0.97, 8)
MIXED = (HELD - 0.5 * np.linspace(1, 0, len(SERVED))[:, None]).clip(0, 1)

SOUND = {
    "robustness": {
        "sigma_training": sweep(BAD, WELL),
        "sigma_held": sweep(BAD, WELL),
        "rate_held": np.stack([trains(RATES, *ends, 6) for ends in RATE_ENDS]),
    },
    "position": {
        "accuracy": np.where(
            (np.arange(len(TASKS)) == 1)[:, None, None] & (np.arange(len(ARMS)) % 3 == 0)[:, None], 0.75, 0.95
        )
        + around(0, len(TASKS), len(ARMS), 10, spread=0.005),
        "extreme": np.full((len(TASKS), len(ARMS), 10), 0.1),
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
        "batch normalization steadies nothing": put("shift", (0, NORM), 0.2),
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
