"""Last touches to finished HTML: what is wide fits a phone, or scrolls in a frame that the keyboard reaches.

Material does some of this with a script; done here, the page needs none.
"""

from __future__ import annotations

import re

from mkdocs.plugins import event_priority

TABLE = re.compile(r"<table>.*?</table>", re.S)  # Markdown's tables only: those of code listings have a class
FRAME = '<div class="ug-table{}" role="region" aria-label="Table" tabindex="0">'
CELL = re.compile(r"<(t[hd])\b([^>]*)>(.*?)</\1>", re.S)
PHONE = 358  # px
SIGN, PADDING = 7.6, 11  # px: a sign of a table, what stands beside a column
CODE = re.compile(r"(?<=<pre><span></span>)<code>")
SOURCE = re.compile(r'<details class="mkdocstrings-source".*?</details>', re.S)
SEARCH = 'data-md-component="search" role="dialog"'


def framed_tables(content: str) -> str:
    """Each table in a frame; where it does not fit a phone, its cells say the head of their column."""
    return TABLE.sub(lambda table: _framed(table[0]), content)


def _framed(table: str) -> str:
    rows = [CELL.findall(row) for row in re.findall(r"<tr.*?</tr>", table, re.S)]
    texts = [[_text(cell) for _, _, cell in row] for row in rows]
    longest = [[max(map(len, text.split()), default=0) for text in row] for row in texts]
    widest = [max(column) for column in zip(*longest, strict=False)]
    if sum(widest) * SIGN + len(widest) * PADDING <= PHONE:
        return f"{FRAME.format('')}{table}</div>"
    heads = [head.replace('"', "&quot;") for head in texts[0]]

    def named(row: re.Match[str]) -> str:
        rest = iter(["", *heads[1:]])  # the first cell is the name of its row

        def cell(found: re.Match[str]) -> str:
            head = next(rest, "")
            return found[0].replace("<td", f'<td data-head="{head}"' if head else "<td", 1)

        return CELL.sub(cell, row[0])

    return f"{FRAME.format(' ug-rows')}{re.sub(r'<tr.*?</tr>', named, table, flags=re.S)}</div>"


def _text(cell: str) -> str:
    return re.sub(r"<[^>]+>", "", re.sub(r"<svg.*?</svg>", "", cell, flags=re.S)).strip()


def focusable_code(content: str) -> str:
    """What scrolls in a listing is its <code>; Material makes it focusable only where a mouse hovers."""
    return CODE.sub('<code tabindex="0">', content)


def without_sources(content: str) -> tuple[str, list[str]]:
    """The page with a comment for each source code that mkdocstrings shows, and these in their order.

    They come back last: in the search index their words would drown the book's.
    """
    return SOURCE.sub("<!-- source -->", content), SOURCE.findall(content)


def with_sources(output: str, sources: list[str]) -> str:
    """The page with its source codes in their places."""
    first, *rest = output.split("<!-- source -->")
    return first + "".join(source + text for source, text in zip(sources, rest, strict=True))


def home(output: str) -> str:
    """The page with the opening picture has a class of its own: to look for it by `:has()` costs time."""
    opened = "ug-home " * ('class="ug-hero"' in output)
    return output.replace('class="md-content__inner ', f'class="md-content__inner {opened}', 1)


def named_search(output: str) -> str:
    """Material's search dialog has no accessible name."""
    return output.replace(SEARCH, f'{SEARCH} aria-label="Search"')


@event_priority(-100)  # after every other hook
def on_page_content(content, page, config, files):
    content, page.sources = without_sources(focusable_code(framed_tables(content)))
    return content


def on_post_page(output, page, config):
    return home(named_search(with_sources(output, page.sources)))
