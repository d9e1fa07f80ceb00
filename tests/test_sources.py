"""Sources: what is refused in docs/sources.toml, how cards and pages cite them, and that all are used."""

from __future__ import annotations

import importlib.util
import json
import re
from types import SimpleNamespace

import pytest
from mkdocs.exceptions import PluginError
from tasks import sources
from tasks.reporting import TaskFailed

GOOD = {
    "title": "Halves",
    "authors": ["Lee", "Li"],
    "year": 2001,
    "address": "https://half.example/1",
    "says": "Half.",
}


def toml(**tables) -> str:
    """The text of sources.toml; JSON's strings, numbers and lists are TOML's too."""
    lines = [
        f"[{key}]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())
        for key, table in tables.items()
    ]
    return "\n".join(lines)


def load(tree, **tables):
    return sources.load(tree({"docs/sources.toml": toml(**tables)}))


@pytest.fixture
def known(tree):
    nowhere = {**GOOD, "title": "A half?", "authors": "Roe", "year": "undated", "where": "a letter"}
    del nowhere["address"]
    return load(tree, **{"lee-2001": GOOD, "roe": nowhere})


@pytest.fixture
def hook(root):
    """The hook, loaded by its path as MkDocs does: `sources` is the engine's module here."""
    spec = importlib.util.spec_from_file_location("sources_hook", root / "scripts/hooks/sources.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_our_sources_are_sound_and_nearly_all_have_an_address(root):
    ours = sources.load(root)
    assert len(ours) > 60
    assert sum(not source.address for source in ours.values()) <= 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"title": ""}, "title is missing"),
        ({"authors": []}, "authors is missing"),
        ({"year": 0}, "year is missing"),
        ({"says": ""}, "says is missing"),
        (
            {"year": "last year"},
            "year must be a number, a range such as 2015–2017, or undated, got last year",
        ),
        ({"adress": "https://half.example/2"}, "adress is none of title, authors,"),
        ({"address": ""}, "address is missing, and no `where` says how it is found"),
        ({"address": "half.example/1"}, "address must be https"),
        ({"address": "https:///1"}, "address must be https"),
        ({"address": "http://half.example/1"}, "address must be https"),
        ({"address": "https://half.example/a b"}, "address must be https"),
        (
            {"address": "https://half.example/(1)"},
            "address must be https, a host and a path without spaces, ( as %28",
        ),
    ],
)
def test_a_bad_source_is_refused_with_file_key_and_reason(tree, change, says):
    with pytest.raises(TaskFailed, match=re.escape(f"docs/sources.toml: lee-2001: {says}")):
        load(tree, **{"lee-2001": {**GOOD, **change}})


def test_all_that_is_wrong_is_said_at_once(tree):
    with pytest.raises(TaskFailed) as error:
        load(tree, **{"lee-2001": GOOD, "lee-2": GOOD, "Lee": GOOD, "li": {**GOOD, "says": ""}})
    assert str(error.value).splitlines() == [
        "docs/sources.toml: lee-2: address is that of lee-2001, https://half.example/1",
        "docs/sources.toml: Lee: a source must be a table, its key small letters and digits joined "
        "by hyphens",
        "docs/sources.toml: li: says is missing",
        "docs/sources.toml: li: address is that of lee-2001, https://half.example/1",
    ]


@pytest.mark.parametrize("text", ["x = 1", "[lee"])
def test_a_file_that_holds_no_sources_is_refused(tree, text):
    with pytest.raises(TaskFailed, match=r"docs/sources\.toml: "):
        sources.load(tree({"docs/sources.toml": text}))


@pytest.mark.parametrize(
    ("authors", "year", "name"),
    [
        ("Lee", "undated", "Lee"),
        (["Lee"], 2001, "Lee (2001)"),
        (["Lee", "Li", "Roe", "Doe"], "2001–2003", "Lee, Li, Roe & Doe (2001–2003)"),
        (["Lee", "Li", "Roe", "Doe", "Poe"], 2001, "Lee et al. (2001)"),
    ],
)
def test_the_name_of_a_source(tree, authors, year, name):
    assert load(tree, lee={**GOOD, "authors": authors, "year": year})["lee"].name == name


