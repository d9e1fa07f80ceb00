"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.preprocessing import offset, ranges
from experiments.preprocessing.offset import OFFSETS
from experiments.preprocessing.pixels import DIVIDED, RAW, WHOLE
from experiments.preprocessing.ranges import FEATURES
from experiments.preprocessing.reduced_training import COUNTS
from experiments.preprocessing.targets import LINEAR, MEASURED, NETWORK, STANDARDIZED
from experiments.preprocessing.whiten_noise import EPSILONS, NOISE

from tests.doctored.normalize_your_data import around, put


def scattered(middle, n, spread=0.01):
    """n positive numbers around each of `middle`."""
    return np.asarray(middle)[..., None] * around(1, *np.shape(middle), n, spread=spread)


def each(middles, *shape, spread=0.01):
    """Results around each of `middles`: (*middles' shape, *shape)."""
    middles = np.asarray(middles, float)
    return middles.reshape(*middles.shape, *(1 for _ in shape)) + around(
        0, *middles.shape, *shape, spread=spread
    )


def images(components, pixels):
    """Squared distances of 200 images, and what the first directions hold of them: `total` and `few`."""
    total = around(10, 200, spread=3)
    return total, np.stack([share * total * around(1, 200) for share in (components, pixels)])


def less(i, which, factor):
    """A doctor by whom the first components (0) or pixels (1) of digits (0) or patches (1) hold less."""
    return lambda r: put(f"few_{i}", (which,), factor * r[f"few_{i}"][which])(r)


LAST = len(OFFSETS) - 1
TWO = FEATURES.index(2)

KAPPA = offset.predicted(OFFSETS)
AXES = np.geomspace(10, 0.01, 16)
BEFORE = scattered(AXES, 20).T

DIGITS, PATCHES = images(0.78, 0.14), images(0.97, 0.06)

VARIANCES = np.geomspace(1e6, 11, 50)
PREDICTED = (VARIANCES + np.array(EPSILONS)[:, None] * NOISE**2) ** -0.5

RIGHT = np.array([0.5, 0.7, 0.8, 0.82, 0.82])  # by COUNTS and all pixels
MAPPED = 12


SATURATED = [[0.98, 0, 0.11, 0.07], [0.97, 0, 0, 0.01], [0.5, 0.5, 0.5, 0.5]]
LEARNED = [[0.4, 0.88, 0.88, 0.86], [0.5, 0.88, 0.88, 0.87], [0.25, 0.88, 0.88, 0.87]]

ALONG = np.ones((6, 4, 150))
ALONG[3:, 0] = around(0.7, 3, 150)
OFF = np.full((6, 4, 150), 1e-6)
OFF[3:, 0] = 10

