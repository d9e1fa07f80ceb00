"""Which helps more where the condition number is large: normalizing the data, or a better optimizer?

Chapter: optimizers.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import median_interval
from experiments.trials import generator
from experiments.words import long_table, percent
from unitgain.optimizers import SGD, Adam, RMSprop
from unitgain.transforms import StandardScaler, Whitening

CASES = ("scales", "offsets", "correlations")
CONDITIONS = (10.0, 100.0, 1e3, 1e4)
FEATURES, ROWS = 8, 200
SOLVED = 1e-3  # of the first loss
STEPS = 3_000  # at most
OPTIMIZERS = {
    "descent": lambda w, lr: SGD([w], lr=lr),
    "momentum": lambda w, lr: SGD([w], lr=lr, momentum=0.9),
    "RMSprop": lambda w, lr: RMSprop([w], lr=lr),
    "Adam": lambda w, lr: Adam([w], lr=lr),
}
BY_CURVATURE = ("descent", "momentum")  # their rates are in units of 1 / the largest eigenvalue
RATES = torch.logspace(-2, 0.6, 16, dtype=torch.float64), torch.logspace(-2.6, 1, 16, dtype=torch.float64)
NAMES = ("descent", "momentum", "RMSprop", "Adam", "standardized", "whitened")
LABELS = (
    "raw, descent",
    "raw, momentum",
    "raw, RMSprop",
    "raw, Adam",
    "standardized,\ndescent",
    "whitened,\ndescent",
)
TITLES = ("Columns of unequal scale", "Columns far from 0", "Correlated columns")


def compute(*, tables=12, seed=0, device="cpu"):
    """Steps to a thousandth of the loss, each at its best rate: `steps` (NAMES, cases, conditions, tables).

    Linear regression with a bias, all rows a step. The first four on raw data; descent on standardized and on
    whitened data. `condition` (cases, conditions, tables) of the raw data. A run that needs more than STEPS
    counts as STEPS + 1.
    """
    x, y = (tensor.to(device) for tensor in _tables(tables, seed))
    raw, first = _normal_equations(x, y), y.square().mean(-2) / 2
    runs = [(raw, name) for name in OPTIMIZERS]
    runs += [(_normal_equations(_each(way, x), y), "descent") for way in (StandardScaler, Whitening)]
    # One condition at a time: those that are easy end early
    steps = [[_best_steps(*one, first, name) for one in zip(*slopes, strict=True)] for slopes, name in runs]
    return {
        "steps": torch.stack([torch.stack(row, 1) for row in steps]),
        "condition": torch.linalg.cond(raw[0]).transpose(0, 1),
    }


def _tables(tables, seed):
    """Raw data (conditions, cases, tables, rows, features), and targets (tables, rows, 1) for all of them."""
    draw = generator(seed)
    u = torch.randn(tables, ROWS, FEATURES, generator=draw, dtype=torch.float64)
    weight = torch.randn(tables, FEATURES, 1, generator=draw, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(tables, FEATURES, FEATURES, generator=draw, dtype=torch.float64)).Q
    u, x = u - u.mean(1, keepdim=True), []
    for condition in CONDITIONS:
        scale = condition ** -torch.linspace(0, 0.5, FEATURES, dtype=torch.float64)
        shift = ((condition**0.5 + condition**-0.5 - 2) / FEATURES) ** 0.5
        x.append(torch.stack([u * scale, u + shift, u * scale @ rotation.mT]))
    return torch.stack(x), u @ weight


def _each(transform, x):
    flat = x.flatten(0, -3)
    return torch.stack([transform().fit(table).transform(table) for table in flat]).unflatten(0, x.shape[:-2])


def _normal_equations(x, y):
    """H and c of the gradient H w − c of half the mean squared error, the bias last."""
    x = torch.cat([x, torch.ones_like(x[..., :1])], -1)
    return x.mT @ x / ROWS, x.mT @ y / ROWS


def _best_steps(hessian, c, first, name):
    """Fewest steps over the rates, (cases, tables); `first` are the losses of w = 0, (tables, 1)."""
    rates = RATES[name not in BY_CURVATURE].to(c)
    if name in BY_CURVATURE:
        rates = rates / torch.linalg.eigvalsh(hessian)[..., -1:, None]
    hessian, c, rates, enough = (t.float() for t in (hessian, c, rates, 2 * (1 - SOLVED) * first))
    w = torch.nn.Parameter(torch.zeros_like(c.expand(*c.shape[:-1], rates.shape[-1])))
    optimizer = OPTIMIZERS[name](w, rates)
    steps = torch.zeros(c.shape[:-2], dtype=torch.int64, device=c.device)
    going = torch.ones_like(steps, dtype=torch.bool)
    for _ in range(STEPS + 1):
        w.grad = hessian @ w.detach() - c
        gain = (w.detach() * (c - w.grad)).sum(-2)  # twice what the loss has lost
        going &= ~(gain > enough).any(-1)
        if not going.any():
            break
        steps += going
        optimizer.step()
    return steps


def _middle(result):
    """Medians and their intervals, each (NAMES, cases, conditions)."""
    steps = result["steps"]
    bounds = np.apply_along_axis(median_interval, -1, steps)
    return np.median(steps, -1), bounds[..., 0], bounds[..., 1]


def draw(result) -> Figure:
    fig, axes = style.figure(8.2, 3.5, ncols=3, tall=7.0, sharex=True, sharey=True)
    colours = style.palette()
    middle, low, high = _middle(result)
    places, ends = np.arange(len(NAMES)), [0, -1]  # of CONDITIONS
    for i, (ax, title) in enumerate(zip(axes, TITLES, strict=True)):
        for key, rows in (("raw", slice(0, 4)), ("standardized", slice(4, None))):
            at, look = places[rows], {"color": colours[key]}
            few, many = middle[rows, i][:, ends].T
            ax.hlines(at, few, many, lw=0.8, **look)
            for end in ends:
                ax.hlines(at, low[rows, i, end], high[rows, i, end], lw=3, alpha=0.5, **look)
            ax.plot(few, at, "o", ms=6, mfc="none", mew=1.2, **look)
            ax.plot(many, at, "o", ms=6.5, mew=0, **look)
        ax.set(
            title=title,
            xscale="log",
            xlim=(1.5, 1.6 * STEPS),
            xlabel=f"steps to {SOLVED:g} of the loss (log)",
        )
        ax.set_xticks((3, 30, 300, STEPS), ("3", "30", "300", f"> {STEPS:,}"))
        ax.minorticks_off()
        ax.tick_params(axis="y", length=0)
    for y, mark, condition in ((4, "○", CONDITIONS[0]), (5, "●", CONDITIONS[-1])):
        axes[0].text(9, y, f"{mark} condition\n    number {condition:,.0f}", va="center")
    axes[0].set(yticks=places, yticklabels=LABELS, ylim=(len(NAMES) - 0.4, -0.6))
    return fig


def table(result) -> dict:
    middle, low, high = _middle(result)
    axes = {"run": NAMES, "case": CASES, "condition": CONDITIONS}
    measured = np.broadcast_to(np.median(result["condition"], -1), middle.shape)
    return long_table(axes, median_steps=middle, low=low, high=high) | {"condition": measured.ravel()}


def _steps(result, name, case, condition=-1) -> str:
    """A median in words."""
    median = np.median(result["steps"][NAMES.index(name), CASES.index(case), condition])
    return f"{median:,.0f}" if median <= STEPS else f"more than {STEPS:,}"


def caption(result) -> str:
    highest = np.median(result["condition"][:, -1])
    top = float(f"{highest:.1g}")
    return (
        f"**On columns far from 0, with a condition number near {top:,.0f}, Adam needs "
        f"{_steps(result, 'Adam', 'offsets')} steps on raw data, and plain descent "
        f"{_steps(result, 'standardized', 'offsets')} on standardized data.**\n\nIf only the columns' scales "
        f"differ, the condition number hardly matters to Adam: {_steps(result, 'Adam', 'scales', 0)} to "
        f"{_steps(result, 'Adam', 'scales')} steps. If columns are correlated, Adam needs "
        f"{_steps(result, 'Adam', 'correlations')} steps and standardizing does not help "
        f"({_steps(result, 'standardized', 'correlations')}), but whitening does "
        f"({_steps(result, 'whitened', 'correlations')}). Linear regression on "
        f"{result['steps'].shape[-1]} tables of {ROWS} rows and {FEATURES} columns, all rows a step, each at "
        f"the best of {len(RATES[0])} learning rates. Dots are medians, thick lines their {percent(0.95)} "
        "intervals."
    )


def alt(result) -> str:
    last = {case: [_steps(result, name, case) for name in NAMES] for case in CASES}
    return (
        "Three panels of dots, steps on a logarithmic axis. At the largest condition number, descent, "
        "momentum, RMSprop and Adam on raw data, and descent on standardized and on whitened data, need: "
        + "; ".join(f"for {case} {', '.join(steps)}" for case, steps in last.items())
        + "."
    )
