"""Results of the chapter on batch normalization, its part on what it computes, made by hand."""

import numpy as np
from experiments.batch_normalization.explosion import BATCHES, LIMIT, STEPS, predicted
from experiments.batch_normalization.gradient_identity import BATCHES as SIZES
from experiments.batch_normalization.scale import DECAY, FACTORS, RATE, STARTS
from experiments.batch_normalization.scale import predicted as pythagoras

from tests.doctored.normalize_your_data import around, put

rng = np.random.default_rng(0)
SKEW = np.stack([around(1.0, 20, 100, spread=0.3), around(2.4, 20, 100, spread=0.3)])

# Without decay the norm hardly grows; with it, each step adds what the decay takes away
FIRST = np.array(STARTS)[:, None] ** 2 * np.array([[[100.0]], [[10.0]]]) * around(1, 2, 2, len(STARTS), 4)
KEPT = 1 - (1 - RATE * DECAY) ** 2
GRADIENT = np.broadcast_to(
    np.stack([1e-2 / FIRST[:, 0], FIRST[:, 1] * KEPT / RATE**2], 1), (56, 2, 2, len(STARTS), 4)
)

EXPLODES = np.concatenate(
    [np.full((1, 12), 2.7), predicted(BATCHES[1:])[:, None] * around(1, 12, spread=5e-3)]
)
GROWN = np.array([LIMIT, 1.0, 1.1])[:, None, None] ** np.arange(1, STEPS + 1)[:, None]

SOUND = {
    "gaussian": {
        "skew": np.stack([SKEW, SKEW + 1e-5], 1),
        "kurtosis": np.stack([3 * SKEW, 3 * SKEW], 1),
        "mean": np.zeros((2, 20, 100)),
        "var": np.ones((2, 20, 100)),
        "alive": np.ones((2, 20, 100), bool),
        "normal": np.array(0.05),
    },
    "scale": {
        **{
            f"scaled_{key}": np.array([0.9, 1e-15])[:, None, None] * np.ones((len(FACTORS), 4))
            for key in ("output", "gradient", "cosine")
        },
        "norm": pythagoras(FIRST[None], GRADIENT),
        "gradient": GRADIENT,
    },
    "gradient_identity": {
        "off": np.abs(around(0, len(SIZES) - 1, 300, spread=1e-14)),
        **{key: np.ones((2, 1, 3, 8)) / np.array(SIZES)[:, None, None] for key in ("mean", "along")},
    },
    "explosion": {
        "deep": GROWN * np.ones(12),
        "factor": EXPLODES,
        "narrow": np.full(12, 1.5),
    },
}

DOCTORED = {
    ("gaussian", "bn-gaussian"): {
        "what comes out is normal": put("skew", 0, 0.04),
        "a ReLU's outputs are": put("skew", 1, 0.04),
        "the shape changes": put("skew", (0, 0), 2 * SKEW[0]),
        "the tails change": put("kurtosis", (1, 1, 3), 0.0),
        "the mean stays": put("mean", (0, 2, 5), 0.3),
        "the variance stays": put("var", (1, 4, 6), 1.3),
    },
    ("scale", "bn-scale-invariant"): {
        "the outputs change": put("scaled_output", (1, 0, 2), 1e-3),
        "the gradients do not shrink alike": put("scaled_gradient", (1, 4), 0.1),
        "they point along the weights": put("scaled_cosine", (1, 2, 1), 0.01),
        "the norm does not follow": lambda r: {"norm": 1.1 * r["norm"]},
        "it settles elsewhere": lambda r: {"gradient": 4 * r["gradient"]},
        "the first weights do not matter": lambda r: {"gradient": r["gradient"] ** 0 * KEPT * r["norm"][:-1]},
    },
    ("gradient_identity", "bn-gradient-identity"): {
        "one unit disagrees": put("off", (4, 17), 1e-6),
        "a batch of two keeps its gradient": lambda r: (
            put("mean", (1, 0), 0.1)(r) | put("along", (1, 0), 0.1)(r)
        ),
    },
    ("explosion", "bn-explodes"): {
        "it does not": put("factor", -1, 1.0),
        "it explodes faster": put("factor", -1, 1.55),
        "it varies": put("factor", -1, around(1.467, 12, spread=0.3)),
        "small batches do not follow": put("factor", 2, 1.48),
        "it does so without normalization": lambda r: put("deep", 1, r["deep"][0])(r),
        "He's weights vanish": lambda r: put("deep", 1, 1 / r["deep"][0])(r),
    },
}
