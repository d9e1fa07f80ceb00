"""Digests of what a task depends on: the code it can reach and the versions of the packages behind it.

Code is compared by its syntax tree, so comments, docstrings and layout do not count. Of an experiment's
script only the module-level names count that `compute` reaches, and so on through the modules that
experiments share; a module of the library counts whole.
"""

from __future__ import annotations

import ast
import json
import symtable
import sys
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.files import digest as digest_of_file
from tasks.files import digest_of, write

if TYPE_CHECKING:
    from tasks.discovery import Experiment, Lab
    from tasks.replications import Script


RENAMED = {"PIL": "pillow", "sklearn": "scikit-learn"}  # others are found as well, in half a second


@dataclass(frozen=True)
class Import:
    """`import module` (no name) or `from module import name`."""

    module: str
    name: str = ""


@dataclass(frozen=True)
class Statement:
    """A module-level statement: the names it binds (none: it acts on its own) and uses, imports, and code."""

    binds: frozenset[str]
    uses: frozenset[str]
    imports: tuple[Import, ...]
    code: str


def project_sources(root: Path) -> Sources:
    """The project's modules and the engine's."""
    folders = root / "scripts", root / "src", Path(__file__).resolve().parents[1]
    return Sources(folders, Parsed(root / "build/pytask/parsed.json"))


def for_compute(sources: Sources, experiment: Experiment) -> str:
    """What an experiment's arrays depend on."""
    return sources.digest(Import(experiment.module, "compute"))


def for_render(sources: Sources, experiment: Experiment) -> str:
    """What an experiment's pictures, data and claims depend on, besides its arrays."""
    fonts = (experiment.root / "build/fonts").glob("*.ttf")  # they decide where labels end
    return sources.digest(Import(experiment.module), Import("tasks.stages"), data=fonts)


def for_repeat(sources: Sources, experiment: Experiment) -> str:
    """What an experiment's claims at another seed depend on."""
    return sources.digest(Import(experiment.module), Import("tasks.verify"))


def for_replication(sources: Sources, script: Script) -> str:
    """What a replication's numbers depend on, the packages that it imports included."""
    return _of_script(sources, script.path, script.root, Import("tasks.replications"))


def for_lab(sources: Sources, lab: Lab) -> str:
    """What an executed lab depends on: its whole text, since the text is shown too."""
    return _of_script(sources, lab.script, lab.root, Import("tasks.labs"), Import("ipykernel"))


def _of_script(sources: Sources, path: Path, root: Path, *engine: Import) -> str:
    statements = sources.parsed.statements(path.read_text(encoding="utf-8"), "", str(path.relative_to(root)))
    imports = [item for statement in statements for item in statement.imports]
    return sources.digest(*engine, *imports, data=[path])


def for_ledger(sources: Sources, experiments: Iterable[Experiment]) -> str:
    """What the ledger depends on, besides the claims: an experiment that goes takes its claims along."""
    root = sources.folders[0].parent
    read = ("docs/sources.toml", "scripts/experiments/unstable.toml", "mkdocs.yml")
    code = sources.digest(
        Import("tasks.cards"), data=[root / name for name in read if (root / name).exists()]
    )
    again = sorted(path.name for path in (root / "tests/replications").glob("*.py"))
    return digest_of(" ".join([code, *again, *(experiment.id for experiment in experiments)]))


