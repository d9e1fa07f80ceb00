"""Give matplotlib the page's own font: unpack npm's compressed web font.  page_font.py SOURCE TARGET"""

import sys
from pathlib import Path

from fontTools.ttLib import TTFont

source, target = map(Path, sys.argv[1:])
target.parent.mkdir(parents=True, exist_ok=True)
font = TTFont(source, recalcTimestamp=False)  # else pictures would change with the clock
font.flavor = None
beside = target.with_suffix(".tmp")
font.save(beside, reorderTables=False)
beside.replace(target)
