"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.initialization import (
    born_dead,
    fixed_points,
    gradient_histograms,
    isometry,
    lsuv,
    plane,
    sparse_connections,
    variance_chain,
)
from experiments.initialization.bias import BIASES
from experiments.initialization.small_random import MAP_DEPTHS, MAP_WIDTHS, SIZES, WIDTHS
from experiments.initialization.variance_chain import CHANNELS, KERNEL, SMALL

from tests.doctored.normalize_your_data import around, hits, put

SCALES, SHOWN = np.array([*SIZES]), list(BIASES).index
CONVOLUTIONS = SMALL * np.sqrt(np.array(CHANNELS[1:]) * KERNEL**2 / 2)  # the gradient's factors
FACTORS = [0.1, 10, 0.5**0.5, 1, 6**-0.5]  # a ReLU layer's, in the order of the ladder
DEPTHS = np.array(isometry.DEPTHS)
SLOPE = (isometry.log_growth(0) - isometry.log_growth(isometry.WIDTH - 1)) / np.log(10)
DECADES = SLOPE * DEPTHS[:, None] + around(3, len(DEPTHS), 24, spread=0.5)


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


def raced(fixed, root):
    """Accuracies by depth, the same in all networks, from both starts."""
    both = np.array([fixed, root]).T[:, None, :, None]
    return both + around(0, 3, 4, 2, 10, spread=0.002)


def started(*rows):
    """Accuracies by biases above 0, for each depth; with 0 as with the smallest."""
    every = np.array([[row[0], *row] for row in rows])[..., None]
    return every + around(0, *every.shape[:2], 24, spread=0.002)


def rows(*values, n=40):
    return np.array(values)[:, None] * np.ones(n)


def accuracies():
    """From Glorot's weights and from others: (rows, starts, depths, networks)."""
    glorot = [0.94, 0.93, 0.93, 0.92, 0.85], [0.94, 0.9, 0.4, 0.1, 0.1], [0.95, 0.95, 0.88, 0.1, 0.1]
    other = [0.94, 0.93, 0.92, 0.9, 0.8], [0.94, 0.93, 0.93, 0.92, 0.8], [0.95, 0.95, 0.95, 0.95, 0.9]
    return np.stack([glorot, other], 1)[..., None] + around(0, 3, 2, 5, 8)


def saved():
    """Shares of dead networks, fewer with larger biases: (biases, shapes)."""
    expected = np.array([1 - (1 - 0.5**n) ** depth for n, depth in born_dead.SHAPES])
    return expected * [
        [1, 1, 1],
        [1, 1, 0.9],
        [0.95, 0.9, 0.75],
        [0.86, 0.7, 0.65],
        [0.75, 0.6, 0.6],
        [0.6, 0.4, 0.5],
    ]


def backward():
    """By what torch's layers multiply the gradient: (shapes, kinds, networks)."""
    shapes = np.sqrt(gradient_histograms.SHAPES)[:, None, None]
    return shapes * [[1], [0.96], [0.48]] / 6**0.5 * around(1, 8, spread=0.02)


FIRING = np.array([[0.5, 0.75, 0.94, 1, 1, 1], [0.5, 0.67, 0.8, 0.88, 0.93, 0.96]] * 2)  # some, by examples


def shares(first_layer):
    """Shares of firing units (biases, layers, networks): as given in the first layer, 60 % in the others."""
    first = np.asarray(first_layer)[:, None, None] * [[[1], [0], [0]]]
    return first + np.array([[[0], [0.6], [0.6]]]) + around(0, 20, spread=0.001)


def singular_values():
    """Of the six networks: 1 for the linear orthogonal one, falling with rank and depth for the others."""
    falling = 10.0 ** (1 - 0.002 * DEPTHS[:, None, None] * np.arange(isometry.WIDTH))
    values = np.broadcast_to(falling, (3, 2, len(DEPTHS), 24, isometry.WIDTH)).copy()
    values[0, 0] = around(1, *values.shape[2:], spread=1e-14)
    return values


