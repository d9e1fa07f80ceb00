"""Do neurons that are active on all the data end with the same weights?  Chapter: normalize-your-data."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.normalize_your_data._shared.circles import frame_of, many_circles
from experiments.trials import descend, mlps
from experiments.words import number
from unitgain.datasets import Examples
from unitgain.diagnostics import activity
from unitgain.optimizers import SGD, Adam

CENTER, POINTS, WIDTH, STEPS = 10.0, 100, 8, 1500
LEARNING_RATE = 0.01  # plain gradient descent: a step points where the gradient does
SCALES = (0.001, 0.009, 0.02, 0.044, 0.1, 1.0)  # the map: of the initial weights
WAYS = {"gradient descent": (SGD, LEARNING_RATE), "Adam": (Adam, 0.001)}
TASKS = ("circles", "sides of a line, 1 to 3")
MAP_WIDTH, MAP_POINTS, MAP_STEPS = 64, 40, 50
SAME = 0.1  # the distance, by the pair's mean size, below which weights count as the same


def _mapped(networks: int, seed: int, device) -> Tensor:
    """Mean distance of two always-on units by their mean size, (scales, rows, networks).

    More networks are drawn: the first count that have two such units.
    """
    drawn = 5 * networks // 3
    x, circle = many_circles(seed, drawn, MAP_POINTS, device=device)
    first = x[..., 0]
    labels = torch.stack([circle, (first > first.quantile(0.25, -1, keepdim=True)).to(circle.dtype)])
    replicas = (len(TASKS), len(SCALES), drawn)
    examples = Examples(
        (x + CENTER).expand(*replicas, MAP_POINTS, 2), labels.unsqueeze(1).expand(*replicas, MAP_POINTS)
    )
    rows = []
    for optimizer, rate in WAYS.values():
        model = mlps((2, MAP_WIDTH, 1), replicas, seed=seed, device=device)
        with torch.no_grad():
            for layer in model.layers:
                layer.weight *= torch.tensor(SCALES, device=device).view(-1, 1, 1, 1)
        on = activity(model, examples.x)[0].always_on
        descend(
            model,
            examples,
            rate,
            seed=seed,
            epochs=MAP_STEPS,
            optimizer=optimizer,
            loss="binary_cross_entropy",
        )
        apart = _apart(model.layers[0].weight.detach(), on & activity(model, examples.x)[0].always_on)
        found = apart.isnan().to(torch.uint8).sort(stable=True).indices[..., :networks]
        rows.append(apart.gather(-1, found))
    return torch.stack(rows, dim=1).flatten(0, 1).swapaxes(0, 1)  # tasks, ways, scales


def _apart(weight: Tensor, on: Tensor) -> Tensor:
    """Of weights (networks, units, inputs), mean over the pairs of units that are `on`."""
    size = weight.norm(dim=-1)
    apart = torch.cdist(weight, weight) / ((size.unsqueeze(-1) + size.unsqueeze(-2)) / 2)
    pairs = (on.unsqueeze(-1) & on.unsqueeze(-2)).triu(1)
    return (apart * pairs).sum((-1, -2)) / pairs.sum((-1, -2))


def compute(*, networks=60, mapped=24, seed=0, device="cpu"):
    """Incoming weights `before` and `after` training (networks, WIDTH, 2).

    `on` (networks, WIDTH): the units that were active on all points, both times. The `map`
    (scales, tasks and ways, mapped): how far apart two such units of MAP_WIDTH are, by their mean size.
    """
    x, y = many_circles(seed, networks, POINTS, device=device)
    examples = Examples(x + CENTER, y)
    model = mlps((2, WIDTH, 1), networks, seed=seed, device=device)
    weight = model.layers[0].weight
    before, on = weight.detach().clone(), activity(model, examples.x)[0].always_on
    descend(model, examples, LEARNING_RATE, seed=seed, epochs=STEPS, loss="binary_cross_entropy")
    return {
        "before": before,
        "after": weight.detach(),
        "on": on & activity(model, examples.x)[0].always_on,
        "map": _mapped(mapped, seed, device),
    }


def _pairs(result) -> dict[str, np.ndarray]:
    """A network's mean over its always-on units, or over pairs of them, if it has two or more.

    `before`, `after`: distance of a pair; `apart`: the latter by its mean size. `moved`: how far a unit went.
    `parallel`: |cos| of a pair's moves.
    """
    rows = []
    for before, after, on in zip(result["before"], result["after"], result["on"], strict=True):
        i, j = np.triu_indices(on.sum(), 1)
        if len(i):
            step = after[on] - before[on]
            moved = np.linalg.norm(step, axis=1)
            unit = step / moved[:, None]
            apart = [np.linalg.norm(w[on][i] - w[on][j], axis=1) for w in (before, after)]
            size = np.linalg.norm(after[on], axis=1)
            apart.append(2 * apart[1] / (size[i] + size[j]))
            parallel = np.abs((unit[i] * unit[j]).sum(1))
            rows.append([*(values.mean() for values in apart), moved.mean(), parallel.mean()])
    return dict(zip(("before", "after", "apart", "moved", "parallel"), np.array(rows).T, strict=True))


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.2, 3.6, ncols=2, tall=6.3)
    colour = style.palette()["always_on"]
    on = result["on"][k := int(result["on"].sum(1).argmax())]
    before, after = result["before"][k, on], result["after"][k, on]
    arrow = {"arrowstyle": "-|>", "color": colour, "lw": 2, "shrinkA": 3, "shrinkB": 0}
    for a, b in zip(before, after, strict=True):
        left.annotate("", b, a, arrowprops=arrow)
    left.plot(*before.T, "o", ms=5, mfc="none", mec=style.ink(), mew=1)
    low, high = frame_of(np.concatenate([before, after]), 0.08, square=True)
    left.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    left.set(
        title=f"One network's {on.sum()} always-on units,\n○ before training, ▸ after",
        xlabel="weight from $x_0$",
    )
    left.set(ylabel="weight from $x_1$")
    pairs = _pairs(result)
    most = 1.08 * max(pairs["before"].max(), pairs["after"].max())
    right.plot([0, most], [0, most], color=style.ink(), lw=1)
    right.plot(pairs["before"], pairs["after"], "o", ms=5, mew=0, alpha=0.7, color=colour)
    right.set(title=f"{len(pairs['before'])} networks,\nmean over such pairs", xlim=(0, most), ylim=(0, most))
    right.set(xlabel="distance of two, before training", ylabel="after training")
    right.text(0.97, 0.03, "equal weights: down here", transform=right.transAxes, ha="right")
    right.text(0.6 * most, 0.68 * most, "no change", ha="right")
    for ax in (left, right):
        ax.set_box_aspect(1)
        ax.locator_params(nbins=5)
    return fig


def table(result) -> dict:
    network, unit = np.nonzero(result["on"])
    columns = {f"{key}_w{i}": result[key][network, unit, i] for key in ("before", "after") for i in range(2)}
    return {"network": network, "unit": unit, **columns}


def caption(result) -> str:
    pairs = {key: number(values.mean()) for key, values in _pairs(result).items()}
    return (
        "**Units that are on for all the data do not become equal here: two of them are "
        f"{pairs['before']} apart before training and {pairs['after']} after it, having moved by "
        f"{pairs['moved']}.**\n\nTheir gradients "
        "point along one line, scaled by each unit's outgoing weight: the mean |cos| between two units' "
        f"moves is {pairs['parallel']}. Left the network with most always-on units; right one dot a "
        f"network, of the {len(_pairs(result)['before'])} with two such units or more among "
        f"{len(result['on'])} ReLU networks 2-{WIDTH}-1 at [10, 10], {STEPS:,} steps of gradient descent at "
        f"learning rate {LEARNING_RATE}. Distances are means over a network's pairs, biases left out."
    )


def alt(result) -> str:
    return (
        "Left, one network: arrows in the plane of a unit's two incoming weights, from before to after "
        "training; their tips do not meet. Right, a dot a network: the distance of two units after training "
        "against that before. The dots lie about the diagonal, none near 0."
    )


def claims(result) -> Iterator[Claim]:
    pairs = _pairs(result)
    rows = [f"{task}, {way}" for task in TASKS for way in WAYS]
    apart = dict(zip(rows, np.median(result["map"], axis=-1).T, strict=True))
    small, usual = SCALES.index(0.02), SCALES.index(1.0)
    line = apart[rows[-1]]
    yield Claim.of_mean(
        pairs["apart"],
        id="same-weights",
        statement="Neurons that are active on all the data end up with the same set of weights",
        sources=("galletti-part-1, part I",),
        verdict="depends",
        measure="distance of two always-on units' weights by their mean size (0: equal) after gradient "
        f"descent on circles at [10, 10], {WIDTH} units",
        units="networks with two such units or more, each with its own circles and weights",
        map=Map.of_medians(
            result["map"],
            axes={"initial weights (of Glorot's: 1)": SCALES, "classes and training": rows},
            below=SAME,
            measure=f"median distance of two always-on units by their mean size, {MAP_WIDTH} units, sides "
            f"of a line in classes of 1 to 3, {MAP_STEPS} steps, Adam's learning rate {WAYS['Adam'][1]:g}",
            units="networks with two such units or more, each with its own points and weights",
        ),
        holds=pairs["parallel"].mean() > 0.8 and pairs["apart"].mean() > 0.5 and line[usual] > 0.5,
        finding="Not from the usual initial weights. Gradient descent moves the units mostly along one line "
        f"(mean |cos| {number(pairs['parallel'].mean())}), each by its own outgoing weight, some forward and "
        f"some back: pairs that began {number(pairs['before'].mean())} apart end "
        f"{number(pairs['after'].mean())} apart. They do become the same if Adam's equal steps outgrow small "
        "initial weights, and one class is so large that it pulls all units one way: "
        f"{number(line[small], 2)} of their size apart from {SCALES[small]:g} times Glorot's weights, "
        f"{number(line[usual], 2)} from these.",
    )
