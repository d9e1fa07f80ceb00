"""Does the variance of the weights decide what a deep network keeps, as the derivation says?

Chapter: initialization.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from experiments import style
from experiments.evidence import Claim, Map
from experiments.initialization._shared.rms import rms
from experiments.trials import generator
from experiments.words import number, percent
from unitgain.activations import activation
from unitgain.initializers import he_normal_, lecun_normal_, normal_
from unitgain.theory import gradient_factor, signal_factor

WIDTH, DEPTH = 256, 20
CASES = {  # function, rule, its variance times n
    "linear, 1/n": ("identity", lecun_normal_, 1.0),
    "ReLU, 2/n": ("relu", he_normal_, 2.0),
    "ReLU, 1/n": ("relu", lecun_normal_, 1.0),
}
CHANNELS = (64, 64, 128, 128, 256, 256, 512, 512, 512, 512)  # He's ten convolutions, with 3 × 3 kernels
KERNEL, SIDE = 3, 4
SMALL = 0.01
OFFSETS, INPUTS = (
    (0.0, 0.1, 0.3, 0.6, 1.0, 3.0),
    (4, 40, 400),
)  # of the map of 1/n: means in standard deviations
UNITS, ROWS = 256, 50  # of each network there
KEPT = 0.8, 1.25  # of a variance, that counts as kept
DEPTHS, WIDTHS = (3, 6, 12, 25, 50, 100), (8, 16, 32, 64, 128, 256)  # of the map of 2/n
HALF = 0.5


def compute(*, networks=60, mapped=800, seed=0, device="cpu"):
    """Root mean squares over the units: `signal` (cases, layers, networks) of fully connected layers, over
    the first; and of the `gradient` on its way through He's convolutions, (2, networks, 10), with weights
    0.01 · randn and with his.

    Of layers with variance 1/n, the `variance` of a unit's weighted sum for inputs of variance 1 (OFFSETS,
    INPUTS, networks); and of ReLU networks with 2/n, how much of the signal is `left` (DEPTHS, WIDTHS,
    mapped).
    """
    draw = generator(seed)
    signal, w = [], torch.empty(networks, WIDTH, WIDTH)
    for name, rule, _ in CASES.values():
        f = activation(name)
        z = normal_(torch.empty(networks, WIDTH, 1), generator=draw).to(device)
        sizes = [z.square().mean((-2, -1)).sqrt()]
        for _ in range(DEPTH):
            z = rule(w, generator=draw).to(device) @ f(z)
            sizes.append(z.square().mean((-2, -1)).sqrt())
        signal.append(torch.stack(sizes) / sizes[0])
    fans = torch.tensor(CHANNELS) * KERNEL**2
    stds = torch.stack([torch.full(fans.shape, SMALL), (2 / fans).sqrt()])
    gradient = [_gradients(stds, draw, device) for _ in range(max(2, networks // 10))]
    return {
        "signal": torch.stack(signal),
        "gradient": torch.stack(gradient, 1),
        "variance": torch.stack([_variances(n, networks, draw, device) for n in INPUTS], 1),
        "left": torch.stack([_left(width, mapped, draw, device) for width in WIDTHS], 1),
    }


def _variances(inputs: int, networks: int, draw, device) -> Tensor:
    """Mean squares of weighted sums, weights of variance 1/n and mean 0: (OFFSETS, networks)."""
    x = normal_(torch.empty(networks, inputs, ROWS), generator=draw).to(device)
    w = lecun_normal_(torch.empty(networks, UNITS, inputs), generator=draw).to(device)
    return torch.stack([(w @ (x + offset)).square().mean((1, 2)) for offset in OFFSETS])


def _left(width: int, networks: int, draw, device) -> Tensor:
    """Sizes of ReLU layers' pre-activations, 1 at the start, with weights of variance 2/n (DEPTHS, networks).

    W h is drawn from its distribution, given h: its components are independent and normal.
    """
    z, found = normal_(torch.empty(networks, width), generator=draw).to(device), []
    start = z.norm(dim=-1)
    for depth in range(1, DEPTHS[-1] + 1):
        spread = (2 / width) ** 0.5 * z.relu().norm(dim=-1, keepdim=True)
        z = spread * normal_(torch.empty(networks, width), generator=draw).to(device)
        if depth in DEPTHS:
            found.append(z.norm(dim=-1) / start)
    return torch.stack(found)


def _gradients(stds: Tensor, draw, device) -> Tensor:
    """Sizes of the gradient that convolutions 2, …, 10 return, and last that which the tenth receives.

    Weights N(0, std²), with the same draws for each row of `stds` (…, 10), no biases; no pooling, and small
    images that wrap around, so that every number reaches as many outputs as He's equation 14 counts.
    """
    first, last = (normal_(torch.empty(1, c, SIDE, SIDE), generator=draw) for c in (3, CHANNELS[-1]))
    shapes = [(after, before, KERNEL, KERNEL) for before, after in pairwise((3, *CHANNELS))]
    weights = [normal_(torch.empty(shape), generator=draw).to(device) for shape in shapes]
    sizes = []
    for row in stds.tolist():
        x, seen = first.to(device), []
        for w, std in zip(weights, row, strict=True):
            x = (std * functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="circular"), w)).relu()
            seen.append(x.requires_grad_())
        gradients = torch.autograd.grad((x * last.to(device)).sum(), seen)
        sizes.append(torch.stack([g.double().square().mean().sqrt() for g in gradients]))
    return torch.stack(sizes)


def _layers() -> np.ndarray:
    """The predicted factor a layer of each case."""
    factors = [signal_factor(activation(f), gain / WIDTH, WIDTH) for f, _, gain in CASES.values()]
    return torch.stack(factors).numpy()


def _convolutions() -> np.ndarray:
    """The predicted size of the gradient that convolutions 2 to 10 return, and that which arrives: 1."""
    fan_out = torch.tensor(CHANNELS[1:]) * KERNEL**2
    factors = gradient_factor(torch.relu, SMALL**2, fan_out, fan_out, q=1.0)
    return np.append(factors.flip(0).cumprod(0).flip(0).numpy(), 1)


def _factor(result, case: int) -> np.ndarray:
    """The factor a layer, by the root mean square over the networks of the product of all; interval."""
    return rms(result["signal"][case, -1], DEPTH)


def draw(result) -> Figure:
    fig, (left, right) = style.figure(8.2, 3.8, ncols=2)
    ink, key = style.ink(), style.palette()["standardized"]
    layers = np.arange(DEPTH + 1)
    for i, factor in enumerate(_layers()):
        left.plot(layers, factor**layers, color=ink, lw=0.8)
        at = layers[i % 2 :: 2]  # the first two lines are one
        _dots(left, at, result["signal"][i, at], hollow=i == 1)
    left.text(0, 2.2, "● linear, 1/n   ○ ReLU, 2/n", color=key, va="center")
    left.text(11, 0.06, "ReLU, 1/n", color=key, va="center")
    left.set(
        title="Signal through 20 layers",
        xlabel="layers passed",
        ylabel="size, 1 at the start (log)",
        xticks=range(0, DEPTH + 1, 5),
    )
    shown = np.arange(2, len(CHANNELS) + 2)
    for rows, line, hollow in zip(
        result["gradient"], (_convolutions(), np.ones(len(shown))), (False, True), strict=True
    ):
        right.plot(shown, line, color=ink, lw=0.8)
        _dots(right, shown, rows.T, hollow=hollow)
    right.text(2, 2.6, "○ He's weights", color=key, va="center")
    right.text(4.4, 4e-4, "● 0.01 · randn", color=key, va="center")
    right.set(
        title="Gradient through He's ten convolutions",
        xlabel="convolution (read from the right)",
        ylabel="size, 1 at the end (log)",
        xticks=shown,
        xticklabels=[*map(str, shown[:-1]), "end"],
    )
    for ax in (left, right):
        ax.set(yscale="log", ylim=(2e-5, 8), yticks=10.0 ** np.arange(-4, 1))
        ax.minorticks_off()
    return fig


def _dots(ax: Axes, x: np.ndarray, rows: np.ndarray, *, hollow: bool) -> None:
    """Root mean squares of `rows` (x, networks) with their intervals."""
    middle, low, high = rms(rows).T
    key = style.palette()["standardized"]
    look = {"fmt": "o", "ms": 4, "mec": key, "mfc": "none" if hollow else key, "color": key, "elinewidth": 1}
    ax.errorbar(x, middle, (middle - low, high - middle), **look)


def table(result) -> dict:
    columns = {"what": [], "case": [], "layer": [], "predicted": [], "measured": [], "low": [], "high": []}
    signal = zip(CASES, _layers()[:, None] ** np.arange(DEPTH + 1), result["signal"], strict=True)
    lines = [("signal", case, 0, line, rows) for case, line, rows in signal]
    both = zip(
        ("0.01 randn", "He"), (_convolutions(), np.ones(len(CHANNELS))), result["gradient"], strict=True
    )
    lines += [("gradient, convolutions", case, 2, line, rows.T) for case, line, rows in both]
    for what, case, first, line, rows in lines:
        for layer, (expected, row) in enumerate(zip(line, rows, strict=True), start=first):
            for name, value in zip(columns, (what, case, layer, expected, *rms(row)), strict=True):
                columns[name].append(value)
    return columns


def _shrinks(result) -> tuple[float, float]:
    """How many times smaller the gradient comes out of He's convolutions: predicted and measured."""
    return 1 / _convolutions()[0], 1 / rms(result["gradient"][0, :, 0])[0]


