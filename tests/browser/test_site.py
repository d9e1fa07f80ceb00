"""Every page in Chromium: both schemes, wide and narrow, without JavaScript, with less motion."""

from __future__ import annotations

import functools
import gzip
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.conftest import AXE, PATIENCE, Visitor, served

pytestmark = pytest.mark.browser

SITE = Path(__file__).resolve().parents[2] / "site"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
RULES = """only => axe.run(document, {
  runOnly: only, resultTypes: ["violations"], preload: false,
})"""
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
# What the scheme and the size of the window can change; all else is the HTML, which stays.
OF_SCHEME_AND_SIZE = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"]
# axe reads the label of a picture, not its thousands of lines, and takes thrice as long among them. The
# pieces of a formula share its colour, and so do words that stand in the same place of their blocks: one of
# each will do.
ONE_OF_EACH = """() => {
  document.querySelectorAll(".ug-frame svg, .katex-mathml").forEach(picture => picture.replaceChildren());
  document.querySelectorAll(".katex-html").forEach(formula => formula.replaceChildren("x"));
  const seen = new Set();
  const path = word => word.matches("article") ? ""
    : `${path(word.parentElement)} ${word.tagName}.${word.className} ${word.getAttribute("style")}`;
  document.querySelectorAll("article :is(span, code, b, strong, em):not(a *)").forEach(word => {
    const place = path(word);
    if (!word.children.length && seen.has(place)) word.remove();
    seen.add(place);
  });
}"""
# What of a figure or of a lab's picture reaches past the screen, or scrolls in its frame.
SIDEWAYS = """() => [...document.querySelectorAll(".ug-figure :is(div, img, video, svg), .ug-output img")]
  .filter(part => part.checkVisibility())
  .filter(part => part.getBoundingClientRect().right > innerWidth + 1
    || (part.tagName === "DIV" && part.scrollWidth > part.clientWidth + 1))
  .map(part => `${part.tagName}.${part.getAttribute("class")} in ${part.closest("[id]")?.id}`)"""
SHOWN = """() => ["ug-wide", "ug-narrow"].filter(
  width => [...document.getElementsByClassName(width)].some(part => part.checkVisibility()))"""
SCROLLS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Brings each video into view and waits until whoever watches for that, as the page does, has been told.
SHOW_VIDEOS = """async () => {
  for (const video of document.querySelectorAll("video.anim")) {
    if (!video.checkVisibility()) continue;  // of the other scheme or width, or folded
    video.scrollIntoView({block: "center"});
    await new Promise(shown => new IntersectionObserver(
      (list, observer) => list.forEach(entry => entry.isIntersecting && (observer.disconnect(), shown())),
      {threshold: .3}).observe(video));
  }
  return [...document.querySelectorAll("video.anim")].map(video => video.paused);
}"""
CLASS_ONCE_IT_PLAYS = """
video => new Promise(done => {
  const look = () => video.currentTime > 0 ? done(video.parentElement.className) : setTimeout(look, 50);
  look();
})"""
CHAPTER = "learn/normalize-your-data/"


def address(page) -> str:
    path = page.relative_to(SITE).as_posix()
    return path.removesuffix("index.html")


HTML = {address(page): page.read_text(encoding="utf-8") for page in sorted(SITE.rglob("*.html"))}
PAGES = [pytest.param(page, id=page or "home") for page in HTML]
WITH_VIDEO = [page for page in HTML if 'class="anim' in HTML[page]]
PLAYED = [
    *WITH_VIDEO[:1],
    *[page for page in WITH_VIDEO[1:] if "ug-pair" in HTML[page]][:1],
]  # one script for all
KINDS = {page.partition("/")[0]: page for page in HTML}  # home, a chapter, a page of the reference …


BYTES, ELEMENTS = 300_000, 1_500  # of a page when it opens; inside its pictures
TEXT = (".html", ".css", ".js", ".svg", ".json")


@functools.cache
def weight(path: Path) -> int:
    """What a server sends for a file."""
    data = path.read_bytes()
    return len(gzip.compress(data)) if path.suffix in TEXT else len(data)


