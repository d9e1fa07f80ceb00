"""Where does the data lie, and where does standardizing put it?  Chapter: normalize-your-data."""

from matplotlib.figure import Figure

from experiments import style
from experiments.trials import generator, standardized
from unitgain.datasets import circles
from unitgain.plots import scatter


def compute(*, points=200, seed=0, device="cpu"):
    """Both versions of the circles: `raw` and `standardized` (points, 2), `y` (points,)."""
    x, y = circles(points, center=10.0, generator=generator(seed, "data"), device=device)
    return {"raw": x, "standardized": standardized(x, x), "y": y}


def draw(result) -> Figure:
    fig, ax = style.figure(6.4, 4.2, tall=3.6)
    colours = style.palette()
    ax.axhline(0, color=style.ink(), lw=0.8)
    ax.axvline(0, color=style.ink(), lw=0.8)
    for kind in ("raw", "standardized"):
        scatter(ax, result[kind], result["y"], palette=colours, size=9)
    ax.text(12, 12.4, "as it came: around [10, 10]", color=colours["raw"], ha="right")
    ax.text(2.5, 0.9, "standardized: around [0, 0]", color=colours["standardized"])
    line = {"arrowstyle": "-", "color": colours["class0"], "lw": 1}
    ax.annotate(
        "class 0, inside",
        (9.7, 10),
        (7.6, 10.5),
        color=colours["class0"],
        ha="right",
        va="center",
        arrowprops=line,
    )
    ax.text(7.6, 9.3, "class 1, outside", color=colours["class1"], ha="right", va="center")
    ax.set(xlabel="$x_0$", ylabel="$x_1$", aspect="equal", xlim=(-3, 13.2), ylim=(-2.6, 13.6))
    ax.set(xticks=[0, 5, 10], yticks=[0, 5, 10])
    return fig


def table(result) -> dict:
    names = ("raw", "standardized")
    return {f"{name}_x{i}": result[name][:, i] for name in names for i in range(2)} | {"y": result["y"]}


def caption(result) -> str:
    mean, sd = result["raw"].mean(), result["raw"].std(axis=0).mean()
    return (
        f"**The same {len(result['y'])} points twice: as they came, with mean {mean:.1f} and standard "
        f"deviation {sd:.2f}, and standardized.**\n\n"
        f"Class 1 where the point is at least 1 away from the middle "
        "of its circle. Standardizing moves and scales the picture; it changes nothing that a person would "
        "call the problem."
    )


def alt(result) -> str:
    return (
        "Scatter plot with the origin marked: two concentric circles far from the origin, around 10, 10, "
        "and the same circles, standardized, around the origin."
    )
