"""The pure functions of the site's hooks."""

from __future__ import annotations

import json
import re
from io import BytesIO

import downloads
import figures
import fonts
import frames
import katex
import labs
import locations
import pytest
import styles
from fontTools.ttLib import TTFont

# ---- locations ----


def test_a_place_is_found_however_the_source_breaks_it():
    source = "one\n\n> two  three\n> four\n"
    assert locations.lines_of(locations.spaced("three four"), source) == [3]
    assert locations.lines_of(locations.spaced("three five"), source) == []


def test_an_address_is_found_whole():
    source = "[a](index.md)\n[b](dex.md)\n[c](../dex.md#part)\n[d](dex.md#part)\n"
    assert locations.lines_of(locations.url("dex.md"), source) == [2, 4]


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
    marked = katex.marked(INLINE, [("y", False), ("x < 1", False)])
    assert marked == '<p>a <span class="math" data-search-exclude data-formula="1"></span></p>'
    assert (
        katex.insert(marked, ["Y", "HTML"]) == '<p>a <span class="math" data-search-exclude>HTML</span></p>'
    )


def test_a_style_sheet_keeps_only_woff2():
    css = 'src:url(a.woff2) format("woff2"),url(a.woff) format("woff"),url(a.ttf) format("truetype")}'
    assert katex.woff2_only(css) == 'src:url(a.woff2) format("woff2")}'


def test_only_the_fonts_of_a_page_s_formulas_are_asked_for():
    page = '<span class="katex"><span class="mord mathnormal">x</span></span>'
    fonts = re.findall(r"\.\./assets/katex/fonts/KaTeX_([\w-]+)\.woff2", katex.preloads(page, ".."))
    assert fonts == ["Main-Regular", "Math-Italic"]
    assert katex.preloads("<p>no formula</p>", "..") == ""
    assert katex.preloads(f"<h2>below the first screen</h2>{page}", "..") == ""


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
    root = tree({"build/p.html": '<img src="{root}/p.svg">\n'})
    page = figures.insert(PLACE.format("p.html"), root / "build", "../..")
    assert page == '<div class="ug-picture">\n<img src="../../p.svg">\n</div>'


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
                "build/experiments/c/e/wide-light.mp4",
                "build/experiments/c/e/wide-light.svg",
                "build/experiments/c/e/wide-light.webp",
                "build/experiments/c/e/result.npz",
                "build/claims/claims.json",
                "scripts/experiments/c/e.py",
            ],
            "",
        )
    )
    assert [uri for uri, _ in figures.site_files(root)] == [
        "experiments/c/e/data.csv",
        "experiments/c/e/wide-light.svg",
        "experiments/c/e/wide-light.mp4",
        "experiments/c/e/wide-light.webp",
        "claims/claims.json",
        "scripts/experiments/c/e.py",
    ]


SMALL = "<table><thead><tr><th>A</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>"
WIDE = (
    "<table><tr><th>Name</th><th>In <em>our</em> library</th><th></th></tr>"
    '<tr><td>a</td><td class="x">a_name_that_is_long_enough_for_half_a_phone</td>'
    "<td>and_another_one</td></tr></table>"
)


def test_a_table_that_fits_a_phone_gets_a_frame():
    assert frames.framed_tables(SMALL) == f"{frames.FRAME.format('')}{SMALL}</div>"


def test_in_one_that_does_not_each_cell_says_the_head_of_its_column():
    page = frames.framed_tables(WIDE)
    assert page.startswith(frames.FRAME.format(" ug-rows"))
    assert "<td>a</td>" in page  # it names the row
    assert '<td data-head="In our library" class="x">' in page
    assert "<td>and_another_one</td>" in page
    assert re.sub(r' data-head="[^"]*"', "", page) == f"{frames.FRAME.format(' ug-rows')}{WIDE}</div>"


def test_code_can_be_scrolled_by_keyboard():
    assert frames.focusable_code("<pre><span></span><code>x") == '<pre><span></span><code tabindex="0">x'


# ---- fonts


def test_the_signs_of_a_page_and_of_its_code_and_its_stress():
    page = "<p>ab&lt; <em>c</em></p><script>z</script><pre><code><span>d</span>1</code></pre>"
    found = fonts.signs(page)
    assert found[""] == set("ab< cd1")
    assert found["mono.woff2"] == set("d1")
    assert found["inter-italic.woff2"] == set("c")


def test_a_page_asks_for_the_fonts_that_it_shows():
    def asked(page):
        return re.findall(r"\.\./assets/fonts/([\w-]+)\.woff2", fonts.preloads(page, ".."))

    assert asked("<p>a</p>") == ["inter"]
    assert asked("<p><em>a</em> <code>b</code></p>") == ["inter", "inter-italic", "mono"]
    assert asked("<p><em>a</em></p><h2>b</h2><code>c</code>") == ["inter", "inter-italic"]


