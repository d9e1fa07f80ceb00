"""What a reader takes home: the package as a wheel, and copies of single names, a file each.

All of it lies in `build/downloads/`, which the site serves. The lines that say how to get it are snippets:
`install/<extras>.md` and `copies/<name>.md`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tasks import files
from tasks.copies import Copy, Library
from tasks.reporting import TaskFailed
from tasks.stamp import Stamp

SOURCES = ("src", "pyproject.toml", "README.md", "LICENSE", "scripts/tasks")
MADE = ("build/downloads", "build/install", "build/copies")
EXTRAS = ("", "plots", "data", "plots,data")
NOBODYS = "https://example.org/"  # an address that begins so is a stand-in: the site is not published

COPIED = {
    "transforms": ["StandardScaler", "MinMaxScaler", "Center", "PCA", "Whitening"],
    "activations": ["PReLU", "Maxout", "derivative", "gain"],
    "initializers": [
        *("lecun_uniform_", "lecun_normal_", "glorot_uniform_", "glorot_normal_"),
        *("he_uniform_", "he_normal_", "variance_scaling_", "truncated_normal_", "sparse_"),
        *("orthogonal_", "initialize", "lsuv_"),
    ],
    "layers": ["Linear", "BatchNorm", "LayerNorm", "RMSNorm"],
    "models": ["MLP", "ScalarChain"],
    "optimizers": ["SGD", "RMSprop", "Adam", "AdamW"],
    "training": ["train"],
    "diagnostics": ["activity"],
}
"""The names that are offered as a file, by module. Datasets, plots, theory and the rest of diagnostics, whose
`observe` needs almost all of it, are copied whole."""


def known(address: str | None) -> str:
    """The address, empty where there is none."""
    return "" if not address or address.startswith(NOBODYS) else address


def make(root: Path, site: str = "", repository: str = "") -> None:
    """Bring everything up to date; the addresses are empty where there are none."""
    stamp = Stamp(root, "downloads", SOURCES, MADE)
    now = files.digest_of(f"{stamp.now()} {site} {repository}")
    if stamp.holds(now):
        return
    stamp.remove()
    for folder in MADE:
        shutil.rmtree(root / folder, ignore_errors=True)
    served = root / "build/downloads"
    wheel = build_wheel(root, served)
    for extras in EXTRAS:
        files.write(root / f"build/install/{extras or 'plain'}.md", how_to_install(wheel.name, extras, site))
    files.write(root / "build/install/repository.md", how_to_clone(repository))
    links = []
    for name, text in copies(root, version_of(wheel), site or repository).items():
        links.append(link_to_copy(name, text))
        files.write(served / f"{name}.py", text)
        files.write(root / f"build/copies/{name}.md", links[-1])
    files.write(root / "build/copies/all.md", "".join(links))
    stamp.write(now)


def build_wheel(root: Path, folder: Path) -> Path:
    """The wheel of the project in `root`, the same bytes for the same files. Nothing is fetched."""
    with tempfile.TemporaryDirectory() as beside:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", beside]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        if done.returncode:
            raise TaskFailed(f"the wheel could not be built:\n{done.stdout}{done.stderr}")
        made = next(Path(beside).glob("*.whl"))
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(made, folder / made.name))


def version_of(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def copies(root: Path, version: str, address: str = "") -> dict[str, str]:
    """The text of every file that is offered, by the name in it."""
    library = Library(root / "src/unitgain")
    owner = re.search(r"Copyright .*", (root / "LICENSE").read_text(encoding="utf-8"))[0]
    return {
        name: Copy(library, module, name).text(owner, version, address)
        for module, names in COPIED.items()
        for name in names
    }


def requirement(wheel: str, extras: str, site: str = "") -> str:
    """What pip is to install: the wheel at its address, or the one in the folder."""
    extras = f"[{extras}]" if extras else ""
    return f"unitgain{extras} @ {site}downloads/{wheel}" if site else f"./{wheel}{extras}"


def how_to_install(wheel: str, extras: str, site: str) -> str:
    """A paragraph and a command, as Markdown."""
    line = f"```console\npip install '{requirement(wheel, extras, site)}'\n```\n"
    here = f"[{wheel}](/downloads/{wheel})"
    return line if site else f"To install unitgain, download {here}; then, in its folder:\n\n{line}"


def how_to_clone(repository: str) -> str:
    """The same from the sources; nothing where they have no address."""
    line = f"```console\npip install 'unitgain @ git+{repository}'\n```\n"
    return f"From the sources:\n\n{line}" if repository else ""


def link_to_copy(name: str, text: str) -> str:
    """An item of a list, as Markdown."""
    return f'- [{name}.py](/downloads/{name}.py){{ download="{name}.py" }}, {lines(text)} lines\n'


def lines(text: str) -> int:
    return text.count("\n")
