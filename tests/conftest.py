"""Shared by all tests. The clean state before each is the work of the plugin tests/codeblocks.py."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest


@pytest.fixture(scope="session")
def left_out() -> Callable[[str], NoReturn]:
    """Skip, with the reason; fail where CI is set, so that no green run hides what it did not do."""
    return pytest.fail if os.environ.get("CI") else pytest.skip


def pytest_configure():
    """Examples take their time on a busy machine."""
    from hypothesis import HealthCheck, settings

    settings.register_profile("any load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any load")


def pytest_collection_modifyitems(items):
    import torch  # not above: under pytest-xdist one process only hands the tests out

    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def site(root, left_out) -> Path:
    """The built site."""
    if not (root / "site/index.html").is_file():
        left_out("left out: site/ is not built; `make site` builds it")
    return root / "site"


@pytest.fixture
def tree(tmp_path):
    """`tree({path: text})` writes a small project and returns its root."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write
