"""What does a test score say if noisy copies of one image lie on both sides of the split?

Chapter: pitfalls.
"""

import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.pitfalls._shared.intervals import means
from experiments.pitfalls._shared.leaks import nearest, picks, shares
from experiments.trials import generator
from experiments.words import long_table, percent
from unitgain.datasets import digits

COPIES = (1, 2, 3, 5, 10)
IMAGES, FRESH = 100, 200
TEST = 0.2
NOISE = 2.0  # standard deviation, of pixels from 0 to 16
LABELS = ("Labels as they are", "Labels drawn at random")


def compute(*, tables=120, seed=0, device="cpu"):
    """Scores of the nearest neighbour, `reported` and on `fresh` images: (labels, copies, sets of images).

    And `split_first`, likewise: reported where only the training images are copied.
    """
    draw, found = generator(seed), {"reported": [], "fresh": [], "split_first": []}
    images, classes = digits(device=device)
    rows = picks(tables, IMAGES + FRESH, len(images), draw, device)
    guesses = torch.randint(10, rows.shape, generator=draw).to(device)
    each, last = torch.arange(IMAGES + FRESH, device=device).expand_as(rows).split([IMAGES, FRESH], 1)

    def right(train, test):
        """Which test images, positions (tables, m) among `rows`, are named rightly: (labels, tables, m)."""
        at, n = torch.cat([train, test], 1), train.shape[1]
        noise = NOISE * torch.randn(*at.shape, images.shape[1], generator=draw)
        x = noise.to(device).add_(images[rows.gather(1, at)])
        neighbour = nearest(x[:, :n], x[:, n:])
        named = [labels.gather(1, at) for labels in (classes[rows], guesses)]
        return torch.stack([y.gather(1, neighbour) == y[:, n:] for y in named])

    for copies in COPIES:
        order = picks(tables, IMAGES * copies, IMAGES * copies, draw, device) // copies
        test = round(TEST * order.shape[1])
        scores = shares(right(order[:, test:], torch.cat([order[:, :test], last], 1)), test)
        found["reported"].append(scores[:, 0])
        found["fresh"].append(scores[:, 1])
        first = round(TEST * IMAGES)
        apart = right(each[:, first:].repeat(1, copies), each[:, :first])
        found["split_first"].append(apart.float().mean(-1))
    return {key: torch.stack(scores, 1) for key, scores in found.items()}


def _predicted(copies: float) -> float:
    """Score on random labels if a copy of the same image, where there is one, is always the nearest."""
    rows = IMAGES * copies
    alone = 1.0
    for k in range(1, copies):
        alone *= (TEST * rows - k) / (rows - k)  # all other copies lie in the test part too
    return 1 - 0.9 * alone


def draw(result) -> Figure:
    fig, axes = style.figure(7.0, 3.6, ncols=2, sharex=True, sharey=True)
    colours, ink = style.palette(), style.ink()
    for ax, title, *scores in zip(axes, LABELS, result["reported"], result["fresh"], strict=True):
        for values, key in zip(scores, ("raw", "standardized"), strict=True):
            middle, *ends = 100 * means(values)
            ax.vlines(COPIES, *ends, color=colours[key], lw=1.3)
            line = "" if ax is axes[1] and key == "raw" else "-"
            ax.plot(COPIES, middle, f"o{line}", ms=5, lw=1.2, color=colours[key])
        ax.set(
            title=title,
            xlabel="copies of each image",
            xticks=(1, 2, 3, 5, 10),
            ylim=(0, 116),
            yticks=range(0, 101, 20),
        )
    left, right = axes
    many = range(COPIES[0], COPIES[-1] + 1)
    right.plot(many, [100 * _predicted(k) for k in many], color=ink, lw=0.9)
    left.set_ylabel("recognized images (%)")
    left.text(10, 103, "reported", color=colours["raw"], ha="right", va="bottom")
    left.text(10, 84, "on fresh images", color=colours["standardized"], ha="right", va="top")
    right.text(10, 103, "reported (line: predicted)", color=colours["raw"], ha="right", va="bottom")
    right.text(10, 13, "on fresh images", color=colours["standardized"], ha="right", va="bottom")
    return fig


def table(result) -> dict:
    reported, low, high = means(result["reported"])
    others = {key: result[key].mean(-1) for key in ("fresh", "split_first")}
    return long_table({"labels": LABELS, "copies": COPIES}, reported=reported, low=low, high=high, **others)


def caption(result) -> str:
    (right, noise), (fresh, chance), (honest, _) = (
        result[key][:, 2].mean(-1) for key in ("reported", "fresh", "split_first")
    )
    return (
        f"**With {COPIES[2]} noisy copies of each image, made before the split, the test reports "
        f"{percent(right, 1)} where fresh images give {percent(fresh, 1)}; on labels drawn at random it "
        f"still reports {percent(noise)}, where fresh images give {percent(chance)}.**\n\n"
        f"Split first, copy the "
        f"training part, and on true labels the test reports {percent(honest, 1)}. {IMAGES} digits, noise of "
        f"standard deviation {NOISE:g} on pixels from 0 to 16, nearest neighbour, a fifth for the test; "
        f"{result['fresh'].shape[-1]} draws, 95 % intervals. The line supposes that another copy of the same "
        "image is always nearest."
    )


def alt(result) -> str:
    found, fresh = (
        [", ".join(percent(v) for v in rows.mean(-1)) for rows in result[key]]
        for key in ("reported", "fresh")
    )
    return (
        f"Two plots of scores against copies of each image, {', '.join(map(str, COPIES))}. True labels: "
        f"{found[0]} reported, {fresh[0]} on fresh images. Random labels: {found[1]} reported, {fresh[1]} on "
        "fresh images."
    )
