"""Weight initialization: which initial weights keep signal and gradient, and which stop a network."""
