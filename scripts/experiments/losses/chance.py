"""What is the loss of a classifier that has learned nothing yet?  Chapter: losses."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import generator, generators, mlps, standardized
from experiments.words import number, signed
from unitgain.datasets import Examples, digits
from unitgain.initializers import lecun_uniform_
from unitgain.models import MLP
from unitgain.training import cross_entropy

CLASSES = 10
SCALES = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)  # standard deviation of every weight
RULES = ("torch", "glorot_uniform", "he_normal")

GAINS = (
    0.1,
    0.3,
    0.58,
    1.0,
    1.5,
    3.0,
)  # the map: standard deviation of a weight × √inputs; PyTorch's is 1 / √3
MANY, SHARE = 100, 0.1  # classes; of the rarer one
ROWS = (
    "2 classes",
    f"{CLASSES} classes",
    f"{MANY} classes",
    f"{CLASSES} classes, inputs not normalized",
    "2 classes, 10 and 90 %",
    "the same, last biases ln p",
)
EXAMPLES = 300
NEAR = 0.1  # nats


def _mapped(networks: int, seed: int, device) -> torch.Tensor:
    """The first loss less ln C (gains, rows, networks); labels beyond the digits' own are random."""
    pixels, y = digits(device=device)
    x = standardized(pixels, pixels)
    keep = torch.randperm(len(y), generator=generator(seed, "split"))[:EXAMPLES].to(device)
    draw, count = generator(seed, "data"), len(keep)
    many = torch.randint(MANY, (count,), generator=draw).to(device)
    common = (torch.arange(count, device=device) % round(1 / SHARE) > 0).long()
    odds = torch.tensor([SHARE, 1 - SHARE], device=device).log()
    low, own = (y[keep] > 4).long(), y[keep]
    rows = [
        (Examples(x[keep], low), 2, 0.0),
        (Examples(x[keep], own), CLASSES, 0.0),
        (Examples(x[keep], many), MANY, 0.0),
        (Examples(pixels[keep], own), CLASSES, 0.0),
        (Examples(x[keep], common), 2, 0.0),
        (Examples(x[keep], common), 2, odds),
    ]
    found = []
    for examples, classes, bias in rows:
        model = mlps((64, 32, classes), networks, weight="lecun_normal", seed=seed, device=device)
        with torch.no_grad():
            z = model(examples.x)
        found.append([cross_entropy(gain**2 * z + bias, examples.y) - math.log(classes) for gain in GAINS])
    return torch.stack([torch.stack(row) for row in found], dim=1)


def compute(*, networks=200, mapped=100, seed=0, device="cpu"):
    """Loss on scikit-learn's digits and mean variance of an example's logits, of fresh 64-32-10 networks.

    `loss` and `variance` (scales, networks) for weights N(0, scale²); `by_rule` (rules, networks) for
    PyTorch's own weights, Glorot's and He's. For the map the first loss less ln C, `above` (gains, rows,
    networks).
    """
    x, y = digits(device=device)
    x = standardized(x, x)

    @torch.no_grad()
    def logits(weight):
        draws = generators(seed, networks)
        model = MLP((64, 32, CLASSES), weight=weight, replicas=(networks,), generator=draws, device=device)
        return model(x)

    def torch_uniform(tensor, *, generator=None):
        """How nn.Linear draws its weights, U(±1/√fan_in): a third of LeCun's variance."""
        return lecun_uniform_(tensor, generator=generator).div_(3**0.5)

    z, gains = logits("normal"), [scale**2 for scale in SCALES]  # two layers, a ReLU and no biases
    variance = z.var(-1, correction=0).mean(-1)
    rules = [cross_entropy(logits(rule), y) for rule in (torch_uniform, *RULES[1:])]
    return {
        "loss": torch.stack([cross_entropy(gain * z, y) for gain in gains]),
        "variance": torch.stack([gain**2 * variance for gain in gains]),
        "by_rule": torch.stack(rules),
        "above": _mapped(mapped, seed, device),
    }


