"""How many random trials does a search need, and how many does a grid waste?  Chapter: tuning.

Adam's rate decides on these networks; beta2 and epsilon, searched as well, hardly matter.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import apart, mean_interval, wilson
from experiments.trials import generators
from experiments.tuning._shared.digits import COMPONENTS, right, split_digits
from experiments.words import number, percent
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.training import train

BOX = torch.tensor([[-5.0, 1.0], [-4.0, -1.0], [-10.0, -6.0]])  # log10 of the rate, of 1 - beta2, of epsilon
RANDOM, GRIDS = 64, (2, 3, 4)  # trials of a random search; values of a hyper-parameter in a grid
SPLITS, EPOCHS, BATCH = 4, 4, 32
TRIALS, TOP = 60, 0.05  # the claim's
BEST, SURE = (0.025, 0.05, 0.1, 0.2, 0.4), 0.9  # the map: shares that count as the best, and a probability
FEW, GROUP = 30, 2  # validation examples; searches whose networks make a population of settings
SHOWN = (4, 8, 16, 32, 64)


def _grid(values: int, draw: torch.Generator) -> torch.Tensor:
    """The grid's points in the unit cube, (values³, 3): where it lies is left to chance."""
    offset = torch.rand(3, generator=draw)
    lines = [(torch.arange(values) + u) / values for u in offset]
    return torch.cartesian_prod(*lines)


def _points(draw: torch.Generator) -> torch.Tensor:
    """All that a search tries on one split, (trials, 3)."""
    return torch.cat([torch.rand(RANDOM, 3, generator=draw), *(_grid(k, draw) for k in GRIDS)])


def compute(*, tables=20, seed=0, device="cpu"):
    """Accuracies on `validation` and `fresh` examples (searches, splits, trials), and the log10 `rate`.

    `few` is the accuracy on the first FEW validation examples; `examples` counts all of them.

    A search's trials: first RANDOM random ones, then the grids of 8, 27 and 64 points. Networks of one split
    have the same examples, and first weights of their own.
    """
    sets = split_digits(generators(seed, SPLITS, "split"), device=device)
    draws = (generators(seed, tables, stream) for stream in ("search", "weights", "order"))
    found = {"validation": [], "few": [], "fresh": [], "rate": []}
    for search, weights, order in zip(*draws, strict=True):
        cube = torch.stack([_points(search) for _ in range(SPLITS)], 1)
        exponents = BOX[:, 0] + (BOX[:, 1] - BOX[:, 0]) * cube
        lr, beta2, eps = (10 ** exponents.to(device))[..., None, None].unbind(2)
        many = {"replicas": cube.shape[:2], "weight": "he_normal", "generator": weights, "device": device}
        model = MLP((COMPONENTS, 16, 10), **many)
        train(
            model,
            *sets.train,
            loss="cross_entropy",
            optimizer=Adam(model.parameters(), lr=lr, betas=(0.9, 1 - beta2), eps=eps),
            epochs=EPOCHS,
            batch_size=BATCH,
            generator=order,
        )
        validated = right(model, sets.validation).float()
        found["validation"].append(validated.mean(-1).T)
        found["few"].append(validated[..., :FEW].mean(-1).T)
        found["fresh"].append(right(model, sets.test).float().mean(-1).T)
        found["rate"].append(exponents[..., 0].T)
    examples = torch.tensor(sets.validation.x.shape[-2])
    return {key: torch.stack(values) for key, values in found.items()} | {"examples": examples}


def _picked(result, first: int, last: int) -> np.ndarray:
    """Fresh accuracy of the network that validates best among trials first to last: (searches, splits)."""
    best = result["validation"][..., first:last].argmax(-1)[..., None]
    return np.take_along_axis(result["fresh"][..., first:last], best, -1)[..., 0]


def _by_search(values: np.ndarray) -> np.ndarray:
    """Means over the splits, with the splits' own levels taken out of the scatter: (searches,)."""
    return values.mean(1)


def _grids(result) -> dict[int, np.ndarray]:
    found, first = {}, RANDOM
    for k in GRIDS:
        found[k**3] = _picked(result, first, first + k**3)
        first += k**3
    return found


def _top(result) -> np.ndarray:
    """Whether a random network is among its split's best 5 %, as the other searches place it."""
    fresh = result["fresh"][..., :RANDOM]
    limit = np.stack([np.quantile(np.delete(fresh, i, 0), 1 - TOP, axis=(0, 2)) for i in range(len(fresh))])
    return fresh >= limit[..., None]


def _found(result, trials: int) -> np.ndarray:
    return _top(result)[..., :trials].any(-1).ravel()


