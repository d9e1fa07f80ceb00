"""Every Python fence is run and its output checked; every built page is light, whole and self-contained."""

from __future__ import annotations

import gzip
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import pytest
from pytest_codeblocks import extract_from_file

from tests.fences import EXPECTED, fences, problems

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_fence_is_run_or_visibly_not_python(page):
    text = page.read_text(encoding="utf-8")
    assert not [f"{relative(page)}:{line}: {rule}" for line, rule in problems(text)]
    ours = [fence.line for fence in fences(text) if fence.info == "python"]
    run = [block.lineno for block in extract_from_file(page) if block.syntax == "python"]
    assert run == ours, f"{relative(page)}: pytest-codeblocks runs the fences at {run}, the page has {ours}"


PRINTS = "```python\nprint(1)\n```\n"
CHECK = f"<!--{EXPECTED}-->\n"
GOOD = f"{PRINTS}{CHECK}```text\n1\n```\n"


def tabs(plain: str, ours: str) -> str:
    def one(label: str, value: str) -> str:
        block = f"```python\nprint({value})\n```\n{CHECK}```text\n{value}\n```\n"
        return f'=== "{label}"\n\n' + textwrap.indent(block, "    ") + "\n"

    return one("Plain PyTorch", plain) + one("unitgain", ours)


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ('```python title="a"\nx = 1\n```', 1, "is not run"),
        ("```py\nx = 1\n```", 1, "is not run"),
        ("```{.python}\nx = 1\n```", 1, "is not run"),
        ("```pycon\n>>> 1\n```", 1, "is not run"),
        ("```bash\nls\n```", 1, "is not run"),
        ("\n~~~python\nx = 1\n~~~", 2, "tildes"),
        ("```python\nx = 1", 1, "never closed"),
        ("```python\nx = 1\n```\n\n<!--pytest-codeblocks:cont-->\n```python\nx\n```", 6, "runs alone"),
        ("<!--pytest-codeblocks:skip-->\n```python\nx\n```", 2, "give a reason"),
        ("<!--pytest.mark.skip-->\n```python\nx\n```", 2, "needs a reason"),
        (PRINTS, 1, "it prints"),
        (PRINTS + "Text.\n" + GOOD, 1, "it prints"),
        (PRINTS + "```text\n1\n```", 4, "not checked"),
        (PRINTS + f"\nText.\n\n<!--{EXPECTED}-->\n```text\n1\n```", 8, "must stand between"),
        ('```python title="a.py"\nx = 1\n--8<-- "a.py"\n```', 1, "is not run"),
        ('```python\n--8<-- "a.py"\n```', 1, "needs a title"),
        (tabs("1", "2"), 17, "different things"),
    ],
)
def test_the_guard_finds(text, line, rule):
    assert [number for number, message in problems(text) if rule in message] == [line]


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + "\nText.\n\n" + GOOD,
        tabs("1", "1"),
        "<!--pytest.mark.skip(reason='needs a GPU')-->\n```python\nx\n```",
        '```python title="a.py"\n--8<-- "a.py"\n```',
        "```console\n$ make site\n```",
    ],
)
def test_the_guard_lets_pass(text):
    assert not list(problems(text))


def test_every_module_has_its_reference_page(root):
    public = {
        p.stem
        for p in (root / "src/unitgain").iterdir()
        if not p.stem.startswith("_") and p.suffix in {".py", ""}
    }
    assert public == {p.stem for p in (root / "docs/reference").glob("*.md")} - {"index", "names"}


COMPARED = ["transforms", "activations", "initializers", "layers", "models", "optimizers", "training"]
UPDATE_RULES = re.compile(r"\w+_rule$")  # the halves of the optimizers that only we have apart
NAME = re.compile(r"`([\w.]+)`")


