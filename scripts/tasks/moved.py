"""What moved since the last site: numbers of claims, columns of data, captions, pictures."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

from tasks import discovery, files

KEPT = ("claims.json", "data.csv", "figure.md")  # of an experiment, whole; of a picture, its digest
PICTURES = ("wide-light.svg", "wide-light.mp4")


def keep(root: Path) -> None:
    """Remember the numbers and figures of the site that was just built."""
    last = root / "build/last"
    for one in discovery.experiments(root):
        for name in KEPT:
            if (one.folder / name).exists():
                with files.replacing(last / one.id / name) as beside:
                    shutil.copyfile(one.folder / name, beside)
    files.write(last / "pictures.json", json.dumps(_pictures(root)))


def _pictures(root: Path) -> dict[str, str]:
    made = (path for one in discovery.experiments(root) for path in one.rendered if path.name in PICTURES)
    return {
        path.parent.relative_to(root / "build/experiments").as_posix(): files.digest(path)
        for path in made
        if path.exists()
    }


def report(root: Path) -> str:
    """A line for each number, column, caption and picture that differs from the last site's."""
    last = root / "build/last"
    if not (last / "pictures.json").exists():
        return "diff: there is no last site to compare with; `make site` builds one"
    before, now = json.loads((last / "pictures.json").read_text()), _pictures(root)
    lines = [line for one in discovery.experiments(root) for line in _of(one.id, one.folder, last / one.id)]
    lines += [
        f"{name}: another picture" for name in sorted(now) if name in before and before[name] != now[name]
    ]
    lines += [f"{name}: gone" for name in sorted(before.keys() - now.keys())]
    return "\n".join(lines or ["diff: no number and no figure has moved"])


def _of(name: str, folder: Path, last: Path) -> Iterator[str]:
    if not (last / "claims.json").exists():
        yield f"{name}: new"
        return
    yield from (f"{name}: {text}" for text in _claims(last / "claims.json", folder / "claims.json"))
    if (last / "data.csv").exists() and (folder / "data.csv").exists():
        yield from (f"{name}: {text}" for text in _columns(last / "data.csv", folder / "data.csv"))
    if _text(last / "figure.md") != _text(folder / "figure.md"):
        yield f"{name}: another caption"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _claims(old: Path, new: Path) -> Iterator[str]:
    before, now = ({claim["id"]: claim for claim in json.loads(_text(path))} for path in (old, new))
    for key in sorted(before | now):
        if key not in before or key not in now:
            yield f"claim {key} is {'new' if key in now else 'gone'}"
        elif any(before[key][field] != now[key][field] for field in ("verdict", "estimate", "interval", "n")):
            was, is_ = before[key], now[key]
            turned = f", {was['verdict']} to {is_['verdict']}" * (was["verdict"] != is_["verdict"])
            yield f"claim {key} from {_number(was)} to {_number(is_)}{turned}"


def _number(claim: dict) -> str:
    ends = "" if claim["interval"] is None else " [{:.4g}, {:.4g}]".format(*claim["interval"])
    return f"{claim['estimate']:.4g}{ends}"


def _columns(old: Path, new: Path) -> Iterator[str]:
    before, now = (list(csv.reader(_text(path).splitlines())) for path in (old, new))
    if before[0] != now[0] or len(before) != len(now):
        old_shape, new_shape = (f"{len(rows) - 1} rows of {', '.join(rows[0])}" for rows in (before, now))
        yield f"another table: {old_shape}; now {new_shape}"
        return
    for i, title in enumerate(now[0]):
        changes = [_change(a[i], b[i]) for a, b in zip(before[1:], now[1:], strict=True)]
        moved = [change for change in changes if change]
        if moved:
            yield f"column {title}: {len(moved)} of {len(changes)} values, by {max(moved):.3g} at most"


def _change(old: str, new: str) -> float:
    """How far apart two cells are: infinitely, where they are no numbers."""
    try:
        return 0.0 if old == new else abs(float(old) - float(new))
    except ValueError:
        return math.inf
