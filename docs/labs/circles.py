# ---
# title: "Lab: freeze a network by moving its data"
# ---
# %% [markdown]
# # Lab: freeze a network by moving its data
#
# Move the circles, train again, and watch the hidden units freeze. Download this page as a notebook, change
# the numbers under *Your move*, and run it again: it needs `unitgain[plots]` and nothing else. The chapter
# behind it is *Normalize your data*.

# %%
import matplotlib.pyplot as plt
import torch

from unitgain.datasets import circles
from unitgain.devices import best_device
from unitgain.diagnostics import activity
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.plots import boundary, scatter
from unitgain.training import accuracy, train
from unitgain.transforms import StandardScaler

device = best_device()

# %% [markdown]
# ## Your move
#
# Where should the middle of the circles lie, how many hidden units may the network have, and which
# activation?

# %%
CENTERS = (0.0, 1.0, 2.0, 4.0, 10.0)
WIDTH = 8
ACTIVATION = "relu"
INITIAL_WEIGHTS = 0  # another number, other initial weights

# %% [markdown]
# ## One network for each place
#
# The initial weights are the same everywhere; only the data moves. A unit is *frozen* when it is on for all
# the points or for none.


# %%
def experiment(center, standardize=False):
    """Train one network and measure it."""
    generator = torch.Generator().manual_seed(0)
    x, y = circles(200, center=center, generator=generator, device=device)
    if standardize:
        x = StandardScaler().fit(x).transform(x)

    generator = torch.Generator().manual_seed(INITIAL_WEIGHTS)
    model = MLP((2, WIDTH, 1), ACTIVATION, generator=generator).to(device)
    at_birth = activity(model, x)[0]
    frozen = (at_birth.dead | at_birth.always_on).float().mean().item()

    optimizer = Adam(model.parameters(), lr=0.05)
    train(model, x, y, loss="binary_cross_entropy", optimizer=optimizer, epochs=500)
    return model, x, y, frozen, accuracy(model(x), y).item()


def report(center, frozen, score):
    """Print one line about a network."""
    print(
        f"center {center:4.1f}: {frozen:4.0%} of the hidden units frozen at birth, "
        f"accuracy {score:.2f} after training"
    )


raw = [experiment(center) for center in CENTERS]
for center, (*_, frozen, score) in zip(CENTERS, raw, strict=True):
    report(center, frozen, score)


# %% alt="Boundaries of the same network at five places: closed around 0, straight or absent far away."
# The boundary that each network has learned
def draw(ax, center, model, x, y, score):
    """The network's boundary and its data, within 2.2 of the center."""
    low, high = (center - 2.2, center - 2.2), (center + 2.2, center + 2.2)
    boundary(ax, lambda points: model(points.to(device)), low, high)
    scatter(ax, x.cpu(), y.cpu(), size=6)
    ax.set(title=f"center {center:g}: {score:.2f}", aspect="equal")


rows = -(-len(CENTERS) // 2)
size = (4.4, 2 * rows)
fig, axes = plt.subplots(rows, 2, figsize=size, layout="constrained", squeeze=False)
for ax in axes.flat[len(CENTERS) :]:
    ax.axis("off")
for ax, center, (model, x, y, _, score) in zip(axes.flat, CENTERS, raw, strict=False):
    draw(ax, center, model, x, y, score)

# %% [markdown]
# ## The same, standardized
#
# Standardizing undoes the move, so the place no longer matters.

# %%
for center in CENTERS:
    *_, frozen, score = experiment(center, standardize=True)
    report(center, frozen, score)

# %% [markdown]
# ## Things to try
#
# 1. Set `WIDTH = 2` and then `WIDTH = 64`. Does width make up for the move?
# 2. Set `ACTIVATION = "sigmoid"`. Which of the raw networks get better, and how much?
# 3. Try five values of `INITIAL_WEIGHTS`. How much of the result is luck?
# 4. At which center does the accuracy start to fall? Compare it with the radius of the circles.
