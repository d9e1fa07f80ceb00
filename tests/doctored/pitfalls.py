"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.pitfalls.float32 import FAR, OFFSETS, RECIPES, predicted
from experiments.pitfalls.leakage import LINEAR, NEAREST, SIZES

from tests.doctored.normalize_your_data import around, put

NAN, WRONG, DOUBLE = -1e-3, 1.44, -1  # a negative variance, one a fifth too large in its root; ours


def constants(*accuracies):
    return np.stack([around(share, 24) for share in accuracies])


# Of float32: errors as predicted up to 1e3, from then on NaN or 20 %; all other recipes are right
VARIANCE = np.ones((len(RECIPES), len(OFFSETS), 100))
VARIANCE[0] = np.square(1 + predicted(OFFSETS))[:, None] * around(1, 100, spread=1e-9)
VARIANCE[0, FAR:] = np.where(np.arange(100) % 3 == 0, NAN, WRONG)


def scores(bias, tables=200):
    """Scores where statistics of all rows add `bias` on the test rows and no skill: (2, 2, 2, tables)."""
    honest, fresh = np.full((2, 1), 0.8), np.full((2, 1), 0.8)
    arms = np.stack([np.stack([honest, fresh]), np.stack([honest + bias, fresh])])  # (arms, rows, …)
    return (arms + around(0, 2, 2, 2, tables, spread=0.002)).transpose(2, 0, 1, 3)


def by_labels(bias, tables=60):
    """Scores on test rows and on fresh ones, (2, tables), where the labels chose the columns."""
    return np.stack([around(0.5 + bias, tables), around(0.5, tables)])


WHOLE, FRACTION = 1, 2  # in a constant column

SOUND = {
    "constant": {
        "columns": np.stack([np.full((3, 100), True)] * 2 + [np.tile(np.arange(100) % 3 == 0, (3, 1))]),
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
        "mapped": np.stack([np.full((6, 3, 60), 1.0), np.ones((6, 3, 60))])
        * np.where(np.arange(6) > 2, WRONG, 1.0)[:, None, None] ** np.array([1, 0])[:, None, None, None],
    },
    "leakage": {
        **{f"standardize_{n}": scores(1 / n) for n in SIZES},
        **{f"min_max_{n}": scores(0.5 / n) for n in SIZES},
        **{f"whiten_{n}": scores(-5 / n) for n in SIZES},
        **{f"whiten_few_{n}": scores(2 / n) for n in SIZES},
        **{f"labels_{n}": by_labels(3 / n**0.5) for n in SIZES},
    },
}


def leak(name, bias, classifier=None):
    """A doctor that gives one transform at one size another bias, with one classifier or with both."""

    def doctor(result):
        values = result[name].copy()
        chosen = slice(None) if classifier is None else classifier
        values[chosen] = scores(bias)[chosen]
        return {name: values}

    return doctor


DOCTORED = {
    ("constant", "constant-feature"): {
        "fractions become NaN too": put("columns", FRACTION, True),
        "no column does": put("columns", slice(None), False),
        "no NaN": put("nan", slice(None), False),
        "NaN in half of the networks": put("nan", slice(12), False),
        "it learns all the same": put("accuracy", 0, around(0.85, 24)),
        "a guard is no help": put("accuracy", 2, around(0.1, 24)),
        "no pixel is constant": put("always", (), 0),
        "a split has no constant pixel": put("constants", 5, 0),
        "a tiny number is guard enough": lambda r: put("lit", 1, r["lit"][2])(r),
    },
    ("float32", "float32-offset"): {
        "right on the whole map": lambda r: {"mapped": np.ones_like(r["mapped"])},
        "wrong on the whole map": lambda r: {"mapped": put("mapped", 0, WRONG)(r)["mapped"]},
        "right, and nearly so": put("variance", (0, FAR), 1.0 + 1e-6),
        "right in half of the columns": put("variance", (0, FAR, slice(50)), 1.0),
        "wrong near 0 as well": put("variance", (0, 0), WRONG),
        "never NaN": put("variance", (0, FAR), WRONG),
        "it does not grow as the square": put("variance", (0, 1), 1.01),
        "ours is no better": put("variance", (DOUBLE, -1, 7), 1.0 + 1e-6),
    },
    ("leakage", "train-only-stats"): {
        "scaling leaks as well": leak("standardize_100", 0.05),
        "and so it does in a linear classifier": leak("standardize_200", 0.05, LINEAR),
        "so does min–max": leak("min_max_100", 0.05, NEAREST),
        "it makes the score look worse": leak("standardize_100", -0.05),
        "more rows do not help": leak("standardize_1000", 0.01),
        "whitening flatters": leak("whiten_100", 0.05),
        "of few components it does not": leak("whiten_few_20", -0.05),
        "nothing flatters on the map": lambda _: {
            **{f"labels_{n}": by_labels(-0.3) for n in SIZES},
            **leak("whiten_few_20", -0.05)(SOUND["leakage"]),
        },
        "whitening leaks nothing": leak("whiten_100", 0.0),
        "labels leak nothing": lambda _: {"labels_100": by_labels(0.0)},
        "labels leak little": lambda _: {"labels_100": by_labels(0.02)},
    },
}
