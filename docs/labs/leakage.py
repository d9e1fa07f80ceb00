# ---
# title: "Lab: make a test score lie"
# ---
# %% [markdown]
# # Lab: make a test score lie
#
# Prepare a table before the split or inside it, and compare the score that the test reports with the score
# on rows that nobody has seen. Then take home a tool that finds leaks in your own pipeline. Download this
# page as a notebook, change the numbers under *Your move*, and run it again: it needs `unitgain[plots]` and
# nothing else. The chapter behind it is *Preprocessing pitfalls*.

# %%
import matplotlib.pyplot as plt
import torch

from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.plots import LIGHT
from unitgain.training import train
from unitgain.transforms import PCA, MinMaxScaler, StandardScaler

# %% [markdown]
# ## Your move
#
# How many rows and columns, how many of the columns know something about the label, and how much? How is the
# table prepared, what classifies it, and which fraction of the rows is kept for the test?

# %%
ROWS, COLUMNS = 60, 300
INFORMATIVE, SIGNAL = 5, 0.5  # columns with mean ±SIGNAL, by class; all have sd 1
TRANSFORM = "choose"  # or "standardize", "min-max", "whiten"
CLASSIFIER = "linear"  # or "nearest" (neighbour), "network" (slow: lower TABLES)
TEST = 0.25
KEEP = 10  # columns to choose, components to whiten
TABLES = 100

# %% [markdown]
# ## A table, and rows that nobody has seen
#
# Normal columns, two classes. Fresh rows come from the same distribution as the table: the score on them is
# the true score.


# %%
def rows(n, generator):
    """Examples (n, COLUMNS) and their classes, 0 or 1, half of each."""
    y = torch.randperm(n, generator=generator) % 2
    x = torch.randn(n, COLUMNS, generator=generator)
    x[:, :INFORMATIVE] += SIGNAL * (2 * y[:, None] - 1)
    return x, y


# %% [markdown]
# ## Prepare
#
# Each transform takes its statistics from the rows it is given. The first three look at the inputs only;
# *choose* keeps the columns that correlate most with the labels.


# %%
def prepare(transform, x, y):
    """A function that prepares rows, with statistics of x and y."""
    if transform == "standardize":
        return StandardScaler().fit(x)
    if transform == "min-max":
        return MinMaxScaler().fit(x)
    if transform == "whiten":
        return PCA(KEEP, whiten=True).fit(x)
    labels = y - y.float().mean()
    correlation = labels @ (x - x.mean(dim=0)) / x.std(dim=0)
    best = correlation.abs().topk(KEEP).indices
    return lambda x: x[:, best]


# %% [markdown]
# ## Classify


# %%
def classifier(name, x, y):
    """A function from rows to classes, learned from x and y."""
    if name == "nearest":
        return lambda queries: y[torch.cdist(queries, x).argmin(dim=1)]
    if name == "linear":  # ridge regression on -1 and 1
        mean, width = x.mean(dim=0), x.shape[1]
        centred = x - mean
        gram = centred.T @ centred + 0.1 * len(x) * torch.eye(width)
        weight = torch.linalg.solve(gram, centred.T @ (2.0 * y - 1))
        return lambda queries: ((queries - mean) @ weight > 0).long()
    model = MLP((x.shape[1], 16, 1), generator=torch.Generator().manual_seed(0))
    optimizer = Adam(model.parameters(), lr=0.01)
    train(model, x, y, loss="binary_cross_entropy", optimizer=optimizer, epochs=60)
    return lambda queries: (model(queries)[:, 0] > 0).long()


# %% [markdown]
# ## Reported against true
#
# The only difference between the two arms is where `known` ends.


# %%
def scores(x, y, *, transform, before, fresh=None):
    """Score on the test part and, if there are any, on fresh rows."""
    cut = round((1 - TEST) * len(x))
    known = len(x) if before else cut  # rows that the statistics may see
    prepared = prepare(transform, x[:known], y[:known])
    model = classifier(CLASSIFIER, prepared(x[:cut]), y[:cut])
    parts = [(x[cut:], y[cut:])] + ([fresh] if fresh else [])
    return [(model(prepared(x)) == y).float().mean().item() for x, y in parts]


