# ---
# title: "Lab: kill units with the learning rate"
# ---
# %% [markdown]
# # Lab: kill units with the learning rate
#
# Train the same network at several learning rates and count the hidden units that end dead: active on none
# of the training data. Download this page as a notebook, change the numbers under *Your move*, and run it
# again: it needs `unitgain[plots,data]` and nothing else. The chapter behind it is *Activation functions*.

# %%
import matplotlib.pyplot as plt
import torch

from unitgain.datasets import digits, split
from unitgain.devices import best_device
from unitgain.diagnostics import activity
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import accuracy, train
from unitgain.transforms import StandardScaler

device = best_device()

# %% [markdown]
# ## Your move
#
# Which learning rates, which activation, how many hidden units? The images have pixels from 0 to 16. Divided
# by 16 they lie between 0 and 1; standardized, they have mean 0 and standard deviation 1.

# %%
RATES = (0.3, 1.0, 1.5, 3.0)
ACTIVATION = "relu"  # or "leaky_relu", "prelu", "elu", "tanh"
WIDTH = 64
STANDARDIZE = False
INITIAL_WEIGHTS = 0  # another number, other initial weights

# %% [markdown]
# ## One network for each learning rate
#
# Initial weights and batches are the same everywhere; only the learning rate differs. Every few steps,
# `activity` says which hidden units are not activated by any training example.

# %%
x, y = digits(device=device)
data = split(x, y, generator=torch.Generator().manual_seed(0))
scaler = StandardScaler().fit(data.train.x)


def prepare(x):
    """Pixels as the network sees them."""
    return scaler.transform(x) if STANDARDIZE else x / 16


def experiment(rate):
    """Train a network: accuracy, whether finite, steps looked at, dead units."""
    sizes, weights = (64, WIDTH, 10), torch.Generator().manual_seed(INITIAL_WEIGHTS)
    model = MLP(sizes, ACTIVATION, weight="he_normal", generator=weights).to(device)
    inputs, steps, dead = prepare(data.train.x), [], []

    def look(step):
        if step % 5 == 0:
            steps.append(step)
            dead.append(activity(model, inputs)[0].dead.cpu())

    train(
        model,
        inputs,
        data.train.y,
        loss="cross_entropy",
        optimizer=SGD(model.parameters(), lr=rate),
        epochs=5,
        batch_size=32,
        generator=torch.Generator().manual_seed(0),
        callback=look,
    )
    with torch.no_grad():
        output = model(prepare(data.validation.x))
    score = accuracy(output, data.validation.y).item()
    return score, bool(output.isfinite().all()), steps, torch.stack(dead)


runs = {rate: experiment(rate) for rate in RATES}
for rate, (score, finite, _, dead) in runs.items():
    state = f"{dead[-1].float().mean():4.0%} of the units dead"
    if not finite:
        state = "diverged, its outputs are no longer numbers"
    print(f"rate {rate:4g}: {state}, validation accuracy {score:.2f}")

# %% alt="The fraction of dead units against the training step, one line for each learning rate."
# The fraction of dead units over the steps
fig, ax = plt.subplots(figsize=(4.4, 3.2), layout="constrained")
for rate, (_, _, steps, dead) in runs.items():
    percent = 100 * dead.float().mean(1)
    (line,) = ax.plot(steps, percent)
    color = line.get_color()
    ax.text(1.02 * steps[-1], percent[-1], f"{rate:g}", color=color, va="center")
ax.set_title("learning rate", loc="right", fontsize="medium")
ax.spines[["top", "right"]].set_visible(False)
ax.set(
    xlabel="step",
    ylabel="dead units (%)",
    ylim=(-4, 104),
    xlim=(0, 1.15 * steps[-1]),
    xticks=range(0, steps[-1] + 1, 50),
)
plt.show()

# %% [markdown]
# ## Does a dead unit come back?
#
# No gradient reaches a dead ReLU, so its weights do not change. In the first layer its inputs are the data,
# which do not change either: the unit stays dead.

# %%
for rate, (_, _, _, dead) in runs.items():
    died = (~dead[:-1] & dead[1:]).sum()
    woke = (dead[:-1] & ~dead[1:]).sum()
    print(f"rate {rate:4g}: {died} times a unit died, {woke} times one came back")

# %% [markdown]
# ## Things to try
#
# 1. Find the highest rate at which fewer than one unit in ten dies. What is the accuracy there?
# 2. Set `ACTIVATION = "leaky_relu"`. *Dead* then means never on, and a small gradient is left. How much of
#    the accuracy does it save at the higher rates, and do units come back?
# 3. Set `STANDARDIZE = True`. Which rates kill units now?
# 4. Set `WIDTH = 16` and then `WIDTH = 256`. Does a wide network lose a larger fraction of its units?
