#!/usr/bin/env bash
# scikit-learn 1.9.1: PCA(whiten=True).get_covariance() is not the covariance of the data, nor get_precision its inverse.
#
# Expected: whitening changes what transform gives, not the model of the data: with all components kept, get_covariance
# equals np.cov of the training data, with whiten=False and with whiten=True alike, and so does the likelihood, score.
# Seen: without whitening it does, to rounding. With it, the covariance is off by more than the largest variance, and
# score differs from the one without: a choice of components by cross-validated score is then another one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.decomposition import PCA

x = np.random.default_rng(0).normal(size=(500, 4)) * [1, 2, 3, 10]
truth = np.cov(x.T)
found = {whiten: PCA(whiten=whiten).fit(x) for whiten in (False, True)}
off = {whiten: np.abs(pca.get_covariance() - truth).max() for whiten, pca in found.items()}
score = {whiten: pca.score(x) for whiten, pca in found.items()}
print("scikit-learn", sklearn.__version__, "largest variance", round(truth.max(), 1))
print("off by", {whiten: float(f"{value:.3g}") for whiten, value in off.items()})
print("score", {whiten: round(float(value), 3) for whiten, value in score.items()})
assert off[False] < 1e-10
assert off[True] > truth.max()
assert abs(score[True] - score[False]) > 0.1
PYTHON
