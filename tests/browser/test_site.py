"""Every page in Chromium: both schemes, wide and narrow, without JavaScript, with less motion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).resolve().parents[2] / "site"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
AXE = "build/npm/node_modules/axe-core/axe.min.js"
RULES = (
    "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], resultTypes: ['violations']})"
)
# axe reads a picture's label, not its thousands of lines, and takes three times as long among them.
EMPTY_PICTURES = "document.querySelectorAll('.ug-frame svg').forEach(svg => svg.replaceChildren())"
SCROLLS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CLASS_ONCE_IT_PLAYS = """
video => new Promise(done => {
  const look = () => video.currentTime > 0 ? done(video.className) : setTimeout(look, 50);
  look();
})"""
CHAPTER = "learn/normalize-your-data/"


def address(page) -> str:
    path = page.relative_to(SITE).as_posix()
    return path.removesuffix("index.html")


HTML = {address(page): page.read_text(encoding="utf-8") for page in sorted(SITE.rglob("*.html"))}
PAGES = [pytest.param(page, id=page or "home") for page in HTML]
WITH_VIDEO = [page for page in HTML if 'class="anim' in HTML[page]]
WITH_CODE = [page for page in HTML if 'class="language-python highlight"' in HTML[page]]


def violations(page) -> list[str]:
    found = page.evaluate(RULES)["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize(("scheme", "size", "other"), [("light", WIDE, NARROW), ("dark", NARROW, WIDE)])
def test_a_page_is_sound_in_both_schemes_and_sizes(visitor, root, address, scheme, size, other):
    """Colours are looked at in both schemes and boxes at both sizes; axe takes too long for all four."""
    # Less motion: no transition is half-way when it is looked at. Videos have tests of their own below.
    reader = visitor(color_scheme=scheme, viewport=size, reduced_motion="reduce")
    with reader.open(address) as page:
        shown = page.locator("body").get_attribute("data-md-color-scheme")
        assert shown == {"light": "default", "dark": "slate"}[scheme]
        assert page.evaluate("shift") <= 0.02, "the layout shifts while the page loads"
        for one in (size, other):
            page.set_viewport_size(one)
            assert page.evaluate(SCROLLS) <= 0, f"the page scrolls sideways at {one['width']} px"
        page.set_viewport_size(size)
        page.evaluate(EMPTY_PICTURES)
        page.add_script_tag(path=root / AXE)
        assert not violations(page)
        assert not reader.wrong


@pytest.mark.parametrize("address", PAGES)
def test_a_page_is_whole_without_javascript(visitor, address):
    reader = visitor(java_script_enabled=False, viewport=WIDE)
    with reader.open(address) as page:
        article = page.locator("article")
        assert article.is_visible()
        assert article.inner_text().strip()
        assert page.locator("article .katex-html").count() == HTML[address].count('class="katex-html"')
        for thing in (".katex-html", ".ug-picture svg", "video.only-light", ".highlight pre"):
            hidden = page.locator(f"article {thing} >> visible=false").count()
            folded = page.locator(f"details:not([open]) {thing}, .tabbed-block {thing}").count()
            assert hidden <= folded, thing
        assert not reader.wrong


def scroll_to_video(page):
    video = page.locator("video.anim >> visible=true").first
    video.scroll_into_view_if_needed()
    return video


@pytest.mark.parametrize("address", WITH_VIDEO)
def test_no_video_is_asked_for_under_reduced_motion(visitor, address):
    reader = visitor(reduced_motion="reduce", viewport=WIDE)
    with reader.open(address) as page:
        for video in page.locator("video.anim >> visible=true").all():
            video.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        assert not [url for url in reader.requests if url.endswith(".mp4")]


@pytest.mark.parametrize("address", WITH_VIDEO)
def test_the_video_in_view_plays_and_the_toggle_changes_it(visitor, address):
    reader = visitor(color_scheme="light", viewport=WIDE)
    with reader.open(address) as page:
        video = scroll_to_video(page)
        assert "only-light" in video.evaluate(CLASS_ONCE_IT_PLAYS)
        assert all("light" in url for url in reader.requests if url.endswith(".mp4"))
        for _ in range(2):  # from the system's colours to light ones, then to dark ones
            page.locator("label[for^='__palette'] >> visible=true").click()
        assert "only-dark" in scroll_to_video(page).evaluate(CLASS_ONCE_IT_PLAYS)
        page.evaluate("localStorage.clear()")  # the choice would hold for the next page too
        assert not reader.wrong


@pytest.mark.parametrize("address", WITH_CODE[:3])
def test_the_copy_button_copies_the_code_alone(visitor, address):
    reader = visitor(permissions=["clipboard-read", "clipboard-write"], viewport=WIDE)
    with reader.open(address) as page:
        block = page.locator(".language-python.highlight >> visible=true").first
        block.hover()
        block.locator("button").first.click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == block.locator("code").inner_text().strip()
        assert page.locator(".language-python + .language-text button >> visible=true").count() == 0


def test_a_word_in_the_search_finds_the_chapter(visitor):
    reader = visitor(viewport=WIDE)
    with reader.open("") as page:
        page.locator("input.md-search__input").click()
        page.keyboard.type("normalize")
        found = page.locator(f"a.md-search-result__link[href*='{CHAPTER}']")
        found.first.wait_for()
        assert not reader.wrong


def test_no_search_entry_holds_a_formula_or_a_picture(site):
    index = (site / "search/search_index.json").read_text(encoding="utf-8")
    assert not re.search(r"katex|<svg|\\\\frac", index)
