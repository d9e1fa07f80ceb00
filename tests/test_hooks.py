"""The hooks of the site: their pure functions, and what a builder reads when a page is wrong."""

from __future__ import annotations

import base64
import json
import os
import re
import struct
import subprocess
import sys

import figures
import frames
import katex
import locations
import notebooks
import pytest

# ---- locations ----


def test_a_place_is_found_however_the_source_breaks_it():
    source = "one\n\n> two  three\n> four\n"
    assert locations.lines_of(locations.spaced("three four"), source) == [3]
    assert locations.lines_of(locations.spaced("three five"), source) == []


def test_an_address_is_found_whole():
    source = "[a](index.md)\n[b](dex.md)\n[c](../dex.md#part)\n[d](dex.md#part)\n"
    assert locations.lines_of(locations.url("dex.md"), source) == [2, 4]


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


def test_what_stands_in_a_snippet_is_named_by_the_page_and_line_that_embed_it(tree):
    root = tree({"docs/a.md": '# A\n\n--8<-- "claims/c.md"\n', "build/claims/c.md": "x\n\nneedle\n"})
    place = locations.locate(locations.spaced("needle"), root / "docs/a.md", root)
    assert place == "docs/a.md:3 (in build/claims/c.md:3)"


def test_what_stands_in_a_docstring_is_named_by_the_page_and_line_that_show_it(tree):
    root = tree({"docs/a.md": "# A\n\n::: unitgain.x\n", "src/unitgain/x.py": '"""X.\n\n    needle\n"""\n'})
    place = locations.locate(locations.spaced("needle"), root / "docs/a.md", root)
    assert place == "docs/a.md:3 (in src/unitgain/x.py:3)"


def test_missing_snippets_are_listed_with_their_lines(tree):
    root = tree({"build/here.md": ""})
    text = '--8<-- "here.md"\n\n--8<-- "gone.md"\n    --8<-- "gone/too.md"\n'
    assert locations.missing_snippets(text, root) == [(3, "gone.md"), (4, "gone/too.md")]


# ---- katex ----

INLINE = r'<p>a <span class="arithmatex">\(x &lt; 1\)</span></p>'


def test_formulas_are_read_as_tex_and_put_back_as_html():
    assert katex.formulas(INLINE * 2) == [("x < 1", False)]
    assert katex.insert(INLINE, {("x < 1", False): "HTML"}) == (
        '<p>a <span class="math" data-search-exclude>HTML</span></p>'
    )


def test_a_style_sheet_keeps_only_woff2():
    css = 'src:url(a.woff2) format("woff2"),url(a.woff) format("woff"),url(a.ttf) format("truetype")}'
    assert katex.woff2_only(css) == 'src:url(a.woff2) format("woff2")}'


def test_only_the_fonts_of_a_page_s_formulas_are_asked_for():
    page = '<span class="katex"><span class="mord mathnormal">x</span></span>'
    fonts = re.findall(r"\.\./assets/katex/fonts/KaTeX_([\w-]+)\.woff2", katex.preloads(page, ".."))
    assert fonts == ["Main-Regular", "Math-Italic"]
    assert katex.preloads("<p>no formula</p>", "..") == ""


def test_known_formulas_start_no_process_and_unused_ones_are_forgotten(tmp_path, monkeypatch):
    batches = []

    def render(batch, dist):
        batches.append(batch)
        return [{"html": tex.upper()} for tex, _ in batch]

    monkeypatch.setattr(katex, "render", render)
    path = tmp_path / "katex.json"
    first = katex.Cache(path, "1")
    assert first.fetch([("x", False), ("y", True)], tmp_path)[("y", True)] == {"html": "Y"}
    first.save()
    second = katex.Cache(path, "1")
    assert second.fetch([("x", False)], tmp_path) == {("x", False): {"html": "X"}}
    second.save()
    assert batches == [[("x", False), ("y", True)]]
    assert list(json.loads(path.read_text())["formulas"]) == ["0x"]
    katex.Cache(path, "2").fetch([("x", False)], tmp_path)  # another version of KaTeX
    path.write_text("{half a fi")
    katex.Cache(path, "1").fetch([("x", False)], tmp_path)
    assert len(batches) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["katex.json"]


