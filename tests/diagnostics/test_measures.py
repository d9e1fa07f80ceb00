"""saturation, correlation, effective_rank: against values known or computed otherwise."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unitgain.diagnostics import (
    correlation,
    effective_rank,
    saturation,
)


def test_saturation_goes_by_the_derivative():
    z = torch.tensor([[-3.0], [-2.0], [0.0], [2.1], [2.3], [9.0]])
    expected = [1 - math.tanh(v) ** 2 < 0.05 for v in z.flatten().tolist()]
    assert saturation(torch.tanh, z).item() == pytest.approx(sum(expected) / 6)
    assert 0 < sum(expected) < 6
    assert saturation(nn.ReLU(inplace=True), z.clone()).item() == pytest.approx(3 / 6)
    assert saturation(nn.LeakyReLU(0.1), z).item() == 0
    assert saturation(nn.LeakyReLU(0.01), z).item() == pytest.approx(3 / 6)  # a slope of 1 % of the peak's
    assert saturation(nn.Tanh(), z, fraction=0.999).item() == pytest.approx(5 / 6)
    s = torch.tensor([[math.log(0.0126 / (1 - 0.0126))], [math.log(0.0128 / (1 - 0.0128))]])
    assert saturation(torch.sigmoid, s).item() == 0.5  # s (1 - s) = 0.05 / 4 at s = 0.01266


def test_saturation_leaves_the_module_alone():
    module, z = nn.RReLU(), torch.randn(50, 4)
    calls = []
    module.register_forward_hook(lambda *a: calls.append(a))
    before = torch.random.get_rng_state()
    saturation(module, z)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert module.training
    assert not calls


def test_saturation_of_units_with_slopes_of_their_own():
    module = nn.PReLU(3)
    with torch.no_grad():
        module.weight.copy_(
            torch.tensor([0.01, 0.5, 100.0])
        )  # the third is flat on the right, seen from its peak
    assert saturation(module, torch.tensor([[-1.0] * 3, [1.0] * 3])).tolist() == [0.5, 0, 0.5]


def test_effective_rank_by_hand():
    assert effective_rank(torch.zeros(4, 3)) == 0
    assert effective_rank(torch.full((4, 3), torch.inf)).isnan()
    p = torch.tensor([0.75, 0.25])
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))).item() == pytest.approx(
        math.exp(-sum(v * math.log(v) for v in p.tolist()))
    )
    batch = torch.stack([torch.eye(3), torch.full((3, 3), torch.nan)])
    torch.testing.assert_close(effective_rank(batch), torch.tensor([3.0, torch.nan]).double(), equal_nan=True)


@given(st.integers(1, 6), st.integers(0, 2**31))
def test_effective_rank_of_equal_singular_values_is_the_rank(r, seed):
    generator = torch.Generator().manual_seed(seed)
    u = torch.linalg.qr(torch.randn(2, 9, r, dtype=torch.float64, generator=generator))[0]
    v = torch.linalg.qr(torch.randn(2, 7, r, dtype=torch.float64, generator=generator))[0]
    torch.testing.assert_close(effective_rank(3 * u @ v.mT), torch.full((2,), float(r), dtype=torch.float64))


@given(st.integers(2, 6), st.integers(0, 2**31))
def test_correlation_is_that_of_numpy(units, seed):
    h = torch.randn(3, 12, units, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 100
    for one, value in zip(h, correlation(h), strict=True):
        rho = np.abs(np.corrcoef(one.numpy().T))
        expected = (rho.sum() - units) / (units * (units - 1))
        assert value.item() == pytest.approx(expected, abs=1e-9)
    torch.testing.assert_close(correlation(-3 * h + 7), correlation(h))


def test_correlation_leaves_constant_units_out():
    h = torch.randn(20, 3, dtype=torch.float64)
    for n in range(3, 21):  # for most of them 0.1 is not the rounded mean of n times 0.1
        with_dead = torch.cat([h[:n], torch.full((n, 2), 0.1, dtype=torch.float64)], -1)
        torch.testing.assert_close(correlation(with_dead), correlation(h[:n]))
        assert correlation(with_dead[:, 2:]).isnan()


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_saturation_in_every_mode(mode):
    with mode():
        z = torch.tensor([[-3.0, -3.0], [0.0, 9.0]])
        module = nn.PReLU(2, init=0.01)
        assert saturation(torch.tanh, z).tolist() == [0.5, 1]
        assert saturation(module, z).tolist() == [1.0, 0.5]
        assert saturation(torch.sign, z).tolist() == [0, 0]  # no slope anywhere is below its peak
