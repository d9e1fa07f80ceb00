"""A claim measured once more by other hands: `tests/replications/<id>.py`, plain torch or numpy.

Whoever writes one has not read the experiment. A module measures in `measured(seed, **settings)`, decides in
`holds(number)`, and says in CASES, for each set-up in words, its settings and what the map says of it:
"holds" or "fails".
"""

from __future__ import annotations

import ast
import importlib.util
import math
import time
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.reporting import TaskFailed

FOLDER = "tests/replications"
LINES = 40
OURS = {"unitgain", "experiments", "tasks", "benchmarks"}
STATES = ("holds", "fails")


@dataclass(frozen=True)
class Script:
    """The replication of the claim `id`."""

    root: Path
    path: Path

    @property
    def id(self) -> str:
        return self.path.stem.replace("_", "-")


def scripts(root: Path, claims: Container[str]) -> list[Script]:
    """Every replication under `root`; each must be of a claim, short, and lean on nothing of ours."""
    found = [Script(root, path) for path in sorted((root / FOLDER).glob("*.py"))]
    if problems := [problem for one in found for problem in _problems(one, claims)]:
        raise TaskFailed("\n".join(problems))
    return found


def _problems(one: Script, claims: Container[str]) -> Iterable[str]:
    name, text = one.path.relative_to(one.root), one.path.read_text(encoding="utf-8")
    if one.id not in claims:
        yield f"{name}: there is no claim {one.id!r}"
    if (lines := len(text.splitlines())) > LINES:
        yield f"{name}: a replication has at most {LINES} lines, got {lines}"
    for node in ast.walk(ast.parse(text, filename=str(name))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if ours := OURS & {module.partition(".")[0] for module in modules}:
            yield f"{name}:{node.lineno}: a replication leans on nothing of ours, got {', '.join(ours)}"


def of(root: Path, claim: str) -> dict[str, str]:
    """The replication of a claim, as it stands in the claim's record."""
    name = f"{FOLDER}/{claim.replace('-', '_')}.py"
    return {"replication": name} if (root / name).is_file() else {}


def run(script: Script, seed: int) -> list[dict]:
    """For each set-up: what was said, the number, and what came."""
    spec = importlib.util.spec_from_file_location(f"replication_{script.path.stem}", script.path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = []
    for setup, (settings, said) in module.CASES.items():
        if said not in STATES:
            raise TaskFailed(f"{script.path.name}: {setup!r} must say one of {STATES}, got {said!r}")
        before = time.process_time()
        number = float(module.measured(seed, **settings))
        if not math.isfinite(number):  # it would "fail", and agree where that was said
            raise TaskFailed(f"{script.path.name}: {setup!r} gave {number}")
        came = STATES[not module.holds(number)]
        made.append(
            {
                "id": script.id, "setup": setup, "said": said, "number": number, "came": came,
                "agrees": came == said, "seconds": time.process_time() - before,
            }
        )  # fmt: skip
    return made


def table(cases: Iterable[Mapping]) -> str:
    """A line for each set-up."""
    lines = ["| claim | replicated with | map | number | came |", "|---|---|---|---|---|"]
    for case in cases:
        came = "agrees" if case["agrees"] else f"DISAGREES: {case['came']}"
        lines.append(f"| {case['id']} | {case['setup']} | {case['said']} | {case['number']:.4g} | {came} |")
    return "\n".join(lines) + "\n"
