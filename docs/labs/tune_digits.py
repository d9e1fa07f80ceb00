# ---
# title: "Lab: search for a digit network's hyper-parameters"
# ---
# %% [markdown]
# # Lab: search for a digit network's hyper-parameters
#
# Choose a search space, a number of trials and a budget, run random search on handwritten digits, and
# find out what mattered and how much of the winner's score was luck. Download this page as a notebook,
# change the numbers under *Your move*, and run it again: it needs `unitgain[plots,data]` and nothing else.
# The chapter behind it is *Tuning*.

# %%
import matplotlib.pyplot as plt
import torch

from unitgain.datasets import digits, split
from unitgain.devices import best_device
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.plots import LIGHT
from unitgain.training import accuracy, train
from unitgain.transforms import StandardScaler

device = best_device()

# %% [markdown]
# ## Your move
#
# Each range is searched on a log scale. Momentum is searched as 1 − β, so that 0.9 to 0.99 is as wide as 0 to
# 0.9. A trial is one draw of all four numbers, trained with `SEEDS` different initial weights; its score is
# their mean.

# %%
RATE = (0.001, 3.0)
ONE_MINUS_MOMENTUM = (0.01, 1.0)
WEIGHT_DECAY = (1e-6, 1e-1)
WIDTHS = (8, 32, 128)  # hidden units; one of them is drawn
TRIALS = 60
EPOCHS = 4  # the budget of a trial: passes over the training digits
SEEDS = 3
SEARCH = 0  # another number, another search

# %% [markdown]
# ## Draw the trials
#
# The digits are split in three: to train on, to choose by, and a test part that nothing looks at before the
# end.

# %%
generator = torch.Generator().manual_seed(SEARCH)
data = split(*digits(), validation=0.2, test=0.2, generator=generator)
scaler = StandardScaler().fit(data.train.x)
parts = [(scaler.transform(part.x).to(device), part.y.to(device)) for part in data]
(train_x, train_y), *others = parts  # the others: validation and test


def log_uniform(low, high):
    """One number a trial."""
    u = torch.rand(TRIALS, generator=generator)
    return low * (high / low) ** u


trials = {
    "rate": log_uniform(*RATE),
    "one_minus_momentum": log_uniform(*ONE_MINUS_MOMENTUM),
    "weight_decay": log_uniform(*WEIGHT_DECAY),
}
choice = torch.randint(len(WIDTHS), (TRIALS,), generator=generator)
trials["width"] = torch.tensor(WIDTHS)[choice]

# %% [markdown]
# ## Train them side by side
#
# Networks of one width are replicas of one model: they train at the same time, each with numbers of its own.


# %%
def scores(width, which):
    """Validation and test accuracies (trials, SEEDS)."""
    model = MLP(
        (64, width, 10),
        replicas=(len(which), SEEDS),
        weight="he_normal",
        generator=generator,
        device=device,
    )

    def numbers(name):
        return trials[name][which].view(-1, 1, 1, 1).to(device)

    optimizer = SGD(
        model.parameters(),
        lr=numbers("rate"),
        momentum=1 - numbers("one_minus_momentum"),
        weight_decay=numbers("weight_decay"),
    )
    train(
        model,
        train_x,
        train_y,
        loss="cross_entropy",
        optimizer=optimizer,
        epochs=EPOCHS,
        batch_size=32,
        generator=generator,
    )
    with torch.no_grad():
        return [accuracy(model(x), y).cpu() for x, y in others]


validation, test = torch.zeros(TRIALS, SEEDS), torch.zeros(TRIALS, SEEDS)
for width in WIDTHS:
    which = (trials["width"] == width).nonzero().flatten()
    if len(which):
        validation[which], test[which] = scores(width, which)
score = validation.mean(1)

print(f"{'score':>6s}{'rate':>9s}{'momentum':>10s}{'decay':>9s}{'width':>7s}")
for k in score.argsort(descending=True)[:5]:
    rate, left, decay, width = (trials[name][k].item() for name in trials)
    line = f"{score[k]:6.3f}{rate:9.3g}{1 - left:10.3f}{decay:9.1e}"
    print(f"{line}{width:7d}")

# %% alt="Error of each trial as a dot in the order drawn, and the lowest so far as a line, log axis."
# Dots: trials. Line: the best so far
error, number = 100 * (1 - score), range(1, TRIALS + 1)
fig, ax = plt.subplots(figsize=(4.4, 3), layout="constrained")
ax.semilogy(number, error, "o", ms=4, color=LIGHT["standardized"], alpha=0.6)
ax.step(number, error.cummin(0).values, where="post", color=LIGHT["raw"])
ax.set(xlabel="trial", ylabel="validation error (%, log)")
ax.set_yticks((3, 10, 30, 90), ("3", "10", "30", "90"))
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## What mattered?
#
# The same trials against each of their numbers. Where the best dots lie close together, the number
# matters; where they lie everywhere, you can leave it alone. If the dots still rise at the edge of a panel,
# the range ends too early. A ring marks the winner.

# %% alt="Score of each trial against learning rate, one minus momentum, weight decay and width."
titles = {
    "rate": "learning rate (log)",
    "one_minus_momentum": "1 − momentum (log)",
    "weight_decay": "weight decay (log)",
    "width": "width (log)",
}
fig, axes = plt.subplots(2, 2, figsize=(4.4, 4.8), sharey=True, layout="constrained")
for ax, (name, title) in zip(axes.flat, titles.items(), strict=True):
    dots = {"ms": 4, "color": LIGHT["standardized"], "alpha": 0.6}
    ax.semilogx(trials[name], score, "o", **dots)
    ax.xaxis.set_major_formatter("{x:g}")
    winner = score.argmax()
    ax.plot(trials[name][winner], score[winner], "o", ms=9, mfc="none", mec=LIGHT["raw"])
    ax.set(xlabel=title, ylim=(0, 1.06))
    ax.spines[["top", "right"]].set_visible(False)
axes[1, 1].set_xticks(WIDTHS, [str(width) for width in WIDTHS])
axes[1, 1].minorticks_off()
fig.supylabel("validation accuracy")
plt.show()

# %% [markdown]
# ## What is the winner worth?
#
# It was chosen because its validation score was high, and some of that was luck. The test digits took no part
# in the choice. The same networks, looked at again; all trials together say how much easier or harder these
# digits are:

# %%
best = score.argsort(descending=True)[:5]
print("best five   validation   test")
for place, k in enumerate(best, start=1):
    print(f"{place:9d}{score[k]:13.3f}{test[k].mean():7.3f}")
gain = 100 * (test - validation).mean(1)
print("from validation to test, in points:")
print(f"the best five {gain[best].mean():+.1f}, all trials {gain.mean():+.1f}")

# %% [markdown]
# ## Things to try
#
# 1. Set `RATE = (0.03, 0.3)`. Which number matters most now?
# 2. Set `TRIALS = 10` and try five values of `SEARCH`. How much does the winner change, and how much its
#    score? Then with `TRIALS = 100`.
# 3. Set `SEEDS = 1`. Does the drop of the best five from validation to test become larger?
# 4. Halve `EPOCHS` and double `TRIALS`: the same work. Is the winner better? What happens to the best rate?
