"""What activations.py must refuse."""

import math

import torch

from tests.bad_input import Case
from unitgain.activations import Activation, Maxout, PReLU, activation, derivative, gain, peak

UNKNOWN = "did you mean 'relu'?"
DIM = "examples_dim must be -2 (rows) or -1 (columns), got "

CASES = [
    Case("activations.activation", lambda: activation("ReLU"), ValueError, UNKNOWN),
    Case(
        "activations.activation", lambda: activation(None), ValueError, "function must be one of identity, "
    ),
    Case("activations.Activation", lambda: Activation("rellu"), ValueError, UNKNOWN),
    Case("activations.derivative", lambda: derivative("rellu"), ValueError, UNKNOWN),
    Case("activations.peak", lambda: peak("rellu"), ValueError, UNKNOWN),
    Case("activations.gain", lambda: gain("rellu"), ValueError, UNKNOWN),
    Case(
        "activations.Activation",
        lambda: Activation("relu", examples_dim=0),
        ValueError,
        f"Activation: {DIM}0",
    ),
    Case("activations.PReLU", lambda: PReLU(examples_dim=1), ValueError, f"PReLU: {DIM}1"),
    Case("activations.Maxout", lambda: Maxout(examples_dim=-3), ValueError, f"Maxout: {DIM}-3"),
    Case("activations.PReLU", lambda: PReLU(0), ValueError, "PReLU: units must be at least 1, got 0"),
    Case(
        "activations.PReLU",
        lambda: PReLU(replicas=(2, 0)),
        ValueError,
        "PReLU: replicas must be at least 1, got 0",
    ),
    Case(
        "activations.PReLU",
        lambda: PReLU(initial=math.nan),
        ValueError,
        "PReLU: initial must be finite, got nan",
    ),
    Case(
        "activations.PReLU",
        lambda: PReLU(3)(torch.zeros(3, 2)),
        ValueError,
        "PReLU: x must have shape (…, n, 3), got (3, 2)",
    ),
    Case(
        "activations.PReLU",
        lambda: PReLU(3, examples_dim=-1)(torch.zeros(2, 3)),
        ValueError,
        "PReLU: x must have shape (…, 3, n), got (2, 3)",
    ),
    Case(
        "activations.PReLU",
        lambda: PReLU()(torch.zeros(3)),
        ValueError,
        "PReLU: x must have shape (…, n, units), got (3,)",
    ),
    Case("activations.Maxout", lambda: Maxout(0), ValueError, "Maxout: pieces must be at least 1, got 0"),
    Case(
        "activations.Maxout",
        lambda: Maxout(2)(torch.zeros(4, 3)),
        ValueError,
        "Maxout: x must have shape (…, n, 2 * units), got (4, 3)",
    ),
    Case(
        "activations.Maxout",
        lambda: Maxout(3, examples_dim=-1)(torch.zeros(4, 3)),
        ValueError,
        "Maxout: x must have shape (…, 3 * units, n), got (4, 3)",
    ),
    Case(
        "activations.peak",
        lambda: peak(torch.sqrt),
        ValueError,
        "peak: function must have a finite derivative on [-32, 32], got none at ",
    ),
    Case(
        "activations.gain",
        lambda: gain("relu", "sideways"),
        ValueError,
        "gain: direction must be 'forward' or 'backward', got 'sideways'",
    ),
    Case(
        "activations.gain",
        lambda: gain(torch.zeros_like),
        ValueError,
        "gain: function must have a finite mean square above 0, got 0.0",
    ),
    Case(
        "activations.gain",
        lambda: gain(torch.sign, "backward"),
        ValueError,
        "gain: the derivative of function must have a finite mean square above 0, got 0.0",
    ),
    Case(
        "activations.gain",
        lambda: gain(torch.log),
        ValueError,
        "gain: function must have a finite mean square above 0, got nan",
    ),
]
