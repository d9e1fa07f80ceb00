"""Experiments of the chapter "Normalize your data"."""
