"""Pictures enter a page after it is rendered, so that their text stays out of the search index.

A figure's Markdown (build/experiments/…/figure.md) holds `<div class="ug-picture" data-picture="…">`; this
hook puts the file named there inside. It also makes the data, videos, scripts and claims files of the site.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from locations import locate, source
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

PLACEHOLDER = re.compile(r'<div class="ug-picture" data-picture="([^"]*)"></div>')
KINDS = ("data.csv", "*.svg", "*.mp4", "*.webp")
SERVED = (*(f"experiments/**/{kind}" for kind in KINDS), "claims/claims.json")


def site_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Address in the site and file, for what the tasks made and the scripts that made it."""
    for pattern in SERVED:
        for path in sorted((root / "build").glob(pattern)):
            yield path.relative_to(root / "build").as_posix(), path
    for folder in ("scripts/experiments", "tests/replications"):
        for path in sorted((root / folder).rglob("*.py")):
            yield path.relative_to(root).as_posix(), path


def insert(output: str, build: Path, to_root: str) -> str:
    """The page with its pictures; `{root}` in them becomes the way from the page to the top of the site.

    Raises LookupError with the name of a picture that is missing or stands in the page twice.
    """
    for name, times in Counter(PLACEHOLDER.findall(output)).items():
        if times > 1:
            raise LookupError(name, "is embedded twice; ids inside a picture must be unique in a page")
        if not (build / name).is_file():
            raise LookupError(name, "does not exist in build/; has its experiment run?")

    def one(match: re.Match[str]) -> str:
        picture = (build / match[1]).read_text(encoding="utf-8").replace("{root}", to_root)
        return f'<div class="ug-picture">\n{picture}</div>'

    return PLACEHOLDER.sub(one, output)


def on_files(files, config):
    for uri, path in site_files(Path(config.config_file_path).resolve().parent):
        files.append(File.generated(config, uri, abs_src_path=str(path)))


def on_post_page(output, page, config):
    root = Path(config.config_file_path).resolve().parent
    try:
        return insert(output, root / "build", get_relative_url(".", page.url).rstrip("/"))
    except LookupError as error:
        name, problem = error.args
        where = locate(re.compile(re.escape(name)), source(page.file.src_uri, root), root)
        raise PluginError(f'{where}: picture "{name}" {problem}') from None
