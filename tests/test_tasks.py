"""The task engine, on a tiny project of its own."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from experiments.style import PAPER
from tasks import __main__, cards, digests, discovery, files, labs, ledger, maps, moved, site, sources
from tasks.reporting import TaskFailed

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"

STYLE = """
from contextlib import contextmanager
import matplotlib as mpl

INK, SVG_VARIABLES = "#010203", {"#2f6db5": "--ug-class0"}
VIDEO_INK, PAPER = {"light": "#111111", "dark": "#eeeeee"}, {"light": "#ffffff", "dark": "#000000"}

def colours(name):
    return {"#2f6db5": {"light": "#2f6db5", "dark": "#6ca6e8"}[name]}

def finish(figure):
    pass

@contextmanager
def scheme(name, *, narrow=False):
    with mpl.rc_context({"text.color": INK, "figure.facecolor": "none" if name is None else "white"}):
        yield
"""

SHARE = '''
"""What share of the draws is above one half?  Chapter: one."""
import numpy as np
from experiments.evidence import Claim, Map
from experiments.intervals import wilson
from unitgain.draws import uniform

N = 100
BOUNDS = (0.1, 0.2, 0.4)
COLOUR = "#2F6DB5"

def compute(*, n=N, seed=0, device="cpu"):
    """Uniform draws."""
    draw = uniform(n, seed)
    return {"x": draw}  # (n,)

def draw(result):
    from matplotlib.figure import Figure
    figure = Figure(figsize=(4, 3))
    figure.subplots().plot(result["x"], color=COLOUR)
    return figure

def caption(result):
    return "**Half of them.**\\n\\nOf 100."

def alt(result):
    return "A line"

def table(result):
    return {"x": result["x"]}

def claims(result):
    hits = result["x"] >= 0.5
    yield Claim(
        id="half", statement="half | of $x$", sources=("lee-2001, part 1",), verdict="confirmed",
        measure="share above 0.5", estimate=hits.mean(), interval=wilson(hits), n=hits.size, holds=True,
        finding="It is half.",
        map=Map.of_fractions([result["x"] >= bound for bound in BOUNDS], axes={"bound": BOUNDS}, above=0.3,
                             measure="share above the bound"),
    )
'''

COUNT = '''
"""How many are there?  Chapter: one."""
from unitgain import counts

def compute(*, seed=0, device="cpu"):
    return {"n": counts.count()}
'''

FACE = """
__version__ = "1"

def __getattr__(name):
    raise AttributeError(name)
"""

SLOW = """
import time
from pathlib import Path
from tasks.files import replacing

def compute(*, seed=0, device="cpu"):
    with replacing(Path(__file__).parents[3] / "build/labs/half") as path:
        path.touch()
        time.sleep(600)
    return {"n": 1}
"""

LAB = """
# %% [markdown]
# # A lab

# %%
from unitgain.counts import count

# %%
# a comment
count() / 1
"""

SOURCES = """
[lee-2001]
title = "Halves"
authors = ["Lee", "Li"]
year = 2001
address = "https://half.example/1"
says = "Half of them."
"""

FILES = {
    "docs/sources.toml": SOURCES,
    "scripts/experiments/__init__.py": "",
    "scripts/experiments/style.py": STYLE,
    "scripts/experiments/one/__init__.py": "",
    "scripts/experiments/one/share.py": SHARE,
    "scripts/experiments/one/count.py": COUNT,
    "src/unitgain/__init__.py": FACE,
    "src/unitgain/draws.py": "import numpy as np\nfrom .bounds import HIGH\n\n"
    "def uniform(n, seed):\n    return np.linspace(0, HIGH, n)\n",
    "src/unitgain/bounds.py": "HIGH = 1\n",
    "src/unitgain/counts.py": "def count():\n    return 3\n",
    "src/unitgain/unused.py": "X = 1\n",
    "docs/labs/first.py": LAB,
    "mkdocs.yml": "nav:\n  - One: learn/one.md\n",
}


def write_project(root: Path) -> Path:
    for name, text in FILES.items():
        files.write(root / name, text.lstrip("\n"))
    for name in ("evidence", "intervals", "words"):
        shutil.copy(SCRIPTS / f"experiments/{name}.py", root / "scripts/experiments")
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def start(root: Path, *arguments: str, **options) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "tasks", *arguments]
    return subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )


def build(root: Path, *arguments: str) -> tuple[str, int]:
    process = start(root, *arguments)
    return process.communicate()[0], process.returncode


def counted(output: str, outcome: str) -> int:
    """How many tasks had that outcome, by pytask's own summary."""
    found = re.search(rf"(\d+)  {re.escape(outcome)}\b", output)
    return int(found[1]) if found else 0


