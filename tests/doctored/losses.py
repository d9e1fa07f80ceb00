"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.losses.chance import GAINS, ROWS
from experiments.losses.stall import OPTIMIZERS, STARTS

from tests.doctored.normalize_your_data import around, put

Z = np.linspace(0.5, 8, 500)
ABOVE = np.full((len(GAINS), len(ROWS)), 0.0)
ABOVE[0, -1] = -0.37  # one cell that fails
SQUARED, CROSS = np.exp(Z) + 10, 3 * Z + 4  # steps, roughly as the formulas have them
RACE = 10 * np.ones((2, len(STARTS), len(OPTIMIZERS), 1)) * around(1, 50)
RACE[0, -1, 0] *= 300  # one cell where it stalls

SOUND = {
    "stall": {"z": Z, "steps": np.stack([SQUARED, CROSS]), "mapped": RACE},
    "chance": {
        "loss": np.stack([around(level, 200) for level in (2.3, 2.35, 2.9, 8, 22, 44)]),
        "variance": np.stack([around(level, 200) for level in (0.01, 0.1, 1, 25, 200, 900)]),
        "by_rule": np.stack([around(level, 200) for level in (2.33, 2.6, 3.0)]),
        "above": ABOVE[..., None] + around(0, 100),
    },
}

DOCTORED = {
    ("stall", "ce-vs-mse"): {
        "it stalls nowhere": put("mapped", (0, -1, 0), 50.0),
        "the cross-entropy stalls too": put("steps", (1, -1), 500.0),
        "it stalls everywhere": put("mapped", (0, 0, 0), 3000.0),
        "with Adam as well": put("mapped", (0, 1, -1), 3000.0),
    },
    ("chance", "chance-loss"): {
        "large weights do no harm": put("loss", -1, around(2.3, 200)),
        "biases do no harm": put("above", (0, -1), around(0, 100)),
    },
}
