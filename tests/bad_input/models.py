"""What models.py refuses."""

import math

import torch

from tests.bad_input import Case
from unitgain.models import MLP, ScalarChain

CASES = [
    Case(where, call, ValueError, message)
    for where, call, message in (
        ("models.MLP", lambda: MLP((2,)), "MLP: sizes needs at least an input and an output, got (2,)"),
        ("models.MLP", lambda: MLP(()), "MLP: sizes needs at least an input and an output, got ()"),
        ("models.MLP", lambda: MLP((2, 0, 1)), "out_features must be at least 1, got 0"),
        ("models.MLP", lambda: MLP((2, 2, 1), replicas=(-1,)), "replicas must be at least 1, got -1"),
        ("models.MLP", lambda: MLP((2, 2, 1), replicas=0), "replicas must be at least 1, got 0"),
        ("models.MLP", lambda: MLP((2, 2, 1), "rely"), "MLP: activation must be one of identity, sigmoid"),
        ("models.MLP", lambda: MLP((2, 2, 1), "maxut"), "got 'maxut', did you mean 'maxout'?"),
        ("models.MLP", lambda: MLP((2, 1), "PRELU"), "got 'PRELU', did you mean 'prelu'?"),
        ("models.MLP", lambda: MLP((2, 2, 1), "maxout", pieces=0), "MLP: pieces must be at least 1, got 0"),
        ("models.MLP", lambda: MLP((2, 2, 1), pieces=math.nan), "MLP: pieces must be at least 1, got nan"),
        (
            "models.MLP",
            lambda: MLP((2, 2, 1), normalization="bach"),
            "MLP: normalization must be one of batch, layer, rms or None; got 'bach', did you mean 'batch'?",
        ),
        (
            "models.MLP",
            lambda: MLP((2, 2, 1), position="behind"),
            "MLP: position must be 'before' or 'after' the activation, got 'behind'",
        ),
        ("models.MLP", lambda: MLP((2, 2, 1), weight="he_norm"), "got 'he_norm', did you mean 'he_normal'?"),
        ("models.MLP", lambda: MLP((2, 2, 1), generator=[torch.Generator()] * 2), "got 2 for 1 replicas"),
        ("models.MLP", lambda: MLP((2, 2, 1))(torch.zeros(2)), "MLP: x must have shape (…, n, 2), got (2,)"),
        (
            "models.MLP",
            lambda: MLP((2, 2, 1))(torch.zeros(5, 3)),
            "MLP: x must have shape (…, n, 2), got (5, 3)",
        ),
        (
            "models.MLP.hidden",
            lambda: MLP((2, 2, 1)).hidden(torch.zeros(5, 3)),
            "MLP: x must have shape (…, n, 2), got (5, 3)",
        ),
        (
            "models.MLP",
            lambda: MLP((2, 2, 1), normalization="batch")(torch.zeros(1, 2)),
            "BatchNorm: x must have at least 2 examples in training",
        ),
        ("models.ScalarChain", lambda: ScalarChain(0), "ScalarChain: depth must be at least 1, got 0"),
        ("models.ScalarChain", lambda: ScalarChain(replicas=0), "replicas must be at least 1, got 0"),
        ("models.ScalarChain", lambda: ScalarChain(4, "sigmid"), "did you mean 'sigmoid'?"),
        ("models.ScalarChain", lambda: ScalarChain(4, weight="norm"), "did you mean 'normal'?"),
        (
            "models.ScalarChain",
            lambda: ScalarChain()(torch.tensor(0.5)),
            "ScalarChain: x must have shape (…, n), got ()",
        ),
    )
]