def names_elsewhere(root: Path) -> Iterator[list[list[str]]]:
    """The names in each column of each row of the page that compares libraries."""
    for line in (root / "docs/reference/names.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            yield [NAME.findall(cell) for cell in line.strip("| ").split(" | ")]


def test_the_comparison_with_other_libraries_is_complete(root):
    ours = [name for row in names_elsewhere(root) for name in row[0]]
    public = {name for module in COMPARED for name in import_module(f"unitgain.{module}").__all__}
    assert set(ours) == {name for name in public - {"LOSSES"} if not UPDATE_RULES.match(name)}
    assert len(ours) == len(set(ours))


@pytest.mark.parametrize(("column", "package"), [(1, "torch"), (3, "sklearn")])
def test_the_comparison_names_what_exists(root, column, package):
    names = {name for row in names_elsewhere(root) for name in row[column]}
    assert len(names) > 10
    for name in names:
        resolve_name(f"{package}.{name}")


LISTED = re.compile(r"\[@@([^\]]+)\]")  # in the list of sources of a chapter
NAMED = re.compile(r"\[@@?([^\]]+)\]")
CHAPTERS = [page for page in PAGES if page.parent.name == "learn"]


@pytest.mark.parametrize("page", CHAPTERS, ids=relative)
def test_a_chapter_lists_the_sources_that_it_names_and_types_no_address(page):
    text = page.read_text(encoding="utf-8")
    listed = LISTED.findall(text)
    assert set(listed) == set(NAMED.findall(text))
    assert len(listed) == len(set(listed))
    typed = re.findall(r"(?:\]\(|<)https?://[^)>\s]+", re.sub(r"```.*?```", "", text, flags=re.S))
    assert not typed, "an address belongs into docs/sources.toml"


# ---- The built pages ----

BUILT = sorted((ROOT / "site").rglob("*.html"))
built_pages = pytest.mark.parametrize("page", BUILT, ids=relative)
UNRENDERED = re.compile(r'class="arithmatex"|data-picture=|markdown="1"|\{root\}|--8<--|\$\$|\[@')
LOADED = re.compile(
    r'<(?:script|img|video|source|iframe|audio|embed|object)\b[^>]*\b(?:src|data|poster)="(?P<file>[^"]+)"'
    r'|<link\b(?=[^>]*\brel="(?:stylesheet|preload|preconnect|icon)")[^>]*\bhref="(?P<link>[^"]+)"'
)
OUTSIDE = re.compile(r"(?:https?:)?//")


def without_code(html: str) -> str:
    return re.sub(r"<(pre|code|script)\b.*?</\1>", "", html, flags=re.S)


def served(*paths: Path) -> int:
    """Bytes as sent, gzipped."""
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in paths)


def test_the_site_is_built(site):
    assert (site / "sitemap.xml").is_file()


@built_pages
def test_nothing_is_left_unrendered(page):
    assert not UNRENDERED.findall(without_code(page.read_text(encoding="utf-8")))


@built_pages
def test_a_page_asks_nobody_else_for_anything(page):
    loaded = [m["file"] or m["link"] for m in LOADED.finditer(page.read_text(encoding="utf-8"))]
    assert loaded
    assert not [address for address in loaded if OUTSIDE.match(address)]


def test_the_chapters_link_their_sources_where_they_use_them(site):
    """60 links at least, beside the lists of sources."""
    texts = [path.read_text(encoding="utf-8") for path in (site / "learn").glob("*/index.html")]
    above = [text.partition('id="sources"')[0] for text in texts]
    assert sum(len(re.findall(r'<a [^>]*href="https?://', text)) for text in above) >= 60


def test_style_sheets_ask_nobody_else_for_anything(site):
    for sheet in site.rglob("*.css"):
        assert not re.findall(
            r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", sheet.read_text(encoding="utf-8")
        ), sheet


@built_pages
def test_an_id_stands_once_in_a_page(page):
    ids = re.findall(r'\sid="([^"]+)"', without_code(page.read_text(encoding="utf-8")))
    assert len(ids) == len(set(ids)), sorted({i for i in ids if ids.count(i) > 1})


def test_scripts_are_at_most_60_kb_with_the_search_worker(site):
    material = site / "assets/javascripts"
    ours = list((site / "assets").glob("*.js"))
    scripts = [*material.glob("bundle.*.js"), *material.glob("workers/*.js"), *ours]
    assert len(scripts) == 4
    assert served(*scripts) <= 60_000
    assert served(*ours) <= 2_500


def test_a_lab_is_a_light_page_with_its_notebook_and_script(site, root):
    for script in (root / "docs/labs").glob("*.py"):
        page = site / "labs" / script.stem / "index.html"
        assert served(page) <= 20_000
        for download in (page.with_name(f"{script.stem}.ipynb"), page.with_name(script.name)):
            assert download.is_file()
            assert f'href="{download.name}"' in page.read_text(encoding="utf-8")
