"""What do principal components and whitening look like on natural images?  Chapter: preprocessing."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.preprocessing._shared.mosaic import coloured, mosaic, show
from experiments.trials import generator
from experiments.words import number, percent
from unitgain.datasets import image_patches
from unitgain.transforms import PCA

SIZE = 16  # pixels a side
KEPT = 64  # components
SHOWN = 36  # patches
PICTURED = (1, 2, 3, 4, 8, 16, 32, 48, 64)  # components
REACH = 2.5  # standard deviations that a colour shows, whitened


def compute(*, rows=5000, seed=0, device="cpu"):
    """`originals`, `components`, `reconstructions`, `whitened` (images, 3, SIZE, SIZE).

    Shown are the first of the patches whose contrast is above the median. Whitened: the kept directions, each
    scaled to variance 1 and turned back. `share` of the variance: of each kept direction; `after`: the same,
    whitened.
    """
    x = image_patches(rows, SIZE, generator=generator(seed), device=device).flatten(1)
    contrast = x.unflatten(1, (3, -1)).mean(1).std(1)  # of the brightness
    shown = x[contrast > contrast.median()][:SHOWN]
    pca = PCA(KEPT, whiten=True).fit(x)
    scores = pca(shown)
    images = {
        "originals": shown,
        "components": pca.components_,
        "reconstructions": pca.inverse_transform(scores),
        "whitened": scores.double() @ pca.components_,
    }
    variances = pca(x).var(0)
    return {
        **{name: one.unflatten(1, (3, SIZE, SIZE)) for name, one in images.items()},
        "share": pca.explained_variance_ratio_,
        "after": variances / variances.sum(),
        "rows": torch.tensor(rows),
    }


def draw(result) -> Figure:
    fig, axes = style.figure(8.2, 2.3, ncols=4, tall=4.2)
    contrast = result["originals"].mean(1).std((1, 2))
    some = np.sort(contrast.argsort()[::-1][: len(PICTURED)])
    components = result["components"][np.array(PICTURED) - 1]
    largest = abs(components).max(axis=(1, 2, 3), keepdims=True)
    pictures = {
        f"Patches: {3 * SIZE**2} numbers": result["originals"][some] / 255,
        f"Some of {KEPT} components": 0.5 + 0.5 * components / largest,
        f"Rebuilt from {KEPT} numbers": result["reconstructions"][some] / 255,
        "The same, whitened": 0.5 + 0.5 * result["whitened"][some] / (REACH * result["whitened"].std()),
    }
    for ax, (title, images) in zip(axes, pictures.items(), strict=True):
        show(ax, mosaic(coloured(images), 3))
        ax.set_title(title)
    return fig


def table(result) -> dict:
    return {
        "component": range(1, KEPT + 1),
        "share_of_variance": result["share"],
        "share_whitened": result["after"],
    }


def caption(result) -> str:
    share, after = result["share"], result["after"]
    return (
        f"**Natural patches keep {percent(share.sum(), 1)} of their variance in {KEPT} numbers instead of "
        f"{3 * SIZE**2}. Whitening makes brightness fade and edges stand out.**\n\n"
        f"The first component, the brightness, has {percent(share[0])} of the variance, the last one "
        f"{percent(share[-1], 2)}. Whitened, each of them has {percent(after[0], 1)}. There are "
        f"{int(result['rows']):,} patches of {SIZE} × {SIZE} pixels in three colours, from photographs by "
        "danielbuechele and vultilion (CC BY 2.0, cut). Shown are components "
        f"{', '.join(map(str, PICTURED))} and patches of high contrast."
    )


def alt(result) -> str:
    return (
        "Four squares of small colour images: patches of photographs; their principal "
        "components, first plain colours, then ever finer stripes; the patches rebuilt from "
        f"{KEPT} components, a little blurred, with {number(100 * result['share'].sum(), 3)} percent of the "
        "variance; and the whitened patches, grey with coloured edges."
    )
