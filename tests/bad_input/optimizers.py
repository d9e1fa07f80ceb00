"""Rules of optimizers.py."""

import math

import torch

from tests.bad_input import Case
from unitgain.optimizers import SGD, Adam, AdamW, RMSprop

NAN, INF = math.nan, math.inf


def theta(*shape: int, dtype: torch.dtype = torch.float32) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.ones(shape, dtype=dtype))]


def refused(kind: type, says: str, **options: object) -> Case:
    return Case(f"optimizers.{kind.__name__}", lambda: kind(theta(2, 3), **options), ValueError, says)


def loaded(kind: type, peer: type[torch.optim.Optimizer], **options: object) -> None:
    kind(theta(2, 3)).load_state_dict(peer(theta(2, 3), lr=0.1, **options).state_dict())


def stepped(gradient: torch.Tensor, kind: type = SGD, **options: object) -> None:
    parameters = theta(2, 3)
    parameters[0].grad = gradient
    kind(parameters, check_finite=True, **options).step()


CASES = [
    *(
        refused(kind, f"{kind.__name__}: lr must be in [0, inf), got {value}", lr=value)
        for kind in (SGD, RMSprop, Adam, AdamW)
        for value in (-0.1, NAN, INF)
    ),
    *(
        refused(kind, f"{kind.__name__}: weight_decay must be in [0, inf), got {value}", weight_decay=value)
        for kind in (SGD, RMSprop, Adam, AdamW)
        for value in (-0.1, NAN)
    ),
    *(
        refused(kind, f"{kind.__name__}: momentum must be in [0, 1), got {value}", momentum=value)
        for kind in (SGD, RMSprop)
        for value in (-0.1, 1.0, NAN)
    ),
    refused(RMSprop, "RMSprop: alpha must be in [0, 1), got 1.0", alpha=1.0),
    refused(RMSprop, "RMSprop: eps must be in [0, inf), got -1e-08", eps=-1e-8),
    *(
        case
        for kind in (Adam, AdamW)
        for case in (
            refused(kind, f"{kind.__name__}: betas[0] must be in [0, 1), got 1.0", betas=(1.0, 0.9)),
            refused(kind, f"{kind.__name__}: betas[1] must be in [0, 1), got -0.1", betas=(0.9, -0.1)),
            refused(kind, f"{kind.__name__}: betas[1] must be in [0, 1), got nan", betas=(0.9, NAN)),
            refused(kind, f"{kind.__name__}: betas must be two numbers, got (0.9,)", betas=(0.9,)),
            refused(kind, f"{kind.__name__}: eps must be in [0, inf), got -1e-08", eps=-1e-8),
        )
    ),
    refused(SGD, "SGD: momentum must be above 0 with nesterov, got 0.0", nesterov=True),
    refused(SGD, "SGD: lr must be in [0, inf), got -0.5", lr=torch.tensor([[1.0], [-0.5]])),
    refused(
        Adam,
        "Adam: betas[1] must broadcast against every parameter of its group, got (3, 1, 1) for one of",
        betas=(0.9, torch.full((3, 1, 1), 0.9)),
    ),
    refused(
        SGD,
        "SGD: lr must broadcast against every parameter of its group, got (4, 1) for",
        lr=torch.ones(4, 1),
    ),
    Case(
        "optimizers.Adam",
        lambda: Adam(theta(2, dtype=torch.complex64)),
        TypeError,
        "Adam: parameters must be real, got torch.complex64",
    ),
    Case(
        "optimizers.SGD",
        lambda: SGD([{"params": theta(2), "lr": -1.0}], lr=0.1),
        ValueError,
        "SGD: lr must be in [0, inf), got -1.0",
    ),
    Case(
        "optimizers.SGD",
        lambda: SGD([{"params": theta(2), "maximize": True}]),
        ValueError,
        "SGD: maximize must be False or left to torch.optim.SGD, got True",
    ),
    Case(
        "optimizers.SGD",
        lambda: loaded(SGD, torch.optim.SGD, momentum=0.9, dampening=0.5),
        ValueError,
        "SGD: dampening must be 0 or left to torch.optim.SGD, got 0.5",
    ),
    Case(
        "optimizers.RMSprop",
        lambda: loaded(RMSprop, torch.optim.RMSprop, centered=True),
        ValueError,
        "RMSprop: centered must be False or left to torch.optim.RMSprop, got True",
    ),
    Case(
        "optimizers.Adam",
        lambda: loaded(Adam, torch.optim.Adam, amsgrad=True),
        ValueError,
        "Adam: amsgrad must be False or left to torch.optim.Adam, got True",
    ),
    Case(
        "optimizers.AdamW",
        lambda: AdamW(theta(2, 3), centered=False),
        TypeError,
        "AdamW: options must be its own or those of torch.optim.AdamW, got centered",
    ),
    refused(AdamW, "AdamW: fused must be None or left to torch.optim.AdamW, got True", fused=True),
    Case(
        "optimizers.Adam.step",
        lambda: stepped(torch.zeros(2, 3), Adam, eps=0.0),
        FloatingPointError,
        "Adam: eps must be above 0 in torch.float32 where squared gradients are 0, got 0.0 for",
    ),
    Case(
        "optimizers.SGD.step",
        lambda: stepped(torch.tensor([[1.0, NAN, 0.0], [INF, 0.0, 0.0]])),
        FloatingPointError,
        "SGD: gradients must be finite; parameter 0 of group 0, shape (2, 3), has 2 NaN or infinite of 6",
    ),
    Case(
        "optimizers.SGD.step",
        lambda: stepped(torch.ones(2, 3).to_sparse()),
        TypeError,
        "SGD: gradients must be dense, got torch.sparse_coo for parameter 0 of group 0",
    ),
]
