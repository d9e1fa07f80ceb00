"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.activations.dying import ARMS, RATES, TOO_HIGH, WIDTHS
from experiments.activations.dying import OFFSETS as CENTRES
from experiments.activations.mixed import MIXED, PURE
from experiments.activations.mixed import ROWS as MIXTURES
from experiments.activations.offset_cost import BATCHES, FURTHER, OFFSETS
from experiments.activations.revive import ROWS as DEATHS
from experiments.activations.shapes import FUNCTIONS
from experiments.activations.sigmoid_or_relu import GLOROT, LARGE, RELU, TANH
from experiments.activations.speed import DEFAULT_RATES, HIDDEN, KINDS, MAP_RATES, SCALES, TARGETS
from experiments.activations.speed import FUNCTIONS as LEARNERS
from experiments.activations.speed import RATES as SPEEDS

from tests.doctored.normalize_your_data import around, put

rng = np.random.default_rng(0)

NAMES = list(FUNCTIONS)
PEAKS = np.array(
    [{"sigmoid": 0.25, "selu": 1.758, "gelu": 1.129, "silu": 1.1, "mish": 1.088}.get(f, 1.0) for f in NAMES]
)
AT = np.array([{"gelu": 1.41, "silu": 2.4, "mish": 1.49}.get(f, 0.0) for f in NAMES])
OTHERS = [NAMES.index(f) for f in ("gelu", "silu", "mish")]
CENTRED = np.array([[10], [4], [2]]) * around(1, 3, 100, spread=0.1)
FURTHER_STEPS = np.full((len(BATCHES), len(FURTHER), 2), 50.0)  # batches save nothing
FURTHER_STEPS[1, 0, 0] = 20  # but in one cell
SLOWER = np.array([1, 1.5, 2.5, 8, 30])[: len(OFFSETS), None, None] ** np.array([1, 1.3, 1.5])[:, None]


def shares(middles, n=100, spread=0.01):
    """Shares around the middles: (*middles, n)."""
    return np.clip(np.asarray(middles)[..., None] + around(0, *np.shape(middles), n, spread=spread), 0, 1)


def steps(tanh, relu=100, n=12):
    """Steps of ReLU, tanh and a sigmoid that takes as long as tanh, everywhere the same but for some luck."""
    middle = np.array([relu, tanh, tanh])[None, :, None, None, None]
    shape = len(HIDDEN), len(LEARNERS), len(SPEEDS), len(TARGETS), n
    return np.broadcast_to(middle, shape) + rng.integers(-5, 6, shape)


def mapped(tanh=60, relu=100, n=8):
    """The same on the map, at every rate."""
    middle = np.array([relu, tanh])[:, None, None, None, None]
    return middle + rng.integers(-5, 6, (2, len(SCALES), len(KINDS), len(MAP_RATES["relu"]), n))


def default(tanh=20, relu=10, n=12):
    """Steps with nn.Linear's weights."""
    return np.array([relu, tanh])[:, None, None] + rng.integers(0, 5, (2, len(DEFAULT_RATES["relu"]), n))


SIGNS = shares([[0.5, 0.5, 0.5], [1, 0.9, 0.85]])  # batches: centred, and where all inputs are positive
SIGNS[1, 0] = 1
DEAD = np.full((len(ARMS), len(RATES)), 0.01)
DEAD[0] = 0.01, 0.02, 0.05, 0.1, 0.75, 0.95, 0.98
MOST = np.full((len(CENTRES), len(WIDTHS)), 0.05)
MOST[-1, 0] = 0.9  # one cell that holds
RIGHT = 0.94, 0.95, 0.97, 0.96, 0.7, 0.1, 0.1  # the best rate is the third

BACK = np.full((len(DEATHS), 4), 0.1)  # rates: none comes back from biases too low
BACK[1:4] = [0.3, 0.5, 0.7, 0.8], [0.5, 0.85, 0.9, 0.1], [0.55, 0.85, 0.2, 0.1]
BACK[4:] = [0.2, 0.3, 0.3, 0.2], [0.2, 0.4, 0.7, 0.1]
DATA_DEPTHS = np.array(  # (tables, circles, spirals), depths, (sigmoids, with larger weights, tanh, ReLU)
    [
        [[0.9, 0.9, 0.9, 0.89], [0.9, 0.9, 0.9, 0.88], [0.5, 0.9, 0.9, 0.88]],
        [[1, 1, 1, 1], [0.55, 0.96, 0.99, 1], [0.5, 0.8, 0.99, 1]],
        [[0.8, 0.87, 0.95, 0.97], [0.6, 0.79, 0.91, 0.97], [0.5, 0.65, 0.91, 0.97]],
    ]
)
APART = MIXTURES.index("tanh and sigmoid, by layer")
AS_ONE = MIXTURES.index("ReLU and sigmoid, by unit")
MIXED_RIGHT = np.full((3, len(PURE) + len(MIXED)), 0.99)
MIXED_RIGHT[:, 2] = 0.5  # sigmoids
MIXED_RIGHT[1:, len(PURE) + APART] = 0.5

