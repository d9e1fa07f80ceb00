"""A page names a source by its key in docs/sources.toml; its link is written here.

`[text][@he-2015]` links the text, `[@he-2015]` the authors and the year, and `[@@he-2015]` is the source in a
list, with what it says. Code stays as it is. A source that neither a page nor a card names stops the build.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from locations import locate, source
from mkdocs.exceptions import PluginError
from tasks import sources
from tasks.reporting import TaskFailed

CODE = r"^[ \t]*(?P<ticks>`{3,}|~{3,}).*?^[ \t]*(?P=ticks)|`+[^`]+`+"
CITED = re.compile(CODE + r"|(?:\[(?P<text>[^\[\]]+)\])?\[@(?P<list>@?)(?P<key>[^\[\]\s]+)\]", re.M | re.S)
LIST = "#sources"  # where a page says how a source without an address is found


def keys(markdown: str) -> set[str]:
    """The keys that a page names, outside its code."""
    return {match["key"] for match in CITED.finditer(markdown) if match["key"]}


def linked(markdown: str, known: dict[str, sources.Source]) -> str:
    """The page with its links; every key in it is known."""

    def one(match: re.Match[str]) -> str:
        if not match["key"]:
            return match[0]
        found = known[match["key"]]
        return found.entry() if match["list"] else found.link(match["text"] or found.name, LIST)

    return CITED.sub(one, markdown)


def on_config(config):
    global root, known, cited
    root, cited = Path(config.config_file_path).resolve().parent, set()
    try:
        known = sources.load(root)
    except TaskFailed as error:
        raise PluginError(str(error)) from None


def on_page_markdown(markdown, page, config, files):
    for key in sorted(named := keys(markdown)):
        try:
            sources.find(key, known)
        except TaskFailed as error:
            place = locate(re.compile(re.escape(f"@{key}]")), source(page.file.src_uri, root), root)
            raise PluginError(f"{place}: {error}") from None
    cited.update(named)
    return linked(markdown, known)


def on_env(env, config, files):
    claims = json.loads((root / "build/claims/claims.json").read_text(encoding="utf-8"))
    on_cards = {text.partition(", ")[0] for claim in claims for text in claim["sources"]}
    if left := sorted(known.keys() - cited - on_cards):
        raise PluginError(f"{sources.FILE}: no page and no card names {', '.join(left)}")
