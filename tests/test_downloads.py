"""What a reader takes home: the wheel, files with one name each, and the lines that say how to get them."""

from __future__ import annotations

import ast
import functools
import http.server
import importlib.util
import inspect
import json
import re
import subprocess
import sys
import tarfile
import threading
import types
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from importlib import import_module
from pathlib import Path

import labs as labs_hook
import numpy as np
import pytest
import torch
import yaml
from packaging.metadata import Metadata
from pytest_codeblocks import extract_from_file
from tasks import downloads, files
from tasks.reporting import TaskFailed
from torch import nn

import unitgain
from tests import test_layers, test_optimizers
from tests.transforms import test_scaling

ROOT = Path(__file__).resolve().parents[1]


def fresh(script: str, folder: Path, *arguments: str) -> str:
    """What `script` prints in a Python that sees its packages, `folder` and nothing of ours."""
    command = [sys.executable, "-I", "-W", "error", "-c", script, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return downloads.build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_library_and_its_licence(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith(".dist-info/RECORD")}
    source = ROOT / "src"
    ours = {path.relative_to(source).as_posix() for path in source.rglob("*.py")} | {"unitgain/py.typed"}
    beside = {f"unitgain-{unitgain.__version__}.dist-info/{name}" for name in ("METADATA", "WHEEL")}
    beside |= {f"unitgain-{unitgain.__version__}.dist-info/licenses/LICENSE"}
    assert names == ours | beside


def test_the_wheel_says_what_it_needs(wheel):
    archive = zipfile.ZipFile(wheel)
    text = archive.read(f"unitgain-{unitgain.__version__}.dist-info/METADATA").decode()
    Metadata.from_email(text, validate=True)
    data = Parser().parsestr(text)
    assert wheel.name == f"unitgain-{unitgain.__version__}-py3-none-any.whl"
    assert (data["Name"], data["Version"]) == ("unitgain", unitgain.__version__)
    assert (data["License-Expression"], data["Requires-Python"]) == ("MIT", ">=3.11")
    assert data["Description-Content-Type"] == "text/markdown"
    assert data.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    needs = [line.partition(";")[::2] for line in data.get_all("Requires-Dist")]
    assert {re.match(r"\w+", name)[0] for name, when in needs if not when} == {"torch", "numpy"}
    assert set(data.get_all("Provides-Extra")) == {"plots", "data", "docs", "test", "bench"}


def test_the_sdist_holds_what_a_wheel_is_made_from(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = tmp_path.iterdir()
    with tarfile.open(made) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    source = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src").rglob("*.py")}
    beside = {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO", ".gitignore", "src/unitgain/py.typed"}
    assert names == source | beside


def test_the_same_files_give_the_same_wheel(wheel, tmp_path):
    assert downloads.build_wheel(ROOT, tmp_path).read_bytes() == wheel.read_bytes()


README = [block.code for block in extract_from_file(ROOT / "README.md") if block.syntax == "python"]
USE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import unitgain
assert Path(unitgain.__file__).parts[-3] == "unpacked"
for name in unitgain.__all__:
    getattr(unitgain, name)
exec(sys.argv[2])
"""


def test_the_wheel_alone_runs_the_snippet_of_the_readme(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "unpacked")
    assert len(README) == 1
    assert fresh(USE, tmp_path, str(tmp_path / "unpacked"), README[0]) == "[2.0, 3000.0] (3, 1)\n"


def test_a_wheel_that_cannot_be_built_says_why(tree):
    with pytest.raises(TaskFailed, match=r"(?s)the wheel could not be built.*nowhere"):
        downloads.build_wheel(
            tree({"pyproject.toml": '[project]\nname = "x"\nversion = "1"\nreadme = "nowhere.md"\n'}), ROOT
        )


# ---- The copies

PAIRS = [(module, name) for module, names in downloads.COPIED.items() for name in names]
NAMES = [name for _, name in PAIRS]
LIMITS = {"StandardScaler": 550, "Adam": 250, "BatchNorm": 250, "he_normal_": 100}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return downloads.copies(ROOT, "1.2.3", "https://unit.example/gain/")


@pytest.fixture(scope="module")
def folder(texts, tmp_path_factory) -> Path:
    """All copies in a folder where there is nothing else."""
    place = tmp_path_factory.mktemp("copies")
    for name, text in texts.items():
        (place / f"{name}.py").write_text(text, encoding="utf-8")
    return place


@functools.cache
def loaded(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # pickle and dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def both(folder):
    """`both(name)`: the library's and the copy's."""

    def pair(name: str) -> tuple:
        module = next(module for module, its in PAIRS if its == name)
        return getattr(import_module(f"unitgain.{module}"), name), getattr(
            loaded(folder / f"{name}.py"), name
        )

    return pair


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_imports_torch_and_numpy_alone(name, texts):
    tree = ast.parse(texts[name])
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in found} - sys.stdlib_module_names <= {"torch", "numpy"}


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_says_whose_it_is(name, texts):
    licence, owner, *_ = texts[name].splitlines()
    assert licence == "# SPDX-License-Identifier: MIT"
    assert owner == "# Copyright (c) 2026 Unit Gain contributors, https://unit.example/gain/"
    assert f'"""{name} of Unit Gain 1.2.3, in one file.' in texts[name]
    assert f'__all__ = ["{name}"]' in texts[name]


@pytest.mark.parametrize("name", LIMITS)
def test_a_copy_is_as_short_as_the_readme_says(name, texts):
    assert downloads.lines(texts[name]) <= LIMITS[name]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{name}\.py`[^(]*\([^)]*\b{LIMITS[name]}\b", readme)


def test_copies_are_as_tidy_as_the_library(folder):
    """No name is missing or unused, and the layout is the formatter's."""
    for command in (["check", "--select=F,I"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--isolated", "--line-length=110", folder],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


NEED_OTHERS = {"activity"}  # its example looks at an MLP
EXAMPLES = """
import doctest, importlib, sys
sys.path.insert(0, "")
sys.modules["unitgain"] = None  # importing the library fails
import torch  # once for all
for name in sys.argv[1:]:
    torch.manual_seed(0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=flags)
    print(name, failed, tried > 0)
"""


def test_the_examples_run_in_a_folder_without_the_library(folder):
    alone = [name for name in NAMES if name not in NEED_OTHERS]
    assert fresh(EXAMPLES, folder, *alone).splitlines() == [f"{name} 0 True" for name in alone]


OTHERS = {"Transform", "Activation", "Compose"}  # a base, what `activation` makes, and nn.Sequential


def test_every_class_that_does_something_is_offered():
    modules = [import_module(f"unitgain.{module}") for module in downloads.COPIED]
    public = filter(inspect.isclass, (getattr(module, name) for module in modules for name in module.__all__))
    classes = {kind.__name__ for kind in public if issubclass(kind, nn.Module | torch.optim.Optimizer)}
    assert classes - OTHERS <= set(NAMES)


def data(n: int = 60, features: int = 3) -> torch.Tensor:
    draw = functools.partial(torch.randn, generator=torch.Generator().manual_seed(0))
    return draw(n, features) @ draw(features, features) + 5


def assert_bits(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=0)


TRANSFORMS = {
    "StandardScaler": {"with_std": True},
    "Center": {"dim": None},
    "MinMaxScaler": {"feature_range": (-1, 1), "clip": True},
    "PCA": {"n_components": 2},
    "Whitening": {"method": "zca"},
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_copied_transform_is_the_library_s(name, both):
    x = data()
    made = [kind(**TRANSFORMS[name]).fit(x) for kind in both(name)]
    ours, copied = made
    assert_bits(copied(x), ours(x))
    assert_bits(copied.inverse_transform(ours(x)), ours.inverse_transform(ours(x)))
    for giver, taker in ((ours, type(copied)), (copied, type(ours))):
        other = taker(**TRANSFORMS[name])
        other.load_state_dict(giver.state_dict())
        assert_bits(other(x), ours(x))
    with pytest.raises(ValueError, match=rf"^{name}: x must not hold (NaN|infinity)"):
        copied.fit(x.where(x != x.max(), torch.inf))
    assert {value.dtype for value in copied.half().state_dict().values()} == {torch.int64, torch.float64}


MODULES = {
    "Linear": (3, 2),
    "BatchNorm": (3,),
    "LayerNorm": (3,),
    "RMSNorm": (3,),
    "PReLU": (3,),
    "MLP": ((3, 4, 2), "prelu"),
    "ScalarChain": (4,),
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("replicas", [(), (5,)])
def test_a_copied_module_is_the_library_s(name, replicas, both):
    ours, copied = (kind(*MODULES[name], replicas=replicas) for kind in both(name))
    copied.load_state_dict(ours.state_dict())
    x = torch.ones(7) if name == "ScalarChain" else data()
    answers = [module(x) for module in (ours, copied)]
    assert_bits(*answers)
    for answer in answers:
        answer.square().sum().backward()
    for a, b in zip(ours.parameters(), copied.parameters(), strict=True):
        assert_bits(a.grad, b.grad)
    ours.load_state_dict(copied.state_dict())
    assert_bits(ours.eval()(x), copied.eval()(x))


OF_MODELS = ("initialize", "lsuv_")
OPTIMIZERS = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.1},
    "RMSprop": {"momentum": 0.9, "eps_inside": True},
    "Adam": {"betas": (0.8, 0.9), "weight_decay": 0.1},
    "AdamW": {"lr": torch.tensor([[0.1], [0.2]])},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_copied_optimizer_takes_the_library_s_steps(name, both):
    """And goes on from its state, as the library from the copy's."""
    kinds, options = both(name), {"lr": 0.1} | OPTIMIZERS[name]
    thetas = [nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, -4.0]])) for _ in kinds]
    made = [kind([theta], **options) for kind, theta in zip(kinds, thetas, strict=True)]
    for swap in range(4):
        for theta, optimizer in zip(thetas, made, strict=True):
            optimizer.zero_grad()
            (theta**3).sum().backward()
            optimizer.step()
        assert_bits(*thetas)
        if swap == 1:
            states = [optimizer.state_dict() for optimizer in made]
            made = [kind([theta], lr=1.0) for kind, theta in zip(kinds, thetas, strict=True)]
            for optimizer, state in zip(made, reversed(states), strict=True):
                optimizer.load_state_dict(state)
    with pytest.raises(ValueError, match=rf"^{name}: lr must be in \[0, inf\), got -1"):
        kinds[1](thetas[:1], lr=-1.0)
    with pytest.raises(TypeError):
        kinds[1](thetas[:1], maximize=False)


@pytest.mark.parametrize("name", [name for name in downloads.COPIED["initializers"] if name not in OF_MODELS])
@pytest.mark.parametrize("count", [1, 4])
def test_a_copied_initializer_draws_the_library_s_numbers(name, count, both):
    drawn = []
    for draw in both(name):
        generators = [torch.Generator().manual_seed(k) for k in range(count)]
        drawn.append(draw(torch.empty(count, 3, 2), generator=generators if count > 1 else generators[0]))
    assert_bits(*drawn)


# Tests of the library, with the copies in its place


@pytest.mark.parametrize("kind", ["averaging, nesterov", "rmsprop, momentum", "adam, decay", "adamw"])
def test_a_copied_optimizer_passes_the_library_s_tests(kind, both, monkeypatch):
    ours = test_optimizers.KINDS[kind]
    monkeypatch.setitem(test_optimizers.KINDS, kind, ours._replace(ours=both(ours.ours.__name__)[1]))
    test_optimizers.test_equals_its_peer_at_every_step(kind, torch.float32)
    test_optimizers.test_a_tensor_gives_each_replica_its_own(kind)
    test_optimizers.test_parameter_groups(kind)
    test_optimizers.test_resumed_run_is_the_same_run(kind)
    test_optimizers.test_closure(kind)


def test_copied_norms_pass_the_library_s_tests(both, monkeypatch):
    for name in ("BatchNorm", "LayerNorm", "RMSNorm"):
        monkeypatch.setattr(test_layers, name, both(name)[1])
    for momentum in (0.1, None):
        test_layers.test_batch_norm_equals_torch_at_every_step(True, momentum, 9)
    test_layers.test_batch_norm_evaluates_any_leading_dimensions()
    test_layers.test_constant_unit_becomes_the_bias_with_a_finite_gradient()
    test_layers.test_statistics_measured_anew()
    test_layers.test_update_bn_measures_anew({})
    test_layers.test_torch_converts_and_fuses_a_layer_of_rows()
    test_layers.test_torch_func_takes_the_statistics_away()
    test_layers.test_the_variance_of_many_rows_keeps_its_digits()


def test_copied_scalers_pass_the_library_s_tests(both, monkeypatch):
    for name in ("StandardScaler", "MinMaxScaler"):
        monkeypatch.setattr(test_scaling, name, both(name)[1])
    test_scaling.test_equals_scikit_learn(np.float32, (True, True))
    test_scaling.test_is_exact_far_from_zero(-1e6, torch.float32)
    test_scaling.test_rounding_noise_counts_as_constant()
    test_scaling.test_a_small_but_real_spread_is_kept()
    test_scaling.test_transform_passes_nan_and_infinity_on()
    test_scaling.test_a_failed_move_loses_nothing()
    test_scaling.test_a_rounded_checkpoint_is_taken_in_float64(assign=True)
    test_scaling.test_exports_with_the_model(7)
    test_scaling.test_minmax_equals_scikit_learn((-1, 1), np.float32)


def test_a_copied_transform_refuses_a_table(both):
    """What it leaves out it does not pretend to do."""
    table = types.SimpleNamespace(__array__=lambda *_, **__: data().numpy(), columns=["a", "b", "c"])
    rule = "^StandardScaler: x must be a torch.Tensor or an array of numbers, got a SimpleNamespace$"
    with pytest.raises(TypeError, match=rule):
        both("StandardScaler")[1]().fit(table)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))


def test_a_copied_initialize_and_lsuv_draw_the_library_s_numbers(both):
    for name, arguments in (("initialize", ("he_normal",)), ("lsuv_", (data(),))):
        models = [network(), network()]
        for draw, model in zip(both(name), models, strict=True):
            draw(model, *arguments, generator=torch.Generator().manual_seed(1))
        for a, b in zip(*(model.parameters() for model in models), strict=True):
            assert_bits(a, b)


def test_copied_functions_answer_as_the_library_s(both):
    x, y = data(), (data()[:, 0] > 5).long()
    for kept in zip(*(f(network(), x) for f in both("activity")), strict=True):
        assert_bits(*(layer.dead for layer in kept))
    histories = []
    for train in both("train"):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        histories.append(train(model, x, y, loss="binary_cross_entropy", optimizer=optimizer, epochs=3))
    assert_bits(*histories)


# ---- How to get them


@pytest.mark.parametrize("extras", downloads.EXTRAS)
def test_an_install_line_names_the_wheel_where_it_is(extras):
    """In the folder that it was downloaded to; with the address of the site, there."""
    file, bracket = "unitgain-1-py3-none-any.whl", f"[{extras}]" if extras else ""
    without = downloads.how_to_install(file, extras, "")
    assert f"[{file}](/downloads/{file})" in without
    assert without.endswith(f"```console\npip install './{file}{bracket}'\n```\n")
    there = f"unitgain{bracket} @ https://unit.example/downloads/{file}"
    assert downloads.how_to_install(file, extras, "https://unit.example/") == (
        f"```console\npip install '{there}'\n```\n"
    )


def test_lines_that_need_an_address_are_absent_without():
    assert downloads.known("https://unit.example/") == "https://unit.example/"
    assert [downloads.known(nobodys) for nobodys in (None, "", "https://example.org/unit-gain/")] == [""] * 3
    assert downloads.how_to_clone("") == ""
    assert "git+https://code.example/x'" in downloads.how_to_clone("https://code.example/x")


def test_they_are_made_again_only_where_something_has_changed(tree, monkeypatch):
    root, made = tree({"src/unitgain/a.py": "1", "LICENSE": "free"}), []

    def build_wheel(root, folder):
        made.append(folder)
        files.write(folder / "unitgain-1-py3-none-any.whl", "")
        return folder / "unitgain-1-py3-none-any.whl"

    monkeypatch.setattr(downloads, "build_wheel", build_wheel)
    monkeypatch.setattr(downloads, "copies", lambda *_: {"a": "1\n"})
    for change in (
        lambda: None,
        lambda: files.write(root / "src/unitgain/a.py", "2"),
        lambda: (root / "build/downloads/a.py").unlink(),
        lambda: files.write(root / "build/downloads/old.py", ""),
        lambda: (root / "build/install/plain.md").unlink(),
    ):
        before = len(made)
        change()
        for _ in range(2):
            downloads.make(root)
        assert len(made) == before + 1
        assert sorted(path.name for path in made[-1].iterdir()) == ["a.py", "unitgain-1-py3-none-any.whl"]
    downloads.make(root, "https://unit.example/")
    assert len(made) == before + 2
    assert (
        root / "build/copies/all.md"
    ).read_text() == '- [a.py](/downloads/a.py){ download="a.py" }, 1 lines\n'


WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_actions_by_their_commit(workflow):
    actions = re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8"))
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+.*", action), action


def test_nothing_is_released_until_a_person_says_so():
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    release = yaml.safe_load(text)
    build, publish = release["jobs"]["build"], release["jobs"]["publish"]
    assert build["if"] == "vars.PUBLISH == 'pypi'"
    assert (publish["needs"], publish["environment"]) == ("build", "pypi")
    assert release["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"id-token": "write"}
    assert "permissions" not in build
    assert "secrets." not in text


# ---- On the built site

WORDS = re.compile(r"<[^>]*>")
INSTALL = re.compile(r"pip install (?:--\S+ )*[\"']?([^\"'`\n<]+)")


def served_wheel(site: Path) -> Path:
    return next((site / "downloads").glob("*.whl"))


def test_the_site_serves_the_wheel_and_every_copy(site):
    assert served_wheel(site).name == f"unitgain-{unitgain.__version__}-py3-none-any.whl"
    assert zipfile.ZipFile(served_wheel(site)).testzip() is None
    assert {path.stem for path in (site / "downloads").glob("*.py")} == set(NAMES)


def test_every_install_line_names_what_exists(site):
    """A wheel that the site serves and its page links to, or a package of another project."""
    ours = 0
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        for what in INSTALL.findall(WORDS.sub("", html).replace("&#39;", "'").replace("&quot;", '"')):
            if "unitgain" not in what:
                assert what.rstrip(" .,;:)") in {"optuna", "matplotlib"}, (page, what)
                continue
            if "git+" in what:  # the repository's own, where its address is known
                continue
            file = re.search(r"[\w.-]+\.whl", what)[0]
            assert file == served_wheel(site).name, (page, what)
            links = [page.parent / link for link in re.findall(rf'href="([^"]*{re.escape(file)})"', html)]
            assert "@ https" in what or any(link.resolve() == served_wheel(site) for link in links), page
            ours += 1
    assert ours >= 10  # the labs, and the reference


@pytest.mark.parametrize("module", downloads.COPIED)
def test_the_reference_offers_each_copy_with_its_length(module, site):
    html = (site / f"reference/{module}/index.html").read_text(encoding="utf-8")
    for name in downloads.COPIED[module]:
        link = f'<a href="../../downloads/{name}.py" download="{name}.py">Copy it as one file</a>'
        length = downloads.lines((site / f"downloads/{name}.py").read_text(encoding="utf-8"))
        assert f"{link}, {length} lines" in html, name


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """Where the site is served from here."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def download(address: str, folder: Path) -> Path:
    path = folder / address.rpartition("/")[2]
    with urllib.request.urlopen(address) as answer:
        path.write_bytes(answer.read())
    return path


def install_cell(notebook: str) -> str:
    return next(cell["source"] for cell in json.loads(notebook)["cells"] if cell.get("id") == "install")


LABS = sorted(path.stem for path in (ROOT / "docs/labs").glob("*.py"))


@pytest.mark.parametrize("lab", LABS)
def test_a_lab_s_notebook_and_page_say_how_to_install_what_it_needs(lab, site):
    script = (ROOT / f"docs/labs/{lab}.py").read_text(encoding="utf-8")
    (needs,) = set(re.findall(r"`unitgain\[([\w,]+)\]`", script))
    page = WORDS.sub("", (site / f"labs/{lab}/index.html").read_text(encoding="utf-8"))
    for text in (install_cell((site / f"labs/{lab}/{lab}.ipynb").read_text(encoding="utf-8")), page):
        assert f"[{needs}]" in INSTALL.search(text)[1]


@pytest.mark.parametrize("has_address", [False, True])
def test_the_install_cell_of_a_lab_works_from_a_served_site(has_address, site, address, tmp_path):
    """What the cell hands to pip, in the folder of the notebook, with nobody else to ask."""
    notebook = download(f"{address}labs/circles/circles.ipynb", tmp_path).read_text(encoding="utf-8")
    wheel = served_wheel(site).name
    if has_address:  # as a site that is published there would serve it
        cells = [cell for cell in json.loads(notebook)["cells"] if cell.get("id") != "install"]
        notebook = labs_hook.with_install_cell(json.dumps({"cells": cells}), wheel, address)
    else:
        link = re.search(rf'href="([^"]*{re.escape(wheel)})"', (site / "labs/circles/index.html").read_text())
        download(urllib.parse.urljoin(f"{address}labs/circles/", link[1]), tmp_path)
    requirement = re.search(r'%pip install --quiet "(.*)"', install_cell(notebook))[1]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--root-user-action=ignore", "--target=installed", requirement]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    script = "import sys; sys.path.insert(0, 'installed'); import unitgain; print(unitgain.__file__)"
    assert fresh(script, tmp_path).strip().endswith("installed/unitgain/__init__.py")
