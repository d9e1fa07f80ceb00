"""Every claim again at another seed, and again by other hands: `make verify SEED=…`.

A claim is repeated by its own experiment with every random number drawn anew. It stands where the verdict and
what the finding says besides come out as before, no cell of its map crosses over, and its number lies within
√2 times the old interval: the difference of two estimates has √2 times the error of one. By chance one number
in twenty does not, so a claim that has missed is repeated once more and fails where it misses again.
"""

from __future__ import annotations

import inspect
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import as_completed
from pathlib import Path

from tasks import cards, digests, discovery, maps, pools, replications, stages, unstable
from tasks.discovery import Experiment
from tasks.files import write
from tasks.reporting import TaskFailed, cost, explain

AGAIN = 1_000  # seeds on: of what has missed


def report(root: Path, seed: str | None) -> int:
    """Repeat everything, print a table of it; 1 where a claim fails that is not known as unstable."""
    shift = _seed(seed)
    folder = root / f"build/verify/{shift}"
    before = {one["id"]: one for one in json.loads((root / "build/claims/claims.json").read_text("utf-8"))}
    claiming = [one for one in discovery.experiments(root) if "claims" in one.defines]
    known = unstable.known(root, before)
    scripts = replications.scripts(root, before)
    done = _run(
        folder, [(_repeat, one, shift) for one in claiming] + [(replications.run, s, shift) for s in scripts]
    )
    made = {one["id"]: one for one in _flat(done[one] for one in claiming)}
    missed = {key for key in before if list(misses(before[key], made.get(key)))}
    twice = [one for one in claiming if missed & {claim["id"] for claim in done[one]}]
    second = _run(folder / "again", [(_repeat, one, shift + AGAIN) for one in twice])
    made_again = {one["id"]: one for one in _flat(second.values())}
    rows = [
        _row(before[key], made.get(key), made_again.get(key) if key in missed else None) for key in before
    ]
    cases = [case for script in scripts for case in done[script]]
    failed = {row["id"] for row in rows if row["failed"]} | {
        case["id"] for case in cases if not case["agrees"]
    }
    text = f"{table(rows)}\n{replications.table(cases)}\n{_summary(rows, cases, failed, known)}"
    write(folder / "report.md", text)
    print(f"\n{text}\nKept in {(folder / 'report.md').relative_to(root)}", flush=True)
    return int(bool(failed - known.keys()))


def _seed(text: str | None) -> int:
    shift = int(text) if text and text.isdecimal() else 0
    if not 1 <= shift < AGAIN:
        raise TaskFailed(f"verify: SEED must be from 1 to {AGAIN - 1}, got {text!r}")
    return shift


# What has come out


def misses(was: Mapping, now: Mapping | None) -> Iterator[str]:
    """In words, what of a claim did not come out as before."""
    if now is None:
        yield "its experiment no longer makes it"
        return
    if now["derived"] != was["verdict"]:
        yield f"{now['derived']}, not {was['verdict']}"
    if not now["holds"]:
        yield "the finding no longer holds"
    if crossed := crossings(was, now):
        yield f"{crossed} cell{'s' * (crossed > 1)} crossed over"
    if not distance(was, now) <= 1:
        yield "the number moved too far"


def crossings(was: Mapping, now: Mapping) -> int:
    """Cells that held and fail, or the other way round; an open cell is on neither side."""
    if was["map"] is None:
        return 0
    both = zip(maps.flat(was["map"]), maps.flat(now["map"]), strict=True)
    return sum({one, other} == {"holds", "fails"} for one, other in both)


def distance(was: Mapping, now: Mapping) -> float:
    """How far the number has moved, in √2 times the old interval's part on that side."""
    if was["interval"] is None:
        return 0.0  # the error of an identity: `derived` compares it with rounding
    old, new, (low, high) = was["estimate"], now["estimate"], was["interval"]
    if math.isclose(old, new, rel_tol=1e-9, abs_tol=1e-12):
        return 0.0
    room = math.sqrt(2) * (high - old if new > old else old - low)
    return abs(new - old) / room if room else math.inf


def margin(claim: Mapping) -> float:
    """Of the decided cell next to its side: the distance of the number, in the interval's part on that side.

    1 is the least that decides a cell; infinite where all cells are exact.
    """
    made = claim["map"]
    if made is None:
        return math.inf
    ends = [end for end in made["side"] if end is not None]
    cells = zip(*(maps.flat(made, key) for key in ("cells", "estimate", "low", "high")), strict=True)
    return min((_margin(ends, *numbers) for state, *numbers in cells if state != "open"), default=math.inf)


