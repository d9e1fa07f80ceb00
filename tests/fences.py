"""What a page's fences are, and which would escape the tests: the rules behind tests/test_pages.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

SHOWN = {
    "text",
    "console",
    "markdown",
    "yaml",
    "toml",
    "json",
    "html",
    "bibtex",
}  # what pytest-codeblocks does not run
EXPECTED = "pytest-codeblocks:expected-output"
UNRUN = re.compile(
    r"pytest-codeblocks:\s*(skip|skipif|skipfile|importorskip|expect-exception|expect-error)\b"
)
REASON = re.compile(r"""reason\s*=\s*["'][^"']""")
OPENING = re.compile(r"^(?P<indent>[ \t]*)(?P<ticks>`{3,}|~{3,})(?P<info>.*)$")
TAB = re.compile(r'^(?P<indent>[ \t]*)===[!+]? "(?P<label>[^"]+)"')


@dataclass
class Fence:
    line: int
    info: str
    tildes: bool
    body: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)  # directly above it
    adjoins: bool = False  # nothing but comments stands between the previous fence and this one
    tab: str | None = None
    closed: bool = False

    @property
    def includes(self) -> bool:
        """Does it show a file, and nothing else?"""
        return bool(self.body) and all(
            line.lstrip().startswith("--8<--") for line in self.body if line.strip()
        )


def fences(text: str) -> Iterator[Fence]:
    comments: list[str] = []
    adjoins, tab, open_fence = False, None, None
    for number, line in enumerate(text.splitlines(), 1):
        if open_fence is not None:
            fence, ticks = open_fence
            if line.strip().startswith(ticks):
                fence.closed, open_fence = True, None
                yield fence
            else:
                fence.body.append(line)
        elif match := OPENING.match(line):
            inside = tab is not None and len(match["indent"]) > tab[0]
            fence = Fence(number, match["info"], match["ticks"][0] == "~", comments=comments, adjoins=adjoins)
            fence.tab = tab[1] if inside else None
            open_fence = fence, match["ticks"]
            comments, adjoins = [], True
        elif line.strip().startswith("<!--"):
            comments = [*comments, line.strip()]
        elif line.strip():
            comments, adjoins = [], False
            if match := TAB.match(line):
                tab = len(match["indent"]), match["label"]
            elif tab is not None and len(line) - len(line.lstrip()) <= tab[0]:
                tab = None
    if open_fence is not None:
        yield open_fence[0]


def problems(text: str) -> Iterator[tuple[int, str]]:
    """Line and rule, for each fence whose Python would not be run or whose output would not be checked."""
    previous, unchecked, outputs = None, None, {}
    for fence in fences(text):
        marks = " ".join(fence.comments)
        expected = EXPECTED in marks
        if unchecked is not None and not expected:
            yield (
                unchecked,
                "it prints, but no fence after `<!--pytest-codeblocks:expected-output-->` checks what",
            )
        unchecked = None
        if not fence.closed:
            yield fence.line, "the fence is never closed"
        if fence.tildes:
            yield fence.line, "pytest-codeblocks does not see a fence of tildes: use backticks"
        if "title=" in fence.info and fence.includes:
            pass  # a whole file, shown under its name: it is tested where it lies
        elif fence.info not in {"python", *SHOWN}:
            yield fence.line, f"```{fence.info} is not run: write ```python alone, or one of {sorted(SHOWN)}"
        elif fence.includes:
            yield fence.line, "an included file needs a title; it is not run as part of the page"
        if "pytest-codeblocks:cont" in marks:
            yield fence.line, "a block runs alone: repeat its imports instead of `cont`"
        if UNRUN.search(marks):
            yield fence.line, "give a reason: <!--pytest.mark.skip(reason='…')--> (or skipif, xfail)"
        if "pytest.mark." in marks and not REASON.search(marks):
            yield fence.line, "a mark needs a reason='…'"
        if expected and (
            fence.info != "text" or previous is None or previous.info != "python" or not fence.adjoins
        ):
            yield fence.line, "expected-output must stand between a python fence and its ```text fence"
        if fence.info == "text" and not expected and fence.adjoins and previous.info == "python":
            yield fence.line, f"looks like output but is not checked: put <!--{EXPECTED}--> above it"
        if fence.info == "python" and any(re.search(r"\bprint\(", line) for line in fence.body):
            unchecked = fence.line
        if expected and fence.tab in {"Plain PyTorch", "unitgain"}:
            outputs[fence.tab] = "\n".join(line.strip() for line in fence.body)
            if len(outputs) == 2:
                if len(set(outputs.values())) > 1:
                    yield fence.line, "the tabs “Plain PyTorch” and “unitgain” print different things"
                outputs = {}
        previous = fence
    if unchecked is not None:
        yield (
            unchecked,
            "it prints, but no fence after `<!--pytest-codeblocks:expected-output-->` checks what",
        )
