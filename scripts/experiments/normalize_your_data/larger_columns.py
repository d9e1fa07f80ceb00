"""Do networks on standardized inputs do better on unseen rows, whichever columns were large?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import descend, generators, mlps, score, stacked, standardized
from experiments.words import percent, signed
from unitgain.datasets import Examples
from unitgain.optimizers import Adam

INFORMATIVE, COLUMNS, UNITS = 2, 10, 8
NOISE = 0.5  # added to what the class is decided by, in its standard deviations
FEW, MORE, FRESH = 40, 200, 400  # rows: for training, and unseen
FACTORS = (3.0, 10.0, 30.0, 100.0)  # from the smallest column to the largest
LARGE = ("those that decide", "any", "those that do not")
AT = 30.0  # the headline
RATES = (0.002, 0.01, 0.05, 0.25, 1.25, 6.0, 30.0)
LEARNED = 0.6  # accuracy on unseen rows; ½ is guessing
STEPS = 80


def compute(*, tables=50, mapped=16, seed=0, device="cpu"):
    """Accuracies on unseen rows, in percent, of networks at the rate that is best on other unseen rows.

    From FEW rows `standardized` (tables,) and `raw` (FACTORS, LARGE, tables). What standardizing gains from
    MORE rows at the headline's factor: `more` (LARGE, mapped). `chosen`: the best rates' places, 0 to 1;
    ½ where hardly anything is learned at any rate, and the choice is chance.
    """
    right, places = _unseen(FEW, FACTORS, tables, seed, device)
    many, others = _unseen(MORE, (AT,), mapped, seed, device)
    return {
        "standardized": right[0],
        "raw": right[1:].unflatten(0, (len(FACTORS), len(LARGE))),
        "more": many[0] - many[1:],
        "chosen": torch.cat([places, others]),
    }


def _unseen(rows: int, factors, tables: int, seed: int, device) -> tuple[Tensor, Tensor]:
    """Accuracies (1 + factors × LARGE, tables), standardized first; the best rates' places."""
    x, y = _tables(rows + 2 * FRESH, tables, seed, device)
    fitted = torch.stack([standardized(one, one[:rows]) for one in x])
    draws = generators(seed, tables, "noise")
    random = torch.stack([torch.rand(COLUMNS, generator=draw) for draw in draws])
    decides = (torch.arange(COLUMNS) < INFORMATIVE).float().expand(tables, -1)
    powers = torch.stack([decides, random, 1 - decides]).to(device)[:, :, None] - 0.5
    inputs = torch.stack([fitted, *(x * factor**power for factor in factors for power in powers)])
    replicas = (len(inputs), len(RATES), tables)
    model = mlps((COLUMNS, UNITS, 2), replicas, seed=seed, device=device, activation="relu")
    parts = inputs.split([rows, FRESH, FRESH], -2), y.split([rows, FRESH, FRESH], -1)
    train, validation, test = (Examples(rows[:, None], classes) for rows, classes in zip(*parts, strict=True))
    descend(model, train, torch.tensor(RATES)[:, None], seed=seed, epochs=STEPS, optimizer=Adam)
    learned, best = score(model, validation).mean(-1).max(-1)
    right = 100 * score(model, test).take_along_dim(best[:, None, None], 1)[:, 0]
    return right, torch.where(learned > LEARNED, best / (len(RATES) - 1), 0.5)


def _tables(rows: int, tables: int, seed: int, device) -> tuple[Tensor, Tensor]:
    """Normal columns, the first of which decide the class: x (tables, rows, COLUMNS), y (tables, rows)."""
    made = []
    for draw in generators(seed, tables, "data"):
        x, noise = torch.randn(rows, COLUMNS, generator=draw), torch.randn(rows, generator=draw)
        weight = torch.randn(INFORMATIVE, generator=draw)
        made.append((x, (x[:, :INFORMATIVE] @ weight / weight.norm() + NOISE * noise > 0).long()))
    x, y = stacked(made)
    return x.to(device), y.to(device)


def claims(result) -> Iterator[Claim]:
    gain, at = result["standardized"] - result["raw"], FACTORS.index(AT)
    means, more = gain.mean(-1), result["more"].mean(-1)
    units = "tables, each with its own network"
    yield Claim.of_mean(
        gain[at, LARGE.index("any")],
        id="norm-generalizes",
        statement="Models trained on normalized data do better on unseen data, since none is biased towards "
        "columns of larger scale",
        sources=("inputs-post, the importance of input normalization",),
        verdict="depends",
        measure=f"accuracy on unseen rows, standardized minus raw, percentage points: {COLUMNS} columns, of "
        f"which {INFORMATIVE} decide the class, within a factor of {AT:g} at random, {FEW} training rows, "
        f"network {COLUMNS}-{UNITS}-2, {STEPS} steps of Adam, best learning rate of each",
        units=units,
        map=Map.of_means(
            gain,
            axes={"largest column by smallest": FACTORS, "large columns": LARGE},
            above=0,
            measure="accuracy on unseen rows, standardized minus raw, percentage points",
            units=units,
        ),
        holds=(abs(more[[0, 2]]) < abs(means[at, [0, 2]])).all()
        and mean_interval(gain[at, 1])[0] > 0
        and 0 < result["chosen"].min() <= result["chosen"].max() < 1,
        finding="Networks are biased towards large columns, and whether that is bad depends on which those "
        f"are. At a factor of {AT:g} standardizing gains {signed(means[at, 2])} points where the columns are "
        f"large that do not decide, {signed(means[at, 1])} where any are, and {signed(means[at, 0])} where "
        "those are large that decide: their scale told the network where to look. From more rows it matters "
        f"less: with {MORE} the first of these is {signed(more[2])} points, and the last {signed(more[0])}. "
        f"Standardized, {FEW} rows give an accuracy of {percent(result['standardized'].mean() / 100)}.",
    )
