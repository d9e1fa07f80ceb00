"""Is the articles' momentum torch's, and what if you carry the learning rate over?  Chapter: optimizers."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim
from experiments.intervals import median_interval
from experiments.optimizers._shared.quadratics import walk
from experiments.trials import generator, generators, standardized
from experiments.words import number
from unitgain.datasets import digits
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import train

MOMENTUM, RATE = 0.9, 0.05
MOMENTA = (0.5, 0.8, 0.9, 0.95, 0.99)
EXAMPLES = 300
SIZES = (64, 16, 10)
LEARNED = 0.5  # loss
STEPS = 200

_averaging = partial(SGD, averaging=True)


def compute(*, networks=6, seed=0, device="cpu"):
    """The same networks trained by PyTorch, at the same rate by averaging, and at 1/(1 − β) times it.

    `loss` (3, STEPS, networks); `difference` (networks,): the largest between the weights of the first and
    the last; `step` (momenta, steps, networks): the lengths of PyTorch's steps by those of averaging, at the
    same rate, if both are given the same random gradients.
    """
    x, y = (part[:EXAMPLES].to(device) for part in digits(dtype=torch.float64))
    x = standardized(x, x)
    losses, ends = [], []
    for rate, averaging in ((RATE, False), (RATE, True), (RATE / (1 - MOMENTUM), True)):
        draws = generators(seed, networks)
        model = MLP(SIZES, "tanh", replicas=(networks,), generator=draws, dtype=torch.float64, device=device)
        optimizer = _averaging if averaging else torch.optim.SGD
        optimizer = optimizer(model.parameters(), lr=rate, momentum=MOMENTUM)
        losses.append(train(model, x, y, loss="cross_entropy", optimizer=optimizer, epochs=STEPS))
        ends.append(torch.cat([p.detach().flatten(1) for p in model.parameters()], dim=1))
    gradients = torch.randn(100, networks, 50, generator=generator(seed), dtype=torch.float64).to(device)
    lengths = [
        torch.stack([_lengths(partial(one, lr=RATE, momentum=momentum), gradients) for momentum in MOMENTA])
        for one in (torch.optim.SGD, _averaging)
    ]
    return {
        "loss": torch.stack(losses),
        "difference": (ends[2] - ends[0]).abs().amax(1),
        "step": lengths[0] / lengths[1],
    }


def _lengths(optimizer, gradients):
    """Lengths (steps, networks) of the steps that the gradients (steps, networks, weights) make."""
    queue = iter(gradients)
    path = walk(optimizer, lambda _: next(queue), torch.zeros_like(gradients[0]), len(gradients))
    return torch.stack([w.clone() for w in path]).diff(dim=0).norm(dim=-1)


def _reached(result) -> np.ndarray:
    """The first steps (3, networks) with a loss below LEARNED; STEPS if none is."""
    below = result["loss"] < LEARNED
    return np.where(below.any(1), below.argmax(1), result["loss"].shape[1])


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.6, 3.6, ncols=2, width_ratios=(1.5, 1))
    colours, ink = style.palette(), style.ink()
    by_torch, carried, divided = result["loss"]
    steps = np.arange(len(by_torch))
    left.plot(steps, by_torch, color=ink, lw=0.8, alpha=0.6)
    left.plot(steps, carried, color=colours["raw"], lw=0.8, alpha=0.6)
    at = np.arange(0, len(steps), max(len(steps) // 25, 1))
    left.plot(at, divided[at], "o", color=colours["standardized"], ms=3.5, mew=0)
    left.set(
        xlabel="step", ylabel="loss", ylim=(0, 2.75), xlim=(0, len(steps)), xticks=(0, 50, 100, 150, 200)
    )
    left.text(0.3, 0.43, f"averaging, rate {RATE:g}", color=colours["raw"], transform=left.transAxes)
    note = f"line: torch, rate {RATE:g}\ndots: averaging, rate {RATE / (1 - MOMENTUM):g}"
    left.text(0.14, 0.72, note, transform=left.transAxes, va="bottom")
    fine = np.linspace(0.4, 0.992, 200)
    right.plot(fine, 1 / (1 - fine), color=ink, lw=1)
    right.plot(MOMENTA, result["step"].mean((1, 2)), "o", color=colours["raw"], ms=5.5, mew=0)
    right.text(0.42, 30, "line: 1/(1 − β)")
    right.set(yscale="log", xlabel="momentum β", ylabel="torch's step, averaging's = 1 (log)")
    right.set(yticks=(1, 3, 10, 30, 100), yticklabels=("1", "3", "10", "30", "100"), ylim=(1, 150))
    right.minorticks_off()
    return fig


def table(result) -> dict:
    names = ("torch", "averaging_same_rate", "averaging_rate_divided")
    columns = {"step": np.arange(result["loss"].shape[1])}
    return columns | {
        f"{name}_{k}": row
        for name, rows in zip(names, result["loss"], strict=True)
        for k, row in enumerate(rows.T)
    }


def _later(result) -> np.ndarray:
    by_torch, carried, _ = _reached(result)
    return (carried + 1) / (by_torch + 1)


def caption(result) -> str:
    by_torch, carried, _ = np.median(_reached(result), axis=1)
    return (
        "**A learning rate carried over from torch's momentum to the averaging form makes steps "
        f"{number(result['step'][MOMENTA.index(MOMENTUM)].mean(), 2)} times shorter at β = {MOMENTUM:g}: a "
        f"loss of {LEARNED:g} takes {carried:.0f} steps and not {by_torch:.0f}.**\n\nAveraging with the rate "
        "divided by 1 − β makes the same steps as torch, to "
        f"{number(result['difference'].max(), 1)} in every weight. Losses: {result['loss'].shape[-1]} "
        f"networks {'-'.join(map(str, SIZES))} on {EXAMPLES} digits, all examples a step, every run drawn; "
        "the steps in the finding are medians. Lengths of steps: both forms get the same random gradients."
    )


def alt(result) -> str:
    by_torch, carried, divided = np.median(_reached(result), axis=1)
    return (
        "Left: training losses; torch's form and averaging with the larger rate coincide and reach "
        f"{LEARNED:g} after {by_torch:.0f} and {divided:.0f} steps, averaging at the same rate after "
        f"{carried:.0f}. Right: the ratio of step lengths against momentum lies on 1 over 1 minus beta."
    )


def claims(result) -> Iterator[Claim]:
    expected = 1 / (1 - np.array(MOMENTA))[:, None, None]
    later = _later(result)
    yield Claim.of_identity(
        result["step"] / expected - 1,
        id="momentum-form",
        statement="With V := βV + (1 − β)g, the steps of momentum are 1 − β times as long as PyTorch's",
        sources=("tuning-lesson, gradient descent with momentum",),
        verdict="confirmed",
        measure="length of a step of torch.optim.SGD by that of the article's momentum, same rate and random "
        f"gradients, for every β of {', '.join(f'{momentum:g}' for momentum in MOMENTA)}: largest relative "
        "distance from 1/(1 − β)",
        within=1e-12,
        units="steps, under random gradients",
        holds=result["difference"].max() < 1e-12 and median_interval(later)[0] > 3,
        finding="The same learning rate means another step: PyTorch leaves the 1 − β out. With the rate "
        "divided by 1 − β the article's form makes the same network, to "
        f"{number(result['difference'].max(), 1)}. With PyTorch's rate it takes "
        f"{number(np.median(later), 2)} times as many steps to a loss of {LEARNED:g}.",
    )
