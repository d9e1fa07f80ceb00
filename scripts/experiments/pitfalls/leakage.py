"""How much does it flatter the test score to take statistics of all rows before the split?

Chapter: pitfalls.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.pitfalls._shared.intervals import means
from experiments.pitfalls._shared.leaks import (
    chosen,
    correlations,
    nearest,
    nearest_mean,
    picks,
    predicted_score,
    shares,
)
from experiments.pitfalls._shared.tables import standardized
from experiments.trials import generator
from experiments.words import between, number, signed
from unitgain.datasets import digits

SIZES = (20, 50, 100, 200, 500, 1000)
TRAIN = 0.75
COMPONENTS, FEW = 32, 2
COLUMNS, KEEP = 1000, 10
FRESH = 1000  # rows of noise
NEAREST, LINEAR = 0, 1
GROUPS = 12  # of the map: tables of as many digits together
FLATTERS = 1.0  # points


def _standardized(x: Tensor, rows: Tensor, _: int) -> Tensor:
    return standardized(x, rows)


def _unit_range(x: Tensor, rows: Tensor, _: int) -> Tensor:
    low, high = rows.aminmax(dim=-2, keepdim=True)
    return (x - low) / (high - low).masked_fill(high == low, 1)


def _whitened(x: Tensor, rows: Tensor, components: int) -> Tensor:
    """As `PCA(components, whiten=True)` does, for many tables at once."""
    mean = rows.mean(-2, keepdim=True)
    _, norms, axes = torch.linalg.svd(rows - mean, full_matrices=False)
    sd = norms[..., :components, None] / (rows.shape[-2] - 1) ** 0.5
    return (x - mean) @ (axes[..., :components, :] / sd).mT


TRANSFORMS = {
    "standardize": _standardized,
    "min_max": _unit_range,
    "whiten": _whitened,
    "whiten_few": _whitened,
}
SHARE = {"standardize": 1, "min_max": 1, "whiten": 4, "whiten_few": 4}  # of the tables; whitening costs most


def _linear(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """Ridge regression on the ten classes: the penalty is as large as a row's mean square."""
    mean = x.mean(-2, keepdim=True)
    x, target = x - mean, torch.nn.functional.one_hot(y, 10).to(x) - 0.1
    by_rows = x.shape[-2] < x.shape[-1]  # then the smaller equations are those of the rows
    gram, known = (x @ x.mT, target) if by_rows else (x.mT @ x, x.mT @ target)
    gram.diagonal(dim1=-2, dim2=-1).add_(x.square().sum((-2, -1), keepdim=True)[..., 0] / x.shape[-2])
    weight = torch.cholesky_solve(known, torch.linalg.cholesky(gram))
    return ((queries - mean) @ (x.mT @ weight if by_rows else weight)).argmax(-1)


def _scores(z: Tensor, y: Tensor, train: int, n: int) -> Tensor:
    """Of both classifiers on test rows and on fresh ones, the first `train` rows known: (2, 2, tables)."""
    x, known, queries = z[:, :train], y[:, :train], z[:, train:]
    guesses = known.gather(1, nearest(x, queries)), _linear(x, known, queries)
    return shares(torch.stack(guesses) == y[:, train:], n - train)


