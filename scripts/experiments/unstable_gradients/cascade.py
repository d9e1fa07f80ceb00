"""How does a small change of the first weight travel to the cost?  Chapter: unstable-gradients."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.trials import generator
from experiments.words import number
from unitgain.models import ScalarChain

DEPTH, CHANGE = 4, 0.1
STAGES = ("Δw₁", "Δa₁", "Δz₂", "Δa₂", "Δz₃", "Δa₃", "Δz₄", "Δa₄", "ΔJ")
FACTORS = ("a₀g′₁", "w₂", "g′₂", "w₃", "g′₃", "w₄", "g′₄", "∂J/∂a₄")
LETTERS = ("a", "b, c", "d", "e, f", "g", "h, i", "j", "k")  # the article's steps
FPS, FRAMES = 15, 14  # frames from one stage to the next
INPUT, TARGET = 1.0, 1.0


def compute(*, seed=0, device="cpu"):
    """One chain of four sigmoids before and after w₁ moves by 0.1.

    The `change` that was measured at each stage (9,), the `factor` from one stage to the next (8,), the exact
    `derivative` of the cost.
    """
    chain = ScalarChain(DEPTH, "sigmoid", bias="normal", generator=generator(seed), dtype=torch.float64)
    chain.to(device)
    x = torch.full((1,), INPUT, dtype=torch.float64, device=device)

    def run():
        a, z = chain.states(x)
        return a[0], z[0], (a[0, -1] - TARGET).square() / 2

    a, z, cost = run()
    derivative = torch.autograd.grad(cost, chain.weight)[0][0]
    with torch.no_grad():
        slope = a[1:] * (1 - a[1:])
        factor = torch.stack([slope, chain.weight.roll(-1)], -1).flatten()  # g′₁, w₂, g′₂, …, g′₄, w₁
        factor[0] *= a[0]
        factor[-1] = a[-1] - TARGET
        chain.weight[0] += CHANGE
        a_after, z_after, cost_after = run()
        moved = torch.stack([z_after - z, (a_after - a)[1:]], -1).flatten()  # Δz₁, Δa₁, Δz₂, …, Δa₄
        moved[0] = CHANGE
        change = torch.cat([moved, (cost_after - cost)[None]])
    return {"change": change, "factor": factor, "derivative": derivative}


def _places(sizes) -> Iterator[tuple[tuple[int, int], str]]:
    """Where the number beside each dot is clear of the line: offset in points and alignment."""
    for before, size, after in zip([0, *sizes], sizes, [*sizes[1:], 0], strict=False):
        if before < size:
            yield (0, 8), "center"
        else:
            yield ((0, -17), "center") if after > size else ((4, -17), "right")


def animate(result) -> Iterator[Figure]:
    fig, (top, bottom) = style.figure(7.0, 5.0, nrows=2, height_ratios=(1, 2), sharex=True)
    colours, ink = style.palette(), style.ink()
    change, predicted = result["change"], CHANGE * np.cumprod([1, *result["factor"]])
    last = len(STAGES) - 1

    top.set(xlim=(-1.35, last + 0.6), ylim=(-1.35, 0.62), yticks=[])
    top.spines[:].set_visible(False)
    top.tick_params(bottom=False)
    centres = 2 * np.arange(DEPTH) + 0.5
    ends = [-1.0, *centres, last + 0.42]
    for left, right in pairwise(ends):
        arrow = {"arrowstyle": "-|>", "color": ink, "lw": 1, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 11}
        top.annotate("", (right - 0.42, 0), (left + (0.25 if left < 0 else 0.42), 0), arrowprops=arrow)
    for x in centres:
        top.plot(x, 0, "o", ms=17 if style.narrow() else 26, mfc="none", mec=ink, mew=1.2)
        top.text(x, 0, "σ", ha="center", va="center")
    top.text(-1.0, 0, "a₀", ha="center", va="center")
    top.text(last + 0.4, 0, "J", ha="center", va="center")
    top.text(-0.35, 0.2, "w₁", ha="center", color=colours["standardized"])
    for k, x in enumerate(centres[:-1], start=2):
        top.text(x + 1, 0.2, f"w{'₁₂₃₄'[k - 1]}", ha="center")
    top.text(-0.4, -0.85, "×", ha="center")
    places = [*np.arange(0.5, last - 1), last - 0.25]  # the last name is long
    for x, name in zip(places, FACTORS, strict=True):
        top.text(x, -0.85, name, ha="center")
    values = [top.text(x, -1.3, "", ha="center", animated=True) for x in places]
    (pulse,) = top.plot([], [], "o", ms=9, color=colours["standardized"], animated=True)

    low = np.floor(np.log10(np.abs([*change, *predicted]).min())) - 0.5
    bottom.set(
        yscale="log", ylim=(10**low, 10 ** (np.log10(CHANGE) + 1.35)), ylabel="size of the change (log scale)"
    )
    bottom.set_xticks(range(len(STAGES)), STAGES)
    (line,) = bottom.plot([], [], color=ink, lw=1, animated=True)
    (dots,) = bottom.plot([], [], "o", ms=7, color=colours["standardized"], animated=True)
    labels = [
        bottom.annotate(
            number(value, 2), (k, abs(value)), offset, textcoords="offset points", ha=side, animated=True
        )
        for k, (value, (offset, side)) in enumerate(zip(change, _places(np.abs(change)), strict=True))
    ]
    step = bottom.text(0.01, 0.03, "", transform=bottom.transAxes, animated=True)
    end = bottom.text(0.99, 0.97, "", transform=bottom.transAxes, ha="right", va="top", animated=True)
    for label in labels:
        label.set_visible(False)
    tick = style.progress(bottom, last * FRAMES + 1, "")

    for frame in range(last * FRAMES + 1):
        stage, within = divmod(frame, FRAMES)
        part = min(1.0, within / (0.6 * FRAMES))
        here = stage + part
        reached = int(here)
        pulse.set_data([here], [0])
        shown = np.arange(reached + 1)
        dots.set_data(shown, np.abs(change[shown]))
        so_far = np.array([*shown, here])
        line.set_data(so_far, np.exp(np.interp(so_far, np.arange(last + 1), np.log(np.abs(predicted)))))
        for k, label in enumerate(labels):
            label.set_visible(k <= reached)
        for k, text in enumerate(values):
            text.set_text(f"{number(result['factor'][k], 2)}" if k < here else "")
        step.set_text(f"step{'s' * (len(LETTERS[stage]) > 1)} {LETTERS[stage]}" if stage < last else "")
        if reached == last:
            end.set_text(
                f"ΔJ / Δw₁ = {number(change[-1] / CHANGE)}\nexact ∂J/∂w₁ = {number(result['derivative'])}"
            )
        tick(frame, "")
        yield fig


def table(result) -> dict:
    return {
        "stage": np.arange(len(STAGES)),
        "change": result["change"],
        "factor_before": [1, *result["factor"]],
    }


def caption(result) -> str:
    change = result["change"]
    return (
        f"**A change of {CHANGE} in the first weight reaches the cost as {number(change[-1], 2)}: every "
        "neuron on the way passes on a quarter at most.**\n\nDots: measured, by a forward pass before and "
        f"one after the change; line: predicted, {CHANGE} times the factors so far. In the end ΔJ/Δw₁ is "
        f"{number(change[-1] / CHANGE)} and the exact derivative {number(result['derivative'])}: they differ "
        f"because {CHANGE} is not infinitely small. One chain of {DEPTH} sigmoids, weights and biases "
        f"N(0, 1), a₀ = {INPUT:g}, J = (a₄ − {TARGET:g})²/2; the letters are those of the steps below."
    )


def alt(result) -> str:
    change = result["change"]
    return (
        "Animation: a pulse runs through a drawn chain of four neurons; below, on a logarithmic axis, the "
        f"size of the change after each multiplication, from {CHANGE} in the first weight to "
        f"{number(abs(change[-1]), 2)} in the cost."
    )
