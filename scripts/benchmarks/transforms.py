"""The scalers against scikit-learn's: speed, accuracy far from 0, memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.preprocessing import MinMaxScaler as PeerOfMinMax
from sklearn.preprocessing import StandardScaler as Peer

from benchmarks.measure import Row, ratio, seconds
from unitgain.transforms import MinMaxScaler, StandardScaler

PEER = "scikit-learn"
SHAPES = ((1_000_000, 64), (100_000, 784))
BATCHES = (32, 256, 2048, 8192)
OFFSETS = (0.0, 1e2, 1e4, 1e6)


def rows() -> Iterator[Row]:
    """The rows, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for shape in SHAPES:
            yield from large(*shape)
        for batch in BATCHES:
            yield partial_fit(batch)
        for offset in OFFSETS:
            yield Row(
                f"error of the result, sd, float32 at offset {offset:g}", "float64", error(offset), 1e-6
            )
        yield Row("extra memory of fit, N=8e6 × 16, MiB", "-", extra_memory(8_000_000, 16), 16)
        yield Row("rate of fit at N=8e6 / at N=1e5, 16 features", "-", rate(8_000_000, 100_000), 0.8, True)
    finally:
        torch.set_num_threads(threads)


def large(n: int, features: int) -> Iterator[Row]:
    x = torch.randn(n, features, generator=torch.Generator().manual_seed(0))
    array, out, size = x.numpy(), torch.empty_like(x), f"{n:g}×{features} float32"
    yield Row(f"fit {size}", PEER, ratio(lambda: StandardScaler().fit(x), lambda: Peer().fit(array)), 0.3)
    ours, peer = StandardScaler().fit(x), Peer().fit(array)
    into = ratio(lambda: ours.transform(x, out=out), lambda: peer.transform(array))
    yield Row(f"transform(out=) {size}", PEER, into, 0.5)
    yield Row(f"transform {size}", PEER, ratio(lambda: ours.transform(x), lambda: peer.transform(array)), 0.8)
    both = ratio(lambda: MinMaxScaler().fit(x).transform(x), lambda: PeerOfMinMax().fit_transform(array))
    yield Row(f"MinMaxScaler fit+transform {size}", PEER, both, 0.7)


def partial_fit(batch: int, features: int = 64) -> Row:
    x = torch.randn(batch, features, generator=torch.Generator().manual_seed(0))
    array, ours, peer = x.numpy(), StandardScaler(), Peer()
    repeats = max(4, 2**18 // (batch * features))
    seen = ratio(lambda: ours.partial_fit(x), lambda: peer.partial_fit(array), 15, repeats)
    return Row(f"partial_fit, batch {batch}×{features}", PEER, seen, 0.3)


def error(offset: float) -> float:
    """Largest deviation from the result in float64, over 1e5 × 4 normal numbers with mean `offset`."""
    x = torch.randn(100_000, 4, generator=torch.Generator().manual_seed(0)) + offset
    exact = x.numpy().astype(np.float64)
    exact = (exact - exact.mean(0)) / exact.std(0)
    return float(np.abs(StandardScaler().fit(x)(x).numpy() - exact).max())


def extra_memory(n: int, features: int) -> float:
    """MiB by which the peak of a fresh process grows while it fits."""
    return float(subprocess.check_output([sys.executable, __file__, str(n), str(features)], text=True))


def peak() -> float:
    """Most memory this process has held, MiB; unlike getrusage's, it leaves out the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def rate(many: int, few: int, features: int = 16) -> float:
    """Elements a second with `many` rows by those with `few`; the best of several each, in turns."""
    best = dict.fromkeys((many, few), 0.0)
    x = torch.randn(many, features)
    for _ in range(7):
        for n in best:
            best[n] = max(best[n], n / seconds(lambda n=n: StandardScaler().fit(x[:n])))
    return best[many] / best[few]


if __name__ == "__main__":  # the fresh process of extra_memory
    torch.set_num_threads(1)
    size = tuple(map(int, sys.argv[1:]))
    x = torch.empty(size).normal_()
    StandardScaler().fit(x[:10])
    before = peak()
    StandardScaler().fit(x)
    print(peak() - before)
