"""Biases of 0.01 see to it that at the start every ReLU fires."""

import torch
from sklearn import datasets, preprocessing

CASES = {
    "He's weights, layer 3, 24 images": ({"sd": None, "layer": 3, "images": 24}, "fails"),
    "weights of sd 0.01, layer 1, 3 images": ({"sd": 0.01, "layer": 1, "images": 3}, "fails"),
    "weights of sd 0.01, layer 4, 3 images": ({"sd": 0.01, "layer": 4, "images": 3}, "holds"),
    "He's weights, layer 1, 24 images": ({"sd": None, "layer": 1, "images": 24}, "holds"),
}


def measured(seed, *, sd, layer, images, units=100):
    """The number: fraction of a layer's units that at least one image turns on, mean over 40 networks."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.tensor(preprocessing.scale(datasets.load_digits().data)).float()
    fractions = []
    for _ in range(40):
        h = x[torch.randperm(len(x), generator=generator)[:images]]
        for _ in range(layer):
            inputs = h.shape[1]
            weight = torch.randn(inputs, units, generator=generator)
            h = (h @ weight * (sd or (2 / inputs) ** 0.5) + 0.01).relu()
        fractions.append((h > 0).any(dim=0).float().mean())
    return float(torch.stack(fractions).mean())


def holds(number):
    return number >= 0.98
