"""Does connecting every unit to ten inputs make its signal independent of their number, and does it train?

Chapter: initialization.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor, nn

from experiments import style
from experiments.evidence import Claim, Map
from experiments.initialization._shared.networks import BATCH, CLASSES, each, standardized_digits
from experiments.intervals import mean_interval
from experiments.trials import descend, generator, score
from experiments.words import between, long_table, number, percent
from unitgain.initializers import Initializer, he_normal_, normal_, sparse_
from unitgain.models import MLP

CONNECTIONS, OUTPUTS = 10, 100
INPUTS = (20, 50, 100, 200, 500, 1000)
HIDDEN = (64, 64, 64, 64)
RATE, STEPS = 0.1, 100
UNIT, SMALL_SD = CONNECTIONS**-0.5, 0.01


def torch_sparse_(tensor: Tensor, std: float = UNIT, *, generator: torch.Generator) -> Tensor:
    """torch.nn.init.sparse_ with CONNECTIONS from every input; it draws from the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator.get_state())
        for one in tensor.detach().view(-1, *tensor.shape[-2:]):
            nn.init.sparse_(one, sparsity=max(0, 1 - CONNECTIONS / tensor.shape[-2]), std=std)
        generator.set_state(torch.get_rng_state())
    return tensor


LAYERS = {  # what makes a layer of 100 units; all of unit gain at 100 inputs
    "10 a unit": sparse_,
    "10 an input (torch)": torch_sparse_,
    "all, N(0, 1/100)": partial(normal_, std=OUTPUTS**-0.5),
}
FEW = INPUTS[0]  # inputs that are not 0, whatever their number
SAME = 0.8, 1.25  # factors
STARTS = {  # of ReLU networks
    "He, all inputs": he_normal_,
    "10 a unit": partial(sparse_, std=2**0.5 * UNIT),
    "10 an input (torch)": partial(torch_sparse_, std=2**0.5 * UNIT),
    "10 a unit, sd 0.01": partial(sparse_, std=SMALL_SD),
}


def compute(*, networks=12, points=100, seed=0, device="cpu"):
    """Of three kinds of layer, the `connections` and the `variance`; of four starts, the `accuracy`.

    Of the first kind also `few`: its variance if no more than FEW inputs of an example are other than 0.

    Connections of the units of a square layer (kinds, networks, units); variance of a layer's outputs for
    inputs N(0, 1) (kinds, numbers of inputs, networks); accuracy after training (starts, networks).
    """
    draw = generator(seed)

    def layer(rule: Initializer, inputs: int) -> Tensor:
        return rule(torch.empty(networks, OUTPUTS, inputs), generator=draw).to(device)

    connections = torch.stack([(layer(rule, OUTPUTS) != 0).sum(-1) for rule in LAYERS.values()])
    variance = []
    for rule in LAYERS.values():
        x = (torch.randn(n, points, generator=draw).to(device) for n in INPUTS)
        outputs = (layer(rule, n) @ one for n, one in zip(INPUTS, x, strict=True))
        variance.append(torch.stack([z.var((-2, -1)) for z in outputs]))
    few = []
    for n in INPUTS:
        x = torch.randn(networks, FEW, points, generator=draw)
        on = torch.rand(networks, n, points, generator=draw).argsort(1)[:, :FEW]
        few.append(
            (layer(sparse_, n) @ x.new_zeros(networks, n, points).scatter(1, on, x).to(device)).var((1, 2))
        )
    weights = {"weight": each(*STARTS.values()), "generator": [generator(seed, "weights")] * len(STARTS)}
    model = MLP((64, *HIDDEN, CLASSES), "relu", replicas=(len(STARTS), networks), **weights).to(device)
    data = standardized_digits(device)
    descend(model, data, RATE, seed=seed, steps=STEPS, batch=BATCH)
    return {
        "connections": connections,
        "variance": torch.stack(variance),
        "few": torch.stack(few),
        "accuracy": score(model, data),
    }


def predicted() -> np.ndarray:
    """Variances (kinds, numbers of inputs): connections of a unit times the variance of a weight."""
    share = np.array(INPUTS) / OUTPUTS
    return np.array([np.ones(len(INPUTS)), share, share])


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.6, 3.4, ncols=2, tall=5.4)
    ink, colours = style.ink(), style.palette()
    good, bad = colours["standardized"], colours["raw"]
    looks = ("o", 5, good, good), ("s", 4.5, bad, bad), ("D", 9, "none", ink)
    for (mark, size, face, edge), line, rows in zip(looks, predicted(), result["variance"], strict=True):
        left.plot(INPUTS, line, color=ink, lw=1)
        left.plot(INPUTS, rows.mean(-1), mark, ms=size, mfc=face, mec=edge)
    left.text(1000, 0.8, "10 inputs a unit", color=good, ha="right", va="top")
    left.text(170, 4, "10 units an input\n(torch)", color=bad, ha="right", va="center")
    left.text(30, 0.2, "all inputs: hollow", va="center")
    left.set(xscale="log", yscale="log", title="Variance of a unit's signal (log)", xlabel="inputs (log)")
    left.set(xticks=(20, 100, 1000), xticklabels=("20", "100", "1000"), ylim=(0.15, 13))
    left.set(yticks=(0.2, 1, 10), yticklabels=("0.2", "1", "10"))
    left.xaxis.set_minor_locator(NullLocator())
    left.yaxis.set_minor_locator(NullLocator())
    for y, (name, row) in enumerate(zip(STARTS, 100 * result["accuracy"], strict=True)):
        right.plot(row, np.full(len(row), y), "|", ms=9, color=good, alpha=0.5)
        right.plot(row.mean(), y, "o", ms=6, color=good)
        right.text(2, y - 0.3, name, va="center")
    right.set(
        title="Accuracy after training", xlabel="accuracy (%)", xlim=(0, 103), ylim=(3.4, -0.7), yticks=()
    )
    right.spines["left"].set_visible(False)
    return fig


