"""Weight initialization: which first weights keep signal and gradient, and which stop a network."""