def _picks_best(result, key: str, best: float) -> np.ndarray:
    """How likely TRIALS settings, drawn at random, have one of the best validate best: (groups,).

    The settings are those of GROUP searches on one split, the best those of the whole split; mean over the
    splits. Of equals, any is picked.
    """
    fresh, scores = (result[k][..., :RANDOM] for k in ("fresh", key))
    top = fresh >= np.quantile(fresh, 1 - best, axis=(0, 2))[:, None]
    groups = len(fresh) // GROUP
    top, scores = (
        a[: groups * GROUP].reshape(groups, GROUP, SPLITS, -1).swapaxes(1, 2).reshape(groups, SPLITS, -1)
        for a in (top, scores)
    )
    pairs = zip(scores.reshape(-1, scores.shape[-1]), top.reshape(-1, top.shape[-1]), strict=True)
    return np.reshape([_likely(*pair) for pair in pairs], (groups, SPLITS)).mean(-1)


def _likely(scores: np.ndarray, top: np.ndarray) -> float:
    """The probability that the best scored of TRIALS draws is a top one, (settings,) each."""
    _, level, counts = np.unique(scores, return_inverse=True, return_counts=True)
    below = np.append(0, counts.cumsum()) / len(scores)
    return float((np.diff(below**TRIALS) * np.bincount(level, top) / counts).sum())


def predicted_random(result, trials) -> np.ndarray:
    """Mean fresh accuracy of the best validated of n draws from a split's random networks."""
    n, levels = np.atleast_1d(trials)[:, None], []
    for s in range(SPLITS):
        validation, fresh = (result[key][:, s, :RANDOM].ravel() for key in ("validation", "fresh"))
        order = np.argsort(validation, kind="stable")
        rank = np.arange(len(order) + 1) / len(order)
        levels.append((np.diff(rank**n, axis=-1) * fresh[order]).sum(-1))
    return np.mean(levels, axis=0)


