"""The page's fonts, cut to the signs that the site shows, and asked for by the pages that show them.

What a font lacks, another takes the place of: so no sign is lost that was drawn before.
"""

from __future__ import annotations

import hashlib
import html
import re
from io import BytesIO
from pathlib import Path

from fontTools import subset
from fontTools.varLib import instancer
from mkdocs.plugins import event_priority
from mkdocs.utils import get_relative_url

FONTS = {
    "inter.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "inter-italic.woff2": "@fontsource-variable/inter/files/inter-latin-wght-italic.woff2",
    "mono.woff2": "@fontsource/jetbrains-mono/files/jetbrains-mono-latin-400-normal.woff2",
}
PLACES = {  # of their signs; the others may stand anywhere
    "inter-italic.woff2": re.compile(r"<em\b.*?</em>", re.S),
    "mono.woff2": re.compile(r"<code\b.*?</code>", re.S),
}
FEATURES = ["kern", "tnum", "locl", "ccmp", "mark"]  # figures of one width are asked for in tables
WEIGHTS = (400, 700)
ALWAYS = "".join(map(chr, range(32, 127)))  # what a reader types into the search

FORMULAS = "KaTeX"  # its fonts draw formulas alone
READ_ALOUD = re.compile(r'<span class="katex-mathml">.*?</math></span>', re.S)

shown = {"": set(ALWAYS), FORMULAS: set()} | {name: set() for name in PLACES}


def signs(output: str) -> dict[str, set[str]]:
    """The signs of a page, and those in the places of each font that has some."""
    output = re.sub(r"<script.*?</script>", "", output, flags=re.S)
    found = {name: "".join(place.findall(output)) for name, place in PLACES.items()}
    return {name: _signs(text) for name, text in ({"": output} | found).items()}


def _signs(markup: str) -> set[str]:
    return set(html.unescape(re.sub(r"<[^>]+>", "", markup)))


def cut(font: Path, signs: set[str]) -> bytes:
    """The font as woff2 with these signs alone, at the weights in use where it has several."""
    options = subset.Options(
        flavor="woff2", layout_features=FEATURES, notdef_outline=True, recalc_timestamp=False
    )
    data = BytesIO()
    with subset.load_font(font, options) as made:
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=sorted(map(ord, signs)))
        cutter.subset(made)
        if "fvar" in made:
            instancer.instantiateVariableFont(made, {"wght": WEIGHTS}, inplace=True)
        subset.save_font(made, data, options)
    return data.getvalue()


def preloads(output: str, to_root: str) -> str:
    """Links that ask with the page for the fonts of the text before its first section."""
    output = output.partition("<h2")[0]
    wanted = [name for name in FONTS if name not in PLACES or PLACES[name].search(output)]
    link = f'<link rel="preload" href="{to_root}/assets/fonts/{{}}" as="font" type="font/woff2" crossorigin>'
    return "".join(map(link.format, wanted))


@event_priority(-100)  # pictures and formulas are in their places
def on_post_page(output, page, config):
    for name, found in signs(output).items():
        shown[name] |= found
    shown[FORMULAS] |= _signs(READ_ALOUD.sub("", "".join(page.formulas)))
    links = preloads(output, get_relative_url(".", page.url).rstrip("/"))
    return output.replace("</head>", f"{links}</head>", 1)


def on_post_build(config):
    root, site = Path(config.config_file_path).resolve().parent, Path(config.site_dir)
    packages, kept = root / "build/npm/node_modules", root / "build/fonts/cut"
    sources = {site / "assets/fonts" / name: packages / path for name, path in FONTS.items()}
    formula = packages / "katex/dist/fonts"
    sources |= {site / "assets/katex/fonts" / font.name: font for font in sorted(formula.glob("*.woff2"))}
    for target, source in sources.items():
        used = shown[FORMULAS] if target.name.startswith(FORMULAS) else shown.get(target.name, shown[""])
        key = hashlib.sha256(source.read_bytes() + "".join(sorted(used)).encode()).hexdigest()
        made = kept / f"{source.stem}-{key[:16]}.woff2"
        if not made.is_file():
            made.parent.mkdir(parents=True, exist_ok=True)
            for old in kept.glob(f"{source.stem}-*.woff2"):
                old.unlink()
            made.write_bytes(cut(source, used))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(made.read_bytes())
