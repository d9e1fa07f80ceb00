"""The map of a claim: as data, as a strip on its card, and in words."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from experiments.evidence import Map

MARKS = {"holds": "✓", "fails": "✗", "open": "?"}


def record(made: Map) -> dict:
    """A map as data: an infinite end of its side is null."""
    turns = [{"axis": a, "at": at, "before": _plain(b), "after": _plain(c)} for a, at, b, c in made.turns()]
    return {
        "measure": made.measure,
        "axes": {name: [_plain(value) for value in values] for name, values in made.axes.items()},
        "side": [end if math.isfinite(end) else None for end in made.side],
        **{key: np.asarray(getattr(made, key), float).tolist() for key in ("estimate", "low", "high")},
        "n": int(made.n),
        "units": made.units,
        "cells": made.cells.tolist(),
        "turns": turns,
        "vague": made.vague(),
    }


def _plain(value: object) -> object:
    return value.item() if hasattr(value, "item") else value


def side(made: Mapping) -> str:
    """Where a cell's number must lie, in words."""
    from experiments.words import shown

    least, most = (end if end is None else shown(float(f"{end:.3g}")) for end in made["side"])
    if least is None:
        return f"below {most}"
    return f"above {least}" if most is None else f"from {least} to {most}"


def strip(made: Mapping) -> str:
    """The cells as a table: the first axis to the right, the second down."""
    from experiments.words import shown

    (across, columns), *rest = made["axes"].items()
    down, rows = rest[0] if rest else ("", [""])
    both = zip(*(_rows(made, key) for key in ("cells", "estimate", "low", "high")), strict=True)
    places = _places(made)
    corner = f"<td>{html.escape(down)}</td>" if rest else ""
    names = "".join(f'<th scope="col">{html.escape(shown(value))}</th>' for value in columns)
    lines = [
        f'<table class="ug-map"><thead><tr>{corner}'
        f'<td colspan="{len(columns)}">{html.escape(across)}</td></tr>'
        f"<tr>{'<td></td>' if rest else ''}{names}</tr></thead><tbody>"
    ]
    for value, row in zip(rows, both, strict=True):
        head = f'<th scope="row">{html.escape(shown(value))}</th>' if rest else ""
        lines.append(f"<tr>{head}{''.join(_cell(*cell, places) for cell in zip(*row, strict=True))}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def _rows(made: Mapping, key: str) -> list:
    """The numbers of a map, row by row."""
    return np.array(made[key]).reshape(len(next(iter(made["axes"].values()))), -1).T.tolist()


def _places(made: Mapping) -> int | None:
    """Decimals that give the largest number two digits and the bound one; None if the numbers span more."""
    numbers, ends = np.abs(made["estimate"]), [abs(end) for end in made["side"] if end]
    if np.min(made["estimate"]) > 0 and numbers.max() > max(300 * numbers.min(), 30 * max(ends, default=0)):
        return None
    return max(0, 1 - _exponent(numbers.max() / 2), *((end >= 1) - _exponent(end) for end in ends))


def _exponent(value: float) -> int:
    return math.floor(math.log10(value)) if value > 0 else 0


def _cell(state: str, estimate: float, low: float, high: float, places: int | None) -> str:
    from experiments.words import between, number, signed

    mark = f'<span aria-hidden="true">{MARKS[state]}</span><span class="ug-unseen">{state}</span>'
    title = f"{number(estimate)} {between((low, high))}"
    short = number(estimate, 2) if places is None else signed(estimate, places).removeprefix("+")
    return f'<td class="ug-{state}" title="{title}">{mark} {short}</td>'


def flat(made: Mapping, key: str = "cells") -> list:
    """The states of all cells, or their numbers under `key`, row by row."""
    return [value for row in _rows(made, key) for value in row]


def states(made: Mapping) -> list[str]:
    """Which of the states its cells have."""
    return [state for state in MARKS if state in flat(made)]


def words(made: Mapping) -> str:
    """Where it holds, where it turns and where it fails: one sentence that needs no table."""
    from experiments.words import shown

    if len(seen := states(made)) == 1 and seen != ["open"]:
        return f"{seen[0].capitalize()} in all {np.size(made['estimate'])} cells."
    (across, columns), *rest = made["axes"].items()
    rows = rest[0][1] if rest else [""]
    where: dict[str, list[str]] = {}
    for value, row in zip(rows, _rows(made, "cells"), strict=True):
        where.setdefault(_along(columns, row), []).append(shown(value))
    name = f"{rest[0][0]} " if rest and not isinstance(rows[0], str) else ""
    between = " / " if any("," in str(row) for row in rows) else ", "
    parts = [text + (f" ({name}{between.join(values)})" if rest else "") for text, values in where.items()]
    return f"Along {across}: {'; '.join(parts)}."


def _along(columns: list, states: list[str]) -> str:
    from experiments.words import shown

    if len(set(states)) == 1:
        return f"{'is open' if states[0] == 'open' else states[0]} throughout"
    if isinstance(columns[0], str):
        kinds = {kind: [c for c, s in zip(columns, states, strict=True) if s == kind] for kind in MARKS}
        return ", ".join(
            f"{'is open' if kind == 'open' else kind} for {_listed(found)}"
            for kind, found in kinds.items()
            if found
        )
    runs: list[tuple[str, list]] = []
    for value, state in zip(columns, states, strict=True):
        if not runs or runs[-1][0] != state:
            runs.append((state, []))
        runs[-1][1].append(value)
    texts = []
    for i, (state, values) in enumerate(runs):
        first, last = shown(values[0]), shown(values[-1])
        one = f"at {first}" if first == last else f"from {first} to {last}"
        place = f"up to {last}" if i == 0 else f"from {first}" if i == len(runs) - 1 else one
        texts.append(f"{'is open' if state == 'open' else state} {place}")
    return ", ".join(texts)


def _listed(words: Sequence[str]) -> str:
    *others, last = words
    if any("," in word for word in words):
        return " / ".join(words)
    return f"{', '.join(others)} and {last}" if others else last
