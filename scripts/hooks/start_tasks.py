"""MkDocs hook: bring experiments, labs and claims up to date before every build; watch their sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.livereload import LiveReloadServer


def on_pre_build(config: MkDocsConfig) -> None:
    root = Path(config.config_file_path).resolve().parent
    path = os.pathsep.join(filter(None, [str(root / "scripts"), os.environ.get("PYTHONPATH")]))
    tasks = subprocess.run(
        [sys.executable, "-u", "-m", "tasks"], cwd=root, env={**os.environ, "PYTHONPATH": path}
    )
    if tasks.returncode:
        raise PluginError("The tasks failed: see above.")


def on_serve(server: LiveReloadServer, config: MkDocsConfig, **_: object) -> LiveReloadServer:
    root = Path(config.config_file_path).resolve().parent
    for folder in ("scripts", "src"):
        server.watch(str(root / folder))
    return server
