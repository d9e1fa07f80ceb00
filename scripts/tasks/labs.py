"""Labs: percent notebooks, executed from top to bottom in an empty folder, as a reader would, then Markdown.

The page is Markdown like any other, so links, formulas and code are looked after like any other page's.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import drawings
from tasks.discovery import SCHEMES, Lab
from tasks.files import write, write_list
from tasks.pictures import in_pixels, svg_file
from tasks.reporting import TaskFailed, reporting

if TYPE_CHECKING:
    from nbformat import NotebookNode

CELL_SECONDS = 300
DRAWN = "image/svg+xml"
KERNEL = """c.InlineBackend.figure_formats = {"png", "svg"}
c.InlineBackend.rc = {"svg.fonttype": "path", "svg.hashsalt": "unitgain"}
"""
DOWNLOAD = """Download this lab: [notebook]({0}/{0}.ipynb){{ download="{0}.ipynb" }} · \
[script]({0}/{0}.py){{ download="{0}.py" }}
{{ .ug-download }}
"""
NEEDS = re.compile(r"`unitgain\[([\w,]+)\]`")  # how a lab says, below its title, what is to be installed
OUTPUT = '<div class="ug-output" tabindex="0" role="group" aria-label="Output"{}>\n{}\n</div>'


def execute(lab: Lab) -> None:
    """Run the lab, write the notebook with outputs and the page. A failing cell is named by its line."""
    import nbformat

    with reporting(lab.root, f"lab {lab.name}"):
        notebook = _run(lab)
        text, pictures = markdown(lab, notebook)
        for old in lab.pictures.glob("*.svg"):
            if old.name not in pictures:
                old.unlink()
        for name, picture in pictures.items():
            write(lab.pictures / name, picture)
        write_list(lab.listed, [lab.pictures / name for name in pictures])
        write(lab.page, text)
        for output in _outputs(notebook):
            output.get("data", {}).pop(DRAWN, None)  # the notebook keeps the PNG, as it would look there
        write(lab.notebook, nbformat.writes(notebook))


def _outputs(notebook: NotebookNode) -> Iterator[NotebookNode]:
    return (output for cell in notebook.cells for output in cell.get("outputs", ()))


def _run(lab: Lab) -> NotebookNode:
    import jupytext
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    text = lab.script.read_text(encoding="utf-8")
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    with tempfile.TemporaryDirectory() as own, tempfile.TemporaryDirectory() as sockets:
        connection = {"transport": "ipc", "ip": f"{sockets}/k", "connection_file": f"{sockets}/kernel.json"}
        client = NotebookClient(
            notebook,
            km=AsyncKernelManager(kernel_name="python3", **connection),
            timeout=CELL_SECONDS,
            allow_errors=False,
            record_timing=False,
            coalesce_streams=True,  # one output, however the kernel chopped it
            resources={"metadata": {"path": own}},
        )
        client.owns_km = True  # else nobody shuts down a manager that was handed in
        try:
            client.execute(env=_environment(lab.root, sockets))
        except (CellExecutionError, CellTimeoutError) as error:
            raise TaskFailed(_explain(lab.uri, text, notebook, error)) from None
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return notebook


def _environment(root: Path, folder: str) -> dict[str, str]:
    """The library, nothing of the scripts or of the machine's own IPython; pictures as drawings too."""
    profile = Path(folder, "profile_default")
    profile.mkdir()
    (profile / "ipython_kernel_config.py").write_text(KERNEL, encoding="utf-8")
    # Left in place, MPLBACKEND=Agg would keep pictures out of the notebook.
    inherited = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    return {**inherited, "PYTHONPATH": str(root / "src"), "PYTHONHASHSEED": "0", "IPYTHONDIR": folder}


