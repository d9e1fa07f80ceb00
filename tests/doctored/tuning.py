"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.tuning.importance import DRAWN, NAMES, STRUCTURE
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
RUNS, DIGITS = 800, 597
SHARES = {  # of the score's variance that each explains alone
    ("sgd", 0): {"rate": 0.7, "batch": 0.1, "momentum": 0.05},
    ("sgd", 1): {"rate": 0.1, "batch": 0.6, "momentum": 0.1},
    ("adam", 0): {"rate": 0.6, "depth": 0.25, "batch": 0.05},
    ("adam", 1): {"rate": 0.2, "depth": 0.05, "batch": 0.5, "width": 0.15},
    ("sgd_middle", 0): {"rate": 0.3, "batch": 0.5},
    ("adam_middle", 0): {"rate": 0.5, "batch": 0.2},
    ("steps", 0): {"rate": 0.4, "batch": 0.3},
    ("steps", 1): {"rate": 0.6, "batch": 0.2},
    ("steps", 2): {"rate": 0.7, "batch": 0.1},
}


def search(shares):
    """Runs whose scores have these shares of their variance, the rest noise; deep ones fail at high rates."""
    rng, found = np.random.default_rng(0), {"validation": np.array(DIGITS)}
    for search_, spaces in (("sgd", 2), ("adam", 2), ("sgd_middle", 1), ("adam_middle", 1), ("steps", 3)):
        drawn = DRAWN["adam" if "adam" in search_ else "sgd"]
        keys = [*drawn, *STRUCTURE]
        assert set(keys) <= NAMES.keys()
        u = rng.uniform(-1, 1, (spaces, RUNS, len(keys)))
        u[..., len(drawn) :] = np.stack(np.meshgrid(*[[-1, 1]] * len(STRUCTURE)), -1).reshape(-1, 3)[
            np.arange(RUNS) % 8
        ]
        scores = []
        for space, points in enumerate(u):
            parts = shares[search_, space]
            score = rng.normal(0, np.sqrt(1 - sum(parts.values())), RUNS)
            for key, share in parts.items():
                column = points[:, keys.index(key)]
                score += np.sqrt(share) * column * (1 if key in STRUCTURE else np.sqrt(3))
            scores.append(score)
        found |= {f"{search_}_at": u, f"{search_}_wrong": 1 / (1 + np.exp(-np.array(scores)))}
    return found


LEADS = {(name, space): {"rate": 0.7, "batch": 0.1} for name, space in SHARES if (name, space) != ("adam", 0)}

PASSES = {
    ("steps", 0): SHARES["sgd", 1],
    ("steps", 1): SHARES["sgd_middle", 0],
    ("steps", 2): SHARES["sgd", 0],
}


def other(name, space, **shares):
    """A doctor that gives one search other shares."""
    return lambda r: search(SHARES | {(name, space): shares})


def never_fail(result):
    """The deep networks get digits wrong as rarely as the others do, at any rate."""
    return {"adam_wrong": np.minimum(result["adam_wrong"], 0.4)}


SOUND = {
    "random_search": {
        "fresh": EVEN,
        "validation": EVEN + np.random.default_rng(3).normal(0, 0.05, EVEN.shape),
        "few": np.random.default_rng(2).random(EVEN.shape),
        "examples": np.array(300),
        "rate": np.random.default_rng(1).uniform(-5, 1, EVEN.shape),
    },
    "importance": search(SHARES),
}

DOCTORED = {
    ("random_search", "random-search"): {
        "a fifth find none": lambda r: {"fresh": searches(without=SEARCHES * SPLITS // 5)},
        "the best validates best": lambda r: {"validation": r["fresh"]},
        "thirty examples are as good": lambda r: {"few": r["validation"]},
    },
    ("importance", "tuning-importance"): {
        "the rate does not lead": other("sgd", 0, rate=0.3, batch=0.5),
        "nor with Adam": other("adam", 0, rate=0.3, depth=0.5),
        "it always leads": lambda r: search(SHARES | LEADS),
        "fixed steps change nothing": lambda r: search(SHARES | PASSES),
        "it leads over one power of ten too": other("sgd", 1, rate=0.6, batch=0.2),
        "so it does with Adam": other("adam", 1, rate=0.6, batch=0.2),
        "depth is low with Adam": other("adam", 0, rate=0.6, depth=0.01, width=0.2),
        "β₂ counts": other("adam", 0, rate=0.5, depth=0.2, beta2=0.15),
        "so does ε": other("adam", 0, rate=0.5, depth=0.2, eps=0.15),
        "deep networks do not fail at high rates": never_fail,
    },
}
