"""Do regression targets need scaling, and who needs it: the task, the optimizer or the rate?

Chapter: preprocessing.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval, resampled_interval
from experiments.trials import descend, generators, splits, stacked, standardized
from experiments.words import number, signed
from unitgain.datasets import Examples, Split, diabetes
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam

MODELS = {"A linear neuron": (10, 1), "A network 10-32-1": (10, 32, 1)}
LINEAR, NETWORK = range(len(MODELS))
PAIR = (9, 32, 2)  # two targets: the disease's progress, and the blood sugar, which is no input then
SUGAR, MMOL = 9, 18.016  # its column, in mg/dl, and what that is divided by for mmol/l
UNITS = (0.01, 0.1, 1.0, 10.0)  # what the targets are multiplied by
MEASURED, STANDARDIZED, CENTRED = UNITS.index(1.0), len(UNITS), len(UNITS) + 1 + UNITS.index(1.0)
OPTIMIZERS = {  # with their rates; Adam's is its default
    "sgd": (SGD, tuple(10 ** (k / 2) for k in range(-10, -1))),
    "adam": (Adam, (1e-3,)),
}
BATCH, EPOCHS = 32, 50
TEST, VALIDATION = 0.2, 0.2  # of the data
SPLIT = {"test": TEST, "training": 1 - TEST - VALIDATION}
SPREADS = (0.1, 1.0, 4.5, 10.0, 30.0, 100.0)  # the map: of the targets
MEAN = 2.0  # of the targets of the map, in their standard deviations, as in the diabetes data
TRAINERS = {  # of the map: the network's shape, the optimizer, its rates to choose from
    "linear neuron, gradient descent, best rate": (MODELS["A linear neuron"], SGD, (0.01, 0.03, 0.1)),
    "network, gradient descent, best rate": (
        MODELS["A network 10-32-1"],
        SGD,
        tuple(10 ** (k / 2) for k in (-7, -5, -3, -1)),
    ),
    "network, Adam, best rate": (MODELS["A network 10-32-1"], Adam, (1e-3, 1e-2, 0.1)),
    "network, Adam at 0.001": (MODELS["A network 10-32-1"], *OPTIMIZERS["adam"]),
}
NEEDED = 0.25  # of the targets' variance


def _data(x: Tensor, y: Tensor, units: Sequence[float], networks: int, seed: int) -> Split:
    """Every network's own split of the data: inputs (networks, n, features), targets in several forms.

    Forms of y (forms, networks, outputs, n): raw in all `units`, standardized, centred in all `units`.
    """
    rows, draws = torch.arange(len(x), device=x.device), generators(seed, networks, "split")
    sets = splits(x, rows, draws, validation=VALIDATION, test=TEST, scale=standardized)
    targets = [y[part.y].mT for part in sets]
    mean, sd = targets[0].mean(-1, keepdim=True), targets[0].std(-1, correction=0, keepdim=True)
    forms = ([*(u * t for u in units), (t - mean) / sd, *(u * (t - mean) for u in units)] for t in targets)
    return Split(*(Examples(part.x, torch.stack(form)) for part, form in zip(sets, forms, strict=True)))


def _first(sets: Split, forms: int) -> Split:
    """The same with so many forms of the targets only."""
    return Split(*(Examples(x, y[:forms]) for x, y in sets))


def _tables(networks: int, seed: int, device) -> Split:
    """A table for each network, half of whose targets' variance the inputs explain: targets as in `_data`.

    Forms of y: with the standard deviations SPREADS, and standardized.
    """
    rows, parts = 700, (270, 90, 340)
    drawn = []
    for draw in generators(seed, networks, "data"):
        x, w, noise = (torch.randn(shape, generator=draw) for shape in ((rows, 10), (10, 1), (rows, 1)))
        drawn.append((x, ((x @ w) / w.norm() + noise) / 2**0.5))
    x, y = (part.to(device) for part in stacked(drawn))
    y = y.mT
    seen = y[..., : parts[0]]
    mean, sd = seen.mean(-1, keepdim=True), seen.std(-1, correction=0, keepdim=True)
    forms = torch.stack([*(spread * (MEAN + y) for spread in SPREADS), (y - mean) / sd])
    return Split(*(Examples(a, b) for a, b in zip(x.split(parts, 1), forms.split(parts, -1), strict=True)))


def _errors(sizes: Sequence[int], make, rates, sets: Split, seed: int) -> tuple[Tensor, Tensor]:
    """Test errors by variance (forms, networks, outputs) at the rate best on validation data; its number."""
    (forms, networks), device = sets.train.y.shape[:2], sets.train.x.device
    draws = generators(seed, networks, times=forms * len(rates))
    replicas = len(rates), forms, networks
    model = MLP(sizes, weight="he_normal", replicas=replicas, generator=draws, device=device)

    def loss(output: Tensor, y: Tensor) -> Tensor:
        return (output.mT - y).square().sum(-2).mean(-1) / 2

    rate = torch.tensor(rates)[:, None, None]
    descend(model, sets.train, rate, seed=seed, epochs=EPOCHS, batch=BATCH, optimizer=make, loss=loss)
    variances = sets.train.y.var(-1, correction=0)
    with torch.no_grad():
        validation, test = ((model(part.x).mT - part.y).square().mean(-1) / variances for part in sets[1:])
    best = validation.mean((-2, -1)).nan_to_num(nan=torch.inf).argmin(0)
    return test[best, torch.arange(forms, device=device)], best


def compute(*, networks=8, mapped=12, seed=0, device="cpu"):
    """Test errors by the variance of the training targets.

    `adam` (MODELS, UNITS, standardized and centred in UNITS, networks); `sgd` the same without the centred
    ones, `sgd_best` the numbers of its rates. `pair_sgd` and `pair_adam`: (as measured and standardized,
    networks, targets). Every network has its own split of the data and its own first weights, the same in all
    cases. `mean` of the targets, `steps` of a training. `lost` (SPREADS, TRAINERS, mapped): error with raw
    targets minus that with standardized ones, each network with a table of its own.
    """
    tables = _tables(mapped, seed, device)
    mapping = [_errors(*trainer, tables, seed)[0][..., 0] for trainer in TRAINERS.values()]
    x, y = diabetes(device=device)
    sugar = x[:, SUGAR] / MMOL
    sets = _data(x, y[:, None], UNITS, networks, seed)
    sgd = [
        _errors(sizes, *OPTIMIZERS["sgd"], _first(sets, STANDARDIZED + 1), seed) for sizes in MODELS.values()
    ]
    adam = [_errors(sizes, *OPTIMIZERS["adam"], sets, seed)[0] for sizes in MODELS.values()]
    pair = _first(_data(x[:, :SUGAR], torch.stack([y, sugar], dim=1), (1.0,), networks, seed), 2)
    return {
        "sgd": torch.stack([error[..., 0] for error, _ in sgd]),
        "sgd_best": torch.stack([best for _, best in sgd]),
        "adam": torch.stack([error[..., 0] for error in adam]),
        "pair_sgd": _errors(PAIR, *OPTIMIZERS["sgd"], pair, seed)[0],
        "pair_adam": _errors(PAIR, *OPTIMIZERS["adam"], pair, seed)[0],
        "lost": torch.stack([error[:-1] - error[-1] for error in mapping], dim=1),
        "mean": y.mean(),
        "steps": torch.tensor(EPOCHS * -(-sets.train.x.shape[1] // BATCH)),
    }


def _series(ax: Axes, x, rows, colour: str, **look) -> None:
    """Means over the networks with their intervals; rows (x, networks)."""
    low, high = np.array([mean_interval(row) for row in rows]).T
    middle = rows.mean(-1)
    bars = middle - np.maximum(low, 0.1 * middle), high - middle  # a log axis has no 0
    ax.errorbar(x, middle, bars, color=style.palette()[colour], ms=5, lw=1.4, elinewidth=1.2, **look)


def draw(result) -> Figure:
    fig, (single, pair) = style.figure(8.2, 3.6, ncols=2, tall=6.4, sharey=True, width_ratios=(1.45, 1))
    colours, columns = style.palette(), np.arange(len(UNITS) + 1)
    raw, standardized, centred = columns[:-1], columns[-1:], columns[:-1] + STANDARDIZED + 1
    sgd, adam = result["sgd"][NETWORK], result["adam"][NETWORK]
    _series(single, raw - 0.06, sgd[raw], "raw", marker="^")
    _series(single, raw + 0.06, adam[raw], "raw", marker="^", ls="--", mfc="none")
    _series(single, raw + 0.06, adam[centred], "standardized", marker="o", ls=":", mfc="none")
    _series(single, standardized - 0.12, sgd[standardized], "standardized", marker="s")
    _series(single, standardized + 0.12, adam[standardized], "standardized", marker="s", mfc="none")
    names = [f"÷ {1 / u:g}" if u < 1 else f"× {u:g}" for u in UNITS]
    names[MEASURED] = "as\nmeasured"
    single.set_xticks(columns, [*names, "standard-\nized"])
    single.set(title="One target, in several units", xlim=(-0.45, len(UNITS) + 0.45))
    for t in range(2):
        for f, (colour, mark) in enumerate((("raw", "^"), ("standardized", "s"))):
            for key, side, look in (("sgd", -0.08, {}), ("adam", 0.08, {"mfc": "none"})):
                row = result[f"pair_{key}"][f, :, t]
                _series(pair, [t + 0.45 * f + side], row[None], colour, marker=mark, **look)
    pair.set(title="Two targets at once", xlim=(-0.3, 1.8))
    pair.set_xticks([0.22, 1.22], ["progress", "blood sugar\n(mmol/l)"])
    for ax, x, y, key, text in (
        (single, 3.85, 4.4, "raw", "raw, Adam"),
        (single, 3.1, 1.15, "standardized", "centred, Adam"),
        (single, 2.4, 0.375, "raw", "raw, gradient descent"),
        (pair, 0.35, 5, "raw", "raw"),
        (pair, 0.42, 0.39, "standardized", "standardized"),
    ):
        ax.text(x, y, text, color=colours[key], ha="center", va="bottom")
    rates = "filled: gradient descent,\nbest learning rate\nhollow: Adam,\nlearning rate 0.001"
    single.text(-0.4, 13, rates, va="top")
    pair.text(-0.27, 1.04, "answering the mean", va="bottom")
    for ax in (single, pair):
        ax.axhline(1, color=style.ink(), lw=0.8, ls=":")
    single.set(yscale="log", ylabel="test error / variance (log)", ylim=(0.36, 14))
    single.set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    single.set_yticks([], minor=True)
    return fig


def table(result) -> dict:
    names = [*(f"raw × {u:g}" for u in UNITS), "standardized", *(f"centred × {u:g}" for u in UNITS)]
    rows = [
        (model, "gradient descent" if key == "sgd" else "Adam", name, row)
        for m, model in enumerate(MODELS)
        for key in OPTIMIZERS
        for name, row in zip(names, result[key][m], strict=False)
    ]
    rows += [
        (f"both targets: {target}", "gradient descent" if key == "sgd" else "Adam", name, row)
        for key in OPTIMIZERS
        for name, pair in zip(("raw × 1", "standardized"), result[f"pair_{key}"], strict=True)
        for target, row in zip(("progress", "blood sugar"), pair.T, strict=True)
    ]
    model, optimizer, target, errors = zip(*rows, strict=True)
    low, high = np.array([mean_interval(row) for row in errors]).T
    middle = np.array([row.mean() for row in errors])
    columns = {"model": model, "optimizer": optimizer, "targets": target}
    return columns | {"error_by_variance": middle, "low": low, "high": high}


def _lost(result, key: str, model: int) -> np.ndarray:
    """Error with targets as measured minus that with standardized ones, network by network."""
    rows = result[key][model].astype(np.float64)
    return rows[MEASURED] - rows[STANDARDIZED]


def _pair_lost(result, key: str) -> np.ndarray:
    """The same of the blood sugar, learned beside the progress."""
    raw, standardized = result[f"pair_{key}"][..., 1].astype(np.float64)
    return raw - standardized


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Of the mean of differences, one a split of the diabetes data."""
    return resampled_interval(values, **SPLIT)


