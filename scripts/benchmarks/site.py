"""What the task engine saves: a rebuild with nothing to do, and figures that share a process.

Both are told in core-seconds: a rebuild keeps all cores busy, a check one, so elapsed time would speak of the
machine and of what else runs on it.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tasks import discovery, stages
from tasks.__main__ import ENVIRONMENT

from benchmarks.measure import Row

ROOT = Path(__file__).resolve().parents[2]
CHECKS = 5
KINDS, TIMES = 10, 4  # 40 figures: ten that the pages show, four times each


def rows() -> Iterator[Row]:
    """The rows: one build from nothing, in a copy of what the tasks read, and what follows on it."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy_sources(root)
        rebuild = seconds(root, "tasks")
        check = statistics.median(seconds(root, "tasks") for _ in range(CHECKS))
        yield Row("nothing to do: check of every experiment", "a rebuild", check / rebuild, 1 / 40)
        drawn = [e.id for e in discovery.experiments(root) if "draw" in e.defines]
        some = [drawn[i * len(drawn) // KINDS] for i in range(KINDS)]
        apart = TIMES * sum(seconds(root, "benchmarks.site", one) for one in some)
        together = seconds(root, "benchmarks.site", *some * TIMES)
        yield Row(f"{KINDS * TIMES} figures, times as fast", "a process each", apart / together, 8, True)


def copy_sources(root: Path) -> None:
    """What the tasks depend on, so that the project's own build stays as it is."""
    for part in ("scripts", "src", "docs/labs", "build/fonts"):
        if (ROOT / part).exists():
            shutil.copytree(ROOT / part, root / part)


def seconds(root: Path, module: str, *arguments: str) -> float:
    """Core-seconds that a fresh Python and its children take for `module`, with the copy's code."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(str(root / part) for part in ("scripts", "src"))
    before = core_seconds_of_children()
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=root,
        env={**environment, **ENVIRONMENT, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stdout}")
    return core_seconds_of_children() - before


def core_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":  # a fresh process of `rows`: draw these figures
    experiments = {experiment.id: experiment for experiment in discovery.experiments(Path.cwd())}
    for name in sys.argv[1:]:
        stages.render(experiments[name])
