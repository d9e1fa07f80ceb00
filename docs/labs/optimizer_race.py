# ---
# title: "Lab: race the optimizers"
# ---
# %% [markdown]
# # Lab: race the optimizers
#
# Four optimizers start from the same weights, each at many learning rates at once. Which one reaches the
# target first, and whose good learning rates are the easiest to find? Download this page as a notebook,
# change the numbers under *Your move*, and run it again: it needs `unitgain[plots,data]` and nothing else.
# The chapter behind it is *Optimizers*.

# %%
import matplotlib.pyplot as plt
import torch

from unitgain.datasets import digits, ravine
from unitgain.devices import best_device
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam, RMSprop
from unitgain.plots import LIGHT
from unitgain.training import LOSSES, train
from unitgain.transforms import StandardScaler

device = best_device()

# %% [markdown]
# ## Your move
#
# The ravine is a linear regression whose loss is a valley `CONDITION` times as steep across as along. The
# digits are 64 pixels from 0 to 16, raw or standardized, for a network with 32 hidden units. The target is a
# fraction of the initial loss; a run has arrived once its loss stays below it.

# %%
TASK = "ravine"  # or "digits", or "digits, standardized"
CONDITION = 100.0  # of the ravine
TARGET = 1e-4 if TASK == "ravine" else 0.02
STEPS = 300
RATES = torch.logspace(-4, 1, 21)
INITIAL_WEIGHTS = 0  # another number, other initial weights
OPTIMIZERS = {
    "descent": lambda weights, lr: SGD(weights, lr=lr),
    "momentum": lambda weights, lr: SGD(weights, lr=lr, momentum=0.9),
    "RMSprop": lambda weights, lr: RMSprop(weights, lr=lr),
    "Adam": lambda weights, lr: Adam(weights, lr=lr),
}

# %% [markdown]
# ## The race
#
# Each optimizer trains one copy of the network for each rate, side by side: a learning rate may be a tensor,
# here of shape `(rates, 1, 1)`. The ravine is trained in full batches, the digits in batches of 64. Every
# few steps we look at the loss over all examples.

# %%
if TASK == "ravine":
    draw = torch.Generator().manual_seed(0)
    x, y, _ = ravine(500, CONDITION, features=5, generator=draw, device=device)
    sizes, loss, batch = (5, 1), "squared_error", None
else:
    x, y = (tensor[:1000] for tensor in digits(device=device))
    sizes, loss, batch = (64, 32, 10), "cross_entropy", 64
    if TASK.endswith("standardized"):
        x = StandardScaler().fit(x).transform(x)

EVERY = 5


def race(make):
    """The loss over all examples every few steps, a column for each rate."""
    same = [torch.Generator().manual_seed(INITIAL_WEIGHTS) for _ in RATES]
    model = MLP(sizes, replicas=len(RATES), generator=same, device=device)
    optimizer = make(model.parameters(), RATES.to(device).view(-1, 1, 1))
    losses = []

    def look(step):
        if step % EVERY == 0:
            with torch.no_grad():
                losses.append(LOSSES[loss](model(x), y).cpu())

    train(
        model,
        x,
        y,
        loss=loss,
        optimizer=optimizer,
        epochs=STEPS if batch is None else round(STEPS * batch / len(x)),
        batch_size=batch,
        generator=torch.Generator().manual_seed(0),
        callback=look,
    )
    return torch.stack(losses)


races = {name: race(make) for name, make in OPTIMIZERS.items()}
first = next(iter(races.values()))[0, 0]
arrived = {}
for name, losses in races.items():
    below = (losses < TARGET * first).int()
    arrived[name] = below.flip(0).cummin(0).values.flip(0).bool()  # and stays there
best = {}
for name, there in arrived.items():
    never = len(there)
    look = torch.where(there.any(0), there.int().argmax(0), never)
    lowest = races[name][-1].nan_to_num(nan=torch.inf)
    best[name] = int(look.argmin() if look.min() < never else lowest.argmin())
    good = RATES[there.any(0)]
    if len(good):
        steps = EVERY * int(look.min())
        rate = RATES[best[name]]
        print(f"{name:9} there after {steps:3} steps at a rate of {rate:.2g}; ", end="")
        print(f"arrives at {len(good)} of {len(RATES)} rates")
    else:
        print(f"{name:9} not there with any of the rates")

# %% alt="The loss against the step, on a logarithmic axis, one line for each optimizer at its best rate."
# Each optimizer at its best rate
fig, ax = plt.subplots(figsize=(4.4, 4.4), layout="constrained")
keys = ("raw", "always_on", "class0", "standardized")
colours = dict(zip(races, [LIGHT[key] for key in keys], strict=True))
for (name, losses), style in zip(races.items(), ("-", "--", ":", "-."), strict=True):
    path = losses[:, best[name]] / first
    at = EVERY * torch.arange(len(path))
    label = f"{name}, {RATES[best[name]]:.2g}"
    ax.plot(at, path, color=colours[name], linestyle=style, label=label)
ax.axhline(TARGET, color=LIGHT["dead"], linewidth=0.8)
ax.text(0.01 * at[-1], TARGET, "target", va="top")
ax.spines[["top", "right"]].set_visible(False)
ax.set(yscale="log", ylim=(TARGET / 30, 3))
ax.set(xlabel="step", ylabel="loss / initial loss (log)")
ax.yaxis.set_major_formatter("{x:g}")
fig.legend(frameon=False, title="optimizer, rate", loc="outside lower center", ncols=2)
plt.show()

# %% alt="A row of dots for each optimizer on a logarithmic axis of rates, filled where it arrives."
# The rates that reach the target
fig, ax = plt.subplots(figsize=(4.4, 2.4), layout="constrained")
for row, (name, there) in enumerate(arrived.items()):
    for rate, reached in zip(RATES, there.any(0), strict=True):
        inside = colours[name] if reached else "none"
        ax.plot(rate, -row, "o", color=colours[name], markerfacecolor=inside)
ax.spines[["top", "right"]].set_visible(False)
ax.set(xscale="log", ylim=(0.5 - len(arrived), 0.5))
ax.set(xlabel="learning rate (log); filled: reaches the target")
ax.xaxis.set_major_formatter("{x:g}")
ax.set(yticks=[-row for row in range(len(arrived))], yticklabels=arrived)
plt.show()

# %% [markdown]
# ## Things to try
#
# 1. Set `CONDITION = 1.0`. Is any optimizer better than plain descent now?
# 2. Set `CONDITION = 1000.0`. Which still arrive? Give the others more `STEPS`.
# 3. Race on the `"digits"` and then on the `"digits, standardized"`. Whose range of good rates moves, and
#    whose hardly does?
# 4. Race on the raw digits again, and give Adam `betas=(0.0, 0.999)`: how much of its lead was momentum?
