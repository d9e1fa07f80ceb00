"""`python -m tasks`: bring everything that the pages show up to date, from the project's root."""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from functools import partial
from pathlib import Path

from tasks import discovery, files
from tasks.reporting import describe

ENGINE = Path(__file__).resolve().parent
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
ENVIRONMENT = {
    **dict.fromkeys(THREADS, "1"),  # one process a core, one thread a process
    "MPLBACKEND": "Agg",
    "PYTHONHASHSEED": "0",
}


def main() -> int:
    """Run every task that is not up to date; 0 when all is well."""
    root, start = Path.cwd(), time.perf_counter()
    os.environ.update(ENVIRONMENT)
    sys.path[:0] = [str(root / "scripts"), str(root / "src")]  # workers look for modules in the same places
    with files.only_one(root / "build/tasks.lock"):
        try:
            for folder in ("experiments", "labs", "claims", "pytask"):
                files.sweep(root / "build" / folder)
            discovery.remove_orphans(root)
            return run(root / "build/pytask", start)
        except (SyntaxError, ValueError) as error:
            print(f"tasks: {describe(error)}", flush=True)
            return 1


def run(state: Path, start: float) -> int:
    """Run pytask with a configuration, and so its state, in the folder `state`."""
    import pytask
    from pytask_parallel import execute

    from tasks import progress

    configuration = {
        "paths": [str(ENGINE / "task_build.py")],
        "parallel_backend": "loky",
        "n_workers": os.cpu_count(),
        "capture": "no",  # else nothing is printed before the end
        "verbose": 0,  # no table that redraws itself
    }
    lines = (f"{key} = {value!r}" for key, value in configuration.items())
    files.write(state / "pytask.toml", "\n".join(["[tool.pytask.ini_options]", *lines, ""]))
    # A worker that had nothing to do for ten seconds goes, and one whose data have filled its memory starts
    # anew; that is no reason to warn.
    warnings.filterwarnings("ignore", message="A worker (stopped|was restarted)")
    # pytask-parallel looks for finished tasks at growing intervals of up to a second: short tasks would wait.
    execute._Sleeper = partial(execute._Sleeper, timings=[0.005])
    pytask.console.file = said = io.StringIO()
    code = _exit_code(["build", "--config", str(state / "pytask.toml"), "--hook-module", "tasks.progress"])
    for failure in progress.book.failures:
        print(f"\n{failure}\n", flush=True)
    if code and not progress.book.failures:
        print(said.getvalue(), flush=True)
    print(f"{progress.book.summary()}, {time.perf_counter() - start:.1f} s", flush=True)
    return code or bool(progress.book.left)  # pytask-parallel takes an interruption for an end


def _exit_code(arguments: list[str]) -> int:
    from pytask import cli

    try:
        return cli.main(arguments, standalone_mode=False)
    except SystemExit as end:
        return int(end.code or 0)


if __name__ == "__main__":
    sys.exit(main())
