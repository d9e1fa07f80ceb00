"""Where tasks run: in processes of this machine, one a core, or on the workers of a Dask cluster."""

from __future__ import annotations

import os
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import cloudpickle

from tasks.reporting import end_with_parent

CORES = os.cpu_count() or 1
SUBMITTED = (
    CORES + 2
)  # at a time: the next ones wait beside the workers while pytask sleeps between two looks


def register(dask: str | None) -> None:
    """Make the pool pytask-parallel's custom backend; `dask` is an address, "" a cluster of this machine."""
    from pytask_parallel import ParallelBackend, registry

    builder = processes if dask is None else partial(_dask, dask)
    registry.register_parallel_backend(ParallelBackend.CUSTOM, builder)


class Processes(ProcessPoolExecutor):
    """Python's own pool, for functions that cannot be found by name. A worker keeps what it has imported."""

    def submit(self, fn, /, *args, **kwargs) -> Future:
        return super().submit(_call, cloudpickle.dumps((fn, args, kwargs)))


def _call(pickled: bytes) -> object:
    fn, args, kwargs = cloudpickle.loads(pickled)
    return fn(*args, **kwargs)


def processes(n_workers: int = CORES) -> Executor:
    """A process a core; whatever is asked for, no more would help."""
    fresh = get_context("spawn")  # a forked worker would have the plan's memory and locks
    return Processes(CORES, mp_context=fresh, initializer=end_with_parent, initargs=(os.getpid(),))


def _dask(address: str, n_workers: int) -> Executor:
    """A lost worker's task is repeated elsewhere; what others have finished stays."""
    from distributed import Client, LocalCluster

    client = Client(address or LocalCluster(n_workers=CORES, threads_per_worker=1, dashboard_address=None))
    return client.get_executor(pure=False)
