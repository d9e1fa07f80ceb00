"""The site, built where anything that it is made from has changed, or anything in it.

A stamp in build/ holds two digests: of the sources as they were before the build (files, packages, settings),
and of what it made, in build/ and site/. Both must be those of now, or MkDocs builds again.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks import files, moved

SOURCES = ("docs", "scripts", "src", "mkdocs.yml", "pyproject.toml", "build/npm/node_modules", "build/fonts")
MADE = ("build/experiments", "build/labs", "build/claims", "site")
SETTINGS = ("SITE_URL", "SOURCE_DATE_EPOCH", "LANG", "LC_ALL", "TZ")
PACKAGES = (".dist-info", ".egg-info", ".pth")
COMMAND = ["mkdocs", "build", "--strict"]  # never -q: it turns strictness off


def build(root: Path) -> int:
    """Run MkDocs unless the stamp is true; 0 when the site is as it should be."""
    with files.only_one(root / "build/site.lock"):
        stamp = root / "build/site.json"
        sources = digest(root, SOURCES, extra=_environment())
        if _read(stamp) == [sources, digest(root, MADE)]:
            print("The site is up to date.", flush=True)
            return 0
        stamp.unlink(missing_ok=True)
        code = subprocess.run(COMMAND, cwd=root).returncode
        if code == 0:
            moved.keep(root)
            files.write(stamp, json.dumps([sources, digest(root, MADE)]))
        elif shutil.disk_usage(root).free < 2**24:
            print(
                f"No space is left for {root}: make some and run it again. Nothing finished is lost.",
                flush=True,
            )
        return code


def digest(root: Path, places: Iterable[str], extra: Iterable[str] = ()) -> str:
    """The digest of the files at and below `places`, their names, and `extra`."""
    found = sorted(path for place in places for path in _files(root / place))
    lines = [f"{path.relative_to(root)} {files.digest(path)}" for path in found]
    return files.digest_of("\n".join([*extra, *lines]))


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    for folder, _, names in os.walk(place):
        if "__pycache__" not in folder:
            yield from (Path(folder, name) for name in names)


def _environment() -> Iterator[str]:
    """Versions of Python, Node and all packages, and the settings that a build can see."""
    yield f"{sys.version} {platform.machine()}"
    node = shutil.which("node") or ""
    yield f"{node} {Path(node).stat().st_mtime_ns if node else ''}"
    for folder in filter(Path.is_dir, map(Path, sys.path)):
        yield from sorted(path.name for path in folder.iterdir() if path.suffix in PACKAGES)
    yield from (f"{name}={os.environ.get(name)}" for name in SETTINGS)


def _read(stamp: Path) -> object:
    try:
        return json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
