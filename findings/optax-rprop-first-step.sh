#!/usr/bin/env bash
# optax 0.2.8: the first step of rprop is 0.
#
# Expected: a first step of learning_rate against the sign of the gradient, as torch.optim.Rprop takes it: there is no
# earlier gradient to agree or disagree with.
# Seen: the first update is 0, and the step of learning_rate comes second. A schedule, a comparison or a checkpoint moved
# from torch is one step late; a single step does nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check optax==0.2.8 jax==0.10.2 numpy==2.4.6 torch==2.13.0
"$folder/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp
import numpy as np
import optax
import torch

print("optax", optax.__version__, "torch", torch.__version__)
rule, ours = optax.rprop(0.1), []
place = jnp.array([1.0])
state = rule.init(place)
for _ in range(5):
    update, state = rule.update(jnp.array([0.5]), state, place)
    ours.append(-float(update[0]))

weight, theirs = torch.nn.Parameter(torch.tensor([1.0])), []
optimizer = torch.optim.Rprop([weight], lr=0.1)
for _ in range(4):
    before = weight.item()
    weight.grad = torch.tensor([0.5])
    optimizer.step()
    theirs.append(before - weight.item())
print("optax", np.round(ours, 4), "torch", np.round(theirs, 4))
assert ours[0] == 0
np.testing.assert_allclose(ours[1], 0.1, rtol=1e-5)
np.testing.assert_allclose(ours[2:], 0.1 * 1.2 ** np.arange(1, 4), rtol=1e-5)
np.testing.assert_allclose(theirs[0], 0.1, rtol=1e-5)
PYTHON
