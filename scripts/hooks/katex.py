"""Formulas become HTML while the site is built: the page needs no script, and bad TeX stops the build.

Rendered formulas are kept in build/katex.json, so that a build with nothing new starts no Node process.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from locations import locate, source, spaced
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

MACROS = {  # added to KaTeX's own; written here once, usable in every page and docstring
    r"\E": r"\mathbb{E}",
    r"\Var": r"\operatorname{Var}",
    r"\argmin": r"\operatorname*{arg\,min}",
}
FORMULA = re.compile(r'<(span|div) class="arithmatex">\s*\\([(\[])(.*?)\\[)\]]\s*</\1>', re.S)
PLACE = re.compile(r'(<\w+ class="math" data-search-exclude(?: tabindex="0")?) data-formula="(\d+)">')
FONTS = {  # KaTeX's class for a kind of symbol: the font that draws it
    "mathnormal": "Math-Italic",
    "mathbf": "Main-Bold",
    "mathbb": "AMS-Regular",
    "mathcal": "Caligraphic-Regular",
    "large-op": "Size2-Regular",
    "size1": "Size1-Regular",
    "size3": "Size3-Regular",
}


def formulas(content: str) -> list[tuple[str, bool]]:
    """TeX and whether it is displayed, for each formula of a page, once."""
    return list(dict.fromkeys((html.unescape(m[3]).strip(), m[2] == "[") for m in FORMULA.finditer(content)))


def node() -> str:
    """The Node beside this Python (the PyPI package), else the machine's."""
    found = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
    if found is None:
        raise PluginError("no `node` to render formulas with: `make site` installs one")
    return found


def render(batch: list[tuple[str, bool]], dist: Path) -> list[dict[str, str]]:
    """`{"html": …}` or `{"error": …}` for each formula, from one Node process."""
    request = [{"tex": tex, "display": display, "macros": MACROS} for tex, display in batch]
    script = Path(__file__).with_name("katex.js")
    done = subprocess.run(
        [node(), str(script), str(dist / "katex.js")],
        input=json.dumps(request), capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    if done.returncode:
        raise PluginError(f"KaTeX did not run:\n{done.stderr}")
    return json.loads(done.stdout)


def marked(content: str, known: list[tuple[str, bool]]) -> str:
    """The page with an empty element for each formula, which has its number in `known`.

    The formulas themselves come last: the search index would read through hundreds of elements for nothing.
    """
    number = {formula: i for i, formula in enumerate(known)}

    def one(match: re.Match[str]) -> str:
        display = match[2] == "["
        focus = ' tabindex="0"' if display else ""  # a long line scrolls, by keyboard too
        place = number[html.unescape(match[3]).strip(), display]
        return f'<{match[1]} class="math" data-search-exclude{focus} data-formula="{place}"></{match[1]}>'

    return FORMULA.sub(one, content)


def insert(output: str, rendered: list[str]) -> str:
    """The page with its formulas in their places."""
    return PLACE.sub(lambda match: f"{match[1]}>{rendered[int(match[2])]}", output)


def woff2_only(css: str) -> str:
    """KaTeX's style sheet without the font formats that no current browser needs."""
    return re.sub(r",url\([^)]*\.(?:woff|ttf)\) format\([^)]*\)", "", css)


def preloads(output: str, to_root: str) -> str:
    """Links that ask with the page for the fonts of the formulas before its first section.

    No text moves when those arrive; the others come when their formulas are near.
    """
    output = output.partition("<h2")[0]
    if 'class="katex"' not in output:
        return ""
    fonts = [
        "Main-Regular",
        *(font for mark, font in FONTS.items() if re.search(rf'class="[^"]*\b{mark}\b', output)),
    ]
    address = f"{to_root}/assets/katex/fonts/KaTeX_{{}}.woff2"
    link = f'<link rel="preload" href="{address}" as="font" type="font/woff2" crossorigin>'
    return "".join(link.format(font) for font in fonts)


class Cache:
    """Formulas rendered earlier, and those this build used; only the latter are kept."""

    def __init__(self, path: Path, version: str):
        self.path, self.version, self.used = path, version, {}
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            stored = {}
        self.known = stored.get("formulas", {}) if stored.get("version") == version else {}

    def fetch(self, batch: list[tuple[str, bool]], dist: Path) -> dict[tuple[str, bool], dict[str, str]]:
        key = {formula: f"{formula[1]:d}{formula[0]}" for formula in batch}
        new = [formula for formula in batch if key[formula] not in self.known]
        if new:
            self.known |= {
                key[formula]: answer for formula, answer in zip(new, render(new, dist), strict=True)
            }
        self.used |= {key[formula]: self.known[key[formula]] for formula in batch}
        return {formula: self.known[key[formula]] for formula in batch}

    def save(self) -> None:
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"version": self.version, "formulas": self.used}), encoding="utf-8")
        beside.replace(self.path)


def on_config(config):
    global root, packages, cache
    root = Path(config.config_file_path).resolve().parent
    packages = root / "build/npm/node_modules"
    manifest = packages / "katex/package.json"
    if not manifest.is_file():
        raise PluginError(f"{manifest.relative_to(root)} is missing: `make site` installs the npm packages")
    version = json.loads(manifest.read_text(encoding="utf-8"))["version"]
    cache = Cache(root / "build/katex.json", f"{version} {json.dumps(MACROS)}")


def on_files(files, config):
    dist = packages / "katex/dist"
    css = woff2_only((dist / "katex.min.css").read_text(encoding="utf-8"))
    files.append(File.generated(config, "assets/katex/katex.min.css", content=css))


@event_priority(-50)  # after every hook and plugin that can still bring in a formula
def on_page_content(content, page, config, files):
    answers = cache.fetch(formulas(content), packages / "katex/dist")
    bad = [(tex, answer["error"]) for (tex, _), answer in answers.items() if "error" in answer]
    if bad:
        path = source(page.file.src_uri, root)
        raise PluginError("\n".join(f"{locate(spaced(tex), path, root)}: {error}" for tex, error in bad))
    page.formulas = [answer["html"] for answer in answers.values()]
    return marked(content, list(answers))


def on_post_page(output, page, config):
    output = insert(output, page.formulas)
    return output.replace(
        "</head>", preloads(output, get_relative_url(".", page.url).rstrip("/")) + "</head>", 1
    )


def on_post_build(config):
    cache.save()
