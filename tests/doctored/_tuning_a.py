"""Results of the chapter's random search, made by hand; the rest is in the other part."""

import numpy as np
from experiments.tuning.random_search import GRIDS, RANDOM, SPLITS, TRIALS

SEARCHES = 20
COUNT = RANDOM + sum(k**3 for k in GRIDS)


def searches(*, without=0, every=()):
    """Even scores in (0, 1); the first `without` searches found none of the best, those of `every` some."""
    draw = np.random.default_rng(0)
    fresh = draw.random((SEARCHES, SPLITS, COUNT))
    runs = fresh.reshape(-1, COUNT)
    runs[:without, :TRIALS] *= 0.9
    for run in every:
        runs[run, 0] = 1.0
    return fresh


EVEN = searches(every=range(SEARCHES * SPLITS - 4))
SOUND = {
    "random_search": {
        "fresh": EVEN,
        "validation": EVEN,
        "rate": np.random.default_rng(1).uniform(-5, 1, EVEN.shape),
    }
}
DOCTORED = {
    ("random_search", "random-search"): {
        "a fifth find none": lambda r: {"fresh": searches(without=SEARCHES * SPLITS // 5)},
        "all of them find one": lambda r: {"fresh": searches(every=range(SEARCHES * SPLITS))},
    },
}
