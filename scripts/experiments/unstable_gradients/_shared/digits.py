"""The digits for networks that are all shown the same ones."""

from experiments.trials import generator, scaled, standardized
from unitgain.datasets import Split, digits, split


def digit_parts(seed: int, device) -> Split:
    """Training and held-out digits, the latter as validation part."""
    parts = split(*digits(device=device), generator=generator(seed, "split"))
    return scaled(parts, standardized)
