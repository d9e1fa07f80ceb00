"""Does it matter whether ε stands inside or outside the root?  Chapter: optimizers."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.optimizers._shared.quadratics import walk
from experiments.trials import generator, generators, standardized
from experiments.words import number, percent
from unitgain.datasets import digits
from unitgain.models import MLP
from unitgain.optimizers import RMSprop
from unitgain.training import cross_entropy, train

CONVENTIONS = {  # (ε, inside the root?)
    "outside": (1e-8, False),
    "inside": (1e-8, True),
    "keras": (1e-7, True),
}
NAMES = {
    "outside": "outside the\nroot, 10⁻⁸\n(PyTorch)",
    "inside": "inside,\n10⁻⁸",
    "keras": "inside,\n10⁻⁷ (Keras)",
}
KEYS = ("standardized", "raw", "raw")
TINY, PLAIN = 1e-6, 1e-2
SETTLE = 200  # steps, after which the running mean of g² is g²
EPOCHS, EXAMPLES = 160, 1000
RATE, DECAY = 0.003, 0.99
DRAWN = 40  # steps of training
EPSILONS, LOOKS = (1e-9, 1e-8, 3.2e-8, 7.1e-8, 1e-7, 1e-6), (1, 5, 40, 160)  # the map
OTHER, FEW = 1.1, 0.1  # another step: by more than that factor; of the weights
EDGES = np.linspace(-11, 0, 56)  # powers of ten


def compute(*, points=60, networks=12, seed=0, device="cpu"):
    """Settled steps of RMSprop, in units of its rate, and networks that it trains.

    `steps` (conventions, points) at gradients ± `size` (points,); `tiny` and `plain` (conventions,) at TINY
    and PLAIN. Before and after DRAWN steps on the digits: `entries` (2, networks, bins), the shares of the
    gradients by size, and `small` (2, networks), of those below 1e-4. `other` (EPSILONS, LOOKS, networks):
    after so many steps, the share of the weights whose step with ε outside the root is more than OTHER times
    that with the same ε inside. Weights whose gradient is always 0 are left out.
    """
    draw = generator(seed)
    size = 10 ** torch.empty(points, dtype=torch.float64).uniform_(-10, 0, generator=draw)
    gradients = torch.cat([size, size.new_tensor([TINY, PLAIN])])
    signs = torch.randn(SETTLE, len(gradients), generator=draw, dtype=torch.float64).sign() * gradients
    settled = torch.stack([_settled(signs.to(device), *convention) for convention in CONVENTIONS.values()])
    return {
        "size": size,
        "steps": settled[:, :points],
        "tiny": settled[:, -2],
        "plain": settled[:, -1],
        **_training(networks, seed, device),
    }


def _settled(gradients, eps, inside):
    """Length of the last step along `gradients` (steps, points), at a rate of 1."""
    rule, queue = partial(RMSprop, lr=1.0, alpha=0.9, eps=eps, eps_inside=inside), iter(gradients)
    path = walk(rule, lambda _: next(queue), torch.zeros_like(gradients[0]), len(gradients))
    *_, before, after = (w.clone() for w in path)
    return (after - before).abs()


def predicted(size, eps, inside):
    return size / np.sqrt(size**2 + eps) if inside else size / (size + eps)


def _training(networks, seed, device):
    x, y = (part[:EXAMPLES] for part in digits(device=device))
    x = standardized(x, x)
    model = MLP((64, 32, 10), replicas=networks, generator=generators(seed, networks), device=device)
    optimizer = RMSprop(model.parameters(), lr=RATE, alpha=DECAY)
    entries, small, other = [], [], {}
    drawn, looks = min(DRAWN, EPOCHS), [min(look, EPOCHS) for look in LOOKS]
    eps = torch.tensor(EPSILONS, dtype=torch.float64, device=x.device)[:, None]

    def look(steps):
        if steps in (0, drawn):
            model.zero_grad()
            cross_entropy(model(x), y).sum().backward()
            g = torch.cat([p.grad.flatten(1) for p in model.parameters()], 1).abs().double().cpu()
            g = [row[row > 0] for row in g]
            entries.append([np.histogram(row.log10(), EDGES)[0] / len(row) for row in g])
            small.append([float((row < 1e-4).double().mean()) for row in g])
        if steps in looks:
            states = [optimizer.state[p]["square_avg"].flatten(1) for p in model.parameters()]
            s = torch.cat(states, 1).double()
            apart = [(row + eps).sqrt() / (row.sqrt() + eps) > OTHER for row in (row[row > 0] for row in s)]
            other[steps] = torch.stack([one.double().mean(-1) for one in apart], -1)

    train(model, x, y, loss="cross_entropy", optimizer=optimizer, epochs=EPOCHS, callback=look)
    shares = torch.stack([other[look] for look in looks], 1)
    return {"entries": np.array(entries), "small": np.array(small), "other": shares}


def draw(result) -> Figure:
    fig, (ax, below) = style.figure(7.4, 4.6, nrows=2, tall=5, sharex=True, height_ratios=(2, 1))
    colours, fine = style.palette(), np.geomspace(1e-10, 1, 300)
    for name, row, key, mark, at in zip(
        CONVENTIONS, result["steps"], KEYS, "os^", ((4.5e-8, 0.25), (1.5e-5, 0.55), (7e-4, 0.33)), strict=True
    ):
        ax.plot(fine, predicted(fine, *CONVENTIONS[name]), color=style.ink(), lw=1)
        ax.plot(result["size"], row, mark, color=colours[key], ms=4.5, mew=0)
        side = "right" if name == "inside" else "left"
        ax.text(*at, NAMES[name], color=colours[key], ha=side)
    ax.set(ylabel="step, in learning rates", ylim=(-0.04, 1.08), yticks=(0, 0.5, 1))
    middle = 10 ** ((EDGES[1:] + EDGES[:-1]) / 2)
    for rows, colour, text in zip(
        result["entries"], (style.GRID, style.ink()), ("fresh", "trained"), strict=True
    ):
        for row in rows:
            below.plot(middle, 100 * row, color=colour, lw=0.8)
        mean = 100 * rows.mean(0)
        below.fill_between(middle, mean, color=colour, alpha=0.25, lw=0)
        top = 104 * rows.max()  # above all networks' lines
        below.text(middle[mean.argmax()], top, text, color=style.ink(), ha="center", va="bottom")
    below.set(
        xscale="log",
        xlim=(1e-10, 1),
        xlabel="size of the gradient (log)",
        xticks=(1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1),
        ylabel="fraction of\nthe gradients",
        yticks=(),
        ylim=(0, 130 * result["entries"].max()),
    )
    below.minorticks_off()
    return fig


def table(result) -> dict:
    return {"gradient": result["size"], **dict(zip(CONVENTIONS, result["steps"], strict=True))}


def _other(result, eps: float, steps: int) -> np.ndarray:
    """Shares of the weights whose step is another, (networks,)."""
    return result["other"][EPSILONS.index(eps), LOOKS.index(steps)]


def caption(result) -> str:
    outside, inside, keras = (number(value, 3) for value in result["tiny"])
    fresh, trained = (percent(np.mean(row), 1) for row in result["small"])
    return (
        f"**At gradients of one millionth, RMSprop steps {outside} learning rates with ε outside the root "
        f"and {inside} with the same ε inside.**\n\nKeras's default, inside and ten times larger, leaves "
        f"{keras}. Marks: steps of RMSprop once its running mean has settled, at gradients of constant size "
        f"and random sign; lines: the formulas. Below: the gradients of {result['entries'].shape[1]} "
        f"networks on the digits. {fresh} of them lie below 10⁻⁴ at first, {trained} after {DRAWN} steps. "
        "But S remembers the larger gradients before: then the place of ε = 10⁻⁸ changes the steps of only "
        f"{percent(_other(result, 1e-8, DRAWN).mean(), 1)} of the weights by more than a tenth."
    )


def alt(result) -> str:
    outside, inside, keras = (number(value, 3) for value in result["tiny"])
    return (
        "Step size against the gradient's size, on a logarithmic axis: three curves from 0 to 1. At a "
        f"gradient of one millionth they stand at {outside} for an epsilon outside the root, {inside} "
        f"inside, and {keras} for Keras. Below, two humps: the gradients of fresh networks, and smaller ones "
        "of trained."
    )


def claims(result) -> Iterator[Claim]:
    off = max(
        np.abs(row / predicted(result["size"], *convention) - 1).max()
        for row, convention in zip(result["steps"], CONVENTIONS.values(), strict=True)
    )
    share = {eps: percent(_other(result, eps, DRAWN).mean(), 1) for eps in (1e-8, 1e-7)}
    plain = result["plain"][0] / result["plain"][1] - 1
    outside, inside, _ = (number(value, 3) for value in result["tiny"])
    units = (
        "networks, each with its own initial weights; all on the same "
        f"{EXAMPLES:,} digits in one batch; RMSprop with decay {DECAY}, learning rate {RATE}"
    )
    yield Claim.of_mean(
        _other(result, 1e-8, DRAWN),
        id="eps-inside",
        statement="The ε of RMSprop and Adam may stand under the root, beside the mean of the squared "
        "gradients",
        sources=("tuning-lesson, optimizers",),
        verdict="depends",
        measure=f"fraction of the weights whose step of RMSprop is more than {percent(OTHER - 1)} longer "
        f"with ε = 10⁻⁸ outside the root than with it inside, after {DRAWN} steps, mean over networks",
        units=units,
        map=Map.of_means(
            result["other"],
            axes={"ε": EPSILONS, "after": [f"{look} step{'s' * (look > 1)}" for look in LOOKS]},
            below=FEW,
            measure=f"fraction of the weights whose step is {percent(OTHER - 1)} longer or more with ε "
            "outside",
            units=units,
        ),
        holds=off < 1e-3 and abs(plain) < 1e-3 and result["tiny"][0] > 50 * result["tiny"][1],
        finding="It depends on how small ε and the gradients are. A constant gradient of 10⁻² gets the "
        f"same step, to {percent(plain, 3)}; one of 10⁻⁶ a step of {outside} learning rates "
        f"with ε = 10⁻⁸ outside and {inside} inside. In networks trained on the digits in one batch its "
        f"place matters "
        f"to {share[1e-8]} of the weights after {DRAWN} steps, with 10⁻⁷ to {share[1e-7]}; in RMSprop's "
        f"first step, when S is small, to {percent(_other(result, 1e-8, 1).mean())} and "
        f"{percent(_other(result, 1e-7, 1).mean())}. Keras's RMSprop has its 10⁻⁷ inside, PyTorch and "
        "Adam's paper have ε outside.",
    )
