"""The speed, accuracy and memory of the library, measured beside the targets it was built for."""