def _more(values: np.ndarray) -> str:
    low, high = _ends(values)
    return f"{signed(values.mean(), 2)} [{signed(low, 2)}, {signed(high, 2)}]"


def caption(result) -> str:
    sgd, adam = (result[key][NETWORK].mean(-1) for key in ("sgd", "adam"))
    raw, standardized = result["pair_sgd"][..., 1].mean(-1)
    reach = OPTIMIZERS["adam"][1][0] * result["steps"]
    return (
        f"**At its default learning rate Adam ends at an error of {number(adam[MEASURED], 2)} times the "
        f"variance with raw targets and {number(adam[STANDARDIZED], 2)} with standardized ones; gradient "
        f"descent, at its best, at {number(sgd[MEASURED], 2)} and {number(sgd[STANDARDIZED], 2)}.**\n\n"
        f"Adam moves a parameter by about its learning rate in a step, {number(float(reach), 2)} in all, but "
        f"the targets' mean is {number(float(result['mean']))}: centring alone gives "
        f"{number(adam[CENTRED], 2)}. Right, one learning rate serves two targets, and the smaller numbers "
        f"suffer: with gradient descent the blood sugar's error is {number(raw, 2)} raw and "
        f"{number(standardized, 2)} standardized. Diabetes data of scikit-learn; "
        f"{result['adam'].shape[-1]} networks 10-32-1, or with two outputs, each with its own split; "
        f"{EPOCHS} epochs; means with 95 % intervals over the draw of splits."
    )


