"""One experiment in a terminal: which one is meant, and what it has found."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from pathlib import Path
from textwrap import fill, indent

from tasks import cards, discovery, maps, sources
from tasks.discovery import Experiment
from tasks.reporting import TaskFailed


def wanted(root: Path, kind: str, name: str | None) -> Experiment:
    """The experiment called `name`, or behind the claim `name`."""
    if not name:
        raise TaskFailed("which one? make claim ID=<id>, make experiment NAME=<chapter>/<name>")
    experiments = discovery.experiments(root)
    if kind == "experiment":
        known = {one.id: one for one in experiments}
    else:
        texts = [(one, one.script.read_text(encoding="utf-8")) for one in experiments]
        known = {found: one for one, text in texts for found in re.findall(r'\bid="([a-z0-9-]+)"', text)}
    if name not in known:
        close = get_close_matches(str(name), known, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise TaskFailed(f"there is no {kind} {name!r}{hint}")
    return known[name]


def report(one: Experiment, claim: str) -> str:
    """The caption and the claims of an experiment; of a claim, its card alone."""
    claims = json.loads((one.folder / "claims.json").read_text(encoding="utf-8"))
    chosen = [made for made in claims if made["id"] == claim]
    known = sources.load(one.root)
    parts = [card(made, known) for made in chosen or claims]
    caption = one.folder / "figure.md"
    if not chosen and caption.exists():
        text = caption.read_text(encoding="utf-8").partition('<figcaption markdown="1">\n')[2]
        finding, _, rest = text.partition("\n\n")
        method = rest.partition("</summary>\n\n")[2].partition("\n\n[")[0]
        parts = [_wrapped(finding), *filter(None, [_wrapped(method)]), *parts]
    return "\n\n".join([*parts, f"Files: {one.folder.relative_to(one.root)}/"])


def card(claim: dict, known: dict[str, sources.Source]) -> str:
    """A claim as plain text."""
    lines = [
        f"“{claim['statement']}” · {cards.cited(claim, known, links=False)}",
        f"{cards.measured(claim)}, {cards.counted(claim)} · {claim['measure']}",
        claim["finding"],
    ]
    if claim["map"]:
        lines += [f"{maps.words(claim['map'])} ({claim['map']['measure']}, {maps.side(claim['map'])})"]
    return "\n".join(
        [f"{claim['id']}: {cards.WORDS[claim['verdict']]}", *map(_wrapped, lines), f"  {claim['script']}"]
    )


def _wrapped(text: str) -> str:
    return indent(fill(" ".join(text.split()), 100), "  ")
