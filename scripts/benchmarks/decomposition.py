"""PCA against scikit-learn's: speed, accuracy far from 0, memory; how white Whitening makes data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import torch
from sklearn.decomposition import PCA as Peer
from sklearn.decomposition import IncrementalPCA
from threadpoolctl import threadpool_limits

from benchmarks.measure import Row, ratio, seconds
from benchmarks.transforms import peak
from unitgain.transforms import PCA, Whitening

PEER, STREAMING = "scikit-learn PCA", "scikit-learn IncrementalPCA"
SHAPES = ((1_000_000, 64), (100_000, 256), (100_000, 784))
OFFSET = 1e4


def rows() -> Iterator[Row]:
    """The rows, on one thread. For these shapes scikit-learn's default solver is "covariance_eigh"."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            for shape in SHAPES:
                yield from fit(*shape)
            yield partial_fit(2000, 64)
            yield partial_fit(4000, 784)
        yield Row(f"error of the variances, float32 at offset {OFFSET:g}", "float64", error(), 1e-6)
        for dtype, target in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
            for method in ("pca", "zca"):
                work = f"Whitening {method}, {str(dtype).removeprefix('torch.')}, covariance - 1"
                yield Row(work, "float64", unwhite(Whitening(method), dtype), target)
        yield Row("extra memory of PCA fit, N=8e6 × 16, MiB", "-", extra_memory(8_000_000, 16), 16)
        yield Row("rate of PCA fit at N=8e6 / at N=1e5, 16", "-", rate(8_000_000) / rate(100_000), 0.8, True)
    finally:
        torch.set_num_threads(threads)


def fit(n: int, features: int) -> Iterator[Row]:
    x = torch.randn(n, features, generator=torch.Generator().manual_seed(0))
    array, work = x.numpy(), f"PCA fit {n:g}×{features} float32"
    yield Row(work, PEER, ratio(lambda: PCA().fit(x), lambda: Peer().fit(array), rounds=5), 1.1)
    x = x[:60_000]
    array, work = x.numpy(), f"PCA fit {len(x):g}×{features} float32"
    faster = ratio(lambda: PCA().fit(x), lambda: IncrementalPCA().fit(array), rounds=3)
    yield Row(work, STREAMING, faster, 0.1)


def partial_fit(batch: int, features: int) -> Row:
    x = torch.randn(batch, features, generator=torch.Generator().manual_seed(0))
    array, ours, peer = x.numpy(), PCA(), IncrementalPCA()
    seen = ratio(
        lambda: ours.partial_fit(x), lambda: peer.partial_fit(array), rounds=7, repeats=8_000 // batch
    )
    return Row(f"PCA partial_fit, batch {batch}×{features}", STREAMING, seen, 0.3)


def error(n: int = 200_000, features: int = 16) -> float:
    """Largest error of a variance, in units of the largest; normal numbers of variance 1 to 1e-3."""
    scales = torch.logspace(0, -1.5, features)
    x = torch.randn(n, features, generator=torch.Generator().manual_seed(0)) * scales + OFFSET
    exact = np.linalg.eigvalsh(np.cov(x.numpy().astype(np.float64), rowvar=False))[::-1]
    return float(np.abs(PCA().fit(x).explained_variance_.numpy() - exact).max() / exact[0])


def unwhite(whitening: Whitening, dtype: torch.dtype, n: int = 20_000, features: int = 32) -> float:
    """Largest deviation of the result's covariance from the identity, for correlated data."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.linalg.qr(torch.randn(features, features, generator=generator, dtype=torch.float64)).Q
    x = torch.randn(n, features, generator=generator, dtype=torch.float64)
    x = (x * torch.linspace(1, 5, features) @ mix + 3).to(dtype)
    return float((whitening.fit(x)(x).double().T.cov() - torch.eye(features)).abs().max())


def extra_memory(n: int, features: int) -> float:
    """MiB by which the peak of a fresh process grows while it fits."""
    command = [sys.executable, "-m", "benchmarks.decomposition", str(n), str(features)]
    return float(subprocess.check_output(command, text=True))


def rate(n: int, features: int = 16) -> float:
    """Elements a second, the best of several."""
    x = torch.randn(n, features)
    return x.numel() / min(seconds(lambda: PCA().fit(x)) for _ in range(5))


if __name__ == "__main__":  # the fresh process of extra_memory
    torch.set_num_threads(1)
    size = tuple(map(int, sys.argv[1:]))
    x = torch.empty(size).normal_()
    PCA().fit(x[:1000])
    before = peak()
    PCA().fit(x)
    print(peak() - before)
