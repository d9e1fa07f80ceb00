"""What does the network 2-2-1 look like?  Chapter: normalize-your-data."""

from matplotlib.figure import Figure

from experiments import style
from experiments.trials import generator
from experiments.words import percent
from unitgain.datasets import circles
from unitgain.diagnostics import activity
from unitgain.models import MLP
from unitgain.plots import network, unit_states

LABELS = ("$x_0$", "$x_1$", "$h_0$", "$h_1$", "$p$")


def compute(*, points=200, seed=4, device="cpu"):
    """A fresh network's weights and its units' fractions of active points on centred circles."""
    model = MLP((2, 2, 1), generator=generator(seed, "weights"), device=device)
    x, _ = circles(points, generator=generator(seed, "data"), device=device)
    hidden, out = model.layers
    return {"w1": hidden.weight.detach(), "w2": out.weight.detach(), "share": activity(model, x)[0].share}


def draw(result) -> Figure:
    fig, ax = style.figure(6.4, 3.2, tall=2.7)
    drawing = network(ax, (2, 2, 1), palette=style.palette(), ink=style.ink(), labels=LABELS)
    states = [["", ""], unit_states(result["share"]), [""]]
    drawing.update([[0.0, 0.0], result["share"], [0.0]], states, [result["w1"], result["w2"]])
    for x, y, text in (
        (0.0, 1.5, "two inputs"),
        (1.6, 1.5, "two hidden units"),
        (3.2, 1.5, "one output"),
        (1.6, -0.85, "$h = f(W_1 x + b_1)$"),
        (3.2, -0.35, "$p = \\sigma(W_2 h + b_2)$"),
        (1.6, -1.3, "solid: positive weight, dashed: negative"),
    ):
        ax.text(x, y, text, ha="center", va="bottom")
    ax.set(xlim=(-0.7, 4.2), ylim=(-1.35, 1.8))
    return fig


def table(result) -> dict:
    return {
        "from": [0, 1, 0, 1, 0, 1],
        "to": [0, 0, 1, 1, 2, 2],
        "weight": [*result["w1"].ravel(), *result["w2"].ravel()],
    }


def caption(result) -> str:
    return (
        "**Nine numbers to learn: six weights and three biases.**\n\nTwo inputs, two hidden units with "
        "activation f, one output that is the probability of class 1. Solid edges: positive weights; "
        "dashed: negative; thicker is larger. Fill: the fraction of centred points that activates the unit, "
        f"here {percent(result['share'][0])} and {percent(result['share'][1])}."
    )


def alt(result) -> str:
    return (
        "Drawing of a network with two inputs, two hidden units and one output, all neighbouring layers "
        "connected."
    )
