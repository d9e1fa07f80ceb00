"""The package as a whole: what importing it costs, what may be copied out, what every docstring says."""

import ast
import dataclasses
import inspect
import os
import re
import shutil
import subprocess
import sys
import types
from importlib import import_module
from pathlib import Path

import pytest

import unitgain

SOURCE = Path(unitgain.__file__).parent
MODULES = [name for name in unitgain.__all__ if (SOURCE / f"{name}.py").exists()]  # the others are folders


def run(script: str, *args: object, cwd: Path | None = None) -> str:
    """What `script` prints in a fresh Python, warnings being errors."""
    command = [sys.executable, "-W", "error", "-c", script, *map(str, args)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


# Importing

IMPORT = """
import sys
import torch
before = set(sys.modules)
import unitgain
for name in sys.argv[1:]:
    getattr(unitgain, name)
print(*sorted(set(sys.modules) - before))
"""


def test_import_alone_loads_nothing():
    loaded = run("import sys, unitgain; print(*sys.modules)").split()
    assert {name for name in loaded if name.startswith("unitgain")} == {"unitgain"}
    assert not {"torch", "numpy", "matplotlib", "sklearn", "scipy"}.intersection(loaded)


def test_import_loads_nothing_that_torch_has_not():
    """All modules but plots together; how long that takes is a row of scripts/benchmarks/imports.py."""
    without_plots = [name for name in unitgain.__all__ if name != "plots"]
    loaded = run(IMPORT, *without_plots).split()
    assert {f"unitgain.{name}" for name in without_plots} <= set(loaded)
    assert {name.split(".")[0] for name in loaded} <= {"unitgain", *sys.stdlib_module_names}


def test_modules_are_attributes():
    for name in unitgain.__all__:
        assert isinstance(getattr(unitgain, name), types.ModuleType)
    assert set(unitgain.__all__) <= set(dir(unitgain))
    assert len(dir(unitgain)) == len(set(dir(unitgain)))


def test_every_module_is_listed():
    files = {
        path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(unitgain.__all__) == files - {"__init__"}
    for name in unitgain.__all__:
        assert re.search(rf"\b{name} ", unitgain.__doc__), f"the package's docstring must introduce {name}"


def test_unknown_attribute_is_named():
    with pytest.raises(
        AttributeError, match=r"'unitgain' has no attribute 'layer'; its modules are .*\blayers\b"
    ):
        unitgain.layer  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_all_is_whole(name):
    module = import_module(f"unitgain.{name}")
    defined = {
        key
        for key, value in vars(module).items()
        if inspect.isclass(value) or inspect.isfunction(value)
        if value.__module__ == module.__name__ and not key.startswith("_")
    }
    assert defined <= set(module.__all__)
    assert len(module.__all__) == len(set(module.__all__))


# Copying: each unit alone in an empty folder, without the package

UNITS = {
    ("devices",): "from devices import best_device; assert best_device().type in {'cuda', 'mps', 'cpu'}",
    ("datasets",): "from datasets import circles, split; assert len(split(*circles(10)).train.x) == 8",
    (
        "activations",
    ): "from activations import activation; assert activation('relu')(torch.tensor(-1.0)) == 0",
    ("initializers",): "from initializers import he_normal_; assert he_normal_(torch.zeros(3, 2)).all()",
    ("optimizers",): """
from optimizers import SGD, Adam, AdamW, RMSprop
for optimizer, after in {SGD: 0.5, Adam: 0.5, AdamW: 0.495, RMSprop: -4.0}.items():
    theta = torch.nn.Parameter(torch.tensor([1.0]))
    theta.sum().backward()
    optimizer([theta], lr=0.5).step()
    torch.testing.assert_close(theta.detach(), torch.tensor([after]))
""",
    ("training",): """
from training import train
model, x = torch.nn.Linear(1, 1), torch.tensor([[-1.0], [1.0]])
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
history = train(model, x, torch.tensor([0, 1]), loss="binary_cross_entropy", optimizer=optimizer, epochs=9)
assert history[-1] < history[0]
""",
    ("theory",): "from theory import chi; assert abs(chi(torch.relu, weight_var=2.0) - 1) < 1e-9",
    ("diagnostics",): """
from diagnostics import activity, observe
model = torch.nn.Linear(2, 1)
with observe(model) as seen:
    model(torch.ones(3, 2)).sum().backward()
assert seen.last.gradients[0].norm > 0
assert activity(torch.nn.Sequential(torch.nn.ReLU()), torch.ones(3, 2))[0].always_on.all()
""",
    ("transforms",): """
from transforms import PCA, StandardScaler
x = torch.randn(9, 2)
assert torch.allclose(StandardScaler().fit(x)(x).mean(0), torch.zeros(2), atol=1e-6)
assert PCA(1).fit(x)(x).shape == (9, 1)
""",
    ("plots",): """
from matplotlib.figure import Figure
from plots import boundary
boundary(Figure().subplots(), lambda x: x.sum(-1), (-1, -1), (1, 1))
""",
    ("models", "layers", "activations", "initializers"): """
from copied.initializers import lsuv_
from copied.models import MLP
assert len(lsuv_(MLP((2, 3, 1), "maxout", normalization="batch"), torch.randn(9, 2))) == 2
assert MLP((2, 3, 1), replicas=(4,))(torch.zeros(5, 2)).shape == (4, 5, 1)
""",
}
IN_EMPTY_FOLDERS = """
import os, sys, torch
sys.modules["unitgain"] = None  # from now on, importing the package fails
outside = set(sys.modules)
for folder, use in zip(sys.argv[1::2], sys.argv[2::2]):
    os.chdir(folder)
    exec(compile(use, folder, "exec"), {"torch": torch})
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if name not in outside and file.startswith(folder):
            del sys.modules[name]
"""


def test_units_can_be_copied(tmp_path):
    """One process for all: `sys.path` holds the current folder, what came from it is forgotten."""
    arguments = []
    for unit, use in UNITS.items():
        folder = tmp_path / "-".join(unit)
        inside = folder / "copied" if len(unit) > 1 else folder
        inside.mkdir(parents=True)
        for name in unit:
            if name in MODULES:
                shutil.copy(SOURCE / f"{name}.py", inside)
            else:
                shutil.copytree(SOURCE / name, inside / name, ignore=shutil.ignore_patterns("__pycache__"))
        arguments += [folder, use]
    run(IN_EMPTY_FOLDERS, *arguments, cwd=tmp_path)


def test_every_module_is_in_a_unit():
    assert {name for unit in UNITS for name in unit} == set(unitgain.__all__)


# Docstrings

PUBLIC = [
    (module, name) for module in unitgain.__all__ for name in import_module(f"unitgain.{module}").__all__
]
CALLABLES = [
    (m, n) for m, n in PUBLIC if callable(getattr(import_module(f"unitgain.{m}"), n)) and n != "Generators"
]


@pytest.mark.parametrize(("module", "name"), CALLABLES)
def test_docstring_says_everything(module, name):
    item = getattr(import_module(f"unitgain.{module}"), name)
    text = inspect.getdoc(item)
    if made_by := re.search(r"Made by `(\w+)`, which has the example and the source", text):
        item = getattr(import_module(f"unitgain.{module}"), made_by[1])
        text = inspect.getdoc(item)
    assert "Examples:\n    >>> " in text
    assert re.search(r"^Source: ", text, re.MULTILINE)
    if inspect.isclass(item) and issubclass(item, tuple):
        return  # a NamedTuple's sentences name its fields
    heading = "Attributes" if dataclasses.is_dataclass(item) else "Args"
    section = "".join(re.findall(rf"^{heading}:\n((?:    .*\n|\n)*)", text, re.MULTILINE))
    for argument in inspect.signature(item).parameters:
        entry = rf"^    (?:\w+, )*{argument}(?:, \w+)*: \S"
        assert re.search(entry, section, re.MULTILINE), f"{heading} must describe {argument}"


@pytest.mark.parametrize(("module", "name"), CALLABLES)
def test_public_methods_are_documented(module, name):
    item = getattr(import_module(f"unitgain.{module}"), name)
    if inspect.isclass(item):
        for key, member in vars(item).items():
            inherited = any(
                hasattr(base, key) for base in item.__mro__[1:]
            )  # forward, step …: torch documents them
            if (
                not key.startswith("_")
                and (inspect.isfunction(member) or isinstance(member, property))
                and not inherited
            ):
                assert inspect.getdoc(member), f"{name}.{key} needs a docstring"


@pytest.mark.parametrize("module", MODULES)
def test_public_constants_are_documented(module):
    """A constant's docstring is the string that follows its assignment: the reference shows it."""
    body = ast.parse((SOURCE / f"{module}.py").read_text()).body
    public = set(import_module(f"unitgain.{module}").__all__)
    for node, after in zip(body, [*body[1:], None], strict=True):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        if names & public and not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            assert isinstance(getattr(after, "value", None), ast.Constant), f"{names} needs a docstring"