SOUND = {
    "revive": {
        "healthy": shares(0.91, 12, spread=0.005),
        "dead": shares([1, 0.9], 12, spread=0.001),
        "relu": shares([[0.09] * 4, [0.16, 0.28, 0.31, 0.15]], 12),
        "variants": shares(BACK, 12),
    },
    "sigmoid_or_relu": {
        "digits": shares([0.945, 0.95, 0.95, 0.945], 10, spread=0.002),
        "right": shares(DATA_DEPTHS, 10, spread=0.002),
    },
    "maxout_cases": {
        "difference": np.full((4, 3, 20), 1e-15),
        "gradient": np.full((4, 3, 20), 1e-15),
        "weights": np.array([40_200, 80_400]),
    },
    "mixed": {"right": shares(MIXED_RIGHT, 10, spread=0.002)},
    "shapes": {
        "peak": PEAKS,
        "at": AT,
        "secant": PEAKS - np.abs(around(0, 20, len(NAMES), spread=0.002)),
    },
    "offset_cost": {
        "further": FURTHER_STEPS[..., None] * around(1, 20, spread=0.1),
        "steps": SLOWER * CENTRED,
        "fixed": np.stack([CENTRED, 2 * CENTRED]),
        "one_sign": SIGNS,
        "turn": shares([[0.45, 0.5, 0.3], [0.67, 0.8, 0.3]]),
        "slow_turn": shares([[0.4, 0.1, 0], [0.5, 0.5, 0]]),
    },
    "tanh_is_sigmoid": {
        "difference": np.abs(around(0, 5000, spread=3e-16)),
        "logits": np.full(6, 2e-15),
        "loss": np.geomspace(2.3, [[[0.01]], [[0.02]], [[0.04]]], 80).transpose(1, 2, 0, 3)
        * np.ones((3, 3, 80, 6)),
    },
    "speed": {"steps": steps(60), "total": np.array(180), "mapped": mapped(), "default": default()},
    "dying": {
        "silent": shares(DEAD, 8, spread=0.02),
        "unreached": shares(DEAD, 8, spread=0.02),
        "accuracy": shares([RIGHT] * len(ARMS), 8, spread=0.02),
        "diverged": np.zeros((len(ARMS), len(RATES), 8), bool),
        "born": shares([0.01] * len(ARMS), 8, spread=0.02),
        "parameters": np.full(len(ARMS), 7510),
        "most": shares(MOST, 8, spread=0.02),
    },
}


def peaked(name, value):
    """A doctor that gives an activation another peak, by autograd and by secants."""
    one = NAMES.index(name)
    return lambda r: put("peak", one, value)(r) | put("secant", (slice(None), one), value)(r)