SOUND = {
    "svd_route": {"found": ALONG, "off": OFF},
    "offset": {
        "kappa": np.maximum(scattered(KAPPA, 40), 1),
        "steps": np.maximum(scattered(offset.predicted_steps(KAPPA), 40), 1),
        "mapped": scattered(
            [
                [1, 1, 3, 5],
                [1, 1.4, 4, 22],
                [1, 2.5, 8, 84],
                [1, 7, 31, 330],
                [1, 25, 260, 1300],
                [1, 480, 8e4, 3e4],
            ],
            MAPPED,
        ),
        "points": np.array(1000),
    },
    "ranges": {
        "steps": scattered(np.stack([np.full((3, 3), 40.0), np.full((3, 3), 8.0)]), MAPPED),
        "kappa": np.maximum(scattered(ranges.predicted(FEATURES), 8), 1),
        "rows": np.array(15_000),
    },
    "whiten_sqrt": {
        "before": BEFORE,
        "eigenvalue": 1 / BEFORE,
        "root": np.ones_like(BEFORE),
        "off": np.full(20, 1e-16),
        "mixed": np.full(20, 1e-16),
    },
    "digit_components": {
        "total_0": DIGITS[0],
        "few_0": DIGITS[1],
        "total_1": PATCHES[0],
        "few_1": PATCHES[1],
        "kept_0": np.linspace(0.1, 1, 784),
        "kept_1": np.linspace(0.8, 1, 432),
        "pixel": around(33, 1000, spread=5),
        "label": np.arange(1000) % 10,
        "shares": each(
            [
                [0.2, 0.1, 0.8, 0.01],
                [0.4, 0.1, 0.9, 0.03],
                [0.6, 0.2, 0.9, 0.1],
                [0.8, 0.4, 0.97, 0.2],
                [0.9, 0.6, 0.98, 0.3],
            ],
            40,
        ),
    },
    "whiten_noise": {
        "share": each([0.002, 0.35, 0.28, 0.13, 0.055], 10, spread=0.0005),
        "gain": PREDICTED[..., None] * around(1, *PREDICTED.shape, 10),
        "predicted": np.repeat(PREDICTED[..., None], 10, axis=-1),
        "noise": scattered(
            [
                np.full((5, 3), 0.01),
                [
                    [0.5, 0.5, 0.01],
                    [0.3, 0.2, 0.01],
                    [0.1, 0.05, 0.01],
                    [0.03, 0.03, 0.01],
                    [0.013, 0.012, 0.01],
                ],
            ],
            MAPPED,
        ),
    },
    "reduced_training": {"accuracy": each(np.stack([RIGHT - 0.2, RIGHT - 0.1, RIGHT]), 16, spread=0.001)},
    "pixels": {
        "saturated": each(SATURATED, 6, spread=0.002).clip(0, 1),
        "accuracy": each(LEARNED, 6),
        "by_size": each(
            [
                [0.1, 0.0, 0.1, 0.0],
                [0.3, 0.1, 0.3, 0.2],
                [0.7, 0.4, 0.6, 0.4],
                [0.8, 0.7, 0.8, 0.6],
                *[[0.9] * 4] * 2,
            ],
            MAPPED,
            spread=0.002,
        ),
    },
    "targets": {
        "sgd": each([[0.54] * 5, [0.62, 0.57, 0.55, 0.53, 0.58]], 8),
        "sgd_best": np.array([[7, 6, 6, 6, 7], [7, 5, 3, 1, 6]]),
        "adam": each([[3, 4, 4.5, 4.6, 0.9, 0.8, 0.8, 1, 1], [0.6, 0.7, 3, 4, 0.6, 0.6, 0.5, 0.6, 0.9]], 8),
        "pair_sgd": each([[0.6, 2.5], [0.6, 0.8]], 8).swapaxes(1, 2),
        "lost": each(
            [[0, 1.7, 0.4, 8], [0, 0, 0.1, 0.1], [0, 0, 0, 0.1], [0, 0, 0, 0.6], [0, 0, 0, 2], [0, 0, 0, 4]],
            MAPPED,
        ),
    },
}


