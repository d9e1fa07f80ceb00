#!/usr/bin/env bash
# torch 2.13.0: a CPU generator draws from the low 32 bits of its seed alone, yet remembers all 64.
#
# Expected: manual_seed takes a 64-bit seed, so 5 and 5 + 2**32 give different numbers; a hash of 64 bits makes a
# safe seed for each of many networks.
# Seen: the two generators give the same numbers, in rand, randn and randperm, while initial_seed() differs. Seeds
# made by hashing meet after some 77,000 streams with a chance of one half (2**32 values), not after billions.
# NumPy's generator tells the same two seeds apart. Documentation of torch.Generator.manual_seed speaks of a
# 64-bit range and of the balance of zeros and ones, not of this.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import torch

low, high = 5, 5 + 2**32
one, other = (torch.Generator().manual_seed(seed) for seed in (low, high))
print("torch", torch.__version__, "initial seeds", one.initial_seed(), other.initial_seed())
assert one.initial_seed() != other.initial_seed()
for draw in (torch.rand, torch.randn, torch.randperm):
    same = torch.equal(draw(1000, generator=one), draw(1000, generator=other))
    print(draw.__name__, "same numbers:", same)
    assert same
a, b = (np.random.default_rng(seed).random(1000) for seed in (low, high))
print("numpy", np.__version__, "same numbers:", bool((a == b).all()))
assert not (a == b).any()
PYTHON
