#!/usr/bin/env bash
# equinox 0.13.8: BatchNorm(mode="batch") is almost flat in evaluation for its first few hundred batches.
#
# Expected: running statistics that are divided by 1 - momentum^k, as Adam's are, are right from the first batch on: mean
# and variance of that batch.
# Seen: the running mean starts at 0 and is. The running variance starts at 1, and is divided all the same: after k batches
# momentum^k / (1 - momentum^k) is added to it, 99 after one batch and .58 after 100 (momentum .99). On batches of sd 2 the
# outputs in evaluation have sd .19 after 1 batch, .54 after 10, .93 after 100, and 1 in training. mode="ema" is right from
# the first batch on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check equinox==0.13.8 jax==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import equinox as eqx
import jax
import numpy as np

x = 5 + 2 * jax.random.normal(jax.random.key(0), (1000, 1))


def sds(mode, batches):
    """The sd of the outputs in training, and in evaluation, after so many equal batches."""
    norm, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(1, axis_name="batch", momentum=0.99, mode=mode)
    run = dict(axis_name="batch", in_axes=(0, None), out_axes=(0, None))
    for _ in range(batches):
        training, state = jax.vmap(norm, **run)(x, state)
    evaluation, _ = jax.vmap(eqx.nn.inference_mode(norm), **run)(x, state)
    return float(training.std()), float(evaluation.std())


print("equinox", eqx.__version__)
v = float(x.var())
for batches, seen in ((1, 0.194), (10, 0.539), (100, 0.933)):
    training, evaluation = sds("batch", batches)
    print(f"after {batches} batches: training {training:.3f}, evaluation {evaluation:.3f}")
    left = 0.99**batches
    assert np.isclose(training, 1, atol=1e-3)
    assert np.isclose(evaluation, seen, atol=2e-3)
    assert np.isclose(evaluation, (v / (v + left / (1 - left))) ** 0.5, atol=1e-3)
assert np.allclose(sds("ema", 1), 1, atol=1e-3)
PYTHON
