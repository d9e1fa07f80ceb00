"""Experiments: one question, one script. `evidence` and `style` are what they share."""