# ---- figures and frames ----

PLACE = '<div class="ug-picture" data-picture="{}"></div>'


def test_a_picture_replaces_its_placeholder_and_its_addresses_lead_to_the_root(tree):
    root = tree({"build/p.html": '<video poster="{root}/p.webp"></video>'})
    page = figures.insert(PLACE.format("p.html"), root / "build", "../..")
    assert page == '<div class="ug-picture"><video poster="../../p.webp"></video></div>'


def test_a_drawing_says_its_width_and_gets_a_hint():
    page = figures.framed('<svg style="max-width:640px"></svg>')
    assert 'style="--ug-width:640px"' in page
    assert figures.HINT in page


def test_a_video_says_its_size():
    page = figures.framed('<video class="anim" width="640" height="320"></video>')
    assert page.startswith('<div class="ug-picture" style="--ug-width:640px;--ug-ratio:0.5000">')
    assert figures.HINT not in page


@pytest.mark.parametrize(
    ("name", "times", "problem"), [("gone.html", 1, "does not exist"), ("p.html", 2, "twice")]
)
def test_a_picture_that_is_missing_or_embedded_twice_is_refused(tree, name, times, problem):
    root = tree({"build/p.html": "<svg></svg>"})
    with pytest.raises(LookupError, match=problem):
        figures.insert(PLACE.format(name) * times, root / "build", ".")


def test_the_site_serves_data_videos_claims_and_scripts(tree):
    root = tree(
        dict.fromkeys(
            [
                "build/experiments/c/e/data.csv",
                "build/experiments/c/e/light.mp4",
                "build/experiments/c/e/light.webp",
                "build/experiments/c/e/result.npz",
                "build/claims/claims.json",
                "scripts/experiments/c/e.py",
            ],
            "",
        )
    )
    assert [uri for uri, _ in figures.site_files(root)] == [
        "experiments/c/e/data.csv",
        "experiments/c/e/light.mp4",
        "experiments/c/e/light.webp",
        "claims/claims.json",
        "scripts/experiments/c/e.py",
    ]


def test_tables_and_code_can_be_scrolled_by_keyboard():
    assert frames.framed_tables("<table><tr></tr></table>") == f"{frames.FRAME}<table><tr></tr></table></div>"
    assert frames.focusable_code("<pre><span></span><code>") == '<pre tabindex="0"><span></span><code>'


# ---- notebooks ----


def test_dollars_in_a_notebook_mark_formulas():
    assert notebooks.marked_maths("a $x<1$ b") == r'a <span class="arithmatex">\(x&lt;1\)</span> b'
    assert notebooks.marked_maths("$$x$$") == r'<div class="arithmatex">\[x\]</div>'
    assert notebooks.marked_maths("costs 3 $ or 4 $ today") == "costs 3 $ or 4 $ today"


def cell(source, outputs=1, **metadata):
    picture = {"data": {"image/png": ""}}
    return {"source": [source], "metadata": metadata, "outputs": [picture] * outputs}


def test_a_picture_is_described_by_its_cell():
    written, commented = cell("plt.plot()", alt="A line"), cell("# Two lines\nplt.plot()", outputs=2)
    assert notebooks.alt_texts({"cells": [written, commented]}) == ["A line", "Two lines", "Two lines"]
    assert notebooks.alt_texts({"cells": [cell("x = 1", outputs=0)]}) == []
    with pytest.raises(LookupError, match=r"plt\.show"):
        notebooks.alt_texts({"cells": [cell("plt.show()")]})


def test_pictures_become_files_with_their_size_and_text():
    png = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 640, 480)
    page = f'<img alt="" src="{notebooks.PNG}{base64.b64encode(png).decode()}"/>'
    content, files = notebooks.pictures_out(page, ['say "x"'])
    assert content == (
        '<img src="picture-1.png" alt="say &quot;x&quot;" width="640" height="480" loading="lazy">'
    )
    assert files == {"picture-1.png": png}


