"""Results of the chapter's constant features and float32 sums, made by hand; more in the other part."""

import numpy as np
from experiments.pitfalls.float32 import FAR, OFFSETS, RECIPES, predicted

from tests.doctored.normalize_your_data import around, put

NAN, WRONG, DOUBLE = -1e-3, 1.44, -1  # a negative variance, one a fifth too large in its root; ours


def constants(*accuracies):
    return np.stack([around(share, 24) for share in accuracies])


# Of float32: errors as predicted up to 1e3, from then on NaN or 20 %; all other recipes are right
VARIANCE = np.ones((len(RECIPES), len(OFFSETS), 100))
VARIANCE[0] = np.square(1 + predicted(OFFSETS))[:, None] * around(1, 100, spread=1e-9)
VARIANCE[0, FAR:] = np.where(np.arange(100) % 3 == 0, NAN, WRONG)

SOUND = {
    "constant": {
        "accuracy": constants(0.1, 0.84, 0.85, 0.88),
        "lit": constants(0.0, 0.1, 0.7, 0.8),
        "nan": np.full(24, True),
        "constants": np.full(24, 9),
        "always": np.array(3),
        "hit": around(0.02, 24, spread=0.005),
        "largest": np.where(np.arange(64) % 8 == 0, 0, 3.0),
    },
    "float32": {
        "variance": VARIANCE,
        "true": np.ones((len(OFFSETS), 100)),
        "rows": np.array(10_000),
    },
}

DOCTORED = {
    ("constant", "constant-feature"): {
        "no NaN": put("nan", slice(None), False),
        "NaN in half of the networks": put("nan", slice(12), False),
        "it learns all the same": put("accuracy", 0, around(0.85, 24)),
        "a guard is no help": put("accuracy", 2, around(0.1, 24)),
        "no pixel is constant": put("always", (), 0),
        "a split has no constant pixel": put("constants", 5, 0),
        "a tiny number is guard enough": lambda r: put("lit", 1, r["lit"][2])(r),
    },
    ("float32", "float32-offset"): {
        "right, and nearly so": put("variance", (0, FAR), 1.0 + 1e-6),
        "right in half of the columns": put("variance", (0, FAR, slice(50)), 1.0),
        "wrong near 0 as well": put("variance", (0, 0), WRONG),
        "never NaN": put("variance", (0, FAR), WRONG),
        "it does not grow as the square": put("variance", (0, 1), 1.01),
        "ours is no better": put("variance", (DOUBLE, -1, 7), 1.0 + 1e-6),
    },
}
