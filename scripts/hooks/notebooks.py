"""A lab's page: the executed notebook, as light and as checked as any other page.

The tasks execute docs/labs/<name>.py to build/labs/<name>.ipynb; mkdocs-jupyter renders that, without MkDocs'
own care for links, formulas and code. This hook takes the cells out of its 600 KB and gives them that care.
"""

from __future__ import annotations

import base64
import html
import json
import re
import struct
from pathlib import Path, PurePosixPath
from posixpath import dirname, join, normpath

from bs4 import BeautifulSoup, Tag
from locations import locate, source, spaced, url
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority, get_plugin_logger
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

log = get_plugin_logger("notebooks")
MATHS = re.compile(r"\$\$(?P<display>.+?)\$\$|(?<![\\$\w])\$(?P<inline>[^$\s](?:[^$]*[^$\s])?)\$", re.S)
PNG = "data:image/png;base64,"
DOWNLOAD = (
    '<p class="ug-download">Download this lab: <a href="{0}.ipynb" download>notebook</a> · '
    '<a href="{0}.py" download>script</a></p>'
)
OUTPUT = '<div class="ug-output" tabindex="0" role="group" aria-label="Output">{}</div>'


def marked_maths(text: str) -> str:
    """Formulas between dollars, marked as arithmatex marks them; everything else as HTML text."""

    def one(match: re.Match[str]) -> str:
        if match["display"]:
            return rf'<div class="arithmatex">\[{match["display"]}\]</div>'
        return rf'<span class="arithmatex">\({match["inline"]}\)</span>'

    return MATHS.sub(one, html.escape(text, quote=False))


def markdown_cell(cell: Tag) -> str:
    """A rendered Markdown cell with its formulas marked and Material's heading links."""
    body = cell.select_one(".jp-RenderedMarkdown")
    for text in body.find_all(string=lambda s: "$" in s):
        if text.find_parent(["code", "pre"]) is None:
            text.replace_with(BeautifulSoup(marked_maths(text), "html.parser"))
    for formula in body.select("p > div.arithmatex:only-child"):
        formula.parent.unwrap()  # a block may not stand in a paragraph
    for anchor in body.select("a.anchor-link"):
        anchor["class"], anchor["title"] = "headerlink", "Link to this section"
    return body.decode_contents()


def code_block(language: str, code: str) -> str:
    """`code`, as HTML, in the same markup as a fence on any other page."""
    code = code.removeprefix("<span></span>")
    return f'<div class="language-{language} highlight"><pre><span></span><code>{code}</code></pre></div>'


def output(area: Tag) -> str:
    """One output of a cell: text, or whatever else it is as it is."""
    if area.get("data-mime-type") == "text/plain":
        return code_block("text", "".join(pre.decode_contents() for pre in area.find_all("pre")))
    return OUTPUT.format(area.decode_contents())


def code_cell(cell: Tag) -> str:
    typed = [code_block("python", pre.decode_contents()) for pre in cell.select(".jp-InputArea pre")]
    return "\n".join(typed + [output(area) for area in cell.select(".jp-OutputArea-output")])


def slim(page: str) -> str:
    """The cells of mkdocs-jupyter's page, without its styles, scripts and copies of the code."""
    soup = BeautifulSoup(page, "html.parser")
    for extra in soup(["style", "script"]):
        extra.decompose()
    cells = soup.select("div.jp-MarkdownCell, div.jp-CodeCell[id]")  # a code cell stands in a nameless one
    return "\n".join((code_cell if "jp-CodeCell" in cell["class"] else markdown_cell)(cell) for cell in cells)


def alt_text(cell: dict) -> str | None:
    """What a code cell says of its pictures: `# %% alt="…"`, or its first line where that is a comment."""
    first = "".join(cell["source"]).partition("\n")[0]
    comment = first.lstrip("# ") if first.startswith("#") else None
    return cell["metadata"].get("alt") or comment or None


def alt_texts(notebook: dict) -> list[str]:
    """One text a picture, in order. Raises LookupError with the source of a cell that has none to give."""
    texts = []
    for cell in notebook["cells"]:
        pictures = sum("image/png" in out.get("data", {}) for out in cell.get("outputs", []))
        if pictures and not alt_text(cell):
            raise LookupError("".join(cell["source"]))
        texts += [alt_text(cell)] * pictures
    return texts


def pictures_out(content: str, texts: list[str]) -> tuple[str, dict[str, bytes]]:
    """The page with its pictures as files of their own, described and with their size; and those files."""
    files: dict[str, bytes] = {}

    def one(match: re.Match[str]) -> str:
        data, name = base64.b64decode(match[1]), f"picture-{len(files) + 1}.png"
        width, height = struct.unpack(">II", data[16:24])  # PNG: the header's first two fields
        text = html.escape(texts[len(files)])
        files[name] = data
        return f'<img src="{name}" alt="{text}" width="{width}" height="{height}" loading="lazy">'

    return re.sub(rf'<img[^>]*src="{PNG}([^"]+)"[^>]*/?>', one, content), files


def link_targets(content: str) -> list[str]:
    """The addresses in the page that ought to be files of the docs."""
    found = re.findall(r'\b(?:href|src)="([^"#?]+)', content)
    return [target for target in dict.fromkeys(found) if not re.match(r"[a-z]+:|/", target)]


def on_config(config):
    global root
    root = Path(config.config_file_path).resolve().parent


@event_priority(100)  # before mkdocs-jupyter looks for notebooks
def on_files(files, config):
    for script in [file for file in files if PurePosixPath(file.src_uri).match("labs/*.py")]:
        uri = PurePosixPath(script.src_uri).with_suffix(".ipynb").as_posix()
        if not (root / "build" / uri).is_file():
            raise PluginError(f"docs/{script.src_uri}:1: build/{uri} is missing; has the lab's task run?")
        files.remove(script)
        files.append(File(uri, str(root / "build"), config.site_dir, config.use_directory_urls))


@event_priority(50)  # before formulas are rendered
def on_page_content(content, page, config, files):
    uri = page.file.src_uri
    if not uri.endswith(".ipynb"):
        return None
    executed, script = root / "build" / uri, source(uri, root)
    content = slim(content)
    for target in link_targets(content):
        file = files.get_file_from_path(normpath(join(dirname(uri), target)))
        if file is None:
            log.warning(f"{locate(url(target), script, root)}: the link '{target}' leads to no file")
        else:
            there = get_relative_url(file.url, page.url)
            content = re.sub(rf'"{re.escape(target)}(?=["#?])', f'"{there}', content)
    try:
        texts = alt_texts(json.loads(executed.read_text(encoding="utf-8")))
    except LookupError as error:
        where = locate(spaced(error.args[0]), script, root)
        raise PluginError(
            f'{where}: a cell that draws needs a text for its picture, `# %% alt="…"`'
        ) from None
    content, pictures = pictures_out(content, texts)
    # mkdocs-jupyter takes the raw cell of a jupytext header for a heading
    page.toc.items = [entry for entry in page.toc.items if f'id="{entry.id}"' in content]
    folder = uri.removesuffix(".ipynb")
    for name, data in pictures.items():
        files.append(File.generated(config, f"{folder}/{name}", content=data))
    for path in (executed, script):
        files.append(File.generated(config, f"{folder}/{path.name}", abs_src_path=str(path)))
    return content.replace("</h1>", f"</h1>\n{DOWNLOAD.format(executed.stem)}", 1)
