"""Experiments of the chapter "Preprocessing"."""
