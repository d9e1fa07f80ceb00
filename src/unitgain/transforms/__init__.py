"""Transforms that take their statistics from the data, stream, merge, and travel with the model they feed."""

from .base import Transform
from .scaling import StandardScaler

__all__ = ["StandardScaler", "Transform"]
