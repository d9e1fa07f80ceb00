"""Results of the experiments on training, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.activations.dying import ARMS, RATES, TOO_HIGH
from experiments.activations.speed import FUNCTIONS, HIDDEN, TARGETS
from experiments.activations.speed import RATES as SPEEDS

from tests.doctored.normalize_your_data import at, put

rng = np.random.default_rng(0)


def shares(*middles, n=8, spread=0.02):
    """Shares around the middles: (*middles, n)."""
    return (np.asarray(middles)[..., None] + spread * rng.uniform(-1, 1, (*np.shape(middles), n))).clip(0, 1)


def steps(tanh, relu=100, n=12):
    """Steps of ReLU, tanh and a sigmoid that takes as long as tanh, everywhere the same but for some luck."""
    middle = np.array([relu, tanh, tanh])[None, :, None, None, None]
    shape = len(HIDDEN), len(FUNCTIONS), len(SPEEDS), len(TARGETS), n
    return np.broadcast_to(middle, shape) + rng.integers(-5, 6, shape)


DYING = (0.01, 0.02, 0.05, 0.1, 0.75, 0.95, 0.98)
ALIVE = tuple([0.01] * len(RATES))
RIGHT = (0.94, 0.95, 0.97, 0.96, 0.7, 0.1, 0.1)  # the best rate is the third
EVEN = shares(*[ALIVE] * (len(ARMS) - 1))

SOUND = {
    "speed": {"steps": steps(60), "total": np.array(180)},
    "dying": {
        "silent": np.concatenate([shares(DYING), EVEN]),
        "unreached": np.concatenate([shares(DYING), EVEN]),
        "accuracy": shares(*[RIGHT] * len(ARMS)),
        "diverged": np.zeros((len(ARMS), len(RATES), 8), bool),
        "born": shares(*[0.01] * len(ARMS)),
        "parameters": np.full(len(ARMS), 7510),
    },
}


# (experiment, claim): what is wrong, and what of the sound result to replace
DOCTORED = {
    ("speed", "relu-six-times"): {
        "six times it is": lambda r: {"steps": steps(120, 20)},
        "at one accuracy only": lambda r: {"steps": at(r["steps"], (1, 1, slice(None), 0), 600)},
        "nobody knows": lambda r: {"steps": at(r["steps"], (1, 1, slice(None), -1, 1), 0)},
        "too uncertain": lambda r: {"steps": at(r["steps"], (0, 1, ..., slice(1, 4)), 4000)},
    },
    ("dying", "dead-forty"): {
        "a third": put("silent", (0, TOO_HIGH), 0.33),
        "too uncertain": lambda r: {"silent": at(r["silent"], (0, TOO_HIGH, slice(0, 4)), 0.2)},
        "they die at a good rate": put("silent", (0, 2), 0.5),
        "the best rate is the one that kills": put("accuracy", (0, TOO_HIGH), 0.99),
    },
}
