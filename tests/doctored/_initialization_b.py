"""Results of the chapter's depths and other initializers, made by hand; the rest is in the other part."""

import numpy as np
from experiments.initialization import born_dead, fixed_points, isometry, plane, sparse_connections

from tests.doctored.normalize_your_data import around, hits, put

DEPTHS = np.array(isometry.DEPTHS)
SLOPE = (isometry.log_growth(0) - isometry.log_growth(isometry.WIDTH - 1)) / np.log(10)
DECADES = SLOPE * DEPTHS[:, None] + around(3, len(DEPTHS), 24, spread=0.5)


def singular_values():
    """Of the six networks: 1 for the linear orthogonal one, falling with rank and depth for the others."""
    falling = 10.0 ** (1 - 0.002 * DEPTHS[:, None, None] * np.arange(isometry.WIDTH))
    values = np.broadcast_to(falling, (3, 2, len(DEPTHS), 24, isometry.WIDTH)).copy()
    values[0, 0] = around(1, *values.shape[2:], spread=1e-14)
    return values


def layers():
    """Variances that follow the theory: (curves, layers, networks)."""
    return fixed_points.predicted()[..., None] * around(1, 5, 100, 16, spread=0.05)


SOUND = {
    "plane": {"growth": plane.predicted(plane.WEIGHTS)[..., None] * around(1, 3, 8, 24)},
    "born_dead": {
        "one": hits(born_dead.predicted(born_dead.DEPTHS), 4000),
        "all": hits(0.8 * born_dead.predicted(born_dead.DEPTHS), 4000),
    },
    "isometry": {"values": singular_values(), "smallest": 10 ** (1 - DECADES)},
    "lsuv": {
        "rescalings": np.ones((4, 20), int),
        "fitted": around(1, 4, 20, 4, spread=1e-14),
        "fresh": around(1, 4, 20, 4, spread=0.2),
        "apart": around(0.5, 4, 20, 4, spread=0.2),
    },
    "fixed_points": {"variance": layers(), "mean": around(0, 5, 100, 16, spread=0.001)},
    "sparse_connections": {
        "connections": np.stack(
            [np.full((12, 100), 10), np.resize(np.arange(3, 19), (12, 100)), np.full((12, 100), 100)]
        ),
        "variance": sparse_connections.predicted()[..., None] * around(1, 3, 6, 12),
        "accuracy": np.array([[0.96], [0.95], [0.96], [0.1]]) + around(0, 4, 12),
    },
}


def times(key, index, factor):
    """A doctor that multiplies a part of the result."""
    return lambda r: put(key, index, r[key][index] * factor)(r)


DOCTORED = {
    ("plane", "mean-field"): {
        "gradients explode earlier": times("growth", plane.AMONG, 1.1),
        "gradients vanish for longer": times("growth", plane.AMONG, 0.9),
        "large weights do not explode": times("growth", (plane.AMONG, -1), 0.8),
        "small weights do not vanish": put("growth", (plane.AMONG, 1), around(1.0, 24)),
    },
    ("born_dead", "born-dead"): {
        "fewer are dead": put("one", (1, 4), hits(0.9, 4000)),
        "wide networks die too": put("one", (-1, -1), hits(0.5, 4000)),
        "depth does not matter": lambda r: {"one": np.repeat(r["one"][:, :1], len(born_dead.DEPTHS), axis=1)},
    },
    ("isometry", "orthogonal"): {
        "one direction is stretched": put("values", (0, 0, -1, 3, 5), 1.1),
        "one is lost": put("values", (0, 0, -1, 3, -1), 1e-6),
        "Gaussian weights keep all": lambda r: {"smallest": r["values"][0, 1, :, :, 0] / 10},
        "they lose more than predicted": lambda r: {"smallest": r["smallest"] ** 1.5},
    },
    ("lsuv", "lsuv"): {
        "one layer needs ten": put("rescalings", (2, 7), 10),
        "one layer stays off": put("fitted", (0, 3), 0.9),
    },
    ("fixed_points", "selu-fixed-point"): {
        "the variance drifts": times("variance", fixed_points.SELU, np.linspace(1, 0.5, 100)[:, None]),
        "the mean does": lambda r: put("mean", fixed_points.SELU, r["mean"][fixed_points.SELU] + 0.1)(r),
        "other starts stay where they are": put("variance", 0, 10.0),
    },
    ("fixed_points", "lecun-tanh"): {
        "a layer keeps variance 1": put("variance", (fixed_points.LECUN, 0), around(1.0, 16)),
        "only the first loses any": put("variance", (fixed_points.LECUN, -1), around(0.75, 16)),
    },
    ("fixed_points", "tanh-glorot-decay"): {
        "the variance stays": put("variance", fixed_points.TANH, around(0.39, 100, 16)),
        "it falls exponentially": put("variance", fixed_points.TANH, 0.9 ** np.arange(100)[:, None]),
    },
    ("sparse_connections", "sparse"): {
        "the signal grows with the inputs": times("variance", (0, -1), 10),
        "torch's rule fixes it too": lambda r: put("variance", 1, r["variance"][0])(r),
        "neurons get different numbers": put("connections", (0, 3, 4), 12),
        "sparse networks train worse": put("accuracy", 1, around(0.8, 12)),
    },
}
