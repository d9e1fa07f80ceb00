"""Results of this chapter's experiments, made by hand: one under which all claims hold, and many that break one."""

import numpy as np
from experiments.normalize_your_data.relu_homogeneous import RATIOS, predicted

rng = np.random.default_rng(0)


def around(middle, *shape, spread=0.01):
    return middle + spread * rng.uniform(-1, 1, shape)


def hits(share, n=1000):
    """n answers, the given share of them True, for each of several shares: (*shares, n)."""
    return (np.arange(n) + 0.5) / n < np.asarray(share)[..., None]


def learned(*rates, n=500):
    """Accuracies, 1.0 for the given share of the networks and 0.5 for the rest: (*rates, n)."""
    return np.where(hits(rates, n), 1.0, 0.5)


def losses(*shapes):
    """Training losses that fall on every step."""
    return np.broadcast_to(np.linspace(1, 0, 100)[:, None], (2, 2, 100, 40)).copy()


def sound_same_weights():
    before, side = rng.normal(size=(50, 8, 2)), rng.choice([-1.0, 1.0], (50, 8, 1))
    return {"before": before, "after": before + 0.3 * side, "on": np.ones((50, 8), bool)}


def sound_gradient_share():
    h = np.maximum(rng.normal(size=(400, 64)), 0)
    return {"h": h, "incoming": np.where(h > 0, rng.uniform(0, 1, h.shape), 0), "outgoing": 0.3 * h}


SLIDE = np.linspace(0, 9, 46)
STATES = rng.binomial(10, 0.5, (4000, 1))
TABLES = np.stack([around(0.8, 40), around(0.8, 40)]), np.stack([around(0.6, 40), around(0.8, 40)])

SOUND = {
    "activity_share": {
        "zero_bias": around(0.5, 2000),
        "random_bias": np.linspace(-0.3, 1.3, 2000).clip(0, 1),
    },
    "activity_slide": {"extreme": hits(SLIDE / (1 + SLIDE), 4000)},
    "active_per_point": {
        "centred": rng.binomial(10, 0.5, (4000, 5)),
        "shifted": np.repeat(STATES, 5, axis=1),
    },
    "overlap": {"square": np.linspace(0, 0.5, 4000), "round": np.linspace(0, 0.5, 4000)},
    "relu_homogeneous": {
        "all_or_none": np.stack(
            [
                hits(np.broadcast_to(predicted(RATIOS), (5, len(RATIOS)))),
                hits(np.linspace(1, 0, 5)[:, None] * np.ones(len(RATIOS))),
            ]
        )
    },
    "gradient_share": sound_gradient_share(),
    "same_weights": sound_same_weights(),
    "success_rate": {
        "raw": np.broadcast_to(
            learned(0.02, 0.02, 0.02, 0.1, 0.1, 0.5).reshape(3, 2, 1, 500), (3, 2, 4, 500)
        ),
        "standardized": learned(0.6, 1, 0.9, 1, 0.9, 1).reshape(3, 2, 500),
        "logistic": around(0.55, 500),
    },
    "table_scales": {"accuracy": np.stack(TABLES), "loss": losses()},
    "width": {
        "accuracy": np.stack(
            [
                np.stack([around(middle, 100) for middle in middles]).clip(0, 1)
                for middles in ((0.82, 1, 1.01, 1.01, 1.01), (0.5, 0.5, 0.55, 0.8, 0.55))
            ]
        )
    },
}


def at(array, index, value):
    """A copy of `array` with `value` at `index`."""
    array = np.array(array)
    array[index] = value
    return array


def first(result, key, index, value):
    return {key: at(result[key], index, value)}


