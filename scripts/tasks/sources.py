"""The sources in docs/sources.toml, which cards and pages name by their keys: "he-2015, section 2.2"."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tasks.reporting import TaskFailed

FILE = "docs/sources.toml"
OURS = "Unit Gain"  # the source of what this site says first
FIELDS = ("title", "authors", "year", "says", "address", "where")
KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
YEAR = re.compile(r"\d{4}(–\d{4})?|undated")
NO_HTTPS = r"neuralnetworksanddeeplearning\.com|yann\.lecun\.com"
ADDRESS = re.compile(rf"(https://[\w-]+(\.[\w-]+)+|http://({NO_HTTPS}))/[^\s()<>|]*")


@dataclass(frozen=True)
class Source:
    """One source: `name` is "Glorot & Bengio (2010)"; without an `address`, `where` says how it is found."""

    name: str
    title: str
    says: str
    address: str
    where: str

    def link(self, text: str, otherwise: str = "") -> str:
        """The text as a link to the source; where that has no address, to `otherwise`, or no link."""
        target = self.address or otherwise
        return f"[{text}]({target})" if target else text

    def entry(self) -> str:
        """The source in a list of sources."""
        end = f" ({self.where})." if self.where else "" if self.title.endswith("?") else "."
        return f"{self.link(self.name)}, *{self.title}*{end} {self.says}"


def load(root: Path) -> dict[str, Source]:
    """The sources by their keys. Raises TaskFailed, which names all that is wrong."""
    try:
        tables = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise TaskFailed(f"{FILE}: {error}") from None
    owner: dict[str, str] = {}
    if wrong := [f"{FILE}: {key}: {what}" for key in tables for what in _wrong(key, tables[key], owner)]:
        raise TaskFailed("\n".join(wrong))
    return {key: _source(table) for key, table in tables.items()}


def _wrong(key: str, table: Mapping, owner: dict[str, str]) -> Iterator[str]:
    if not isinstance(table, dict) or not KEY.fullmatch(key):
        yield "a source must be a table, its key small letters and digits joined by hyphens"
        return
    yield from (f"{field} is missing" for field in FIELDS[:4] if not table.get(field))
    yield from (f"{field} is none of {', '.join(FIELDS)}" for field in table if field not in FIELDS)
    if not YEAR.fullmatch(str(table.get("year", "undated"))):
        yield f"year must be a number, a range such as 2015–2017, or undated, got {table['year']}"
    address = table.get("address", "")
    if not address and not table.get("where"):
        yield "address is missing, and no `where` says how it is found"
    elif address and not ADDRESS.fullmatch(address):
        yield f"address must be https, a host and a path without spaces, ( as %28 and ) as %29, got {address}"
    elif address and owner.setdefault(address, key) != key:
        yield f"address is that of {owner[address]}, {address}"


def _source(table: Mapping) -> Source:
    *others, last = [table["authors"]] if isinstance(table["authors"], str) else table["authors"]
    names = f"{others[0]} et al." if len(others) > 3 else " & ".join(filter(None, [", ".join(others), last]))
    name = names if table["year"] == "undated" else f"{names} ({table['year']})"
    return Source(name, table["title"], table["says"], table.get("address", ""), table.get("where", ""))


def find(key: str, known: Mapping[str, Source]) -> Source:
    """The source of a key. Raises TaskFailed where there is none, with the keys that may be meant."""
    if key not in known:
        close = " or ".join(get_close_matches(key, known, n=2, cutoff=0.5))
        raise TaskFailed(f"there is no source {key!r} in {FILE}{close and f'; did you mean {close}?'}")
    return known[key]


def cite(text: str, known: Mapping[str, Source], otherwise: str | None = "") -> str:
    """What a card shows of "he-2015, section 2.2": the authors, as a `link` but for None, and the place."""
    key, comma, place = text.partition(", ")
    if key == OURS:
        return text
    source = find(key, known)
    return f"{source.name if otherwise is None else source.link(source.name, otherwise)}{comma}{place}"
