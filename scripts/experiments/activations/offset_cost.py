"""How much do inputs off centre slow a neuron down, and is it their sign that does it?

Chapter: activations.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.activations._shared.neuron import (
    EXAMPLES,
    POSITIVE,
    SOLVED,
    best_rates,
    inputs,
    problems,
    walk,
)
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval, median_interval, ratio
from experiments.words import long_table, number, percent

OFFSETS = (0.0, 0.5, 1.0, POSITIVE, 3.0)  # in standard deviations of the inputs
BATCHES = (1, 8, None)  # None: all examples
STEPS = 2_000  # of a walk, at most
AT = OFFSETS.index(POSITIVE)
FURTHER = (0.3, 1.0, 2.0, 3.0)  # the map: offsets at which batches are compared with single examples
ROWS = ("8 examples", "all 64", "8, bias right", "all 64, bias right")
SOFTER = 2 / 3  # of the steps


def compute(*, networks=200, mapped=200, seed=0, device="cpu"):
    """Steps to a hundredth of the first loss, each problem at its best rate, and how the weights get there.

    `steps` (offsets, batches, problems), and with a bias that is right from the start `fixed` (2 offsets,
    batches, problems). At offset 0 and where all inputs are positive (2, batches, problems): the share of
    gradients on the way whose two weights have `one_sign`, and of steps that `turn` back, against the step
    before; `slow_…` at a quarter of the best rate. For the map `further` (batches, offsets, with a bias or
    right without, problems): steps at FURTHER.
    """
    made = problems(networks, seed, device)
    steps = []
    ways: dict[str, list] = {"one_sign": [], "turn": [], "slow_one_sign": [], "slow_turn": []}
    for offset in OFFSETS:
        x, error = inputs(made, offset, bias=True)
        for batch in BATCHES:
            taken, rate = best_rates(x, error, batch, seed)
            steps.append(taken)
            if offset in (0, POSITIVE):
                for prefix, slower in (("", 1), ("slow_", 4)):
                    count = (slower * taken).clamp(max=STEPS)
                    one_sign, turn = _way(x, error, batch, rate / slower, count, seed)
                    ways[prefix + "one_sign"].append(one_sign)
                    ways[prefix + "turn"].append(turn)
    fixed = [
        best_rates(*inputs(made, offset, bias=False), batch, seed)[0]
        for offset in (0.0, POSITIVE)
        for batch in BATCHES
    ]
    few = problems(mapped, seed, device)
    further = [
        best_rates(*inputs(few, offset, bias=bias), batch, seed)[0]
        for batch in BATCHES
        for offset in FURTHER
        for bias in (True, False)
    ]
    return {
        "further": torch.stack(further).unflatten(0, (len(BATCHES), len(FURTHER), 2)),
        "steps": torch.stack(steps).unflatten(0, (len(OFFSETS), -1)),
        "fixed": torch.stack(fixed).unflatten(0, (2, -1)),
        **{key: torch.stack(rows).unflatten(0, (2, -1)) for key, rows in ways.items()},
    }


def _way(x, error, batch, rate, count, seed):
    """Shares (problems,) of gradients of one sign, and of steps that turn back, among the first `count`."""
    _, slopes = walk(x, error, batch, rate, int(count.max()), seed)
    w = slopes[:, :2]
    on = torch.arange(len(w), device=w.device)[:, None] < count
    one_sign = w.prod(1) > 0
    turn = (w[1:] * w[:-1]).sum(1) < 0
    return (one_sign & on).sum(0) / on.sum(0), (turn & on[1:]).sum(0) / on[1:].sum(0).clamp(min=1)


def predicted(offset: float) -> float:
    """Steps of the full batch at its best rate, expected from the Hessian's eigenvalues alone."""
    mean = np.array([offset, offset, 1.0])
    hessian = np.diag([1.0, 1.0, 0.0]) + np.outer(mean, mean)
    eigenvalues, vectors = np.linalg.eigh(hessian)
    spread = np.array([[1, 0, 0], [0, 1, 0], [-offset, -offset, 1]])  # of the first error
    energy = eigenvalues * ((vectors.T @ spread) ** 2).sum(1)
    rates = np.linspace(0.5, 2, 400)[:, None] / eigenvalues[-1]
    factors, loss, steps = (1 - rates * eigenvalues) ** 2, np.ones((400, 1)) * energy, 0
    while loss.sum(1).min() > SOLVED * energy.sum():
        loss, steps = loss * factors, steps + 1
    return steps


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.9, tall=4.2)
    colours, fine, at = style.palette(), np.linspace(0, 3.1, 94), np.array(OFFSETS)
    ax.plot(fine, [predicted(offset) for offset in fine], color=style.ink(), lw=1)
    ax.axvline(POSITIVE, color=style.GRID, lw=0.8)
    ax.text(POSITIVE + 0.05, 1.25, "from here on, all\ninputs are positive")
    for k, (mark, side) in enumerate(zip("os^", (-0.03, 0.0, 0.03), strict=True)):
        for part, key in ((slice(1), "standardized"), (slice(1, None), "raw")):
            rows, x = result["steps"][part, k], at[part] + side
            ends = np.transpose([median_interval(row) for row in rows])
            ax.vlines(x, *ends, color=colours[key], lw=1.5)
            ax.plot(x, np.median(rows, axis=-1), mark, color=colours[key], ms=6, mew=0)
    for y, mark, text in ((420, "o", "one example a step"), (260, "s", "8 examples"), (160, "^", "all 64")):
        ax.plot(0, y, mark, color=style.ink(), ms=6, mew=0)
        ax.text(0.1, y, text, va="center")
    ax.plot([-0.04, 0.04], [100, 100], color=style.ink(), lw=1)
    ax.text(0.1, 100, "predicted for all 64", va="center")
    ax.text(-0.1, 18, "centred", color=colours["standardized"], va="center")
    ax.set(
        yscale="log",
        xlim=(-0.12, 3.15),
        ylim=(0.9, 700),
        yticks=(1, 10, 100),
        yticklabels=("1", "10", "100"),
        xlabel="offset of the inputs (standard deviations)",
        ylabel="steps to 1 % of the loss (log)",
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    bounds = np.apply_along_axis(median_interval, -1, result["steps"])
    expected = np.array([predicted(offset) for offset in OFFSETS])
    return long_table(
        {"offset": OFFSETS, "batch": [batch or EXAMPLES for batch in BATCHES]},
        median_steps=np.median(result["steps"], axis=-1),
        low=bounds[..., 0],
        high=bounds[..., 1],
        predicted_all=np.broadcast_to(expected[:, None], bounds.shape[:-1]),
    )


def _times(pairs) -> list[str]:
    return [number(ratio(off, centred)[0], 2) for off, centred in pairs]


def _saved(result, offset: int) -> str:
    """Median steps with one example a step and with all, and their ratio."""
    one, *_, whole = np.median(result["steps"][offset], axis=-1)
    return f"{number(one, 2)} to {number(whole, 2)}, {number(one / whole, 2)} times"


def _off(result) -> float:
    """Largest relative distance of the full batch's median from the prediction, off centre."""
    return max(
        abs(np.median(rows[-1]) / predicted(offset) - 1)
        for offset, rows in zip(OFFSETS[1:], result["steps"][1:], strict=True)
    )


def caption(result) -> str:
    one, eight, whole = _times(zip(result["steps"][AT], result["steps"][0], strict=True))
    return (
        f"**Moving inputs off centre until all are positive costs {one} times the steps with one example a "
        f"step, {eight} times with eight and {whole} times with all {EXAMPLES}.**\n\nBatches save steps "
        f"there too ({_saved(result, AT)}), but fewer than on centred inputs ({_saved(result, 0)}). The "
        "curve has no kink where the inputs become positive: the offset counts, not the sign. A linear "
        f"neuron with two weights and a bias learns {result['steps'].shape[-1]} problems of {EXAMPLES} "
        "examples, the same ones at each offset, each at its best learning rate; medians with "
        f"{percent(0.95)} intervals. The line is computed from the offset alone; off centre it is right "
        f"within {percent(_off(result))}."
    )


def alt(result) -> str:
    median = np.median(result["steps"], axis=-1)
    return (
        "Steps to learn against the offset of the inputs, log scale. With one example a step the medians are "
        + ", ".join(f"{m:.0f}" for m in median[:, 0])
        + f" at offsets of {', '.join(f'{offset:.2g}' for offset in OFFSETS)} standard deviations; with all "
        + "examples "
        + ", ".join(f"{m:.0f}" for m in median[:, -1])
        + "."
    )


def claims(result) -> Iterator[Claim]:
    centred, positive = result["steps"][0], result["steps"][AT]
    _, slow = ratio(positive[0], centred[0])
    whole, of_whole = ratio(positive[-1], centred[-1])
    one_sign, turn = result["one_sign"], result["turn"]
    fixed = _times(zip(result["fixed"][1], result["fixed"][0], strict=True))
    one, *batches = result["further"].clip(min=1)
    batched = np.concatenate(batches, axis=1)[:, [0, 2, 1, 3]]  # with the bias first, as in ROWS
    made = Map.of_ratios(
        batched,
        np.stack([one[:, 0], one[:, 0], one[:, 1], one[:, 1]], axis=1),
        axes={"offset, in standard deviations": FURTHER, "a step": ROWS},
        below=SOFTER,
        measure="steps to a hundredth of the first loss with a batch / with one example a step, same inputs, "
        "best learning rate of each",
        units="problems, each with its own inputs and first error",
    )
    yield Claim.of_ratio(
        positive[0],
        centred[0],
        id="zigzag",
        statement=(
            "All-positive inputs force the gradients of a neuron's weights to one sign, so that their path "
            "zig-zags; batches soften this"
        ),
        sources=("cs231n-1, activation functions",),
        verdict="depends",
        measure=(
            "steps to a hundredth of the first loss on all-positive inputs by those on the same inputs "
            "centred, one example a step, each at its best learning rate, geometric mean"
        ),
        units="problems, each with its own inputs and first error",
        map=made,
        holds=(one_sign[1, 0] == 1).all()
        and mean_interval(one_sign[0, 0])[1] < 0.6
        and mean_interval(turn[1, 0])[0] > mean_interval(turn[0, 0])[1]
        and mean_interval(one_sign[1, -1])[1] < 0.95
        and mean_interval(result["slow_turn"][1, -1])[1] < 0.05
        and slow[0] > 3
        and of_whole[0] > slow[1]
        and ratio(result["fixed"][1, -1], result["fixed"][0, -1])[1][1] < of_whole[0] / 2,
        finding="Batches soften it close to centre, and ever less further out: at an offset of "
        f"{FURTHER[0]:g} all {EXAMPLES} take {number(made.estimate[0, 1], 2)} times the steps of one "
        f"example, at {FURTHER[-1]:g} {number(made.estimate[-1, 1], 2)} times. The zig-zag is real: with "
        f"one example a step {percent(one_sign[1, 0].mean())} of the gradients have one sign (centred: "
        f"{percent(one_sign[0, 0].mean())}), and {percent(turn[1, 0].mean())} of the steps turn back "
        f"({percent(turn[0, 0].mean())}). With all {EXAMPLES} positive inputs cost {number(whole, 2)} "
        "times the steps of centred ones, mostly by the bias: held at its right value, it leaves "
        f"{fixed[0]}, {fixed[1]} and {fixed[2]} times with 1, 8 and all {EXAMPLES}.",
    )
