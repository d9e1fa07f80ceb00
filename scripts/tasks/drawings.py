"""matplotlib's SVG made small: marks are paths, paths of one look are one path, and no group holds them.

A browser styles every element of a page again whenever anything changes, and builds a copy for every <use>.
The words stay words. What may lie over something else keeps its place above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from xml.etree import ElementTree

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
NUMBER = re.compile(r"-?\d*\.?\d+(?:e[-+]?\d+)?")
LAYERS = 6  # what is transparent and lies over its like is darker there: so many times
CURVES = 8  # of a circle, as matplotlib draws it

Box = tuple[float, float, float, float]


@dataclass
class Path:
    """Outlines of one look."""

    style: str
    clip: str
    outlines: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)


@dataclass
class Piece:
    """What is written as it is: words, an image, a pattern."""

    text: str
    covers: bool


def flat(svg: str, name: str) -> tuple[tuple[float, float], str]:
    """Width and height of matplotlib's `svg` in points, and its contents as few elements.

    Ids become `name` and a number: matplotlib's own change with the last bit of a layout, from run to run.
    """
    root = ElementTree.fromstring(svg)
    width, height = (float(root.get(side).removesuffix("pt")) for side in ("width", "height"))
    named = {element.get("id"): element for element in root.iter() if element.get("id")}
    pieces: list[Path | Piece] = []
    for piece in _walk(root, named, "", {}):
        if not isinstance(piece, Path) or not _joined(pieces, piece):
            pieces.append(piece)
    text = "\n".join(map(_written, pieces))
    used = [old for old in dict.fromkeys(re.findall(r"url\(#([^)]+)\)", text)) if old in named]
    text = "\n".join([*(_clip(named[old]) for old in used), text])
    for number, old in enumerate(used):
        text = text.replace(f'id="{old}"', f'id="{name}-{number}"').replace(
            f"url(#{old})", f"url(#{name}-{number})"
        )
    return (width, height), text


def _walk(element, named: Mapping, clip: str, inherited: Mapping[str, str]) -> Iterator[Path | Piece]:
    tag = element.tag.removeprefix(SVG)
    clip = element.get("clip-path", clip)
    style = {**inherited, **_declarations(element.get("style", ""))}
    if tag == "g" and element.get("id", "").startswith("text_"):
        yield Piece(_words(element), covers=False)
    elif tag in ("svg", "g"):
        for child in element:
            yield from _walk(child, named, clip, style)
    elif tag == "path":
        yield from _path(element.get("d", ""), style, clip)
    elif tag == "use":
        mark = named[element.get(f"{XLINK}href").removeprefix("#")]
        style = {**style, **_declarations(mark.get("style", "")), **_declarations(element.get("style", ""))}
        x, y = float(element.get("x", 0)), float(element.get("y", 0))
        yield from _mark(mark.get("d"), x, y, style, clip)
    elif tag == "image":
        frame = f'<g clip-path="{clip}">{{}}</g>' if clip else "{}"
        yield Piece(frame.format(re.sub(r' id="[^"]*"', "", _source(element))), covers=True)


def _declarations(style: str) -> dict[str, str]:
    return {
        key.strip(): value.strip()
        for key, _, value in (one.partition(":") for one in style.split(";"))
        if value
    }


def _seen(style: Mapping[str, str]) -> tuple[str | None, str | None, float]:
    """What is filled with, drawn with, and how wide. matplotlib fills with black where it says nothing."""
    width = float(style.get("stroke-width", 1))
    clear = {kind for kind in ("fill", "stroke") if float(style.get(f"{kind}-opacity", 1)) == 0}
    fill, stroke = style.get("fill", "#000000"), style.get("stroke", "none")
    return (
        None if fill == "none" or "fill" in clear else fill,
        None if stroke == "none" or "stroke" in clear or not width else stroke,
        width,
    )


def _path(d: str, style: Mapping[str, str], clip: str) -> Iterator[Path]:
    fill, stroke, width = _seen(style)
    if not d.strip() or not (fill or stroke):
        return
    x, y = _coordinates(d)
    edge = width / 2 if stroke else 0
    box = min(x) - edge, min(y) - edge, max(x) + edge, max(y) + edge
    yield Path(_short_style(style), clip, [_short(d)], [box])


def _mark(d: str, x: float, y: float, style: Mapping[str, str], clip: str) -> Iterator[Path]:
    """The mark `d` at (x, y). A circle is two arcs; a dot of one colour a point, drawn with a round pen."""
    xs, ys = _coordinates(d)
    radius = max(xs)
    if d.count("C") != CURVES or "L" in d or max(abs(radius + min(xs)), abs(radius - max(ys))) > 1e-3:
        yield from _path(_moved(d, x, y), style, clip)
        return
    pen = _pen(style, radius)
    _, _, width = _seen(pen or style)
    reach = width / 2 if pen else radius + width / 2
    if pen:
        outline = _short(f"M{x:.2f} {y:.2f}h0")
    else:
        r, across = f"{radius:.3g}", f"{2 * radius:.3g}"
        outline = (
            _short(f"M{x - radius:.2f} {y:.2f}") + f"a{r} {r} 0 1 0 {across} 0a{r} {r} 0 1 0 -{across} 0z"
        )
    yield Path(_short_style(pen or style), clip, [outline], [(x - reach, y - reach, x + reach, y + reach)])


def _pen(style: Mapping[str, str], radius: float) -> dict[str, str] | None:
    """How a point looks like a dot of one colour; None for one with an edge of its own."""
    fill, stroke, width = _seen(style)
    opacity = style.get("fill-opacity", "1")
    if fill is None or (stroke and (stroke, style.get("stroke-opacity", "1")) != (fill, opacity)):
        return None
    pen = {"stroke": fill, "stroke-width": f"{2 * radius + width * (stroke is not None):.5g}"}
    pen |= {"stroke-linecap": "round", "fill": "none"}
    pen |= {"stroke-opacity": opacity} if opacity != "1" else {}
    return pen | ({"opacity": style["opacity"]} if "opacity" in style else {})


def _coordinates(d: str) -> tuple[list[float], list[float]]:
    numbers = [float(number) for number in NUMBER.findall(d)]
    return numbers[::2], numbers[1::2]


def _moved(d: str, x: float, y: float) -> str:
    """`d`, whose commands are all absolute, by (x, y) further."""
    along = iter((x, y) * (len(d) // 2))
    return NUMBER.sub(lambda number: f"{float(number[0]) + next(along):.2f}", d)


def _short(d: str) -> str:
    """Coordinates to a tenth of a point: the rest cannot be seen and is half of the file."""
    d = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), d)
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", " ".join(d.split()))


def _short_style(style: Mapping[str, str]) -> str:
    """What a path says of itself: `clip-path` and what the root says for all are left out."""
    fill, stroke, _ = _seen(style)
    left = {key: value for key, value in style.items() if not key.startswith("font")}
    if stroke is None:
        left = {key: value for key, value in left.items() if not key.startswith("stroke")}
    if fill is None:
        left.pop("fill-opacity", None)
    left["fill"] = fill or "none"
    return ";".join(f"{key}:{value}" for key, value in left.items())


def _joined(pieces: list[Path | Piece], new: Path) -> bool:
    """Whether `new` became part of an earlier path of its look, with nothing in between where `new` is."""
    layers = LAYERS if "opacity" in new.style else 1
    alike = list(islice(_alike(pieces, new), layers))
    if len(alike) < layers:
        return False
    emptiest = min(alike, key=lambda path: len(path.outlines))
    emptiest.outlines += new.outlines
    emptiest.boxes += new.boxes
    return True


def _alike(pieces: list[Path | Piece], new: Path) -> Iterator[Path]:
    for earlier in reversed(pieces):
        if isinstance(earlier, Piece):
            if earlier.covers:
                return
        elif (earlier.style, earlier.clip) == (new.style, new.clip):
            yield earlier
        elif any(_overlap(one, other) for one in new.boxes for other in earlier.boxes):
            return


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _written(piece: Path | Piece) -> str:
    if isinstance(piece, Piece):
        return piece.text
    clip = f' clip-path="{piece.clip}"' if piece.clip else ""
    return f'<path d="{"".join(piece.outlines)}" style="{piece.style}"{clip}/>'


def _words(element) -> str:
    """A text, or a group that places one, with numbers as short as those of paths."""
    text = re.sub(r' id="text_\d+"', "", _source(element), count=1)
    text = re.sub(r"font-family:[^;\"]*(; ?|(?=\"))", "", text)
    text = re.sub(r"(font: [^;\"]*?[\d.]+px) [^;\"]*", r"\1 inherit", text)
    text = re.sub(r' transform="rotate\(-?0 .*?\)"', "", text)
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.5g}", text)


def _clip(element) -> str:
    """A clip path or a pattern; where it fills with black, matplotlib says nothing."""
    return f"<defs>{_source(element)}</defs>"


def _source(element) -> str:
    """The element as text, without the names of the spaces that the page's own root gives."""
    text = ElementTree.tostring(element, encoding="unicode").strip()
    text = re.sub(r' xmlns:\w+="[^"]*"', "", text)
    return re.sub(r"(</?|\s)ns\d+:", lambda m: m[1] if m[1] != " " else " xlink:", text)
