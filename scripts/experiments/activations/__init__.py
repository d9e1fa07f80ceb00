"""Activation functions: their shapes, what saturates and zig-zags, how fast they learn and when they die."""
