"""Files that are never half made: written beside and renamed, swept after a crash, one build at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOM = 2**20  # bytes that a build needs to begin with
LEFTOVER = re.compile(r"\..+\.\d+\.tmp")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it becomes `path` in one step when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Put `text` into `path`, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def digest(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(text: str) -> str:
    """The digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_list(path: Path, made: Iterable[Path]) -> None:
    """Keep the digests of files, beside or below `path`, whose names were not known before they were made."""
    write(path, json.dumps({file.relative_to(path.parent).as_posix(): digest(file) for file in made}))


def forget_if_changed(path: Path) -> None:
    """Remove such a list, for which a task answers, unless every file in it is as it was made."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8")).items()
        whole = all(digest(path.parent / name) == before for name, before in listed)
    except (AttributeError, OSError, ValueError):
        whole = False
    if not whole:
        path.unlink(missing_ok=True)


def no_room(root: Path) -> str:
    """What to say where the disk is full, or nothing."""
    full = shutil.disk_usage(root).free < ROOM
    return f"no space is left for {root}: make some and run it again; what is finished stays" * full


def sweep(folder: Path) -> list[Path]:
    """Remove what killed processes had begun to write under `folder`, where nobody may be writing now."""
    left = [path for path in folder.rglob(".*.tmp") if LEFTOVER.fullmatch(path.name)]
    for path in left:
        path.unlink(missing_ok=True)
    return left


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the lock `path`, waiting with a message while another build holds it. It ends with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            print(f"tasks: waiting for another build (process {file.read().strip()})", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
