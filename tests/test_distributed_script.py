"""The script of the chapter on large data: one result from any number of processes, or a clear error."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from unitgain.transforms import StandardScaler

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "docs/learn/distributed_statistics.py"
OLD = b"what an earlier run has written"
ROWS, COLUMNS = 6000, 5
CHUNK = 500 * COLUMNS  # so that every share has several
PATIENCE = 600  # seconds, whatever else runs here; the script itself would wait for half an hour

# The script, struck by a signal in one of its processes.
STRICKEN = f"""
import os, signal, sys
import distributed_statistics as script
from unitgain.transforms import StandardScaler

script.CHUNK = {CHUNK}

def at_second_chunk(name):
    healthy = StandardScaler.partial_fit
    def partial_fit(self, x):
        if self.n_samples_seen_ > 0 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), getattr(signal, name))
        return healthy(self, x)
    StandardScaler.partial_fit = partial_fit

def impatient_once_connected():
    # to find each other may take them as long as it does on a busy machine
    connect = script.distributed.init_process_group
    def then_impatient(backend, timeout):
        connect(backend)
        script.distributed.distributed_c10d._set_pg_timeout(timeout)
    script.distributed.init_process_group = then_impatient

def while_writing(state, path):
    path.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    at_second_chunk("SIGKILL")
    sys.exit(script.main())
"""

# Many runs from one import of torch: it forks the processes that torchrun would start.
NURSERY = f"""
import json, os, signal, socket, sys, time, torch
import stricken

def run(case, rank, port):
    sys.stderr = open(f"{{case['folder']}}/stderr{{rank}}", "w")
    if case["processes"] > 1:
        os.environ["RANK"] = os.environ["LOCAL_RANK"] = str(rank)
        os.environ["WORLD_SIZE"] = os.environ["LOCAL_WORLD_SIZE"] = str(case["processes"])
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "127.0.0.1", str(port)
    if case["fate"] in ("SIGKILL", "SIGSTOP"):
        stricken.at_second_chunk(case["fate"])
    if case["fate"] == "SIGSTOP":
        stricken.impatient_once_connected()
    elif case["fate"] == "writing":
        torch.save = stricken.while_writing
    elif case["fate"] == "absent" and rank == 1:
        os._exit(0)
    sys.argv = ["distributed_statistics.py", *case["arguments"]]
    code = stricken.script.main()
    sys.stderr.close()
    os._exit(code)

running, stopped, ends, start = {{}}, [], {{}}, time.monotonic()
for case in json.loads(sys.argv[1]):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for rank in range(case["processes"]):
        child = os.fork()
        if not child:
            run(case, rank, port)
        running[child] = case["folder"], rank
while running and time.monotonic() < start + {PATIENCE}:
    child, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
    if not child:
        time.sleep(0.02)
    elif os.WIFSTOPPED(status):
        stopped.append(child)
        del running[child]
    else:
        folder, rank = running.pop(child)
        end = os.waitstatus_to_exitcode(status), time.monotonic() - start
        ends.setdefault(folder, {{}})[rank] = end
for child in [*running, *stopped]:
    os.kill(child, signal.SIGKILL)
