"""A lab's page is the Markdown that its task makes from docs/labs/<name>.py; the script itself is no page.

Its notebook gets a first cell that installs what the lab needs.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from tasks import downloads, labs

INSTALL = """# Once, where it is not installed{}:
try:
    import unitgain
except ModuleNotFoundError:
    %pip install --quiet "{}\""""
CELL = {"cell_type": "code", "execution_count": None, "id": "install", "metadata": {}, "outputs": []}
BESIDE = " yet: put {} beside this notebook"


def with_install_cell(notebook: str, wheel: str, site: str) -> str:
    """The notebook with a cell below its title that installs what the title's cell says it needs."""
    content = json.loads(notebook)
    texts = ["".join(cell["source"]) * (cell["cell_type"] == "markdown") for cell in content["cells"]]
    for place, needs in enumerate(map(labs.NEEDS.search, texts)):
        if needs:
            code = INSTALL.format(
                "" if site else BESIDE.format(wheel), downloads.requirement(wheel, needs[1], site)
            )
            content["cells"].insert(place + 1, {**CELL, "source": code})
            break
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def on_files(files, config):
    root = Path(config.config_file_path).resolve().parent
    for script in [file for file in files if PurePosixPath(file.src_uri).match("labs/*.py")]:
        name = PurePosixPath(script.src_uri).stem
        made = root / "build/labs"
        if not (made / f"{name}.md").is_file():
            raise PluginError(
                f"docs/{script.src_uri}:1: build/labs/{name}.md is missing; has the lab's task run?"
            )
        files.remove(script)
        files.append(File(f"labs/{name}.md", str(root / "build"), config.site_dir, config.use_directory_urls))
        notebook = (made / f"{name}.ipynb").read_text(encoding="utf-8")
        for wheel in (root / "build/downloads").glob("*.whl"):
            notebook = with_install_cell(notebook, wheel.name, downloads.known(config.site_url))
        files.append(File.generated(config, f"labs/{name}/{name}.ipynb", content=notebook))
        for path in (root / "docs" / script.src_uri, *sorted((made / name).glob("*.svg"))):
            files.append(File.generated(config, f"labs/{name}/{path.name}", abs_src_path=str(path)))