def caption(result) -> str:
    linear, he, half = (_factor(result, case)[0] for case in range(len(CASES)))
    predicted, measured = _shrinks(result)
    return (
        f"**Weights of variance 1/n multiply a linear layer's signal by {linear:.3f} and a ReLU layer's by "
        f"{half:.3f}; of variance 2/n, a ReLU layer's by {he:.3f}.**\n\n"
        f"Lines: predicted; dots: measured, root "
        f"mean squares over {result['signal'].shape[-1]} networks of {WIDTH} units a layer with "
        f"{percent(0.95)} intervals. Right, He and others' example of ten convolutions, from the tenth to "
        f"the second: weights 0.01 · randn shrink the gradient {number(predicted, 5)}-fold by the formula, "
        f"{number(measured)}-fold in {result['gradient'].shape[1]} networks, on images of {SIDE} × {SIDE} "
        "pixels that wrap around."
    )


def alt(result) -> str:
    linear, he, half = (_factor(result, case)[0] for case in range(len(CASES)))
    predicted, measured = _shrinks(result)
    return (
        f"Left, on a logarithmic axis over {DEPTH} layers: a level line for linear layers with variance 1/n "
        f"and ReLU layers with 2/n, factors {linear:.3f} and {he:.3f}, and a falling one for ReLU with 1/n, "
        f"factor {half:.3f}. Right: the gradient through ten convolutions is level with He's weights and "
        f"falls {number(measured)}-fold with 0.01 randn, predicted {number(predicted)}-fold."
    )


