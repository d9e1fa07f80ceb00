"""When does it pay to let the learning rate decay?  Chapter: optimizers."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.optim import lr_scheduler

from experiments import style
from experiments.intervals import mean_interval, median_interval
from experiments.trials import generator, generators, score, splits, stacked, standardized
from experiments.words import number, percent, signed
from unitgain.datasets import Examples, digits, ravine
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import train

FEATURES, ROWS, NOISE, CONDITION = 10, 256, 1.0, 30.0
EPOCHS = 50
BATCH, UPDATES = 32, 8  # rows, and updates in an epoch; by all rows, as many
EXAMPLES, DIGITS_EPOCHS = 1797, 8
LOWEST = 2e-10  # of the axis
RATES = (0.2, 0.4, 0.8, 1.2)
SCHEDULES = {
    "constant": lambda sgd, total: lr_scheduler.ConstantLR(sgd, factor=1.0),
    "step": lambda sgd, total: lr_scheduler.StepLR(sgd, max(1, total // 4), gamma=0.3),
    "exponential": lambda sgd, total: lr_scheduler.ExponentialLR(sgd, 0.03 ** (1 / total)),
    "cosine": lambda sgd, total: lr_scheduler.CosineAnnealingLR(sgd, total),
    "1/t": lambda sgd, total: lr_scheduler.LambdaLR(sgd, lambda t: 1 / (1 + 30 * t / total)),
}


def compute(*, tables=16, networks=8, seed=0, device="cpu"):
    """What is left after every epoch of noisy regression, and the accuracy on the digits.

    `excess` (2, schedules, rates, epochs + 1, tables): linear regression by mini-batches and by all rows, as
    many updates either way; the loss above that of the table's least squares solution. `accuracy`
    (schedules, rates, networks): on validation digits, after mini-batches.
    """
    excess = torch.stack([_regress(tables, batch, seed, device) for batch in (BATCH, None)])
    return {"excess": excess, "accuracy": _classify(networks, seed, device)}


def _rates(epochs):
    """The learning rates of every epoch, (epochs, schedules, rates)."""
    factors = []
    for schedule in SCHEDULES.values():
        sgd = SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler = schedule(sgd, epochs)
        for _ in range(epochs):
            factors.append(sgd.param_groups[0]["lr"])
            sgd.step()
            scheduler.step()
    return torch.tensor(factors).view(-1, epochs, 1).transpose(0, 1) * torch.tensor(RATES)


def _descend(model, examples, loss, batch, rates, seed, look=lambda steps: None):
    """Train by `rates` (epochs, …) that broadcast with the parameters; `look` comes before each step."""
    rates, order = rates.to(examples.x), generator(seed, "order")
    optimizer, updates = SGD(model.parameters(), lr=rates[0]), -(-examples.x.shape[-2] // (batch or ROWS))

    def before(steps):
        look(steps)
        if steps < updates * len(rates):
            optimizer.param_groups[0]["lr"] = rates[steps // updates]

    train(
        model,
        *examples,
        loss=loss,
        optimizer=optimizer,
        epochs=len(rates),
        batch_size=batch,
        generator=order,
        callback=before,
    )


def _regress(tables, batch, seed, device):
    """Excess losses (schedules, rates, epochs + 1, tables)."""
    draws = generators(seed, tables, "data")
    options = {"noise": NOISE, "dtype": torch.float64}
    made = [ravine(ROWS, CONDITION, features=FEATURES, generator=draw, **options) for draw in draws]
    start = MLP((FEATURES, 1), replicas=tables, generator=draws, dtype=torch.float64).layers[0].weight
    x, y, _ = (part.to(device) for part in stacked(made))
    y = (y - y.mean(-1, keepdim=True)).unsqueeze(-1)
    least, losses = x @ torch.linalg.solve(x.mT @ x, x.mT @ y), []
    # Networks on the same rows are the outputs of one layer
    many = len(SCHEDULES) * len(RATES)
    model = MLP((FEATURES, many), replicas=tables, weight="zeros", device=device, dtype=x.dtype)
    rates = _rates(EPOCHS if batch else EPOCHS * UPDATES).flatten(1).unsqueeze(-1)

    def loss(output, target):
        return (output - target[..., None]).square().sum(-1).mean(-1) / 2

    @torch.no_grad()
    def look(steps):
        if steps % UPDATES == 0:  # what is left of the loss is orthogonal
            losses.append((model(x) - least).square().mean(-2) / 2)

    with torch.no_grad():
        model.layers[0].weight.copy_(start)
    _descend(model, Examples(x, y.squeeze(-1)), loss, batch, rates, seed, look)
    return torch.stack(losses).movedim(2, 0).unflatten(0, (len(SCHEDULES), -1))


def _classify(networks, seed, device):
    """Accuracies (schedules, rates, networks), each network on its own split of the digits."""
    x, y = (part[:EXAMPLES] for part in digits(device=device))
    sets = splits(x, y, generators(seed, networks, "split"), scale=standardized)
    shape = len(SCHEDULES), len(RATES), networks
    draws = generators(seed, networks, times=shape[0] * shape[1])
    model = MLP((64, 32, 10), replicas=shape, generator=draws, device=device)
    rates = _rates(min(EPOCHS, DIGITS_EPOCHS))[..., None, None, None]
    _descend(model, sets.train, "cross_entropy", BATCH, rates, seed)
    return score(model, sets.validation)


def _best(result):
    """At each one's best rate: excess (2, schedules, epochs + 1, tables), accuracy (schedules, networks)."""
    excess, accurate = result["excess"], result["accuracy"]
    rate = np.median(excess[..., -1, :], -1).argmin(-1)[..., None, None, None]
    of_digits = accurate.mean(-1).argmax(-1)[:, None, None]
    return np.take_along_axis(excess, rate, 2)[:, :, 0], np.take_along_axis(accurate, of_digits, 1)[:, 0]


