"""One message for whatever goes wrong in a worker process, and no worker that outlives its build."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.files import write


class TaskFailed(Exception):
    """A task went wrong; the message is all a reader needs."""


SECONDS = "build/pytask/seconds"


@contextmanager
def reporting(root: Path, task: str) -> Iterator[None]:
    """Turn every error of the block into a TaskFailed, which crosses to the parent process whole.

    The CPU seconds of the block, processes that it started included, are kept for `cost`.
    """
    before = sum(os.times()[:4])
    try:
        yield
        write(root / SECONDS / task.replace("/", " "), f"{sum(os.times()[:4]) - before:.3f}")
    except TaskFailed:
        raise
    except Exception as error:
        raise TaskFailed(explain(error, root)) from None


def cost(task: str) -> float:
    """The CPU seconds of a task when it last went well, from the project's root."""
    try:
        return float(Path(SECONDS, task.replace("/", " ")).read_text())
    except (OSError, ValueError):
        return 0.0


def describe(error: BaseException) -> str:
    """A TaskFailed says all there is to say; anything else names its type, and a place where it has one."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    if isinstance(error, TaskFailed):
        return str(error)
    place = f"{error.filename}:{error.lineno}: " if isinstance(error, SyntaxError) else ""
    return f"{place}{type(error).__name__}: {error}"


def explain(error: BaseException, root: Path) -> str:
    """The error and the lines of the project that led to it, without the engine's and the packages' own."""
    engine = Path(__file__).parent
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_absolute()]
    project = [
        f for f in frames if any(Path(f.filename).is_relative_to(root / d) for d in ("src", "scripts"))
    ]
    shown = [f for f in project if Path(f.filename).parent != engine] or frames[-1:]
    lines = [f"{os.path.relpath(f.filename, root)}:{f.lineno} in {f.name}: {f.line}" for f in shown]
    return "\n".join([*lines, *(line.rstrip() for line in traceback.format_exception_only(error))])


def end_with_parent(parent: int) -> None:
    """End this process when its parent is gone, so that no orphan of a killed build goes on writing."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
