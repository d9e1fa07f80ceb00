"""The site, built where anything that it is made from has changed, or anything in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tasks import downloads, files, moved
from tasks.stamp import Stamp

SOURCES = (
    *("docs", "scripts", "src", "mkdocs.yml", "pyproject.toml", "README.md", "LICENSE"),
    *("tests/replications", "build/npm/node_modules", "build/fonts"),
)
MADE = ("build/experiments", "build/labs", "build/claims", *downloads.MADE, "site")
COMMAND = ["mkdocs", "build", "--strict"]  # never -q: it turns strictness off


def build(root: Path) -> int:
    """Run MkDocs unless the stamp holds; 0 when the site is as it should be."""
    with files.only_one(root / "build/site.lock"):
        stamp = Stamp(root, "site", SOURCES, MADE)
        now = stamp.now()
        if stamp.holds(now):
            print("The site is up to date.", flush=True)
            return 0
        stamp.remove()
        code = subprocess.run(COMMAND, cwd=root).returncode
        if code == 0:
            moved.keep(root)
            stamp.write(now)
        elif full := files.no_room(root):
            print(f"site: {full}", flush=True)
        return code
