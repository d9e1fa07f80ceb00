"""What initializers.py must refuse."""

import math

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

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
    variance_scaling_,
)

W, X = torch.empty(3, 2), torch.ones(4, 2)


def tied_embedding() -> nn.Module:
    model = nn.Sequential(nn.Embedding(3, 2), nn.Linear(2, 3))
    model[1].weight = model[0].weight
    return model


def of_integers() -> nn.Module:
    layer = nn.Linear(2, 2)
    layer.weight = nn.Parameter(torch.ones(2, 2, dtype=torch.int8), requires_grad=False)
    return layer


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
            "normal_: generator must be one generator or one a replica, got 2 for 3 replicas",
        ),
        (
            "normal_",
            lambda: normal_(torch.empty(3).expand(2, 3)),
            "normal_: tensor must have memory for each element, got an expanded one, (2, 3)",
        ),
        (
            "identity_",
            lambda: identity_(torch.empty(3).expand(3, 3)),
            "identity_: tensor must have memory for each element, got an expanded one, (3, 3)",
        ),
        *(
            (
                "truncated_normal_",
                lambda dtype=dtype: truncated_normal_(torch.empty(3, 2, dtype=dtype)),
                f"truncated_normal_: tensor must have a real dtype with fractions, got {dtype}",
            )
            for dtype in (torch.complex64, torch.int32)
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
            "variance_scaling_",
            lambda: variance_scaling_(W, -1.0),
            "variance_scaling_: scale must be at least 0 and finite, got -1.0",
        ),
        (
            "variance_scaling_",
            lambda: variance_scaling_(W, mode="fan_avrg"),
            "variance_scaling_: mode must be one of fan_in, fan_out, fan_avg, got 'fan_avrg'",
        ),
        (
            "variance_scaling_",
            lambda: variance_scaling_(W, distribution="gauss"),
            "variance_scaling_: distribution must be one of normal, uniform, truncated_normal, got 'gauss'",
        ),
        (
            "variance_scaling_",
            lambda: variance_scaling_(torch.empty(3)),
            "variance_scaling_: tensor must have at least 2 dimensions (fan_out, fan_in), got shape (3,)",
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
        ("initializer", lambda: initializer("he_norm"), "initializer: rule must be one of zeros, ones, "),
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
            "initialize",
            lambda: initialize(nn.Linear(2, 2), rules={nn.Linear: ["zeros", "ones"]}),
            "got ['zeros', 'ones'], did you mean",
        ),
        (
            "initialize",
            lambda: initialize(nn.Linear(2, 2), rules={nn.Linear: ("zeros",)}),
            "initialize: rules must hold a rule or a pair (weight, bias), got ('zeros',)",
        ),
        (
            "initialize",
            lambda: initialize(nn.Linear(2, 2), rules={"Linear": "zeros"}),
            "initialize: rules must have types such as nn.Linear as keys, got 'Linear'",
        ),
        (
            "initialize",
            lambda: initialize(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), rules={nn.ReLU: "zeros"}),
            "initialize: rules must name types of layers that hold weights in the model, Linear, got ReLU",
        ),
        (
            "initialize",
            lambda: initialize(nn.LSTM(2, 2), "orthogonal"),
            "initialize: model must have a linear layer or one named by rules, got LSTM",
        ),
        (
            "initialize",
            lambda: initialize(tied_embedding(), rules={nn.Embedding: "normal", nn.Linear: "zeros"}),
            "initialize: rules must agree on tensors that layers share, got two for weight of '0' and '1'",
        ),
        (
            "initialize",
            lambda: initialize(nn.Linear(2, 2), lambda tensor, generator: tensor + 1),
            "initialize: rule must change its tensor in place, got a new one from <function",
        ),
        (
            "initialize",
            lambda: initialize(of_integers()),
            "initialize: layer '' must hold its weight in parameters of floats, got torch.int8",
        ),
        (
            "initialize",
            lambda: initialize(spectral_norm(nn.Linear(2, 2)), "zeros"),
            "layer '' must be able to hold the weight that is drawn, got another one back from its _Spectral",
        ),
        (
            "lsuv_",
            lambda: lsuv_(nn.Linear(2, 2, device="meta"), X),
            "lsuv_: model must have its numbers, got weight without: call or load it first",
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
