"""One mean for all pixels, one a channel or one a pixel: what does each take away?

Chapter: preprocessing.
"""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments import style
from experiments.trials import generator
from experiments.words import long_table, percent
from unitgain.datasets import digits, image_patches
from unitgain.transforms import Center, Compose

SIZE = 8  # pixels a side
WAYS = {  # of images (n, channels, height, width)
    "nothing": (nn.Identity(),),
    "one value": (Center(None),),
    "one a channel": (Center(1),),
    "one a pixel": (nn.Flatten(), Center()),
}
IMAGES = {"photographs": "Patches of photographs", "digits": "Handwritten digits"}


def compute(*, points=10_000, seed=0, device="cpu"):
    """Shares of the mean square of all pixel values, by what is subtracted: (images, ways).

    `offset` that is left in the pixels' means, and `spread` around them; also `points` of either kind.
    """
    draws = generator(seed)
    drawn = digits(device=device, dtype=torch.float64).x
    drawn = drawn[torch.randperm(len(drawn), generator=draws)[:points].to(device)]
    kinds = (
        image_patches(points, SIZE, generator=draws, device=device, dtype=torch.float64),
        drawn.unflatten(1, (1, SIZE, SIZE)),
    )
    offset, spread = zip(*(_shares(images) for images in kinds), strict=True)
    return {
        "offset": torch.stack(offset),
        "spread": torch.stack(spread),
        "points": torch.tensor([len(images) for images in kinds]),
    }


def _shares(images: Tensor) -> tuple[Tensor, Tensor]:
    left = [Compose(*way).fit(images)(images).flatten(1) for way in WAYS.values()]
    total = images.square().mean()
    offset = torch.stack([x.mean(0).square().mean() for x in left]) / total
    return offset, torch.stack([x.var(0, correction=0).mean() for x in left]) / total


def _share(left: float) -> str:
    """As readers see it."""
    if left < 5e-4:
        return "0" if left < 1e-9 else "under " + percent(1e-3, 1)
    return percent(left, 1)


def draw(result) -> Figure:
    fig, axes = style.figure(7.6, 2.8, ncols=2, tall=5.0, sharey=True)
    colours, rows = style.palette(), -np.arange(len(WAYS))
    for ax, title, offset, spread in zip(
        axes, IMAGES.values(), result["offset"], result["spread"], strict=True
    ):
        ax.barh(rows, spread, 0.62, color=colours["standardized"], alpha=0.45)
        ax.barh(rows, offset, 0.62, left=spread, color="none", hatch="//", edgecolor=colours["raw"], lw=1)
        for row, left in zip(rows, offset, strict=True):
            text = f"offset {_share(left)}"
            ax.text((left + spread[0]) + 0.02, row, text, va="center", color=colours["raw"])
        ax.set(
            title=title,
            xlim=(0, 1.55),
            xticks=(0, 0.5, 1),
            yticks=rows,
            yticklabels=[way.replace(" a ", " per ") for way in WAYS],
        )
        ax.xaxis.set_major_formatter(lambda x, _: percent(x))
        ax.tick_params(axis="y", length=0)
        ax.text(spread[0] / 2, 0, "spread", color=style.ink(), ha="center", va="center")
    axes[0].set_ylabel("subtracted")
    fig.supxlabel("left of the mean square of all pixel values", fontsize=10)
    return fig


def table(result) -> dict:
    axes = {"images": list(IMAGES), "subtracted": list(WAYS)}
    return long_table(axes, offset_left=result["offset"], spread=result["spread"])


def caption(result) -> str:
    photo, digit = result["offset"]
    return (
        f"**Subtracting one number from all pixels leaves an offset of {percent(photo[1], 1)} of the mean "
        f"square on photographs and {percent(digit[1])} on digits, which only one number per pixel "
        "removes.**\n\n"
        "Anything may appear anywhere in a patch of a photograph, so all of its pixels have about the same "
        "mean; the corners of a digit are always empty. The spread is the variance of the pixels, "
        "which no subtraction changes; the offset is the mean square of the pixels' means. "
        f"{result['points'][0]:,} colour patches and {result['points'][1]:,} grey digits of {SIZE} × {SIZE} "
        "pixels."
    )


def alt(result) -> str:
    photo, digit = result["offset"]
    return (
        "Stacked bars of spread and offset left after subtracting nothing, one value, one per channel, one "
        "per pixel. Photographs: offsets of "
        + ", ".join(map(_share, photo))
        + "; digits: "
        + ", ".join(map(_share, digit))
        + "."
    )
