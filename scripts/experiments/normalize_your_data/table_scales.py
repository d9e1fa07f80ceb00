"""Does standardizing help on a typical synthetic table, and when does it?  Chapter: normalize-your-data."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import Scale, descend, generators, raw, score, splits, stacked, standardized
from experiments.words import number, percent, signed
from unitgain.datasets import Examples, Split, classification_table, wild_scales
from unitgain.initializers import uniform_
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam

TABLES = ("as generated", "wild scales")
EPOCHS = 100
# The maps, with fewer rows: training on a table as generated, and the same table spoiled more and more
TRAINING = {"Adam, rate 0.001": (Adam, 1e-3), "SGD, rate 0.01": (SGD, 1e-2), "SGD, rate 0.1": (SGD, 1e-1)}
MOMENTS = (10, 30, 100, 300)
OFFSETS = (1.0, 4.8, 10.8, 40.0)
FACTORS = {"equal": 1.0, "within a factor of 100": 100.0, "within 10,000": 1e4}
FEWER, FRESH = 100, 1000
PAYS = 1.0  # point of accuracy


def _torch_default_(model: MLP, draws: list[torch.Generator]) -> None:
    """The article's initial weights, PyTorch's default: weights and biases from U(±1/√fan_in)."""
    for layer in model.layers:
        bound = layer.in_features**-0.5
        uniform_(layer.weight, -bound, bound, generator=draws)
        uniform_(layer.bias, -bound, bound, generator=draws)


def _parts(kind: str, scale: Scale, tables: int, rows: int, seed: int) -> Split:
    """Independent tables, each split by itself and scaled by its own training part."""
    parts = []
    streams = (generators(seed, tables, stream) for stream in ("data", "noise", "split"))
    for data, noise, order in zip(*streams, strict=True):
        x, y = classification_table(rows, seed=data.initial_seed())
        x = wild_scales(x, generator=noise) if kind == "wild scales" else x
        parts.append(splits(x, y, [order], scale=scale))
    return Split(*(Examples(*map(torch.cat, zip(*part, strict=True))) for part in zip(*parts, strict=True)))


def _gains(tables: int, seed: int, device) -> tuple[torch.Tensor, torch.Tensor]:
    """What standardizing gains on fresh rows, in points, for both maps.

    By MOMENTS and TRAINING (moments, training, tables); by OFFSETS and FACTORS after EPOCHS of the first of
    TRAINING (offsets, factors, tables).
    """
    draws = generators(seed, tables, "data")
    made = (classification_table(FEWER + FRESH, seed=draw.initial_seed()) for draw in draws)
    x, y = stacked((x, y) for x, y in made)
    sides = [
        torch.empty(2, 1, x.shape[-1]).uniform_(-1, 1, generator=g) for g in generators(seed, tables, "noise")
    ]
    scale, sign = torch.stack(sides, dim=1)
    x, y, scale, sign = (part.to(device) for part in (x, y, scale / 2, sign.sign()))
    fitted = torch.stack([standardized(one, one[:FEWER]) for one in x])

    def accuracies(rows: torch.Tensor, way, moments) -> torch.Tensor:
        """Of networks on `rows` (tables, rows, columns), in percent: (moments, tables)."""
        optimizer, rate = way
        model = MLP((20, 64, 2), "relu", replicas=(tables,), weight="zeros", device=device)
        _torch_default_(model, generators(seed, tables))
        data, fresh = (Examples(rows[:, part], y[:, part]) for part in (slice(FEWER), slice(FEWER, None)))
        kept = {}

        def keep(step: int) -> None:
            if step in moments:
                kept[step] = 100 * score(model, fresh)

        descend(model, data, rate, seed=seed, epochs=max(moments), optimizer=optimizer, callback=keep)
        return torch.stack([kept[step] for step in moments])

    moments = [min(step, 3 * EPOCHS) for step in MOMENTS]
    ways = list(TRAINING.values())
    by_training = [accuracies(fitted, way, moments) - accuracies(x, way, moments) for way in ways]
    best = accuracies(fitted, ways[0], [EPOCHS])[0]  # whatever the offset and the factor
    spoiled = [
        [
            best - accuracies(x * factor**scale + offset * sign, ways[0], [EPOCHS])[0]
            for factor in FACTORS.values()
        ]
        for offset in OFFSETS
    ]
    return torch.stack(by_training, dim=1), torch.stack([torch.stack(row) for row in spoiled])


def compute(*, tables=24, mapped=32, rows=1000, seed=0, device="cpu"):
    """20-64-2, Adam at 1e-3, full batch.

    `accuracy` on the validation part (table kinds, raw or standardized, tables), training `loss`
    (table kinds, raw or standardized, EPOCHS, tables), `sd_ratio` and `offset` (table kinds, tables): the
    largest standard deviation of a column by the smallest, and the largest distance of a mean from 0 in
    standard deviations. For the maps, `by_training` and `by_scale`: see `_gains`.
    """
    validation, losses, sd_ratio, offset = [], [], [], []
    for kind in TABLES:
        for scale in (raw, standardized):
            parts = _parts(kind, scale, tables, rows, seed)
            model = MLP((20, 64, 2), "relu", replicas=(tables,), weight="zeros", device=device)
            _torch_default_(model, generators(seed, tables))
            train, test = (Examples(x.to(device), y.to(device)) for x, y in parts[:2])
            losses.append(descend(model, train, 1e-3, seed=seed, epochs=EPOCHS, optimizer=Adam))
            validation.append(score(model, test))
            if scale is raw:
                sd = train.x.std(1)
                sd_ratio.append(sd.amax(-1) / sd.amin(-1))
                offset.append((train.x.mean(1).abs() / sd).amax(-1))
    by_training, by_scale = _gains(mapped, seed, device)
    return {
        "by_training": by_training,
        "by_scale": by_scale,
        "accuracy": torch.stack(validation).unflatten(0, (len(TABLES), 2)),
        "loss": torch.stack(losses).unflatten(0, (len(TABLES), 2)),
        "sd_ratio": torch.stack(sd_ratio),
        "offset": torch.stack(offset),
        "rows": torch.tensor(rows),
    }


def draw(result) -> Figure:
    fig, axes = style.figure(7.2, 3.6, ncols=2, sharey=True, stacked=(1, 2), tall=3.6)
    colours = style.palette()
    titles = ("The table\nas generated", "Wild scales\nand offsets")
    for ax, values, title in zip(axes, result["accuracy"], titles, strict=True):
        gaps = np.full(values.shape[1], np.nan)
        ax.plot(np.tile([0, 1, 1], len(gaps)), np.stack([*values, gaps], 1).ravel(), color=style.GRID, lw=0.8)
        for i, key in enumerate(("raw", "standardized")):
            low, high = mean_interval(values[i])
            ax.plot([i] * values.shape[1], values[i], "o", ms=4, mew=0, alpha=0.6, color=colours[key])
            middle = values[i].mean()
            bars = [[middle - low], [high - middle]]
            ax.errorbar(i + (-0.18, 0.18)[i], middle, bars, fmt="s", ms=7, color=colours[key], elinewidth=2)
        difference = 100 * (values[1] - values[0]).mean()
        ax.set(title=title, xticks=[0, 1], xticklabels=["raw", "standardized"], xlim=(-0.4, 1.4))
        ax.text(0.5, 0.345, f"{signed(difference)} points", ha="center", fontsize=11)
    axes[0].set(ylabel="validation accuracy", ylim=(0.33, 1.01))
    return fig


def table(result) -> dict:
    pairs = [
        (i, j, f"{name.replace(' ', '_')}_{arm}")
        for i, name in enumerate(TABLES)
        for j, arm in enumerate(("raw", "standardized"))
    ]
    return {name: result["accuracy"][i, j] for i, j, name in pairs}


def _difference(result, kind: int) -> np.ndarray:
    return 100 * np.diff(result["accuracy"][kind].astype(np.float64), axis=0)[0]


def _points(values: np.ndarray) -> str:
    low, high = mean_interval(values)
    return f"{signed(values.mean(), 2)} points [{signed(low, 2)}, {signed(high, 2)}]"


def caption(result) -> str:
    return (
        f"**Standardizing changes the accuracy by {_points(_difference(result, 0))} on the article's table, "
        f"and by {_points(_difference(result, 1))} once the columns have wild scales and offsets.**\n\n"
        f"{result['accuracy'].shape[-1]} tables of {result['rows']:,} rows and 20 columns, paired; network "
        f"20-64-2, {EPOCHS} steps of Adam; statistics of the training part only. Wild: columns times "
        f"$10^{{U(-2, 3)}}$, plus U(−100, 100). Squares: means with 95 % intervals."
    )


def alt(result) -> str:
    plain, wild = _difference(result, 0).mean(), _difference(result, 1).mean()
    return (
        f"Paired dots of validation accuracy, raw and standardized, for {result['accuracy'].shape[-1]} "
        f"tables. As generated the pairs differ by {signed(plain)} points; with wild scales standardizing "
        f"gains {wild:.1f} points."
    )


def claims(result) -> Iterator[Claim]:
    source = "inputs-post"
    plain, wild = _difference(result, 0), _difference(result, 1)
    rises = (np.diff(result["loss"], axis=2) > 0).mean(axis=(2, 3))  # fraction of the steps: (kinds, arms)
    sd_ratio, offset = np.median(result["sd_ratio"], 1), np.median(result["offset"], 1)
    units = "tables, each with its own network"
    training, scales = result["by_training"].mean(-1), result["by_scale"].mean(-1)
    early, late = training[:-1].min(), training[-1]
    low, turn = 1, 2  # of OFFSETS
    yield Claim.of_mean(
        plain,
        id="norm-helps-blobs",
        statement="On make_classification data, standardizing raises the accuracy and steadies the training",
        sources=(source,),
        verdict="refuted",
        measure="validation accuracy standardized minus raw, percentage points, paired",
        units=units,
        map=Map.of_means(
            result["by_training"],
            axes={"steps": MOMENTS, "training": [name.replace("rate", "learning rate") for name in TRAINING]},
            above=PAYS,
            measure=f"accuracy standardized minus raw, {FEWER} training rows, percentage points",
            units=units,
        ),
        holds=mean_interval(plain)[1] < PAYS and rises[0].max() < 0.01,
        finding="There is hardly anything to repair: as generated, the largest standard deviation of a "
        f"table's columns is {number(sd_ratio[0])} times the smallest, and no mean lies more than "
        f"{number(offset[0], 2)} standard deviations from 0 (medians over the tables). The loss rose on "
        f"{percent(rises[0, 0], 1)} of the steps raw, on {percent(rises[0, 1], 1)} standardized. With "
        f"{FEWER} training rows the mean change of the accuracy is {signed(early)} points at worst before "
        f"step {MOMENTS[-1]}, and {signed(late.min())} to {signed(late.max())} there.",
    )
    yield Claim.of_mean(
        wild,
        id="norm-helps-scales",
        statement="On a table whose columns differ in scale and offset, standardizing raises the accuracy",
        sources=("Unit Gain", source),
        verdict="depends",
        measure="validation accuracy standardized minus raw, percentage points, paired: scales "
        "$10^{U(-2, 3)}$, offsets U(−100, 100)",
        units=units,
        map=Map.of_means(
            result["by_scale"],
            axes={"offset of each column, up or down": OFFSETS, "scales": tuple(FACTORS)},
            above=PAYS,
            measure=f"accuracy standardized minus raw, {FEWER} training rows, percentage points",
            units=units,
        ),
        holds=mean_interval(wild)[0] > 2 * PAYS and rises[1, 1] < rises[1, 0],
        finding=f"With equal scales it turns with the offset: {signed(scales[low, 0])} points at "
        f"{OFFSETS[low]:g}, {signed(scales[turn, 0])} at {OFFSETS[turn]:g}. With scales within a factor of "
        f"10,000 the mean gain is {signed(scales[:, -1].min())} points or more at every offset. Wild scales "
        f"put a median factor of {number(sd_ratio[1])} between a table's largest and smallest standard "
        f"deviation; the loss rose on {percent(rises[1, 0], 1)} of the steps raw and on "
        f"{percent(rises[1, 1], 1)} standardized.",
    )