def many(transform, before):
    """Scores of TABLES tables: (TABLES, reported and true)."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(TABLES):
        x, y = rows(ROWS, generator)
        fresh = rows(300, generator)
        found.append(scores(x, y, transform=transform, before=before, fresh=fresh))
    return 100 * torch.tensor(found)


def with_interval(values):
    """Mean and half of its 95 % interval."""
    half = 1.96 * values.std() / len(values) ** 0.5
    return f"{values.mean():5.1f} ± {half:3.1f}"


ARMS = {"before the split": True, "inside the split": False}
runs = {name: many(TRANSFORM, before) for name, before in ARMS.items()}
for name, found in runs.items():
    reported, true = map(with_interval, found.T)
    print(f"{TRANSFORM} {name}: reported {reported}, true {true}")

# %% alt="Reported score against true score of each table: prepared before the split, and inside."
# One dot a table, a diamond the mean; on the line, the test tells the truth
options = {"sharey": True, "layout": "constrained"}
fig, axes = plt.subplots(ncols=2, figsize=(4.4, 2.8), **options)
for ax, (name, found) in zip(axes, runs.items(), strict=True):
    reported, true = found.T
    ax.plot([30, 100], [30, 100], color=LIGHT["dead"], lw=1)
    ax.plot(true, reported, "o", ms=4, alpha=0.4, color=LIGHT["standardized"])
    ax.plot(true.mean(), reported.mean(), "D", ms=8, color=LIGHT["raw"])
    ax.set(title=name, xlabel="true score (%)", xlim=(30, 102), ylim=(30, 102))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("reported score (%)")
plt.show()

# %% [markdown]
# ## All four transforms
#
# Reported minus true score, in points.

# %%
print(" " * 14, *(f"{name:18s}" for name in ARMS))
for transform in ("standardize", "min-max", "whiten", "choose"):
    bias = [torch.sub(*many(transform, before).T) for before in ARMS.values()]
    print(f"{transform:14s}", *(f"{with_interval(values):18s}" for values in bias))

# %% [markdown]
# ## Take home: shuffle the labels
#
# You have one table and no fresh rows. Shuffle its labels and run the *whole* pipeline again, from the raw
# table to the test score. Nothing is left to learn, so the score must be at chance. If it is above, the test
# rows have reached the training in some way. Write your own pipeline as a function of `x` and `y`.


# %%
def shuffle_test(pipeline, x, y, rounds=100):
    """What the scores that `pipeline(x, y)` reports on shuffled labels say."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for _ in range(rounds):
        order = torch.randperm(len(y), generator=generator)
        found.append(pipeline(x, y[order]))
    found = torch.tensor(found)
    chance = (y.bincount() / len(y)).max()  # what the larger class gets
    half = 1.96 * found.std() / rounds**0.5
    verdict = "it leaks" if found.mean() > chance + 1.5 * half else "no leak seen"
    return f"{found.mean():.2f} ± {half:.2f}, chance {chance:.2f}: {verdict}"


def copied(x, y):
    """A pipeline that doubles its rows, with a little noise, and splits then."""
    order = torch.randperm(2 * len(x), generator=torch.Generator().manual_seed(0))
    x, y = x.repeat(2, 1)[order], y.repeat(2)[order]
    x = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    return scores(x, y, transform="standardize", before=False)[0]


x, y = rows(ROWS, torch.Generator().manual_seed(0))
for transform in ("standardize", "whiten", "choose"):
    for name, before in ARMS.items():

        def pipeline(x, y, transform=transform, before=before):
            return scores(x, y, transform=transform, before=before)[0]

        print(f"{transform:12s}{name}: {shuffle_test(pipeline, x, y)}")
print(f"rows copied before the split: {shuffle_test(copied, x, y)}")

# %% [markdown]
# The test sees leaks of *labels*. Statistics that look at the inputs only pass it, even where they bend the
# score of true labels a little: compare with the list above.
#
# ## Things to try
#
# 1. Set `SIGNAL = 0.0`. What does *choose* report before the split, and what is true? How many rows does it
#    take until the two are closer than ten points?
# 2. Set `COLUMNS = 20`. How much is left of the leak of *choose*?
# 3. Set `COLUMNS = 45`, `KEEP = 35`, `SIGNAL = 1.0` and `CLASSIFIER = "nearest"`. In which direction does
#    *whiten* leak now?
# 4. Set `TEST = 0.5`. Does *choose* leak less if more rows are tested?
# 5. Write the pipeline of your last project as a function and give it to `shuffle_test`.