def test_a_card_cites_by_key_and_place(known):
    assert (
        sources.cite("lee-2001, parts 1, 2", known) == "[Lee & Li (2001)](https://half.example/1), parts 1, 2"
    )
    assert sources.cite("lee-2001, part 1", known, None) == "Lee & Li (2001), part 1"
    assert sources.cite("roe", known) == sources.cite("roe", known, None) == "Roe"
    assert sources.cite("roe, part 1", known, "a.md#sources") == "[Roe](a.md#sources), part 1"
    assert sources.cite("Unit Gain", known) == "Unit Gain"
    with pytest.raises(
        TaskFailed, match=r"no source 'lee-2010' in docs/sources.toml; did you mean lee-2001\?"
    ):
        sources.cite("lee-2010, part 1", known)


def test_a_page_cites_by_reference(hook, known):
    page = (
        "As [Lee\nsays][@lee-2001] and [@lee-2001] too; [`f`][@lee-2001]; see [a letter][@roe].\n\n"
        "- [@@lee-2001] Only for x.\n- [@@roe]\n"
    )
    assert hook.keys(page) == {"lee-2001", "roe"}
    at = "https://half.example/1"
    assert hook.linked(page, known) == (
        f"As [Lee\nsays]({at}) and [Lee & Li (2001)]({at}) too; [`f`]({at}); see [a letter](#sources).\n\n"
        f"- [Lee & Li (2001)]({at}), *Halves*. Half. Only for x.\n- Roe, *A half?* (a letter). Half.\n"
    )


def test_code_is_left_alone(hook, known):
    page = (
        "```text\n[@lee-2001] `\n```\n\n    ~~~python\n    x[@y]\n    ~~~\n\n`[a][@lee-2001]` ``a ` [@b]``\n"
    )
    assert hook.keys(page) <= {"b"}
    fences = page.partition("`[a]")[0]
    assert hook.keys(fences) == set()
    assert hook.linked(fences, known) == fences


PAGE = "---\ntitle: A\n---\n\n# A\n\nText [by\nLee][@lee-2010].\n"
CLAIMS = [{"sources": ["Unit Gain", "lee-2001, part 1"]}]


@pytest.fixture
def project(tree, hook):
    """A project with one page, as MkDocs shows it to the hook: the front matter is off."""
    files = {
        "docs/sources.toml": toml(**{"lee-2001": GOOD, "li": {**GOOD, "address": "https://half.example/2"}})
    }
    root = tree(
        {**files, "docs/a.md": PAGE, "build/claims/claims.json": json.dumps(CLAIMS), "mkdocs.yml": ""}
    )
    hook.on_config(SimpleNamespace(config_file_path=str(root / "mkdocs.yml")))
    return root


def shown(hook, markdown):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    return hook.on_page_markdown(markdown, page, None, None)


def test_an_unknown_key_is_named_with_page_and_line(hook, project):
    with pytest.raises(PluginError, match=r"^docs/a\.md:8: there is no source 'lee-2010' .* mean lee-2001\?"):
        shown(hook, PAGE.partition("---\n\n")[2])


def test_a_source_that_nothing_names_stops_the_build(hook, project):
    shown(hook, "No source.")
    with pytest.raises(PluginError, match=r"^docs/sources\.toml: no page and no card names li$"):
        hook.on_env(None, None, None)
    shown(hook, "By [Li][@li].")
    hook.on_env(None, None, None)


def test_a_bad_file_stops_the_build(hook, project):
    (project / "docs/sources.toml").write_text("[lee]\n")
    with pytest.raises(PluginError, match=r"docs/sources\.toml: lee: title is missing"):
        hook.on_config(SimpleNamespace(config_file_path=str(project / "mkdocs.yml")))
