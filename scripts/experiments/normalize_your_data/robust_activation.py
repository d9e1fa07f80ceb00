"""Can another activation make up for inputs that are not normalized?  Chapter: normalize-your-data.

Scale and offset are different faults: which activation bears which?
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.normalize_your_data._shared.circles import both_standardized, many_circles
from experiments.trials import descend, mlps, score
from experiments.words import number, signed
from unitgain.datasets import Examples
from unitgain.optimizers import SGD, Adam

ACTIVATIONS = {
    "ReLU": "relu",
    "leaky ReLU": "leaky_relu",
    "ELU": "elu",
    "sigmoid": "sigmoid",
    "softsign": functional.softsign,
    "sine": torch.sin,
}
FAULTS = {  # what is added to both inputs, and by what each is then multiplied
    "both × 0.01": (0.0, 0.01, 0.01),
    "both × 100": (0.0, 100.0, 100.0),
    "one × 100": (0.0, 100.0, 1.0),
    "both + 3": (3.0, 1.0, 1.0),
    "both + 10": (10.0, 1.0, 1.0),
}
AT = "leaky ReLU", "both + 10"  # the headline
POINTS, FRESH, UNITS, STEPS = 50, 200, 8, 150
RATES = (0.0012, 0.006, 0.03, 0.15, 0.75, 3.75, 19.0)  # of Adam
SGD_RATES = (0.001, 0.01, 0.1, 1.0, 10.0)
CLOSE = 0.05  # of accuracy
LARGE = list(FAULTS).index("both × 100")
LEARNING = 0.75  # of accuracy: below, hardly a network has learned, and chance picks the rate


def compute(*, networks=48, mapped=24, seed=0, device="cpu"):
    """Accuracies on fresh points, each at the learning rate that is best on other fresh points.

    Of ReLUs on standardized circles, `standardized` (networks,); of the headline's, `raw` (networks,); of
    ReLUs by SGD, standardized and with both inputs × 100, `descent` (2, mapped). For the map `faulty`
    (FAULTS, ACTIVATIONS, mapped). `chosen`: the best rates' places, 0 to 1, in this order.
    """
    sizes = {"data": POINTS, "noise": FRESH, "fresh": FRESH}
    parts = [many_circles(seed, networks, n, stream, device=device) for stream, n in sizes.items()]
    data, more = both_standardized(parts[0].x, torch.cat([part.x for part in parts[1:]], 1))
    inputs = data, *more.split(FRESH, 1)
    fitted = [Examples(x[None], part.y) for x, part in zip(inputs, parts, strict=True)]
    few = [Examples(part.x[:mapped], part.y[:mapped]) for part in parts]
    spoiled = [_spoiled(part, *FAULTS.values()) for part in few]
    large = [
        Examples(torch.cat([x[:, :mapped], bad.x[LARGE : LARGE + 1]]), bad.y)
        for (x, _), bad in zip(fitted, spoiled, strict=True)
    ]
    headline = [_spoiled(part, FAULTS[AT[1]]) for part in parts]
    runs = [
        _learned("ReLU", fitted, seed),
        _learned(AT[0], headline, seed),
        _learned("ReLU", large, seed, SGD, SGD_RATES),
        *(_learned(name, spoiled, seed) for name in ACTIVATIONS),
    ]
    (standard, raw, descent, *cells), places = zip(*runs, strict=True)
    return {
        "standardized": standard[0],
        "raw": raw[0],
        "descent": descent,
        "faulty": torch.stack(cells, 1),
        "chosen": torch.cat(places),
    }


def _spoiled(part: Examples, *faults: tuple[float, ...]) -> Examples:
    """The points with each fault: x (faults, networks, points, 2)."""
    rows = [(part.x + offset) * part.x.new_tensor(factors) for offset, *factors in faults]
    return Examples(torch.stack(rows), part.y)


def _learned(
    name: str, parts: list[Examples], seed: int, optimizer=Adam, rates=RATES
) -> tuple[Tensor, Tensor]:
    """Test accuracies (kinds, networks) at the rates that are best in validation; those rates' places."""
    train, validation, test = (Examples(part.x[:, None], part.y) for part in parts)
    kinds, _, networks = train.x.shape[:3]
    options = {"activation": ACTIVATIONS[name], "seed": seed, "device": train.x.device}
    model = mlps((2, UNITS, 1), (kinds, len(rates), networks), **options)
    how = {"optimizer": optimizer, "loss": "binary_cross_entropy"}
    descend(model, train, torch.tensor(rates)[:, None], seed=seed, epochs=STEPS, **how)
    best = score(model, validation).mean(-1).argmax(-1)
    right = score(model, test).take_along_dim(best[:, None, None], 1)[:, 0]
    return right, best / (len(rates) - 1)


def claims(result) -> Iterator[Claim]:
    standard, faulty = result["standardized"], result["faulty"]
    short = faulty - standard[: faulty.shape[-1]]
    by_fault = {
        name: dict(zip(ACTIVATIONS, row, strict=True))
        for name, row in zip(FAULTS, short.mean(-1), strict=True)
    }
    made = Map.of_means(
        short,
        axes={"what was done to the inputs": tuple(FAULTS), "activation": tuple(ACTIVATIONS)},
        above=-CLOSE,
        measure="accuracy on raw circles minus that of ReLUs on the same circles standardized, Adam, best "
        "learning rate of each",
        units="networks, each with its own data and weights",
    )
    learning = (
        np.concatenate(
            [[standard.mean(), result["raw"].mean()], result["descent"].mean(-1), faulty.mean(-1).T.ravel()]
        )
        > LEARNING
    )
    inside = (result["chosen"] > 0) & (result["chosen"] < 1)
    moved, large = by_fault["both + 10"], by_fault["both × 100"]
    usual = [name for name in ACTIVATIONS if name != "sine"]
    yield Claim.of_difference(
        result["raw"],
        standard,
        id="robust-activation",
        statement="Who does not normalize can choose an activation that is less sensitive to the scale of "
        "inputs",
        sources=("inputs-post, choosing the right activation function",),
        verdict="depends",
        measure=f"accuracy of {AT[0]} networks 2-{UNITS}-1 on circles at [10, 10] minus that of ReLU "
        f"networks on the same circles standardized, {STEPS} steps of Adam, best learning rate of each",
        units="networks, each with its own data and weights",
        map=made,
        holds=(made.cells == "fails").any(0).all()
        and (made.cells[list(FAULTS).index("both + 10"), :-1] == "fails").all()
        and moved["sine"] > -CLOSE
        and max(large[name] for name in ("ReLU", "leaky ReLU", "ELU")) > -CLOSE
        and mean_interval(result["descent"][1] - result["descent"][0])[1] < -CLOSE
        and inside[learning].all(),
        finding="Each bears some faults, and none bears all. Large inputs are for activations that do not "
        f"saturate: both × 100 changes the accuracy by {signed(large['ReLU'], 2)} with ReLU, by "
        f"{signed(large['softsign'], 2)} with softsign. This takes Adam: with SGD and ReLU it is "
        f"{signed(np.diff(result['descent'].mean(-1))[0], 2)}. None of the usual ones bears an offset of 10: "
        f"{signed(max(moved[name] for name in usual), 2)} at best. A sine does ({signed(moved['sine'], 2)}), "
        "since it bends everywhere and no data is out of its reach; both × 100 costs it "
        f"{number(-large['sine'], 2)}.",
    )