def markdown(lab: Lab, notebook: dict) -> tuple[str, dict[str, str]]:
    """The page of an executed notebook, and the pictures in it, light and dark, by the name of their file."""
    parts: list[str] = []
    pictures: dict[str, str] = {}
    for cell in notebook["cells"]:
        text = cell["source"]
        if cell["cell_type"] == "raw":  # the header: the page's front matter
            parts.append(text)
        elif cell["cell_type"] == "markdown":
            title, rest = text.partition("\n")[::2]
            parts.append(f"{title}\n\n{_top(lab, text)}\n{rest}" if title.startswith("# ") else text)
        else:
            parts.append(_fence("python", text))
            for output in cell["outputs"]:
                data = output.get("data", {"text/plain": output.get("text", "")})
                if DRAWN in data:
                    name = f"picture-{len(pictures) // len(SCHEMES) + 1}"
                    made, size = _drawn(data[DRAWN])
                    pictures |= {f"{name}-{scheme}.svg": svg for scheme, svg in made.items()}
                    parts.append(_picture(f"{lab.name}/{name}", _alt_text(lab, notebook, cell), size))
                elif "text/html" in data:
                    parts.append(OUTPUT.format("", data["text/html"]))
                else:
                    parts.append(_fence("text", data["text/plain"].rstrip("\n")))
    return "\n\n".join(parts) + "\n", pictures


def _top(lab: Lab, text: str) -> str:
    """What stands below the title of a lab: its files, and how to install what it needs."""
    needs = NEEDS.search(text)
    how = f'\n--8<-- "install/{needs[1]}.md"\n' if needs else ""
    return DOWNLOAD.format(lab.name) + how


def _fence(language: str, code: str) -> str:
    marks = "`" * max(3, 1 + max(map(len, re.findall(r"`+", code)), default=0))
    return f"{marks}{language}\n{code}\n{marks}"


def _drawn(svg: str) -> tuple[dict[str, str], tuple[int, int]]:
    """A drawing in matplotlib's own colours in those of each scheme, and its size in px."""
    from experiments import style

    size, elements = drawings.flat(svg, "picture")
    made = {}
    for scheme in SCHEMES:
        ink, paper = style.VIDEO_INK[scheme], style.PAPER[scheme]
        colours = {**style.colours(scheme), "#000000": "currentColor", "#ffffff": paper}
        made[scheme] = svg_file(size, elements, colours, ink, paper)
    return made, in_pixels(size)


def _picture(uri: str, alt: str, size: tuple[int, int]) -> str:
    """Both files of a picture; the page fetches the one that it shows."""
    alt = re.sub(r"([\[\]\\`*_])", r"\\\1", alt)
    sized = f'width="{size[0]}" height="{size[1]}" loading="lazy"'
    both = (f"![{alt}]({uri}-{scheme}.svg){{ .only-{scheme} {sized} }}" for scheme in SCHEMES)
    return OUTPUT.format(' markdown="1"', "\n".join(both))


def _alt_text(lab: Lab, notebook: dict, cell: dict) -> str:
    """What a cell says of its pictures: `# %% alt="…"`, or its first line where that is a comment."""
    first = cell["source"].partition("\n")[0]
    alt = cell["metadata"].get("alt") or (first.lstrip("# ") if first.startswith("#") else "")
    if not alt:
        before = [one["source"] for one in notebook["cells"] if one["cell_type"] == "code"]
        line = first_line(lab.script.read_text(encoding="utf-8"), before[: before.index(cell["source"]) + 1])
        raise TaskFailed(
            f'{lab.uri}:{line}: a cell that draws needs a text for its picture, `# %% alt="…"`\n{first}'
        )
    return alt


def _explain(uri: str, text: str, notebook: dict, error: Exception) -> str:
    """The failing cell's file, line, code and error."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, start=1):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                trace = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output["traceback"]))
                inside = re.search(r"Cell In\[\d+\], line (\d+)", trace)
                line = first_line(text, [cell["source"] for cell in cells[:number]])
                line += int(inside[1]) - 1 if inside else 0
                return f"{uri}:{line}: {output['ename']}: {output['evalue']}\n{text.splitlines()[line - 1]}"
    return f"{uri}: {error}"


def first_line(text: str, sources: list[str]) -> int:
    """The line of `text` on which the last of `sources`, code cells in their order, begins."""
    at = end = 0
    for source in sources:
        at = text.find(source, end)
        at, end = (end, end) if at < 0 else (at, at + len(source))
    return text.count("\n", 0, at) + 1
