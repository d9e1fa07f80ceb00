"""Labs: percent notebooks, executed from top to bottom in an empty folder, as a reader would."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from tasks.discovery import Lab
from tasks.files import write
from tasks.reporting import TaskFailed, reporting

CELL_SECONDS = 300


def execute(lab: Lab) -> None:
    """Run the lab and write the notebook with its outputs; a failing cell is named by file and line."""
    with reporting(lab.root):
        write(lab.notebook, _run(lab))


def _run(lab: Lab) -> str:
    import jupytext
    import nbformat
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
    return nbformat.writes(notebook)


def _environment(root: Path, folder: str) -> dict[str, str]:
    """The library, and nothing of the scripts or of the machine's own settings of IPython."""
    # Left in place, MPLBACKEND=Agg would keep pictures out of the notebook.
    inherited = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    return {**inherited, "PYTHONPATH": str(root / "src"), "PYTHONHASHSEED": "0", "IPYTHONDIR": folder}


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
