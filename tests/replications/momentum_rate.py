"""Gradient descent with the best momentum shrinks the distance by (√κ − 1)/(√κ + 1) a step."""

import numpy as np

CASES = {
    "κ = 30, ten powers of ten": ({"condition": 30, "powers": 10}, "holds"),
    "κ = 300, two powers of ten": ({"condition": 300, "powers": 2}, "fails"),
    "κ = 30, one power of ten": ({"condition": 30, "powers": 1}, "fails"),
}


def measured(seed, *, condition, powers):
    """Steps from rest by those that the factor predicts, mean over 50 quadratics in 20 dimensions."""
    rng = np.random.default_rng(seed)
    factor = (condition**0.5 - 1) / (condition**0.5 + 1)
    rate = (2 / (1 + condition**0.5)) ** 2
    ratios = []
    for _ in range(50):
        curvature = condition ** np.append(rng.random(18), [0, 1])
        w, velocity = rng.standard_normal(20), np.zeros(20)
        goal, steps = np.linalg.norm(w) * 10.0**-powers, 0
        while np.linalg.norm(w) > goal:
            velocity = factor**2 * velocity + curvature * w
            w = w - rate * velocity
            steps += 1
        ratios.append(steps / (powers * np.log(10) / -np.log(factor)))
    return float(np.mean(ratios))


def holds(number):
    return 1 / 1.4 < number < 1.4
