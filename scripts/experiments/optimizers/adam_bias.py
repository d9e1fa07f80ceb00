"""What does Adam do at first, with its bias correction and without?  Chapter: optimizers."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import ratio
from experiments.optimizers._shared.quadratics import walk
from experiments.trials import descend, generator, generators, mlps, stacked, standardized
from experiments.words import number
from unitgain.datasets import Examples, digits
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.training import cross_entropy

BETAS = 0.9, 0.999
RATES = (0.001, 0.03)
BATCH = 32
STEPS, EXAMPLES = 200, 1500
MAP_RATES, MAP_STEPS = (0.001, 0.003, 0.007, 0.0155, 0.03), (3, 10, 30, 100)
FEW = 300  # examples that the loss of the map is over
EARLY = 30  # steps after which the loss is compared
CONSTANT = 1_000  # steps along a gradient that stays


def compute(*, networks=8, mapped=12, seed=0, device="cpu"):
    """Lengths of Adam's steps, in learning rates, and how networks on the digits start.

    The first dimension: with the correction, without. `constant` (2, CONSTANT) along one gradient that stays.
    At the steps `at` (times,) of training: the networks' root mean square `step` (2, times, rates, networks)
    over the weights that move; and before them the `loss` over all examples, of the same shape.
    `mapped` (2, MAP_RATES, MAP_STEPS, networks): the loss after so many steps, over FEW examples.
    """
    x, y = (part[:EXAMPLES] for part in digits(device=device))
    examples = Examples(standardized(x, x), y)
    at = np.unique(np.geomspace(1, STEPS, 24).round().astype(int))
    g = torch.randn((), generator=generator(seed), dtype=torch.float64).to(device)
    both = [partial(Adam, betas=BETAS, bias_correction=corrected) for corrected in (True, False)]
    step, loss = stacked(_start(examples, at, adam, networks, seed) for adam in both)
    return {
        "constant": torch.stack([_along(g, adam) for adam in both]),
        "at": at,
        "step": step,
        "loss": loss,
        "mapped": torch.stack([_losses_after(examples, adam, mapped, seed) for adam in both]),
    }


def _along(g, adam):
    path = walk(partial(adam, lr=1.0), lambda _: g, torch.zeros_like(g), CONSTANT)
    return torch.stack([w.clone() for w in path]).diff().abs()


def _losses_after(examples, adam, networks, seed):
    """Losses (MAP_RATES, MAP_STEPS, networks)."""
    rate, found = torch.tensor(MAP_RATES)[:, None], {}
    model = mlps((64, 32, 10), (len(rate), networks), seed=seed, device=examples.x.device)

    def look(taken):
        if taken in MAP_STEPS or taken == STEPS:
            with torch.no_grad():
                found[taken] = cross_entropy(model(examples.x[:FEW]), examples.y[:FEW])

    steps = min(STEPS, MAP_STEPS[-1])
    descend(model, examples, rate, seed=seed, steps=steps, batch=BATCH, optimizer=adam, callback=look)
    return torch.stack([found[min(steps, after)] for after in MAP_STEPS], 1)


def _start(examples, at, adam, networks, seed):
    draws = generators(seed, networks, times=len(RATES))
    model = MLP((64, 32, 10), replicas=(len(RATES), networks), generator=draws, device=examples.x.device)
    rate = torch.tensor(RATES, device=examples.x.device)[:, None]
    before, steps, losses = [], [], []

    def flat():
        return torch.cat([p.detach().flatten(2) for p in model.parameters()], 2)

    def look(taken):
        if before:
            moved = (flat() - before.pop()).square()
            steps.append((moved.sum(2) / (moved > 0).sum(2)).sqrt() / rate)
        if taken + 1 in at:
            before.append(flat())
            with torch.no_grad():
                losses.append(cross_entropy(model(examples.x), examples.y))

    descend(model, examples, rate, seed=seed, steps=STEPS, batch=BATCH, optimizer=adam, callback=look)
    return torch.stack(steps), torch.stack(losses)


def predicted(t):
    """Uncorrected steps along a gradient that stays, in learning rates."""
    return (1 - BETAS[0] ** t) / np.sqrt(1 - BETAS[1] ** t)


def _early(result) -> int:
    return int((result["at"] <= EARLY).sum()) - 1


def _losses(result, rate):
    """Losses after EARLY steps without the correction and with it, (networks,) each."""
    corrected, without = result["loss"][:, _early(result), rate]
    return without, corrected


def draw(result) -> Figure:
    fig, (ax, *panels) = style.figure(8.2, 3.6, ncols=3, tall=7.0)
    colours, t = style.palette(), np.arange(1, CONSTANT + 1)
    looks = ("standardized", "o", "-"), ("raw", "^", "--")  # corrected, not corrected
    ax.plot(t, predicted(t), color=style.ink(), lw=1)
    ax.axhline(1, color=style.ink(), lw=1)
    shown = np.unique(np.geomspace(1, CONSTANT, 20).astype(int))
    for k, (key, mark, dashes) in enumerate(looks):
        ax.plot(shown, result["constant"][k][shown - 1], mark, color=colours[key], ms=5, mew=0)
        for i, panel in enumerate(panels):
            rows = result["loss"][k, :, i]
            panel.plot(result["at"], rows, color=colours[key], lw=0.5, alpha=0.5)
            panel.plot(result["at"], np.exp(np.log(rows).mean(-1)), color=colours[key], ls=dashes)
    ax.text(1.1, 7, "not corrected", color=colours["raw"])
    ax.text(1.1, 1.3, "corrected", color=colours["standardized"])
    ax.text(900, 6.8, "line:\npredicted", ha="right", va="top")
    ax.set(title="A constant gradient", ylim=(0, 7.8), ylabel="step, in learning rates")
    ax.set(xlabel="step (log)", xscale="log", xticks=(1, 10, 100, 1000))
    for rate, panel in zip(RATES, panels, strict=True):
        panel.set(title=f"Digits, learning rate {rate:g}", xlabel="step (log)", ylabel="loss (log)")
        panel.set(xscale="log", xticks=(1, 10, 100), yscale="log", yticks=(0.1, 1), ylim=(0.015, 8))
    for axis in (ax, *panels):
        axis.minorticks_off()
    return fig


def table(result) -> dict:
    columns = {"step": result["at"], "predicted": predicted(result["at"])}
    for k, name in enumerate(("corrected", "uncorrected")):
        columns[f"{name}_constant"] = result["constant"][k][result["at"] - 1]
        for i, rate in enumerate(RATES):
            columns[f"{name}_step_at_{rate:g}"] = result["step"][k, :, i].mean(-1)
            columns[f"{name}_loss_at_{rate:g}"] = np.exp(np.log(result["loss"][k, :, i]).mean(-1))
    return columns


def caption(result) -> str:
    steps = result["constant"][1]
    slow, fast = (ratio(*_losses(result, rate))[0] for rate in range(len(RATES)))
    return (
        f"**Without bias correction, Adam's first step is {steps[0]:.2f} learning rates long, and along a "
        f"constant gradient its {steps.argmax() + 1}th is {steps.max():.2f}.**\n\n"
        "With the correction, steps along a constant gradient have a length of 1. The other panels show the "
        f"losses of {result['step'].shape[-1]} networks on the digits: thin lines are single networks, thick "
        f"ones geometric means. After {result['at'][_early(result)]} steps the loss without correction is "
        f"{number(slow, 2)} times that with it at a learning rate of {RATES[0]:g}, and {number(fast, 2)} "
        f"times at {RATES[1]:g}."
    )


def alt(result) -> str:
    steps = result["constant"][1]
    return (
        "Three panels. Step length against the step along a constant gradient: uncorrected it rises from "
        f"{steps[0]:.2f} to {steps.max():.2f} and falls towards 1, corrected it stays at 1. Loss on the "
        f"digits at a learning rate of {RATES[0]:g}: lower without correction; at {RATES[1]:g}: higher "
        "without."
    )


def claims(result) -> Iterator[Claim]:
    steps, t = result["constant"], np.arange(1, CONSTANT + 1)
    slow, fast = (ratio(*_losses(result, rate)) for rate in range(len(RATES)))
    corrected, without = result["mapped"]
    units = "networks, each with its own initial weights; all on the same digits in the same order"
    yield Claim.of_ratio(
        *_losses(result, 1),
        id="adam-bias",
        statement="Adam can do without a bias correction: it divides the running mean of the gradient by the "
        "root of that of its square as it is",
        sources=("tuning-lesson, optimizers",),
        verdict="depends",
        measure=(
            "loss on the digits without bias correction by loss with it, after "
            f"{result['at'][_early(result)]} steps at a learning rate of {RATES[1]:g}, geometric mean over "
            "networks"
        ),
        units=units,
        map=Map.of_ratios(
            without,
            corrected,
            axes={"learning rate": MAP_RATES, "after": [f"{steps} steps" for steps in MAP_STEPS]},
            below=1.0,
            measure="loss without bias correction by loss with it, the same learning rate for both",
            units=units,
        ),
        holds=abs(steps[1] / predicted(t) - 1).max() < 1e-3
        and abs(steps[0] - 1).max() < 1e-3
        and slow[1][1] < 0.9
        and fast[1][0] > 1.5,
        finding="It depends on the learning rate. Without the correction the first step is "
        f"{steps[1][0]:.2f} learning rates long, and step {steps[1].argmax() + 1} along a constant gradient "
        f"is {steps[1].max():.2f}; with it, both are 1. At a small one, {RATES[0]:g}, longer steps help: "
        f"the loss is {number(slow[0], 2)} times that with the correction. At {RATES[1]:g} they throw the "
        "networks off, after a few steps. Leaving the correction out is like starting with a higher "
        "rate: good where the rate was too low.",
    )
