"""A lab's page is the Markdown that its task makes from docs/labs/<name>.py; the script itself is no page."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File


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
        downloads = (
            made / f"{name}.ipynb",
            root / "docs" / script.src_uri,
            *sorted((made / name).glob("*.png")),
        )
        for path in downloads:
            files.append(File.generated(config, f"labs/{name}/{path.name}", abs_src_path=str(path)))