def draw(result) -> Figure:
    fig, (*panels, ax) = style.figure(8.2, 3.8, ncols=3, tall=7.2, width_ratios=(1.2, 1.2, 1))
    colours = style.palette()
    excess, accurate = _best(result)
    looks = {"constant": ("raw", "--"), "cosine": ("standardized", "-")}
    titles = f"Noisy: {BATCH} of {ROWS} rows", "Not noisy: all rows"
    for panel, rows, title in zip(panels, excess, titles, strict=True):
        updates = UPDATES * np.arange(rows.shape[1])
        for name, losses in zip(SCHEDULES, rows, strict=True):
            key, dashes = looks.get(name, (None, "-"))
            colour = colours[key] if key else style.GRID
            low, high = np.maximum([median_interval(one) for one in losses], LOWEST / 10).T
            middle = np.maximum(np.median(losses, -1), LOWEST / 10)
            panel.plot(updates, middle, color=colour, lw=1.6 if key else 0.8, ls=dashes)
            if key:
                panel.fill_between(updates, low, high, color=colour, alpha=0.2, lw=0)
        panel.set(title=title, yscale="log", ylim=(LOWEST, 5), xlim=(0, updates[-1]), xlabel="updates")
        panel.set(yticks=(1e-8, 1e-6, 1e-4, 1e-2, 1))
        panel.minorticks_off()
    panels[0].set_ylabel("loss above the least (log)")
    panels[1].sharey(panels[0])
    panels[1].tick_params(labelleft=style.narrow())
    for panel, name, *at in (
        (panels[0], "constant", 395, 2e-3, "bottom"),
        (panels[0], "cosine", 395, 3e-6, "top"),
        (panels[1], "constant", 140, 1e-8, "top"),
        (panels[1], "cosine", 395, 2e-9, "bottom"),
    ):
        panel.text(*at[:2], name, color=colours[looks[name][0]], ha="right", va=at[2])
    panels[1].text(395, 0.05, "grey: step,\nexponential, 1/t", ha="right")
    for i, (name, row) in enumerate(zip(SCHEDULES, accurate, strict=True)):
        colour = colours[looks[name][0]] if name in looks else style.GRID
        ax.hlines(i, *mean_interval(row), color=colour, lw=1.6)
        ax.plot(row.mean(), i, "o", ms=7, mew=0, color=colour)
    ax.set(title="Digits", xlabel="accuracy on new digits", xlim=(0.94, 1.0), xticks=(0.94, 0.96, 0.98, 1))
    ax.set(yticks=range(len(SCHEDULES)), yticklabels=SCHEDULES, ylim=(len(SCHEDULES) - 0.5, -0.5))
    return fig


def table(result) -> dict:
    excess, accurate = _best(result)
    columns = {"schedule": list(SCHEDULES)}
    for rows, name in zip(excess, ("mini_batches", "all_rows"), strict=True):
        columns[f"excess_{name}"] = np.median(rows[:, -1], -1)
    bounds = np.array([mean_interval(row) for row in accurate])
    return columns | {"accuracy": accurate.mean(-1), "low": bounds[:, 0], "high": bounds[:, 1]}


def _left(result) -> dict:
    """Median excess at the end, by schedule: with mini-batches, with all rows."""
    return dict(zip(SCHEDULES, np.median(_best(result)[0][:, :, -1], -1).T, strict=True))


def _points(result) -> str:
    """What the cosine changes in the accuracy on the digits, network by network, in percent points."""
    accurate = dict(zip(SCHEDULES, _best(result)[1], strict=True))
    change = 100 * (accurate["cosine"] - accurate["constant"])
    low, high = map(signed, mean_interval(change))
    return f"{signed(change.mean())} [{low}, {high}]"


def caption(result) -> str:
    noisy = dict(zip(SCHEDULES, _best(result)[0][0, :, -1], strict=True))
    ratio = noisy["constant"] / noisy["cosine"]
    low, high = median_interval(ratio)
    return (
        "**With noisy gradients, a learning rate that decays along a cosine ends "
        f"{number(np.median(ratio), 2)} times closer to the least loss than a constant one; with all rows a "
        "step, where nothing is noisy, the constant one wins.**\n\nThe interval of the first number is "
        f"{number(low, 2)} to {number(high, 2)}. Linear regression with noisy targets, {len(ratio)} tables, "
        f"as many updates either way, each schedule at the best of {len(RATES)} learning rates: medians with "
        f"{percent(0.95)} intervals. On the digits decay does not help: with the cosine, "
        f"{result['accuracy'].shape[-1]} networks change their accuracy by {_points(result)} percentage "
        "points."
    )


def alt(result) -> str:
    left = _left(result)
    return (
        "Loss above the least against the updates, log scale, for five schedules. With mini-batches they end "
        "at " + ", ".join(f"{number(row[0], 2)} ({name})" for name, row in left.items()) + "; with all rows "
        "the constant rate falls below all others. On the digits the accuracies overlap."
    )