def compute(*, tables=50, seed=0, device="cpu"):
    """Scores on test rows and on fresh ones, as many tables of n digits as give 1,000 · `tables` digits.

    For each transform and n, `<transform>_<n>`: (classifiers, statistics of the training part or of all,
    test or fresh rows, tables). And `labels_<n>`, (test or fresh rows, tables), where the labels of all rows
    chose the columns.
    """
    draw, found = generator(seed), {}
    images, classes = digits(device=device)
    for n in SIZES:
        count, train = tables * SIZES[-1] // n, round(TRAIN * n)
        pick = picks(count, n + n // 2, len(images), draw, device)
        digit = images[pick]
        for name, transform in TRANSFORMS.items():
            some = max(count // SHARE[name], 2)
            x, y = digit[:some], classes[pick[:some]]
            arms = (
                transform(x, x[:, :known], min(FEW if name == "whiten_few" else COMPONENTS, train - 1))
                for known in (train, n)
            )
            found[f"{name}_{n}"] = torch.stack([_scores(z, y, train, n) for z in arms], 1)
        found[f"labels_{n}"] = _chosen_by_labels(max(count // 10, tables // 4, 2), n, train, draw).to(device)
    return found


def _chosen_by_labels(tables: int, n: int, train: int, draw: torch.Generator) -> Tensor:
    """Columns of noise, labels from a coin; scores on test rows and on fresh ones, (2, tables)."""
    x = torch.randn(tables, n, COLUMNS, generator=draw)
    y = torch.randint(2, (tables, n + FRESH), generator=draw) * 2.0 - 1
    kept = chosen(x, correlations(x, y[:, :n]), KEEP)
    fresh = torch.randn(tables, FRESH, KEEP, generator=draw)
    guess = nearest_mean(kept[:, :train], y[:, :train], torch.cat([kept[:, train:], fresh], 1))
    return shares(guess == y[:, train:], n - train)


def _parts(result, name: str, n: int, classifier: int = NEAREST) -> tuple[np.ndarray, np.ndarray]:
    """What leaking adds to the reported score, without real skill, and to the skill: points, a table each.

    Statistics of the training part treat test rows and fresh ones alike, so that their difference is noise
    that both arms share.
    """
    (test, fresh), (leaked_test, leaked_fresh) = 100 * result[f"{name}_{n}"][classifier].astype(np.float64)
    return (leaked_test - test) - (leaked_fresh - fresh), leaked_fresh - fresh


def _bias(result, name: str, n: int, classifier: int = NEAREST) -> np.ndarray:
    """Reported score minus true score, both with the leak, in points: one a table."""
    if name == "labels":
        test, fresh = 100 * result[f"labels_{n}"].astype(np.float64)
        return test - fresh
    return _parts(result, name, n, classifier)[0]


LOOK = {
    "labels": ("raw", "o"),
    "whiten": ("saturated", "v"),
    "whiten_few": ("saturated", "^"),
    "standardize": ("standardized", "o"),
    "min_max": ("class0", "s"),
}


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.8, 3.9, ncols=2, width_ratios=(1, 1.1))
    colours, ink = style.palette(), style.ink()
    n = np.array(SIZES)

    def series(ax, name, classifier=NEAREST, move=1.0):
        key, mark = LOOK[name]
        middle, low, high = np.transpose([means(_bias(result, name, size, classifier)) for size in SIZES])
        face = colours[key] if classifier == NEAREST else "none"
        ax.vlines(move * n, low, high, color=colours[key], lw=1.3)
        line = {"lw": 0 if name == "labels" else 1.2, "ls": "-" if classifier == NEAREST else "--"}
        ax.plot(move * n, middle, marker=mark, ms=5, mfc=face, mec=colours[key], color=colours[key], **line)

    many = np.unique(np.geomspace(SIZES[0], SIZES[-1], 60).round().astype(int))
    expected = [100 * predicted_score(k, COLUMNS, KEEP, round(TRAIN * k)) - 50 for k in many]
    left.plot(many, expected, color=ink, lw=0.9)
    for name in LOOK:
        series(left, name)
    for classifier in (NEAREST, LINEAR):
        for name, move in (("standardize", 0.97), ("min_max", 1.03)):
            series(right, name, classifier, move)
    left.text(65, 43, "columns chosen\nby their labels", color=colours["raw"], va="center")
    left.text(100, -13, f"whitening,\n{COMPONENTS} components", color=colours["saturated"], va="center")
    left.text(21, 8, f"whitening,\n{FEW} components", color=colours["saturated"], va="bottom")
    left.text(210, 3, "scaling", color=colours["standardized"], va="bottom")
    left.text(21, 36, "thin line:\npredicted", va="top")
    right.text(70, 1.3, "standardize", color=colours["standardized"], va="center")
    right.text(100, -0.3, "min–max", color=colours["class0"], ha="center", va="center")
    right.text(1000, 2.55, "filled: nearest neighbour\nhollow: linear", va="top", ha="right")
    left.set(ylim=(-22, 54), title="Kinds of statistics", ylabel="reported minus true score (points)")
    right.set(ylim=(-0.9, 2.9), title="Scaling alone, magnified")
    for ax in (left, right):
        ax.axhline(0, color=ink, lw=0.8)
        ax.set(xscale="log", xlim=(16, 1250), xticks=(20, 100, 1000), xticklabels=("20", "100", "1,000"))
        ax.set_xlabel("rows, training and test together (log)")
        ax.minorticks_off()
    return fig


def table(result) -> dict:
    columns = {key: [] for key in ("statistics", "classifier", "rows", "tables", "true_score", "bias")}
    columns |= {"bias_low": [], "bias_high": [], "change_of_true_score": []}
    for name in LOOK:
        for classifier, title in enumerate(("nearest neighbour", "linear")):
            if name == "labels" and classifier == LINEAR:
                continue
            for n in SIZES:
                labels = name == "labels"
                bias = _bias(result, name, n, classifier)
                scores = result[f"{name}_{n}"]
                true = scores[1] if labels else scores[classifier, 1, 1]
                change = 0.0 if labels else _parts(result, name, n, classifier)[1].mean()
                low, high = mean_interval(bias)
                row = name, "nearest mean" if labels else title, n, len(bias), true.mean(), bias.mean()
                for key, value in zip(columns, (*row, low, high, change), strict=True):
                    columns[key].append(value)
    return columns


AT = 100  # rows, in the caption and on the card


def caption(result) -> str:
    scaled, whitened, labels = (_bias(result, name, AT) for name in ("standardize", "whiten", "labels"))
    few = _bias(result, "whiten_few", SIZES[0])
    changes = [signed(bias.mean()) for bias in (labels, scaled, whitened)]
    return (
        f"**With {AT} rows, columns chosen by the labels of all of them change the reported score by "
        f"{changes[0]} points, standardization by {changes[1]}, whitening by "
        f"{changes[2]}; with {SIZES[0]} rows, whitening to {FEW} components changes it by "
        f"{signed(few.mean())}.**\n\n"
        "Scaling and whitening: nearest neighbour on random splits of the digits, a "
        f"quarter for the test, {len(scaled):,} at {AT} rows ({len(whitened)} of them whitened, {COMPONENTS} "
        f"components or as many as there are, and {FEW}); true score: other digits. Labels: nearest class "
        "mean on the "
        f"best {KEEP} of {COLUMNS:,} columns of noise, as above; the truth is a half. 95 % intervals."
    )


def alt(result) -> str:
    whitened, labels = (
        [number(_bias(result, name, n).mean(), 2) for n in SIZES] for name in ("whiten", "labels")
    )
    few = ", ".join(number(_bias(result, "whiten_few", n).mean(), 2) for n in SIZES)
    scaled = [_bias(result, "standardize", n).mean() for n in (SIZES[0], SIZES[-1])]
    return (
        "Bias of the reported score in points against the number of rows, 20 to 1,000. Columns chosen by "
        f"their labels: {', '.join(labels)}. Whitening: {', '.join(whitened)}; of {FEW} components: {few}. "
        "Standardization and "
        f"min-max lie near 0: standardization falls from {number(scaled[0], 2)} to {number(scaled[1], 2)}."
    )


ARMS = {
    "columns chosen by labels": "labels",
    f"whitened, {FEW} components": "whiten_few",
    f"whitened, {COMPONENTS} components": "whiten",
    "min–max": "min_max",
    "standardized": "standardize",
}


def _grouped(result) -> np.ndarray:
    """Mean biases of groups of tables, as many digits in each: (SIZES, ARMS, groups)."""
    biases = [[_bias(result, name, n) for name in ARMS.values()] for n in SIZES]
    groups = min(GROUPS, *(len(bias) for row in biases for bias in row))
    means = [
        [bias[: len(bias) // groups * groups].reshape(groups, -1).mean(1) for bias in row] for row in biases
    ]
    return np.array(means)


def claims(result) -> Iterator[Claim]:
    scaled = {
        (name, n, c): _bias(result, name, n, c)
        for name in ("standardize", "min_max")
        for n in SIZES
        for c in (NEAREST, LINEAR)
    }
    ends = {key: mean_interval(values) for key, values in scaled.items()}
    whitened, labels = (_bias(result, name, AT) for name in ("whiten", "labels"))
    few = _bias(result, "whiten_few", SIZES[0])
    small = all(max(-a, b) < 1.5 for (_, n, _), (a, b) in ends.items() if n >= AT)
    gone = all(max(-a, b) < 0.5 for (_, n, _), (a, b) in ends.items() if n >= 500)
    worst = max(scaled, key=lambda key: scaled[key].mean())
    yield Claim.of_mean(
        scaled["standardize", AT, NEAREST],
        id="train-only-stats",
        statement="Computing preprocessing statistics on all data before the split is a mistake",
        sources=("cs231n-2, common pitfall", "moscovich-rosset-2022"),
        verdict="depends",
        measure=f"bias of the reported score on {AT} digits, in points: all of them standardized before the "
        "split, nearest neighbour",
        units="tables drawn at random from the same 1,797 digits: the interval covers the draw, not other "
        "digits",
        map=Map.of_means(
            _grouped(result),
            axes={"rows": SIZES, "statistics of all rows": tuple(ARMS)},
            above=FLATTERS,
            measure="reported minus true score, points; nearest neighbour, or nearest mean where labels "
            "chose",
            units="groups of tables drawn from the same 1,797 digits, 1,000 digits or more in a group; where "
            "labels chose, of noise",
        ),
        holds=small
        and gone
        and mean_interval(labels)[0] > 10
        and mean_interval(whitened)[1] < -1
        and mean_interval(few)[0] > 1,
        finding="It depends on what the statistics have seen. Columns chosen by the labels of all "
        f"{AT} rows report {number(50 + labels.mean(), 3)} % where the truth is 50 %, "
        f"{between(mean_interval(labels))} points too much. Scaling flatters by "
        f"{number(scaled[worst].mean(), 2)} points at worst, with {worst[1]} rows, and from 500 rows on by "
        f"{number(max(v.mean() for (_, n, _), v in scaled.items() if n >= 500), 1)} or less. Subtracting a "
        "mean, the notes' own example, leaks nothing: all rows move alike. Whitening "
        f"{AT} rows to {COMPONENTS} components makes the score too *low*, by "
        f"{number(-whitened.mean(), 2)} points; {SIZES[0]} rows to {FEW}, too high, by "
        f"{number(few.mean(), 2)}.",
    )
