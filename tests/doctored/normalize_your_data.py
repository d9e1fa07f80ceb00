"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.normalize_your_data import one_at_a_time, robust_activation
from experiments.normalize_your_data.relu_homogeneous import RATIOS, predicted

rng = np.random.default_rng(0)


def around(middle, *shape, spread=0.01):
    return middle + spread * rng.uniform(-1, 1, shape)


def at(array, index, value):
    """A copy of `array` with `value` at `index`."""
    array = np.array(array)
    array[index] = value
    return array


def hits(share, n=1000):
    """n answers, the given share of them True, for each of several shares: (*shares, n)."""
    return (np.arange(n) + 0.5) / n < np.asarray(share)[..., None]


def cells(middles, n):
    """A map's values, closely around the given means: (*axes, n)."""
    return around(np.asarray(middles)[..., None], *np.shape(middles), n)


def learned(*rates, n=500):
    """Accuracies, 1.0 for the given share of the networks and 0.5 for the rest: (*rates, n)."""
    return np.where(hits(rates, n), 1.0, 0.5)


def losses():
    """Training losses that fall on every step, but for raw data with wild scales."""
    falling = np.broadcast_to(np.linspace(1, 0, 100)[:, None], (2, 2, 100, 40))
    return at(falling, (1, 0, slice(None, None, 10)), 2.0)


def sound_same_weights():
    before, side = rng.normal(size=(50, 8, 2)), rng.choice([-1.0, 1.0], (50, 8, 1))
    together = np.array([0.01, 0.03, 0.07, 0.2, 0.4, 1.0])  # the first weights grow
    ways = np.stack([np.ones(6), together**0.1, np.ones(6), together], axis=1)
    return {
        "before": before,
        "after": before + 0.3 * side,
        "on": np.ones((50, 8), bool),
        "map": ways[..., None] * around(1, 40),
    }


def sound_gradient_share():
    h = np.maximum(rng.normal(size=(400, 64)), 0)
    outgoing, incoming = np.array([1, 0.7, 0.7, 0.7, 0.7, 0.7]), np.linspace(0, 0.4, 6)
    return {
        "h": h,
        "incoming": np.where(h > 0, rng.uniform(0, 1, h.shape), 0),
        "outgoing": 0.3 * h,
        "map": np.stack([outgoing, incoming, outgoing, 0.3 + incoming], axis=1)[..., None] * around(1, 40),
    }


SHARES = np.full((6, 5, 1000), 0.5)  # that half of the data activates
SHARES[:, 3, :800] = 0.3  # skewed
SHARES[3:, 0, :600] = SHARES[4:, 2, :600] = SHARES[5, 1, :600] = SHARES[5, 4, :600] = 0.3
SLIDE = np.linspace(0, 9, 46)
STATES = rng.binomial(10, 0.5, (4000, 1))
TABLES = np.stack([around(0.8, 40), around(0.8, 40)]), np.stack([around(0.6, 40), around(0.8, 40)])

ALONE = np.full((len(one_at_a_time.UNITS), len(one_at_a_time.CASES)), 0.5)
ALONE[0, 1:] = 0.9  # two units, trained
TIMES = np.outer(
    [1.2, 3, 8, 30], [1, 3, 1, 3]
)  # epochs raw by standardized: offsets by optimizers and scales
EPOCHS = np.moveaxis(TIMES.reshape(4, 2, 2), 1, 0).reshape(2, 8)
SHORT = np.full((len(robust_activation.FAULTS), len(robust_activation.ACTIVATIONS)), -0.3)
SHORT[1:3, :3] = SHORT[[0, 3, 4], -1] = 0  # large inputs and ReLUs; all others and the sine

