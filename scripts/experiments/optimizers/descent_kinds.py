"""What do batch, mini-batch and stochastic descent cost, in passes, in updates and in memory?

Chapter: optimizers.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, number, ratio
from experiments.trials import generators, standardized
from unitgain.datasets import digits
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import cross_entropy, train

SIZES = (64, 32, 10)
EXAMPLES = 1_000
TARGET = 0.1  # loss over all examples
KINDS = {  # examples a step, a share 1/… of EPOCHS, rates, looks a pass
    "batch": (None, 1, (1.0, 2.0, 4.0), 1),
    "mini-batch": (32, 5, (0.3, 0.6, 1.2), 8),
    "stochastic": (1, 8, (0.015, 0.03, 0.06), 20),
}
EPOCHS = 24
PIECE = 32  # examples that pass at a time, when gradients are accumulated
FEW = 10  # steps that are taken whole and in pieces
LOWEST = 5e-4  # of the axis


def compute(*, networks=6, seed=0, device="cpu"):
    """Losses on the way, for each kind, and memory.

    `loss_<kind>` (looks, rates, networks) over all examples, after `passes_<kind>` (looks,); and the losses
    of network 0's own batches, `own_<kind>` (steps, rates). `bytes` held for a gradient of all examples, of
    PIECE and of one. `gradient` and `weights` (networks,): how far apart a batch as a whole and in pieces
    are, at first and after FEW steps, relative, in float64.
    """
    x, y = (part[:EXAMPLES] for part in digits(device=device))
    x, found = standardized(x, x), {}
    for kind in KINDS:
        found |= _descend(kind, x, y, networks, seed)
    found["bytes"] = np.array([_held(x[:n], y[:n], seed) for n in (len(x), PIECE, 1)])
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
    def walk(piece):
        """The first gradient, and the weights at the end."""
        model, found = _model(1, networks, seed, device=x.device, dtype=x.dtype), []

        def look(steps):
            if steps in (1, FEW):
                tensors = [p.grad if steps == 1 else p.detach() for p in model.parameters()]
                found.append(torch.cat([tensor.flatten(1) for tensor in tensors], 1))

        options = {"epochs": FEW, "micro_batch": piece, "callback": look}
        train(model, x, y, loss="cross_entropy", optimizer=SGD(model.parameters(), lr=0.5), **options)
        return found

    gradient, weights = (
        (one - other).norm(dim=1) / one.norm(dim=1)
        for one, other in zip(walk(None), walk(PIECE), strict=True)
    )
    return {"gradient": gradient, "weights": weights}


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
    fig, axes = style.figure(7.8, 5.4, nrows=2, ncols=3, sharey=True, sharex="row")
    colour, ink = style.palette()["standardized"], style.ink()
    for j, (kind, (batch, *_)) in enumerate(KINDS.items()):
        passes, own = result[f"passes_{kind}"], result[f"own_{kind}"]
        reached, best = _reached(result, kind)
        own = own[:, best[0]]
        steps = np.unique(np.geomspace(1, len(own), 160).astype(int))  # those drawn
        for ax, per_pass in zip(axes[:, j], (1, _updates(kind)), strict=True):
            seen = np.maximum(own[steps - 1], LOWEST)
            ax.plot(steps * per_pass / _updates(kind), seen, "o", color=style.GRID, ms=2.8, mew=0, alpha=0.7)
            for k, rate in enumerate(best):
                loss = np.maximum(result[f"loss_{kind}"][1:, rate, k], LOWEST)
                ax.plot(passes[1:] * per_pass, loss, color=colour, lw=1)
            ax.axhline(TARGET, color=ink, lw=0.8)
            middle = np.median(reached) * per_pass
            ax.plot(middle, TARGET, "o", color=ink, ms=5, mew=0)
            text = f"{middle:,.0f}" if middle >= 10 else number(middle, 2)
            offset, side = ((14, 4), "left") if batch == 1 else ((-5, -15), "right")  # where no dots are
            ax.annotate(text, (middle, TARGET), offset, textcoords="offset points", ha=side, fontsize=12)
            ax.set(xscale="log", yscale="log", ylim=(LOWEST * 0.8, 9))
            ax.minorticks_off()
        size = {None: f"all {EXAMPLES:,} examples", 1: "one example"}.get(batch, f"{batch} examples")
        axes[0, j].set_title(f"{kind}: {size} a step")
        axes[0, j].set(xlim=(8e-4, 40), xticks=(1e-3, 1e-2, 0.1, 1, 10))
        axes[0, j].set_xticklabels(("0.001", "0.01", "0.1", "1", "10"))
        axes[1, j].set(xlim=(0.8, 20_000), xticks=(1, 10, 100, 1000))
        axes[1, j].set_xticklabels(("1", "10", "100", "1,000"))
        axes[0, j].set_xlabel("passes over the examples (log)")
        axes[1, j].set_xlabel("updates (log)")
    axes[0, 0].text(1e-3, TARGET * 0.85, "target", va="top", fontsize=9.5)
    axes[0, 2].text(1e-3, 6e-3, "dots: what\nthe step sees", va="top", fontsize=9.5)
    for ax in axes[:, 0]:
        ax.set(ylabel="loss (log)", yticks=(0.001, 0.01, 0.1, 1), yticklabels=("0.001", "0.01", "0.1", "1"))
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
        f"turns round: {number(batch, 2)}, {mini_updates:,.0f} and {one_updates:,.0f}.** Lines: the loss "
        f"over all {EXAMPLES:,} digits of {len(_reached(result, 'batch')[0])} networks, each at its best of "
        f"{len(KINDS['batch'][2])} rates; dots: the losses of one network's own batches, which its steps "
        f"follow; numbers: medians. One gradient keeps {whole}, {piece} and {single} kB in memory, beside "
        "the parameters."
    )


def alt(result) -> str:
    (batch, _), (mini, mini_updates), (one, one_updates) = _typical(result)
    return (
        "Loss against passes and against updates, for batch, mini-batch and stochastic descent. The passes "
        f"to the target are {number(batch, 2)}, {number(mini, 2)} and {number(one, 2)}, the updates "
        f"{number(batch, 2)}, {mini_updates:,.0f} and {one_updates:,.0f}. The dots of single batches scatter "
        "the more, the smaller the batch."
    )


def claims(result) -> Iterator[Claim]:
    (batch, _), (one, _) = _reached(result, "batch"), _reached(result, "stochastic")
    (low, _), (more, _) = ratio(batch, one)[1], ratio(one * _updates("stochastic"), batch)[1]
    (passes, _), _, (few, many) = _typical(result)
    yield Claim.of_ratio(
        batch,
        one,
        id="sgd-slower",
        statement="Stochastic descent takes longer to converge than batch descent",
        sources=("Tuning neural networks with normalization, Optimizers",),
        verdict="depends",
        measure=(
            f"examples that batch descent processes to reach a loss of {TARGET:g}, by those that stochastic "
            "descent does, each at its best rate, geometric mean over networks"
        ),
        holds=low > 2 and more > 10,
        finding=(
            f"In examples processed it is quicker: {number(few, 2)} passes instead of {number(passes, 2)}. "
            f"In updates it is slower, {many:,.0f} instead of {number(passes, 2)}, and updates cannot share "
            "the work of a parallel machine: where a pass in one batch takes far less time than a pass one "
            "by one, stochastic descent can lose by the clock. A longer pass alone does not make it slower."
        ),
    )
    whole, piece, _ = _kilobytes(result)
    yield Claim.of_mean(
        result["gradient"],
        id="batch-memory",
        statement="Batch descent must hold the whole set of examples in memory",
        sources=("Tuning neural networks with normalization, Optimizers",),
        verdict="refuted",
        measure=(
            f"relative distance of the gradient of all {EXAMPLES:,} examples, added up over pieces of "
            f"{PIECE}, from that of the whole, in float64, mean over networks"
        ),
        holds=max(result["gradient"].max(), result["weights"].max()) < 1e-13
        and result["bytes"][1] < 0.1 * result["bytes"][0],
        finding=(
            f"Gradients add up: with pieces of {PIECE} the step needs {piece} kB instead of {whole} kB, "
            f"parameters aside, and {FEW} updates later the weights differ by "
            f"{number(result['weights'].max(), 1)} of their size at most. Each update still costs a whole "
            "pass."
        ),
    )
