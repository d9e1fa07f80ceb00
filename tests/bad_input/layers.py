"""What layers.py refuses."""

import math

import torch
from torch import nn

from tests.bad_input import Case
from unitgain.layers import NORMALIZATIONS, BatchNorm, LayerNorm, Linear, RMSNorm

WHERE = "BatchNorm: replicas must be () and examples_dim -2 where torch converts or fuses the layer"

CASES = [
    Case("layers.Linear", lambda: Linear(0, 2), ValueError, "Linear: in_features must be at least 1, got 0"),
    Case(
        "layers.Linear", lambda: Linear(3, -1), ValueError, "Linear: out_features must be at least 1, got -1"
    ),
    Case(
        "layers.Linear",
        lambda: Linear(3, 2, replicas=(4, 0)),
        ValueError,
        "Linear: replicas must be at least 1, got 0",
    ),
    Case(
        "layers.Linear",
        lambda: Linear(3, 2, replicas=-1),
        ValueError,
        "Linear: replicas must be at least 1, got -1",
    ),
    Case(
        "layers.Linear",
        lambda: Linear(math.nan, 2),
        ValueError,
        "Linear: in_features must be at least 1, got nan",
    ),
    Case(
        "layers.Linear",
        lambda: Linear(3, 2, examples_dim=0),
        ValueError,
        "Linear: examples_dim must be -2 (rows) or -1 (columns), got 0",
    ),
    Case(
        "layers.Linear",
        lambda: Linear(3, 2)(torch.zeros(3)),
        ValueError,
        "Linear: x must have shape (…, n, 3), got (3,)",
    ),
    Case(
        "layers.Linear",
        lambda: Linear(3, 2)(torch.zeros(5, 4)),
        ValueError,
        "Linear: x must have shape (…, n, 3), got (5, 4)",
    ),
    Case(
        "layers.Linear",
        lambda: Linear(3, 2, examples_dim=-1)(torch.zeros(5, 3)),
        ValueError,
        "Linear: x must have shape (…, 3, n), got (5, 3)",
    ),
    Case("layers.Linear", lambda: Linear(3, 2, weight="he_norm"), ValueError, "did you mean 'he_normal'?"),
    Case("layers.Linear", lambda: Linear(3, 2, bias="zero"), ValueError, "got 'zero', did you mean 'zeros'?"),
    Case(
        "layers.Linear",
        lambda: Linear(3, 2, replicas=(3,), generator=[torch.Generator(), torch.Generator()]),
        ValueError,
        "got 2 for 3 replicas",
    ),
    *(
        case
        for norm in NORMALIZATIONS.values()
        for name in [norm.__name__]
        for case in (
            Case(
                f"layers.{name}",
                lambda norm=norm: norm(0),
                ValueError,
                f"{name}: features must be at least 1, got 0",
            ),
            Case(
                f"layers.{name}",
                lambda norm=norm: norm(3, replicas=(2, 0)),
                ValueError,
                f"{name}: replicas must be at least 1, got 0",
            ),
            Case(
                f"layers.{name}",
                lambda norm=norm: norm(3, eps=-1e-5),
                ValueError,
                f"{name}: eps must be at least 0 and finite, got -1e-05",
            ),
            Case(
                f"layers.{name}",
                lambda norm=norm: norm(3, eps=math.nan),
                ValueError,
                f"{name}: eps must be at least 0 and finite, got nan",
            ),
            Case(
                f"layers.{name}",
                lambda norm=norm: norm(3, examples_dim=1),
                ValueError,
                f"{name}: examples_dim must be -2 (rows) or -1 (columns), got 1",
            ),
            Case(
                f"layers.{name}",
                lambda norm=norm: norm(3)(torch.zeros(5, 3, dtype=torch.int64)),
                TypeError,
                f"{name}: x must be of a real floating-point dtype, got torch.int64",
            ),
            Case(
                f"layers.{name}",
                lambda norm=norm: norm(3)(torch.zeros(5, 4)),
                ValueError,
                f"{name}: x must have shape (…, n, 3), got (5, 4)",
            ),
        )
    ),
    Case(
        "layers.LayerNorm",
        lambda: LayerNorm(3, examples_dim=-1)(torch.zeros(5, 3)),
        ValueError,
        "LayerNorm: x must have shape (…, 3, n), got (5, 3)",
    ),
    Case(
        "layers.RMSNorm",
        lambda: RMSNorm(3)(torch.zeros(3)),
        ValueError,
        "RMSNorm: x must have shape (…, n, 3), got (3,)",
    ),
    *(
        Case(f"layers.{norm.__name__}", lambda norm=norm: norm(3, eps=None), ValueError, "got None")
        for norm in (BatchNorm, LayerNorm)
    ),
    *(
        Case(
            "layers.BatchNorm",
            lambda convert=convert, options=options: convert(BatchNorm(3, **options).eval()),
            ValueError,
            f"{WHERE}, got {got}",
        )
        for options, got in (({"replicas": 2}, "(2,) and -2"), ({"examples_dim": -1}, "() and -1"))
        for convert in (
            nn.SyncBatchNorm.convert_sync_batchnorm,
            lambda norm: nn.utils.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), norm),
        )
    ),
    Case(
        "layers.BatchNorm",
        lambda: BatchNorm(3, momentum=1.5),
        ValueError,
        "BatchNorm: momentum must be in [0, 1] or None, got 1.5",
    ),
    Case(
        "layers.BatchNorm",
        lambda: BatchNorm(3, momentum=math.nan),
        ValueError,
        "BatchNorm: momentum must be in [0, 1] or None, got nan",
    ),
    Case(
        "layers.BatchNorm",
        lambda: BatchNorm(3)(torch.zeros(1, 3)),
        ValueError,
        "BatchNorm: x must have at least 2 examples in training, got 1",
    ),
    Case(
        "layers.BatchNorm",
        lambda: BatchNorm(3, replicas=(2,))(torch.zeros(4, 5, 3)),
        ValueError,
        "BatchNorm: x must lead with the replicas (2,) or with nothing in training, got (4,)",
    ),
]
