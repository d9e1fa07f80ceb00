"""Results of the chapter's leaks, made by hand; the rest is in the other part."""

import numpy as np
from experiments.pitfalls.leakage import LINEAR, NEAREST, SIZES

from tests.doctored.normalize_your_data import around


def scores(bias, tables=200):
    """Scores where statistics of all rows add `bias` on the test rows and no skill: (2, 2, 2, tables)."""
    honest, fresh = np.full((2, 1), 0.8), np.full((2, 1), 0.8)
    arms = np.stack([np.stack([honest, fresh]), np.stack([honest + bias, fresh])])  # (arms, rows, …)
    return (arms + around(0, 2, 2, 2, tables, spread=0.002)).transpose(2, 0, 1, 3)


def by_labels(bias, tables=60):
    """Scores on test rows and on fresh ones, (2, tables), where the labels chose the columns."""
    return np.stack([around(0.5 + bias, tables), around(0.5, tables)])


SOUND = {
    "leakage": {
        **{f"standardize_{n}": scores(1 / n) for n in SIZES},
        **{f"min_max_{n}": scores(0.5 / n) for n in SIZES},
        **{f"whiten_{n}": scores(-5 / n) for n in SIZES},
        **{f"labels_{n}": by_labels(3 / n**0.5) for n in SIZES},
    }
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
    ("leakage", "train-only-stats"): {
        "scaling leaks as well": leak("standardize_100", 0.05),
        "and so it does in a linear classifier": leak("standardize_200", 0.05, LINEAR),
        "so does min–max": leak("min_max_100", 0.05, NEAREST),
        "it makes the score look worse": leak("standardize_100", -0.05),
        "more rows do not help": leak("standardize_1000", 0.01),
        "whitening flatters": leak("whiten_100", 0.05),
        "whitening leaks nothing": leak("whiten_100", 0.0),
        "labels leak nothing": lambda _: {"labels_100": by_labels(0.0)},
        "labels leak little": lambda _: {"labels_100": by_labels(0.02)},
    }
}
