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
LOWEST, LINE = 2e-10, 0.5  # of the axis, and powers of ten that a line of text takes
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
    fig, (*panels, ax) = style.figure(7.8, 4.2, ncols=3, width_ratios=(1.2, 1.2, 0.8))
    panels[1].sharey(panels[0])
    colours, ink = style.palette(), style.ink()
    excess, accurate = _best(result)
    keys = ["raw"] + ["standardized"] * (len(SCHEDULES) - 1)
    for panel, rows, title in zip(
        panels, excess, (f"{BATCH} of {ROWS} rows a step", "all rows a step"), strict=True
    ):
        ends, updates = {}, UPDATES * np.arange(rows.shape[1])
        for name, losses, key in zip(SCHEDULES, rows, keys, strict=True):
            low, high = np.maximum([median_interval(one) for one in losses], LOWEST / 10).T
            middle = np.maximum(np.median(losses, -1), LOWEST / 10)
            panel.fill_between(updates, low, high, color=colours[key], alpha=0.2, lw=0)
            panel.plot(updates, middle, color=colours[key], lw=1.6, ls="--" if key == "raw" else "-")
            if middle[-1] > LOWEST:
                ends[name] = middle[-1], colours[key]
            else:
                out = updates[(middle <= LOWEST).argmax()]
                panel.text(0.85 * out, 3 * LOWEST, name, color=colours[key], ha="right", fontsize=9.5)
        y = -np.inf
        for name, (end, colour) in sorted(
            ends.items(), key=lambda one: one[1][0]
        ):  # from below, a line apart
            y = max(np.log10(end), y + LINE)
            panel.text(1.03 * updates[-1], 10**y, name, color=colour, va="center", fontsize=9.5)
        panel.set(title=title, yscale="log", ylim=(LOWEST, 5), xlim=(0, 1.42 * updates[-1]))
        panel.set(xlabel="updates", xticks=np.linspace(0, updates[-1], 3).round())
        panel.xaxis.label.set_position((0.35, 0))
        panel.minorticks_off()
    panels[0].set(ylabel="loss above the least (log)", yticks=10.0 ** np.arange(-8, 1, 2))
    panels[1].tick_params(labelleft=False)
    rng = np.random.default_rng(0)
    for i, (row, key) in enumerate(zip(accurate, keys, strict=True)):
        y = len(accurate) - 1 - i
        ax.plot(row, y + rng.uniform(-0.14, 0.14, len(row)), "o", ms=3, mew=0, color=colours[key], alpha=0.5)
        ax.hlines(y, *mean_interval(row), color=ink, lw=1.6)
        ax.plot(row.mean(), y, "o", ms=5, mew=0, color=ink)
    ax.set(
        title="digits",
        xlabel="validation accuracy",
        yticks=range(len(accurate)),
        yticklabels=[*SCHEDULES][::-1],
    )
    ax.set(xlim=(accurate.min() - 0.01, 1.002))
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
        f"{number(np.median(ratio), 2)} times closer to the least loss than a constant one "
        f"(95 % interval {number(low, 2)} to {number(high, 2)}); with all rows a step, where "
        "nothing is noisy, the constant one wins.**\n\nLinear "
        f"regression with noisy targets, {len(ratio)} tables, as many updates either way; each schedule at "
        f"the best of {len(RATES)} rates, medians with {percent(0.95)} intervals. On the digits decay does "
        f"not help: {result['accuracy'].shape[-1]} networks change their accuracy by "
        f"{_points(result)} percent points with the cosine."
    )


def alt(result) -> str:
    left = _left(result)
    return (
        "Loss above the least against the updates, log scale, for five schedules. With mini-batches they end "
        "at " + ", ".join(f"{number(row[0], 2)} ({name})" for name, row in left.items()) + "; with all rows "
        "the constant rate falls below all others. On the digits the accuracies overlap."
    )
