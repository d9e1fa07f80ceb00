"""Results of the chapter's second half, made by hand: on SOUND all claims hold, on DOCTORED one fails."""

import numpy as np
from experiments.unstable_gradients.depth import LAYERS, NAMES, WIDTHS

from tests.doctored.normalize_your_data import put

SIGMOID, TANH, RELU = (list(NAMES).index(name) for name in ("sigmoid", "tanh", "relu"))


def networks(shrunk: float, n: int = 200) -> np.ndarray:
    """Gradient sizes that fall in the given share of the networks and rise in the others: (layers, n)."""
    factor = np.where(np.arange(n) < shrunk * n, 0.5, 2.0)
    return factor ** np.arange(1, LAYERS + 1)[:, None]


def sound_depth():
    shares = np.zeros((len(WIDTHS), len(NAMES)))  # whose gradient shrinks
    shares[0], shares[1:3, SIGMOID], shares[1, TANH] = 0.98, 1.0, 0.4
    rows = zip(WIDTHS, shares, strict=True)
    sizes = {f"size_{width}": np.stack([networks(share) for share in row]) for width, row in rows}
    return {**sizes, "predicted": np.full((len(WIDTHS), len(NAMES), LAYERS), 1.0)}


SOUND = {"depth": sound_depth()}

DOCTORED = {
    ("depth", "vanish-more-common"): {
        "wide networks vanish too": put("size_100", TANH, networks(0.9)),
        "chains do not vanish": put("size_1", RELU, networks(0.5)),
        "sigmoid vanishes at any width": put("size_400", SIGMOID, networks(1.0)),
        "sigmoid explodes at width 10": put("size_10", SIGMOID, networks(0.0)),
    },
}
