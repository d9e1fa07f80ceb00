"""How many times fewer epochs does a network need if its inputs are standardized?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from experiments.evidence import Claim, Map
from experiments.intervals import ratio
from experiments.trials import descend, generators, mlps, stacked, standardized
from experiments.words import between, number, percent
from unitgain.datasets import Examples, classification_table
from unitgain.optimizers import SGD, Adam

ROWS, COLUMNS, UNITS = 40, 8, 8
OFFSETS = (0.4, 0.9, 1.7, 4.0)  # of each column, up or down, in its standard deviations
UNEQUAL = "scales within a factor of 30"
FACTORS = {"equal scales": 1.0, UNEQUAL: 30.0}
OPTIMIZERS = {"SGD": SGD, "Adam": Adam}
RATES = {  # those of SGD are divided by the mean of |x|²
    "SGD": (4.0, 9.0, 20.0, 45.0, 100.0),
    "Adam": (0.01, 0.04, 0.15, 0.6, 2.4),
}
STEPS = 120  # at most; all rows a step, so that a step is an epoch
GOAL = 0.2  # of the training loss, in nats
FASTER = 2.0


def compute(*, tables=60, mapped=42, seed=0, device="cpu"):
    """Epochs to GOAL on tables with other columns, STEPS at most, each way at the best of its RATES.

    Which one is best the first third of the tables says; the others are counted. `generated` (OPTIMIZERS, 2,
    tables): as make_classification made them, and standardized. `spoiled` (OPTIMIZERS, 1 + OFFSETS × FACTORS,
    tables): standardized, and then moved and stretched. `chosen`: the best rates' places, 0 to 1.
    """
    x, y = _tables(tables, seed, device)
    fitted = torch.stack([standardized(one, one) for one in x])
    few, labels = fitted[:mapped], y[:mapped]
    draws = generators(seed, len(few), "noise")
    side, stretch = torch.stack(
        [torch.empty(2, 1, COLUMNS).uniform_(-1, 1, generator=draw) for draw in draws], dim=1
    ).to(device)
    spoiled = [
        (few + offset * side.sign()) * factor ** (stretch / 2)
        for offset in OFFSETS
        for factor in FACTORS.values()
    ]
    generated = [_epochs(torch.stack([x, fitted]), y, name, seed) for name in OPTIMIZERS]
    worse = [_epochs(torch.stack([few, *spoiled]), labels, name, seed) for name in OPTIMIZERS]
    return {
        "generated": torch.stack([epochs for epochs, _ in generated]),
        "spoiled": torch.stack([epochs for epochs, _ in worse]),
        "chosen": torch.cat([place for _, place in (*generated, *worse)]),
    }


def _tables(count: int, seed: int, device) -> tuple[Tensor, ...]:
    draws = generators(seed, count, "data")
    made = (classification_table(ROWS, COLUMNS, seed=draw.initial_seed(), device=device) for draw in draws)
    return stacked(made)


def _epochs(x: Tensor, y: Tensor, name: str, seed: int) -> tuple[Tensor, Tensor]:
    """Epochs (ways, tables) on x (ways, tables, rows, columns), and the best rates' places (ways,)."""
    ways, tables = x.shape[:2]
    third = max(tables // 3, 1)
    rates = torch.tensor(RATES[name], device=x.device).expand(ways, -1)
    if name == "SGD":
        rates = rates / x.square().sum(-1).mean((1, 2))[:, None]
    sizes, replicas = (COLUMNS, UNITS, 2), (ways, rates.shape[1], tables)
    model = mlps(sizes, replicas, seed=seed, device=x.device, activation="relu")
    examples = Examples(x.unsqueeze(1), y)
    how = {"seed": seed, "epochs": STEPS, "optimizer": OPTIMIZERS[name]}
    loss = descend(model, examples, rates[..., None], **how).nan_to_num(torch.inf)
    epochs = (loss.cummin(0).values > GOAL).sum(0).clamp(min=1)
    best = epochs[..., :third].double().log().mean(-1).argmin(-1)
    counted = epochs[..., third:].take_along_dim(best[:, None, None], 1)[:, 0]
    return counted, best / (rates.shape[1] - 1)


def claims(result) -> Iterator[Claim]:
    generated, (standard, worse) = result["generated"], (result["spoiled"][:, :1], result["spoiled"][:, 1:])
    shape = len(OPTIMIZERS), len(OFFSETS), len(FACTORS), worse.shape[-1]
    worse = worse.reshape(shape)
    pairs = worse, np.broadcast_to(standard[:, :, None], shape)
    cells = [np.moveaxis(part, 1, 0).reshape(len(OFFSETS), -1, shape[-1]) for part in pairs]
    made = Map.of_ratios(
        *cells,
        axes={
            "offset of each column, in its standard deviations": OFFSETS,
            "optimizer, columns": tuple(f"{name}, {scales}" for name in OPTIMIZERS for scales in FACTORS),
        },
        above=FASTER,
        measure=f"epochs raw / epochs standardized, {STEPS} at most, best learning rate of each",
        units="tables, each with its own network",
    )
    (by_sgd, sgd), (by_adam, adam) = (ratio(*one) for one in generated)
    times = [[number(cell, 2) for cell in row] for row in made.estimate]
    yield Claim.of_ratio(
        *generated[list(OPTIMIZERS).index("Adam")],
        id="norm-faster",
        statement="With normalized inputs a network gets to its best performance faster, in fewer epochs",
        sources=("inputs-post, the importance of input normalization",),
        verdict="depends",
        measure=f"epochs to a training loss of {GOAL:g}, raw by standardized, on tables as "
        f"make_classification generates them: network {COLUMNS}-{UNITS}-2, Adam, best learning rate of each, "
        "geometric mean",
        units="tables, each with its own network",
        map=made,
        holds=max(sgd[1], adam[1]) < FASTER
        and 0 < result["chosen"].min() <= result["chosen"].max() < 1
        and (made.estimate[-1, [0, 2]] > 10).all()
        and (made.estimate[:, [1, 3]] > made.estimate[:, [0, 2]]).all(),
        finding="On the source's own kind of table, which needs no repair, there is next to nothing to gain: "
        f"a raw network takes {number(by_adam)} times the epochs with Adam, and {number(by_sgd)} times "
        f"{between(sgd, 2)} with SGD. It turns with the offset: at {OFFSETS[0]:g} raw takes {times[0][0]} "
        f"times with SGD and {times[0][2]} with Adam, at {OFFSETS[2]:g} {times[2][0]} and {times[2][2]}. "
        f"Unequal columns add to it: within a factor of {FACTORS[UNEQUAL]:g} it is {times[0][1]} and "
        f"{times[0][3]} at {OFFSETS[0]:g}. At {OFFSETS[-1]:g} "
        f"{percent((worse[:, -1] == STEPS).mean())} of the raw networks have not arrived after {STEPS} "
        "epochs, and count as if they just had.",
    )
