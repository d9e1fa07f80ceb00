#!/usr/bin/env bash
# torch 2.13.0, CPU: nn.BatchNorm1d loses digits of the variance as a float32 batch grows.
#
# Expected: the variance of a million float32 rows is right to 1e-6, as that of a thousand is.
# Seen: each thread adds its rows one after the other in float32. With standard normal rows the variance is off by 1e-4
# to 5e-4 of itself at 1e6 rows, by 5e-7 at 1e3; the same numbers as (1, features, rows) are right to 1e-7. It matters
# where a whole table passes at once, as when statistics are measured anew.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch

print("torch", torch.__version__)
off = {}
for n in (1_000, 1_000_000):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    truth = x.double().var(0, correction=0)
    for name, data in (("rows", x), ("columns", x.T[None].contiguous())):
        norm = torch.nn.BatchNorm1d(4, momentum=1.0, affine=False)
        norm(data)
        biased = norm.running_var.double() * (n - 1) / n
        off[name, n] = ((biased / truth) - 1).abs().max().item()
        print(name, n, f"relative error of the variance {off[name, n]:.1e}")
assert off["rows", 1_000] < 1e-6
assert off["columns", 1_000_000] < 5e-6
assert off["rows", 1_000_000] > 5e-5
PYTHON
