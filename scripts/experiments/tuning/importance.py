"""Which hyper-parameters decide how well a network does?  Chapter: tuning."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import apart, mean_interval, wilson
from experiments.trials import descend, generator, score
from experiments.tuning._shared.search import decompose, digit_parts, jackknife
from experiments.words import SUPERSCRIPT, number, percent, signed
from unitgain.datasets import Examples
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam

BATCHES, WIDTHS, DEPTHS = (32, 256), (16, 64), (1, 3)  # replicas share all three
SHAPES = (BATCHES, WIDTHS, DEPTHS)
EPOCHS = 4
HIGH = -1  # the power of ten from which Adam's rate is high
SPACES = ("wide", "near")
DRAWN = {  # rate: its power of ten in each space; then powers of ten of 1 − β and of ε, and the decay itself
    "sgd": {"rate": ((-3, 1), (-1, 0)), "momentum": (-2, 0), "decay": (0, 1)},
    "adam": {
        "rate": ((-4, 0), (-2.5, -1.5)),
        "beta1": (-2, 0),
        "beta2": (-4, -1),
        "eps": (-10, -5),
        "decay": (0, 1),
    },
}
STRUCTURE = ("batch", "width", "depth")
POWERS = (1, 2, 4)  # the map: powers of ten of the rate that are searched
MIDDLE = {"sgd": (-1.75, 0.25), "adam": (-3, -1)}  # the two
STEPS = 40  # instead of a number of passes
NAMES = {  # and the rank in the list
    "rate": ("learning rate α", "high"),
    "momentum": ("momentum β", "medium"),
    "batch": ("batch size", "medium"),
    "width": ("width", "medium"),
    "depth": ("depth", "low"),
    "decay": ("rate decay", "low"),
    "beta1": ("β₁", "never"),
    "beta2": ("β₂", "never"),
    "eps": ("ε", "never"),
    "rest": ("not explained", ""),
}
TITLES = {"sgd": "SGD with momentum", "adam": "Adam"}


def _factors(name: str) -> list[str]:
    return [*DRAWN[name], *STRUCTURE]


def _values(name: str, u: torch.Tensor, rates: Sequence[tuple]) -> dict[str, torch.Tensor]:
    """Hyper-parameters (spaces × networks, 1, 1) for `u` (spaces, networks, k), uniform on [-1, 1].

    `rates` are the powers of ten of the rate in each space.
    """
    drawn = {}
    for (key, range_), column in zip((DRAWN[name] | {"rate": rates}).items(), u.unbind(-1), strict=True):
        low, high = torch.tensor(range_, dtype=u.dtype).expand(len(u), 2)[:, None].unbind(-1)
        value = low + (column + 1) / 2 * (high - low)
        drawn[key] = (value if key == "decay" else 10**value).reshape(-1, 1, 1)
    return drawn


def _optimizer(name: str, h: dict[str, torch.Tensor]):
    """The source article's two: the velocity is a mean of gradients in both."""
    if name == "sgd":
        return partial(SGD, momentum=1 - h["momentum"], averaging=True)
    return partial(Adam, betas=(1 - h["beta1"], 1 - h["beta2"]), eps=h["eps"])


def compute(*, networks=90, mapped=36, rows=1200, seed=0, device="cpu"):
    """Random search: points `<optimizer>_at` (spaces, runs, k) in [-1, 1], and `_wrong` (spaces, runs).

    `networks` runs for each optimizer, space, batch size, width and depth; `validation` counts the digits
    behind each share of wrong ones. With `mapped` runs each, the same for `<optimizer>_middle`, over two
    powers of ten of the rate, and for `steps`, SGD over one, two and four, STEPS for every batch size.
    """
    parts = digit_parts(seed, rows, device)
    draws = generator(seed, "search"), generator(seed, "weights")
    found = {"validation": torch.tensor(len(parts[1].x))}
    for name, ranges in DRAWN.items():
        found |= _searched_runs(name, name, ranges["rate"], networks, parts, draws, seed)
    for name, rates in MIDDLE.items():
        found |= _searched_runs(f"{name}_middle", name, [rates], mapped, parts, draws, seed)
    wide, near = DRAWN["sgd"]["rate"]
    rates = near, MIDDLE["sgd"], wide
    return found | _searched_runs("steps", "sgd", rates, mapped, parts, draws, seed, steps=STEPS)


