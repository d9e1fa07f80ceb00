"""What does Adam do at first, with its bias correction and without?  Chapter: optimizers."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, mean_interval, number, percent
from experiments.optimizers._digits import digit_table
from experiments.replicas import generators
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.training import cross_entropy, train

BETAS = 0.9, 0.999
RATES = (0.001, 0.03)
BATCH = 32
STEPS, EXAMPLES = 200, 1500
EARLY = 30  # steps after which the loss is compared
CONSTANT = 1_000  # steps along a gradient that stays


def compute(*, networks=12, seed=0, device="cpu"):
    """Lengths of Adam's steps, in learning rates, and how networks on the digits start.

    The first dimension: with the correction, without. `constant` (2, CONSTANT) along one gradient that stays.
    At the steps `at` (times,) of training: the networks' root mean square `step` (2, times, rates, networks)
    over the weights that move; and before them the `loss` over all examples, of the same shape.
    """
    x, y = digit_table(EXAMPLES, device)
    at = np.unique(np.geomspace(1, STEPS, 24).round().astype(int))
    g = torch.randn((), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    starts = [_start(x, y, at, corrected, networks, seed) for corrected in (True, False)]
    steps, losses = zip(*starts, strict=True)
    return {
        "constant": torch.stack([_along(g.to(device), corrected) for corrected in (True, False)]),
        "at": at,
        "step": torch.stack(steps),
        "loss": torch.stack(losses),
    }


def _along(g, corrected):
    w = torch.nn.Parameter(torch.zeros_like(g))
    optimizer, path = Adam([w], lr=1.0, betas=BETAS, bias_correction=corrected), [0.0]
    for _ in range(CONSTANT):
        w.grad = g
        optimizer.step()
        path.append(float(w.detach()))
    return torch.tensor(path, dtype=torch.float64).diff().abs()


def _start(x, y, at, corrected, networks, seed):
    draws = generators(seed, networks, times=len(RATES))
    model = MLP((64, 32, 10), replicas=(len(RATES), networks), generator=draws, device=x.device)
    rate = torch.tensor(RATES, device=x.device).view(-1, 1, 1, 1)
    weights, before, steps, losses = list(model.parameters()), [], [], []

    def flat():
        return torch.cat([p.detach().flatten(2) for p in weights], 2)

    def look(taken):
        if before:
            moved = (flat() - before.pop()).square()
            steps.append((moved.sum(2) / (moved > 0).sum(2)).sqrt() / rate[..., 0, 0])
        if taken + 1 in at:
            before.append(flat())
            with torch.no_grad():
                losses.append(cross_entropy(model(x), y))

    train(
        model,
        x,
        y,
        loss="cross_entropy",
        optimizer=Adam(weights, lr=rate, betas=BETAS, bias_correction=corrected),
        epochs=-(-STEPS // -(-len(x) // BATCH)),
        batch_size=BATCH,
        generator=torch.Generator().manual_seed(seed),
        callback=look,
    )
    return torch.stack(steps), torch.stack(losses)


def predicted(t):
    """Uncorrected steps along a gradient that stays, in learning rates."""
    return (1 - BETAS[0] ** t) / np.sqrt(1 - BETAS[1] ** t)


def _early(result) -> int:
    return int((result["at"] <= EARLY).sum()) - 1


def _ratio(result, rate):
    """Loss without the correction by loss with it after EARLY steps: geometric mean and its interval."""
    corrected, without = result["loss"][:, _early(result), rate]
    ratio = np.log(without / corrected)
    low, high = mean_interval(ratio)
    return float(np.exp(ratio.mean())), (float(np.exp(low)), float(np.exp(high)))


def draw(result) -> Figure:
    fig, (ax, *panels) = style.figure(7.8, 3.9, ncols=3, width_ratios=(1.3, 1, 1))
    colours, t = style.palette(), np.arange(1, CONSTANT + 1)
    keys = "standardized", "raw"  # corrected, not corrected
    ax.plot(t, predicted(t), color=style.ink(), lw=1)
    ax.axhline(1, color=style.ink(), lw=1)
    shown = np.unique(np.geomspace(1, CONSTANT, 20).astype(int))
    for k, (key, mark) in enumerate(zip(keys, "o^", strict=True)):
        ax.plot(shown, result["constant"][k][shown - 1], mark, color=colours[key], ms=5, mew=0)
        low, high = np.array([mean_interval(row) for row in result["step"][k, :, 0]]).T
        ax.fill_between(result["at"], low, high, color=colours[key], alpha=0.3, lw=0)
        ax.plot(result["at"], result["step"][k, :, 0].mean(-1), color=colours[key], lw=1.2)
    top = result["constant"][1].argmax()
    ax.text(top + 1, 7, "not corrected", color=colours["raw"], ha="center")
    ax.text(220, 0.62, "corrected", color=colours["standardized"], va="top")
    ax.text(65, 5.9, "a gradient\nthat stays", va="top", fontsize=9)
    ax.text(3.4, 3.3, "digits", va="top", fontsize=9)
    ax.set(
        title="length of a step",
        xscale="log",
        xlabel="step (log)",
        ylabel="length, in learning rates",
        ylim=(0, 7.6),
    )
    ax.set(xticks=(1, 10, 100, 1000), xticklabels=("1", "10", "100", "1,000"))
    for i, panel in enumerate(panels):
        for k, key in enumerate(keys):
            rows = result["loss"][k, :, i]
            panel.plot(result["at"], rows, color=colours[key], lw=0.5, alpha=0.5)
            panel.plot(
                result["at"], np.exp(np.log(rows).mean(-1)), color=colours[key], lw=2, ls=("-", "--")[k]
            )
        panel.set(title=f"loss at a rate of {RATES[i]:g}", xlabel="step (log)", xscale="log", yscale="log")
        panel.set(ylim=(0.008, 8), xticks=(1, 10, 100), xticklabels=("1", "10", "100"))
        panel.set(yticks=(0.01, 0.1, 1), yticklabels=("0.01", "0.1", "1"))
    panels[0].set(ylabel="loss on the digits (log)")
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
    (slow, _), (fast, _) = _ratio(result, 0), _ratio(result, 1)
    return (
        f"**Without bias correction, Adam's first step is {steps[0]:.2f} learning rates long, and along a "
        f"gradient that stays its {steps.argmax() + 1}th is {steps.max():.2f}.** With it, such steps have a "
        f"length of 1. Dots: measured; thin lines: the formula; bands: steps of {result['step'].shape[-1]} "
        f"networks on the digits at a rate of {RATES[0]:g}, mean with {percent(0.95)} intervals. "
        f"After {result['at'][_early(result)]} steps their loss without correction is "
        f"{number(slow, 2)} times that with it at a rate of {RATES[0]:g}, "
        f"and {number(fast, 2)} times at {RATES[1]:g}."
    )


def alt(result) -> str:
    steps = result["constant"][1]
    return (
        f"Left: step length against the step, uncorrected rising from {steps[0]:.2f} to {steps.max():.2f} "
        "and falling towards 1, corrected level at 1; on the digits both fall off. Right: loss at a small "
        f"rate, lower without correction, and at a rate of {RATES[1]:g}, higher without."
    )


def claims(result) -> Iterator[Claim]:
    steps, t = result["constant"], np.arange(1, CONSTANT + 1)
    slow, of_slow = _ratio(result, 0)
    fast, of_fast = _ratio(result, 1)
    yield Claim(
        id="adam-bias",
        statement="Adam divides the running mean of the gradient by the root of that of its square as it is",
        sources=("Tuning neural networks with normalization, Optimizers",),
        verdict="depends",
        measure=(
            "loss on the digits without bias correction by loss with it, after "
            f"{result['at'][_early(result)]} steps at a rate of {RATES[1]:g}, geometric mean over networks"
        ),
        estimate=fast,
        interval=of_fast,
        n=result["loss"].shape[-1],
        holds=abs(steps[1] / predicted(t) - 1).max() < 1e-3
        and abs(steps[0] - 1).max() < 1e-3
        and of_fast[0] > 2
        and of_slow[1] < 0.9,
        finding=(
            f"As they are, the means still lean to the zeros they start from: the first step is "
            f"{steps[1][0]:.2f} learning rates long, and step {steps[1].argmax() + 1} along a gradient that "
            f"stays is {steps[1].max():.2f}. The paper's correction makes them 1. At a small rate, "
            f"{RATES[0]:g}, longer steps help: the loss is {number(slow, 2)} times that with the correction. "
            f"At {RATES[1]:g} they throw the networks off."
        ),
    )
