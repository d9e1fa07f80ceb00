"""How a row is measured: against a peer on the same work, by turns in one process, medians."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """One measurement beside its target: at most that, or at least that where `at_least`."""

    work: str
    peer: str
    value: float
    target: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.target if self.at_least else self.value <= self.target


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def ratio(ours: Callable[[], object], peer: Callable[[], object], rounds: int = 7, repeats: int = 1) -> float:
    """Median seconds of `ours` by those of `peer`, in turns A B A B; below 1 ours is faster."""
    ours(), peer()  # warm both up
    gc.collect()
    pairs = [(seconds(ours, repeats), seconds(peer, repeats)) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs) / statistics.median(b for _, b in pairs)