def _searched_runs(
    key: str,
    name: str,
    rates: Sequence[tuple],
    networks: int,
    parts: Sequence[Examples],
    draws: tuple[torch.Generator, torch.Generator],
    seed: int,
    steps: int | None = None,
) -> dict[str, torch.Tensor]:
    """Points `<key>_at` (spaces, runs, k), a space for each range of the rate, and `<key>_wrong`."""
    (train, validation), (search, weights) = parts, draws
    points, wrong = [], []
    for shape in product(*SHAPES):
        batch, width, depth = shape
        u = 2 * torch.rand(len(rates), networks, len(DRAWN[name]), generator=search) - 1
        h = {key: value.to(train.x.device) for key, value in _values(name, u, rates).items()}
        many = {"replicas": len(h["rate"]), "weight": "he_normal", "generator": weights}
        model = MLP((64, *[width] * depth, 10), **many, device=train.x.device)
        rate, decay = h["rate"].flatten(), h["decay"].flatten()
        now, cut = rate.clone(), steps // EPOCHS if steps else -(-len(train.x) // batch)  # the rate's decay

        def slower(step, now=now, rate=rate, decay=decay, cut=cut):
            if step % cut == 0:
                now.copy_(rate / (1 + decay * (step // cut)))

        options = {"optimizer": _optimizer(name, h), "callback": slower}
        length = {"steps": steps} if steps else {"epochs": EPOCHS}
        descend(model, train, now, seed=seed, batch=batch, **length, **options)
        place = [2.0 * (one == two[1]) - 1 for one, two in zip(shape, SHAPES, strict=True)]
        points.append(torch.cat([u, torch.tensor(place).expand(*u.shape[:2], -1)], -1))
        wrong.append((1 - score(model, validation)).view(len(rates), networks))
    return {f"{key}_at": torch.cat(points, 1), f"{key}_wrong": torch.cat(wrong, 1)}


def _log_odds(result, key: str) -> np.ndarray:
    """Log-odds of a wrong digit (spaces, runs), half a digit added on both sides."""
    wrong = result[f"{key}_wrong"].astype(np.float64) * result["validation"]
    return np.log((wrong + 0.5) / (result["validation"] - wrong + 0.5))


def _of_runs(result, key: str, name: str) -> list[dict[str, np.ndarray]]:
    """For each space pseudo-values (2, blocks) of the shares, alone and total, of each factor."""
    points = result[f"{key}_at"].astype(np.float64)
    spaces = [jackknife(u, odds) for u, odds in zip(points, _log_odds(result, key), strict=True)]
    return [dict(zip([*_factors(name), "rest"], v.transpose(2, 1, 0), strict=True)) for v in spaces]


def _shares(result) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Pseudo-values (2, blocks) of the shares, alone and total, of each factor of (optimizer, space)."""
    return {(n, space): f for n in DRAWN for space, f in zip(SPACES, _of_runs(result, n, n), strict=True)}


def _lead(shares: dict[str, np.ndarray]) -> np.ndarray:
    """The rate's total share less the largest other one, pseudo-values (blocks,)."""
    others = [key for key in shares if key not in ("rate", "rest")]
    largest = max(others, key=lambda key: shares[key][1].mean())
    return shares["rate"][1] - shares[largest][1]


def _leads(result, shares: dict) -> dict[str, list[np.ndarray]]:
    """The rate's lead over POWERS, by row of the map."""
    rows = {
        f"{TITLES[name]}, {EPOCHS} passes": [
            shares[name, "near"],
            *_of_runs(result, f"{name}_middle", name),
            shares[name, "wide"],
        ]
        for name in DRAWN
    }
    rows[f"{TITLES['sgd']}, {STEPS} steps"] = _of_runs(result, "steps", "sgd")
    return {row: [_lead(one) for one in found] for row, found in rows.items()}


def _off(result) -> float:
    """Largest error of the method on the same points for a function whose total shares are known.

    The rate alone has 6/9 of the variance, with the batch size 1/9, another alone 1/9, and noise 1/9.
    """
    u = result["sgd_at"][0].astype(np.float64)
    wave, noise = np.cos(np.pi * u[:, 0]), np.random.default_rng(0).normal(size=len(u))
    batch = u[:, _factors("sgd").index("batch")]
    found = decompose(u, wave * (1 + batch / np.sqrt(6)) + u[:, 1] / 2 + noise / np.sqrt(12))[1]
    truth = {"rate": 7 / 9, "momentum": 1 / 9, "batch": 1 / 9, "rest": 1 / 9}
    return float(np.abs(found - [truth.get(key, 0.0) for key in [*_factors("sgd"), "rest"]]).max())


def _order(shares: dict[str, np.ndarray]) -> list[str]:
    """Factors by their total share, largest first, and the rest."""
    return sorted(shares, key=lambda key: (key == "rest", -shares[key][1].mean()))


def draw(result) -> Figure:
    shares = _shares(result)
    fig, axes = style.figure(8.0, 3.9, ncols=2, tall=7.0)
    looks = ((-0.13, "o", style.palette()["standardized"]), (0.13, "s", style.palette()["class1"]))
    for ax, name in zip(axes, DRAWN, strict=True):
        order = _order(shares[name, "wide"])
        at = np.arange(len(order))
        for space, (low, high), (side, mark, colour) in zip(SPACES, DRAWN[name]["rate"], looks, strict=True):
            total = 100 * np.array([shares[name, space][key][1] for key in order])
            ends = np.clip(np.transpose([mean_interval(row) for row in total]), 0, 100)
            ax.hlines(at + side, *ends, color=colour, lw=1.5)
            ax.plot(np.clip(total.mean(-1), 0, 100), at + side, mark, ms=6, mew=0, color=colour)
            y = len(order) - (3.4 if space == "wide" else 2.4)
            ax.text(100, y, f"α from {_power(low)} to {_power(high)}", color=colour, ha="right", va="center")
        labels = [f"{NAMES[key][0]} ({NAMES[key][1]})" if NAMES[key][1] else NAMES[key][0] for key in order]
        ax.set(title=TITLES[name], yticks=at, yticklabels=labels, ylim=(len(order) - 0.5, -0.5))
        ax.set(xlim=(-2, 101), xticks=(0, 50, 100), xlabel="fraction of the variance (%)")
        ax.tick_params(axis="y", length=0)
    return fig


def _power(p: float) -> str:
    return f"{10**p:.1g}" if p < 1 else f"{10**p:g}"


def table(result) -> dict:
    columns = {
        "optimizer": [],
        "rates": [],
        "hyper_parameter": [],
        "alone": [],
        "total": [],
        "low": [],
        "high": [],
    }
    for (name, space), rows in _shares(result).items():
        for key in _order(rows):
            alone, total = rows[key]
            row = (TITLES[name], space, NAMES[key][0], alone.mean(), total.mean(), *mean_interval(total))
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return columns


def _percent(shares: dict[str, np.ndarray], key: str) -> str:
    return percent(max(shares[key][1].mean(), 0))


def _searched() -> str:
    """What is searched besides the rate."""
    beta, (beta2, most), eps = (DRAWN["adam"][key] for key in ("beta1", "beta2", "eps"))
    low, high = (f"10{str(power).translate(SUPERSCRIPT)}" for power in eps)
    return (
        f"batches of {BATCHES[0]} or {BATCHES[1]}, width {WIDTHS[0]} or {WIDTHS[1]}, {DEPTHS[0]} or "
        f"{DEPTHS[1]} hidden layers, β and β₁ from {1 - 10 ** beta[1]:g} to {1 - 10 ** beta[0]:g}, β₂ from "
        f"{1 - 10**most:g} to {1 - 10**beta2:g}, ε from {low} to {high}, decay from none "
        "to α/(1 + passes done)"
    )


def caption(result) -> str:
    shares, runs = _shares(result), result["sgd_wrong"].shape[1]
    wide, near = shares["sgd", "wide"], shares["sgd", "near"]
    return (
        "**If SGD's learning rate is searched over four powers of ten, it takes part in "
        f"{_percent(wide, 'rate')} of the variance between runs; over one power of good rates, in "
        f"{_percent(near, 'rate')}, and the batch size in {_percent(near, 'batch')}.**\n\n"
        "In brackets: the rank in the article's list, whose momentum, a mean of gradients, we took. The "
        "marks add up to more than 100 %, as an interaction counts for both; what each explains alone "
        f"stands in the data. Random search on one split of the digits, {runs} runs for each optimizer and "
        f"range, {EPOCHS} passes each: {_searched()}. Score: log-odds of a wrong validation digit; 95 % "
        "intervals (jackknife). Where the fractions are known, the method is "
        f"{number(100 * _off(result), 2)} points off at most."
    )


def alt(result) -> str:
    said = []
    for (name, space), rows in _shares(result).items():
        first = ", ".join(f"{NAMES[key][0]} {_percent(rows, key)}" for key in _order(rows)[:3])
        said.append(f"{TITLES[name]}, {'four powers' if space == 'wide' else 'one power'} of ten: {first}")
    return (
        "Fractions of the variance by hyper-parameter, for two optimizers and two ranges of the learning "
        f"rate; the largest three of each. {'; '.join(said)}."
    )


def _fails(result, depth: int) -> np.ndarray:
    """Which of Adam's runs at the highest rates get most digits wrong."""
    u, (low, high) = result["adam_at"][0], DRAWN["adam"]["rate"][0]
    layers = u[:, _factors("adam").index("depth")] == (1 if depth == DEPTHS[1] else -1)
    above = low + (u[:, 0] + 1) / 2 * (high - low) > HIGH
    return result["adam_wrong"][0][above & layers] > 0.5


def claims(result) -> Iterator[Claim]:
    shares = _shares(result)
    ends = {
        at: {key: mean_interval(total) for key, (_, total) in rows.items()} for at, rows in shares.items()
    }

    def above(at, key, *others):
        """Whether `key`'s share is surely larger than any of the others' (default: all)."""
        return ends[at][key][0] > max(
            ends[at][other][1] for other in others or ends[at] if other not in (key, "rest")
        )

    never = ("beta1", "beta2", "eps")
    wide, adam = ("sgd", "wide"), ("adam", "wide")
    shallow, deep = (_fails(result, depth) for depth in DEPTHS)
    with_adam = [("adam", space) for space in SPACES]
    least = max(shares[at][key][1].mean() for at in with_adam for key in never)
    leads = _leads(result, shares)
    passes, _, steps = leads.values()
    words = "twentieths of the runs on one split of the digits, each left out in turn (jackknife)"
    yield Claim(
        id="tuning-importance",
        statement="The learning rate matters most; momentum, width and batch size less; depth and decay "
        "little; β₁, β₂ and ε are almost never tuned",
        sources=("tuning-lesson, hyperparameter tuning",),
        verdict="depends",
        measure="fraction of the variance between random runs of SGD with momentum in which the rate takes "
        "part, rates over four powers of ten",
        estimate=float(shares[wide]["rate"][1].mean()),
        interval=ends[wide]["rate"],
        n=result["sgd_wrong"].shape[1],
        units="runs, each with its own hyper-parameters and weights, on one split of the digits",
        map=Map.of_means(
            np.stack([*leads.values()], axis=1),
            axes={"powers of ten of the rate searched": POWERS, "search": tuple(leads)},
            above=0,
            measure="fraction of the variance in which the rate takes part, less that of the next",
            units=words,
        ),
        holds=above(wide, "rate")
        and above(adam, "rate")
        and above(("sgd", "near"), "batch", "rate")
        and above(("adam", "near"), "batch", "rate")
        and above(adam, "depth", "width")
        and apart(wilson(shallow), wilson(deep))
        and max(ends[at][key][1] for at in with_adam for key in never) < 0.1
        and apart(mean_interval(passes[0]), mean_interval(steps[0]))
        and apart(mean_interval(passes[1]), mean_interval(steps[1]))
        and _off(result) < 0.05,
        finding="It depends on the range that is searched. Over four powers of ten the rate leads with "
        f"both optimizers ({_percent(shares[adam], 'rate')} with Adam). Over one, of good rates, the "
        f"batch size leads ({_percent(shares['sgd', 'near'], 'batch')} and "
        f"{_percent(shares['adam', 'near'], 'batch')}), as with a fixed number of passes it sets the "
        "number of steps. Over two, the fraction of SGD's rate less that of the next is "
        f"{signed(100 * passes[1].mean(), 0)} points, and {signed(100 * steps[1].mean(), 0)} where all "
        f"batch sizes take {STEPS} steps. Depth is not low with Adam, {_percent(shares[adam], 'depth')}: "
        f"above a rate of {_power(HIGH)}, {percent(deep.mean())} of the networks with {DEPTHS[1]} hidden "
        f"layers get most digits wrong, {percent(shallow.mean())} with {DEPTHS[0]}. β₁, β₂ and ε can be "
        f"left alone: each takes part in {percent(max(least, 0), 1)} at most.",
    )
