"""One style sheet for every page, with the rules that some page or script can meet.

Five sheets are five waits before the first paint, and much of what they say is about parts that this site
lacks. What was cut is kept in build/styles, so that a build with nothing new starts no Node process.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import subprocess
from pathlib import Path

from katex import node
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority

SHEET = re.compile(r'<link rel="stylesheet" href="([^"]*?)(assets/[^"]+\.css)">\s*')
ONE = "assets/styles.css"
SCRIPT = re.compile(r"<script\b.*?</script>", re.S)
TAG = re.compile(r"<[a-z][^>]*>")
PROSE = re.compile(r'\b(?:alt|aria-label|content|data-head|href|src|title)="[^"]*"')
WORD = re.compile(r"[A-Za-z][\w-]*")
ADDRESS = re.compile(r"url\((?!\s*[\"']?(?:data:|[#/]|\w+:))\s*([\"']?)")


def words(output: str) -> set[str]:
    """What a selector may name: tags, attributes, their values, and every word of a page's scripts."""
    tags = PROSE.sub("", " ".join(TAG.findall(SCRIPT.sub("", output))))
    return set(WORD.findall(tags)).union(*map(WORD.findall, SCRIPT.findall(output)))


def sheets(output: str) -> list[str]:
    """The addresses of a page's style sheets below the site, in their order."""
    return [address for _, address in SHEET.findall(output)]


def with_one(output: str) -> str:
    """The page with the one sheet in the place of its first."""
    first = SHEET.search(output)
    if first is None:
        return output
    before, after = output[: first.start()], output[first.start() :]
    return f'{before}<link rel="stylesheet" href="{first[1]}{ONE}">\n{SHEET.sub("", after)}'


def moved(css: str, address: str) -> str:
    """A sheet at `address`, as it must read where the one sheet lies."""
    to_it = posixpath.relpath(posixpath.dirname(address), posixpath.dirname(ONE))
    return css if to_it == "." else ADDRESS.sub(rf"url(\1{to_it}/", css)


def cut(css: str, words: set[str], package: Path) -> str:
    """The rules whose selectors name nothing but `words`, from one Node process."""
    script = Path(__file__).with_name("styles.js")
    request = json.dumps({"css": css, "words": sorted(words)})
    command = [node(), str(script), str(package)]
    done = subprocess.run(command, input=request, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise PluginError(f"PurgeCSS did not run:\n{done.stderr}")
    return done.stdout


@event_priority(-100)  # every page and every file is there
def on_post_build(config):
    root, site = Path(config.config_file_path).resolve().parent, Path(config.site_dir)
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}
    used = dict.fromkeys(address for output in pages.values() for address in sheets(output))
    css = "\n".join(moved((site / address).read_text(encoding="utf-8"), address) for address in used)
    scripts = [path.read_text(encoding="utf-8") for path in site.glob("assets/**/*.js")]
    known = set().union(*map(words, pages.values()), *map(WORD.findall, scripts))
    package = root / "build/npm/node_modules/purgecss"
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    key = hashlib.sha256("\n".join([version, css, *sorted(known)]).encode()).hexdigest()
    made = root / "build/styles" / f"{key[:16]}.css"
    if not made.is_file():
        made.parent.mkdir(parents=True, exist_ok=True)
        for old in made.parent.iterdir():
            old.unlink()
        beside = made.with_suffix(".part")
        beside.write_text(cut(css, known, package), encoding="utf-8")
        beside.replace(made)
    (site / ONE).write_text(made.read_text(encoding="utf-8"), encoding="utf-8")
    for path, output in pages.items():
        path.write_text(with_one(output), encoding="utf-8")
    for address in used:
        (site / address).unlink()