def draw(result) -> Figure:
    fig, ax = style.figure(6.8, 3.9, tall=4.0)
    colours = style.palette()
    variance = np.geomspace(1e-4, 110, 200)
    ax.plot(variance, np.log(CLASSES) + variance / 2, color=style.ink(), lw=1)
    for scale, v, loss in zip(SCALES, result["variance"], result["loss"], strict=True):
        ax.plot(
            v[::4],
            loss[::4],
            "o",
            ms=3,
            mew=0,
            alpha=0.4,
            color=colours["raw" if scale > 0.3 else "standardized"],
        )
        if scale > 0.3:
            ax.text(v.max() * 1.25, np.median(loss), f"{scale:g}", va="center")
        else:  # the line runs to the right of these
            ax.text(np.median(v), loss.max() * 1.08, f"{scale:g}", va="bottom", ha="center")
    ax.text(2e-3, 1.9, "ln 10", va="top")
    ax.text(14, 16, "ln 10 + variance / 2", ha="right")
    ax.text(1.2e-3, 3.2, "standard deviation\nof the weights:", va="bottom")
    ax.set(
        xscale="log",
        yscale="log",
        xlim=(1e-3, 4000),
        ylim=(1.5, 100),
        xlabel="variance of an example's logits (log)",
        ylabel="loss before training (log)",
        yticks=(2, 5, 10, 20, 50, 100),
        yticklabels=("2", "5", "10", "20", "50", "100"),
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    scale = np.repeat(SCALES, result["loss"].shape[1])
    return {"weight_sd": scale, "logit_variance": result["variance"].ravel(), "loss": result["loss"].ravel()}


def caption(result) -> str:
    loss = result["loss"].mean(1)
    return (
        f"**With weights of standard deviation {SCALES[1]:g} a fresh network's loss is {loss[1]:.2f}, about "
        f"that of guessing (ln 10 = {np.log(CLASSES):.2f}); with standard deviation {SCALES[-1]:g} it is "
        f"{number(loss[-1], 2)}: confident and wrong.**\n\nLine: predicted for small variances, too high for "
        "large ones. Each dot is one 64-32-10 ReLU network on scikit-learn's digits, standardized; "
        f"{result['loss'].shape[1]} for each standard deviation, a quarter of them drawn."
    )


def alt(result) -> str:
    return (
        "Loss before training against the variance of the logits, both log. It stays at ln 10 until the "
        "variance nears 1, then rises along ln 10 plus half the variance, to "
        f"{number(result['loss'][-1].mean(), 2)} for weights of standard deviation 1, below the line."
    )


def claims(result) -> Iterator[Claim]:
    start = dict(zip(RULES, result["by_rule"], strict=True))
    chance, loss = np.log(CLASSES), start["torch"]
    wild = result["loss"][-1]
    above = result["above"]
    unscaled = above[GAINS.index(0.58), 3].mean()
    entropy = -(SHARE * np.log(SHARE) + (1 - SHARE) * np.log(1 - SHARE))
    yield Claim.of_mean(
        loss,
        id="chance-loss",
        statement="The loss of a fresh classifier of C classes is ln C",
        sources=("cs231n-3, sanity checks",),
        verdict="depends",
        measure=(
            "mean loss on the ten digits of networks with PyTorch's weights, before training; ln 10 = 2.303"
        ),
        units="networks, each with its own weights, all on the same digits",
        map=Map.of_means(
            above,
            axes={"gain of the weights: standard deviation × √inputs": GAINS, "data": ROWS},
            above=-NEAR,
            below=NEAR,
            measure="first loss less ln C, in nats",
            units="networks 64-32-C, each with its own weights, all on the same images",
        ),
        holds=mean_interval(wild)[0] > 2 * chance and abs(np.log(2) + above[0, -1].mean() - entropy) < 0.05,
        finding=(
            f"It holds for small logits, with 2, {CLASSES} or {MANY} classes, equally frequent or not; "
            "PyTorch's own weights have the gain 1/√3. Larger weights break it: on the ten digits Glorot's "
            f"give {start['glorot_uniform'].mean():.2f}, He's {start['he_normal'].mean():.2f}, N(0, 1) "
            f"{number(wild.mean(), 3)}. So do inputs that are not normalized: {signed(unscaled, 2)} nats "
            "with PyTorch's gain. With output biases ln p a network starts at the entropy of the class "
            f"frequencies instead: {np.log(2) + above[0, -1].mean():.2f} for classes of 10 and 90 %."
        ),
    )