def layers():
    """Variances that follow the theory: (curves, layers, networks)."""
    return fixed_points.predicted()[..., None] * around(1, 5, 100, 16, spread=0.05)


def critical(*ratios):
    """Growth (widths, bias and weight variances, networks) that passes 1 at these times the theory's."""
    at = np.array(ratios)[:, None] * plane._lines()
    return (np.array(plane.WEIGHTS) / at[..., None])[..., None] * around(1, 5, 3, 8, 16, spread=0.001)


def ends():
    """Largest and smallest singular value (2, inputs, layers, networks): further apart for more of both."""
    apart = 1 + 0.05 * np.array(isometry.INPUTS)[:, None] * np.array(isometry.LAYERS)
    return np.stack([apart[..., None] * around(1, 6, 4, 12), np.ones((6, 4, 12))])


TOLERATED = np.array(lsuv.TOLERANCES)[:, None] / np.array([0.2, 0.15, 0.09, 0.04, 0.02])  # rescalings: 5 at 1
LEFT = 1 / (1 + 2 * np.array(fixed_points.STARTS) * np.array(fixed_points.DEPTHS)[:, None])
TOLD = 1 / (1 + np.square(fixed_points.OFFSETS)[:, None] * [0.6, 0.02, 0, 0]) * [1, 1, 0.3, 1]
KEPT = np.array(fixed_points.VARIANCES)[:, None] ** [-0.3, -0.3, -0.3] * [1, 0.85, 0.75]
SOUND = {
    "gradient_histograms": {"rms": gradients(FACTORS), "factor": backward()},
    "zeros": {
        "path": np.zeros((5, 321, 8, 2)),
        "moved": rows(0, 5, 3, 4, 0),
        "apart": rows(0, 0, 0, 1.5, 0),
        "accuracy": rows(0.5, 0.7, 0.7, 1, 0.5),
        "other": np.array([[0, 0, 0], [1, 1, 1], [0, 0, 1]])[..., None] * np.ones(40),
    },
    "small_random": {f"size_{w}": powers(SCALES * (w / 2) ** 0.5, 10, 16, spread=0.05) for w in WIDTHS}
    | {
        "left": ((0.01 * np.sqrt(np.array(MAP_WIDTHS) / 2)) ** np.array(MAP_DEPTHS)[:, None])[..., None]
        * around(1, 6, 6, 8)
    },
    "variance_chain": {
        "signal": powers([1, 1, 0.5**0.5], 21, 60),
        "gradient": np.stack([convolved(CONVOLUTIONS), convolved(np.ones(9))]),
        "variance": 1
        + np.square(variance_chain.OFFSETS)[:, None, None] * np.ones((3, 60))
        + around(0, 6, 3, 60),
        "left": np.exp(
            -1.25 * np.array(variance_chain.DEPTHS)[:, None, None] / [[w] for w in variance_chain.WIDTHS]
        )
        * around(1, 6, 6, 100),
    },
    "glorot": {"difference": powers([0.93, 0.95, 0.237], 10, 60), "accuracy": accuracies()},
    "jacobian": {
        "old": spectra(0.39, 0.46, 0.48, 0.485, 0.49),
        "glorot": spectra(0.53, 0.66, 0.71, 0.745, 0.765),
        "mean": np.array(
            [[0.84] * 4, [0.82] * 4, [0.78] * 4, [0.6, 0.68, 0.73, 0.76], [0.4, 0.6, 0.68, 0.75]]
        )[[0, 1, 2, 3, 4, 4], :, None]
        + around(0, 6, 4, 12),
    },
    "raced": {"accuracy": raced([0.95, 0.8, 0.1], [0.952, 0.95, 0.94])},
    "bias_trains": {"accuracy": started([0.95, 0.95, 0.95, 0.94, 0.93], [0.94, 0.94, 0.94, 0.92, 0.8])},
    "bias": {
        "active": shares([0.5, 0.503, 0.51, 0.53, 0.6, 0.8, 0.98, 1]),
        "dead": np.zeros((len(BIASES), 3, 20)),
        "some": np.array([FIRING, [*FIRING[:3], np.ones(6)]])[..., None] + around(0, 40, spread=0.002),
    },
    "plane": {
        "growth": plane.predicted(plane.WEIGHTS)[..., None] * around(1, 3, 8, 24),
        "narrow": critical(2, 1.25, 1.02, 1, 1),
    },
    "born_dead": {
        "one": hits(born_dead.predicted(born_dead.DEPTHS), 4000),
        "all": hits(0.8 * born_dead.predicted(born_dead.DEPTHS), 4000),
        "biased": hits(saved(), 8000),
    },
    "isometry": {"values": singular_values(), "smallest": 10 ** (1 - DECADES), "ends": ends()},
    "lsuv": {
        "most": (5 / TOLERATED)[..., None] * around(1, 5, 5, 12, spread=0.05),
        "rescalings": np.ones((4, 20), int),
        "fitted": around(1, 4, 20, 4, spread=1e-14),
        "fresh": around(1, 4, 20, 4, spread=0.2),
        "apart": around(0.5, 4, 20, 4, spread=0.2),
    },
    "fixed_points": {
        "variance": layers(),
        "mean": around(0, 5, 100, 16, spread=0.001),
        "left": LEFT[..., None] * around(1, 6, 3, 12),
        "told": TOLD[..., None] * around(1, 6, 4, 12),
        "kept": KEPT,
    },
    "sparse_connections": {
        "connections": np.stack(
            [np.full((12, 100), 10), np.resize(np.arange(3, 19), (12, 100)), np.full((12, 100), 100)]
        ),
        "variance": sparse_connections.predicted()[..., None] * around(1, 3, 6, 12),
        "few": (20 / np.array(sparse_connections.INPUTS))[:, None] * around(1, 6, 12),
        "accuracy": np.array([[0.96], [0.95], [0.96], [0.1]]) + around(0, 4, 12),
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


def times(key, index, factor):
    """A doctor that multiplies a part of the result."""
    return lambda r: put(key, index, r[key][index] * factor)(r)


DOCTORED = {
    ("gradient_histograms", "default-torch"): {
        "it keeps the gradient": factor(4, 1.0),
        "it shrinks it less": factor(4, 0.45),
        "it shrinks it more": factor(4, 0.36),
        "Keras's default does the same": factor(2, 6**-0.5),
        "Keras's default keeps it": factor(2, 1.0),
        "every shape has this factor": lambda r: {"factor": np.full_like(r["factor"], 6**-0.5)},
        "strides do not count": lambda r: put("factor", (slice(None), 2), r["factor"][:, 1])(r),
    },
    ("zeros", "zeros"): {
        "one ReLU network moves": put("moved", (4, 3), 1e-9),
        "one tanh network moves": put("moved", (0, 3), 1e-9),
        "sigmoids do not move": put("moved", 1, 0.0),
        "the units part in some": put("apart", (1, slice(4)), 0.5),
        "from other equal weights they part": put("apart", 2, 0.5),
        "random ones are one, too": put("apart", 3, 0.0),
        "nothing random tells them apart": put("other", (slice(1, None), slice(None)), 0.0),
        "dropout tells ReLUs apart": put("other", (2, 1), 1.0),
    },
    ("small_random", "small-random"): {
        "100 units keep the signal": width(100, 0.01, 1.0),
        "any width and depth kills it": lambda r: {"left": np.minimum(r["left"], 1e-6)},
        "no depth kills it": lambda r: {"left": np.maximum(r["left"], 0.1)},
        "no width keeps it": width(25_600, 0.01, 0.9),
        "larger numbers kill it too": width(100, 1.0, 0.5),
        "width has another power": width(1600, 0.01, 0.4),
    },
    ("variance_chain", "inv-sqrt-n"): {
        "a linear layer shrinks it": put("signal", 0, powers(0.97, 21, 60)),
        "a linear layer enlarges it": put("signal", 0, powers(1.03, 21, 60)),
        "ReLU keeps it as well": put("signal", 2, powers(1.0, 21, 60)),
        "ReLU takes more": put("signal", 2, powers(0.6, 21, 60)),
        "offset inputs do no harm": lambda r: {"variance": np.clip(r["variance"], 0, 1.1)},
    },
    ("variance_chain", "he"): {
        "a ReLU layer shrinks it": put("signal", 1, powers(0.97, 21, 60)),
        "a ReLU layer enlarges it": put("signal", 1, powers(1.03, 21, 60)),
        "narrow networks keep it": lambda r: {"left": np.maximum(r["left"], 0.6)},
        "more layers keep more": lambda r: {"left": r["left"][::-1]},
        "convolutions shrink it less": lambda r: {"gradient": r["gradient"] * [[[2]], [[1]]]},
        "convolutions shrink it more": lambda r: {"gradient": r["gradient"] / [[[2]], [[1]]]},
        "his weights shrink it too": lambda r: {"gradient": r["gradient"] * [[[1]], [[0.5]]]},
    },
    ("glorot", "glorot-tanh-sigmoid"): {
        "sigmoids keep what differs": put("difference", 2, powers(0.9, 10, 60)),
        "tanh loses it": put("difference", 0, powers(0.7, 10, 60)),
        "centring does not help": put("difference", 1, powers(0.3, 10, 60)),
        "deep sigmoids learn as well": put("accuracy", ([1, 1, 1, 2, 2], 0, [2, 3, 4, 3, 4]), 0.93),
        "nothing helps deep ones": put("accuracy", (2, 1, 4), around(0.1, 8)),
        "two sigmoid layers are too many": put("accuracy", (1, 0, 1), around(0.5, 8)),
    },
    ("jacobian", "jacobian-sv"): {
        "less in the fifth layer": put("glorot", (slice(None), -1), spectra(0.6)[:, 0]),
        "more than without tanh": put("glorot", (slice(None), -1), spectra(0.9)[:, 0]),
        "the older rule does as well": lambda r: {"old": r["glorot"]},
        "less with the older rule": put("old", (slice(None), -1), spectra(0.3)[:, 0]),
        "the same in the first layer": put("glorot", (slice(None), 0), spectra(0.75)[:, 0]),
        "no gain in the first layer": put("old", (slice(None), 0), spectra(0.5)[:, 0]),
        "large inputs do not count": lambda r: {"mean": np.maximum(r["mean"], 0.75)},
    },
    ("raced", "inv-sqrt-n-raced"): {
        "one layer gains too": put("accuracy", (0, slice(None), 0), 0.7),
        "two gain nothing": put("accuracy", (slice(1, 3), slice(None), 0), 0.95),
        "four learn from small weights": put("accuracy", (2, slice(None), 0), 0.9),
        "four learn from neither": put("accuracy", (2, 3, 1), 0.5),
    },
    ("bias_trains", "bias-01-trains"): {
        "large ones do no harm": put("accuracy", (slice(None), -1), 0.945),
        "0.01 helps": put("accuracy", (-1, 1), 0.99),
        "0.01 harms": put("accuracy", (-1, 1), 0.9),
    },
    ("bias", "bias-01"): {
        "no unit ever fires": put("some", (1, slice(None), slice(None)), 0.5),
        "on some examples not all fire": put("some", (1, 0, -1), around(0.9, 40)),
        "with small weights they do not either": put("some", (1, 3, 0), around(0.6, 40)),
        "without it none fires": put("some", (0, 0, -1), 0.0),
        "it adds some": put("active", (SHOWN(0.01), 0), 0.54),
        "few fire without": put("active", (SHOWN(0.0), 0), 0.4),
    },
    ("plane", "mean-field"): {
        "few units are as good as many": put("narrow", slice(2), critical(1, 1, 1, 1, 1)[:2]),
        "gradients explode earlier": times("growth", plane.AMONG, 1.1),
        "gradients vanish for longer": times("growth", plane.AMONG, 0.9),
        "large weights do not explode": times("growth", (plane.AMONG, -1), 0.8),
        "small weights do not vanish": put("growth", (plane.AMONG, 1), around(1.0, 24)),
    },
    ("born_dead", "born-dead"): {
        "fewer are dead": put("one", (1, 4), hits(0.9, 4000)),
        "wide networks die too": put("one", (-1, -1), hits(0.5, 4000)),
        "biases save none": lambda r: put("biased", slice(None), r["biased"][0])(r),
        "small biases save more than large ones": lambda r: put("biased", (2, 2), False)(r),
        "depth does not matter": lambda r: {"one": np.repeat(r["one"][:, :1], len(born_dead.DEPTHS), axis=1)},
    },
    ("isometry", "orthogonal"): {
        "two layers stretch from two inputs": put("ends", 0, 3.0),
        "one direction is stretched": put("values", (0, 0, -1, 3, 5), 1.1),
        "one is lost": put("values", (0, 0, -1, 3, -1), 1e-6),
        "Gaussian weights keep all": lambda r: {"smallest": r["values"][0, 1, :, :, 0] / 10},
        "they lose more than predicted": lambda r: {"smallest": r["smallest"] ** 1.5},
    },
    ("lsuv", "lsuv"): {
        "five are always enough": lambda r: {"most": r["most"].clip(max=4)},
        "five are never enough": lambda r: {"most": r["most"].clip(min=6)},
        "one batch needs two": put("rescalings", (2, 7), 2),
        "one layer stays off": put("fitted", (0, 3), 0.9),
        "a batch knows the other digits": put("fresh", slice(None), 1.0),
        "tanh needs as many": put("most", (0, 3), 99.0),
    },
    ("fixed_points", "selu-fixed-point"): {
        "inputs off centre do as well": put("told", slice(None), around(1, 12)),
        "depth does not bring it back": put("told", (4, 1), around(0.1, 12)),
        "the variance drifts": times("variance", fixed_points.SELU, np.linspace(1, 0.5, 100)[:, None]),
        "the mean does": lambda r: put("mean", fixed_points.SELU, r["mean"][fixed_points.SELU] + 0.1)(r),
        "other starts stay where they are": put("variance", 0, 10.0),
    },
    ("fixed_points", "lecun-tanh"): {
        "±1 do not pass": put("kept", (fixed_points.VARIANCES.index(1.0), 0), 0.9),
        "all variances pass": put("kept", slice(None), 1.0),
        "a layer keeps variance 1": put("variance", (fixed_points.LECUN, 0), around(1.0, 16)),
        "only the first loses any": put("variance", (fixed_points.LECUN, -1), around(0.75, 16)),
    },
    ("fixed_points", "tanh-glorot-decay"): {
        "small signals fade too": lambda r: {"left": r["left"] * 0.4},
        "small signals keep more than the rule says": put("left", (slice(None), 0), around(1, 12)),
        "the variance stays": put("variance", fixed_points.TANH, around(0.39, 100, 16)),
        "it falls exponentially": put("variance", fixed_points.TANH, 0.9 ** np.arange(100)[:, None]),
    },
    ("sparse_connections", "sparse"): {
        "the signal depends on nothing": lambda r: {
            "variance": np.ones_like(r["variance"]),
            "few": 0 * r["few"] + 1,
        },
        "few inputs are enough": put("few", -1, around(1.0, 12)),
        "torch's rule fixes it too": lambda r: put("variance", 1, r["variance"][0])(r),
        "neurons get different numbers": put("connections", (0, 3, 4), 12),
        "sparse networks train worse": put("accuracy", 1, around(0.8, 12)),
    },
}