# experiment, claim, what is wrong with the doctored result, what of the result to replace
DOCTORED = [
    ("activity_share", "half-active", "two thirds see the data", lambda r: {"zero_bias": r["zero_bias"] + 0.17}),
    ("activity_share", "half-active", "one unit sees a third", lambda r: first(r, "zero_bias", 0, 0.33)),
    ("activity_share", "half-active", "biases do not matter", lambda r: {"random_bias": r["zero_bias"]}),
    ("activity_slide", "all-or-none", "nobody sees all or none", lambda r: {"extreme": ~r["extreme"][:, :0:-1]}),
    ("activity_slide", "all-or-none", "it stops rising", lambda r: first(r, "extreme", -1, r["extreme"][30])),
    ("activity_slide", "all-or-none", "half in the end", lambda r: {"extreme": hits(SLIDE / 18, 4000)}),
    ("active_per_point", "count-stays-half", "a third far out", lambda r: {"shifted": r["shifted"] * 2 // 3}),
    ("active_per_point", "count-stays-half", "most far out", lambda r: {"shifted": r["shifted"] * 0 + 6}),
    ("active_per_point", "count-stays-half", "fewer centred", lambda r: {"centred": r["centred"] * 0 + 4}),
    ("active_per_point", "count-stays-half", "more centred", lambda r: {"centred": r["centred"] * 0 + 6}),
    ("overlap", "overlap-uniform", "a quarter, always", lambda r: {"square": around(0.25, 4000)}),
    ("overlap", "overlap-uniform", "up to all of the data", lambda r: {"square": 2 * r["square"]}),
    ("overlap", "overlap-uniform", "not for a round cloud", lambda r: {"round": 2 * r["round"] ** 2}),
    (
        "relu_homogeneous",
        "relu-homogeneous",
        "narrow data is no problem",
        lambda r: first(r, "all_or_none", (1, 0, 0), False),
    ),
    (
        "relu_homogeneous",
        "relu-homogeneous",
        "wide data off centre is one",
        lambda r: first(r, "all_or_none", (1, -1, 1), True),
    ),
    (
        "relu_homogeneous",
        "relu-homogeneous",
        "scale matters without biases",
        lambda r: first(r, "all_or_none", (0, 4, 9), hits(0.62)),
    ),
    (
        "relu_homogeneous",
        "relu-homogeneous",
        "not as predicted",
        lambda r: first(r, "all_or_none", (0, slice(None), -1), False),
    ),
    ("gradient_share", "gradient-share", "proportional", lambda r: {"incoming": r["h"]}),
    ("gradient_share", "gradient-share", "falls with it", lambda r: {"incoming": np.exp(-r["h"]) * (r["h"] > 0)}),
    ("gradient_share", "gradient-share", "outgoing is not", lambda r: {"outgoing": r["incoming"]}),
    ("gradient_share", "gradient-share", "the inactive learn", lambda r: {"incoming": r["incoming"] + 0.1}),
    ("same_weights", "same-weights", "they meet", lambda r: {"after": 0 * r["after"] + [1.0, 2.0]}),
    ("same_weights", "same-weights", "they come close", lambda r: {"after": 0.1 * r["before"]}),
    ("success_rate", "shifted-is-logistic", "raw as good", lambda r: first(r, "raw", (0, 0, -1), r["standardized"][0, 0])),
    ("success_rate", "shifted-is-logistic", "a line will do", lambda r: first(r, "logistic", 0, 0.85)),
    (
        "success_rate",
        "shifted-is-logistic",
        "standardizing does nothing",
        lambda r: {"standardized": r["raw"][:, :, -1]},
    ),
    ("success_rate", "sigmoid-too", "two escape", lambda r: first(r, "raw", (2, 0, -1), r["standardized"][2, 0])),
    ("success_rate", "sigmoid-too", "half escape", lambda r: first(r, "raw", (2, 0, -1), learned(0.45)[0])),
    ("success_rate", "sigmoid-too", "eight escape", lambda r: first(r, "raw", (2, 1, -1), r["standardized"][2, 1])),
    ("table_scales", "norm-helps-blobs", "it helps", lambda r: first(r, "accuracy", (0, 1), around(0.85, 40))),
    (
        "table_scales",
        "norm-helps-blobs",
        "training is unsteady",
        lambda r: {"loss": at(r["loss"], (0, 0, slice(None, None, 10)), 2)},
    ),
    ("table_scales", "norm-helps-scales", "no difference", lambda r: first(r, "accuracy", (1, 1), r["accuracy"][1, 0])),
    ("table_scales", "norm-helps-scales", "it hurts", lambda r: {"accuracy": r["accuracy"][:, ::-1]}),
    ("width", "width-does-not-help", "32 are as bad as 2", lambda r: first(r, "accuracy", (1, 3), around(0.5, 100))),
    ("width", "width-does-not-help", "32 need no centring", lambda r: first(r, "accuracy", (1, 3), around(0.99, 100))),
    ("width", "two-relus-cannot", "one of them can", lambda r: first(r, "accuracy", (0, 0, 7), 1)),
    ("width", "two-relus-cannot", "three cannot either", lambda r: first(r, "accuracy", (0, 1), around(0.9, 100))),
    ("width", "two-relus-cannot", "eight often fail", lambda r: first(r, "accuracy", (0, 2), around(0.95, 100))),
]  # fmt: skip