DOCTORED = {
    ("offset", "offset-condition"): {
        "an offset does no harm": lambda r: {"mapped": np.minimum(r["mapped"], 5)},
        "the least offset ruins it": lambda r: {"mapped": 20 * r["mapped"]},
        "it does less than predicted": put("kappa", (0, LAST), around(300, 40)),
        "centred inputs are no better": put("kappa", (0, 0), around(400, 40)),
        "with a bias it is not as predicted": put("kappa", (1, LAST), around(20_000, 40)),
        "it costs no steps": put("steps", (0, LAST), around(2, 40)),
    },
    ("ranges", "range-01"): {
        "with Adam it serves as well": put("steps", (0, 0, 2), around(8, MAPPED)),
        "with many features and momentum it is not known": put(
            "steps", (0, 2, 1), np.geomspace(1, 300, MAPPED)
        ),
        "[0, 1] is as good as [−1, 1]": lambda r: {"kappa": r["kappa"][:, [1, 1, 2]]},
        "it does not get worse with more features": put("kappa", (1, 0, -1), around(28, 8)),
        "only where the bias is learned": put("kappa", (0, 0, TWO), around(1, 8, spread=0.001)),
        "standardizing does not help": put("kappa", (1, 2, -1), around(300, 8)),
        "[−1, 1] does not help": put("kappa", (1, 1, -1), around(300, 8)),
    },
    ("whiten_sqrt", "whiten-sqrt"): {
        "the eigenvalue whitens": lambda r: {"eigenvalue": scattered(np.ones(16), 20).T},
        "the eigenvalue halves the spread": lambda r: {"eigenvalue": r["before"] ** -0.5},
        "the root does not whiten": put("off", 3, 0.2),
        "nor a table that is mixed at random": put("mixed", 3, 1e-3),
    },
    ("digit_components", "pca-keeps"): {
        "few never hold most": lambda r: {"shares": r["shares"] / 2},
        "few always do": lambda r: {"shares": 0.6 + 0.1 * r["shares"]},
        "pixels alone do as well": less(0, 1, 5),
        "those of patches do": less(1, 1, 12),
    },
    ("digit_components", "mnist-mean"): {
        "paler": lambda r: {"pixel": r["pixel"] - 2},
        "darker": lambda r: {"pixel": r["pixel"] + 2},
        "paler where ones are as common as in MNIST": lambda r: {
            "pixel": r["pixel"] - np.where(r["label"] == 1, 100, -100 / 9)
        },
        "too few images to tell": lambda r: {"pixel": r["pixel"][:20], "label": r["label"][:20]},
    },
    ("svd_route", "svd-route"): {
        "squaring loses nothing": put("found", (slice(None), 0), 1.0),
        "the data lose it as well": put("found", (-1, 2), 0.5),
        "float64 loses it": put("found", (-1, 1), 0.5),
        "sizes are off where nothing is lost": put("off", (0, 0), 0.1),
    },
    ("whiten_noise", "whiten-noise"): {
        "everything exaggerates it": lambda r: {
            "noise": np.stack([r["noise"][0], np.maximum(r["noise"][1], 0.03)])
        },
        "nothing exaggerates it": lambda r: {"noise": np.stack([r["noise"][0], r["noise"][0]])},
        "as much noise as before": put("share", 0, around(0.3, 10)),
        "epsilon does nothing": lambda r: {
            "share": np.stack([r["share"][0], *[r["share"][1]] * len(EPSILONS)])
        },
        "a little does, more does not": lambda r: put("share", 4, r["share"][2])(r),
        "all directions alike": lambda r: put("gain", 0, np.full_like(r["gain"][0], 0.1))(r),
        "epsilon leaves them as unlike": lambda r: put("gain", -1, r["gain"][0])(r),
        "not by the root": lambda r: {"gain": r["gain"] * np.geomspace(1, 2, r["gain"].shape[1])[:, None]},
    },
    ("reduced_training", "pca-ok-for-nets"): {
        "no number is enough": lambda r: {
            "accuracy": np.append(r["accuracy"][:, :-1] - 0.1, r["accuracy"][:, -1:], axis=1)
        },
        "any number will do": lambda r: put("accuracy", (-1, COUNTS.index(4)), r["accuracy"][-1, -1])(r),
        "too noisy to tell": lambda r: {"accuracy": around(0.8, *r["accuracy"].shape, spread=0.2)},
    },
    ("pixels", "raw-pixels-saturate"): {
        "small weights saturate too": lambda r: {"by_size": np.maximum(r["by_size"], 0.8)},
        "tanh does not saturate": put("saturated", (0, RAW), around(0.6, 6)),
        "sigmoids do not": put("saturated", (1, RAW), around(0.6, 6)),
        "divided pixels saturate": put("saturated", (1, DIVIDED), around(0.5, 6)),
        "standardized ones do": put("saturated", (0, WHOLE), around(0.5, 6)),
        "it costs nothing": put("accuracy", (0, RAW), around(0.87, 6)),
    },
    ("targets", "targets-too"): {
        "on the map nothing needs it": lambda r: {"lost": 0 * r["lost"]},
        "there all do": lambda r: {"lost": 1 + r["lost"]},
        "Adam does as well": put("adam", (NETWORK, MEASURED), around(0.6, 8)),
        "descent needs it too": put("sgd", (NETWORK, MEASURED), around(1, 8)),
        "so does a linear neuron": put("sgd", (LINEAR, STANDARDIZED), around(0.3, 8)),
        "two targets get along": put("pair_sgd", (0,), around(0.8, 8, 2)),
    },
}
