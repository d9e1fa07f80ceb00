"""Batch normalization: what it computes, what it does to weights and gradients, where it helps."""
