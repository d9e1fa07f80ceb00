"""Transforms that take their statistics from the data, stream, merge, and travel with the model they feed."""

from .base import Transform
from .decomposition import PCA, Whitening
from .pipeline import Compose
from .scaling import Center, MinMaxScaler, StandardScaler

__all__ = ["PCA", "Center", "Compose", "MinMaxScaler", "StandardScaler", "Transform", "Whitening"]
