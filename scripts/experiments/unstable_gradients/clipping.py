"""Does clipping the gradient save a network whose gradients explode?  Chapter: unstable-gradients."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments import style
from experiments.intervals import median_interval, wilson
from experiments.trials import descend, generators
from experiments.unstable_gradients._shared.digits import digit_parts
from experiments.words import between, long_table, number, percent
from unitgain.initializers import he_normal_
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import cross_entropy

RATES = np.array([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
SIZES, GAIN = (64, *[30] * 8, 10), 1.5  # times He's standard deviation
LONGEST = 1.0  # norm to which a gradient is clipped
STEPS, BATCH = 200, 50
ARMS, CHANCE = ("unclipped", "clipped"), np.log(10)


def clip(gradients: Sequence[Tensor]) -> None:
    """torch.nn.utils.clip_grad_norm_ for replicas, in place: each network's gradient by its own norm."""
    norm = torch.stack([g.flatten(-2).norm(dim=-1) for g in gradients]).norm(dim=0)
    factor = (LONGEST / (norm + 1e-6)).clamp(max=1)[..., None, None]
    for g in gradients:
        g.mul_(factor)


class Clipped(SGD):
    """Gradient descent with clipped gradients."""

    def step(self, closure=None):
        clip([p.grad for group in self.param_groups for p in group["params"]])
        return super().step(closure)


def compute(*, networks=16, seed=0, device="cpu"):
    """Loss on the training part before and after training, without and with clipping.

    `before` (networks,), `loss` (arms, rates, networks), 0 where `overflow`ed; `unlike`: the largest distance
    of our clipped gradients from torch's, for the first network.
    """
    examples = digit_parts(seed, device).train
    rates = torch.tensor(RATES, dtype=torch.float32)[:, None]

    def steep(tensor, generator):
        return he_normal_(tensor, gain=GAIN, generator=generator)

    def made(count: int) -> MLP:
        """Networks (count, networks), the same `count` times."""
        draws = generators(seed, networks, times=count)
        return MLP(SIZES, "relu", weight=steep, replicas=(count, networks), generator=draws, device=device)

    def loss(model: MLP) -> Tensor:
        return cross_entropy(model(examples.x), examples.y)

    first, lost = made(1), []
    before = loss(first)[0]
    unlike = _unlike_torch(torch.autograd.grad(before.sum(), list(first.parameters())))
    for optimizer in (SGD, Clipped):
        model = made(len(RATES))
        descend(model, examples, rates, seed=seed, steps=STEPS, batch=BATCH, optimizer=optimizer)
        with torch.no_grad():
            lost.append(loss(model))
    after = torch.stack(lost)
    overflow = ~after.isfinite()
    return {
        "before": before.detach(),
        "loss": after.where(~overflow, 0),
        "overflow": overflow,
        "unlike": unlike,
    }


def _unlike_torch(gradients: Sequence[Tensor]) -> Tensor:
    """Largest distance of one network's clipped `gradients` from what torch's function makes of them."""
    alone = [nn.Parameter(g[0, 0]) for g in gradients]
    for parameter in alone:
        parameter.grad = parameter.detach().clone()
    nn.utils.clip_grad_norm_(alone, LONGEST)
    clip(gradients)
    return torch.stack(
        [(one.grad - g[0, 0]).abs().max() for one, g in zip(alone, gradients, strict=True)]
    ).max()


def _diverged(result) -> np.ndarray:
    """(arms, rates, networks): the loss overflowed, or ended higher than it began."""
    return result["overflow"] | (result["loss"] > result["before"])


