"""The one place that names an accelerator."""

import torch

__all__ = ["best_device"]


def best_device() -> torch.device:
    """The fastest device of this machine: CUDA, else Apple's MPS, else the CPU.

    Returns:
        The device to create models and data on.

    Examples:
        >>> from unitgain.devices import best_device
        >>> best_device().type in {"cuda", "mps", "cpu"}
        True

    Source: PyTorch's notes on [CUDA semantics](https://docs.pytorch.org/docs/stable/notes/cuda.html) and MPS.
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