# (experiment, claim): what is wrong, and what of the sound result to replace
DOCTORED = {
    ("shapes", "peak-one"): {
        "all at 1": lambda r: {key: np.where(np.array(NAMES) == "sigmoid", 0.25, 1) for key in ("peak",)},
        "SELU is not the steepest": peaked("selu", 1.0),
        "GELU peaks at 1": peaked("gelu", 1.0),
        "the others at 0": put("at", OTHERS, 0.0),
        "the sigmoid does not peak at a quarter": peaked("sigmoid", 0.5),
        "nor tanh at 1": peaked("tanh", 1.2),
        "secants say otherwise": put("secant", (slice(None), NAMES.index("selu")), 1.0),
    },
    ("offset_cost", "zigzag"): {
        "one gradient of two signs": put("one_sign", (1, 0, 7), 0.95),
        "centred inputs do it too": put("one_sign", (0, 0), 0.9),
        "no zig-zag": put("turn", (1, 0), around(0.45, 100)),
        "batches keep one sign": put("one_sign", (1, -1), 1.0),
        "it zig-zags at any rate": put("slow_turn", (1, -1), around(0.5, 100)),
        "it costs nothing": lambda r: {"steps": np.broadcast_to(r["steps"][:1], r["steps"].shape)},
        "batches soften it": lambda r: put("steps", (3, -1), 2 * r["steps"][0, -1])(r),
        "they save steps nowhere": put("further", (1, 0, 0), 50 * around(1, 20, spread=0.1)),
        "the bias has no part in it": lambda r: put("fixed", (1, -1), 30 * r["fixed"][0, -1])(r),
    },
    ("tanh_is_sigmoid", "tanh-is-sigmoid"): {
        "not for one x": put("difference", 17, 1e-3),
        "not for all networks": put("logits", 2, 0.01),
    },
    ("speed", "relu-six-times"): {
        "six times in one cell": put("mapped", (1, -1, 0), 1000),
        "one cell is too uncertain": put("mapped", (1, 0, 1, slice(None), slice(1, 4)), 2000),
    },
    ("dying", "dead-forty"): {
        "a third": put("silent", (0, TOO_HIGH), 0.33),
        "too uncertain": put("silent", (0, TOO_HIGH, slice(0, 4)), 0.2),
        "they die at a good rate": put("silent", (0, 2), 0.5),
        "the best rate is the one that kills": put("accuracy", (0, TOO_HIGH), 0.99),
        "in no cell": put("most", (-1, 0), 0.05),
        "centred inputs do not help": put("most", (0, 1), 0.3),
    },
    ("revive", "leaky-cures-dying"): {
        "the usual slope is a cure": put("variants", (0, 1), 0.9),
        "it is a cure in every cell": lambda r: {"variants": np.full_like(r["variants"], 0.9)},
        "larger slopes are none": put("variants", slice(1, 4), 0.1),
        "the rate is never too high": put("variants", (slice(2, 4), -1), 0.9),
        "ReLUs come back too": put("relu", (0, 1), 0.8),
        "the steps kill nothing": put("dead", 1, 0.1),
        "the biases leave units on": put("dead", 0, 0.5),
        "the usual slope is a cure after the steps": put("variants", (4, 1), 0.8),
        "a large slope is, in full": put("variants", (5, 2), 0.92),
    },
    ("sigmoid_or_relu", "sigmoid-never"): {
        "never, indeed": put("right", (..., slice(GLOROT, TANH), slice(None)), 0.3),
        "always as good": lambda r: put(
            "right", (..., slice(GLOROT, TANH), slice(None)), r["right"][:, :, [RELU, RELU]]
        )(r),
        "not on digits": put("digits", GLOROT, 0.8),
        "not on tables": put("right", (0, 0, GLOROT), 0.87),
        "the weights do not help on tables": put("right", (0, -1, LARGE), 0.5),
        "depth does no harm": put("right", (1, -1, GLOROT), 0.99),
        "it is as good on spirals": put("right", (2, 0, LARGE), 0.97),
    },
    ("sigmoid_or_relu", "tanh-worse-than-relu"): {
        "worse everywhere": put("right", (..., TANH, slice(None)), 0.8),
        "nowhere": lambda r: put("right", (..., TANH, slice(None)), r["right"][:, :, RELU])(r),
        "worse on digits": put("digits", TANH, 0.9),
        "worse on some tables": put("right", (0, 1, TANH), 0.86),
        "as good on spirals": put("right", (2, -1, TANH), 0.965),
    },
    ("maxout_cases", "maxout-special-cases"): {
        "not the same outputs": put("difference", (1, 0, 3), 1e-6),
        "not the same gradients": put("gradient", (0, 2, 3), 1e-6),
        "no more weights": put("weights", 1, 40_200),
    },
    ("mixed", "mixing-activations"): {
        "no harm anywhere": put("right", (slice(None), slice(len(PURE), None)), 0.99),
        "harm everywhere": put("right", (slice(None), slice(len(PURE), None)), 0.3),
        "ReLU and tanh do not mix": put("right", (0, len(PURE)), 0.9),
        "one unit in two does not make up": put("right", (-1, len(PURE) + AS_ONE), 0.6),
        "sigmoids do well alone": put("right", (-1, 2), 0.95),
        "layers of sigmoids do no harm": put("right", (1, len(PURE) + APART), 0.95),
    },
}