def predicted_grid(result, values) -> float:
    """Mean over the grid's places of the best of `values` rates, were the rate all that matters."""
    low, high = BOX[0].tolist()
    levels = []
    for s in range(SPLITS):
        rate, fresh = (result[key][:, s, :RANDOM].ravel() for key in ("rate", "fresh"))
        order = np.argsort(rate)
        window = max(len(order) // 60, 1)
        smooth = np.convolve(fresh[order], np.ones(window) / window, "valid")
        at = np.convolve(rate[order], np.ones(window) / window, "valid")
        offsets = (np.arange(200)[:, None] / 200 + np.arange(values)) / values
        levels.append(np.interp(low + (high - low) * offsets, at, smooth).max(-1).mean())
    return float(np.mean(levels))


def draw(result) -> Figure:
    fig, (left, right_) = style.figure(7.4, 3.7, ncols=2)
    colours, ink = style.palette(), style.ink()
    n = np.arange(1, RANDOM + 1)
    fine = n[SHOWN[0] - 1 :]
    left.plot(n, 100 * (1 - (1 - TOP) ** n), color=ink, lw=1)
    for trials in (5, 10, 20, 40, 60):
        hits = _found(result, trials)
        left.vlines(trials, *(100 * np.array(wilson(hits))), color=colours["standardized"], lw=1.2)
        left.plot(trials, 100 * hits.mean(), "o", ms=5, mew=0, color=colours["standardized"])
    left.text(22, 45, "line: 1 − 0.95ⁿ", ha="left")
    left.set(
        xlim=(0, 66),
        ylim=(0, 102),
        xlabel="random trials",
        title="Searches that train one of\nthe best 5 % (%)",
    )
    right_.plot(fine, 100 * predicted_random(result, fine), color=ink, lw=1)
    right_.plot([k**3 for k in GRIDS], [100 * predicted_grid(result, k) for k in GRIDS], color=ink, lw=1)
    random = {trials: _picked(result, 0, trials) for trials in SHOWN}
    for rows, key, mark in ((random, "standardized", "o"), (_grids(result), "raw", "^")):
        for trials, values in rows.items():
            ends = 100 * np.array(mean_interval(_by_search(values)))
            right_.vlines(trials, *ends, color=colours[key], lw=1.2)
            right_.plot(trials, 100 * values.mean(), mark, ms=5.5, mew=0, color=colours[key])
    right_.text(8, 89.5, "random", color=colours["standardized"], ha="right")
    right_.text(4, 91.2, "lines: predicted", va="center")
    right_.text(22, 82, "grids of\n2³, 3³, 4³", color=colours["raw"], va="top")
    right_.set(
        xscale="log",
        xticks=SHOWN,
        xticklabels=SHOWN,
        ylim=(78.5, 91.8),
        xlabel="trials (log)",
        title="Fresh accuracy of\nthe one picked (%)",
    )
    right_.minorticks_off()
    return fig


def table(result) -> dict:
    columns = {key: [] for key in ("search", "trials", "accuracy", "low", "high", "predicted")}
    rows = [("random", n, _picked(result, 0, n), float(predicted_random(result, n)[0])) for n in SHOWN]
    rows += [("grid", n, v, predicted_grid(result, round(n ** (1 / 3)))) for n, v in _grids(result).items()]
    for name, n, values, line in rows:
        row = name, n, values.mean(), *mean_interval(_by_search(values)), line
        for key, value in zip(columns, row, strict=True):
            columns[key].append(value)
    return columns


def _worth(result, trials: int) -> int:
    """Random trials that reach the grid's mean accuracy, by the predicted line; RANDOM if none does."""
    reached = predicted_random(result, np.arange(1, RANDOM + 1)) >= _grids(result)[trials].mean()
    return int(reached.argmax()) + 1 if reached.any() else RANDOM


def caption(result) -> str:
    grid, random = _grids(result)[27].mean(), _picked(result, 0, 27).mean()
    count = result["fresh"].shape[0]
    return (
        f"**A grid of 27 trials, three values each, reaches {percent(grid, 1)}, as much as "
        f"{_worth(result, 27)} random trials. 27 random ones reach {percent(random, 1)}.**\n\n"
        "Adam's rate, β₂ and ε are searched over six, three and four powers of ten on the digits. Upper "
        "line: the best of so many networks drawn from all; lower line: a grid in which the rate alone "
        f"counts. Grids beat it, as each rate gets several trials, of which the best is kept. {SPLITS} "
        f"splits, {count} searches each; 95 % intervals over the searches."
    )


def alt(result) -> str:
    hits = _found(result, TRIALS)
    grids = ", ".join(f"{percent(v.mean(), 1)} with {n}" for n, v in _grids(result).items())
    random = ", ".join(f"{percent(_picked(result, 0, n).mean(), 1)} with {n}" for n in (8, 27, 64))
    return (
        "Two panels. Left: the fraction of searches that trained one of the best 5 % rises with the trials "
        f"along its predicted curve, to {percent(hits.mean())} at {TRIALS}. Right: accuracy of the network "
        f"picked; grids reach {grids} trials, random search {random} trials."
    )


def claims(result) -> Iterator[Claim]:
    hits, expected = _found(result, TRIALS), 1 - (1 - TOP) ** TRIALS
    many, few = ([_picks_best(result, key, best) for best in BEST] for key in ("validation", "few"))
    tried = np.broadcast_to(1 - (1 - np.array(BEST)[:, None]) ** TRIALS, np.shape(many))
    at = BEST.index(TOP)
    words = f"pairs of searches, {GROUP * RANDOM} networks each on every one of {SPLITS} splits of the digits"
    yield Claim.of_mean(
        many[at],
        id="random-search",
        statement="Sixty random trials find one of the best 5 % of all settings with probability .954",
        sources=("bergstra-bengio-2012, with whom the number is often quoted",),
        verdict="depends",
        measure=f"probability that the best validated of {TRIALS} random networks is among the best "
        f"{percent(TOP)} on fresh examples; {result['examples']} validation examples",
        units=words,
        map=Map.of_means(
            np.stack([tried, many, few], axis=1),
            axes={
                "best settings, % of all": tuple(100 * best for best in BEST),
                "find": ("one is tried", f"picked by {result['examples']}", f"picked by {FEW} examples"),
            },
            above=SURE,
            measure=f"probability, for {TRIALS} trials; that one is tried, by the formula",
            units=words,
        ),
        holds=abs(hits.mean() - expected) < 0.12
        and apart(mean_interval(few[at]), mean_interval(many[at]))
        and mean_interval(many[at])[1] < SURE,
        finding=f"They try one: the formula gives {expected:.3f}, whatever the number of "
        f"hyper-parameters, and {hits.sum()} of our {len(hits)} searches did. To find it among the sixty "
        f"takes validation examples: the network that validates best is one of the best {percent(TOP)} in "
        f"{percent(np.mean(many[at]))} of the searches on {result['examples']} examples and in "
        f"{percent(np.mean(few[at]))} on {FEW}; one of the best {percent(BEST[at + 2])} in "
        f"{percent(np.mean(many[at + 2]))} and {percent(np.mean(few[at + 2]))}. And they are the best of "
        f"the ranges searched: in ours the best {percent(TOP)} begin at an accuracy of "
        f"{number(np.quantile(result['fresh'][..., :RANDOM], 1 - TOP), 3)}.",
    )
