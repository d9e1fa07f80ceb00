"""What unitgain.diagnostics refuses."""

import warnings

import torch
from torch import nn

from tests.bad_input import Case
from unitgain.diagnostics import activity, correlation, effective_rank, observe, saturation

NET = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
NAMED = nn.ModuleDict({"layers": nn.Sequential(nn.Linear(2, 3)), "act": nn.ReLU()})
NAN = float("nan")


def used_twice() -> None:
    seen = observe(NET)
    for _ in range(2):
        with seen:
            pass


def read_too_late(figure: str) -> object:
    with observe(NET) as seen:
        NET(torch.ones(4, 2))
        layer = seen.last.layers[1]
        NET(torch.ones(4, 2))
    return getattr(layer, figure)


def compiled_elsewhere() -> None:
    compiled = torch.compile(NET[0], backend="eager")
    with warnings.catch_warnings(), observe(NET):
        warnings.simplefilter("ignore")  # torch's, of global hooks
        compiled(torch.ones(4, 2))


def called_in_a_compiled_function() -> None:
    optimizer = torch.optim.SGD(NET.parameters(), lr=0.0)
    call = torch.compile(lambda x: NET(x), backend="eager")
    with observe(NET, optimizer=optimizer):
        call(torch.ones(4, 2)).sum().backward()
        optimizer.step()


def optimizer_of_others() -> torch.optim.Optimizer:
    return torch.optim.SGD(nn.Linear(2, 3).parameters(), lr=0.1)


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(nn.Linear(2, 3))


def on_two_devices() -> nn.Module:
    model = nn.DataParallel(nn.Linear(2, 3))
    model.device_ids = [0, 1]
    return model


def sharded() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 3))
    model[0].weight.placements = ("as a DTensor has them",)
    return model


X = {observe: (), activity: (torch.ones(4, 2),)}

CASES = [
    Case(
        "diagnostics.activity",
        lambda: activity(nn.Linear(2, 1), torch.ones(3, 2)),
        ValueError,
        "activity: model must hold activation modules such as nn.ReLU(), Linear ran none",
    ),
    *(
        Case(
            f"diagnostics.{function.__name__}",
            lambda function=function: function(NET, *X[function], activations=[nn.ReLU()]),
            ValueError,
            f"{function.__name__}: activations must be classes of modules, got ReLU()",
        )
        for function in (observe, activity)
    ),
    *(
        Case(
            f"diagnostics.{function.__name__}",
            lambda function=function, model=model: function(model(), *X[function]),
            ValueError,
            f"{function.__name__}: model must run module by module, in one piece, got {what}",
        )
        for function in (observe, activity)
        for model, what in (
            (lambda: torch.compile(nn.Linear(2, 3), backend="eager"), "the model compiled by torch.compile"),
            (lambda: nn.Sequential(scripted()), "'0' compiled by torch.jit"),
            (on_two_devices, "the model copied to several devices by DataParallel"),
            (sharded, "'0' sharded over processes"),
        )
    ),
    *(
        Case(
            "diagnostics.observe",
            lambda every=every: observe(NET, every=every),
            ValueError,
            f"observe: every must be a whole number of at least 1, got {every}",
        )
        for every in (0, 2.5, NAN)
    ),
    *(
        Case(
            "diagnostics.observe",
            lambda fraction=fraction: observe(NET, fraction=fraction),
            ValueError,
            f"observe: fraction must be above 0 and below 1, got {fraction}",
        )
        for fraction in (0, 1.0, NAN)
    ),
    Case(
        "diagnostics.observe",
        lambda: observe(NET, sample=1),
        ValueError,
        "observe: sample must be at least 2, got 1",
    ),
    Case(
        "diagnostics.observe",
        lambda: observe(NET, keep=0),
        ValueError,
        "observe: keep must be at least 1 or None, got 0",
    ),
    Case(
        "diagnostics.observe",
        lambda: observe(NAMED, layers=["layer.0"]),
        ValueError,
        "observe: layers must name modules of model, got 'layer.0', did you mean 'layers.0'?",
    ),
    Case(
        "diagnostics.observe",
        lambda: observe(nn.Flatten()),
        ValueError,
        "observe: model must hold parameters or activations, got a Flatten without any",
    ),
    Case(
        "diagnostics.observe",
        lambda: observe(NET, optimizer=optimizer_of_others()),
        ValueError,
        "observe: optimizer must hold parameters of model, got a SGD of others",
    ),
    Case(
        "diagnostics.observe",
        compiled_elsewhere,
        RuntimeError,
        "observe: model must be called itself, got a call of what torch.compile made of '0'",
    ),
    Case(
        "diagnostics.observe",
        called_in_a_compiled_function,
        RuntimeError,
        "observe: model must be called module by module, got gradients of a Sequential without a call of its "
        "layers, as of a compiled function",
    ),
    Case(
        "diagnostics.Observation",
        used_twice,
        RuntimeError,
        "Observation: a `with` block must be given an observation of its own, got a used one",
    ),
    Case(
        "diagnostics.Observation",
        lambda: observe(NET).last,
        IndexError,
        "Observation: last must follow a measured step, got none yet",
    ),
    *(
        Case(
            "diagnostics.LayerSignal",
            lambda figure=figure: read_too_late(figure),
            RuntimeError,
            f"LayerSignal: {figure} must be read before the next measured step takes its sample, "
            "got layer '1' without one",
        )
        for figure in ("saturation", "correlation", "rank")
    ),
    Case(
        "diagnostics.correlation",
        lambda: correlation(torch.ones(3)),
        ValueError,
        "correlation: outputs must have shape (…, n, units), got (3,)",
    ),
    Case(
        "diagnostics.effective_rank",
        lambda: effective_rank(torch.ones(3)),
        ValueError,
        "effective_rank: outputs must have shape (…, n, units), got (3,)",
    ),
    Case(
        "diagnostics.saturation",
        lambda: saturation(torch.tanh, torch.ones(3)),
        ValueError,
        "saturation: z must have shape (…, n, units), got (3,)",
    ),
    Case(
        "diagnostics.saturation",
        lambda: saturation(torch.tanh, torch.ones(3, 2), fraction=NAN),
        ValueError,
        "saturation: fraction must be above 0 and below 1, got nan",
    ),
]
