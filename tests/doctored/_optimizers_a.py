"""Results of the chapter's ravines, rates and momenta, made by hand; the rest is in the other part."""

import numpy as np
from experiments.optimizers import damping, edge, momentum_form, momentum_rate

from tests.doctored.normalize_your_data import around, put

PLAIN, AVERAGING, TORCH = range(3)
LOW, MIDDLE, HIGH = (list(damping.RATES).index(rate) for rate in (damping.LOW, 1.5, damping.HIGH))
TRAVEL = np.stack([damping.RATES**4 + 1, 4 + 0 * damping.RATES, 15 + 0 * damping.RATES])
TRAVEL[PLAIN, HIGH] = 50
BELOW, ABOVE = (list(edge.RATES).index(rate) for rate in (edge.BELOW, edge.ABOVE))
FALLING = np.linspace(1, 0, 100)

SOUND = {
    "damping": {
        "travel": TRAVEL[..., None] * around(1, 3, len(damping.RATES), 60, spread=0.1),
        "turns": np.stack([np.where(damping.RATES > 1, 5, 0)] * 3)[..., None] * np.ones(60, int),
    },
    "edge": {
        "distance": np.where(edge.RATES < 1, 1e-3, 1e3)[:, None] * around(1, 3, len(edge.RATES), 100),
    },
    "momentum_rate": {
        "factor": momentum_rate.predicted()[..., None] * around(1, 3, 7, 20, spread=1e-4),
    },
    "momentum_form": {
        "loss": 2.3 * np.stack([FALLING**15, FALLING, FALLING**15])[..., None] * around(1, 6),
        "difference": np.abs(around(0, 6, spread=1e-15)),
        "step": 1 / (1 - np.array(momentum_form.MOMENTA))[:, None] * around(1, 5, 6, spread=1e-9),
    },
}

DOCTORED = {
    ("damping", "oscillates"): {
        "momentum never damps": put("travel", (AVERAGING, HIGH), around(60, 60)),
        "it always damps": put("travel", (AVERAGING, LOW), around(1, 60)),
        "in torch's form too": put("travel", (TORCH, MIDDLE), around(2, 60)),
        "plain descent turns back at low rates": put("turns", (PLAIN, LOW), 5),
        "plain descent never turns back": put("turns", (PLAIN, MIDDLE), 0),
    },
    ("edge", "gd-edge"): {
        "it diverges earlier": put("distance", (slice(None), BELOW), 10.0),
        "it holds out longer": put("distance", (slice(None), ABOVE), 0.1),
        "momentum does not raise the limit": put("distance", (2, BELOW), 10.0),
    },
    ("momentum_rate", "momentum-rate"): {
        "momentum does not help": lambda r: {"factor": r["factor"][[0, 1, 0]]},
        "less at one condition number": put("factor", (2, 5), 0.95),
        "plain descent is faster": put("factor", (0, 3), 0.97),
    },
    ("momentum_form", "momentum-form"): {
        "both are the same": put("step", slice(None), 1.0),
        "not for one β": put("step", 4, 50.0),
        "dividing the rate is not enough": put("difference", 2, 0.01),
        "it does not matter": lambda r: {"loss": r["loss"][[0, 0, 2]]},
    },
}
