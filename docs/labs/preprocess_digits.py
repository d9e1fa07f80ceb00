# ---
# title: "Lab: preprocess digits and watch a network learn from them"
# ---
# %% [markdown]
# # Lab: preprocess digits and watch a network learn from them
#
# Choose what happens to the pixels before a network sees them. Look at the digits before and after, at the
# variances along their principal directions, and at the units that saturate and the accuracy they reach.
# Download this page as a notebook, change the numbers under *Your move*, and run it again: it needs
# `unitgain[plots,data]` and nothing else. The chapter behind it is *Preprocessing*.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn

from unitgain.activations import ACTIVATIONS
from unitgain.datasets import mnist, split
from unitgain.devices import best_device
from unitgain.diagnostics import saturation
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.plots import LIGHT
from unitgain.training import accuracy, train
from unitgain.transforms import (
    PCA,
    Center,
    Compose,
    MinMaxScaler,
    StandardScaler,
    Whitening,
)

device = best_device()

# %% [markdown]
# ## Your move
#
# What do you do to the pixels, which run from 0 to 255? *divide* maps them to 0 … 1; *centre*, *pca* and
# *whiten* divide first and go on from there. Epsilon is in the squared unit of the divided pixels.

# %%
PREPARE = "whiten"  # or "nothing", "divide", "centre", "standardize", "pca"
KEPT = 36  # components that "pca" keeps
EPSILON = 0.01  # of "whiten"
ACTIVATION = "tanh"  # or "sigmoid", "relu", "gelu"
WIDTH = 32
RATES = (0.003, 0.03, 0.3)
INITIAL_WEIGHTS = 0  # another number, other initial weights

# %% [markdown]
# ## The steps
#
# Each is fitted to the training digits and to nothing else.

# %%
divide = {"feature_range": (0, 1), "dim": None}  # one range for all pixels
steps = {
    "nothing": Compose(nn.Identity()),
    "divide": Compose(MinMaxScaler(**divide)),
    "centre": Compose(MinMaxScaler(**divide), Center()),
    "standardize": Compose(StandardScaler()),
    "pca": Compose(MinMaxScaler(**divide), PCA(KEPT)),
    "whiten": Compose(MinMaxScaler(**divide), Whitening("zca", epsilon=EPSILON)),
}

x, y = mnist(device=device)
data = split(x, y, validation=0.6, generator=torch.Generator().manual_seed(0))
for step in steps.values():
    step.fit(data.train.x)

chosen = steps[PREPARE]
before, after = data.train.x, chosen(data.train.x)
for name, pixels in (("before", before), (PREPARE, after)):
    span = f"{pixels.min():8.2f} … {pixels.max():6.2f}"
    mean = round(pixels.mean().item(), 2) + 0.0  # no -0.0
    print(f"{name:12s}{pixels.shape[1]:4d} numbers, {span}, mean {mean:6.2f}")

# %% alt="Two rows of five handwritten digits, as they are and as the network sees them."
# Below: as the network sees them, purple below 0 and orange above
seen = after if after.shape[1] == 784 else chosen.inverse_transform(after)
fig, axes = plt.subplots(2, 5, figsize=(4.4, 1.9), layout="constrained")
rows = (axes[0], before, "gray_r"), (axes[1], seen, "PuOr_r")
for row, images, colours in rows:
    for digit, ax in enumerate(row):
        image = images[data.train.y == digit][0].reshape(28, 28).cpu()
        limit = image.abs().max()
        low = 0 if colours == "gray_r" else -limit
        ax.imshow(image, cmap=colours, vmin=low, vmax=limit)
        ax.axis("off")
plt.show()

# %% [markdown]
# ## The spectrum
#
# The variances along the principal directions, largest first. A loss that is steep along one direction and
# flat along another is slow to learn: the flatter this line, the better.

# %% alt="Variance along each principal direction, largest first, before and after, on log axes."
fig, ax = plt.subplots(figsize=(4.4, 3.2), layout="constrained")
lines = ("before", before, LIGHT["raw"], "--"), (PREPARE, after, LIGHT["standardized"], "-")
for name, pixels, colour, line in lines:
    variances = PCA().fit(pixels).explained_variance_.cpu()
    variances = variances[variances > 1e-9 * variances[0]]  # the rest never varies
    ax.plot(range(1, len(variances) + 1), variances, color=colour, ls=line)
    ax.text(1, 1.6 * variances[0], name, color=colour, va="bottom")
    spread = variances[0] / variances.median()
    print(f"{name:12s}largest variance by the median one: {spread:9.1f}")
ax.loglog()
for axis in (ax.xaxis, ax.yaxis):
    axis.set_major_formatter("{x:g}")
ax.set(xlabel="direction (log)", ylabel="variance (log)")
ax.margins(y=0.15)
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## Train on each
#
# The same network, initial weights and batches after each of the steps, at each of the learning rates; the
# best one counts. *Saturated* is the fraction of hidden units × digits at which the slope of the activation
# is less than 5 % of its largest value.


# %%
def saturated(model, x):
    """Fraction of hidden units × examples."""
    z = model.layers[0](x.mT).mT
    return saturation(ACTIVATIONS[ACTIVATION], z).mean().item()


def experiment(seen, fresh, rate):
    """Validation accuracy, and the saturated fraction before and after training."""
    weights = torch.Generator().manual_seed(INITIAL_WEIGHTS)
    sizes = seen.shape[1], WIDTH, 10
    model = MLP(sizes, ACTIVATION, generator=weights).to(device)
    at_birth = saturated(model, seen)
    train(
        model,
        seen,
        data.train.y,
        loss="cross_entropy",
        optimizer=SGD(model.parameters(), lr=rate),
        epochs=5,
        batch_size=50,
        generator=torch.Generator().manual_seed(0),
    )
    with torch.no_grad():
        score = accuracy(model(fresh), data.validation.y).item()
    return score, at_birth, saturated(model, seen)


print(f"{'':12s}{'accuracy':>9s}{'rate':>7s}   saturated at birth and in the end")
for name, step in steps.items():
    seen, fresh = step(data.train.x), step(data.validation.x)
    runs = {rate: experiment(seen, fresh, rate) for rate in RATES}
    best = max(runs, key=lambda rate: runs[rate][0])
    score, at_birth, at_end = runs[best]
    mark = "<- yours" if name == PREPARE else ""
    saturation_of = f"{at_birth:6.0%}  {at_end:6.0%}"
    print(f"{name:12s}{score:9.2f}{best:7g}   {saturation_of}  {mark}")

# %% [markdown]
# ## Things to try
#
# 1. Set `ACTIVATION = "relu"`. Which row is still bad, and does saturation explain it?
# 2. Set `EPSILON = 1e-6`. What do the whitened digits look like now, and what becomes of the accuracy?
# 3. Set `PREPARE = "pca"` and lower `KEPT` from 36 to 9 and 4. When can you no longer read the digits, and
#    when can the network no longer?
# 4. Set `PREPARE = "standardize"`. Which pixels stand out, and why? Then use `StandardScaler(dim=None)`.