SOUND = {
    "one_at_a_time": {
        "states": np.array([0.42, 0.5, 0.08])[:, None]
        + np.zeros((3, 60))
        + [[0], [0.01], [-0.01]] * around(0, 60, spread=1),
        "right": around(0.82, 60),
        "alone": cells(ALONE, 60),
    },
    "faster": {
        "generated": 10 * np.array([[1.1, 1], [1.05, 1]])[..., None] * around(1, 2, 2, 40),
        "spoiled": 5 * np.concatenate([np.ones((2, 1)), EPOCHS], 1)[..., None] * around(1, 2, 9, 28),
        "chosen": np.full(22, 0.5),
    },
    "larger_columns": {
        "standardized": around(75, 50),
        "raw": 75 - cells([[-4, 0, 8], [-7, 1, 17], [-8, 3, 21], [-9, 4, 23]], 50),
        "more": cells([-3, 2, 10], 16),
        "chosen": np.full(17, 0.5),
    },
    "robust_activation": {
        "standardized": around(0.99, 48),
        "raw": around(0.65, 48),
        "descent": cells([0.99, 0.8], 24),
        "faulty": 0.99 + cells(SHORT, 24),
        "chosen": np.full(34, 0.5),
    },
    "activity_share": {
        "zero_bias": around(0.5, 2000),
        "random_bias": np.linspace(-0.3, 1.3, 2000).clip(0, 1),
        "map": SHARES,
    },
    "activity_slide": {
        "extreme": hits(SLIDE / (1 + SLIDE), 4000),
        "map": hits(
            [
                [0.44, 0.2, 0, 0],
                [0.62, 0.42, 0, 0],
                [0.78, 0.66, 0.1, 0],
                [0.88, 0.83, 0.4, 0],
                [0.93, 0.92, 0.73, 0.34],
                [0.96, 0.95, 0.88, 0.7],
            ]
        ),
    },
    "active_per_point": {
        "centred": rng.binomial(10, 0.5, (4000, 5)),
        "shifted": np.repeat(STATES, 5, axis=1),
        "map": 0.5
        - np.outer([0, 2, 6, 13, 14, 18], [0.2, 0.8, 1, 1])[..., None] * around(0.01, 40, spread=1e-3),
    },
    "overlap": {
        "square": np.linspace(0, 0.5, 4000),
        "round": np.linspace(0, 0.5, 4000),
        "distance": np.array([[0.02, 0.1, 0.3], [0.03, 0.1, 0.3], *[[0.1, 0.1, 0.2]] * 3])[..., None]
        * around(1, 12),
        "above": np.outer([0, 0.02, 0.05, 0.1, 0.2], [1, 1, 0.1])[..., None] * around(1, 12),
    },
    "relu_homogeneous": {
        "all_or_none": np.stack(
            [
                hits(np.broadcast_to(predicted(RATIOS), (5, len(RATIOS)))),
                hits(np.linspace(1, 0, 5)[:, None] * np.ones(len(RATIOS))),
            ]
        ),
        "centred": hits([0.95, 0.75, 0.5, 0.2, 0, 0]),
        "moved": hits([0.95, 0.75, 0.5, 0.2, 0, 0])[:, None]
        | hits([[0] * 6, [0] * 6, [0, 0, 0, 0.6, 0.8, 0.9], *[[0, 0, 0, 0.6, 0.8, 0.9]] * 3]),
    },
    "gradient_share": sound_gradient_share(),
    "same_weights": sound_same_weights(),
    "success_rate": {  # ReLU, tanh, sigmoid; 2 units, 8 units
        "raw": np.broadcast_to(
            learned(0.02, 0.02, 0.02, 0.1, 0.1, 0.5).reshape(3, 2, 1, 500), (3, 2, 4, 500)
        ),
        "standardized": learned(0.6, 1, 0.9, 1, 0.9, 1).reshape(3, 2, 500),
        "logistic": around(0.55, 500),
        "gap": cells([[0.15] * 3, [0.08] * 3, [0.02] * 3, [0.0] * 3, [-0.03] * 3], 60),
    },
    "patience": {  # raw then standardized; ReLU, leaky ReLU, tanh, sigmoid
        "learned": hits(
            [
                [np.linspace(0, 0.2, 7), np.ones(7)],
                [np.linspace(0, 0.3, 7), np.ones(7)],
                [np.linspace(0, 0.5, 7), np.ones(7)],
                [np.linspace(0, 0.95, 7), np.ones(7)],
            ],
            100,
        ),
        "sigmoids": hits([[0.8, 0.9, 1.0], [0.7, 0.8, 1.0], [0.2, 0.3, 0.9], [0, 0, 0.1], [0, 0, 0]], 60),
    },
    "table_scales": {
        "accuracy": np.stack(TABLES),
        "loss": losses(),
        "sd_ratio": np.stack([around(2.0, 40), around(1e4, 40)]),
        "offset": np.stack([around(0.1, 40), around(10.0, 40)]),
        "by_training": cells(-2.0 * np.ones((4, 3)), 28),
        "by_scale": cells([[-3.0, 0, 7], [-2, 2, 8], [7, 5, 9], [20, 15, 10]], 28),
    },
    "width": {
        "accuracy": np.stack(
            [
                np.stack([around(middle, 100) for middle in middles]).clip(0, 1)
                for middles in ((0.82, 1, 1.01, 1.01, 1.01), (0.5, 0.5, 0.55, 0.8, 0.55))
            ]
        ),
        "gain": cells([[0.2, 0.4, 0.3], [0.15, 0.2, 0.15], [0.05, 0.2, 0.05], [0, 0, 0], [0, 0, 0]], 60),
        "best": cells([[0.77, 0.92, 0.96], [0.85, 0.98, 1], [0.94, 1, 1], [0.97, 1, 1], [0.98, 1, 1]], 15),
    },
}


