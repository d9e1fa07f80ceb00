"""Last touches to finished HTML; above all, what is wide scrolls in a frame that the keyboard can reach.

Material does some of this with a script; done here, the page needs none.
"""

from __future__ import annotations

import re

from mkdocs.plugins import event_priority

TABLE = re.compile(r"<table>.*?</table>", re.S)  # Markdown's tables only: those of code listings have a class
FRAME = '<div class="ug-table" role="region" aria-label="Table" tabindex="0">'
CODE = re.compile(r"<pre>(?=<span></span><code>)")
SOURCE = re.compile(r'<details class="mkdocstrings-source".*?</details>', re.S)
SEARCH = 'data-md-component="search" role="dialog"'


def framed_tables(content: str) -> str:
    return TABLE.sub(rf"{FRAME}\g<0></div>", content)


def focusable_code(content: str) -> str:
    return CODE.sub('<pre tabindex="0">', content)


def without_sources(content: str) -> tuple[str, list[str]]:
    """The page with a comment for each source code that mkdocstrings shows, and these in their order.

    They come back last: in the search index their words would drown the book's.
    """
    return SOURCE.sub("<!-- source -->", content), SOURCE.findall(content)


def with_sources(output: str, sources: list[str]) -> str:
    """The page with its source codes in their places."""
    first, *rest = output.split("<!-- source -->")
    return first + "".join(source + text for source, text in zip(sources, rest, strict=True))


def named_search(output: str) -> str:
    """Material's search dialog has no accessible name."""
    return output.replace(SEARCH, f'{SEARCH} aria-label="Search"')


@event_priority(-100)  # after every other hook
def on_page_content(content, page, config, files):
    content, page.sources = without_sources(focusable_code(framed_tables(content)))
    return content


def on_post_page(output, page, config):
    return named_search(with_sources(output, page.sources))
