"""The two stages of an experiment, as a worker process runs them: compute its arrays, render the rest.

The process that plans the build imports this module too, so torch and matplotlib are imported only inside.
"""

from __future__ import annotations

import csv
import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from tasks import cards, maps, pictures
from tasks.discovery import Experiment
from tasks.files import replacing, write
from tasks.reporting import TaskFailed, reporting


def compute(experiment: Experiment) -> None:
    """Run the experiment and keep its arrays."""
    with reporting(experiment.root, f"compute {experiment.id}"):
        module = load(experiment)
        arrays = {key: array(value) for key, value in module.compute().items()}
        _write_arrays(experiment.result, arrays)


def render(experiment: Experiment) -> None:
    """Make everything that is made from the experiment's arrays."""
    import numpy as np

    with reporting(experiment.root, f"render {experiment.id}"):
        module = load(experiment)
        with np.load(experiment.result, allow_pickle=False) as file:
            result = dict(file)
        folder = experiment.folder
        html = ""
        if {"draw", "animate"} & experiment.defines:
            html = pictures.make(module, result, folder, f"experiments/{experiment.id}", module.alt(result))
        if "table" in experiment.defines:
            _write_table(folder / "data.csv", module.table(result))
        claimed = module.claims(result) if "claims" in experiment.defines else ()
        claims = [cards.record(experiment, claim) for claim in claimed]
        _check(experiment, claims)
        if html:
            write(folder / "picture.html", html)
            write(folder / "figure.md", cards.figure(experiment, module.caption(result)))
        write(folder / "claims.json", json.dumps(claims, indent=1, ensure_ascii=False) + "\n")


def load(experiment: Experiment) -> ModuleType:
    """The experiment's module, in a process with one thread and fresh global generators."""
    module = importlib.import_module(experiment.module)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        torch.manual_seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    return module


def array(value: object) -> object:
    """What `compute` returned under one name, as numpy keeps it."""
    import numpy as np

    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.dtype.hasobject:
        raise TypeError(f"compute must return arrays of numbers or text, got {value!r}")
    return array


def _write_arrays(path: Path, arrays: Mapping[str, object]) -> None:
    import numpy as np

    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, **arrays)


def _write_table(path: Path, columns: Mapping[str, object]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"table must return columns of one length, got {lengths}")
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))


def _cell(value: object) -> object:
    value = value.item() if hasattr(value, "item") else value
    return f"{value:.6g}" if isinstance(value, float) else value


def _check(experiment: Experiment, claims: list[dict]) -> None:
    failed = [claim for claim in claims if not claim["holds"] or claim["derived"] != claim["verdict"]]
    if failed:
        lines = experiment.script.read_text(encoding="utf-8").splitlines()
        raise TaskFailed("\n".join(_explain(claim, lines) for claim in failed))


def _explain(claim: Mapping, lines: list[str]) -> str:
    line = next((i for i, text in enumerate(lines, start=1) if f'"{claim["id"]}"' in text), 1)
    why = f'does not support the written verdict "{claim["verdict"]}"'
    if claim["derived"] != claim["verdict"]:
        why = f'gives "{claim["derived"]}", not the written verdict "{claim["verdict"]}"'
    where = f"  map        {maps.words(claim['map'])}\n" if claim["map"] else ""
    return (
        f"claim {claim['id']}: the measurement {why}\n"
        f"  statement  {claim['statement']}\n"
        f"  measured   {cards.measured(claim)}, n = {cards.count(claim['n'])} · {claim['measure']}\n{where}"
        f"  script     {claim['script']}:{line}"
    )
