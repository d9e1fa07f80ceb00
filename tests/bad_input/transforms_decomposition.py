"""What PCA and Whitening must refuse."""

import math

import torch

from tests.bad_input import Case
from unitgain.transforms import PCA, Whitening

ROWS = torch.tensor([[1.0, 2.0, 0.0], [3.0, 5.0, 1.0]])
NUMBER = "n_components must be None, an int or a float, got "
RANGE = "n_components must be an int of at least 1 or a share above 0 and below 1, got "
EPSILON = "epsilon must be at least 0 and finite, got "

CASES = [
    Case("transforms.PCA", lambda: PCA("mle"), TypeError, f"{NUMBER}'mle'"),
    Case("transforms.PCA", lambda: PCA(True), TypeError, f"{NUMBER}True"),
    Case("transforms.PCA", lambda: PCA(0), ValueError, f"{RANGE}0"),
    Case("transforms.PCA", lambda: PCA(-2), ValueError, f"{RANGE}-2"),
    Case("transforms.PCA", lambda: PCA(1.0), ValueError, f"{RANGE}1.0"),
    Case("transforms.PCA", lambda: PCA(0.0), ValueError, f"{RANGE}0.0"),
    Case("transforms.PCA", lambda: PCA(2.5), ValueError, f"{RANGE}2.5"),
    Case("transforms.PCA", lambda: PCA(math.nan), ValueError, f"{RANGE}nan"),
    Case(
        "transforms.PCA.fit",
        lambda: PCA(3).fit(ROWS),
        ValueError,
        "n_components must be at most the lesser of rows and features, 2, got 3",
    ),
    Case(
        "transforms.PCA.partial_fit",
        lambda: PCA(4).partial_fit(ROWS.repeat(5, 1)),
        ValueError,
        "n_components must be at most the lesser of rows and features, 3, got 4",
    ),
    Case(
        "transforms.PCA.fit",
        lambda: PCA().fit(ROWS.masked_fill(ROWS == 5, torch.nan)),
        ValueError,
        "x must not hold NaN, got 1, the first in column 1",
    ),
    Case(
        "transforms.PCA.inverse_transform",
        lambda: PCA(1).fit(ROWS).inverse_transform(ROWS),
        ValueError,
        "x must have 1 features along dim=-1, like the data of the fit, got shape (2, 3)",
    ),
    Case(
        "transforms.PCA.merge",
        lambda: PCA().merge(Whitening()),
        TypeError,
        "other must be a PCA, got a Whitening",
    ),
    Case(
        "transforms.Whitening",
        lambda: Whitening("zcaa"),
        ValueError,
        'method must be "pca" or "zca", got \'zcaa\'',
    ),
    Case("transforms.Whitening", lambda: Whitening(epsilon=-1e-5), ValueError, f"{EPSILON}-1e-05"),
    Case("transforms.Whitening", lambda: Whitening(epsilon=math.nan), ValueError, f"{EPSILON}nan"),
    Case("transforms.Whitening", lambda: Whitening(epsilon=math.inf), ValueError, f"{EPSILON}inf"),
    Case(
        "transforms.Whitening.fit",
        lambda: Whitening().fit(torch.full((3, 2), torch.inf)),
        ValueError,
        "x must not hold infinity, got 6, the first in column 0",
    ),
    Case(
        "transforms.Whitening.fit",
        lambda: Whitening().fit(torch.tensor([[1e200], [-1e200]], dtype=torch.float64)),
        ValueError,
        "x must have squares that fit in float64, got values up to 1e+200",
    ),
]
