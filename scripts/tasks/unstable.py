"""Claims that have failed at another seed and are not settled yet: `scripts/experiments/unstable.toml`."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Container, Mapping
from pathlib import Path

from tasks.reporting import TaskFailed

LIST = "scripts/experiments/unstable.toml"
FIELDS = {"seed": int, "date": datetime.date, "why": str}


def known(root: Path, claims: Container[str]) -> dict[str, Mapping]:
    """The seed at which each of them failed, the day, and what is known about it."""
    path = root / LIST
    listed = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, entry in listed.items():
        if name not in claims:
            raise TaskFailed(f"{LIST}: there is no claim {name!r}")
        if not isinstance(entry, Mapping) or {key: type(entry.get(key)) for key in FIELDS} != FIELDS:
            raise TaskFailed(f"{LIST}: {name} must have {', '.join(FIELDS)}, got {entry}")
    return listed


def words(entry: Mapping) -> str:
    """What a reader is told."""
    return f"It failed at seed {entry['seed']} on {entry['date']}. {entry['why']}"
