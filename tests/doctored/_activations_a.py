"""Results of the chapter's shapes, slopes and offsets, made by hand; the rest is in the other part."""

import numpy as np
from experiments.activations.offset_cost import OFFSETS
from experiments.activations.shapes import FUNCTIONS

from tests.doctored.normalize_your_data import around, put

NAMES = list(FUNCTIONS)
PEAKS = np.array(
    [{"sigmoid": 0.25, "selu": 1.758, "gelu": 1.129, "silu": 1.1, "mish": 1.088}.get(f, 1.0) for f in NAMES]
)
AT = np.array([{"gelu": 1.41, "silu": 2.4, "mish": 1.49}.get(f, 0.0) for f in NAMES])
OTHERS = [NAMES.index(f) for f in ("gelu", "silu", "mish")]
CENTRED = np.array([[10], [4], [2]]) * around(1, 3, 100, spread=0.1)
SLOWER = np.array([1, 1.5, 2.5, 8, 30])[: len(OFFSETS), None, None] ** np.array([1, 1.3, 1.5])[:, None]


def shares(positive, centred):
    """Shares (2, batches, networks): at offset 0 and where all inputs are positive."""
    return np.stack(
        [np.stack([around(share, 100) for share in row]).clip(0, 1) for row in (centred, positive)]
    )


SIGNS = shares((1, 0.9, 0.85), (0.5, 0.5, 0.5))
SIGNS[1, 0] = 1

SOUND = {
    "shapes": {
        "peak": PEAKS,
        "at": AT,
        "secant": PEAKS - np.abs(around(0, 20, len(NAMES), spread=0.002)),
    },
    "offset_cost": {
        "steps": SLOWER * CENTRED,
        "fixed": np.stack([CENTRED, 2 * CENTRED]),
        "one_sign": SIGNS,
        "turn": shares((0.67, 0.8, 0.3), (0.45, 0.5, 0.3)),
        "slow_turn": shares((0.5, 0.5, 0), (0.4, 0.1, 0)),
    },
    "tanh_is_sigmoid": {
        "difference": np.abs(around(0, 5000, spread=3e-16)),
        "logits": np.full(6, 2e-15),
        "loss": np.geomspace(2.3, [[[0.01]], [[0.02]], [[0.04]]], 80).transpose(1, 2, 0, 3)
        * np.ones((3, 3, 80, 6)),
    },
}


def column(name, value):
    """A doctor that gives an activation another steepest secant."""
    return lambda r: {
        "secant": np.where(np.arange(len(NAMES)) == NAMES.index(name), value, r["secant"]),
    }


DOCTORED = {
    ("shapes", "peak-one"): {
        "SELU peaks at 1": column("selu", around(1.0, 20, 1)),
        "so does GELU": column("gelu", around(1.0, 20, 1)),
        "all of them at 0": put("at", OTHERS, 0.0),
        "the sigmoid does not peak at a quarter": column("sigmoid", 0.5),
        "nor tanh at 1": column("tanh", 1.2),
    },
    ("offset_cost", "zigzag"): {
        "one gradient of two signs": put("one_sign", (1, 0, 7), 0.95),
        "centred inputs do it too": put("one_sign", (0, 0), 0.9),
        "no zig-zag": put("turn", (1, 0), around(0.45, 100)),
        "batches keep one sign": put("one_sign", (1, -1), 1.0),
        "it zig-zags at any rate": put("slow_turn", (1, -1), around(0.5, 100)),
        "it costs nothing": lambda r: {"steps": np.broadcast_to(r["steps"][:1], r["steps"].shape)},
        "batches soften it": lambda r: put("steps", (3, -1), 2 * r["steps"][0, -1])(r),
    },
    ("tanh_is_sigmoid", "tanh-is-sigmoid"): {
        "not for one x": put("difference", 17, 1e-3),
        "not for all networks": put("logits", 2, 0.01),
    },
}
