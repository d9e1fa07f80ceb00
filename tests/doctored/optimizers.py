"""Results of the chapter's experiments, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.optimizers import (
    adam_bias,
    damping,
    descent_kinds,
    edge,
    epsilon,
    evened,
    momentum_form,
    momentum_rate,
    updates_an_epoch,
)
from experiments.optimizers.adam_bias import CONSTANT, predicted

from tests.doctored.normalize_your_data import around, put

PLAIN, AVERAGING, TORCH = range(3)
LOW, MIDDLE, HIGH = (list(damping.RATES).index(rate) for rate in (damping.LOW, 1.5, damping.HIGH))
TRAVEL = np.ones((len(damping.FORMS), len(damping.RATES))) * [[10], [20], [90], [20], [20]]
TRAVEL[AVERAGING, HIGH] = 2  # the one cell that holds
BELOW, ABOVE = (list(edge.RATES).index(rate) for rate in (edge.BELOW, edge.ABOVE))
FALLING = np.linspace(1, 0, 100)

ALONE = np.stack(
    [momentum_rate._steps(momentum_rate.predicted(), power) for power in momentum_rate.POWERS], 1
)
FROM_REST = 1.1 * ALONE
FROM_REST[2, 0, momentum_rate.AT] *= 2  # the one cell that fails
FROM_REST[1, 0] = 10

NETWORKS = 6
AT = np.array([1, 3, 10, 30, 100, 200])


def falling(passes, when):
    """Losses (looks, rates, networks) that pass the target around `when`, at the middle of three rates."""
    loss = np.ones((len(passes), 3, NETWORKS))
    loss[:, 1][passes[:, None] > when + np.linspace(-0.02, 0.02, NETWORKS) * when] = 0.05
    return loss


PASSES = {"batch": np.arange(25.0), "mini-batch": np.linspace(0, 5, 41), "stochastic": np.linspace(0, 6, 121)}
WHEN = {"batch": 10.5, "mini-batch": 1.3, "stochastic": 1.02}
LOSSES = np.geomspace(2.5, 0.1, len(AT))[:, None, None] * around(1, 12)
WITHOUT = LOSSES * np.array([[0.3], [10]])

# Maps: one cell each is unlike all others
LIMIT = np.full((len(edge.BATCHES), len(edge.MODELS)), 1.0)
LIMIT[0, 0] = 0.2
PIECES = np.full((len(descent_kinds.PIECES), len(descent_kinds.NORMALIZATIONS)), 1e-15)
PIECES[1, 2] = 0.2
RACE = np.stack([[10, 10, 10, 10], [0.01, 0.01, 0.01, 0.3]])  # slower at all rows in the time of one only
LOSS = np.full((len(adam_bias.MAP_RATES), len(adam_bias.MAP_STEPS)), 0.5)
LOSS[-1, -1] = 10
SIZE = np.geomspace(1e-10, 1, 20)
OTHER = np.full((len(epsilon.EPSILONS), len(epsilon.LOOKS)), 0.05)
OTHER[-1, 2] = 0.5
POWERS = np.full((len(evened.CONDITIONS), 1 + len(evened.ANGLES)), 0.3)
POWERS[:, 0], POWERS[-1, -1] = 0, 0.8
RACED = np.array([[[10, 70], [10, 80]], [[300, 200], [300, 360]]])  # (condition numbers, angles, rules)
NOISY = np.full((1 + len(updates_an_epoch.SIZES), len(updates_an_epoch.PASSES)), 0.1)
NOISY[-2], NOISY[:-1, -1], NOISY[-1] = 0.6, 100.0, 1.0  # behind at the end; all rows
QUIET = np.ones((2, len(updates_an_epoch.PASSES)))
QUIET[0, :-1] = 0.1
LEFT = np.array(evened.CONDITIONS)[:, None] ** POWERS

SOUND = {
    "evened": {
        "left": LEFT[..., None] * around(1, *LEFT.shape, 200),
        "race": RACED[..., None] * around(1, *RACED.shape, 40),
        "chosen": np.full((2, 2, 2), 0.5),
    },
    "updates_an_epoch": {
        "noisy": NOISY[..., None] * around(1, *NOISY.shape, 24),
        "quiet": QUIET[..., None] * around(1, *QUIET.shape, 24),
        "chosen_noisy": np.full(NOISY.shape, 0.5),
        "chosen_quiet": np.full(QUIET.shape, 0.5),
    },
    "damping": {
        "travel": TRAVEL[..., None] * around(1, *TRAVEL.shape, 60, spread=0.1),
        "turns": np.stack([np.where(damping.RATES > 1, 5, 0)] * len(damping.FORMS))[..., None]
        * np.ones(60, int),
    },
    "edge": {
        "distance": np.where(edge.RATES < 1, 1e-3, 1e3)[:, None] * around(1, 3, len(edge.RATES), 100),
        "limit": LIMIT[..., None] * around(1, *LIMIT.shape, 8),
    },
    "momentum_rate": {
        "steps": FROM_REST[..., None] * around(1, *FROM_REST.shape, 20),
        "factor": momentum_rate.predicted()[..., None] * around(1, 3, 6, 20, spread=1e-4),
    },
    "momentum_form": {
        "loss": 2.3 * np.stack([FALLING**15, FALLING, FALLING**15])[..., None] * around(1, 6),
        "difference": np.abs(around(0, 6, spread=1e-15)),
        "step": 1 / (1 - np.array(momentum_form.MOMENTA))[:, None, None] * around(1, 5, 100, 6, spread=1e-15),
    },
    "descent_kinds": {
        **{f"passes_{kind}": passes for kind, passes in PASSES.items()},
        **{f"loss_{kind}": falling(passes, WHEN[kind]) for kind, passes in PASSES.items()},
        "bytes": np.array([432_000, 13_800, 430]),
        "gradient": around(6e-16, NETWORKS, spread=5e-17),
        "weights": around(2e-16, NETWORKS, spread=1e-17),
        "pieces": PIECES[..., None] * around(1, *PIECES.shape, NETWORKS),
        "race": RACE[..., None] * around(1, *RACE.shape, 16),
    },
    "adam_bias": {
        "constant": np.stack([np.ones(CONSTANT), predicted(np.arange(1, CONSTANT + 1))]),
        "at": AT,
        "loss": np.stack([LOSSES * np.ones((2, 1)), WITHOUT]),
        "mapped": np.stack([np.ones_like(LOSS), LOSS])[..., None] * around(1, 2, *LOSS.shape, 8),
    },
    "epsilon": {
        "size": SIZE,
        "steps": np.array([epsilon.predicted(SIZE, *one) for one in epsilon.CONVENTIONS.values()]),
        "tiny": np.array([0.99, 0.01, 0.00316]),
        "plain": np.ones(3),
        "other": OTHER[..., None] * around(1, *OTHER.shape, 12),
    },
}

DOCTORED = {
    ("evened", "rmsprop-evens"): {
        "one cell: at any angle": put("left", (-1, -1), 10.0),
        "not along the weights either": put("left", (2, 0), 10.0),
        "slower along the weights": put("race", (1, 0, 1), 310),
        "faster at an angle": put("race", (1, 1, 1), 200),
        "fast in a gentle ravine": put("race", (0, 0, 1), 9),
        "the best rate is at the edge": put("chosen", (1, 1, 1), 0.0),
    },
    ("updates_an_epoch", "updates-an-epoch"): {
        "one column: ahead to the end": put("noisy", (slice(None, -1), -1), 0.5),
        "hardly ahead": put("noisy", (0, updates_an_epoch.EARLY), 0.9),
        "hardly behind": put("noisy", (0, -1), 2.0),
        "the larger the better": put("noisy", (3, updates_an_epoch.EARLY), 0.05),
        "the smaller the better": put("noisy", (0, updates_an_epoch.EARLY), 0.01),
        "noise does not matter": put("quiet", (0, slice(2, None)), 2.0),
        "the best rate is at the edge": put("chosen_noisy", (2, 1), 1.0),
    },
    ("damping", "oscillates"): {
        "one cell: momentum never damps": put("travel", (AVERAGING, HIGH), around(60, 60)),
        "not in torch's form either": put("travel", (TORCH, MIDDLE), around(2, 60)),
        "plain descent turns back at low rates": put("turns", (PLAIN, LOW), 5),
        "plain descent never turns back": put("turns", (PLAIN, MIDDLE), 0),
    },
    ("edge", "gd-edge"): {
        "one cell: batches bear as much": put("limit", (0, 0), around(1, 8)),
        "it diverges earlier": put("distance", (slice(None), BELOW), 10.0),
        "it holds out longer": put("distance", (slice(None), ABOVE), 0.1),
        "momentum does not raise the limit": put("distance", (2, BELOW), 10.0),
    },
    ("momentum_rate", "momentum-rate"): {
        "one cell: as many from rest": put(
            "steps", (2, 0, momentum_rate.AT), 1.1 * ALONE[2, 0, momentum_rate.AT]
        ),
        "the best is the best at once": put("steps", (1, 0, -1), 1e3),
        "momentum does not help": lambda r: {"factor": r["factor"][[0, 1, 0]]},
        "less at one condition number": put("factor", (2, 5), 0.9),
        "plain descent is faster": put("factor", (0, 3), 0.96),
    },
    ("momentum_form", "momentum-form"): {
        "both are the same": put("step", slice(None), 1.0),
        "one step is longer": put("step", (4, 7, 0), 100.001),
        "dividing the rate is not enough": put("difference", 2, 0.01),
        "it does not matter": lambda r: {"loss": r["loss"][[0, 0, 2]]},
    },
    ("descent_kinds", "sgd-slower"): {
        "one target: never slower": put("race", (1, 3), around(0.01, 16, spread=1e-4)),
        "as many passes": lambda r: {"loss_stochastic": falling(PASSES["stochastic"], 5.5)},
        "hardly more updates": lambda r: {"passes_batch": 50 * r["passes_batch"]},
    },
    ("descent_kinds", "batch-memory"): {
        "one cell: batch normalization adds up too": put("pieces", (1, 2), 1e-15),
        "the weights drift apart": put("weights", 0, 1e-6),
        "pieces need as much": put("bytes", 1, 400_000),
    },
    ("adam_bias", "adam-bias"): {
        "one cell: never any harm": put("mapped", (1, -1, -1), around(0.5, 8)),
        "first steps are as long as others": put("constant", 1, 1.0),
        "the correction does not help": lambda r: {"constant": r["constant"][[1, 1]]},
        "no harm at a high rate": put("loss", 1, LOSSES * np.array([[0.3], [1.0]])),
        "harm at a low rate too": put("loss", 1, LOSSES * np.array([[3.0], [10.0]])),
    },
    ("epsilon", "eps-inside"): {
        "one cell: no weight minds": put("other", (-1, 2), around(0.05, 12)),
        "the same either way": put("tiny", 1, 0.99),
        "other steps at large gradients too": put("plain", 1, 0.9),
        "the formula is off": put("steps", (1, 3), 0.5),
    },
}
