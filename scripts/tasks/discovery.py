"""Which experiments and labs there are, what each of them makes, and what nobody makes any more."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from tasks.files import forget_if_changed

WIDTHS, SCHEMES = ("wide", "narrow"), ("light", "dark")  # of each picture: files, and classes in the page
LISTED = "made.json"  # what was made beside it: the names come with the claims, and with a lab's pictures


@dataclass(frozen=True)
class Experiment:
    """The script `scripts/experiments/<chapter>/<name>.py`; the names it defines."""

    root: Path
    chapter: str
    name: str
    defines: frozenset[str]

    @property
    def id(self) -> str:
        return f"{self.chapter}/{self.name}"

    @property
    def module(self) -> str:
        return f"experiments.{self.chapter}.{self.name}"

    @property
    def uri(self) -> str:
        return f"scripts/experiments/{self.id}.py"

    @property
    def script(self) -> Path:
        return self.root / self.uri

    @property
    def folder(self) -> Path:
        return self.root / "build/experiments" / self.id

    @property
    def result(self) -> Path:
        return self.folder / "result.npz"

    @property
    def rendered(self) -> tuple[Path, ...]:
        """The files that rendering makes in `folder`."""
        kinds = {"draw": ("svg",), "animate": ("mp4", "webp")}
        kind = next((kind for kind in kinds if kind in self.defines), None)
        variants = [f"{width}-{scheme}" for width in WIDTHS for scheme in SCHEMES]
        names = tuple(f"{name}.{end}" for name in variants for end in kinds[kind]) if kind else ()
        names = (*names, "picture.html", "figure.md") if kind else ()
        names = (*names, *(("data.csv",) if "table" in self.defines else ()), "claims.json")
        return tuple(self.folder / name for name in names)

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files of this experiment."""
        return self.result, *self.rendered


@dataclass(frozen=True)
class Lab:
    """The percent notebook `docs/labs/<name>.py`."""

    root: Path
    name: str

    @property
    def uri(self) -> str:
        return f"docs/labs/{self.name}.py"

    @property
    def script(self) -> Path:
        return self.root / self.uri

    @property
    def folder(self) -> Path:
        return self.root / "build/labs"

    @property
    def notebook(self) -> Path:
        return self.folder / f"{self.name}.ipynb"

    @property
    def page(self) -> Path:
        return self.folder / f"{self.name}.md"

    @property
    def pictures(self) -> Path:
        """The folder of the pictures that the page shows."""
        return self.folder / self.name

    @property
    def listed(self) -> Path:
        return self.pictures / LISTED

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The files whose names are known before the lab has run: `listed` says which pictures it made."""
        return self.notebook, self.page, self.listed


def experiments(root: Path) -> list[Experiment]:
    """Every experiment under `root`, in the order of their names."""
    scripts = sorted((root / "scripts/experiments").glob("*/[!_]*.py"))
    return [_experiment(root, script) for script in scripts]


def _experiment(root: Path, script: Path) -> Experiment:
    uri = script.relative_to(root).as_posix()
    tree = ast.parse(script.read_text(encoding="utf-8"), filename=uri)
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    named = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]  # table = film_table
    defines = frozenset([*functions, *(name.id for name in named if isinstance(name, ast.Name))])
    if "compute" not in defines:
        raise ValueError(f"{uri}: an experiment must define compute, got {sorted(defines)}")
    if {"draw", "animate"} <= defines:
        raise ValueError(f"{uri}: an experiment must define draw or animate, not both")
    missing = {"caption", "alt", "table"} - defines
    if {"draw", "animate"} & defines and missing:
        raise ValueError(f"{uri}: an experiment with a picture must define {sorted(missing)} too")
    return Experiment(root, script.parent.name, script.stem, defines)


def labs(root: Path) -> list[Lab]:
    """Every lab under `root`, in the order of their names."""
    return [Lab(root, script.stem) for script in sorted((root / "docs/labs").glob("*.py"))]


def remove_orphans(root: Path) -> list[Path]:
    """Remove from `build/` what experiments and labs that are gone or changed have left there."""
    kept = {path for one in (*experiments(root), *labs(root)) for path in one.outputs}
    kept |= {path for lab in labs(root) for path in lab.pictures.glob("*.svg")}
    build = root / "build"
    made = [path for part in ("experiments", "labs") for path in (build / part).rglob("*") if path.is_file()]
    orphans = [path for path in made if path not in kept]
    for path in orphans:
        path.unlink(missing_ok=True)
    for folder in sorted([*(build / "experiments").glob("**/"), *(build / "labs").glob("*/")], reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    for listed in (build / "claims" / LISTED, *(lab.listed for lab in labs(root))):
        forget_if_changed(listed)
    return orphans
