"""Last touches to finished HTML; above all, what is wide scrolls in a frame that the keyboard can reach.

Material does some of this with a script; done here, the page needs none.
"""

from __future__ import annotations

import re

from mkdocs.plugins import event_priority

TABLE = re.compile(r"<table>.*?</table>", re.S)  # Markdown's tables only: those of code listings have a class
FRAME = '<div class="ug-table" role="region" aria-label="Table" tabindex="0">'
CODE = re.compile(r"<pre>(?=<span></span><code>)")
SOURCE = '<details class="mkdocstrings-source"'
SEARCH = 'data-md-component="search" role="dialog"'


def framed_tables(content: str) -> str:
    return TABLE.sub(rf"{FRAME}\g<0></div>", content)


def focusable_code(content: str) -> str:
    return CODE.sub('<pre tabindex="0">', content)


def unsearched_source(content: str) -> str:
    """The source code that mkdocstrings shows stays out of the search index: its words drown the book's."""
    return content.replace(SOURCE, f"{SOURCE} data-search-exclude")


def named_search(output: str) -> str:
    """Material's search dialog has no accessible name."""
    return output.replace(SEARCH, f'{SEARCH} aria-label="Search"')


@event_priority(-100)  # after every other hook
def on_page_content(content, page, config, files):
    return unsearched_source(focusable_code(framed_tables(content)))


def on_post_page(output, page, config):
    return named_search(output)
