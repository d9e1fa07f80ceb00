#!/usr/bin/env bash
# torch 2.13.0: a zero assigned through weight_norm comes back as NaN, and orthogonal takes a zero that it cannot hold.
#
# Expected: an initializer may set a row of a weight to 0 (a last layer that starts at 0, a sparse one). Under
# parametrizations.weight_norm it becomes length 0 and any direction; under parametrizations.orthogonal, whose weights
# have orthonormal rows or columns, torch refuses it.
# Seen: weight_norm divides the row by its length 0 and the whole row is NaN from then on, without a word. orthogonal
# takes the zeros, and the weight it then gives is 0: not orthogonal, and it stays 0 however long it is trained.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch import nn
from torch.nn.utils import parametrizations

print("torch", torch.__version__)
layer = parametrizations.weight_norm(nn.Linear(3, 2))
weight = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
layer.weight = weight
print("weight_norm:", layer.weight.tolist())
torch.testing.assert_close(layer.weight[0].detach(), weight[0])
assert layer.weight[1].isnan().all()

layer = parametrizations.orthogonal(nn.Linear(3, 3))
layer.weight = torch.zeros(3, 3)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
for _ in range(20):
    optimizer.zero_grad()
    (layer(torch.ones(5, 3)) - 1).square().mean().backward()
    optimizer.step()
print("orthogonal, trained:", layer.weight.abs().max().item())
assert (layer.weight == 0).all()
PYTHON
