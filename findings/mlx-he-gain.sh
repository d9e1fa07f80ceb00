#!/usr/bin/env bash
# mlx 0.32.4: he_normal and he_uniform give variance 1/fan, not He's 2/fan.
#
# Expected: as in PyTorch's kaiming_normal_ and Keras's HeNormal, the default has the factor 2 that makes up for a ReLU.
# Seen: the default gain is 1, so that "He" weights are LeCun's: a deep ReLU network loses half of its variance in every
# layer (about a thousandth is left after ten). gain=2 ** 0.5 gives He's. Glorot's two are as elsewhere.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "mlx[cpu]==0.32.4"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import mlx.core as mx
import mlx.nn as nn

print("mlx", version("mlx"))
mx.random.seed(0)
fan_in, out = 400, 400
for name in ("he_normal", "he_uniform", "glorot_normal", "glorot_uniform"):
    weight = getattr(nn.init, name)()(mx.zeros((out, fan_in)))
    times = mx.var(weight).item() * fan_in
    print(f"{name}: variance {times:.2f} / fan")
    assert abs(times - 1) < 0.03  # of Glorot's, 2 / (400 + 400), this is right
he = mx.var(nn.init.he_normal()(mx.zeros((out, fan_in)), gain=2**0.5)).item() * fan_in
assert abs(he - 2) < 0.06

x = mx.random.normal((1000, fan_in))
for _ in range(10):
    x = nn.relu(x @ nn.init.he_normal()(mx.zeros((out, fan_in))).T)
left = mx.mean(x * x).item()
print(f"mean square after ten ReLU layers: {left:.5f}")
assert left < 5 / 2**10  # with 2 / fan it would be near 1
PYTHON
