"""After as many passes over the examples, which batch size has come furthest?  Chapter: optimizers.

Noisy linear regressions with a constant learning rate, which each batch size and length of run chooses for
itself.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from experiments.evidence import Claim, Map
from experiments.intervals import ratio
from experiments.optimizers._shared.quadratics import walk
from experiments.trials import generator, generators, stacked
from experiments.words import number
from unitgain.datasets import ravine
from unitgain.optimizers import SGD
from unitgain.theory import hessian_eigenvalues

TABLE, FEATURES, CONDITION = 128, 10, 10.0
NOISE, LITTLE = 1.0, 0.1  # standard deviation of the targets' noise, and of less
SIZES = (1, 4, 16, 64)  # examples in a batch
PASSES = (1, 2, 4, 7, 15, 30)
EARLY, LATE = PASSES.index(4), PASSES.index(30)
HIGHEST = {1: 0.16, 4: 0.6, 16: 1.6, 64: 1.9}  # rate of the grid, times the largest eigenvalue
RATES = {size: [top * 2 ** (-0.75 * k) for k in range(8)] for size, top in HIGHEST.items()}
RATES[TABLE] = [0.8, 1.1, 1.3, 1.5, 1.7, 1.85, 1.95]  # all rows a step
QUIET, QUIETER = 4, [0.6, 0.8, 1.0, 1.2]  # with little noise: examples in a batch, higher rates for it
CHOOSERS = 0.3  # share of the tables that choose the rate; the others report


def compute(*, tables=42, seed=0, device="cpu"):
    """The loss above the least, by its first value, at the best rate: (SIZES and all, PASSES, tables).

    `noisy`, and `quiet` (QUIET and all, PASSES, tables) with little noise; `chosen` and `chosen_quiet`: the
    place of the best rate in its grid, 0 to 1, (SIZES and all, PASSES).
    """
    noisy = [_run(size, RATES[size], NOISE, tables, seed, device) for size in (*SIZES, TABLE)]
    pairs = (QUIET, RATES[QUIET] + QUIETER), (TABLE, RATES[TABLE])
    quiet = [_run(size, sorted(rates), LITTLE, tables, seed, device) for size, rates in pairs]
    found = {}
    for end, runs in (("noisy", noisy), ("quiet", quiet)):
        found[end] = torch.stack([left for left, _ in runs])
        found[f"chosen_{end}"] = torch.stack([chosen for _, chosen in runs])
    return found


def _run(size: int, rates: list[float], noise: float, tables: int, seed: int, device):
    options = {"features": FEATURES, "noise": noise, "dtype": torch.float64}
    draws = generators(seed, tables, "data")
    x, y, _ = stacked(ravine(TABLE, CONDITION, generator=draw, **options) for draw in draws)
    x, y = x.to(device), y[..., None].to(device)
    hessian, steepest = x.mT @ x / TABLE, hessian_eigenvalues(x)[:, -1:, None]
    least = torch.linalg.solve(hessian, x.mT @ y / TABLE)
    draw, updates = generator(seed, "order"), TABLE // size
    order = torch.cat([torch.randperm(TABLE, generator=draw) for _ in range(PASSES[-1])])
    batches = iter(order.view(-1, size).tolist())

    def slope(w: Tensor) -> Tensor:
        rows = next(batches)
        some = x[:, rows]
        return some.mT @ (some @ w - y[:, rows]) / size

    def above(w: Tensor) -> Tensor:
        return ((w - least) * (hessian @ (w - least))).sum(1)

    start = x.new_zeros(tables, FEATURES, len(rates))
    path = walk(partial(SGD, lr=x.new_tensor(rates) / steepest), slope, start, updates * PASSES[-1])
    looks = {count * updates for count in PASSES}
    left = torch.stack([above(w) for step, w in enumerate(path) if step in looks]) / above(start)
    left = left.nan_to_num(torch.inf).clamp(1e-30, 1e30)  # (PASSES, tables, rates)
    choosers = max(1, round(CHOOSERS * tables))
    best = left[:, :choosers].log().mean(1).argmin(-1)
    return left[range(len(PASSES)), choosers:, best], best / (len(rates) - 1)


def claims(result) -> Iterator[Claim]:
    *batches, whole = result["noisy"]
    chosen = np.concatenate([result["chosen_noisy"], result["chosen_quiet"]])
    early, late = ratio(batches[0][EARLY], whole[EARLY]), ratio(batches[0][LATE], whole[LATE])
    sizes = [ratio(batch[EARLY], whole[EARLY])[0] for batch in batches]
    quiet = [ratio(*pair) for pair in zip(*result["quiet"], strict=True)]
    further = [passes for passes, (_, (_, high)) in zip(PASSES, quiet, strict=True) if high < 1]
    units = f"regressions of {TABLE} rows, each with its own data; the order of the rows is the same"
    yield Claim.of_ratio(
        batches[0][EARLY],
        whole[EARLY],
        id="updates-an-epoch",
        statement="After as many passes over the examples, more and smaller updates have come further",
        sources=("lecun-1998, section 4.1",),
        verdict="depends",
        measure=f"loss above the least after {PASSES[EARLY]} passes by single examples, by that after as "
        "many steps of all rows, noisy linear regression, each at its best constant rate, geometric mean",
        units=units,
        map=Map.of_ratios(
            np.stack(batches),
            np.broadcast_to(whole, np.shape(batches)),
            axes={"examples in a batch": SIZES, "passes": PASSES},
            below=1.0,
            measure="loss above the least after so many passes, by that after as many steps of all rows",
            units=units,
        ),
        holds=chosen.min() > 0
        and chosen.max() < 1
        and early[1][1] < 0.6
        and late[1][0] > 10
        and max(sizes[:3]) < sizes[3]
        and 2 / 3 < sizes[0] / sizes[1] < 1.5
        and max(further) > PASSES[EARLY + 1],
        finding=f"At first: after {PASSES[EARLY]} passes single examples have {number(sizes[0], 2)} times "
        f"the loss of all rows, batches of {SIZES[1]} {number(sizes[1], 2)}, of {SIZES[2]} "
        f"{number(sizes[2], 2)} and of {SIZES[3]} {number(sizes[3], 2)} times. Smaller than {SIZES[1]} gains "
        "nothing more. Later, what small batches have left is their noise, which takes ever smaller rates to "
        f"average out; a step of all rows has none. After {PASSES[LATE]} passes single examples have "
        f"{number(late[0], 1)} times its loss. With a tenth of the noise in the targets, batches of {QUIET} "
        f"are ahead up to {max(further)} passes.",
    )