def file_of(url: str, base: str) -> Path:
    path = SITE / url.removeprefix(base).partition("?")[0]
    return path / "index.html" if path.is_dir() else path


@pytest.mark.parametrize("address", PAGES)
def test_pictures_are_few_elements_and_copy_none(address):
    pictures = HTML[address].split('<div class="ug-picture">')[1:]
    drawn = "".join(picture.partition("<figcaption")[0] for picture in pictures)
    assert len(re.findall(r"<[a-zA-Z]", drawn)) <= ELEMENTS
    assert "<use" not in drawn


def violations(page, rules: list[str]) -> list[str]:
    found = page.evaluate(RULES, rules)["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("address", PAGES)
def test_a_page_is_sound_in_both_schemes_and_sizes(visitor, address):
    """Colours are looked at in both schemes and boxes at both sizes; axe takes too long for all four."""
    # Less motion: no transition is half-way when it is looked at.
    phone = {"has_touch": True, "is_mobile": True}  # what a mouse would reach by hovering must be there
    reader = visitor(color_scheme="dark", viewport=NARROW, reduced_motion="reduce", **phone)
    page = reader.open(address)
    asked = {file_of(url, reader.base) for url in reader.requests if url.startswith(reader.base)}
    assert sum(map(weight, asked)) <= BYTES
    assert page.evaluate("shift") <= 0.02, "the layout shifts while the page loads"
    assert not [path for path in asked if path.name == "search_index.json" or path.stem.endswith("-light")]
    assert not page.evaluate(SIDEWAYS)
    assert all(page.evaluate(SHOW_VIDEOS)), "a video plays for a reader who asked for less motion"
    assert not [url for url in reader.requests if url.endswith(".mp4")]
    page.add_script_tag(url=AXE)
    for scheme, shown, size in (("dark", "slate", NARROW), ("light", "default", WIDE)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        page.wait_for_selector(f"body[data-md-color-scheme={shown}]")
        assert page.evaluate(SCROLLS) <= 0, f"the page scrolls sideways at {size['width']} px"
        other = "ug-wide" if size is NARROW else "ug-narrow"
        assert other not in page.evaluate(SHOWN), "a figure is shown twice"
        if size is NARROW:
            page.set_viewport_size(WIDE)
            assert page.evaluate(SCROLLS) <= 0, f"the page scrolls sideways at {WIDE['width']} px"
            page.set_viewport_size(NARROW)
            page.evaluate(ONE_OF_EACH)
        assert not violations(page, STANDARD if size is NARROW else OF_SCHEME_AND_SIZE)
    assert not reader.wrong


@pytest.mark.parametrize("address", KINDS.values(), ids=KINDS.keys())
def test_a_wide_page_does_not_shift_while_it_loads(visitor, address):
    reader = visitor(color_scheme="light", viewport=WIDE)
    page = reader.open(address)
    assert page.locator("body").get_attribute("data-md-color-scheme") == "default"
    assert page.evaluate("shift") <= 0.02
    assert not reader.wrong


@pytest.mark.parametrize("address", PAGES)
def test_a_page_is_whole_without_javascript(visitor, address):
    reader = visitor(java_script_enabled=False, viewport=WIDE)
    page = reader.open(address)
    article = page.locator("article")
    assert article.is_visible()
    assert article.inner_text().strip()
    assert page.locator("article .katex-html").count() == HTML[address].count('class="katex-html"')
    for thing in (".katex-html", ".ug-picture svg", ".ug-wide.only-light > video.anim", ".highlight pre"):
        folded = page.locator(f"details:not([open]) {thing}, .tabbed-block {thing}").count()
        hidden = page.locator(f"article {thing} >> visible=false")
        for _ in range(PATIENCE // 3000):  # what is not near has its place a frame later
            if hidden.count() <= folded:
                break
            page.wait_for_timeout(100)
        assert hidden.count() <= folded, thing
    assert not reader.wrong


def scroll_to_video(page):
    video = page.locator("video.anim >> visible=true").first
    video.scroll_into_view_if_needed()
    return video


@pytest.mark.parametrize("scripts", [True, False])
def test_a_film_that_does_not_play_shows_its_poster(visitor, scripts):
    size = {"reduced_motion": "reduce", "viewport": WIDE}
    page = visitor(color_scheme="light", java_script_enabled=scripts, **size).open("")
    film = page.locator(".ug-film >> visible=true")
    film.locator("img").evaluate("image => image.decode()")
    image = Image.open(io.BytesIO(film.screenshot())).convert("RGB")
    assert image.getpixel((5, 5)) == (255, 255, 255)  # the paper of the figure
    assert len(image.getcolors(1 << 20)) > 100


@pytest.mark.parametrize("address", PLAYED)
def test_the_video_in_view_plays_and_the_toggle_changes_it(visitor, address):
    reader = visitor(color_scheme="light", viewport=WIDE)
    page = reader.open(address)
    video = scroll_to_video(page)
    assert "only-light" in video.evaluate(CLASS_ONCE_IT_PLAYS)
    assert all("light" in url for url in reader.requests if url.endswith(".mp4"))
    for _ in range(2):  # from the system's colours to light ones, then to dark ones
        page.locator("button.ug-scheme").click()
    assert "only-dark" in scroll_to_video(page).evaluate(CLASS_ONCE_IT_PLAYS)
    page.evaluate("localStorage.clear()")  # the choice would hold for the next page too
    assert not reader.wrong


@pytest.mark.parametrize(("scheme", "width"), [("light", WIDE), ("dark", NARROW)])
def test_a_click_shows_a_figure_as_large_as_the_window(visitor, scheme, width):
    reader = visitor(color_scheme=scheme, viewport=width)
    page = reader.open(CHAPTER)
    frame = page.locator(".ug-frame >> visible=true").first
    frame.click()
    image = page.locator("dialog.ug-large[open] img")
    image.wait_for()
    assert image.get_attribute("src").endswith(f"wide-{scheme}.svg")
    assert image.get_attribute("alt") == frame.get_attribute("aria-label")
    page.wait_for_function("document.querySelector('dialog.ug-large img').naturalWidth")
    assert image.bounding_box()["width"] >= 0.9 * width["width"]
    page.keyboard.press("Escape")
    assert page.locator("dialog.ug-large[open]").count() == 0
    assert not reader.wrong


def test_the_choice_of_colours_is_kept(visitor):
    reader = visitor(color_scheme="light", viewport=WIDE)
    page = reader.open("")
    button = page.locator("button.ug-scheme")
    for says, scheme in (("Light", "default"), ("Dark", "slate"), ("Colours follow", "default")):
        button.click()
        page = reader.open("")
        assert page.locator("body").get_attribute("data-md-color-scheme") == scheme
        assert button.get_attribute("aria-label").startswith(says)
    assert page.evaluate("localStorage.length") == 0


def test_the_copy_button_copies_the_code_alone(visitor):
    reader = visitor(permissions=["clipboard-read", "clipboard-write"], viewport=WIDE)
    page = reader.open(CHAPTER)
    block = page.locator(".language-python.highlight >> visible=true").first
    block.hover()
    block.locator("button").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == block.locator("code").inner_text().strip()
    assert page.locator(".language-python + .language-text").count() > 0
    assert page.locator(".language-python + .language-text button >> visible=true").count() == 0


def test_a_word_in_the_search_finds_the_chapter(browser, root, site):
    with served(root, site, search=True) as base:
        reader = Visitor(browser, base, viewport=WIDE)
        page = reader.open("")
        assert not [url for url in reader.requests if url.endswith("search_index.json")]
        page.locator("input.md-search__input").click()
        page.keyboard.type("normalize")
        page.locator(f"a.md-search-result__link[href*='{CHAPTER}']").first.wait_for()
        reader.context.close()
        assert not reader.wrong


def test_no_search_entry_holds_a_formula_or_a_picture(site):
    index = (site / "search/search_index.json").read_text(encoding="utf-8")
    assert not re.search(r"katex|<svg|\\\\frac", index)
