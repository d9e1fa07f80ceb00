"""What importing the library costs beside torch, which it needs: all modules but plots."""

from __future__ import annotations

import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import unitgain
from benchmarks.measure import Row

PROCESSES = 7
IMPORT = """
import sys, time
from importlib import import_module
start = time.perf_counter()
import torch
middle = time.perf_counter()
for name in sys.argv[1:]:
    import_module(name)
print((time.perf_counter() - start) / (middle - start))
"""


def rows() -> Iterator[Row]:
    """The row.

    Torch and the library in one fresh process: from process to process torch's own time varies by more than
    the target allows. The library is compiled beforehand, as pip does when it installs a package.
    """
    names = [f"unitgain.{name}" for name in unitgain.__all__ if name != "plots"]
    with tempfile.TemporaryDirectory() as installed:
        shutil.copytree(Path(unitgain.__file__).parent, Path(installed, "unitgain"))
        compileall.compile_dir(installed, quiet=1)
        environment = {**os.environ, "PYTHONPATH": installed}
        command = [sys.executable, "-c", IMPORT, *names]
        ratios = [float(subprocess.check_output(command, env=environment)) for _ in range(PROCESSES)]
    yield Row("import torch and unitgain, all modules", "import torch", statistics.median(ratios), 1.03)
