"""What PCA and Whitening must refuse."""

import math

import numpy as np
import torch

from tests.bad_input import Case
from unitgain.transforms import PCA, Whitening

ROWS = torch.tensor([[1.0, 2.0, 0.0], [3.0, 5.0, 1.0]])
NUMBER = "n_components must be None, an int or a float, got "
RANGE = "n_components must be an int of at least 1 or a share above 0 and below 1, got "
EPSILON = "epsilon must be at least 0 and finite, got "


def peer(rows=40, k=None, **options):
    """A PCA of scikit-learn's, fitted to 4 features."""
    from sklearn.decomposition import PCA as Peer

    return Peer(k, **options).fit(np.random.default_rng(0).normal(size=(rows, 4)))


CASES = [
    Case(
        "transforms.PCA.partial_fit",
        lambda: PCA.from_sklearn(peer(k=2)).partial_fit(torch.ones(5, 4)),
        ValueError,
        "PCA: covariances must all be known before data are added, got those of 2 components alone: call fit",
    ),
    Case(
        "transforms.PCA.from_sklearn",
        lambda: PCA.from_sklearn(peer(k=0)),
        ValueError,
        "PCA: fitted must have components, got none",
    ),
    Case(
        "transforms.PCA.from_sklearn",
        lambda: PCA.from_sklearn(peer(rows=3, whiten=True)),
        ValueError,
        "PCA: components must all have variance to be whitened by scikit-learn's rule, got 1 without",
    ),
    Case(
        "transforms.PCA.score",
        lambda: PCA().fit(ROWS).score(ROWS),
        ValueError,
        "PCA: data must vary in every direction to have a likelihood, got variance 0",
    ),
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
