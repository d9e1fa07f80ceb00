"""A stamp on what was made: it holds while nothing that it was made from, and nothing made, has changed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks import files

PACKAGES = (".dist-info", ".egg-info", ".pth")
SETTINGS = ("SITE_URL", "REPOSITORY_URL", "SOURCE_DATE_EPOCH", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class Stamp:
    """The file `build/<name>.json`, two digests: of the files at and below `sources`, as they were before the
    making, with versions and settings, and of those at and below `made`, after it.
    """

    root: Path
    name: str
    sources: tuple[str, ...]
    made: tuple[str, ...]

    @property
    def path(self) -> Path:
        return self.root / "build" / f"{self.name}.json"

    def now(self) -> str:
        """The digest of the sources: to be taken before anything is made from them."""
        return _digest(self.root, self.sources, _environment())

    def holds(self, now: str) -> bool:
        """Whether nothing has to be made."""
        try:
            return json.loads(self.path.read_text(encoding="utf-8")) == [now, _digest(self.root, self.made)]
        except (OSError, ValueError):
            return False

    def remove(self) -> None:
        """Say that something is being made: a stamp left by a killed build would lie."""
        self.path.unlink(missing_ok=True)

    def write(self, now: str) -> None:
        """Say that what there is was made from the sources as they were `now`."""
        files.write(self.path, json.dumps([now, _digest(self.root, self.made)]))


def _digest(root: Path, places: Iterable[str], extra: Iterable[str] = ()) -> str:
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