def _margin(ends: Iterable[float], estimate: float, low: float, high: float) -> float:
    parts = ((abs(estimate - end), high - estimate if end > estimate else estimate - low) for end in ends)
    return min(gap / part if part else math.inf for gap, part in parts)


def _row(was: Mapping, now: Mapping | None, again: Mapping | None) -> dict:
    first = list(misses(was, now))
    second = list(misses(was, again)) if first and now else first
    return {"id": was["id"], "was": was, "now": now, "first": first, "second": second, "failed": bool(second)}


def table(rows: Iterable[Mapping]) -> str:
    """A line for each claim."""
    lines = [
        "| claim | verdict | number | again | moved, of what chance allows | margin | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        was, now = row["was"], row["now"]
        moved, at = (f"{distance(was, now):.2f}", f"{margin(now):.1f}") if now else ("", "")
        said = "stands"
        if row["first"]:
            said = "; ".join(row["first"]) + ("; at one more seed: " + ("; ".join(row["second"]) or "stands"))
        numbers = cards.measured(was), cards.measured(now) if now else ""
        lines.append(f"| {row['id']} | {was['verdict']} | {' | '.join(numbers)} | {moved} | {at} | {said} |")
    return "\n".join(lines) + "\n"


def _summary(rows: list[dict], cases: list[dict], failed: set[str], known: Mapping) -> str:
    once = sum(bool(row["first"]) for row in rows)
    intervals = sum(row["was"]["interval"] is not None for row in rows)
    lines = [
        f"{len(rows) - once} of {len(rows)} claims stand at once, {once} were repeated again "
        f"({intervals / 20:.1f} expected by chance); "
        f"{sum(case['agrees'] for case in cases)} of {len(cases)} set-ups of "
        f"{len({case['id'] for case in cases})} replications agree.",
        *(f"FAILS: {name}" for name in sorted(failed - known.keys())),
        *(
            f"unstable, as known since {known[name]['date']}: {name}"
            for name in sorted(failed & known.keys())
        ),
        *(f"known as unstable, but stands: {name}" for name in sorted(known.keys() - failed)),
    ]
    return "\n".join(lines) + "\n"


# Running


def _repeat(experiment: Experiment, shift: int) -> list[dict]:
    """The claims of an experiment at its own seed + `shift`."""
    module = stages.load(experiment)
    own = inspect.signature(module.compute).parameters["seed"].default
    arrays = {key: stages.array(value) for key, value in module.compute(seed=own + shift).items()}
    return [cards.record(experiment, claim) for claim in module.claims(arrays)]


def _run(folder: Path, todo: list[tuple[Callable, object, int]]) -> dict:
    """What each function returns, by its subject; what an earlier run has kept is not made again.

    One that raises holds up no other. Raises TaskFailed at the end, with all that went wrong.
    """
    digest = _digests(todo)
    kept = {one: folder / f"{one.id.replace('/', '.')}.json" for _, one, _ in todo}
    done = {one: made for one, path in kept.items() if (made := _kept(path, digest[one])) is not None}
    left = [item for item in todo if item[1] not in done]
    left.sort(key=lambda item: -cost(f"compute {item[1].id}"))  # the longest first
    wrong = []
    with pools.processes() as pool:
        running = {pool.submit(_measured, *item): item[1] for item in left}
        for count, future in enumerate(as_completed(running), start=1):
            one = running[future]
            try:
                done[one], seconds = future.result()
            except TaskFailed as error:
                wrong.append(str(error))
                print(f"[{count}/{len(left)}] {one.id}  FAILED", flush=True)
                continue
            write(kept[one], json.dumps({"digest": digest[one], "made": done[one]}))
            print(f"[{count}/{len(left)}] {one.id}  {seconds:.1f} s", flush=True)
    if wrong:
        raise TaskFailed("\n".join(wrong))
    return done


def _measured(function: Callable, one: Experiment | replications.Script, shift: int) -> tuple[list, float]:
    before = time.process_time()
    try:
        made = function(one, shift)
    except Exception as error:
        raise TaskFailed(f"verify {one.id}, seed {shift}: {explain(error, one.root)}") from None
    return made, time.process_time() - before


def _digests(todo: Iterable[tuple[Callable, object, int]]) -> dict:
    subjects = [one for _, one, _ in todo]
    if not subjects:
        return {}
    sources = digests.project_sources(subjects[0].root)
    made = {
        one: (digests.for_repeat if isinstance(one, Experiment) else digests.for_replication)(sources, one)
        for one in subjects
    }
    sources.parsed.save()
    return made


def _kept(path: Path, digest: str) -> list | None:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return stored["made"] if stored["digest"] == digest else None
    except (OSError, ValueError, KeyError):
        return None


def _flat(lists: Iterable[list[dict]]) -> Iterator[dict]:
    for one in lists:
        yield from one
