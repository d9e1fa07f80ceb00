"""Experiments behind the chapter Preprocessing pitfalls."""