def table(result) -> dict:
    ends = np.apply_along_axis(mean_interval, -1, result["variance"])
    return long_table(
        {"layer": list(LAYERS), "inputs": INPUTS},
        predicted=predicted(),
        variance=result["variance"].mean(-1),
        low=ends[..., 0],
        high=ends[..., 1],
    )


def _spread(result, kind: int) -> str:
    counts = result["connections"][kind]
    return f"{counts.min()} to {counts.max()}"


def _growth(result, kind: int) -> np.ndarray:
    """Variance at the most inputs over that at the fewest, for each network."""
    return result["variance"][kind, -1] / result["variance"][kind, 0]


def _lag(result) -> np.ndarray:
    """By how much networks with all inputs are better than those with ten a unit, in points."""
    return 100 * (result["accuracy"][0] - result["accuracy"][1])


def caption(result) -> str:
    lag = _lag(result)
    off = np.abs(result["variance"].mean(-1) / predicted() - 1).max()
    accuracy = result["accuracy"].mean(-1)
    return (
        f"**With {CONNECTIONS} inputs a unit, normal ones, the signal has one size at {INPUTS[0]} inputs and "
        f"at {INPUTS[-1]:,}; torch's `sparse_` fixes the connections of each input instead and leaves a unit "
        f"{_spread(result, 1)}.**\n\nLayers of {OUTPUTS} units; lines: predicted, the connections times the "
        f"variance of a weight, right to {percent(off, 1)}. Right: ReLU networks with {len(HIDDEN)} hidden "
        f"layers of {HIDDEN[0]} on the digits, {STEPS} steps (learning rate {RATE:g}, batches of {BATCH}); "
        f"sparse ones end {number(lag.mean(), 2)} points {between(mean_interval(lag), 2)} behind He's. With "
        f"weights of deviation {SMALL_SD:g} the accuracy is {percent(accuracy[3])}. Dots: means over "
        f"{len(lag)} networks, strokes: each of them."
    )


def alt(result) -> str:
    rows = (
        f"{name} {percent(value)}" for name, value in zip(STARTS, result["accuracy"].mean(-1), strict=True)
    )
    return (
        f"Two panels; a unit has exactly {CONNECTIONS} connections, or {_spread(result, 1)} with torch. "
        "Left, the variance of the signal against the number of inputs: level "
        f"for {CONNECTIONS} a unit, proportional to the inputs for torch's rule and for full layers. "
        f"Accuracies: {', '.join(rows)}."
    )


def claims(result) -> Iterator[Claim]:
    ours, theirs = _growth(result, 0), _growth(result, 1)
    lag = mean_interval(_lag(result))
    rows = ("10 a unit", "10 an input (torch)", f"10 a unit, {FEW} inputs not 0")
    cells = np.stack([*result["variance"][:2], result["few"]], axis=1)
    words = "layers, each with its own weights; inputs of the first two rows shared"
    yield Claim.of_mean(
        ours,
        id="sparse",
        statement="Connecting every unit to about ten inputs makes its signal independent of the number of "
        "inputs",
        sources=("cs231n-2, weight initialization", "martens-2010, section 5"),
        verdict="depends",
        measure=f"variance of a layer's outputs with {INPUTS[-1]:,} inputs over that with {INPUTS[0]}, "
        f"{CONNECTIONS} connections a unit",
        units=words,
        map=Map.of_means(
            cells,
            axes={"inputs": INPUTS, f"to layers of {OUTPUTS} units": rows},
            above=SAME[0],
            below=SAME[1],
            measure="variance of a layer's outputs; in theory 1 for 10 connections a unit",
            units=words,
        ),
        holds=mean_interval(theirs)[0] > 5
        and abs(result["few"][-1].mean() * INPUTS[-1] / FEW - 1) < 0.5
        and np.ptp(result["connections"][0]) == 0
        and lag[1] < 5,
        finding="It does if ten are counted for each unit and the inputs are not mostly 0. "
        f"torch.nn.init.sparse_ counts ten for each input: its units get {_spread(result, 1)}, and over "
        f"the same range of inputs the variance grows {number(theirs.mean())}-fold. Where only {FEW} of "
        f"{INPUTS[-1]:,} inputs are not 0, as with the words of a text, most units miss them, and "
        f"{number(result['few'][-1].mean(), 2)} of the variance is left. The weights need variance 1/10, "
        f"for ReLU 2/10. On the digits sparse networks end {number(_lag(result).mean(), 2)} points "
        f"{between(lag, 2)} of accuracy behind full ones.",
    )
