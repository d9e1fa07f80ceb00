"""Results of the chapter's offsets, ranges and divisors, made by hand; the rest is in the other part."""

import numpy as np
from experiments.preprocessing import offset, ranges
from experiments.preprocessing.offset import OFFSETS
from experiments.preprocessing.ranges import FEATURES

from tests.doctored.normalize_your_data import around, put


def scattered(middle, n, spread=0.01):
    """n positive numbers around each of `middle`."""
    return np.asarray(middle)[..., None] * around(1, *np.shape(middle), n, spread=spread)


KAPPA = np.stack([offset.predicted(OFFSETS, bias) for bias in (False, True)])
AXES = np.geomspace(10, 0.01, 16)
BEFORE = scattered(AXES, 20).T

SOUND = {
    "offset": {
        "kappa": np.maximum(scattered(KAPPA, 40), 1),
        "steps": np.maximum(scattered(offset.predicted_steps(KAPPA), 40), 1),
        "points": np.array(1000),
    },
    "ranges": {
        "kappa": np.maximum(scattered(ranges.predicted(FEATURES), 8), 1),
        "rows": np.array(15_000),
    },
    "whiten_sqrt": {
        "before": BEFORE,
        "eigenvalue": 1 / BEFORE,
        "root": np.ones_like(BEFORE),
        "off": np.full(20, 1e-13),
    },
}
LAST = len(OFFSETS) - 1
TWO = FEATURES.index(2)


DOCTORED = {
    ("offset", "offset-condition"): {
        "an offset does no harm": put("kappa", (0, LAST), around(1.1, 40)),
        "it does less than predicted": put("kappa", (0, LAST), around(300, 40)),
        "centred inputs are no better": put("kappa", (0, 0), around(400, 40)),
        "with a bias it is not as predicted": put("kappa", (1, LAST), around(20_000, 40)),
        "it costs no steps": put("steps", (0, LAST), around(2, 40)),
        "the numbers scatter too widely": put("kappa", (0, LAST), np.linspace(-2_000, 2_974, 40)),
    },
    ("ranges", "range-01"): {
        "[0, 1] is as good as [−1, 1]": lambda r: {"kappa": r["kappa"][:, [1, 1, 2]]},
        "it does not get worse with more features": put("kappa", (1, 0, -1), around(28, 8)),
        "only where the bias is learned": put("kappa", (0, 0, TWO), around(1, 8, spread=0.001)),
        "standardizing does not help": put("kappa", (1, 2, -1), around(300, 8)),
        "[−1, 1] does not help": put("kappa", (1, 1, -1), around(300, 8)),
    },
    ("whiten_sqrt", "whiten-sqrt"): {
        "the eigenvalue whitens": lambda r: {"eigenvalue": scattered(np.ones(16), 20).T},
        "the eigenvalue halves the spread": lambda r: {"eigenvalue": r["before"] ** -0.5},
        "the root does not whiten": put("off", 3, 0.2),
    },
}
