"""How high may the learning rate be before gradient descent diverges?  Chapter: optimizers."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import median_interval, wilson
from experiments.optimizers._shared.quadratics import radius, walk
from experiments.trials import descend, generator, mlps, stacked
from experiments.words import long_table, number
from unitgain.datasets import Examples, ravine
from unitgain.optimizers import SGD
from unitgain.theory import hessian_eigenvalues, largest_stable_rate

MOMENTA = (0.0, 0.5, 0.9)
BELOW, ABOVE = 0.99, 1.01
RATES = np.array(
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, BELOW, ABOVE, 1.02, 1.04]
)  # by the limit
FEATURES, CONDITION = 5, 10.0
STEPS = 300
# The map: where is the limit, if not all examples make a step, or the model is a network?
MODELS = {  # units a layer, activation, momentum
    "linear": ((FEATURES, 1), "relu", 0.0),
    "linear, β = 0.9": ((FEATURES, 1), "relu", 0.9),
    "16 sigmoids": ((FEATURES, 16, 1), "sigmoid", 0.0),
}
BATCHES, ROWS = (1, 3, 6, 30, 60), 60
TRIED = (0.02, 0.04, 0.08, 0.16, 0.3, 0.5, 0.65, 0.8, 0.95, 1.05, 1.2, 2.0, 4.0, 8.0)
NEAR = 1.25  # the limit, by the one predicted
FLOOR, CEILING = 1e-16, 1e20  # of the axis


def compute(*, networks=300, points=60, mapped=8, seed=0, device="cpu"):
    """Linear regressions with data and starts of their own, at RATES times the limit of `momenta`.

    `distance` (momenta, rates, networks) to the minimum after STEPS steps, by the one at the start.
    `limit` (BATCHES, MODELS, networks): the largest rate at which the loss has fallen, by the one predicted.
    """
    draw = generator(seed)
    options = {"features": FEATURES, "generator": draw, "dtype": torch.float64, "device": device}
    x, y, weight = stacked(ravine(points, CONDITION, **options) for _ in range(networks))
    start = torch.randn(networks, FEATURES, generator=draw, dtype=torch.float64).to(device)
    hessian, target = x.mT @ x / points, x.mT @ y[..., None] / points
    momenta = torch.tensor(MOMENTA, dtype=torch.float64)
    momentum, share = torch.cartesian_prod(momenta, torch.tensor(RATES)).to(device).T
    rate = share * largest_stable_rate(hessian_eigenvalues(x)[:, -1:], momentum)
    *_, w = walk(
        lambda w: SGD(w, lr=rate[:, None], momentum=momentum),
        lambda w: hessian @ w - target,
        start[..., None].expand(-1, -1, len(share)),
        STEPS,
    )
    distance = (w - weight[..., None]).norm(dim=1) / (start - weight).norm(dim=-1, keepdim=True)
    return {
        "distance": distance.T.unflatten(0, (len(MOMENTA), len(RATES))),
        "limit": _limits(mapped, seed, device),
    }


def _half_square(output, y):
    return (output.squeeze(-1) - y).square().mean(-1) / 2


def _limits(networks, seed, device):
    """Limits (BATCHES, MODELS, networks), each between two of TRIED."""
    options = {"features": FEATURES, "generator": generator(seed, "data"), "dtype": torch.float64}
    x, y, _ = stacked(ravine(ROWS, CONDITION, **options) for _ in range(networks))
    examples, found = Examples(x.to(device), y.to(device)), []
    tried = torch.tensor(TRIED, dtype=torch.float64, device=device)[:, None]
    for sizes, activation, momentum in MODELS.values():
        start = partial(mlps, sizes, seed=seed, device=device, activation=activation, dtype=torch.float64)
        rate = tried * largest_stable_rate(_largest_curvature(start(networks), examples, seed), momentum)
        for batch in BATCHES:
            model = start((len(TRIED), networks))
            descend(
                model,
                examples,
                rate,
                seed=seed,
                epochs=max(1, STEPS // 2 * batch // ROWS),
                batch=batch,
                optimizer=partial(SGD, momentum=momentum),
                loss=_half_square,
            )
            with torch.no_grad():
                before, after = (
                    _half_square(one(examples.x), examples.y) for one in (start(networks), model)
                )
            fallen = (after < before).long().cumprod(0).sum(0).clamp(1, len(TRIED) - 1)
            found.append((tried[fallen, 0] * tried[fallen - 1, 0]).sqrt())
    return torch.stack(found).unflatten(0, (len(MODELS), len(BATCHES))).transpose(0, 1)


def _largest_curvature(model, examples, seed, rounds=60):
    """Of the loss of each network (networks,), by power iteration."""
    parameters, draw = list(model.parameters()), generator(seed, "noise")
    loss = _half_square(model(examples.x), examples.y).sum()
    gradient = torch.autograd.grad(loss, parameters, create_graph=True)
    v = [torch.randn(p.shape, generator=draw, dtype=p.dtype).to(p.device) for p in parameters]
    for _ in range(rounds):
        size = sum(part.square().sum((1, 2), keepdim=True) for part in v).sqrt()
        v = [part / size for part in v]
        along = sum((g * part).sum() for g, part in zip(gradient, v, strict=True))
        hv = torch.autograd.grad(along, parameters, retain_graph=True)
        value = sum((part * h).sum((1, 2)) for part, h in zip(v, hv, strict=True))
        v = hv
    return value


def predicted(rate: np.ndarray, momentum: float) -> np.ndarray:
    """What is left of the distance if each step multiplies it by its factor in the long run."""
    return np.maximum(radius(rate, momentum), radius(rate / CONDITION, momentum)) ** STEPS


def draw(result) -> Figure:
    fig, ax = style.figure(7.4, 3.9, tall=3.7)
    colours, ink = style.palette(), style.ink()
    ax.axhline(1, color=style.GRID, lw=0.8)
    for momentum, rows, mark in zip(MOMENTA, result["distance"], "os^", strict=True):
        limit = float(largest_stable_rate(1.0, momentum))
        fine = limit * np.array([*np.linspace(0.02, 0.95, 200), *np.linspace(0.95, 1.05, 100)])
        line = predicted(fine, momentum)
        seen = line < CEILING
        ax.plot(fine[seen], np.maximum(line[seen], FLOOR), color=ink, lw=1)
        middle = np.clip(np.median(rows, -1), FLOOR, CEILING)
        low, high = np.clip([median_interval(row) for row in rows], FLOOR, CEILING).T
        for key, side in (("standardized", RATES < 1), ("raw", RATES > 1)):
            at, look = limit * RATES[side], {"color": colours[key]}
            ax.vlines(at, low[side], high[side], lw=1.5, **look)
            ax.plot(at, middle[side], mark, ms=5, mew=0, clip_on=False, **look)
        ax.axvline(limit, color=ink, lw=0.8, ls=(0, (2, 3)))
        ax.text(limit - 0.06, 1e14, f"β = {momentum:g}\n{limit:g}/λ", ha="right", va="center")
    ax.text(0.06, 30, "farther than\nat the start", va="bottom", ha="left")
    ax.text(0.6, 5e-4, "β: momentum\nline: predicted", va="center", ha="left")
    ax.set(
        yscale="log",
        xlim=(0, 4.05),
        ylim=(FLOOR / 10, CEILING),
        yticks=(1e-15, 1e-10, 1e-5, 1, 1e5, 1e10, 1e15, 1e20),
        xticks=range(5),
        xlabel="learning rate × largest curvature λ",
        ylabel=f"distance to the minimum after\n{STEPS} steps, start = 1 (log)",
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    distance = result["distance"]
    low, high = np.apply_along_axis(median_interval, -1, distance).T
    return long_table(
        {"momentum": MOMENTA, "rate_by_limit": RATES},
        median_distance=np.median(distance, axis=-1),
        low=low.T,
        high=high.T,
    )


def _at(result, rate: float) -> np.ndarray:
    """Distances (momenta, networks)."""
    return result["distance"][:, list(RATES).index(rate)]


def caption(result) -> str:
    below, above = np.median(_at(result, BELOW), axis=-1), np.median(_at(result, ABOVE), axis=-1)
    return (
        f"**Two percent decide: at a learning rate of {2 * BELOW:g}/λ gradient descent ends at "
        f"{number(below[0], 2)} of its first distance from the minimum, at {2 * ABOVE:g}/λ it ends "
        f"{number(above[0], 2)} times as far away.**\n\nThe limit is 2/λ, with λ the largest curvature. "
        f"Momentum β raises it to 2(1 + β)/λ. {result['distance'].shape[-1]} linear regressions with "
        f"{FEATURES} weights and a condition number of {CONDITION:g}, all examples a step, each with its own "
        "data and start. Marks are medians; their 95 % intervals are mostly smaller than the marks. Below "
        "10⁻¹⁵ there is only rounding."
    )


def alt(result) -> str:
    edges = ", ".join(f"{float(largest_stable_rate(1.0, momentum)):g}" for momentum in MOMENTA)
    return (
        "Distance left after training against the learning rate times the largest curvature, log scale: "
        f"three deep basins with vertical walls at {edges}, for momentum "
        f"{', '.join(f'{momentum:g}' for momentum in MOMENTA)}; dots lie on the predicted lines."
    )


def claims(result) -> Iterator[Claim]:
    below, above = _at(result, BELOW) < 1, _at(result, ABOVE) > 1
    always = (below & above).all(axis=0)  # at every momentum
    near, far = np.median(_at(result, BELOW), axis=-1), np.median(_at(result, ABOVE), axis=-1)
    limit = dict(zip(MODELS, np.exp(np.log(result["limit"]).mean(-1)).T, strict=True))
    units = "regressions, each with its own data and start"
    yield Claim.of_fraction(
        always,
        id="gd-edge",
        statement="Gradient descent is stable up to a learning rate of 2/λ, where λ is the largest "
        "eigenvalue of the Hessian",
        sources=("lecun-1998, section 5", "goh-2017, with momentum"),
        verdict="depends",
        measure=f"fraction of linear regressions, all rows a step, that come nearer at {BELOW:g} and go away "
        f"at {ABOVE:g} of the limit 2(1 + β)/λ, with every β of "
        f"{', '.join(f'{momentum:g}' for momentum in MOMENTA)}",
        units=units,
        map=Map.of_ratios(
            result["limit"],
            np.ones_like(result["limit"]),
            axes={f"examples a step, of {ROWS}": BATCHES, "model": tuple(MODELS)},
            above=1 / NEAR,
            below=NEAR,
            measure="largest learning rate at which the loss falls, by 2(1 + β)/λ, λ of the loss of all "
            "examples at the initial weights",
            units=units,
        ),
        holds=wilson(always)[0] > 0.95,
        finding=f"For a quadratic with all examples a step it is sharp: after {STEPS} steps the median "
        f"distance, by the first one, is {number(near[0], 2)} at {2 * BELOW:g}/λ and {number(far[0], 2)} "
        f"at {2 * ABOVE:g}/λ. With momentum {MOMENTA[-1]:g} the limit is {2 * (1 + MOMENTA[-1]):g}/λ: "
        f"{number(near[-1], 2)} below and {number(far[-1], 2)} above it. With one example a step the loss "
        f"falls only up to {number(limit['linear'][0], 2)} times the limit, with momentum "
        f"{number(limit['linear, β = 0.9'][0], 2)} times. A network leaves the place where λ was "
        "measured: with all examples a step, one of 16 sigmoids stays stable up to "
        f"{number(limit['16 sigmoids'][-1], 2)} times the limit.",
    )
