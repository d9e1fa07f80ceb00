"""Page and line for what MkDocs reports without them: missing snippets and dead links.

The other hooks name places through `locate` too, so every error of the build reads
`docs/learn/chapter.md:12: what is wrong`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.exceptions import PluginError

EMBED = re.compile(r'^[ \t]*--8<--[ \t]+"([^":]+)', re.M)  # pymdownx.snippets, the one-line form
AUTODOC = re.compile(r"^:::[ \t]+\w", re.M)  # mkdocstrings
LINK_WARNING = re.compile(r"Doc file '(?P<page>[^']+)' contains an? [\w ]*link '(?P<url>[^']+)'")


def spaced(text: str) -> re.Pattern[str]:
    """Match `text` however its lines are broken, indented, quoted or commented in the source."""
    return re.compile(r"(?:\s|^[ \t]*[>#])+".join(re.escape(word) for word in text.split()), re.M)


def url(text: str) -> re.Pattern[str]:
    """Match `text` as a whole address, not as the end of a longer one."""
    return re.compile(rf"(?<![\w./-]){re.escape(text)}(?![\w/-])")


def line_of(position: int, text: str) -> int:
    return text.count("\n", 0, position) + 1


def lines_of(pattern: re.Pattern[str], text: str) -> list[int]:
    return [line_of(match.start(), text) for match in pattern.finditer(text)]


def embedded(text: str, root: Path) -> Iterator[tuple[int, Path]]:
    """Line and file of everything that `text` pulls in: snippets, and modules through their docstrings."""
    for match in EMBED.finditer(text):
        for base in (root / "docs", root / "build"):
            if (base / match[1]).is_file():
                yield line_of(match.start(), text), base / match[1]
                break
    for line in lines_of(AUTODOC, text):
        for module in sorted((root / "src").rglob("*.py")):
            yield line, module


def locate(pattern: re.Pattern[str], page: Path, root: Path) -> str:
    """Where `pattern` stands in the source of `page`, as `docs/a.md:3`.

    What stands in an embedded file is named by the line that embeds it, then by its own.
    """
    here = page.relative_to(root).as_posix()
    text = page.read_text(encoding="utf-8")
    if lines := lines_of(pattern, text):
        return f"{here}:{','.join(map(str, lines))}"
    for line, file in embedded(text, root):
        if found := lines_of(pattern, file.read_text(encoding="utf-8")):
            return f"{here}:{line} (in {file.relative_to(root).as_posix()}:{found[0]})"
    return here


def source(src_uri: str, root: Path) -> Path:
    """The file an author edits for a page: a lab's page is made from a script."""
    path = root / "docs" / src_uri
    return path if path.is_file() else path.with_suffix(".py")


def missing_snippets(text: str, root: Path) -> list[tuple[int, str]]:
    """Line and name of each snippet that neither docs/ nor build/ holds."""
    found = {line for line, _ in embedded(text, root)}
    every = ((line_of(match.start(), text), match[1]) for match in EMBED.finditer(text))
    return [(line, name) for line, name in every if line not in found]


class NamePlace(logging.Filter):
    """Put `docs/page.md:line:` before MkDocs' warnings about links; they still count as warnings."""

    root = Path()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if match := LINK_WARNING.search(message):
            page = source(match["page"], self.root)
            if page.is_file():
                record.msg, record.args = f"{locate(url(match['url']), page, self.root)}: {message}", ()
        return True


name_place = NamePlace()


def on_config(config):
    name_place.root = Path(config.config_file_path).resolve().parent
    logging.getLogger("mkdocs.structure.pages").addFilter(name_place)  # adding it again changes nothing


def on_page_markdown(markdown, page, config, files):
    root = name_place.root
    path = source(page.file.src_uri, root)
    if path.suffix != ".md" or not path.is_file():
        return
    for line, name in missing_snippets(path.read_text(encoding="utf-8"), root):
        raise PluginError(f'docs/{page.file.src_uri}:{line}: no snippet "{name}" in docs/ or build/')
