"""What a page embeds as text: figures with their captions, and claim cards."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import maps, replications, sources, unstable
from tasks.discovery import LISTED, Experiment
from tasks.files import write, write_list
from tasks.reporting import TaskFailed, reporting

if TYPE_CHECKING:
    from experiments.evidence import Claim

LEDGER = ("ledger.md", "summary.md", "claims.json", LISTED)  # made from all claims, beside a card for each
WORDS = {
    "confirmed": "Confirmed",
    "depends": "Depends",
    "refuted": "Refuted",
    "open": "Open",
    "not reproduced": "Not reproduced",
}
ICONS = {  # a check, a branch, a cross, a question and a broken circle
    "confirmed": '<circle cx="12" cy="12" r="9"/><path d="m8 12.5 3 3 5.5-6.5"/>',
    "depends": '<path d="M6 4v16M6 15c0-5 12-2 12-8M15 9l3-3 3 3"/>',
    "refuted": '<circle cx="12" cy="12" r="9"/><path d="m9 9 6 6m0-6-6 6"/>',
    "open": '<circle cx="12" cy="12" r="9"/><path d="M9.5 9.5a2.5 2.5 0 1 1 2.5 2.8v1.2m0 3v.1"/>',
    "not reproduced": '<circle cx="12" cy="12" r="9" stroke-dasharray="4 3"/><path d="M8 12h8"/>',
}


def figure(experiment: Experiment, caption: str) -> str:
    """`figure.md`: the place of the picture, its finding, and folded the method, the files and the script.

    The finding is the caption's first paragraph.
    """
    folder, anchor = f"experiments/{experiment.id}", experiment.name.replace("_", "-")
    finding, _, method = inspect.cleandoc(caption).partition("\n\n")
    large = f"[Larger](/{folder}/wide-light.svg) · " * ("draw" in experiment.defines)
    return (
        f'<figure class="ug-figure" id="figure-{anchor}" markdown="1">\n'
        f'<div class="ug-picture" data-picture="{folder}/picture.html"></div>\n'
        f'<figcaption markdown="1">\n{finding}\n\n'
        f'<details class="ug-method" markdown="1"><summary>How it was measured</summary>\n\n{method}\n\n'
        f"{large}[Data](/{folder}/data.csv) · [Script](/{experiment.uri})\n\n</details>\n"
        f"</figcaption>\n</figure>\n"
    )


def record(experiment: Experiment, claim: Claim) -> dict:
    """A claim as data, with where it was measured."""
    data = {"data": f"experiments/{experiment.id}/data.csv"} if "table" in experiment.defines else {}
    return {
        **{key: getattr(claim, key) for key in ("id", "statement", "verdict", "measure", "finding")},
        "sources": list(claim.sources),
        "estimate": float(claim.estimate),
        "interval": claim.interval and [float(bound) for bound in claim.interval],
        "n": int(claim.n),
        "units": claim.units,
        "exact": claim.within is not None,
        "within": claim.within,
        "unrepeated": claim.unrepeated,
        "derived": claim.derived,
        "holds": bool(claim.holds),
        "map": claim.map and maps.record(claim.map),
        "chapter": experiment.chapter.replace("_", "-"),
        "script": experiment.uri,
        **data,
    }


def count(n: int) -> str:
    """n in full, its thousands set apart."""
    return f"{n:,}"


def measured(claim: Mapping) -> str:
    """The number of a claim with its 95 % interval; the error of an identity, which has none."""
    from experiments.words import between, number

    if claim["interval"] is None:
        rounding = "" if claim["within"] is None else f", rounding: {number(claim['within'], 1)}"
        return f"≤ {number(claim['estimate'], 2)}{rounding}"
    low, high = claim["interval"]
    estimate = claim["estimate"]
    if abs(estimate) < 1e-3 * (high - low):
        estimate = 0.0  # but for rounding
    digits = next(
        (d for d in range(3, 7) if number(low, d) != number(high, d)), 3
    )  # 0.500 [0.500, 0.500] says less
    return f"{number(estimate, digits)} {between((low, high), digits)}"


def icon(verdict: str) -> str:
    """A verdict as a picture: shape, not colour, tells them apart."""
    return (
        '<svg viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="2" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{ICONS[verdict]}</svg>'
    )


def counted(claim: Mapping) -> str:
    """How many, and of what: what was drawn again for each, and what was the same for all."""
    return f"n = {count(claim['n'])}{' ' * bool(claim['units'])}{claim['units']}"


def card(claim: Mapping, known: Mapping[str, sources.Source]) -> str:
    """A claim as a block of Markdown, its sources linked."""
    verdict = claim["verdict"]
    kind = verdict.replace(" ", "-")
    word = f"{WORDS[verdict]}{', exactly' * (claim['exact'] and verdict == 'confirmed')}"
    return (
        f'<div class="ug-claim ug-{kind}" id="claim-{claim["id"]}" markdown="1">\n'
        f'<p class="ug-claim-verdict">{icon(verdict)} {word}</p>\n\n'
        f"“{claim['statement']}” · {cited(claim, known)}\n{{ .ug-claim-statement }}\n\n"
        f"{measured(claim)}, {counted(claim)} · {claim['measure']}\n{{ .ug-claim-number }}\n\n"
        f"{inspect.cleandoc(claim['finding'])}\n\n{_where(claim)}{_unstable(claim)}"
        f'<details markdown="1"><summary>{"Map, script" if claim["map"] else "Script"} and data</summary>\n\n'
        f"{_map(claim)}{_meaning(claim)} {links(claim)}\n\n</details>\n</div>\n"
    )


def links(claim: Mapping) -> str:
    """Where a claim comes from: its command, script, data and replication, as far as there are any."""
    files = {name: claim[name] for name in ("script", "data", "replication") if name in claim}
    listed = (f"[{name.capitalize()}](/{path})" for name, path in files.items())
    return " · ".join([f"`make claim ID={claim['id']}`", *listed])


def _unstable(claim: Mapping) -> str:
    if not claim["unstable"]:
        return ""
    return f"**Unstable.** {unstable.words(claim['unstable'])}\n{{ .ug-unstable }}\n\n"


def _where(claim: Mapping) -> str:
    if claim["map"] is None:
        return ""
    missing = f" Not repeated here: {claim['unrepeated']}." if claim["unrepeated"] else ""
    return f"**Where it holds.** {maps.words(claim['map'])}{missing}\n{{ .ug-map-words }}\n\n"


def _map(claim: Mapping) -> str:
    made = claim["map"]
    if made is None:
        return ""
    again = "" if made["units"] in ("", claim["units"]) else f" {made['units']}"
    marks = ", ".join(f"{maps.MARKS[state]} {state}" for state in maps.states(made))
    return (
        f'<div class="ug-map-frame" tabindex="0" role="group" aria-label="Map of the claim">\n'
        f"{maps.strip(made)}\n</div>\n\n"
        f"{marks}. In a cell: {made['measure']}; it holds {maps.side(made)}; n = {count(made['n'])}{again}.\n"
        "{ .ug-map-key }\n\n"
    )


def _meaning(claim: Mapping) -> str:
    identity = claim["interval"] is None
    return f"The number {'is the largest error seen' if identity else 'stands with its 95 % interval'}."


def cited(claim: Mapping, known: Mapping[str, sources.Source], *, links: bool = True) -> str:
    """The sources of a claim. Raises TaskFailed where there is none, or one that is not known.

    One without an address leads to the sources of the claim's chapter, which say how it is found.
    """
    otherwise = f"/learn/{claim['chapter']}.md#sources" if links else None
    try:
        if not claim["sources"]:
            raise TaskFailed("a card must name a source")
        return "; ".join(sources.cite(text, known, otherwise) for text in claim["sources"])
    except TaskFailed as error:
        raise TaskFailed(f"{claim['script']}: claim {claim['id']}: {error}") from None


def collect(root: Path, files: Iterable[Path]) -> None:
    """Make the cards and the ledger from every experiment's claims."""
    with reporting(root, "ledger of claims"):
        _collect(root, files, sources.load(root))