print(json.dumps(ends))
"""


class Run(NamedTuple):
    """What a run left: exit codes by process, without one that hung; messages; seconds to the last end."""

    codes: dict[int, int]
    messages: list[str]
    seconds: float
    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "scaler.pt"


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    """Rows far from 0, sorted by their first column so that the shares differ; the last is constant."""
    rows = np.random.default_rng(0).standard_normal((ROWS, COLUMNS)) * [1, 5, 0.1, 30, 0]
    return (rows[rows[:, 0].argsort()] + [0, -7, 1e4, 3, 0.1]).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory, data) -> dict[str, Path]:
    """The data, what is wrong with others, and the stricken script, by name."""
    folder = tmp_path_factory.mktemp("rows")
    with_nan = data.copy()
    with_nan[4321, 3] = np.nan  # the third share of four, its third chunk
    arrays = {"sound": data, "few": data[:3], "nan": with_nan, "flat": data[0], "empty": data[:0]}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "truncated.npy").write_bytes((folder / "sound.npy").read_bytes()[:5000])
    (folder / "text.npy").write_text("1, 2\n3, 4\n")
    (folder / "stricken.py").write_text(STRICKEN)
    return {path.stem: path for path in folder.iterdir()}


def environment(files: dict[str, Path]) -> dict[str, str]:
    here = [ROOT / "src", SCRIPT.parent, files["stricken"].parent]
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, here)), "OMP_NUM_THREADS": "1"}


CASES = {  # processes, rows, fate, further arguments
    "one": (1, "sound", None),
    "two": (2, "sound", None),
    "four": (4, "sound", None),
    "more than rows": (4, "few", None),
    "killed": (4, "sound", "SIGKILL"),
    "stopped": (4, "sound", "SIGSTOP", "--timeout", "2"),
    "absent": (2, "sound", "absent", "--timeout", "2"),
    "killed while writing": (1, "sound", "writing"),
    "nan": (4, "nan", None),
    "flat": (2, "flat", None),
    "empty": (1, "empty", None),
    "truncated": (1, "truncated", None),
    "text": (1, "text", None),
    "missing": (2, "missing", None),
    "no folder": (1, "sound", None),
    "no file": (1, "sound", None),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, files) -> dict[str, Run]:
    """All CASES, side by side."""
    folders = {name: tmp_path_factory.mktemp("run") for name in CASES}
    cases = []
    for name, (processes, rows, fate, *more) in CASES.items():
        (folders[name] / "scaler.pt").write_bytes(OLD)
        output = folders[name] / {"no folder": "nowhere/scaler.pt", "no file": ""}.get(name, "scaler.pt")
        arguments = [str(files.get(rows, "missing.npy")), "--output", str(output), *more]
        cases.append(
            {"processes": processes, "fate": fate, "folder": str(folders[name]), "arguments": arguments}
        )
    command = [sys.executable, "-c", NURSERY, json.dumps(cases)]
    done = subprocess.run(command, env=environment(files), check=True, capture_output=True, text=True)
    ends = json.loads(done.stdout)
    result = {}
    for name, folder in folders.items():
        codes = {int(rank): code for rank, (code, _) in ends.get(str(folder), {}).items()}
        seconds = max((seconds for _, seconds in ends.get(str(folder), {}).values()), default=PATIENCE)
        messages = [(folder / f"stderr{rank}").read_text() for rank in range(CASES[name][0])]
        result[name] = Run(codes, messages, seconds, folder)
    return result


def agrees(path: Path, rows: np.ndarray) -> None:
    """The state in `path` is that of one pass over `rows` in float64."""
    scaler = StandardScaler()
    scaler.load_state_dict(torch.load(path, weights_only=True))
    exact = rows.astype(np.float64)
    assert scaler.n_samples_seen_ == len(rows)
    np.testing.assert_allclose(scaler.mean_, exact.mean(0), rtol=1e-10)
    np.testing.assert_allclose(scaler.var_, exact.var(0), rtol=1e-10, atol=1e-24)
    assert [path.name for path in path.parent.glob("scaler*")] == [path.name]


@pytest.mark.parametrize("case", ["one", "two", "four", "more than rows"])
def test_any_number_of_processes_gives_the_statistics(case, runs, data):
    assert runs[case].codes == dict.fromkeys(range(CASES[case][0]), 0), runs[case].messages
    assert not any(runs[case].messages)
    agrees(runs[case].output, data[:3] if case == "more than rows" else data)


LOST = "cannot reach the other processes: "


@pytest.mark.parametrize(
    ("case", "codes", "says"),
    [
        ("killed", {1: -9, 0: 1, 2: 1, 3: 1}, {0: LOST, 2: LOST, 3: LOST}),
        ("stopped", {0: 1, 2: 1, 3: 1}, {0: LOST, 2: LOST, 3: LOST}),
        ("absent", {0: 1, 1: 0}, {0: LOST}),
        ("killed while writing", {0: -9}, {}),
        (
            "nan",
            dict.fromkeys(range(4), 1),
            {0: LOST, 1: LOST, 3: LOST, 2: "nan.npy, rows 4000 to 4499: StandardScaler: x must"},
        ),
        ("flat", {0: 1, 1: 1}, {0: "flat.npy: needs rows and columns, has shape (5,)", 1: "flat.npy: "}),
        ("empty", {0: 1}, {0: "empty.npy: needs rows and columns, has shape (0, 5)"}),
        ("truncated", {0: 1}, {0: "truncated.npy: mmap length is greater than file size"}),
        ("text", {0: 1}, {0: "text.npy: the magic string is not correct"}),
        ("missing", {0: 1, 1: 1}, {0: "No such file or directory: 'missing.npy'", 1: "No such file"}),
        ("no folder", {0: 1}, {0: "nowhere/scaler.pt must be a file in a folder that exists"}),
        ("no file", {0: 1}, {0: "must be a file in a folder that exists"}),
    ],
)
def test_a_failure_is_said_at_once_and_leaves_the_output(case, codes, says, runs):
    run = runs[case]
    assert run.codes == codes, run.messages
    for rank, message in says.items():
        assert message in run.messages[rank]
        assert run.messages[rank].startswith(f"process {rank} of {CASES[case][0]}: ")
        assert run.messages[rank].count("\n") == 1
    assert run.seconds < PATIENCE / 2  # where the script would wait for half an hour
    assert run.output.read_bytes() == OLD
    if case != "killed while writing":  # which leaves what it had written, beside
        assert len(list(run.folder.glob("scaler*"))) == 1


# --- as the page says to run it


@pytest.fixture(scope="module")
def torchruns(tmp_path_factory, files) -> dict[str, tuple[int, str, Path]]:
    """Exit code, messages and output of the script, and of the stricken one, side by side."""
    started = {}
    for name, script in {"sound": SCRIPT, "stricken": files["stricken"]}.items():
        output = tmp_path_factory.mktemp(name) / "scaler.pt"
        output.write_bytes(OLD)
        command = [Path(sys.executable).with_name("torchrun"), "--standalone", "--nproc-per-node", "2"]
        command += [script, files["sound"], "--output", output]
        run = subprocess.Popen(command, env=environment(files), stderr=subprocess.PIPE, text=True)
        started[name] = run, output
    ended = {}
    for name, (run, output) in started.items():
        try:
            _, messages = run.communicate(timeout=PATIENCE)
        finally:
            run.kill()
        ended[name] = run.returncode, messages, output
    return ended


def test_torchrun(torchruns, data):
    code, messages, output = torchruns["sound"]
    assert code == 0, messages
    agrees(output, data)


def test_torchrun_ends_the_others_when_one_is_killed(torchruns):
    code, messages, output = torchruns["stricken"]
    assert code == 1
    assert "Signal 9 (SIGKILL) received" in messages
    assert output.read_bytes() == OLD


# --- its parts


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("distributed_statistics", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_failed_write_leaves_nothing(script, tmp_path, monkeypatch):
    def full(state, path):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    (tmp_path / "scaler.pt").write_bytes(OLD)
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        script.write({}, tmp_path / "scaler.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["scaler.pt"]
    assert (tmp_path / "scaler.pt").read_bytes() == OLD


@pytest.mark.parametrize(
    ("gpus", "nccl", "expected"),
    [(0, False, "cpu gloo"), (4, True, "cuda:1 nccl"), (3, True, "cpu gloo"), (4, False, "cpu gloo")],
)
def test_gpus_are_used_where_each_process_has_one(gpus, nccl, expected, script, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: nccl)
    device, backend = script.place()
    assert f"{device} {backend}" == expected
