"""Experiments of the chapter "Data that does not fit"."""
