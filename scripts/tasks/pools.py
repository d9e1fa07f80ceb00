"""Where tasks run: in processes of this machine, one a core, or on the workers of a Dask cluster."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import Executor
from functools import partial

from tasks.reporting import end_with_parent

CORES = os.cpu_count() or 1
SUBMITTED = (
    CORES + 2
)  # at a time: the next ones wait beside the workers while pytask sleeps between two looks


def register(dask: str | None) -> None:
    """Make the pool pytask-parallel's custom backend; `dask` is an address, "" a cluster of this machine."""
    from pytask_parallel import ParallelBackend, registry

    builder = _processes if dask is None else partial(_dask, dask)
    registry.register_parallel_backend(ParallelBackend.CUSTOM, builder)


def _processes(n_workers: int) -> Executor:
    from loky import ProcessPoolExecutor

    # A worker whose data have filled its memory starts anew; that is no reason to warn.
    warnings.filterwarnings("ignore", message="A worker (stopped|was restarted)")
    return ProcessPoolExecutor(CORES, timeout=None, initializer=end_with_parent, initargs=(os.getpid(),))


def _dask(address: str, n_workers: int) -> Executor:
    """A lost worker's task is repeated elsewhere; what others have finished stays."""
    from distributed import Client, LocalCluster

    client = Client(address or LocalCluster(n_workers=CORES, threads_per_worker=1, dashboard_address=None))
    return client.get_executor(pure=False)