def ran(output: str) -> set[str]:
    lines = [line for line in output.splitlines() if line.startswith("[")]
    return {line.partition("] ")[2].partition("  ")[0] for line in lines}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A project after its first build."""
    root = write_project(tmp_path_factory.mktemp("built") / "project")
    output, code = build(root)
    assert code == 0, output
    assert len(ran(output)) == counted(output, "Succeeded") == 6
    return root


@pytest.fixture
def project(built, tmp_path) -> Path:
    """A copy of the built project, to be changed."""
    return Path(shutil.copytree(built, tmp_path / "project"))


# --- digests


def both(root: Path, name: str = "share") -> tuple[str, str]:
    sources = digests.project_sources(root)
    experiment = next(e for e in discovery.experiments(root) if e.name == name)
    return digests.for_compute(sources, experiment), digests.for_render(sources, experiment)


@pytest.mark.parametrize(
    ("file", "old", "new", "computes", "renders"),
    [
        ("scripts/experiments/one/share.py", "# (n,)", "# another comment", False, False),
        ("scripts/experiments/one/share.py", '"""Uniform draws."""', '"""Other words."""', False, False),
        ("scripts/experiments/one/share.py", "(4, 3)", "(5, 3)", False, True),
        ("scripts/experiments/one/share.py", "#2F6DB5", "#000000", False, True),
        ("scripts/experiments/one/share.py", "N = 100", "N = 200", True, True),
        ("scripts/experiments/style.py", "white", "black", False, True),
        ("scripts/experiments/evidence.py", "VERDICTS = (", "VERDICTS = tuple, (", False, True),
        ("src/unitgain/draws.py", "linspace(0,", "linspace(-1,", True, True),
        ("src/unitgain/bounds.py", "1", "2", True, True),
        ("src/unitgain/counts.py", "3", "4", False, False),
        ("src/unitgain/__init__.py", '"1"', '"2"', False, False),
        ("src/unitgain/unused.py", "1", "2", False, False),
    ],
)
def test_a_digest_changes_with_what_can_be_reached(tmp_path, file, old, new, computes, renders):
    root = write_project(tmp_path)
    before = both(root)
    edit(root / file, old, new)
    after = both(root)
    assert (before[0] != after[0], before[1] != after[1]) == (computes, renders)


def test_a_lazy_package_stands_for_all_its_modules(tmp_path):
    root = write_project(tmp_path)
    edit(root / "scripts/experiments/one/count.py", "import counts", "import count as counts")
    before = both(root, "count")
    edit(root / "src/unitgain/unused.py", "1", "2")
    assert before[0] != both(root, "count")[0]


def statements(text: str) -> tuple[digests.Statement, ...]:
    return digests.parse(text, package="pack.sub")


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("a = 1\ndef f(): return a", {"a", "f"}),
        ("a = {}\na['x'] = 1\ndef f(): return a\nb = 2", {"a", "f"}),
        ("if True:\n    a = 1\nelse:\n    a = 2\ndef f(): return a\nb = a", {"a", "f"}),
        ("def g(): return 1\n@g\ndef f(): ...\ndef h(): ...", {"f", "g"}),
    ],
)
def test_reached_follows_names(text, used):
    assert {name for statement in digests.reached(statements(text), "f") for name in statement.binds} == used


def test_what_acts_without_a_name_counts_always():
    assert len(list(digests.reached(statements("import torch\ntorch.seed(0)\ndef f(): ..."), "f"))) == 3


def test_imports_are_resolved_and_those_for_type_checkers_left_out():
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a import b\n"
    text += "from . import c\nfrom ..d import e"
    found = {(item.module, item.name) for statement in statements(text) for item in statement.imports}
    assert found == {("typing", "TYPE_CHECKING"), ("pack.sub", "c"), ("pack.d", "e")}


# --- files


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    files.write(path, "old")

    def write_half() -> None:
        with files.replacing(path) as beside:
            beside.write_text("half")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_sweep_removes_what_was_begun_and_nothing_else(tmp_path):
    (tmp_path / "deep").mkdir()
    left, other = tmp_path / "deep/.a.mp4.123.tmp", tmp_path / "b.tmp"
    left.touch()
    other.touch()
    assert files.sweep(tmp_path) == [left]
    assert not left.exists()
    assert other.exists()


# --- cards


def claim(**changes) -> dict:
    values = {
        "id": "half",
        "statement": "half | of $x$",
        "sources": ["lee-2001, part 1"],
        "verdict": "depends",
        "measure": "share",
    }
    values |= {
        "estimate": -0.5,
        "interval": [-0.6, -0.4],
        "n": 12345,
        "holds": True,
        "finding": "It depends.",
    }
    values |= {
        "map": None,
        "exact": False,
        "within": None,
        "units": "",
        "unrepeated": "",
        "derived": "depends",
        "unstable": {},
    }
    return {**values, "chapter": "one-two", "script": "scripts/experiments/one_two/a.py", **changes}


KNOWN = {"lee-2001": sources.Source("Lee & Li (2001)", "Halves", "Half.", "https://half.example/1", "")}


def test_a_card_and_its_row():
    card = cards.card(claim(), KNOWN)
    assert card.startswith('<div class="ug-claim ug-depends" id="claim-half" markdown="1">')
    for part in (
        "“half | of $x$” · [Lee & Li (2001)](https://half.example/1), part 1\n",
        "−0.500 [−0.600, −0.400], n = 12,345 · share",
        "</svg> Depends</p>",
    ):
        assert part in card
    made = mapped([ON, OFF, OPEN], {"offset": [1, 2, 3]})
    assert "0.00 [−0.380, 0.380]" in cards.card(claim(estimate=-2e-7, interval=[-0.38, 0.38]), KNOWN)
    summary = ledger.summary([claim(), claim(replication="a.py"), claim(map=made), claim(interval=None)])
    assert summary.startswith(
        "4 claims measured: 0 confirmed, 4 depend on a condition, 0 refuted. Tried on a map"
    )
    assert "Tried on a map: 1, 3 cells in all; 1 of them say where they turn. 3 of the numbers" in summary
    assert "expect some 0.1 of these to miss." in summary
    assert summary.endswith("unstable there: 0. Measured again by a second, independent program: 1.\n")


def test_a_card_says_that_its_claim_is_unstable_and_how_to_repeat_it():
    entry = {"seed": "7", "date": "2026-01-02", "why": "It moved."}
    card = cards.card(claim(unstable=entry, replication="tests/replications/half.py"), KNOWN)
    assert "**Unstable.** It failed at seed 7 on 2026-01-02. It moved.\n" in card
    assert (
        "`make claim ID=half` · [Script](/scripts/experiments/one_two/a.py) · [Replication](/tests/" in card
    )
    assert "Unstable" not in cards.card(claim(), KNOWN)


TITLES = {"three": "Three", "one-two": "One, two"}


def test_the_ledger_is_by_chapter_in_the_book_s_order_and_what_surprises_comes_first():
    half = mapped([ON, OFF, OPEN], {"steps": [1, 2, 3]})
    claims = [
        claim(id="a", map=mapped([ON, ON, OFF], {"offset": [1, 2, 3]})),
        claim(id="b", map=mapped([ON, OFF, OFF], {"offset": [1, 2, 3]}), sources=["Unit Gain"]),
        claim(id="c", verdict="refuted"),
        claim(id="d", chapter="three", verdict="confirmed", map=half, unstable={"seed": "7"}),
    ]
    made = ledger.ledger(claims, KNOWN, TITLES)
    assert re.findall(r"^## (.+?) {", made, re.M) == ["Three", "One, two"]
    assert re.findall(r"#claim-(\w)\)", made) == ["d", "c", "b", "a"]
    classes = dict(zip("dcba", re.findall(r'class="ug-entry (.+?)"', made), strict=True))
    assert classes["d"] == "is-confirmed is-unstable by-training-time from-lee-2001"
    assert classes["b"] == "is-depends by-offset from-unit-gain"
    (three, rest) = re.findall(r'<section class="ug-ledger (.+?)"', made)
    assert three == " ".join(sorted(classes["d"].split()))
    assert rest == "by-offset from-lee-2001 from-unit-gain is-depends is-refuted"
    assert "[depends](#is-depends) 2 · [confirmed](#is-confirmed) 1" in made
    assert '<p class="ug-only" id="by-offset">Only: tried with other offset, 2 of 4. <a href="#all">' in made
    assert "#by-offset:target~section .ug-entry:not(.by-offset){display:none}" in made


def test_each_map_of_the_book_varies_a_known_condition(root):
    claims = json.loads((root / "build/claims/claims.json").read_text(encoding="utf-8"))
    assert not [one["id"] for one in claims if one["map"] and not ledger.conditions(one)]


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ([], "a.py: claim half: a card must name a source"),
        (["lee-2010, part 1"], "there is no source 'lee-2010' in docs/sources.toml; did you mean lee-2001?"),
    ],
)
def test_a_card_without_a_source_or_with_an_unknown_one_is_refused(named, says):
    for page in (cards.card, lambda claim, known: ledger.ledger([claim], known, TITLES)):
        with pytest.raises(TaskFailed, match=re.escape(says)):
            page(claim(sources=named), KNOWN)


def mapped(states, axes, **changes) -> dict:
    numbers = np.where(np.array(states) == "holds", 1.0, -1.0).tolist()
    values = {"axes": axes, "cells": states, "estimate": numbers, "low": numbers, "high": numbers}
    return values | {"side": [0.0, None], "measure": "gain", "n": 5, "units": "networks"} | changes


ON, OFF, OPEN = "holds", "fails", "open"
OFFSETS, KINDS = [1, 3, 10, 100], ["ReLU", "tanh", "SELU", "GELU"]


@pytest.mark.parametrize(
    ("states", "axes", "says"),
    [
        ([ON] * 4, {"offset": OFFSETS}, "Holds in all 4 cells."),
        ([OFF] * 4, {"offset": OFFSETS}, "Fails in all 4 cells."),
        ([OPEN] * 4, {"offset": OFFSETS}, "Along offset: is open throughout."),
        ([ON, ON, OFF, OFF], {"offset": OFFSETS}, "Along offset: holds up to 3, fails from 10."),
        (
            [ON, OPEN, OFF, ON],
            {"offset": OFFSETS},
            "Along offset: holds up to 1, is open at 3, fails at 10, holds from 100.",
        ),
        (
            [OFF, ON, OFF, OPEN],
            {"activation": KINDS},
            "Along activation: holds for tanh, fails for ReLU and SELU, is open for GELU.",
        ),
        (
            [[ON, ON, ON], [ON, OFF, ON], [OFF, OFF, ON], [OFF, OFF, ON]],
            {"offset": OFFSETS, "units": [2, 8, 32]},
            "Along offset: holds up to 3, fails from 10 (units 2); holds up to 1, fails from 3 (units 8); "
            "holds throughout (units 32).",
        ),
        (
            [[ON, ON], [ON, ON], [OFF, OFF], [OFF, OFF]],
            {"offset": OFFSETS, "units": [2, 8]},
            "Along offset: holds up to 3, fails from 10 (units 2, 8).",
        ),
        (
            [[ON, ON], [ON, ON], [OFF, OFF], [OFF, OFF]],
            {"offset": OFFSETS, "start": ["He, layer 1", "He, layer 3"]},
            "Along offset: holds up to 3, fails from 10 (He, layer 1 / He, layer 3).",
        ),
    ],
)
def test_a_map_in_words(states, axes, says):
    assert maps.words(mapped(states, axes)) == says


def test_a_map_is_a_table_in_marks_and_words():
    states = [[ON, OFF], [ON, OFF], [ON, OPEN], [OFF, ON]]
    made = mapped(states, {"offset < 200": OFFSETS, "units": [2, 8]})
    table = maps.strip(made)
    assert '<td>units</td><td colspan="4">offset &lt; 200</td>' in table
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', table)
    assert [row for row, _ in rows] == ["2", "8"]
    seen = [
        re.findall(r'<td class="ug-(\w+)".*?>(.)</span><span.*?>(\w+)</span>', cells) for _, cells in rows
    ]
    assert [[state for state, _, _ in row] for row in seen] == np.transpose(states).tolist()
    assert all((mark, word) == (maps.MARKS[state], state) for row in seen for state, mark, word in row)
    card = cards.card(claim(map=made, unrepeated="a larger network"), KNOWN)
    key = "✓ holds, ✗ fails, ? open. In a cell: gain; it holds above 0; n = 5 networks.\n"
    for part in (maps.words(made), "Not repeated here: a larger network.", key):
        assert part in card
    assert maps.words(made) in ledger.ledger([claim(map=made)], KNOWN, TITLES)
    assert "Exact." in ledger.ledger([claim(exact=True, interval=None, within=1e-12)], KNOWN, TITLES)


@pytest.mark.parametrize(
    ("estimates", "side", "shown"),
    [
        ([0.4, 0.26, -0.0013], [None, 0.1], ["0.40", "0.26", "0.00"]),
        ([0.85, 0.94, 1.0], [None, 0.9], ["0.85", "0.94", "1.00"]),
        ([2.5, 12, 31], [None, 5], ["2.5", "12.0", "31.0"]),
        ([0.4, 12, 31], [None, 1], ["0.4", "12.0", "31.0"]),
        ([25, 120, 310], [None, 50], ["25", "120", "310"]),
        ([2e-9, 0.013, 9.4], [None, 1e-3], ["2.0 × 10⁻⁹", "0.013", "9.4"]),
    ],
)
def test_the_numbers_of_a_map_have_as_many_decimals_as_its_bound_needs(estimates, side, shown):
    made = mapped([ON] * 3, {"offset": [1, 2, 3]}, estimate=estimates, side=side)
    assert re.findall(r"</span> (.*?)</td>", maps.strip(made)) == shown


@pytest.mark.parametrize(
    ("side", "says"),
    [([0.5, None], "above 0.5"), ([None, 2 / 3], "below 0.667"), ([-1, 1], "from −1 to 1")],
)
def test_the_side_of_a_map_in_words(side, says):
    assert maps.side({"side": side}) == says


def test_an_id_used_twice_is_refused_with_both_scripts(tmp_path):
    import json

    for name in ("a", "b"):
        files.write(tmp_path / f"{name}.json", json.dumps([claim(script=f"{name}.py")]))
    files.write(tmp_path / "docs/sources.toml", SOURCES)
    with pytest.raises(TaskFailed, match=r"claim half: an id must be used once, got a\.py and b\.py"):
        cards.collect(tmp_path, [tmp_path / "a.json", tmp_path / "b.json"])
    assert not (tmp_path / "build").exists()


def notebook(*outputs, source="# Two lines\nplt.plot()", **metadata) -> dict:
    header = {"cell_type": "raw", "source": "---\ntitle: T\n---"}
    title = {"cell_type": "markdown", "source": "# A lab\n\nText, $x$."}
    code = {"cell_type": "code", "source": source, "metadata": metadata, "outputs": list(outputs)}
    return {"cells": [header, title, code]}


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="480pt" height="360pt">'
    '<path d="M 0 0 L 9 0 L 9 9 z" style="fill: #ffffff"/>'
    '<path d="M 0 0 L 1 1" style="fill: none; stroke: #000000"/></svg>'
)
PICTURE = {"data": {"image/svg+xml": SVG, "image/png": "", "text/plain": "<Figure>"}}


def test_a_lab_becomes_markdown(tmp_path):
    lab = discovery.Lab(tmp_path, "first")
    html = {"data": {"text/html": "<table></table>", "text/plain": "t"}}
    text, pictures = labs.markdown(lab, notebook({"text": "```\n"}, PICTURE, html, PICTURE))
    assert list(pictures) == [f"picture-{n}-{scheme}.svg" for n in (1, 2) for scheme in ("light", "dark")]
    assert pictures["picture-1-light.svg"] != pictures["picture-1-dark.svg"] == pictures["picture-2-dark.svg"]
    assert "stroke:currentColor" in pictures["picture-1-light.svg"]
    assert f'style="fill:{PAPER["dark"]}"' in pictures["picture-1-dark.svg"]
    assert text.startswith(
        "---\ntitle: T\n---\n\n# A lab\n\nDownload this lab: [notebook](first/first.ipynb)"
    )
    one = '![Two lines](first/picture-{0}-{1}.svg){{ .only-{1} width="640" height="480" loading="lazy" }}'
    blocks = (
        "{ .ug-download }\n",
        "Text, $x$.",
        "```python\n# Two lines\nplt.plot()\n```",
        "````text\n```\n````",
        labs.OUTPUT.format(' markdown="1"', f"{one.format(1, 'light')}\n{one.format(1, 'dark')}"),
        labs.OUTPUT.format("", "<table></table>"),
        labs.OUTPUT.format(' markdown="1"', f"{one.format(2, 'light')}\n{one.format(2, 'dark')}"),
    )
    assert text.endswith("\n\n".join(blocks) + "\n")


def test_a_lab_says_how_to_install_what_it_needs(tmp_path):
    cells = notebook()
    cells["cells"][1]["source"] += " It needs `unitgain[plots,data]`."
    text, _ = labs.markdown(discovery.Lab(tmp_path, "first"), cells)
    assert '{ .ug-download }\n\n--8<-- "install/plots,data.md"\n\n\nText' in text


def test_a_picture_is_described_by_its_cell(tmp_path):
    lab = discovery.Lab(tmp_path, "first")
    assert "![A \\[line\\]](" in labs.markdown(lab, notebook(PICTURE, source="plt.plot()", alt="A [line]"))[0]
    files.write(lab.script, "# %%\nplt.plot()\n")
    with pytest.raises(TaskFailed, match=r"docs/labs/first\.py:2: a cell that draws needs a text"):
        labs.markdown(lab, notebook(PICTURE, source="plt.plot()"))


def test_the_line_of_a_lab_s_cell():
    assert labs.first_line(LAB, ["from unitgain.counts import count", "# a comment\ncount() / 1"]) == 9


# --- builds


def test_a_second_build_does_nothing(built):
    output, code = build(built)
    assert code == 0
    assert output == "The tasks are up to date.\n"


def test_without_its_stamp_a_build_looks_at_every_task_and_runs_none(project):
    (project / "build/tasks.json").unlink()
    output, code = build(project)
    assert code == 0
    assert counted(output, "Skipped because unchanged") == 6
    assert not ran(output)


def test_what_a_build_makes(built):
    made = built / "build"
    names = {"result.npz", "data.csv", "picture.html", "figure.md", "claims.json"}
    names |= {f"{width}-{scheme}.svg" for width in ("wide", "narrow") for scheme in ("light", "dark")}
    assert {p.name for p in (made / "experiments/one/share").iterdir()} == names
    assert {p.name for p in (made / "experiments/one/count").iterdir()} == {"result.npz", "claims.json"}
    assert {p.name for p in (made / "claims").iterdir()} == {"half.md", *cards.LEDGER}
    picture = (made / "experiments/one/share/picture.html").read_text()
    assert 'role="img" aria-label="A line"' in picture
    assert "var(--ug-class0)" in picture
    assert 'src="{root}/experiments/one/share/narrow-dark.svg"' in picture
    assert "stroke:#6ca6e8" in (made / "experiments/one/share/wide-dark.svg").read_text()
    assert (made / "experiments/one/share/figure.md").read_text() == (
        '<figure class="ug-figure" id="figure-share" markdown="1">\n'
        '<div class="ug-picture" data-picture="experiments/one/share/picture.html"></div>\n'
        '<figcaption markdown="1">\n**Half of them.**\n\n'
        '<details class="ug-method" markdown="1"><summary>How it was measured</summary>\n\nOf 100.\n\n'
        "[Larger](/experiments/one/share/wide-light.svg) · [Data](/experiments/one/share/data.csv) · "
        "[Script](/scripts/experiments/one/share.py)\n\n</details>\n</figcaption>\n</figure>\n"
    )
    assert '"3.0"' in (made / "labs/first.ipynb").read_text()
    assert (
        (made / "labs/first.md").read_text().endswith("# a comment\ncount() / 1\n```\n\n```text\n3.0\n```\n")
    )
    assert not (built / "pytask.lock").exists()


def test_a_change_of_the_drawing_does_not_compute_again(project):
    edit(project / "scripts/experiments/one/share.py", "(4, 3)", "(5, 3)")
    (project / "build/experiments/one/count/claims.json").unlink()
    output, code = build(project)
    assert code == 0
    assert ran(output) == {"render one/share", "render one/count"}


def test_what_is_gone_takes_its_outputs_along(project):
    (project / "scripts/experiments/one/share.py").unlink()
    (project / "docs/labs/first.py").unlink()
    _, code = build(project)
    assert code == 0
    assert not (project / "build/experiments/one/share").exists()
    assert not list((project / "build/labs").iterdir())
    assert {p.name for p in (project / "build/claims").iterdir()} == set(cards.LEDGER)


def test_a_wrong_verdict_a_broken_compute_and_a_failing_cell_stop_the_build(project):
    edit(project / "scripts/experiments/one/share.py", "holds=True", "holds=False")
    edit(project / "scripts/experiments/one/count.py", "counts.count()", "1 / 0")
    edit(project / "docs/labs/first.py", "count() / 1", "count() / 0")
    figure = project / "build/experiments/one/share/figure.md"
    figure.unlink()
    output, code = build(project)
    assert code == 1
    assert 'claim half: the measurement does not support the written verdict "confirmed"' in output
    assert "0.500 [0.404, 0.596], n = 100 · share above 0.5" in output
    assert "scripts/experiments/one/share.py:34" in output
    assert "count.py:5 in compute:" in output
    assert "ZeroDivisionError: division by zero" in output
    assert "docs/labs/first.py:9: ZeroDivisionError" in output
    assert counted(output, "Failed") == 3
    assert counted(output, "Skipped because unchanged") == 1
    assert counted(output, "Skipped because previous failed") == 2
    assert "Traceback" not in output
    assert not figure.exists()
    assert (project / "build/experiments/one/share/wide-light.svg").exists()


def test_a_map_that_says_otherwise_stops_the_build(project):
    edit(
        project / "scripts/experiments/one/share.py", "for bound in BOUNDS]", "for bound in (0.1, 0.2, 0.9)]"
    )
    output, code = build(project)
    assert code == 1
    assert 'claim half: the measurement gives "depends", not the written verdict "confirmed"' in output
    assert "  map        Along bound: holds up to 0.2, fails from 0.4.\n" in output
    assert "scripts/experiments/one/share.py:34" in output


def wait_until(true) -> None:
    """However busy the machine is; two minutes are a hang."""
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("whole_group", [True, False], ids=["with its workers", "leaving its workers"])
def test_a_killed_build_is_completed_by_the_next(tmp_path, whole_group):
    root = write_project(tmp_path / "project")
    (root / "docs/labs/first.py").unlink()
    (root / "scripts/experiments/one/count.py").write_text(SLOW)
    process = start(root, start_new_session=True)
    wait_until(lambda: list(root.glob("build/labs/.half.*")))
    (half,) = root.glob("build/labs/.half.*")
    worker = Path("/proc", half.name.split(".")[2])
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()
    wait_until(lambda: not worker.exists())  # a worker does not outlive its build
    assert half.exists()
    (root / "scripts/experiments/one/count.py").write_text(FILES["scripts/experiments/one/count.py"])
    output, code = build(root)
    assert code == 0, output
    assert "compute one/count" in ran(output)
    assert not list(root.rglob("*.tmp"))
    assert not (root / "build/labs/half").exists()


STATE = {  # what the engine remembers, sound and not
    "pytask.lock": ('lock-version = "1"', "{", ""),
    "pytask.lock.journal": ('{"version": 1}\n{"cut by a ki', '{"version"\n{}'),
    ".pytask/pytask.sqlite3": ("", "\0 is no database" * 100),
}


@pytest.mark.parametrize("name", STATE)
def test_what_the_engine_remembers_is_forgotten_where_it_is_damaged(tmp_path, name, capsys):
    sound, *damaged = STATE[name]
    for number, text in enumerate([sound, *damaged]):
        files.write(tmp_path / "pytask" / name, text)
        __main__.forget_what_is_damaged(tmp_path / "pytask")
        assert (tmp_path / "pytask").exists() == (number == 0)
        assert ("is damaged" in capsys.readouterr().out) == (number > 0)


def test_whatever_is_damaged_is_made_again(project):
    edit(
        project / "docs/labs/first.py",
        "# a comment\n",
        "# A line\nfrom matplotlib import pyplot\npyplot.plot()\n",
    )
    build(project)
    made = [
        project / "build" / name
        for name in (
            "claims/half.md", "labs/first/picture-1-dark.svg",
            "experiments/one/share/wide-light.svg", "experiments/one/count/result.npz",
        )
    ]  # fmt: skip
    before = [path.read_bytes() for path in made]
    for path in made:
        path.write_bytes(b"\0")
    output, code = build(project)
    assert code == 0
    assert ran(output) == {"ledger of claims", "lab first", "render one/share", "compute one/count"}
    assert [path.read_bytes() for path in made] == before


def test_a_full_disk_is_said(project, monkeypatch):
    assert files.no_room(project) == ""
    monkeypatch.setattr(files, "ROOM", 2**80)
    assert files.no_room(project).startswith("no space is left for ")


def test_two_builds_wait_for_each_other(built):
    with (built / "build/tasks.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start(built)
        assert process.stdout.readline().startswith("tasks: waiting for another build")
        assert process.poll() is None
    output, _ = process.communicate()
    assert process.returncode == 0
    assert not ran(output)


def test_a_syntax_error_is_named_with_its_place(project):
    edit(project / "src/unitgain/bounds.py", "HIGH = 1", "HIGH = = 1")
    output, code = build(project)
    assert code != 0
    assert "src/unitgain/bounds.py:1: SyntaxError" in output


def test_one_experiment_or_claim_is_computed_from_nothing_and_shown(project):
    for arguments in (("experiment", "one/share"), ("claim", "half")):
        output, code = build(project, *arguments)
        assert code == 0
        assert ran(output) == {"compute one/share", "render one/share"}
        card = output[output.index("half: Confirmed") :]
        assert (
            "“half | of $x$” · Lee & Li (2001), part 1\n  0.500 [0.404, 0.596], n = 100 · share above 0.5\n"
            "  It is half.\n" in card
        )
        assert card.rstrip().endswith("Files: build/experiments/one/share/")
        assert ("**Half of them.**" in output) == (arguments[0] == "experiment")
    output, code = build(project, "claim", "halt")
    assert (code, output) == (1, "tasks: there is no claim 'halt'; did you mean half?\n")
    output, code = build(project, "experiment")
    assert (code, ran(output)) == (1, set())
    assert "NAME=<chapter>/<name>" in output


def test_diff_says_what_has_moved(project):
    assert "there is no last site" in build(project, "diff")[0]
    moved.keep(project)
    assert build(project, "diff")[0].endswith("diff: no number and no figure has moved\n")
    edit(project / "src/unitgain/bounds.py", "1", "2")
    edit(project / "scripts/experiments/one/share.py", "Half of them", "More of them")
    output, code = build(project, "diff")
    assert code == 0
    assert output.endswith(
        "one/share: claim half from 0.5 [0.4038, 0.5962] to 0.75 [0.657, 0.8245]\n"
        "one/share: column x: 99 of 100 values, by 1 at most\n"
        "one/share: another caption\n"
        "one/share: another picture\n"
    )


def test_a_parse_that_is_kept_is_the_one_made_anew(tmp_path):
    root = write_project(tmp_path)
    fresh = both(root)
    code = digests.project_sources(root)
    digests.for_render(code, discovery.experiments(root)[1])
    code.parsed.save()
    assert both(root) == fresh
    edit(root / "src/unitgain/bounds.py", "1", "2")
    assert both(root) != fresh
    for half in ("{", "[]", '{"key": 1}'):
        code.parsed.path.write_text(half)
        assert both(root) != fresh


# --- the site


@pytest.fixture
def making(project, monkeypatch):
    """`making()` builds the site with a small program in place of MkDocs; says whether that ran."""
    program = "from pathlib import Path; s = Path('site'); s.mkdir(exist_ok=True); Path('ran').touch()"
    program += "; (s / 'index.html').write_text(Path('mkdocs.yml').read_text())"
    monkeypatch.setattr(site, "COMMAND", [sys.executable, "-c", program])
    (project / "mkdocs.yml").write_text("a: 1")

    def one() -> bool:
        assert site.build(project) == 0
        mark = project / "ran"
        done = mark.exists()
        mark.unlink(missing_ok=True)
        return done

    return one


@pytest.mark.parametrize(
    "place",
    ["mkdocs.yml", "docs/labs/first.py", "src/unitgain/unused.py", "site/index.html", "build/labs/first.md"],
)
def test_the_site_is_made_again_where_anything_has_changed(project, making, place):
    assert making()
    assert not making()
    for change in (lambda path: path.write_text(path.read_text() + "\n# more"), Path.unlink):
        kept = (project / place).read_text()
        change(project / place)
        if place == "mkdocs.yml" and not (project / place).exists():
            assert site.build(project) == 1  # fails, and the next one does not take it for done
            (project / place).write_text(kept)
        assert making()
        (project / place).write_text(kept)
        making()
        assert not making()


def test_the_site_is_made_again_after_another_setting_or_half_a_stamp(project, making, monkeypatch):
    assert making()
    monkeypatch.setenv("SITE_URL", "https://example.org/elsewhere/")
    assert making()
    assert not making()
    (project / "build/site.json").write_text('["a')
    assert making()
    (project / "docs/new.md").touch()
    assert making()


def test_mkdocs_stops_where_the_tasks_fail(tmp_path):
    import start_tasks
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.exceptions import PluginError

    config = MkDocsConfig(str(tmp_path / "mkdocs.yml"))
    files.write(tmp_path / "scripts/tasks.py", "raise SystemExit(0)")
    start_tasks.on_pre_build(config)
    files.write(
        tmp_path / "scripts/tasks.py", "raise SystemExit(1)  # another size: its bytecode is not the old"
    )
    with pytest.raises(PluginError):
        start_tasks.on_pre_build(config)
