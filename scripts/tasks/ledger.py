"""The ledger: every claim by chapter, what surprises first, to be filtered without a script.

A filter is a link to a line that is shown only while it is the address's target; style rules that come with
the ledger then hide the other entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tasks import cards, maps, sources

SURPRISE = ("refuted", "not reproduced", "depends", "open", "confirmed")
CONDITIONS = {  # what a map varies, by the words of its axes
    "offset": r"offset|\bmean of|middle",
    "scale": r"standard deviation|variance|scales|half-width|\bnoise|radius",
    "number of examples": r"\brows\b|\bexamples\b|images|digits",
    "inputs": r"\binputs?\b|features|components|columns|pixel|what it holds",
    "depth": r"\blayers?\b",
    "width": r"\bunits\b|ReLUs",
    "initial weights": r"weights|gain|accepted|classes and training",
    "activation": r"activation|tanh|sigmoid|\bReLU\b",
    "optimizer": r"optimizer|\bAdam\b|SGD|momentum|\bβ\b|descent|ε",
    "learning rate": r"\brate\b",
    "training time": r"\bsteps?\b|pass(es)?\b|powers of ten that",
    "batch": r"batch|examples in a piece|examples a step|predicted together|a step: ",
}


def chapters(root: Path) -> dict[str, str]:
    """The titles of the chapters by their names, in the order of the book."""
    listed = (root / "mkdocs.yml").read_text(encoding="utf-8")
    return {name: title for title, name in re.findall(r"- (.+): learn/([\w-]+)\.md", listed)}


def conditions(claim: Mapping) -> list[str]:
    """The kinds of condition under which a claim was tried."""
    axes = claim["map"]["axes"] if claim["map"] else {}
    said = "; ".join(
        f"{name}: {', '.join(v for v in values if isinstance(v, str))}" for name, values in axes.items()
    )
    return [kind for kind, pattern in CONDITIONS.items() if re.search(pattern, said)]


def surprise(claim: Mapping) -> tuple:
    """The more of its map fails, the earlier it comes."""
    states = maps.flat(claim["map"]) if claim["map"] else []
    return SURPRISE.index(claim["verdict"]), -states.count("fails") / max(len(states), 1)


def ledger(claims: Iterable[Mapping], known: Mapping[str, sources.Source], titles: Mapping[str, str]) -> str:
    """All claims as Markdown: the filters, and a section for each chapter."""
    claims = list(claims)
    marks = {claim["id"]: dict(_marks(claim, known)) for claim in claims}
    parts = [_filters(marks.values())]
    for chapter in sorted({claim["chapter"] for claim in claims}, key=[*titles].index):
        here = sorted((claim for claim in claims if claim["chapter"] == chapter), key=surprise)
        classes = " ".join(sorted({name for claim in here for name in marks[claim["id"]]}))
        entries = "\n".join(_entry(claim, known, " ".join(marks[claim["id"]])) for claim in here)
        parts.append(
            f'<section class="ug-ledger {classes}" markdown="1">\n\n'
            f"## {titles[chapter]} {{ #{chapter} }}\n\n{entries}\n</section>\n"
        )
    return "\n".join(parts)


def _marks(claim: Mapping, known: Mapping[str, sources.Source]) -> Iterator[tuple[str, tuple[str, str]]]:
    """The classes that a claim is filtered by: for each, its kind and what it says."""
    yield f"is-{_slug(claim['verdict'])}", ("Verdict", cards.WORDS[claim["verdict"]].lower())
    if claim["unstable"]:
        yield "is-unstable", ("Verdict", "unstable")
    for kind in conditions(claim):
        yield f"by-{_slug(kind)}", ("Tried with other", kind)
    for text in claim["sources"]:
        key = text.partition(", ")[0]
        yield f"from-{_slug(key.lower())}", ("Source", known[key].name if key in known else key)


def _slug(text: str) -> str:
    return text.replace(" ", "-")


def _filters(marks: Iterable[Mapping[str, tuple[str, str]]]) -> str:
    """The links, the lines that they lead to, and the rules that hide what a line does not name."""
    marks = list(marks)
    said = {name: words for one in marks for name, words in one.items()}
    counts = {name: sum(name in one for one in marks) for name in said}
    rows = []
    for kind in ("Verdict", "Tried with other", "Source"):
        names = sorted((n for n, (k, _) in said.items() if k == kind), key=lambda n: (-counts[n], said[n][1]))
        links = " · ".join(f"[{said[name][1]}](#{name}) {counts[name]}" for name in names)
        rows.append(f"**{kind}:** {links}\n")
    lines = "\n".join(
        f'<p class="ug-only" id="{name}">Only: {kind.lower()} {words}, {counts[name]} of {len(marks)}. '
        f'<a href="#all">Show all</a></p>'
        for name, (kind, words) in said.items()
    )
    rules = "".join(
        f"#{name}:target~section:not(.{name}),#{name}:target~section .ug-entry:not(.{name}){{display:none}}"
        for name in said
    )
    filters = "\n".join(rows)
    return (
        f'<div class="ug-filters" id="all" markdown="1">\n\n{filters}\n</div>\n\n'
        f"{lines}\n<style>{rules}</style>\n"
    )


def _entry(claim: Mapping, known: Mapping[str, sources.Source], classes: str) -> str:
    kind = claim["verdict"]
    estimate, bracket, interval = cards.measured(claim).partition(" [")
    statement = claim["statement"].replace("[", "\\[").replace("]", "\\]")
    where = "Exact." if claim["exact"] else maps.words(claim["map"]) if claim["map"] else "One set-up."
    return (
        f'<div class="ug-entry {classes}" markdown="1">\n'
        f'<p class="ug-verdict ug-{_slug(kind)}">{cards.icon(kind)} {cards.WORDS[kind]}'
        f"{' (unstable)' * bool(claim['unstable'])}</p>\n\n"
        f"[{statement}](/learn/{claim['chapter']}.md#claim-{claim['id']}) · {cards.cited(claim, known)}\n"
        "{ .ug-entry-claim }\n\n"
        f'<span class="ug-number">{estimate}</span>{bracket}{interval}, n = {cards.count(claim["n"])} · '
        f"{claim['measure']}\n{{ .ug-entry-number }}\n\n"
        f"{where} {cards.links(claim)}\n{{ .ug-entry-where }}\n\n</div>\n"
    )


def summary(claims: Iterable[Mapping]) -> str:
    """How many came out how, and how many intervals will miss."""
    claims = list(claims)
    verdicts = [claim["verdict"] for claim in claims]
    intervals = sum(claim["interval"] is not None for claim in claims)
    words = {
        "confirmed": "confirmed",
        "depends": "depend on a condition",
        "refuted": "refuted",
        "open": "open",
        "not reproduced": "not reproduced",
    }
    counts = [
        f"{verdicts.count(verdict)} {word}"
        for verdict, word in words.items()
        if verdict in verdicts or verdict in ("confirmed", "depends", "refuted")
    ]
    noun = "claim" if len(verdicts) == 1 else "claims"
    mapped = [maps.flat(claim["map"]) for claim in claims if claim["map"]]
    cells = cards.count(sum(map(len, mapped)))
    turning = sum({"holds", "fails"} <= set(states) for states in mapped)
    again = sum("replication" in claim for claim in claims)
    unstable = sum(bool(claim["unstable"]) for claim in claims)
    return (
        f"{len(verdicts)} {noun} measured: {', '.join(counts)}. Tried on a map: {len(mapped)}, {cells} cells "
        f"in all; {turning} of them say where they turn. {intervals} of the numbers have a 95 % interval. "
        f"One in twenty of those misses the true value: expect some {intervals / 20:.1f} of these to miss. "
        f"`make verify` repeats all of them at another seed; unstable there: {unstable}. Measured again by a "
        f"second, independent program: {again}.\n"
    )
