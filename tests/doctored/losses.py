"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.losses.chance import GAINS, ROWS

from tests.doctored.normalize_your_data import around, put

Z = np.linspace(0.5, 8, 500)
ABOVE = np.full((len(GAINS), len(ROWS)), 0.0)
ABOVE[0, -1] = -0.37  # one cell that fails
SQUARED, CROSS = np.exp(Z) + 10, 3 * Z + 4  # steps, roughly as the formulas have them

SOUND = {
    "stall": {"z": Z, "steps": np.stack([SQUARED, CROSS])},
    "chance": {
        "loss": np.stack([around(level, 200) for level in (2.3, 2.35, 2.9, 8, 22, 44)]),
        "variance": np.stack([around(level, 200) for level in (0.01, 0.1, 1, 25, 200, 900)]),
        "by_rule": np.stack([around(level, 200) for level in (2.33, 2.6, 3.0)]),
        "above": ABOVE[..., None] + around(0, 100),
    },
}

DOCTORED = {
    ("stall", "ce-vs-mse"): {
        "the squared error does not stall": put("steps", 0, 2 * CROSS),
        "the cross-entropy stalls too": put("steps", (1, -1), 500.0),
        "it stalls everywhere": put("steps", 0, 50 * CROSS),
    },
    ("chance", "chance-loss"): {
        "large weights do no harm": put("loss", -1, around(2.3, 200)),
        "biases do no harm": put("above", (0, -1), around(0, 100)),
    },
}
