r"""The statistics of every column of a .npy file, by several processes at once.

torchrun --standalone --nproc-per-node 4 \
    distributed_statistics.py rows.npy --output scaler.pt

Each process reads its own share of the rows, chunk by chunk. Then all put together
what they found, and process 0 writes the state of a StandardScaler. If anything
goes wrong, the run ends with an error, and an older scaler.pt stays as it was.
"""

import argparse
import os
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from unitgain.transforms import StandardScaler

CHUNK = 2**22  # numbers to read at a time: 16 MiB of float32


def main():
    parser = argparse.ArgumentParser(description="The statistics of every column.")
    parser.add_argument("rows", type=Path, help="a .npy file, (rows, columns)")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    parser.add_argument("--timeout", type=float, default=1800, help="in seconds")
    options = parser.parse_args()
    rank = int(os.environ.get("RANK", 0))  # torchrun sets it; without, one process
    world = int(os.environ.get("WORLD_SIZE", 1))
    try:
        run(options.rows, options.output, options.timeout, rank, world)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"process {rank} of {world}: {error}", file=sys.stderr)
        return 1
    return 0


def run(path, output, timeout, rank, world):
    if output.is_dir() or not output.parent.is_dir():  # better now than after hours
        raise OSError(f"{output} must be a file in a folder that exists")
    rows = mapped(path)
    device, backend = place()
    if world > 1:
        with others():
            limit = timedelta(seconds=timeout)
            distributed.init_process_group(backend, timeout=limit)
    scaler = measure(rows, path, rank, world, device)
    if world > 1:
        with others():
            scaler.synchronize()
    if rank == 0:
        write(scaler.cpu().state_dict(), output)
    if world > 1:
        distributed.destroy_process_group()


@contextmanager
def others():
    """What fails in here fails because of another process: it is gone, or hangs."""
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(f"cannot reach the other processes: {error}") from error


def mapped(path):
    """The rows, of which nothing is read yet."""
    try:
        rows = np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"{path}: needs rows and columns, has shape {rows.shape}")
    return rows


def place():
    """A GPU for each process of this machine, else the CPU; and what links them."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if distributed.is_nccl_available() and torch.cuda.device_count() >= processes:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))), "nccl"
    return torch.device("cpu"), "gloo"


def measure(rows, path, rank, world, device):
    """A scaler that has seen this process's share of the rows."""
    scaler = StandardScaler().to(device)  # or MinMaxScaler(), PCA(), Whitening()
    first, end = len(rows) * rank // world, len(rows) * (rank + 1) // world
    step = max(1, CHUNK // rows.shape[1])
    for start in range(first, end, step):
        stop = min(start + step, end)
        try:
            scaler.partial_fit(torch.tensor(rows[start:stop], device=device))
        except (TypeError, ValueError) as error:
            where = f"{path}, rows {start} to {stop - 1}"
            raise ValueError(f"{where}: {error}") from error
    return scaler


def write(state, path):
    """All of the file or nothing: it is written beside and then renamed."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        torch.save(state, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
