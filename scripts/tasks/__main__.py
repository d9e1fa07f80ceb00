"""The tasks behind the pages: experiments, labs, claims. From the project's root, with PYTHONPATH=scripts:

python -m tasks                           bring everything up to date
python -m tasks experiment CHAPTER/NAME   compute one experiment from nothing and show what it found
python -m tasks claim ID                  the same for the experiment behind a claim
python -m tasks diff                      bring everything up to date; what moved since the last site?
python -m tasks site                      the site, or nothing where nothing has changed
python -m tasks verify SEED               bring everything up to date; is each claim the same at another seed?
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
import tomllib
from pathlib import Path

from tasks import discovery, files, moved, pools, show, site, verify
from tasks.reporting import TaskFailed, describe
from tasks.stamp import Stamp

ENGINE = Path(__file__).resolve().parent
SOURCES = (
    "scripts",
    "src",
    "docs/labs",
    "docs/sources.toml",
    "mkdocs.yml",
    "tests/replications",
    "build/fonts",
)
MADE = ("build/experiments", "build/labs", "build/claims")
ENVIRONMENT = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")},
    # glibc would give back every large tensor's memory, and fetching it again costs more than the arithmetic
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    "MALLOC_MMAP_THRESHOLD_": str(2**28),
    "MPLBACKEND": "Agg",
    "PYTHONHASHSEED": "0",
}  # one process a core, one thread a process


def main(arguments: list[str] | None = None) -> int:
    """0 when all is well."""
    asked = _parser().parse_args(arguments)
    root = Path.cwd()
    try:
        if asked.do == "site":
            return site.build(root)
        os.environ.update(ENVIRONMENT)
        sys.path[:0] = [str(root / "scripts"), str(root / "src")]  # workers look for modules there too
        with files.only_one(root / "build/tasks.lock"):
            return _run(root, asked)
    except (OSError, SyntaxError, TaskFailed, ValueError) as error:
        print(f"tasks: {describe(error)}", flush=True)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tasks", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "do", nargs="?", default="all", choices=["all", "experiment", "claim", "diff", "site", "verify"]
    )
    parser.add_argument("name", nargs="?", help="of the experiment, the claim's id, or the seed")
    parser.add_argument(
        "--dask", nargs="?", const="", metavar="ADDRESS",
        help="the address of a Dask scheduler to run on; without one, a cluster on this machine",
    )  # fmt: skip
    return parser


def _run(root: Path, asked: argparse.Namespace) -> int:
    if full := files.no_room(root):
        raise TaskFailed(full)
    stamp = Stamp(root, "tasks", SOURCES, MADE)
    now, all_of_them = stamp.now(), asked.do in ("all", "diff", "verify")
    if all_of_them and stamp.holds(now):
        print("The tasks are up to date.", flush=True)
        code = 0
    else:
        stamp.remove()
        code = _bring_up_to_date(root, asked)
        if all_of_them and not code:
            stamp.write(now)
    if asked.do == "diff" and not code:
        print(moved.report(root), flush=True)
    if asked.do == "verify" and not code:
        code = verify.report(root, asked.name)
    return code


def _bring_up_to_date(root: Path, asked: argparse.Namespace) -> int:
    for folder in ("experiments", "labs", "claims", "pytask"):
        files.sweep(root / "build" / folder)
    discovery.remove_orphans(root)
    forget_what_is_damaged(root / "build/pytask")
    one = show.wanted(root, asked.do, asked.name) if asked.do in ("experiment", "claim") else None
    if one:
        for path in one.outputs:
            path.unlink(missing_ok=True)
    code = _pytask(root / "build/pytask", asked.dask, *(["-k", one.id] if one else []))
    if one and not code:
        print(show.report(one, asked.name), flush=True)
    return code


def forget_what_is_damaged(state: Path) -> None:
    """pytask would refuse to start, now and every time after."""
    try:
        if (lock := state / "pytask.lock").exists():
            tomllib.loads(lock.read_text(encoding="utf-8"))["lock-version"]
        if (journal := state / "pytask.lock.journal").exists():
            for line in journal.read_text(encoding="utf-8").splitlines()[:-1]:  # the last may be cut: killed
                json.loads(line)
        if (database := state / ".pytask/pytask.sqlite3").exists():
            connection = sqlite3.connect(database)
            connection.execute("PRAGMA quick_check")
            connection.close()
    except (KeyError, ValueError, sqlite3.DatabaseError) as error:
        print(f"tasks: {state} is damaged ({error}) and is made anew: every task runs again", flush=True)
        shutil.rmtree(state)


def _pytask(state: Path, dask: str | None, *selection: str) -> int:
    """Run pytask with a configuration, and so its state, in the folder `state`."""
    from pytask import cli

    from tasks import progress

    pools.register(dask)
    configuration = {
        "paths": [str(ENGINE / "task_build.py")],
        "parallel_backend": "custom",
        "n_workers": pools.SUBMITTED,
        "capture": "no",  # else nothing is printed before the end
        "verbose": 0,  # no table: progress prints a line for every finished task
        "show_traceback": False,  # progress shows what went wrong, without the engine's frames
    }
    lines = (
        f"{key} = {str(value).lower() if value in (True, False) else repr(value)}"
        for key, value in configuration.items()
    )
    files.write(state / "pytask.toml", "\n".join(["[tool.pytask.ini_options]", *lines, ""]))
    try:
        code = cli.main(
            ["build", "--config", str(state / "pytask.toml"), "--hook-module", "tasks.progress", *selection],
            standalone_mode=False,
        )
    except SystemExit as end:
        code = end.code
    return int(code or 0) or int(progress.log.interrupted)  # pytask-parallel takes an interruption for an end


if __name__ == "__main__":
    sys.exit(main())
