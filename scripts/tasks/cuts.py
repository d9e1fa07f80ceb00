"""A statement of a module of the library, cut down to what a copy needs of it.

Three rules make it short:

- the names in `LEFT_OUT` are not there, nor is a statement, an argument or a decorator that mentions one;
- a method that only raises NotImplementedError is not there;
- the docstring of what is copied is whole, but for how other libraries differ; a helper's ends with its first
  paragraph.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTH = 110
LEFT_OUT = {
    "transforms": {
        "scikit-learn": {
            *("Estimator", "from_sklearn", "to_sklearn", "get_feature_names_out", "feature_names_in_"),
            *("n_features_in_", "names_of", "_names_in", "_check_names", "_check_names_are", "NOT_GIVEN"),
            *("_fitted_to", "_answer", "_taken_from", "_require_plain", "_take"),
        },
        "tables": {"_numbers"},
        "partial_fit, merge and synchronize": {
            *("partial_fit", "Transform.merge", "synchronize", "all_reduce"),
            *("_features_of_all", "_known", "_from_buffers", "Statistics"),
            *("Moments.nothing", "Extremes.nothing"),
        },
        "out=": {"out", "check_out", "target", "_target", "buffer_for"},
    },
    "optimizers": {
        "check_finite": {"check_finite", "_check_finite", "_check_gradients", "_divisor"},
        "torch's other options": {"only_torch", "_check_shapes"},
        "older checkpoints": {"_take_older_shapes"},
        "the cache": {"_in_pieces"},
    },
}
"""What copies do without, by module and by what it is for; `Class.method` where others have such a method."""

DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
BLOCKS = (*DEFINITIONS, ast.If, ast.For, ast.While, ast.With, ast.Try)


@dataclass(frozen=True, order=True)
class Import:
    """`from module import name as alias`, or `import module as alias` where there is no name."""

    module: str
    name: str
    alias: str


@dataclass(frozen=True)
class Piece:
    """A statement at the top of a module, with the docstring below it if it is a constant."""

    node: ast.stmt
    last: ast.stmt


class Module:
    """A module of the library: what it imports, and the piece that binds each of its own names."""

    def __init__(self, name: str, path: Path):
        self.name, self.path = name, path
        self.text = path.read_bytes()  # ast counts bytes
        lines = self.text.splitlines(keepends=True)
        self.starts = [0]
        for line in lines:
            self.starts.append(self.starts[-1] + len(line))
        self.commented = [line.lstrip().startswith(b"#") for line in lines]
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.imports: dict[str, Import] = {}
        self.pieces: dict[str, Piece] = {}
        self.twice: set[str] = set()  # names of which a copy would keep the last piece alone
        body = ast.parse(self.text, filename=str(path)).body
        for node, after in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.imports |= {one.alias: one for one in _imported(node, package)}
            names = bound(node)
            self.twice |= self.pieces.keys() & names
            self.pieces |= dict.fromkeys(names, Piece(node, after if is_text(after) else node))

    def lines(self, first: ast.stmt, last: ast.stmt) -> tuple[int, int]:
        """Where the lines of statements begin, with decorators and the comment right above, and end."""
        number = min([first.lineno, *(one.lineno for one in getattr(first, "decorator_list", ()))]) - 1
        while number and self.commented[number - 1]:
            number -= 1
        return self.starts[number], self.starts[last.end_lineno]

    def span(self, first: ast.AST, last: ast.AST) -> tuple[int, int]:
        """Where code begins and ends."""
        return (
            self.starts[first.lineno - 1] + first.col_offset,
            self.starts[last.end_lineno - 1] + last.end_col_offset,
        )


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[Import]:
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield Import(alias.name, "", alias.asname or alias.name)
        else:
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield Import(module, alias.name, alias.asname or alias.name)


def bound(node: ast.stmt) -> list[str]:
    if isinstance(node, DEFINITIONS):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def is_text(node: ast.stmt | None) -> bool:
    value = getattr(node, "value", None)
    return isinstance(node, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str)


def _passed_on(argument: ast.expr | ast.keyword) -> list[ast.AST]:
    """What `name=…`, `*…` or `**…` hands over."""
    return [argument.value] if isinstance(argument, ast.keyword | ast.Starred) else []


SIGNATURE = re.compile(r"(?m)^( *(?:def|class) .*\()\n +(.*[^,\n])\n +(\).*)$")  # that may fit in a line now


def _joined(signature: re.Match[str]) -> str:
    line = "".join(signature.groups())
    return line if len(line) <= WIDTH else signature[0]


class Cut:
    """A piece without what is left out: its text, the names that it uses, and what it does without."""

    def __init__(self, module: Module, piece: Piece, *, is_target: bool):
        self.module, self.piece, self.is_target = module, piece, is_target
        self.without: set[str] = set()
        self._left_out = LEFT_OUT.get(module.name.split(".")[1], {})
        self._dropped: set[ast.AST] = set()
        self._edits: list[tuple[int, int, bytes]] = []  # from, to, what stands there instead
        if not self._stays(piece.node, ""):
            raise ValueError(f"{module.path}:{piece.node.lineno}: nothing is left of it")
        self.names = {part.id for part in self._walk(piece.node) if isinstance(part, ast.Name)}
        self.text = self._edited(*module.lines(piece.node, piece.last))

    def _edited(self, at: int, stop: int) -> str:
        parts = []
        for first, last, instead in sorted(self._edits, key=lambda edit: (edit[0], -edit[1])):
            if first >= at:
                parts += [self.module.text[at:first], instead]
            at = max(at, last)
        text = b"".join([*parts, self.module.text[at:stop]]).decode().rstrip("\n")
        if self._edits:
            text = re.sub(r"\n{3,}", "\n\n", SIGNATURE.sub(_joined, text))
            text = re.sub(r"^(class .*:\n)\n", r"\1", text)
            text = re.sub(r"(?m)^    #[^\n]*\n\n(?=    #[^\n]*\n\n|\Z)", "", f"{text}\n\n").rstrip("\n")
        return text

    def _stays(self, node: ast.stmt, owner: str) -> bool:
        """Whether anything is left of a statement of a class `owner`; what is not is edited out."""
        inner = [
            part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt | ast.ExceptHandler)
        ]
        if isinstance(node, DEFINITIONS) and self._is_out(node.name, f"{owner}.{node.name}"):
            return False
        self._drop_arguments(node, inner)
        for part in self._walk(node, *inner):
            if self._is_out(*(getattr(part, key, None) for key in ("id", "attr", "name"))):
                return False
        if not inner:
            return True
        if isinstance(node, DEFINITIONS):
            self._edit_docstring(node)
        return self._blocks_stay(node, node.name if isinstance(node, ast.ClassDef) else owner)

    def _blocks_stay(self, node: Any, owner: str) -> bool:
        body, *others = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
        if not self._block_stays(body, owner) or ast.unparse(body[-1]) == "raise NotImplementedError":
            return False
        for handler in getattr(node, "handlers", []):
            self._block_stays(handler.body, owner)
        for block in others:
            if block and not self._block_stays(block, owner):  # it goes with its `else:`
                ends = [self.module.starts[one.end_lineno] for one in (body[-1], block[-1])]
                self._edits.append((*ends, b""))
        return True

    def _block_stays(self, body: list[ast.stmt], owner: str) -> bool:
        kept = []
        for node, after in zip(body, [*body[1:], None], strict=True):
            if is_text(node):
                if kept and not self.is_target:  # of an attribute
                    self._edits.append((*self.module.lines(node, node), b""))
                continue
            kept.append(self._stays(node, owner))
            if not kept[-1]:
                if isinstance(node, ast.Return) and any(kept):
                    raise ValueError(f"{self.module.path}:{node.lineno}: a copy would lose what is returned")
                self._dropped.add(node)
                last = after if is_text(after) and not isinstance(node, BLOCKS) else node
                self._edits.append((*self.module.lines(node, last), b""))
        return any(kept)

    def _walk(self, node: ast.AST, *but: ast.AST) -> Iterator[ast.AST]:
        """What stands in `node`, without `but` and what was dropped."""
        yield node
        for part in ast.iter_child_nodes(node):
            if part not in but and part not in self._dropped:
                yield from self._walk(part)

    def _is_out(self, *names: str | None) -> bool:
        found = {what for what, its in self._left_out.items() if its.intersection(names)}
        self.without |= found
        return bool(found)

    def _drop_arguments(self, node: ast.stmt, inner: list[ast.stmt]) -> None:
        """Drop bases, decorators, parameters and arguments of calls that are left out by name."""
        for decorator in getattr(node, "decorator_list", []):
            if self._is_out(getattr(decorator, "id", None)):
                first = self.module.starts[decorator.lineno - 1]
                self._edits.append((first, self.module.starts[decorator.end_lineno], b""))
                self._dropped.add(decorator)
        if isinstance(node, ast.ClassDef):
            self._drop([([base], *self.module.span(base, base)) for base in node.bases])
        if isinstance(node, ast.FunctionDef):
            self._drop(list(self._parameters(node)))
        for part in list(self._walk(node, *inner)):
            if isinstance(part, ast.Call):
                arguments = [(one, *self.module.span(one, one)) for one in (*part.args, *part.keywords)]
                self._drop([([one, *_passed_on(one)], first, last) for one, first, last in arguments])

    def _parameters(self, node: ast.FunctionDef) -> Iterator[tuple[list[ast.AST], int, int]]:
        """Each parameter with its default, where it begins and where it ends; a bare star is one, too."""
        arguments, last = node.args, self.module.span(node, node)[0]
        positional, keyword = [*arguments.posonlyargs, *arguments.args], arguments.kwonlyargs
        defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
        rows = [*zip(positional, defaults, strict=True), (arguments.vararg, None)]
        rows += [*zip(keyword, arguments.kw_defaults, strict=True), (arguments.kwarg, None)]
        for one, default in rows:
            if one is not None:
                stars = (one is arguments.vararg) + 2 * (one is arguments.kwarg)
                if keyword and one is keyword[0] and not arguments.vararg:
                    star = self.module.text.index(b"*", last)
                    needed = any(not self._is_out(other.arg) for other in keyword)
                    yield [] if needed else [one], star, star + 1
                first, last = self.module.span(one, default or one)
                yield [one, *filter(None, [default])], first - stars, last

    def _drop(self, places: list[tuple[list[ast.AST], int, int]]) -> None:
        """Drop those of a list of arguments that are left out, each with the comma before it (or after)."""
        for k, (nodes, first, last) in enumerate(places):
            if self._is_out(*(getattr(node, key, None) for node in nodes for key in ("arg", "id"))):
                self._dropped.update(nodes)
                start = places[k - 1][2] if k else first
                stop = places[1][1] if not k and len(places) > 1 else last
                self._edits.append((start, stop, b""))

    def _edit_docstring(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        """Shorten a helper's docstring; take what is left out out of the target's own."""
        if not is_text(node.body[0]):
            return
        first, last = self.module.span(node.body[0], node.body[0])
        text = self.module.text[first:last].decode()
        if self.is_target:
            if len(set(re.findall(r">>> from unitgain[\w.]* import .*", text))) > 1:
                text = re.sub(r"\n    Examples:\n(?:\n| {8}.*\n)*", "\n", text)  # they need other copies
            text = re.sub(r"(?m)^ {8}(\w+(?:, \w+)*): .*\n(?: {9,}.*\n)*", self._entry, text)
            text = re.sub(r"\n\n {4}Differs from .*?(?=\n\n|\n {4}\"{3})", "", text, flags=re.S)
        elif "\n\n" in text:
            text = text.partition("\n\n")[0] + '"""'
        self._edits.append((first, last, text.encode()))

    def _entry(self, entry: re.Match[str]) -> str:
        return "" if all(self._is_out(name) for name in entry[1].split(", ")) else entry[0]