def put(key, index, value):
    """A doctor that puts `value` at `index` of `key`."""
    return lambda r: {key: at(r[key], index, value)}


# (experiment, claim): what is wrong, and what of the sound result to replace
DOCTORED = {
    ("activity_share", "half-active"): {
        "biases do no harm": put("map", (slice(None), slice(None)), 0.5),
        "they always do": put("map", (slice(None), slice(None), slice(0, 500)), 0.3),
        "skewed data does not": put("map", (0, 3), 0.5),
        "more than half": lambda r: {"zero_bias": r["zero_bias"] + 0.05},
        "less than half": lambda r: {"zero_bias": r["zero_bias"] - 0.05},
        "one unit sees a third": put("zero_bias", 0, 0.33),
        "random biases do no harm": lambda r: {"random_bias": r["zero_bias"]},
    },
    ("activity_slide", "all-or-none"): {
        "wherever it lies": lambda r: {"map": r["map"] | True},
        "nowhere": lambda r: {"map": r["map"] & False},
        "one input of a hundred does it": put("map", (2, 3), True),
        "it falls": lambda r: {"extreme": r["extreme"][::-1]},
        "it stops rising": lambda r: {"extreme": at(r["extreme"], -1, r["extreme"][30])},
        "half in the end": lambda r: {"extreme": hits(SLIDE / 18, 4000)},
    },
    ("active_per_point", "count-stays-half"): {
        "training changes nothing": lambda r: {"map": np.repeat(r["map"][:1], 6, axis=0)},
        "centred it does the same": put("map", (-1, 0), 0.3),
        "fewer far out": lambda r: {"shifted": 0 * r["shifted"] + 4},
        "more far out": lambda r: {"shifted": 0 * r["shifted"] + 6},
        "fewer centred": lambda r: {"centred": 0 * r["centred"] + 4},
        "more centred": lambda r: {"centred": 0 * r["centred"] + 6},
    },
    ("overlap", "overlap-uniform"): {
        "with any inputs": lambda r: {"distance": 0 * r["distance"]},
        "not without biases": lambda r: {"distance": 0.2 + r["distance"]},
        "three inputs as two": put("distance", (0, 1), 0.02),
        "with biases none share more than half": lambda r: {"above": 0 * r["above"]},
        "always a quarter": lambda r: {"square": around(0.25, 4000)},
        "less than a quarter": lambda r: {"square": 0.9 * r["square"]},
        "more than a quarter": lambda r: {"square": 0.5 - 0.9 * r["square"]},
        "not on a round cloud": lambda r: {"round": 2 * r["round"] ** 2},
    },
    ("relu_homogeneous", "relu-homogeneous"): {
        "an offset never costs": lambda r: {"moved": np.repeat(r["centred"][:, None], 6, axis=1)},
        "it always does": lambda r: {"centred": 0 * r["centred"], "moved": r["moved"] | True},
        "narrow data does no harm": put("all_or_none", (1, 0, 0), False),
        "wide data off centre does": put("all_or_none", (1, -1, 1), True),
        "scale matters without biases": put("all_or_none", (0, 4, 9), hits(0.62)),
        "the prediction is off": put("all_or_none", (0, slice(None), -1), False),
    },
    ("gradient_share", "gradient-share"): {
        "any number of examples": lambda r: {"map": 0 * r["map"] + 1},
        "not even one": put("map", 0, 0.5),
        "training changes nothing": put("map", (0, 3), 0.0),
        "proportional": lambda r: {"incoming": r["h"]},
        "falling": lambda r: {"incoming": np.exp(-r["h"]) * (r["h"] > 0)},
        "nor is the outgoing": lambda r: {"outgoing": r["incoming"]},
        "the inactive learn": lambda r: {"incoming": r["incoming"].clip(0.001)},
    },
    ("same_weights", "same-weights"): {
        "small first weights do not help": put("map", (slice(None), 3), 1.0),
        "they always meet": lambda r: {"map": 0.01 * r["map"]},
        "nor do usual ones": put("map", (5, 3), 0.01),
        "they meet": lambda r: {"after": 0.01 * r["after"] + [1.0, 2.0]},
        "they move at random": lambda r: {"after": r["before"] + rng.normal(size=r["before"].shape)},
    },
    ("success_rate", "shifted-is-logistic"): {
        "the same wherever the data lies": lambda r: {"gap": r["gap"].clip(max=0)},
        "better wherever the data lies": lambda r: {"gap": r["gap"] + 0.15},
        "a line will do": put("logistic", 0, 0.85),
        "standardizing is no better": lambda r: {"standardized": r["raw"][:, :, -1]},
    },
    ("patience", "sigmoid-too"): {
        "they learn nowhere": lambda r: {"sigmoids": r["sigmoids"] & False},
        "they learn everywhere": lambda r: {"sigmoids": r["sigmoids"] | True},
        "ReLUs learn as well": put("learned", (0, 0, -1), hits(0.95, 100)),
        "standardized is no faster": put("learned", (3, 1, 2), hits(0.3, 100)),
    },
    ("table_scales", "norm-helps-blobs"): {
        "it helps": put("accuracy", (0, 1), around(0.85, 40)),
        "it helps after one training": put("by_training", (3, 0), around(2.0, 28)),
        "after one it is not known": put("by_training", (3, 0), around(1.0, 28)),
        "raw training is unsteady": put("loss", (0, 0, slice(None, None, 10)), 2.0),
        "so is the standardized": put("loss", (0, 1, slice(None, None, 10)), 2.0),
    },
    ("table_scales", "norm-helps-scales"): {
        "no difference": put("accuracy", (1, 1), around(0.6, 40)),
        "it hurts": lambda r: {"accuracy": r["accuracy"][:, ::-1]},
        "it helps everywhere": lambda r: {"by_scale": r["by_scale"] + 5},
        "standardized is less steady": put("loss", (1, 1, slice(None, None, 5)), 2.0),
    },
    ("width", "width-does-not-help"): {
        "larger helps everywhere": lambda r: {"gain": r["gain"] + 0.2},
        "larger helps nowhere": lambda r: {"gain": 0 * r["gain"]},
        "32 need no centring": put("accuracy", (1, 3), around(0.99, 100)),
    },
    ("width", "two-relus-cannot"): {
        "they get it right at every radius": lambda r: {"best": r["best"].clip(0.95)},
        "nobody can": lambda r: {"best": 0.8 * r["best"]},
        "two make no mistake far out": put("best", (4, 0), around(0.999, 15, spread=0.0005)),
        "some networks can": put("accuracy", (0, 0, slice(9)), 1.0),
        "three cannot either": put("accuracy", (0, 1), around(0.9, 100)),
        "eight often fail": put("accuracy", (0, 2), around(0.95, 100)),
    },
    ("one_at_a_time", "h0-on-h1-off"): {
        "with any number of units": lambda r: {"alone": r["alone"].clip(0.9)},
        "not with two either": put("alone", 0, 0.5),
        "both are on as often as one": lambda r: {"states": r["states"][[0, 2, 1]]},
        "the networks have not learned": lambda r: {"right": r["right"] - 0.2},
    },
    ("faster", "norm-faster"): {
        "wherever the data lies": put("spoiled", (slice(None), slice(1, None)), 900),
        "nowhere": put("spoiled", (slice(None), slice(1, None)), 5),
        "on the source's tables": lambda r: {"generated": r["generated"] * [[[3], [1]]] * 1.0},
        "hardly, far out": put("spoiled", (1, 7), 40),
        "unequal columns are no worse": put("spoiled", (0, 2), 4),
        "the best rate is at the edge": put("chosen", 3, 1.0),
    },
    ("larger_columns", "norm-generalizes"): {
        "whichever columns are large": lambda r: {"raw": r["raw"].clip(max=74)},
        "never": lambda r: {"raw": r["raw"].clip(76)},
        "not where any column may be large": put("raw", (slice(None), 1), 75),
        "more rows change nothing": put("more", 2, 25),
        "the best rate is at the edge": put("chosen", 2, 1.0),
    },
    ("robust_activation", "robust-activation"): {
        "each bears all": lambda r: {"faulty": r["faulty"].clip(0.99)},
        "none bears any": lambda r: {"faulty": r["faulty"].clip(max=0.7)},
        "sine bears all": put("faulty", (slice(None), -1), 0.99),
        "ELU bears an offset": put("faulty", (4, 2), 0.99),
        "a sine does not": put("faulty", (4, -1), 0.7),
        "ReLUs do not bear large inputs": put("faulty", (1, slice(3)), 0.7),
        "SGD bears them too": put("descent", 1, 0.99),
        "the best rate is at the edge": put("chosen", 0, 0.0),
    },
}
