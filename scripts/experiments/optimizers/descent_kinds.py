"""What do batch, mini-batch and stochastic descent cost, in passes, in updates and in memory?

Chapter: optimizers.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import ratio
from experiments.optimizers._shared.quadratics import walk
from experiments.trials import generator, generators, stacked, standardized
from experiments.words import number
from unitgain.datasets import digits, ravine
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.theory import hessian_eigenvalues
from unitgain.training import cross_entropy, train

SIZES = (64, 32, 10)
EXAMPLES = 1_000
TARGET = 0.1  # loss over all examples
KINDS = {  # examples a step, a share 1/… of EPOCHS, rates, looks a pass
    "batch": (None, 1, (1.0, 2.0, 4.0), 1),
    "mini-batch": (32, 5, (0.6, 1.2, 2.4), 8),
    "stochastic": (1, 8, (0.015, 0.03, 0.06), 20),
}
EPOCHS = 24
PIECE = 32  # examples that pass at a time, when gradients are accumulated
FEW = 10  # steps that are taken whole and in pieces
PIECES, NORMALIZATIONS = (8, 32, 100, 500), {"none": None, "layer": "layer", "batch": "batch"}  # the map
LOWEST = 5e-4  # of the axis

# The race of the map: noisy linear regression, all rows a step against one
ROWS, FEATURES, CONDITION, NOISE = 128, 10, 10.0, 1.0
LONGER = 2.5  # of EPOCHS
LEFT = (0.1, 0.01, 0.001, 0.0001)  # of the first loss above the least
RACE_RATES = {"batch": (0.4, 0.8, 1.2, 1.6, 1.9), "stochastic": tuple(2.0**k for k in range(-9, 0))}  # × λ
PARALLEL = (1, 2, 4, 8, 16, ROWS)  # examples that a machine passes in the time of one


def compute(*, networks=6, mapped=24, seed=0, device="cpu"):
    """Losses on the way, for each kind, and memory.

    `loss_<kind>` (looks, rates, networks) over all examples, after `passes_<kind>` (looks,); and the losses
    of network 0's own batches, `own_<kind>` (steps, rates). `bytes` held for a gradient of all examples, of
    PIECE and of one. `gradient` and `weights` (networks,): how far apart a batch as a whole and in pieces
    are, at first and after FEW steps, relative, in float64; `pieces` (PIECES, NORMALIZATIONS, networks): the
    first of these under other conditions. `race` (2, LEFT, tables): passes over noisy regressions until so
    much is left, by all rows a step and by one, each table at its best rate; all passes where it never is.
    """
    x, y = (part[:EXAMPLES] for part in digits(device=device))
    x, found = standardized(x, x), {}
    for kind in KINDS:
        found |= _descend(kind, x, y, networks, seed)
    found["bytes"] = np.array([_held(x[:n], y[:n], seed) for n in (len(x), PIECE, 1)])
    found["race"] = _race(mapped, seed, device)
    return {**found, **_in_pieces(x.double(), y, networks, seed)}


def _model(count, networks, seed, **options):
    draws = generators(seed, networks, times=count)
    return MLP(SIZES, replicas=count * networks, generator=draws, **options)


def _descend(kind, x, y, networks, seed):
    batch, share, rates, looks = KINDS[kind]
    model = _model(len(rates), networks, seed, device=x.device)
    rate = torch.tensor(rates, device=x.device).repeat_interleave(networks).view(-1, 1, 1)
    updates = -(-len(x) // (batch or len(x)))
    every, losses, taken = max(1, updates // looks), [], []

    def look(steps):
        if steps % every == 0:
            taken.append(steps / updates)
            with torch.no_grad():
                losses.append(cross_entropy(model(x), y))

    own = train(
        model,
        x,
        y,
        loss="cross_entropy",
        optimizer=SGD(model.parameters(), lr=rate),
        epochs=max(1, EPOCHS // share),
        batch_size=batch,
        generator=generators(seed, networks, "order", times=len(rates)),
        callback=look,
    )
    return {
        f"passes_{kind}": np.array(taken),
        f"loss_{kind}": torch.stack(losses).unflatten(1, (len(rates), networks)),
        f"own_{kind}": own[:, ::networks],
    }


def _held(x, y, seed) -> int:
    """Bytes that the backward pass needs beside the parameters: the examples and what each layer keeps."""
    model, kept = _model(1, 1, seed, device=x.device), {}
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    x, y = x.clone(), y.clone()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = cross_entropy(model(x), y).sum()
    loss.backward()
    return sum(kept.values())


def _in_pieces(x, y, networks, seed):
    def walked(piece, steps, normalization=None):
        """The first gradient, and the weights at the end."""
        options = {"normalization": normalization, "device": x.device, "dtype": x.dtype}
        model, found = _model(1, networks, seed, **options), []

        def look(taken):
            if taken == 1:
                found.append(torch.cat([p.grad.flatten(1) for p in model.parameters()], 1))

        options = {"epochs": steps, "micro_batch": piece, "callback": look}
        train(model, x, y, loss="cross_entropy", optimizer=SGD(model.parameters(), lr=0.5), **options)
        return *found, torch.cat([p.detach().flatten(1) for p in model.parameters()], 1)

    def apart(one, other):
        return (one - other).norm(dim=1) / one.norm(dim=1)

    gradient, weights = map(apart, walked(None, FEW), walked(PIECE, FEW))
    pieces = []
    for normalization in NORMALIZATIONS.values():
        whole, _ = walked(None, 1, normalization)
        pieces.append(
            torch.stack([apart(whole, walked(min(size, len(x)), 1, normalization)[0]) for size in PIECES])
        )
    return {"gradient": gradient, "weights": weights, "pieces": torch.stack(pieces, 1)}


def _race(tables, seed, device):
    """Passes (2, LEFT, tables)."""
    options = {"features": FEATURES, "noise": NOISE, "dtype": torch.float64}
    draws = generators(seed, tables, "data")
    x, y, _ = stacked(ravine(ROWS, CONDITION, generator=draw, **options) for draw in draws)
    x, y = x.to(device), y[..., None].to(device)
    hessian, target = x.mT @ x / ROWS, x.mT @ y / ROWS
    least, steepest = torch.linalg.solve(hessian, target), hessian_eigenvalues(x)[:, -1:, None]
    most, order = int(LONGER * EPOCHS), generator(seed, "order")
    one_by_one = iter(torch.cat([torch.randperm(ROWS, generator=order) for _ in range(most)]).tolist())

    def of_one(w):
        row = next(one_by_one)
        return x[:, row, :, None] * (x[:, row, None] @ w - y[:, row, None])

    def passes(kind, gradient, updates):
        rates, every = x.new_tensor(RACE_RATES[kind]) / steepest, max(1, updates // 16)
        start = x.new_zeros(tables, FEATURES, rates.shape[-1])
        path = walk(partial(SGD, lr=rates), gradient, start, most * updates)
        away = [w - least for step, w in enumerate(path) if step % every == 0]
        left = torch.stack([(d * (hessian @ d)).sum(1) for d in away])  # looks, tables, rates
        first = []
        for share in LEFT:
            hit = left < share * left[0]
            taken = torch.where(hit.any(0), hit.int().argmax(0) * every / updates, float(most))
            first.append(taken.amin(-1))
        return torch.stack(first)

    return torch.stack(
        [passes("batch", lambda w: hessian @ w - target, 1), passes("stochastic", of_one, ROWS)]
    )


def _updates(kind) -> int:
    """Updates a pass."""
    batch = KINDS[kind][0]
    return -(-EXAMPLES // batch) if batch else 1


def _reached(result, kind):
    """Passes to the target at each network's best rate (networks,), and the index of that rate.

    A network that never gets there counts with all its passes.
    """
    passes, loss = result[f"passes_{kind}"], result[f"loss_{kind}"]
    hit = loss < TARGET
    first = np.where(hit.any(0), passes[hit.argmax(0)], passes[-1])
    return first.min(0), first.argmin(0)


def draw(result) -> Figure:
    fig, (left, right) = style.figure(8.2, 4.0, ncols=2, tall=6.6, sharey=True)
    colours = style.palette()
    for kind, colour, by_passes, by_updates in (  # and where the words stand
        ("batch", style.ink(), (11, 0.2, "left", "bottom"), (1, 0.028, "left", "top")),
        (
            "mini-batch",
            colours["standardized"],
            (1.1, 0.005, "right", "bottom"),
            (28, 0.005, "right", "bottom"),
        ),
        ("stochastic", colours["raw"], (0.035, 0.3, "left", "top"), (500, 0.35, "left", "bottom")),
    ):
        reached, best = _reached(result, kind)
        passes, losses = result[f"passes_{kind}"][1:], result[f"loss_{kind}"][1:]
        losses = np.stack([losses[:, rate, k] for k, rate in enumerate(best)], 1)
        size = {"batch": f"all {EXAMPLES:,}", "mini-batch": "32", "stochastic": "one"}[kind]
        for ax, each, unit, (x, y, ha, va) in (
            (left, 1, "passes", by_passes),
            (right, _updates(kind), "updates", by_updates),
        ):
            middle = np.median(reached) * each
            ax.plot(passes * each, losses, color=colour, lw=0.8, alpha=0.8)
            ax.plot(middle, TARGET, "o", color=colour, ms=8, mew=0)
            count = f"{middle:,.0f}" if middle >= 10 else number(middle, 2)
            ax.text(x, y, f"{size} a step:\n{count} {unit}", color=colour, ha=ha, va=va)
    for ax in (left, right):
        ax.axhline(TARGET, color=style.GRID, lw=0.8)
        ax.set(xscale="log", yscale="log", ylim=(3e-3, 4), yticks=(0.01, 0.1, 1), ylabel="loss (log)")
        ax.minorticks_off()
    left.set(xlim=(0.03, 120), xticks=(0.1, 1, 10), xlabel="passes over the examples (log)")
    right.set(xlim=(0.8, 12_000), xticks=(1, 10, 100, 1000), xlabel="updates (log)", ylabel="")
    left.text(0.035, TARGET * 0.9, "target", va="top")
    return fig


def table(result) -> dict:
    columns = {"kind": [], "network": [], "rate": [], "passes": [], "updates": []}
    for kind, (_, _, rates, _) in KINDS.items():
        reached, best = _reached(result, kind)
        columns["kind"] += [kind] * len(best)
        columns["network"] += range(len(best))
        columns["rate"] += [rates[i] for i in best]
        columns["passes"] += reached.tolist()
        columns["updates"] += (reached * _updates(kind)).round().astype(int).tolist()
    return columns


def _typical(result):
    """Median passes and updates to the target, by kind."""
    middle = {kind: float(np.median(_reached(result, kind)[0])) for kind in KINDS}
    return [(passes, passes * _updates(kind)) for kind, passes in middle.items()]


def _kilobytes(result) -> list[str]:
    return [number(held / 1000, 3 if held > 1000 else 2) for held in result["bytes"]]


def caption(result) -> str:
    (batch, _), (mini, mini_updates), (one, one_updates) = _typical(result)
    whole, piece, single = _kilobytes(result)
    return (
        f"**To a loss of {TARGET:g}, batch descent takes {number(batch, 2)} passes over the examples, "
        f"mini-batches {number(mini, 2)} and single examples {number(one, 2)}; counted in updates, the order "
        f"is reversed: {number(batch, 2)}, {mini_updates:,.0f} and {one_updates:,.0f}.**\n\nLines: the loss "
        f"over all {EXAMPLES:,} digits, for {len(_reached(result, 'batch')[0])} networks, each at its best "
        f"of {len(KINDS['batch'][2])} learning rates. Dots and numbers: medians over the networks. One "
        f"gradient keeps {whole} kB in memory for all examples, {piece} kB for {PIECE} and {single} kB for "
        "one, beside the parameters."
    )


def alt(result) -> str:
    (batch, _), (mini, mini_updates), (one, one_updates) = _typical(result)
    return (
        "Loss against passes and against updates, for batch, mini-batch and stochastic descent. The passes "
        f"to the target are {number(batch, 2)}, {number(mini, 2)} and {number(one, 2)}, the updates "
        f"{number(batch, 2)}, {mini_updates:,.0f} and {one_updates:,.0f}."
    )


def _hours(result) -> np.ndarray:
    """Time of stochastic descent by that of batch descent, (PARALLEL, LEFT, tables)."""
    batch, one = result["race"]
    at_once = np.array([-(-ROWS // many) for many in PARALLEL])[:, None, None]  # times an example's, a pass
    return one * ROWS / (batch * at_once)


def claims(result) -> Iterator[Claim]:
    (batch, _), (one, _) = _reached(result, "batch"), _reached(result, "stochastic")
    (passes, _), _, (few, many) = _typical(result)
    by_the_clock, updates = _hours(result), ratio(one * _updates("stochastic"), batch)[1]
    yield Claim.of_ratio(
        one,
        batch,
        id="sgd-slower",
        statement="Stochastic descent takes longer to converge than batch descent, since it makes so many "
        "more updates",
        sources=("tuning-lesson, optimizers",),
        verdict="depends",
        measure=(
            f"examples that stochastic descent processes to a loss of {TARGET:g} on the digits, by those "
            "that batch descent does, each at its best learning rate, geometric mean over networks"
        ),
        units="networks, each with its own initial weights and order of the same digits",
        map=Map.of_ratios(
            by_the_clock,
            np.ones_like(by_the_clock),
            axes={
                "examples that the machine passes in the time of one": PARALLEL,
                "left of the loss": [f"{left:g}" for left in LEFT],
            },
            above=1.0,
            measure="time of stochastic descent by that of batch descent, noisy linear regression, each at "
            "its best rate",
            units=f"regressions of {ROWS} rows, each with its own data; the order of the rows is the same",
        ),
        holds=ratio(one, batch)[1][1] < 0.5 and updates[0] > 10,
        finding="It depends on what you count and how near you want to come. On the digits it takes "
        f"fewer passes over the examples, {number(few, 2)} instead of {number(passes, 2)}, and more "
        f"updates, {many:,.0f} instead of {number(passes, 2)}. On a machine that passes one example at a "
        f"time, on noisy regressions with {ROWS} rows, it takes "
        f"{number(ratio(by_the_clock[0, 0], 1)[0], 2)} times the time of batch descent to {LEFT[0]:g} of "
        f"the loss, but {number(ratio(by_the_clock[0, -1], 1)[0], 2)} times to {LEFT[-1]:g}: the nearer "
        "the least loss, the smaller the rate that its noise allows.",
    )
    whole, piece, _ = _kilobytes(result)
    other = result["pieces"][:, list(NORMALIZATIONS).index("batch")]
    units = "networks, each with its own initial weights; all on the same digits"
    yield Claim.of_mean(
        result["gradient"],
        id="batch-memory",
        statement="Batch descent must hold the whole set of examples in memory",
        sources=("tuning-lesson, optimizers",),
        verdict="depends",
        measure=(
            f"relative distance of the gradient of all {EXAMPLES:,} examples, added up over pieces of "
            f"{PIECE}, from that of the whole, in float64, mean over networks"
        ),
        units=units,
        map=Map.of_means(
            result["pieces"],
            axes={"examples in a piece": PIECES, "normalization": tuple(NORMALIZATIONS)},
            above=1e-3,
            measure="relative distance of the gradient added up over pieces from that of the whole",
            units=units,
        ),
        holds=max(result["gradient"].max(), result["weights"].max()) < 1e-13
        and result["bytes"][1] < 0.1 * result["bytes"][0],
        finding=(
            f"Gradients add up: with pieces of {PIECE} the step needs {piece} kB instead of {whole} kB, "
            f"parameters aside, and {FEW} updates later the weights differ by "
            f"{number(result['weights'].max(), 1)} of their size at most. Each update still costs a whole "
            "pass. With batch normalization, pieces make another gradient, by "
            f"{number(other[0].mean(), 2)} of its length at {PIECES[0]} examples and "
            f"{number(other[-1].mean(), 2)} at {PIECES[-1]}: there the statement holds."
        ),
    )
