"""One file for one name of the library: all that it needs of all modules, to be copied into another project.

A copy holds the statements that its name reaches, in the order in which the modules run them, with their
comments; `cuts` says what is left out of them.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.cuts import DEFINITIONS, WIDTH, Cut, Import, Module, Piece, bound


class Library:
    """The modules of a package, each read when it is asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        """A module of the library, None for one of another."""
        if name not in self._modules:
            place = self.folder.parent / name.replace(".", "/")
            found = [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
            is_ours = name.partition(".")[0] == self.folder.name
            self._modules[name] = Module(name, found[0]) if found and is_ours else None
        return self._modules[name]

    def home(self, module: Module, name: str) -> tuple[Module, Piece] | Import | None:
        """Where a name of a module is bound in the library; else how it is imported; None for a builtin."""
        while name in module.imports:
            item = module.imports[name]
            source = self.module(item.module)
            if source is None:
                return item
            module, name = source, item.name
        if name in module.twice:
            raise ValueError(f"{module.path}: {name} is bound twice")
        return (module, module.pieces[name]) if name in module.pieces else None


class Copy:
    """What one name of a module of the library reaches: pieces by module, and imports."""

    def __init__(self, library: Library, module: str, name: str):
        self.library, self.name = library, name
        self.place = f"{library.folder.name}.{module}"
        self.imports: set[Import] = set()
        self._cuts: dict[Module, dict[Piece, Cut]] = {}  # by module; those first that others need
        self._needs: dict[Module, list[Module]] = {}
        home, piece = library.home(library.module(self.place), name)
        self.target = self._reach(home, piece, is_target=True)
        self._order: list[Module] = []
        self._put_in_order(home, set())

    def _reach(self, module: Module, piece: Piece, *, is_target: bool = False) -> Cut:
        cuts = self._cuts.setdefault(module, {})
        if piece in cuts:
            return cuts[piece]
        cut = cuts[piece] = Cut(module, piece, is_target=is_target)
        for name in sorted(cut.names):
            found = self.library.home(module, name)
            if isinstance(found, Import):
                self.imports.add(found)
            elif found is not None:
                self._needs.setdefault(module, []).append(found[0])
                self._reach(*found)
        return cut

    def _put_in_order(self, module: Module, begun: set[Module]) -> None:
        begun.add(module)
        for needed in self._needs.get(module, []):
            if needed not in begun:
                self._put_in_order(needed, begun)
        self._order.append(module)

    def text(self, owner: str, version: str, address: str = "") -> str:
        """The file; `owner` is the line of the licence that names them."""
        cuts = [cut for module in self._order for cut in self._in_lines(module)]
        without = sorted(set().union(*(cut.without for cut in cuts)))
        what = f" Left out: {', '.join(without)}." if without else ""
        title = f'"""{self.name} of Unit Gain {version}, in one file.{what}"""'
        lines = [
            "# SPDX-License-Identifier: MIT",
            f"# {owner}, {address}" if address else f"# {owner}",
            *textwrap.wrap(title, WIDTH),
            "",
            *_imports(self.imports),
            "",
            f'__all__ = ["{self.name}"]',
            *_body(cuts),
            "",
        ]
        here, there = (f"from {place} import {self.name}\n" for place in (self.place, self.name))
        return "\n".join(lines).replace(here, there)

    def _in_lines(self, module: Module) -> list[Cut]:
        return [cut for _, cut in sorted(self._cuts[module].items(), key=lambda item: item[0].node.lineno)]


def _imports(imports: Iterable[Import]) -> Iterator[str]:
    """Import statements in the usual order: the standard library's, then others'."""
    yield "from __future__ import annotations"
    for is_ours in (True, False):
        some = sorted(
            i for i in imports if (i.module.partition(".")[0] in sys.stdlib_module_names) == is_ours
        )
        lines = [
            f"import {i.module}" + (f" as {i.alias}" if i.alias != i.module else "")
            for i in some
            if not i.name
        ]
        for module in dict.fromkeys(i.module for i in some if i.name):
            names = [i for i in some if i.module == module and i.name]
            lines += _from(module, [i.name + f" as {i.alias}" * (i.alias != i.name) for i in names])
        if lines:
            yield from ["", *lines]


def _from(module: str, names: list[str]) -> list[str]:
    names = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name.lower()))
    line = f"from {module} import {', '.join(names)}"
    return [line] if len(line) <= WIDTH else [f"from {module} import (", *(f"    {n}," for n in names), ")"]


def _code(text: str) -> str:
    return ast.unparse(ast.parse(text))  # without comments


def _body(cuts: Iterable[Cut]) -> Iterator[str]:
    texts: dict[str, str] = {}
    was_definition = False
    for cut in cuts:
        name = bound(cut.piece.node)[0]
        if name in texts:
            if _code(texts[name]) != _code(cut.text):
                raise ValueError(f"{cut.module.path}: {name} is another one than that of a module beside it")
            continue
        is_definition = isinstance(cut.piece.node, DEFINITIONS)
        yield from [""] * (2 if is_definition or was_definition else not texts)
        yield cut.text
        texts[name] = cut.text
        was_definition = is_definition
