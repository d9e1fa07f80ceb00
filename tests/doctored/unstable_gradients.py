"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
import torch
from experiments.unstable_gradients import narrow_weights
from experiments.unstable_gradients.depth import LAYERS, MAPPED, NAMES, ROWS, WIDTHS
from experiments.unstable_gradients.explode import OFFSETS
from experiments.unstable_gradients.factors_below_one import NAMES as ACTIVATIONS
from experiments.unstable_gradients.factors_below_one import STANDARD
from experiments.unstable_gradients.input_scale import AT, DEPTHS
from experiments.unstable_gradients.window import WEIGHTS

from tests.doctored.normalize_your_data import around, hits, put
from unitgain.theory import sigmoid_window

WEIGHT = np.random.default_rng(0).normal(size=5000)
WIDTH = sigmoid_window(torch.from_numpy(WEIGHTS)).numpy()[:, None]
SIGMOID, TANH, RELU = (list(NAMES).index(name) for name in ("sigmoid", "tanh", "relu"))


def networks(shrunk, n=200):
    """Gradient sizes that fall in the given share of the networks and rise in the others: (layers, n)."""
    return np.where(hits(shrunk, n), 0.5, 2.0) ** np.arange(1, LAYERS + 1)[:, None]


def sound_depth():
    shares = np.zeros((len(WIDTHS), len(NAMES)))  # whose gradient shrinks
    shares[0], shares[1:3, SIGMOID], shares[1, TANH] = 0.98, 1.0, 0.4
    rows = zip(WIDTHS, shares, strict=True)
    sizes = {f"size_{width}": np.stack([networks(share) for share in row]) for width, row in rows}
    shrinks = np.zeros((len(MAPPED), len(ROWS)))
    shrinks[0, 0] = 1  # one cell that holds
    return {
        **sizes,
        "shrinks": hits(shrinks, 200),
        "predicted": np.full((len(WIDTHS), len(NAMES), LAYERS), 1.0),
    }


def arriving():
    """A tenth arrives of each layer's, and standardized the same gain at any depth: as `saturating`."""
    raw = 0.1 ** np.array(DEPTHS)
    gain = np.array([[2.5, 3.0], [20.0, 30.0]])[..., None]  # in the shallowest networks more than half
    signal = np.stack(np.broadcast_arrays(raw, gain * raw), -1)
    return np.stack([signal, signal * [1.0, 0.1]], -2)[..., None] * around(1, 2, 60, spread=1e-3)


BELOW = np.full((len(ACTIVATIONS), len(STANDARD)), 0.9)
BELOW[[0, 3, 4], 2:] = 0.5  # without saturation, from 2 on
SATURATED = np.full((len(narrow_weights.INPUTS), len(narrow_weights.NAMES)), 0.2)
SATURATED[-2:] = 0.7  # with many inputs

SOUND = {
    "narrow_weights": {
        "saturated": SATURATED[..., None] * around(1, *SATURATED.shape, 24),
        "scaled": 0.03 * around(1, *SATURATED.shape, 24),
        "digits": np.array([[0.95], [0.6]])[..., None] * around(1, 2, 3, 24),
    },
    "factors_below_one": {
        "below": hits(BELOW, 4000),
        "wide": np.full((len(ACTIVATIONS), 40), 0.9),
        "gain": around(3, len(ACTIVATIONS), 40, spread=0.3),
    },
    "input_scale": {
        "saturating": arriving(),
        "relu": around(1, 2, 2, 2, 60, spread=1e-2),
    },
    "chain_formula": {"weight": WEIGHT, "article": WEIGHT.copy(), "ours": np.ones(5000)},
    "window": {
        "width": WIDTH * np.tile(around(1, 200, spread=1e-3), (len(WEIGHTS), 1)),
        "chance": hits(WIDTH[:, 0] / 2, 1000),
        "edge": np.full((2, 500), 1e-15),
    },
    "explode": {
        "factor": np.full((8, 200), 25.0),
        "product": np.where(OFFSETS < 1e-8, 25.0 ** np.array([[2], [4], [8]]), 1e-9),
        "grows": hits([0.09, 0.01, 0.002, 0.0005], 20_000),
        "every": hits([0.09, 0.008, 0.0007, 0.0001], 20_000),
    },
    "depth": sound_depth(),
}

# (experiment, claim): what is wrong, and what of the sound result to replace
DOCTORED = {
    ("narrow_weights", "narrow-weights"): {
        "with any number of inputs": put("saturated", slice(-2, None), around(0.3, 2, 3, 24)),
        "with none": put("saturated", slice(None, -2), around(0.7, 4, 3, 24)),
        "the other interval saturates too": put("scaled", (2, 0), around(0.3, 24)),
        "on digits it is narrow enough": put("digits", 1, around(0.2, 3, 24)),
        "normalizing makes no difference": lambda r: {"digits": r["digits"][[0, 0]]},
    },
    ("factors_below_one", "weights-below-one"): {
        "with any weights": put("below", slice(None), hits(0.9, 4000)),
        "not with N(0, 1)": put("below", (3, 1), hits(0.6, 4000)),
        "large weights too": put("below", (3, 3), hits(0.9, 4000)),
        "not in wide layers": put("wide", 2, 0.5),
        "and so it vanishes": put("gain", 2, 0.5),
    },
    ("input_scale", "norm-mitigates-vanishing"): {
        "never": lambda r: {"saturating": r["saturating"][[0, 0]]},
        "always": lambda r: {"saturating": r["saturating"] ** [[1], [0.1]]},
        "all of it comes back": put("saturating", (0, 0, AT, 0, 1), 0.9),
        "more, the deeper the network": put("saturating", (0, 0, -1, 0, 1), 1e-15),
        "ReLUs gain too": put("relu", (1, 0, 1), 3.0),
        "the weights gain too": put("saturating", (0, 0, AT, 1, 0), 1e-11),
    },
    ("chain_formula", "chain-formula"): {
        "the article is right": put("article", slice(None), 1.0),
        "it is wrong in another way": lambda r: {"article": r["weight"] ** 2},
        "in one weight": put("article", 0, 7.0),
        "ours is wrong too": put("ours", -1, 1 + 1e-6),
    },
    ("window", "window"): {
        "the closed form is off": put("edge", (1, 7), 1e-3),
        "it is wide": lambda r: {"width": 2 * r["width"]},
        "it opens below 4": put("width", (3, 0), 0.01),
        "off the closed form": put("width", 5, 0.2),
    },
    ("explode", "explode-100"): {
        "it vanishes": put("factor", slice(None), 0.25),
        "one chain stays": put("factor", (3, 7), 1.0),
        "random biases do as well": put("grows", -1, hits(0.5, 20_000)),
        "the bias need not be exact": put("product", -1, 1e11),
    },
    ("depth", "vanish-more-common"): {
        "in no cell": put("shrinks", (0, 0), False),
        "wide networks vanish too": put("size_100", TANH, networks(0.9)),
        "chains do not vanish": put("size_1", RELU, networks(0.5)),
        "sigmoid vanishes at any width": put("size_400", SIGMOID, networks(1.0)),
        "sigmoid explodes at width 10": put("size_10", SIGMOID, networks(0.0)),
    },
}