def test_a_cut_font_draws_what_it_was_cut_for(root):
    source = root / "build/npm/node_modules" / fonts.FONTS["inter.woff2"]
    made = fonts.cut(source, set("ab−"))
    assert len(made) < source.stat().st_size / 8
    font = TTFont(BytesIO(made))
    assert set(font.getBestCmap()) == set(map(ord, "ab−"))
    assert (font["fvar"].axes[0].minValue, font["fvar"].axes[0].maxValue) == fonts.WEIGHTS


# ---- downloads and labs

HEADING = '<h2 id="unitgain.layers.{}" class="doc doc-heading">\n{}</h2><p>Text'


def test_a_name_with_a_file_of_its_own_has_a_link_below_its_heading(tree):
    folder = tree({"Linear.py": "1\n2\n3\n"})
    page = HEADING.format("Linear", "Linear") + HEADING.format("Other", "Other")
    link = '<a href="../d/Linear.py" download="Linear.py">Copy it as one file</a>'
    link = f'<p class="ug-download">{link}, 3 lines</p>'
    assert downloads.with_copies(page, folder, "../d") == page.replace("Linear</h2>", f"Linear</h2>{link}")


WHEEL = "unitgain-1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("site", "requirement"),
    [
        ("", f"./{WHEEL}[plots,data]"),
        ("https://unit.example/", f"unitgain[plots,data] @ https://unit.example/downloads/{WHEEL}"),
    ],
)
def test_a_notebook_installs_what_its_lab_needs(site, requirement):
    cells = [
        {"cell_type": "raw", "source": ["title"]},
        {"cell_type": "markdown", "source": ["# Lab\n", "It needs `unitgain[plots,data]`."]},
        {"cell_type": "code", "source": ["1 + 1"]},
    ]
    made = json.loads(labs.with_install_cell(json.dumps({"cells": cells}), WHEEL, site))["cells"]
    assert made[:2] + made[3:] == cells
    first, *code = made[2]["source"].splitlines()
    assert made[2]["cell_type"] == "code"
    assert (f"put {WHEEL} beside" in first) == (not site)
    assert code == [
        *("try:", "    import unitgain", "except ModuleNotFoundError:"),
        f'    %pip install --quiet "{requirement}"',
    ]


def test_a_notebook_that_needs_nothing_stays():
    notebook = json.dumps({"cells": [{"cell_type": "markdown", "source": "# Lab"}]})
    assert json.loads(labs.with_install_cell(notebook, WHEEL, "")) == json.loads(notebook)


# ---- styles

HEAD = (
    '<head><link rel="stylesheet" href="../assets/stylesheets/main.1.css">\n'
    '<link rel="stylesheet" href="../assets/site.css"></head><body class="md-on">md-prose</body>'
)


def test_a_page_has_one_sheet_in_the_place_of_its_first():
    assert styles.sheets(HEAD) == ["assets/stylesheets/main.1.css", "assets/site.css"]
    made = styles.with_one(HEAD)
    assert re.findall(r'href="([^"]+)"', made) == ["../assets/styles.css"]
    assert styles.sheets(made) == ["assets/styles.css"]
    assert styles.with_one("<head></head>") == "<head></head>"


def test_a_selector_is_met_by_what_tags_and_scripts_say_and_not_by_prose():
    found = styles.words(f'{HEAD}<img alt="quote" data-md-kept="on"><script>go("md-later")</script>')
    assert {"link", "md-on", "img", "data-md-kept", "on", "md-later"} <= found
    assert not {"md-prose", "quote"} & found


def test_a_moved_sheet_finds_its_files():
    css = "a{b:url(fonts/x.woff2)} c{d:url('e.png')} f{g:url(data:x) url(\"#h\")}"
    assert styles.moved(css, "assets/site.css") == css
    assert styles.moved(css, "assets/katex/katex.css") == css.replace("fonts/x", "katex/fonts/x").replace(
        "'e", "'katex/e"
    )


def test_rules_that_nothing_meets_are_cut(root):
    css = (
        ":root{--used:1;--drawn:2;--idle:3} .md-on{color:var(--used)} .gone,.md-on b{x:y} .gone:hover{x:y}"
        "[data-md-later]{x:y} @media print{.gone{x:y}.md-on{p:q}} @font-face{font-family:F}"
    )
    made = styles.cut(css, {"md-on", "b", "drawn"}, root / "build/npm/node_modules/purgecss")
    for rule in ("--used:1", "--drawn:2", ".md-on b{x:y}", "[data-md-later]", ".md-on{p:q}", "@font-face"):
        assert rule in made
    assert "gone" not in made
    assert "--idle" not in made