def _collect(root: Path, files: Iterable[Path], known: Mapping[str, sources.Source]) -> None:
    from tasks import ledger

    folder = root / "build/claims"
    claims = [claim for file in files for claim in json.loads(file.read_text(encoding="utf-8"))]
    owner: dict[str, str] = {}
    for claim in claims:
        name, script = claim["id"], claim["script"]
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or name in ("ledger", "summary"):
            raise TaskFailed(f"{script}: a claim's id must be words joined by hyphens, got {name!r}")
        if name in owner:
            raise TaskFailed(f"claim {name}: an id must be used once, got {owner[name]} and {script}")
        owner[name] = script
    listed = unstable.known(root, owner)
    claims = [
        {**claim, **replications.of(root, claim["id"]), "unstable": _plain(listed, claim)} for claim in claims
    ]
    texts = {f"{claim['id']}.md": card(claim, known) for claim in claims}
    texts |= {
        "ledger.md": ledger.ledger(claims, known, ledger.chapters(root)),
        "summary.md": ledger.summary(claims),
    }
    for name, text in texts.items():
        write(folder / name, text)
    write(folder / "claims.json", json.dumps(claims, indent=1, ensure_ascii=False) + "\n")
    for path in folder.glob("*.md"):
        if path.name not in texts:
            path.unlink()
    write_list(folder / LISTED, [folder / name for name in texts])


def _plain(listed: Mapping[str, Mapping], claim: Mapping) -> dict[str, str]:
    return {key: str(value) for key, value in listed.get(claim["id"], {}).items()}