def draw(result) -> Figure:
    fig, axes = style.figure(7.8, 3.7, ncols=2, sharex=True)
    colours, ink = style.palette(), style.ink()
    diverged, loss = _diverged(result), result["loss"]
    top = 2 * loss[~diverged].max()
    for arm, (key, mark, side) in enumerate((("raw", "^", 0.93), ("standardized", "o", 1.07))):
        part = 100 * diverged[arm].mean(-1)
        edges = 100 * np.array([wilson(row) for row in diverged[arm]]).T
        dots = {"fmt": f"{mark}-", "ms": 5.5, "mew": 0, "elinewidth": 1.2, "color": colours[key], "lw": 1.2}
        axes[0].errorbar(RATES * side, part, np.abs(edges - part), **dots)
        for rate, runs, gone in zip(RATES, loss[arm], diverged[arm], strict=True):
            kept = runs[~gone]
            faint = {"ms": 3.5, "mew": 0, "alpha": 0.5, "color": colours[key]}
            axes[1].plot(np.full(len(kept), rate * side), kept, mark, **faint)
        middle = np.median(np.where(diverged[arm], np.inf, loss[arm]), -1)
        seen = np.isfinite(middle)
        axes[1].plot(RATES[seen] * side, middle[seen], color=colours[key], lw=1.6)
    axes[1].axhline(CHANCE, color=ink, lw=0.7, ls=":")
    axes[1].set(yscale="log", ylabel="loss after training (log scale)", ylim=(None, top))
    axes[0].set(ylabel="networks that diverge (%)", ylim=(-3, 104))
    for ax in axes:
        ax.set(xscale="log", xlabel="learning rate (log scale)")
        ax.set_xticks([0.001, 0.01, 0.1, 1], ["0.001", "0.01", "0.1", "1"])
        ax.minorticks_off()
        ax.set_xlim(RATES[0] / 1.5, RATES[-1] * 1.5)
    first = diverged[0].any(-1).argmax()
    axes[0].text(RATES[first] / 2.1, 50, ARMS[0], color=colours["raw"], ha="right")
    axes[0].text(RATES[-1], 24, ARMS[1], color=colours["standardized"], ha="right", va="bottom")
    axes[1].text(RATES[0], CHANCE * 1.1, "guessing", va="bottom")
    axes[1].text(RATES[1], np.median(loss[0, 1]) * 0.6, ARMS[0], color=colours["raw"], ha="center", va="top")
    axes[1].text(RATES[2], np.median(loss[1, 2]) * 2.6, ARMS[1], color=colours["standardized"])
    many = diverged[0].mean(-1) > 0.5
    axes[1].plot(RATES[many], np.full(many.sum(), top / 1.5), "^", ms=5.5, mew=0, color=colours["raw"])
    axes[1].text(RATES[-1] * 1.3, top / 2, "diverged", color=colours["raw"], ha="right", va="top")
    return fig


def table(result) -> dict:
    return long_table(
        {"gradient": ARMS, "learning_rate": RATES, "network": range(len(result["before"]))},
        diverged=_diverged(result),
        overflowed=result["overflow"],
        loss=result["loss"],
    )


def _best(result, arm: int) -> tuple[float, np.ndarray]:
    """The rate with the lowest median loss, a diverged network counted as the worst, and its losses."""
    loss = np.where(_diverged(result)[arm], np.inf, result["loss"][arm])
    best = int(np.argmin(np.median(loss, -1)))
    return float(RATES[best]), loss[best]


def caption(result) -> str:
    diverged = _diverged(result)
    safe = [RATES[~diverged[arm].any(-1)].max(initial=RATES[0]) for arm in range(2)]
    (plain_rate, plain), (rate, clipped) = _best(result, 0), _best(result, 1)
    slow = np.median(result["loss"][:, 0], -1)
    return (
        f"**Clipping raises the learning rate up to which no network diverges from {safe[0]:g} to "
        f"{safe[1]:g}, and lowers the loss at the best rate from {number(np.median(plain), 2)} to "
        f"{number(np.median(clipped), 2)}.**\n\n"
        f"A network diverges if its loss overflows or ends higher than it "
        f"began; left: of {diverged.shape[-1]} networks a point, with 95 % intervals. Right: the others, and "
        f"lines through their medians. The best: {number(np.median(plain), 2)} "
        f"{between(median_interval(plain), 2)} at rate {plain_rate:g}, unclipped, and "
        f"{number(np.median(clipped), 2)} {between(median_interval(clipped), 2)} at {rate:g}, clipped. At "
        f"small rates clipping only slows: {number(slow[1], 2)} against {number(slow[0], 2)} at "
        f"{RATES[0]:g}. ReLU networks with eight hidden layers of {SIZES[1]}, initial weights {GAIN} times "
        f"as large as by He's rule, on standardized digits; {STEPS} steps of {BATCH} examples; gradients "
        f"clipped to norm {LONGEST:g}."
    )


def alt(result) -> str:
    gone = _diverged(result).mean(-1)
    return (
        "Two panels against the learning rate. Left, the fraction of networks that diverge: "
        f"{', '.join(percent(s) for s in gone[0])} unclipped, {', '.join(percent(s) for s in gone[1])} "
        "clipped. Right, the loss after training: without clipping lower at small rates, with clipping "
        "lowest at a rate at which the others diverge."
    )
