"""Results of the chapter on unstable gradients, its part on chains, made by hand: sound and doctored."""

import numpy as np
import torch
from experiments.unstable_gradients.explode import OFFSETS
from experiments.unstable_gradients.window import WEIGHTS, WIDEST

from tests.doctored.normalize_your_data import around, hits, put
from unitgain.theory import sigmoid_window

rng = np.random.default_rng(0)
WEIGHT = rng.normal(size=5000)
WIDTH = sigmoid_window(torch.from_numpy(WEIGHTS)).numpy()[:, None]

SOUND = {
    "chain_formula": {"weight": WEIGHT, "article": WEIGHT.copy(), "ours": np.ones(5000)},
    "window": {
        "width": WIDTH * np.tile(around(1, 200, spread=1e-3), (len(WEIGHTS), 1)),
        "chance": hits(WIDTH[:, 0] / 2, 1000),
    },
    "explode": {
        "factor": np.full((8, 200), 25.0),
        "product": np.where(OFFSETS < 1e-8, 25.0 ** np.array([[2], [4], [8]]), 1e-9),
        "grows": hits([0.09, 0.01, 0.002, 0.0005], 20_000),
        "every": hits([0.09, 0.008, 0.0007, 0.0001], 20_000),
    },
}

DOCTORED = {
    ("chain_formula", "chain-formula"): {
        "the article is right": put("article", slice(None), 1.0),
        "it is wrong in another way": lambda r: {"article": r["weight"] ** 2},
        "in one weight": put("article", 0, 7.0),
        "ours is wrong too": put("ours", -1, 1 + 1e-6),
    },
    ("window", "window"): {
        "it is wide": lambda r: {"width": 2 * r["width"]},
        "it opens below 4": put("width", (3, 0), 0.01),
        "it is widest elsewhere": lambda r: {"width": r["width"][np.r_[1 : len(WEIGHTS), 0]]},
        "large weights are as good": put("width", -1, WIDTH[WIDEST] * around(1, 200, spread=1e-3)),
        "off the closed form": put("width", 5, 0.2),
    },
    ("explode", "explode-100"): {
        "it vanishes": put("factor", slice(None), 0.25),
        "one chain stays": put("factor", (3, 7), 1.0),
        "random biases do as well": put("grows", -1, hits(0.5, 20_000)),
        "the bias need not be exact": put("product", -1, 1e11),
    },
}
