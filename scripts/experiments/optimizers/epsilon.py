"""Does it matter whether ε stands inside or outside the root?  Chapter: optimizers."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, mean_interval, number, percent
from experiments.optimizers._shared.quadratics import walk
from experiments.trials import generator, generators, standardized
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
    "outside": "outside the root,\n10⁻⁸ (PyTorch)",
    "inside": "inside,\n10⁻⁸",
    "keras": "inside,\n10⁻⁷ (Keras)",
}
KEYS = ("standardized", "raw", "raw")
TINY, PLAIN = 1e-6, 1e-2
SETTLE = 200  # steps, after which the running mean of g² is g²
EPOCHS, EXAMPLES = 40, 1000
EDGES = np.linspace(-11, 0, 56)  # powers of ten


def compute(*, points=60, networks=4, seed=0, device="cpu"):
    """Settled steps of RMSprop, in units of its rate, and the gradients that networks have.

    `steps` (conventions, points) at gradients ± `size` (points,); `tiny` and `plain` (conventions, points) at
    sizes around TINY and PLAIN. Before and after training on the digits: `entries` (2, networks, bins), the
    shares of the gradients by size, and `small` (2, networks), of those below 1e-4. Gradients that are 0, as
    at pixels that never change, are left out.
    """
    draw = generator(seed)
    size = 10 ** torch.empty(points, dtype=torch.float64).uniform_(-10, 0, generator=draw)
    near = torch.empty(points, dtype=torch.float64).uniform_(0.9, 1.1, generator=draw)
    gradients = torch.cat([size, TINY * near, PLAIN * near])
    signs = torch.randn(SETTLE, len(gradients), generator=draw, dtype=torch.float64).sign() * gradients
    settled = torch.stack([_settled(signs.to(device), *convention) for convention in CONVENTIONS.values()])
    steps, tiny, plain = settled.split(points, 1)
    return {
        "size": size,
        "steps": steps,
        "tiny": tiny,
        "plain": plain,
        **_gradients(networks, seed, device),
    }


def _settled(gradients, eps, inside):
    """Length of the last step along `gradients` (steps, points), at a rate of 1."""
    rule, queue = partial(RMSprop, lr=1.0, alpha=0.9, eps=eps, eps_inside=inside), iter(gradients)
    path = walk(rule, lambda _: next(queue), torch.zeros_like(gradients[0]), len(gradients))
    *_, before, after = (w.clone() for w in path)
    return (after - before).abs()


def predicted(size, eps, inside):
    return size / np.sqrt(size**2 + eps) if inside else size / (size + eps)


def _gradients(networks, seed, device):
    x, y = (part[:EXAMPLES] for part in digits(device=device))
    x = standardized(x, x)
    model = MLP((64, 32, 10), replicas=networks, generator=generators(seed, networks), device=device)
    optimizer = RMSprop(model.parameters(), lr=0.003)
    entries, small = [], []

    def look(steps):
        if steps in (0, EPOCHS):
            model.zero_grad()
            cross_entropy(model(x), y).sum().backward()
            g = torch.cat([p.grad.flatten(1) for p in model.parameters()], 1).abs().double().cpu()
            g = [row[row > 0] for row in g]
            entries.append([np.histogram(row.log10(), EDGES)[0] / len(row) for row in g])
            small.append([float((row < 1e-4).double().mean()) for row in g])

    train(model, x, y, loss="cross_entropy", optimizer=optimizer, epochs=EPOCHS, callback=look)
    return {"entries": np.array(entries), "small": np.array(small)}


def draw(result) -> Figure:
    fig, (ax, below) = style.figure(7.0, 4.8, nrows=2, sharex=True, height_ratios=(2, 1))
    colours, fine = style.palette(), np.geomspace(1e-10, 1, 300)
    for name, row, key, mark, at in zip(
        CONVENTIONS, result["steps"], KEYS, "os^", ((3.5e-8, 0.3), (1.5e-5, 0.55), (7e-4, 0.33)), strict=True
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
        peak = mean.argmax()
        below.text(middle[peak], mean[peak] * 1.08, text, color=colour, ha="center")
    below.set(
        xscale="log",
        xlim=(1e-10, 1),
        xlabel="size of the gradient (log)",
        ylabel="share of\ngradients",
        yticks=(),
        ylim=(0, 130 * result["entries"].mean(1).max()),
    )
    below.minorticks_off()
    return fig


def table(result) -> dict:
    return {"gradient": result["size"], **dict(zip(CONVENTIONS, result["steps"], strict=True))}


def caption(result) -> str:
    outside, inside, keras = (number(np.median(row), 2) for row in result["tiny"])
    fresh, trained = (percent(np.mean(row), 1) for row in result["small"])
    return (
        f"**At gradients around one millionth, RMSprop steps {outside} learning rates with ε outside the "
        "root "
        f"and {inside} with the same ε inside.** Keras's default, inside and ten times larger, leaves "
        f"{keras}. Dots: settled steps of RMSprop at gradients of constant size and random sign; lines: the "
        f"formulas. Below: the gradients of {result['entries'].shape[1]} networks on the digits. {fresh} "
        f"lie below 10⁻⁴ at first, {trained} after {EPOCHS} steps: ε begins to count as training ends."
    )


def alt(result) -> str:
    outside, inside, keras = (f"{np.median(row):.3f}" for row in result["tiny"])
    return (
        "Step size against the gradient's size, on a logarithmic axis: three curves from 0 to 1. At a "
        f"gradient of one millionth they stand at {outside} for an epsilon outside the root, {inside} "
        f"inside, and {keras} for Keras. Below, two humps: the gradients of fresh networks, and smaller ones "
        "of trained."
    )


def claims(result) -> Iterator[Claim]:
    ratio = result["tiny"][0] / result["tiny"][1]
    plain = result["plain"][0] / result["plain"][1]
    trained = mean_interval(result["small"][1])
    yield Claim.of_mean(
        ratio,
        id="eps-inside",
        statement="The ε of RMSprop and Adam stands under the root, beside the mean of the squared gradients",
        sources=("Tuning neural networks with normalization, Optimizers",),
        verdict="depends",
        measure="step with ε = 10⁻⁸ outside the root by the step with it inside, at gradients near 10⁻⁶",
        holds=mean_interval(ratio)[0] > 50 and abs(plain - 1).max() < 1e-3 and trained[0] > 0.05,
        finding=(
            f"It stands there in Keras's RMSprop; PyTorch and Adam's paper add it outside. At gradients near "
            f"10⁻² the two differ by {percent(abs(plain - 1).max(), 3)}. Near 10⁻⁶ the step is "
            f"{number(np.median(result['tiny'][0]), 2)} learning rates outside and "
            f"{number(np.median(result['tiny'][1]), 2)} inside: under the root, ε acts on gradients below "
            f"√ε. In networks trained on the digits {percent(result['small'][1].mean())} of the gradients "
            "lie below that."
        ),
    )
