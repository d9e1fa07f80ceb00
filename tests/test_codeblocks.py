"""The plugin that runs the pages' code blocks."""

from __future__ import annotations

import pytest
import torch
from pytest_codeblocks import CodeBlock

from tests.codeblocks import clean_state, explain


def failure(code: str) -> BaseException:
    """The error that pytest-codeblocks raises over the block's own."""
    try:
        try:
            exec(code, {})
        except Exception as error:
            raise RuntimeError("what pytest-codeblocks makes of it") from error
    except RuntimeError as outer:
        return outer
    raise AssertionError("the block did not fail")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\nassert x == 2\n", "a.md:12: AssertionError: \n  12: assert x == 2"),
        (
            "def f():\n    1 / 0\nf()\n",
            "a.md:13: ZeroDivisionError: division by zero\n  13: f()\n  12: 1 / 0",
        ),
        ("x = 1\ny = = 2\n", "a.md:12: SyntaxError: invalid syntax (<string>, line 2)\n  12: y = = 2"),
    ],
)
def test_a_failing_block_names_page_line_statement_and_error(code, message):
    assert explain(CodeBlock(code, lineno=10), "a.md", failure(code)) == message


def test_a_block_starts_from_a_clean_state():
    with clean_state():
        first = torch.rand(1)
        torch.set_default_dtype(torch.float64)
    assert torch.get_default_dtype() is torch.float32
    with clean_state():
        assert torch.equal(torch.rand(1), first)