def claims(result) -> Iterator[Claim]:
    factors = (_factor(result, case).tolist() for case in range(len(CASES)))
    (linear, *one), (he, *two), (half, *third) = factors
    n, (predicted, measured) = result["signal"].shape[-1], _shrinks(result)
    units = "networks, each with its own weights and inputs"
    middle = np.median(result["left"][[2, -1], 3], -1)
    how = f", through {DEPTH} layers of {WIDTH} units, as a root mean square over the networks"
    yield Claim(
        id="inv-sqrt-n",
        statement="Weights randn(n) / √n, of variance 1/n, give a unit's weighted sum the variance of its "
        "inputs",
        sources=("cs231n-2, weight initialization",),
        verdict="depends",
        measure=f"factor by which a linear layer multiplies the size of the signal{how}",
        estimate=linear,
        interval=tuple(one),
        n=n,
        units=units,
        map=Map.of_means(
            result["variance"],
            axes={"mean of the inputs, in standard deviations": OFFSETS, "inputs": INPUTS},
            above=KEPT[0],
            below=KEPT[1],
            measure="variance of a weighted sum, over weights and examples, over that of the inputs",
            units=units,
        ),
        holds=abs(linear - 1) < 0.01
        and one[0] < 1.003
        and one[1] > 0.997
        and third[1] < 0.75
        and abs(half - math.sqrt(0.5)) < 0.01,
        finding="They keep the mean square, which is the variance if the inputs have mean 0: behind "
        f"inputs of mean {OFFSETS[-2]:g} and standard deviation 1 the variance of the sums is "
        f"{result['variance'][-2].mean():.2f}. A linear layer multiplies the signal by {linear:.3f}. One "
        f"of ReLUs multiplies it by {half:.3f}, predicted 1/√2 = {math.sqrt(0.5):.3f}, and after {DEPTH} "
        f"of them {number(half**DEPTH, 2)} is left: the rule is for layers without activation, or with "
        "one that is linear near 0, as tanh is.",
    )
    yield Claim(
        id="he",
        statement="Weights of variance 2/n keep the signal of a ReLU network; fixed weights of size 0.01 "
        "shrink the gradient of a ten-layer convolutional network 17,000-fold",
        sources=(
            "he-2015, section 2.2",
            "cs231n-2, weight initialization",
            "ekman-2021, chapter 5",
        ),
        verdict="depends",
        measure="factor by which a ReLU layer with weights of variance 2/n multiplies the size of the "
        f"signal{how}",
        estimate=he,
        interval=tuple(two),
        n=n,
        units=units,
        map=Map.of_medians(
            result["left"],
            axes={"layers": DEPTHS, "units a layer": WIDTHS},
            above=HALF,
            measure="size of the signal that weights of variance 2/n leave in the median network",
            units=units,
        ),
        holds=abs(he - 1) < 0.01
        and two[0] < 1.005
        and two[1] > 0.995
        and abs(predicted - 16_729) < 1
        and middle[1] < middle[0] < 1
        and 0.75 < measured / predicted < 1.33
        and 0.75 < rms(result["gradient"][1, :, 0])[0] < 1.33,
        finding=f"On average over the networks it holds: measured {he:.3f} a layer. Where they are narrow "
        "and deep, a few large signals carry that average, and the median network keeps less: with "
        f"{WIDTHS[3]} units {middle[0]:.2f} of the signal through {DEPTHS[2]} layers, {middle[1]:.2f} "
        f"through {DEPTHS[-1]}. In He's example, ten convolutions with weights of size 0.01, the gradient "
        f"shrinks from the tenth to the second to 1/{number(predicted, 5)} by his equation 14, to "
        f"1/{number(measured, 3)} as measured. With his weights {rms(result['gradient'][1, :, 0])[0]:.2f} "
        "of it is left.",
    )
