"""Unit Gain: why neural networks fail to learn, measured, and how to fix it.

A network learns when each layer passes signal and gradient on at about the size it received them. Every
module here is one way to see that gain or to restore it:

    datasets      small problems that show a failure          transforms    normalize the inputs
    activations   functions, their derivatives and gains      initializers  draw the initial weights
    layers        Linear and normalization, with replicas     models        MLP: one network or thousands
    optimizers    update rules that read like the paper       training      one short loop
    theory        what to expect, before training             diagnostics   what each unit did, as data
    devices       best_device()                               plots         pictures of it (needs matplotlib)

Modules load when first used: `import unitgain` costs no more than `import torch`.
"""

from importlib import import_module
from types import ModuleType

__version__ = "0.4.0"

__all__ = [
    "activations",
    "datasets",
    "devices",
    "diagnostics",
    "initializers",
    "layers",
    "models",
    "optimizers",
    "plots",
    "theory",
    "training",
    "transforms",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; its modules are {', '.join(__all__)}"
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