@dataclass
class Sources:
    """The project's modules, found below `folders`, each read and looked up once."""

    folders: tuple[Path, ...]
    parsed: Parsed
    _read: dict[str, tuple[Statement, ...]] = field(default_factory=dict)
    _found: dict[str, Path | None] = field(default_factory=dict)
    _codes: dict[tuple[str, str], tuple[str, tuple[Import, ...]]] = field(default_factory=dict)
    _leads_to: dict[Import, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def digest(self, *imports: Import, data: Iterable[Path] = ()) -> str:
        """The digest of the code behind `imports`, of its packages and of the files `data`."""
        codes, packages = self.closure(imports)
        parts = [f"python {sys.version_info.major}.{sys.version_info.minor}"]
        parts += [f"{module} {name} {code}" for (module, name), code in sorted(codes.items())]
        parts += [f"{package} {version(package)}" for package in sorted(packages)]
        parts += [f"{path.name} {digest_of_file(path)}" for path in sorted(data)]
        return digest_of("\n".join(parts))

    def closure(self, imports: Iterable[Import]) -> tuple[dict[tuple[str, str], str], set[str]]:
        """The hashes of the code behind `imports`, by module and name, and the packages it imports."""
        codes: dict[tuple[str, str], str] = {}
        packages: set[str] = set()
        todo = list(imports)
        while todo:
            for module, name in self._targets(todo.pop()):
                if self.find(module) is None:
                    packages |= {module.partition(".")[0]} - sys.stdlib_module_names
                elif (module, name) not in codes:
                    codes[module, name], imports = self._code(module, name)
                    todo += imports
        return codes, packages

    def _code(self, module: str, name: str) -> tuple[str, tuple[Import, ...]]:
        """The hash of the code that `name` reaches in a module ("": all of it), and what that imports."""
        if (module, name) not in self._codes:
            statements = self.statements(module)
            statements = list(reached(statements, name) if name else statements)
            imports = dict.fromkeys(item for statement in statements for item in statement.imports)
            code = digest_of("\n".join(statement.code for statement in statements))
            self._codes[module, name] = code, tuple(imports)
        return self._codes[module, name]

    def _targets(self, item: Import) -> tuple[tuple[str, str], ...]:
        if item not in self._leads_to:
            self._leads_to[item] = tuple(self._find_targets(item))
        return self._leads_to[item]

    def _find_targets(self, item: Import) -> Iterator[tuple[str, str]]:
        """The modules that an import runs, each with the name that counts, "" for all of it."""
        is_module = item.name and self.find(f"{item.module}.{item.name}")
        module = f"{item.module}.{item.name}" if is_module else item.module
        by_name = module.startswith("experiments.") and not is_module and item.name != "*"
        yield module, item.name if by_name else ""
        # A package that hands names on lazily hides what is behind them: all of its modules count.
        if self._is_lazy(module):
            yield from ((inside, "") for inside in self._modules_of(module))
        # The face of a whole package (version, lazy names) is run by every import and decides nothing.
        parts = module.split(".")
        parents = (".".join(parts[:i]) for i in range(2, len(parts)))
        yield from ((parent, "") for parent in parents if self.find(parent))

    def _is_lazy(self, module: str) -> bool:
        path = self.find(module)
        is_package = path is not None and path.name == "__init__.py"
        return is_package and any("__getattr__" in statement.binds for statement in self.statements(module))

    def _modules_of(self, package: str) -> Iterator[str]:
        folder = self.find(package).parent
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            yield ".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))

    def find(self, module: str) -> Path | None:
        """The file of a project module, or None where it is not one."""
        if module not in self._found:
            inside = module.replace(".", "/")
            places = (f / place for f in self.folders for place in (f"{inside}.py", f"{inside}/__init__.py"))
            self._found[module] = next((path for path in places if path.is_file()), None)
        return self._found[module]

    def statements(self, module: str) -> tuple[Statement, ...]:
        """The statements of a project module."""
        if module not in self._read:
            path = self.find(module)
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            self._read[module] = self.parsed.statements(path.read_text(encoding="utf-8"), package, str(path))
        return self._read[module]


class Parsed:
    """What modules were parsed to, by their text: kept in a file, as parsing all takes seconds."""

    def __init__(self, path: Path):
        self.path, self._used = path, {}
        self._key = f"{sys.version} {digest_of_file(Path(__file__))}"
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            self._known = stored["texts"] if stored["key"] == self._key else {}
        except (OSError, ValueError, TypeError, KeyError):  # none yet, or half a one: it only saves time
            self._known = {}

    def statements(self, text: str, package: str, filename: str) -> tuple[Statement, ...]:
        """What `parse` gives."""
        key = digest_of(f"{package}\n{text}")
        rows = self._known.get(key)
        if rows is None:
            rows = [
                (sorted(s.binds), sorted(s.uses), [(i.module, i.name) for i in s.imports], s.code)
                for s in parse(text, package, filename)
            ]
        self._used[key] = rows
        return tuple(
            Statement(frozenset(binds), frozenset(uses), tuple(Import(*item) for item in imports), code)
            for binds, uses, imports, code in rows
        )

    def save(self) -> None:
        """Keep what was used."""
        if self._used != self._known:
            write(self.path, json.dumps({"key": self._key, "texts": self._used}))


def reached(statements: Iterable[Statement], name: str) -> Iterator[Statement]:
    """The statements that `name` reaches through the names they use, and those that bind none but act."""
    statements, names = list(statements), {name}
    chosen: set[int] = set()
    while more := {i for i, s in enumerate(statements) if not s.binds or s.binds & names} - chosen:
        chosen |= more
        names |= {used for i in more for used in statements[i].uses}
    return (statements[i] for i in sorted(chosen))


def parse(text: str, package: str, filename: str = "<text>") -> tuple[Statement, ...]:
    """The module-level statements of `text`, a module in `package`, without what has no effect."""
    tree = _Essence().visit(ast.parse(text, filename=filename))
    return tuple(_statement(node, package) for node in _split_imports(tree.body))


class _Essence(ast.NodeTransformer):
    """Drops what has no effect: bare strings (docstrings) and `if TYPE_CHECKING:` blocks."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        name = getattr(node.test, "id", getattr(node.test, "attr", None))
        self.generic_visit(node)
        return node.orelse if name == "TYPE_CHECKING" else node


def _split_imports(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (ast.Import([alias]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (ast.ImportFrom(node.module, [alias], node.level) for alias in node.names)
        else:
            yield node


def _statement(node: ast.stmt, package: str) -> Statement:
    inside = list(ast.walk(node))
    uses = frozenset(_globals(node, inside))
    return Statement(
        frozenset(_binds(node)), uses, tuple(_imports(inside, package)), digest_of(ast.dump(node))
    )


def _globals(node: ast.stmt, inside: Iterable[ast.AST]) -> Iterator[str]:
    """The names of the module that a statement uses; a local variable may bear one of them too."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        whole = deepcopy(node)
        for empty in (n for n in ast.walk(whole) if getattr(n, "body", None) == []):
            empty.body = [ast.Pass()]  # it had a docstring
        yield from _referenced(symtable.symtable(ast.unparse(whole), "<statement>", "exec"))
    else:
        yield from (n.id for n in inside if isinstance(n, ast.Name))


def _referenced(table: symtable.SymbolTable) -> Iterator[str]:
    outside = table.get_type() == "module"
    yield from (s.get_name() for s in table.get_symbols() if s.is_global() or (outside and s.is_referenced()))
    for child in table.get_children():
        yield from _referenced(child)


def _binds(node: ast.stmt) -> Iterator[str]:
    """The module-level names that a statement makes or changes (`TABLE["x"] = 1` changes TABLE)."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Import() | ast.ImportFrom():
            # `from m import *` binds nobody knows what: nothing here, so that it always counts.
            yield from ((a.asname or a.name).partition(".")[0] for a in node.names if a.name != "*")
        case ast.Assign() | ast.AugAssign() | ast.AnnAssign():
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
        case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
            for child in ast.iter_child_nodes(node):
                yield from _binds(child) if isinstance(child, ast.stmt) else ()
                yield from (
                    n.id for n in ast.walk(child) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
                )
            for handler in getattr(node, "handlers", ()):
                for child in handler.body:
                    yield from _binds(child)


def _imports(nodes: Iterable[ast.AST], package: str) -> Iterator[Import]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (Import(module, alias.name) for alias in node.names)


@cache
def version(package: str) -> str:
    """The version of the distribution that provides the importable `package`."""
    try:
        return metadata.version(RENAMED.get(package, package))
    except metadata.PackageNotFoundError:
        names = _distributions().get(package, ())
        return ", ".join(f"{name} {metadata.version(name)}" for name in sorted(set(names))) or "not installed"


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())