# ---- The whole build, on a small project: right, and wrong in one way at a time ----

LAB = "# %% [markdown]\n# # A lab\n#\n# See [home](../index.md), $x$.\n\n# %%\n# A dot\nprint(1)\n"
FIGURE = f"""<figure class="ug-figure" id="figure-e" markdown="1">
{PLACE.format("experiments/c/e/picture.html")}
<figcaption markdown="1">
**Yes, $y_1$.** [Data](/experiments/c/e/data.csv)
</figcaption>
</figure>
"""
PROJECT = {
    "docs/index.md": '---\ntitle: Home\n---\n# Home\n\nText, $x$.\n\n--8<-- "experiments/c/e/figure.md"\n',
    "docs/labs/lab.py": LAB,
    "build/labs/lab.ipynb": json.dumps(
        {
            "cells": [
                {
                    "cell_type": "markdown",
                    "id": "a",
                    "metadata": {},
                    "source": "# A lab\n\nSee [home](../index.md), $x$.",
                },
                {
                    "cell_type": "code",
                    "id": "b",
                    "metadata": {},
                    "execution_count": 1,
                    "source": "# A dot\nprint(1)",
                    "outputs": [{"output_type": "stream", "name": "stdout", "text": "1\n"}],
                },
            ],
            "metadata": {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    ),
    "build/experiments/c/e/figure.md": FIGURE,
    "build/experiments/c/e/picture.html": '<svg aria-label="A dot"><image href="{root}/x.png"/></svg>',
    "build/experiments/c/e/data.csv": "x\n1\n",
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
        hooks = ["locations", "notebooks", "figures", "katex", "frames"]  # all but the tasks
        (folder / "mkdocs.yml").write_text(
            f"INHERIT: {root / 'mkdocs.yml'}\n"
            f"hooks: [{', '.join(f'scripts/hooks/{hook}.py' for hook in hooks)}]\n"
            "nav: [index.md, labs/lab.ipynb]\n"
        )
        command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
        quiet = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
        done = subprocess.run(command, cwd=folder, env=os.environ | quiet, capture_output=True, text=True)
        return done, folder

    return run


def test_a_right_project_builds(build):
    done, folder = build({})
    assert done.returncode == 0, done.stderr
    home = (folder / "site/index.html").read_text()
    assert '<image href="./x.png"/>' in home
    assert 'href="experiments/c/e/data.csv"' in home
    assert home.count('class="katex-html"') == 2
    lab = (folder / "site/labs/lab/index.html").read_text()
    assert '<a href="../../">home</a>' in lab
    assert 'class="katex-html"' in lab
    assert len(lab) < 60_000
    for name in (
        "labs/lab/lab.ipynb",
        "labs/lab/lab.py",
        "experiments/c/e/data.csv",
        "assets/fonts/inter.woff2",
    ):
        assert (folder / "site" / name).is_file(), name
    assert "katex" not in (folder / "site/search/search_index.json").read_text()


def lab(text: str, **outputs) -> dict[str, str]:
    """The project's lab with `text` for its first cell, in the script and in the notebook."""
    notebook = json.loads(PROJECT["build/labs/lab.ipynb"])
    notebook["cells"][0]["source"] = text
    script = "# %% [markdown]\n" + "".join(f"# {line}\n" for line in text.splitlines())
    return {"docs/labs/lab.py": script, "build/labs/lab.ipynb": json.dumps(notebook)}


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
        ({"build/labs/lab.ipynb": None}, r"docs/labs/lab\.py:1: build/labs/lab\.ipynb is missing"),
        (lab("# A lab\n\nSee [x](gone.md)."), r"docs/labs/lab\.py:4: the link 'gone\.md'"),
        (lab("# A lab\n\nSee $\\frac{1}{$."), r"docs/labs/lab\.py:4: KaTeX parse error"),
    ],
)
def test_a_wrong_page_stops_the_build_and_is_named_with_its_line(build, changes, message):
    done, _ = build(changes)
    assert done.returncode != 0
    assert re.search(message, done.stderr), done.stderr