def alt(result) -> str:
    sgd, adam = (result[key][NETWORK].mean(-1) for key in ("sgd", "adam"))
    raw, standardized = result["pair_sgd"][..., 1].mean(-1)
    return (
        "Test error of a network by variance, log, against the targets' unit, raw, centred and standardized: "
        f"Adam {number(adam[MEASURED])} as measured and {number(adam[STANDARDIZED])} standardized, gradient "
        f"descent {number(sgd[MEASURED])} and {number(sgd[STANDARDIZED])}. Blood sugar learned beside the "
        f"progress by gradient descent: {number(raw)} raw, "
        f"{number(standardized)} standardized."
    )


def _wide(result) -> str:
    """The SPREADS with which Adam's default rate loses more than NEEDED in the mean."""
    lost = result["lost"][:, -1].mean(-1) > NEEDED
    return ", ".join(f"{spread:g}" for spread, one in zip(SPREADS, lost, strict=True) if one)


def claims(result) -> Iterator[Claim]:
    adam, descent = _lost(result, "adam", NETWORK), _lost(result, "sgd", NETWORK)
    linear = _lost(result, "sgd", LINEAR)
    rates = np.array(OPTIMIZERS["sgd"][1])[result["sgd_best"]]
    yield Claim.of_resampled(
        adam,
        **SPLIT,
        id="targets-too",
        statement="Regression targets need scaling too",
        sources=("tuning-lesson, normalization in deep learning",),
        verdict="depends",
        measure="test error by variance with targets as measured minus with standardized ones, diabetes "
        "data, "
        "network 10-32-1, Adam at its default learning rate",
        units="networks, each with its own weights and its own split of one table; the interval allows for "
        "the rows that splits have in common",
        map=Map.of_means(
            result["lost"],
            axes={"standard deviation of the targets": SPREADS, "trained as": tuple(TRAINERS)},
            above=NEEDED,
            measure="test error by variance with raw targets minus with standardized ones, the targets' mean "
            f"{MEAN:g} standard deviations from 0",
            units="networks, each with its own table and weights",
        ),
        holds=_ends(adam)[0] > 0.5
        and _ends(descent)[1] < 0.15
        and _ends(linear)[1] < 0.05
        and _ends(_pair_lost(result, "sgd"))[0] > 0,
        finding="It depends on the learning rate and on the size of the targets. Adam's default loses more "
        f"than {NEEDED:g} at standard deviations {_wide(result)}: it does not reach large targets, and small "
        "ones are less than what the network answers at first. At gradient descent's best learning rate the "
        f"difference here is {_more(descent)}, for a linear neuron {_more(linear)}: the unit only "
        f"moves the network's best learning rate, from {number(rates[NETWORK, STANDARDIZED], 1)} to "
        f"{number(rates[NETWORK, MEASURED], 1)}. Two targets have one learning rate: blood sugar in "
        f"mmol/l beside the progress loses {_more(_pair_lost(result, 'sgd'))} even then.",
    )
