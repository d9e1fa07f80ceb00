"""The wheel and the copies of single names: made before the pages, served, linked from the reference.

Their tasks need the addresses in mkdocs.yml, so they are started here and not with the others.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url
from tasks import downloads
from tasks.reporting import TaskFailed

ENTRY = re.compile(r'<h2 id="unitgain\.\w+\.(\w+)" class="doc doc-heading">.*?</h2>', re.S)
COPY = '<p class="ug-download"><a href="{}" download="{}.py">Copy it as one file</a>, {} lines</p>'


def root_of(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).resolve().parent


def with_copies(content: str, folder: Path, to_downloads: str) -> str:
    """A page of the reference, with a link below the heading of each name that has a file of its own."""

    def one(heading: re.Match[str]) -> str:
        file = folder / f"{heading[1]}.py"
        if not file.is_file():
            return heading[0]
        lines = downloads.lines(file.read_text(encoding="utf-8"))
        return heading[0] + COPY.format(f"{to_downloads}/{file.name}", file.stem, lines)

    return ENTRY.sub(one, content)


def on_files(files, config):
    root = root_of(config)
    try:
        downloads.make(root, downloads.known(config.site_url), downloads.known(config.extra["repository"]))
    except (OSError, SyntaxError, TaskFailed, ValueError) as error:
        raise PluginError(f"downloads: {error}") from None
    for path in sorted((root / "build/downloads").iterdir()):
        files.append(File.generated(config, f"downloads/{path.name}", abs_src_path=str(path)))


def on_page_content(content, page, config, files):
    if page.file.src_uri.startswith("reference/"):
        to_downloads = get_relative_url("downloads", page.url)
        return with_copies(content, root_of(config) / "build/downloads", to_downloads)
    return content
