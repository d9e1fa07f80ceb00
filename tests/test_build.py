"""The whole build on a small project: right, and wrong in one way at a time."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

PLACE = '<div class="ug-picture" data-picture="experiments/c/e/picture.html"></div>'
LAB = "# %% [markdown]\n# # A lab\n#\n# See [home](../index.md), $x$.\n\n# %%\n# A dot\nprint(1)\n"
FIGURE = f"""<figure class="ug-figure" id="figure-e" markdown="1">
{PLACE}
<figcaption markdown="1">
**Yes, $y_1$.** [Data](/experiments/c/e/data.csv)
</figcaption>
</figure>
"""
SOURCES = """[lee-2001]
title = "Halves"
authors = ["Lee", "Li"]
year = 2001
address = "https://half.example/1"
says = "Half of them."
"""
PROJECT = {
    "docs/sources.toml": SOURCES,
    "docs/index.md": "---\ntitle: Home\n---\n# Home\n\n$x$ [by Lee][@lee-2001].\n\n"
    '--8<-- "experiments/c/e/figure.md"\n',
    "docs/labs/lab.py": LAB,
    "build/labs/lab.ipynb": "{}",
    "build/labs/lab.md": "---\ntitle: A lab\n---\n\n# A lab\n\nSee [home](../index.md), $x$.\n",
    "build/experiments/c/e/figure.md": FIGURE,
    "build/experiments/c/e/picture.html": '<svg aria-label="A dot"><image href="{root}/x.png"/></svg>',
    "build/experiments/c/e/data.csv": "x\n1\n",
    "build/claims/claims.json": "[]",
}  # fmt: skip


@pytest.fixture
def build(tree, root):
    """`build(changes)` runs the project's configuration on a small project: the process and its folder."""
    if not (root / "build/npm/node_modules").is_dir():
        pytest.fail("build/npm is missing; `make site` installs it")

    def run(changes):
        folder = tree({name: text for name, text in (PROJECT | changes).items() if text is not None})
        (folder / "build/npm").symlink_to(root / "build/npm")
        (folder / "scripts").symlink_to(root / "scripts")
        (folder / "src").symlink_to(root / "src")
        hooks = [
            "locations",
            "sources",
            "labs",
            "figures",
            "katex",
            "frames",
            "fonts",
        ]  # none that starts tasks
        (folder / "mkdocs.yml").write_text(
            f"INHERIT: {root / 'mkdocs.yml'}\n"
            f"hooks: [{', '.join(f'scripts/hooks/{hook}.py' for hook in hooks)}]\n"
            "nav: [index.md, labs/lab.md]\n"
        )
        command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
        quiet = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
        quiet["PYTHONPATH"] = str(root / "scripts")  # hooks import the tasks' modules
        done = subprocess.run(command, cwd=folder, env=os.environ | quiet, capture_output=True, text=True)
        return done, folder

    return run


def test_a_right_project_builds(build):
    done, folder = build({})
    assert done.returncode == 0, done.stderr
    home = (folder / "site/index.html").read_text()
    assert '<image href="./x.png"/>' in home
    assert 'href="experiments/c/e/data.csv"' in home
    assert '<a href="https://half.example/1">by Lee</a>' in home
    assert home.count('class="katex-html"') == 2
    lab = (folder / "site/labs/lab/index.html").read_text()
    assert '<a href="../../">home</a>' in lab
    assert 'class="katex-html"' in lab
    assert "title: A lab" not in lab
    assert len(lab) < 60_000
    for name in (
        "labs/lab/lab.ipynb",
        "labs/lab/lab.py",
        "experiments/c/e/data.csv",
        "assets/fonts/inter.woff2",
    ):
        assert (folder / "site" / name).is_file(), name
    assert "katex" not in (folder / "site/search/search_index.json").read_text()


def lab(text: str) -> dict[str, str]:
    """The project's lab with `text` for its Markdown cell, in the script and on its page."""
    script = "# %% [markdown]\n" + "".join(f"# {line}\n" for line in text.splitlines())
    return {"docs/labs/lab.py": script, "build/labs/lab.md": text}


HOME = PROJECT["docs/index.md"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"docs/index.md": HOME + "\n$\\frac{1}{$\n"}, r"docs/index\.md:10: KaTeX parse error"),
        (
            {"docs/index.md": HOME + "\n$$\n\\mu =\n\\wrong\n$$\n"},
            r"docs/index\.md:11: KaTeX parse error.*wrong",
        ),
        (
            {"build/experiments/c/e/figure.md": FIGURE.replace("y_1", "y_")},
            r"docs/index\.md:8 \(in build/experiments/c/e/figure\.md:4\): KaTeX parse error",
        ),
        ({"docs/index.md": HOME + "\n[x](gone.md)\n"}, r"docs/index\.md:10: .*gone\.md"),
        ({"docs/index.md": HOME + "\n[x](#gone)\n"}, r"docs/index\.md:10: .*#gone"),
        (
            {"docs/index.md": HOME + "\n[@lee-2010]\n"},
            r"docs/index\.md:10: there is no source 'lee-2010' .*; did you mean lee-2001\?",
        ),
        (lab("# A lab\n\nSee [x][@li]."), r"docs/labs/lab\.py:4: there is no source 'li'"),
        (
            {"docs/index.md": HOME.replace("[by Lee][@lee-2001]", "x")},
            r"docs/sources\.toml: no page and no card names lee-2001",
        ),
        (
            {"docs/sources.toml": SOURCES.replace("address", "where").replace("https://half.example/1", "")},
            r"docs/sources\.toml: lee-2001: address is missing",
        ),
        (
            {"build/experiments/c/e/data.csv": None},
            r"docs/index\.md:8 \(in build/experiments/c/e/figure\.md:4\): .*data\.csv",
        ),
        (
            {"docs/index.md": HOME + '\n--8<-- "claims/gone.md"\n'},
            r'docs/index\.md:10: no snippet "claims/gone\.md"',
        ),
        (
            {"build/experiments/c/e/figure.md": None},
            r'docs/index\.md:8: no snippet "experiments/c/e/figure\.md"',
        ),
        (
            {"build/experiments/c/e/picture.html": None},
            r"docs/index\.md:8 \(in build/experiments/c/e/figure\.md:2\): picture .* does not exist",
        ),
        ({"build/labs/lab.md": None}, r"docs/labs/lab\.py:1: build/labs/lab\.md is missing"),
        (lab("# A lab\n\nSee [x](gone.md)."), r"docs/labs/lab\.py:4: .*gone\.md"),
        (lab("# A lab\n\nSee $\\frac{1}{$."), r"docs/labs/lab\.py:4: KaTeX parse error"),
    ],
)
def test_a_wrong_page_stops_the_build_and_is_named_with_its_line(build, changes, message):
    done, _ = build(changes)
    assert done.returncode != 0
    assert re.search(message, done.stderr), done.stderr
