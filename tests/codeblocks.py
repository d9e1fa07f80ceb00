"""Pytest plugin for the pages' code blocks: a clean state before each, and failures a reader can act on.

pytest-codeblocks runs a fence by `exec` in pytest's own process, where no fixture reaches it: seeds, default
dtype, figures and files of one block would leak into the next. Named with `-p` in pyproject.toml, because the
blocks lie in docs/, outside the reach of any conftest of the tests; `python -m pytest` finds it.

Under pytest-xdist the process that only hands the tests out loads this too, and no torch.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_codeblocks.plugin import TestBlock


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Where tests are collected and run, before their modules: no window, and one thread a process."""
    if isinstance(collector, pytest.Session):
        import matplotlib
        import torch

        matplotlib.use("Agg")
        torch.set_num_threads(1)


@contextlib.contextmanager
def clean_state() -> Iterator[None]:
    """Seeds of 0 and the default dtype; what the block changes is put back, what it draws is closed."""
    import matplotlib
    import numpy as np
    import torch
    from matplotlib import pyplot as plt

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (a reader's snippet may draw from it)
    torch.manual_seed(0)
    dtype = torch.get_default_dtype()
    with matplotlib.rc_context():
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            plt.close("all")


@contextlib.contextmanager
def empty_folder() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield


def in_text(item: pytest.Item) -> bool:
    """Is this an example in a page or a docstring, which may write files?"""
    return isinstance(item, TestBlock | pytest.DoctestItem)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    with clean_state(), empty_folder() if in_text(item) else contextlib.nullcontext():
        return (yield)


def explain(block, path: str, error: BaseException) -> str:
    """`page.md:line: ErrorType: message`, and the block's own statements on the way to the error."""
    if error.__context__ is None:  # pytest-codeblocks itself: the output is not the expected one
        difference = str(error).partition("\n")[2]
        return f"{path}:{block.lineno}: the block does not print what the page shows\n{difference}"
    error = error.__context__
    code = block.code.splitlines()
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<string>"
    ]
    if isinstance(error, SyntaxError) and not lines:
        lines = [error.lineno]
    first = block.lineno + lines[0] if lines else block.lineno
    statements = "".join(f"\n  {block.lineno + line}: {code[line - 1].strip()}" for line in lines)
    return f"{path}:{first}: {type(error).__name__}: {error}{statements}"


def repr_failure(self: TestBlock, excinfo: pytest.ExceptionInfo) -> str:
    path = Path(self.path)
    with contextlib.suppress(ValueError):
        path = path.relative_to(self.config.rootpath)
    return explain(self.obj, path.as_posix(), excinfo.value)


TestBlock.repr_failure = repr_failure
