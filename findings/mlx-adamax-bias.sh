#!/usr/bin/env bash
# mlx 0.32.4: Adamax has no bias correction: its first steps are a tenth as long as those of torch's and optax's.
#
# Expected: a first step of the learning rate, by the paper's algorithm 2, which divides by 1 - beta1^t; torch.optim.Adamax
# and optax.adamax do. (mlx's Adam leaves it out too, but has bias_correction=True.)
# Seen: under a constant gradient the k-th step is the rate times 1 - beta1^k: a tenth at first, two thirds at the tenth.
# Adamax has no argument for it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "mlx[cpu]==0.32.4"
"$folder/venv/bin/python" - <<'PYTHON'
import inspect
from importlib.metadata import version

import mlx.core as mx
import mlx.optimizers as optim

print("mlx", version("mlx"))
assert "bias_correction" not in inspect.signature(optim.Adamax).parameters
optimizer, place, steps = optim.Adamax(learning_rate=0.1), {"w": mx.array([1.0])}, []
for _ in range(10):
    moved = optimizer.apply_gradients({"w": mx.array([0.5])}, place)
    steps.append((place["w"] - moved["w"]).item())
    place = moved
print([round(step, 4) for step in steps])
for k, step in enumerate(steps, start=1):
    assert abs(step - 0.1 * (1 - 0.9**k)) < 1e-5
PYTHON
