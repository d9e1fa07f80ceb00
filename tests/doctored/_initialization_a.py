"""Results of the chapter's zeros, sizes, rules and biases, made by hand; the rest is in the other part."""

import numpy as np
from experiments.initialization.bias import BIASES
from experiments.initialization.small_random import SIZES, WIDTHS
from experiments.initialization.variance_chain import CHANNELS, KERNEL, SMALL

from tests.doctored.normalize_your_data import around, put

SCALES, SHOWN = np.array([*SIZES]), list(BIASES).index
CONVOLUTIONS = SMALL * np.sqrt(np.array(CHANNELS[1:]) * KERNEL**2 / 2)  # the gradient's factors
FACTORS = [0.1, 10, 0.5**0.5, 1, 6**-0.5]  # a ReLU layer's, in the order of the ladder


def powers(factors, layers, networks, spread=0.005):
    """Sizes (*factors, layers, networks) that each layer multiplies by the factor of its row."""
    factors = np.asarray(factors)[..., None, None]
    return factors ** np.arange(layers)[:, None] * around(1, networks, spread=spread)


def gradients(factors):
    """The same for the gradient, tanh and ReLU: 1 in the last layer."""
    return np.stack([powers(factors, 10, 40)] * 2)[:, :, ::-1]


def spectra(*means):
    """Singular values (networks, layers, units) with these means."""
    return np.array(means)[:, None] * np.linspace(0, 2, 50) + around(0, 12, 1, 1)


def convolved(factors):
    """Gradients (networks, convolutions) that arrive as 1."""
    return np.append(np.cumprod(factors[::-1])[::-1], 1) * around(1, 6, 1)


def rows(*values, n=40):
    return np.array(values)[:, None] * np.ones(n)


def shares(first_layer):
    """Shares of firing units (biases, layers, networks): as given in the first layer, 60 % in the others."""
    first = np.asarray(first_layer)[:, None, None] * [[[1], [0], [0]]]
    return first + np.array([[[0], [0.6], [0.6]]]) + around(0, 20, spread=0.001)


SOUND = {
    "gradient_histograms": {"rms": gradients(FACTORS)},
    "zeros": {
        "path": np.zeros((5, 321, 8, 2)),
        "moved": rows(0, 5, 3, 4, 0),
        "apart": rows(0, 0, 0, 1.5, 0),
        "accuracy": rows(0.5, 0.7, 0.7, 1, 0.5),
    },
    "small_random": {f"size_{w}": powers(SCALES * (w / 2) ** 0.5, 10, 16, spread=0.05) for w in WIDTHS},
    "variance_chain": {
        "signal": powers([1, 1, 0.5**0.5], 21, 60),
        "gradient": np.stack([convolved(CONVOLUTIONS), convolved(np.ones(9))]),
    },
    "glorot": {"difference": powers([0.93, 0.95, 0.237], 10, 60)},
    "jacobian": {
        "old": spectra(0.39, 0.46, 0.48, 0.485, 0.49),
        "glorot": spectra(0.53, 0.66, 0.71, 0.745, 0.765),
    },
    "bias": {
        "active": shares([0.5, 0.503, 0.51, 0.53, 0.6, 0.8, 0.98, 1]),
        "dead": np.zeros((len(BIASES), 3, 20)),
    },
}


def factor(title, value):
    """A doctor that gives one column of the ladder another factor."""
    return lambda r: {"rms": gradients([value if i == title else f for i, f in enumerate(FACTORS)])}


def width(w, scale, value):
    """A doctor that gives one width another factor, for one size of the weights."""
    at = list(SIZES).index(scale)
    return lambda r: {
        f"size_{w}": np.stack([*r[f"size_{w}"][:at], powers(value, 10, 16), *r[f"size_{w}"][at + 1 :]])
    }


DOCTORED = {
    ("gradient_histograms", "default-torch"): {
        "it keeps the gradient": factor(4, 1.0),
        "it shrinks it less": factor(4, 0.45),
        "it shrinks it more": factor(4, 0.36),
        "Keras's default does the same": factor(2, 6**-0.5),
        "Keras's default keeps it": factor(2, 1.0),
    },
    ("zeros", "zeros"): {
        "one ReLU network moves": put("moved", (4, 3), 1e-9),
        "one tanh network moves": put("moved", (0, 3), 1e-9),
        "sigmoids do not move": put("moved", 1, 0.0),
        "the units part in some": put("apart", (1, slice(4)), 0.5),
        "from other equal weights they part": put("apart", 2, 0.5),
        "random ones are one, too": put("apart", 3, 0.0),
    },
    ("small_random", "small-random"): {
        "100 units keep the signal": width(100, 0.01, 1.0),
        "no width keeps it": width(25_600, 0.01, 0.9),
        "larger numbers kill it too": width(100, 1.0, 0.5),
        "width has another power": width(1600, 0.01, 0.4),
    },
    ("variance_chain", "inv-sqrt-n"): {
        "a linear layer shrinks it": put("signal", 0, powers(0.97, 21, 60)),
        "a linear layer enlarges it": put("signal", 0, powers(1.03, 21, 60)),
        "ReLU keeps it as well": put("signal", 2, powers(1.0, 21, 60)),
        "ReLU takes more": put("signal", 2, powers(0.6, 21, 60)),
    },
    ("variance_chain", "he"): {
        "a ReLU layer shrinks it": put("signal", 1, powers(0.97, 21, 60)),
        "a ReLU layer enlarges it": put("signal", 1, powers(1.03, 21, 60)),
        "convolutions shrink it less": lambda r: {"gradient": r["gradient"] * [[[2]], [[1]]]},
        "convolutions shrink it more": lambda r: {"gradient": r["gradient"] / [[[2]], [[1]]]},
        "his weights shrink it too": lambda r: {"gradient": r["gradient"] * [[[1]], [[0.5]]]},
    },
    ("glorot", "glorot-tanh-sigmoid"): {
        "sigmoids keep what differs": put("difference", 2, powers(0.9, 10, 60)),
        "tanh loses it": put("difference", 0, powers(0.7, 10, 60)),
        "centring does not help": put("difference", 1, powers(0.3, 10, 60)),
    },
    ("jacobian", "jacobian-sv"): {
        "less in the fifth layer": put("glorot", (slice(None), -1), spectra(0.6)[:, 0]),
        "more than without tanh": put("glorot", (slice(None), -1), spectra(0.9)[:, 0]),
        "the older rule does as well": lambda r: {"old": r["glorot"]},
        "less with the older rule": put("old", (slice(None), -1), spectra(0.3)[:, 0]),
        "the same in the first layer": put("glorot", (slice(None), 0), spectra(0.75)[:, 0]),
        "no gain in the first layer": put("old", (slice(None), 0), spectra(0.5)[:, 0]),
    },
    ("bias", "bias-01"): {
        "all of them fire": put("active", (SHOWN(0.01), 0), 1.0),
        "it adds some": put("active", (SHOWN(0.01), 0), 0.54),
        "few fire without": put("active", (SHOWN(0.0), 0), 0.4),
    },
}
