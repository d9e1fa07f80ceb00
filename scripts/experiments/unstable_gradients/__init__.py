"""Experiments behind the chapter Unstable gradients."""
