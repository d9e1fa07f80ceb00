"""What initializers.py must refuse."""

import math

import torch
from torch import nn

from tests.bad_input import Case
from unitgain.initializers import (
    glorot_uniform_,
    he_normal_,
    identity_,
    initialize,
    initializer,
    lecun_normal_,
    lsuv_,
    normal_,
    orthogonal_,
    sparse_,
    truncated_normal_,
    uniform_,
)

W, X = torch.empty(3, 2), torch.ones(4, 2)

CASES = [
    Case(f"initializers.{where}", call, ValueError, message)
    for where, call, message in (
        (
            "uniform_",
            lambda: uniform_(W, 1.0, 1.0),
            "uniform_: low must be below high, got low=1.0, high=1.0",
        ),
        (
            "uniform_",
            lambda: uniform_(W, 1.0, math.nan),
            "uniform_: low must be below high, got low=1.0, high=nan",
        ),
        ("normal_", lambda: normal_(W, std=-0.5), "normal_: std must be at least 0, got -0.5"),
        ("normal_", lambda: normal_(W, std=math.nan), "normal_: std must be at least 0, got nan"),
        (
            "normal_",
            lambda: normal_(torch.empty(3, 2, 2), generator=[torch.Generator()] * 2),
            "generator: needs one generator or one a replica; got 2 for 3 replicas",
        ),
        (
            "truncated_normal_",
            lambda: truncated_normal_(W, std=-1.0),
            "truncated_normal_: std must be at least 0 and finite, got -1.0",
        ),
        (
            "truncated_normal_",
            lambda: truncated_normal_(W, low=2.0, high=1.0),
            "truncated_normal_: low must be below high, both finite, got low=2.0, high=1.0",
        ),
        (
            "truncated_normal_",
            lambda: truncated_normal_(W, high=math.inf),
            "truncated_normal_: low must be below high, both finite, got low=-2.0, high=inf",
        ),
        (
            "he_normal_",
            lambda: he_normal_(torch.empty(3)),
            "he_normal_: tensor must have at least 2 dimensions (fan_out, fan_in), got shape (3,)",
        ),
        (
            "lecun_normal_",
            lambda: lecun_normal_(W, fans=(0, 3)),
            "lecun_normal_: fans must be above 0 and finite, got (0, 3)",
        ),
        (
            "glorot_uniform_",
            lambda: glorot_uniform_(W, fans=(3, math.nan)),
            "glorot_uniform_: fans must be above 0 and finite, got (3, nan)",
        ),
        (
            "glorot_uniform_",
            lambda: glorot_uniform_(W, gain=math.nan),
            "glorot_uniform_: gain must be at least 0 and finite, got nan",
        ),
        (
            "sparse_",
            lambda: sparse_(torch.empty(3)),
            "sparse_: tensor must have at least 2 dimensions (fan_out, fan_in), got shape (3,)",
        ),
        ("sparse_", lambda: sparse_(W, 0), "sparse_: connections must be at least 1, got 0"),
        ("sparse_", lambda: sparse_(W, std=-1.0), "sparse_: std must be at least 0 and finite, got -1.0"),
        (
            "orthogonal_",
            lambda: orthogonal_(torch.empty(3)),
            "orthogonal_: tensor must have at least 2 dimensions (fan_out, fan_in), got shape (3,)",
        ),
        (
            "orthogonal_",
            lambda: orthogonal_(W, math.inf),
            "orthogonal_: gain must be at least 0 and finite, got inf",
        ),
        (
            "identity_",
            lambda: identity_(torch.empty(3)),
            "identity_: tensor must have at least 2 dimensions (fan_out, fan_in), got shape (3,)",
        ),
        ("identity_", lambda: identity_(W, -1.0), "identity_: gain must be at least 0 and finite, got -1.0"),
        ("initializer", lambda: initializer("he_norm"), "initializer: must be one of zeros, ones, "),
        ("initializer", lambda: initializer("he_norm"), "got 'he_norm', did you mean 'he_normal'?"),
        ("initialize", lambda: initialize(nn.Linear(2, 2), "xavier"), "got 'xavier', did you mean 'xavier_"),
        (
            "initialize",
            lambda: initialize(nn.Linear(2, 2), bias="zero"),
            "got 'zero', did you mean 'zeros'?",
        ),
        (
            "initialize",
            lambda: initialize(nn.Linear(2, 2), rules={nn.Linear: ("zeros", "one")}),
            "got 'one', did you mean 'ones'?",
        ),
        (
            "lsuv_",
            lambda: lsuv_(nn.Linear(2, 2), X, tolerance=math.nan),
            "lsuv_: tolerance must be above 0 and finite, got nan",
        ),
        (
            "lsuv_",
            lambda: lsuv_(nn.Linear(2, 2), X, tolerance=math.inf),
            "lsuv_: tolerance must be above 0 and finite, got inf",
        ),
        (
            "lsuv_",
            lambda: lsuv_(nn.Linear(2, 2), X, max_iterations=0),
            "lsuv_: max_iterations must be at least 1, got 0",
        ),
        ("lsuv_", lambda: lsuv_(nn.ReLU(), X), "lsuv_: model must call a linear layer, ReLU called none"),
        (
            "lsuv_",
            lambda: lsuv_(nn.Linear(2, 2), torch.zeros(4, 2)),
            "lsuv_: x must give layer '' outputs of finite variance above 0, got 0",
        ),
    )
]
