"""Rules of theory.py."""

import math
from collections.abc import Callable
from functools import partial

import torch

from tests.bad_input import Case
from unitgain.theory import (
    born_dead_probability,
    chi,
    condition_number,
    correlation_fixed_point,
    correlation_map,
    correlation_slope,
    critical_weight_var,
    depth_scales,
    gradient_factor,
    hessian_eigenvalues,
    inactive_probability,
    largest_stable_rate,
    optimal_descent,
    population_eigenvalues,
    sigmoid_window,
    signal_factor,
    variance_fixed_point,
    variance_map,
)

USUAL = {  # calls in order, whose arguments are then replaced one at a time
    variance_map: {"function": torch.tanh, "q": 1.0, "weight_var": 1.0, "bias_var": 0.0},
    variance_fixed_point: {"function": torch.tanh, "weight_var": 1.0, "bias_var": 0.0, "start": 1.0},
    correlation_map: {"function": torch.tanh, "c": 0.5, "weight_var": 1.0, "bias_var": 0.0, "q": 1.0},
    correlation_slope: {"function": torch.tanh, "c": 0.5, "weight_var": 1.0, "bias_var": 0.0, "q": 1.0},
    correlation_fixed_point: {"function": torch.tanh, "weight_var": 1.0, "bias_var": 0.0},
    chi: {"function": torch.tanh, "weight_var": 1.0, "bias_var": 0.0, "q": 1.0},
    critical_weight_var: {"function": torch.tanh, "bias_var": 0.0},
    depth_scales: {"function": torch.tanh, "weight_var": 1.0, "bias_var": 0.0},
    signal_factor: {"function": torch.tanh, "variance": 0.1, "fan_in": 10, "bias_var": 0.0, "q": 1.0},
    gradient_factor: {
        "function": torch.tanh,
        "variance": 0.1,
        "fan_in": 10,
        "fan_out": 20,
        "bias_var": 0.0,
        "q": 1.0,
    },
    sigmoid_window: {"weight": 1.0},
    born_dead_probability: {"width": 2, "depth": 10},
    inactive_probability: {"low": 0.0, "high": 1.0, "features": 2, "bias": 1.0},
    population_eigenvalues: {"mean": torch.zeros(2), "std": 1.0},
    largest_stable_rate: {"largest": 1.0, "momentum": 0.9},
    optimal_descent: {"smallest": 1.0, "largest": 2.0},
}
RULES = {
    "function": (
        ("tanh", "be a callable, got 'tanh'"),
        (torch.sum, "map each of [-3.0, -1.0, 1.0, 3.0] to a finite number, got shape ()"),
        (torch.log, "map each of [-3.0, -1.0, 1.0, 3.0] to a finite number, got [nan, nan, 0.0, "),
    ),
    "q": ((-1.0, "be at least 0, got -1"), (math.nan, "be at least 0, got nan")),
    "start": ((0.0, "be from 1e-30 to 1e+30, got 0"), (math.nan, "be from 1e-30 to 1e+30, got nan")),
    "c": ((torch.tensor([0.0, 1.5]), "be from -1 to 1, got 1.5"), (math.nan, "be from -1 to 1, got nan")),
    "momentum": (
        (1.0, "be at least 0 and below 1, got 1"),
        (math.nan, "be at least 0 and below 1, got nan"),
    ),
    "features": ((0, "be from 1 to 12, got 0"), (13, "be from 1 to 12, got 13")),
    **dict.fromkeys(
        ("fan_in", "fan_out", "width"),
        ((0, "be finite and at least 1, got 0"), (math.nan, "be finite and at least 1, got nan")),
    ),
    **dict.fromkeys(
        ("smallest", "largest", "bias"),
        ((0.0, "be finite and above 0, got 0"), (math.nan, "be finite and above 0, got nan")),
    ),
    **dict.fromkeys(
        ("low", "high", "mean", "weight"),
        ((math.inf, "be finite, got inf"), (math.nan, "be finite, got nan")),
    ),
    **dict.fromkeys(
        ("weight_var", "bias_var", "variance", "depth", "std"),
        (
            (-0.5, "be finite and at least 0, got -0.5"),
            (math.inf, "be finite and at least 0, got inf"),
            (math.nan, "be finite and at least 0, got nan"),
        ),
    ),
}


def refused(call: Callable[[], object], function: Callable[..., object], message: str) -> Case:
    return Case(f"theory.{function.__name__}", call, ValueError, f"{function.__name__}: {message}")


CASES = [
    *(
        refused(partial(function, **usual | {name: value}), function, f"{name} must {says}")
        for function, usual in USUAL.items()
        for name in usual
        for value, says in RULES[name]
    ),
    refused(
        lambda: chi(torch.tanh, torch.ones(2), torch.ones(3)),
        chi,
        "weight_var, bias_var must broadcast, got shapes (2,), (3,)",
    ),
    refused(
        lambda: inactive_probability(torch.tensor([0.0, 2.0]), 1.0, 2),
        inactive_probability,
        "low must be at most high, got 2 and 1",
    ),
    refused(
        lambda: hessian_eigenvalues(torch.zeros(3)),
        hessian_eigenvalues,
        "x must have shape (…, n, d), not empty, got (3,)",
    ),
    refused(
        lambda: hessian_eigenvalues(torch.zeros(0, 3)),
        hessian_eigenvalues,
        "x must have shape (…, n, d), not empty, got (0, 3)",
    ),
    refused(
        lambda: hessian_eigenvalues(torch.full((2, 2), math.nan)),
        hessian_eigenvalues,
        "x must be finite, got nan",
    ),
    refused(
        lambda: population_eigenvalues(1.0, 1.0),
        population_eigenvalues,
        "mean must have shape (…, d), got ()",
    ),
    refused(
        lambda: population_eigenvalues(torch.zeros(0), 1.0),
        population_eigenvalues,
        "mean must have shape (…, d), got (0,)",
    ),
    refused(
        lambda: condition_number(torch.tensor(1.0)),
        condition_number,
        "eigenvalues must have shape (…, d), d at least 1, got ()",
    ),
    refused(
        lambda: condition_number(torch.zeros(3)),
        condition_number,
        "eigenvalues must hold one above 0, got none",
    ),
    refused(
        lambda: condition_number(torch.tensor([1.0, -2.0])),
        condition_number,
        "eigenvalues must be finite and at least 0, got -2",
    ),
    refused(
        lambda: optimal_descent(torch.tensor([1.0, 3.0]), 2.0),
        optimal_descent,
        "smallest must be at most largest, got 3 and 2",
    ),
]
