"""How good is the advice of a learning-rate range test?  Chapter: tuning."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import mean_interval
from experiments.trials import descend, generator, generators, raw, score, standardized
from experiments.tuning._shared.digits import split_digits
from experiments.words import between, long_table, number
from unitgain.models import MLP

SETTINGS = {  # hidden units, activation, scale of the pixels
    "16": ((16,), "relu", standardized),
    "64": ((64,), "relu", standardized),
    "32-32-32": ((32, 32, 32), "relu", standardized),
    "64 tanh": ((64,), "tanh", standardized),
    "16, raw": ((16,), "relu", raw),
    "64, raw": ((64,), "relu", raw),
}
EPOCHS, BATCH = 8, 32  # of the test, and of the training that checks its advice
LOW, HIGH = 1e-4, 1e2
RATES = torch.logspace(-3, 1, 13)
SMOOTH, STOP, WORST = 0.8, 4.0, 1e4
RULES = ("steepest", "tenth", "lowest")
NAMES = ("steepest point", "a tenth of the lowest loss's rate", "rate of the lowest loss")


def compute(*, networks=10, seed=0, device="cpu"):
    """The test's `loss` (settings, steps, networks), and `accuracy` on fresh examples after training at each
    of RATES, (settings, networks, rates). Every network has its own split."""
    losses, scores = [], []
    weights, draws = generator(seed, "weights"), generators(seed, networks * len(SETTINGS), "split")
    for k, (hidden, activation, scale) in enumerate(SETTINGS.values()):
        sets = split_digits(draws[k :: len(SETTINGS)], scale, device=device)
        steps = EPOCHS * -(-sets.train.x.shape[-2] // BATCH)
        weight = "he_normal" if activation == "relu" else "glorot_normal"
        many = {"replicas": (1 + len(RATES), networks), "weight": weight, "generator": weights}
        model = MLP((64, *hidden, 10), activation, **many, device=device)
        rates = torch.cat([torch.tensor([LOW]), RATES])[:, None].to(device)  # the first is the test's

        def faster(step, rates=rates, steps=steps):
            rates[0] = LOW * (HIGH / LOW) ** (step / max(steps - 1, 1))  # the optimizer's own

        losses.append(
            descend(model, sets.train, rates, seed=seed, epochs=EPOCHS, batch=BATCH, callback=faster)[:, 0]
        )
        scores.append(score(model, sets.test)[1:].T)
    bounded = torch.stack(losses).nan_to_num(WORST, WORST, WORST).clamp(max=WORST)
    return {"loss": bounded, "accuracy": torch.stack(scores)}


def _test_rates(result) -> np.ndarray:
    return np.geomspace(LOW, HIGH, result["loss"].shape[1])


def _smooth(result) -> np.ndarray:
    """Running means of the loss with their bias from the start taken out: (settings, steps, networks)."""
    mean, found = 0.0, []
    for step, loss in enumerate(np.moveaxis(result["loss"], 1, 0)):
        mean = SMOOTH * mean + (1 - SMOOTH) * loss
        found.append(mean / (1 - SMOOTH ** (step + 1)))
    return np.stack(found, 1)


def _stops(result) -> np.ndarray:
    """The step at which the smoothed loss exceeds STOP times the lowest so far: (settings, networks)."""
    smooth = _smooth(result)
    over = smooth > STOP * np.minimum.accumulate(smooth, axis=1)
    return np.where(over.any(1), over.argmax(1), smooth.shape[1])


def advice(result) -> dict[str, np.ndarray]:
    """log10 of the rate that each rule names, (settings, networks); the test ends where it stops."""
    smooth, rates = _smooth(result), np.log10(_test_rates(result))
    step = np.arange(len(rates))[:, None]
    at = np.where(step < _stops(result)[:, None], smooth, np.inf).argmin(1)
    wide = max(len(rates) // 20, 1)
    fall = np.full_like(smooth, np.inf)
    fall[:, wide:-wide] = smooth[:, 2 * wide :] - smooth[:, : -2 * wide]
    steepest = np.where(step <= at[:, None], fall, np.inf).argmin(1)
    return {"steepest": rates[steepest], "tenth": rates[at] - 1, "lowest": rates[at]}


def _curve(result) -> np.ndarray:
    return result["accuracy"].mean(1)


def _good(row: np.ndarray) -> tuple[float, float]:
    """log10 of the lowest and the highest rate within a point of the best mean accuracy."""
    fine = np.linspace(*np.log10(RATES.numpy()[[0, -1]]), 1001)
    inside = np.interp(fine, np.log10(RATES.numpy()), row) >= row.max() - 0.01
    return float(fine[inside].min()), float(fine[inside].max())


def _loss_of(result, rule: str) -> np.ndarray:
    """Accuracy lost by the advised rate against the best one, (settings, networks)."""
    rates = np.log10(RATES.numpy())
    rows = zip(result["accuracy"], advice(result)[rule], strict=True)
    at = np.array([[np.interp(a, rates, row) for row, a in zip(*pair, strict=True)] for pair in rows])
    best = np.take_along_axis(result["accuracy"], _curve(result).argmax(-1)[:, None, None], -1)[..., 0]
    return best - at


MARKS = {"steepest": ("v", "class1"), "tenth": ("o", "class0"), "lowest": ("X", "saturated")}
SHOWN = 1  # the setting whose test is drawn


def draw(result) -> Figure:
    fig, (left, right_) = style.figure(7.8, 3.9, ncols=2, width_ratios=(1, 1.25), tall=6.6)
    colours, ink, rates = style.palette(), style.ink(), _test_rates(result)
    smooth, stops, advised = _smooth(result)[SHOWN], _stops(result)[SHOWN], advice(result)
    for curve, stop in zip(smooth.T, stops, strict=True):
        left.plot(rates[:stop], curve[:stop], color=colours["dead"], lw=0.9)
    first = smooth[: stops[0], 0]
    left.plot(rates[: stops[0]], first, color=ink, lw=1.6)
    for rule, (mark, key) in MARKS.items():
        at = 10 ** advised[rule][SHOWN, 0]
        left.plot(at, np.interp(at, rates[: stops[0]], first), mark, ms=8, mew=0, color=colours[key])
    left.set(
        xscale="log",
        xlabel="learning rate during the test (log)",
        ylim=(0, 4.5),
        yticks=range(5),
        ylabel="loss, running mean",
    )
    left.set_title(f"The test: {list(SETTINGS)[SHOWN]} units,\nstandardized")
    for k, row in enumerate(_curve(result)):
        low, high = _good(row)
        right_.plot(
            [10**low, 10**high], [k, k], color=colours["alive"], lw=13, alpha=0.35, solid_capstyle="butt"
        )
        for shift, (rule, (mark, key)) in zip((-0.16, 0, 0.16), MARKS.items(), strict=True):
            values = advised[rule][k]
            right_.hlines(k + shift, *(10 ** np.array(mean_interval(values))), color=colours[key], lw=1.4)
            right_.plot(10 ** values.mean(), k + shift, mark, ms=6.5, mew=0, color=colours[key])
    right_.set(
        xscale="log",
        xlim=(1e-3, 12),
        ylim=(len(SETTINGS) - 0.5, -2.4),
        yticks=range(len(SETTINGS)),
        yticklabels=SETTINGS,
        xlabel="learning rate (log)",
        ylabel="hidden units",
        title="Learning rates that train best\n(bars), and what the test says",
    )
    for y, (rule, (mark, key)) in zip((-2.0, -1.45, -0.9), MARKS.items(), strict=True):
        right_.plot(1.5e-3, y, mark, ms=6.5, mew=0, color=colours[key])
        right_.text(2.2e-3, y, NAMES[RULES.index(rule)], color=colours[key], va="center")
    return fig


def table(result) -> dict:
    advised = np.stack([*advice(result).values()], 1)
    low, high = np.apply_along_axis(mean_interval, -1, advised).T
    good = 10.0 ** np.array([[_good(row)] * len(RULES) for row in _curve(result)])
    return long_table(
        {"setting": [*SETTINGS], "rule": RULES},
        rate=10 ** advised.mean(-1),
        low=10**low.T,
        high=10**high.T,
        accuracy_lost=np.stack([_loss_of(result, rule).mean(-1) for rule in RULES], 1),
        best_from=good[..., 0],
        best_to=good[..., 1],
    )


SCALED, RAW = slice(0, 4), slice(4, 6)


def _points(result, rule: str, settings: slice) -> np.ndarray:
    """Percentage points of accuracy lost by a rule, (networks,)."""
    return 100 * _loss_of(result, rule)[settings].mean(0)


def _mean(result, rule: str, settings: slice) -> str:
    return number(_points(result, rule, settings).mean(), 2)


def _with_interval(result, rule: str, settings: slice) -> str:
    return (
        f"{_mean(result, rule, settings)} points {between(mean_interval(_points(result, rule, settings)), 2)}"
    )


def caption(result) -> str:
    return (
        "**On standardized pixels, training at the steepest point of the test costs "
        f"{_with_interval(result, 'steepest', SCALED)} of accuracy against the best learning rate; on raw "
        f"pixels it costs {_with_interval(result, 'steepest', RAW)}.**\n\n"
        f"A tenth of the rate with the lowest loss costs {_mean(result, 'tenth', SCALED)} and "
        f"{_mean(result, 'tenth', RAW)} points, that rate itself {_mean(result, 'lowest', SCALED)} and "
        f"{_mean(result, 'lowest', RAW)}. Bars: rates within a point of the best mean accuracy. "
        f"{result['loss'].shape[-1]} networks a row, each with a split of the digits, ReLU unless said; "
        f"plain SGD, {result['loss'].shape[1]} steps for the test and for each training that checks it; 95 % "
        "intervals."
    )


def alt(result) -> str:
    rates = advice(result)
    said = ", ".join(
        f"{name} {number(10 ** rates[rule][SHOWN].mean(), 2)}"
        for rule, name in zip(RULES, NAMES, strict=True)
    )
    low, high = 10.0 ** np.array(_good(_curve(result)[SHOWN]))
    return (
        "Left: the loss of a range test falls and then shoots up as the rate rises. Right: for six settings, "
        f"the best rates as bars and three rules' advice as marks. With 64 units the best are "
        f"{number(low, 2)} to {number(high, 2)}, and the rules say: {said}."
    )
