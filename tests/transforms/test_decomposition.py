"""PCA and Whitening against scikit-learn and float64 truth, beyond what test_contract.py asks of all."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA as Peer

from tests.transforms.table import DEVICES, assert_close, assert_same, axes, statistics
from unitgain.transforms import PCA, Whitening, comoments
from unitgain.transforms.comoments import CoMoments
from unitgain.transforms.decomposition import _principal_axes

KINDS = [
    lambda: PCA(),
    lambda: PCA(2),
    lambda: PCA(0.9, whiten=True),
    lambda: Whitening(),
    lambda: Whitening("zca", epsilon=0.1),
]
ANY = pytest.mark.parametrize("make", KINDS, ids=["pca", "pca-2", "pca-share", "whitening", "zca"])
METHODS = pytest.mark.parametrize("method", ["pca", "zca"])


def data(n=300, features=5, *, seed=0, dtype=torch.float64, offset=0.0, condition=1e2):
    """Correlated features whose variances along the axes fall evenly by `condition`, largest 1."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, features, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(features, features, generator=generator, dtype=torch.float64)).Q
    scale = torch.logspace(0, -math.log10(condition) / 2, features, dtype=torch.float64)
    return (x * scale @ turn + offset).to(dtype)


def covariance(x):
    return x.double().reshape(-1, x.shape[-1]).T.cov()


# --- co-moments


@pytest.mark.parametrize("precise", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64, torch.int16])
@pytest.mark.parametrize("shape", [(1, 3), (400, 3), (7, 11, 4), (50, 2, 3, 5), (6, 20)])
def test_co_moments_are_those_of_float64(shape, dtype, precise, monkeypatch):
    monkeypatch.setattr(comoments, "CHUNK", 60)
    x = (torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 5 + 30).to(dtype)
    n, mean, scatter = CoMoments.measure(x, precise=precise)
    rows = x.double().reshape(-1, shape[-1])
    centered = rows - rows.mean(0)
    exact = dtype in (torch.float64, torch.int16) or precise
    tolerance = 1e-12 if exact else 1e-6
    assert n == len(rows)
    assert mean.dtype == scatter.dtype == torch.float64
    torch.testing.assert_close(mean, rows.mean(0), rtol=tolerance / 10, atol=0)
    top = max(1.0, scatter.diagonal().max().item())
    torch.testing.assert_close(scatter, centered.T @ centered, rtol=0, atol=tolerance * top)
    assert torch.equal(scatter, scatter.T)


def test_the_copy_is_small_and_shared(monkeypatch):
    seen = []
    run = CoMoments._measure_chunk
    monkeypatch.setattr(comoments, "CHUNK", 1000)
    monkeypatch.setattr(CoMoments, "_measure_chunk", lambda *of: [seen.append(of), run(*of)][1])
    CoMoments.measure(torch.randn(9, 70, 5))
    assert sum(len(rows) for rows, _ in seen) == 9 * 70
    assert max(len(rows) for rows, _ in seen) <= 200
    assert all(rows.shape == memory.shape for rows, memory in seen)
    assert len({memory.data_ptr() for _, memory in seen}) == 1


def test_the_order_of_the_rows_does_not_matter_to_float32():
    """Every eighth row, from which the mean is guessed, is far from all others."""
    x = data(40_000, dtype=torch.float32)
    for offset in (1.0, 1e2, 1e6):
        x[::8] = data(5000, seed=1, dtype=torch.float32) + offset
        scatter, truth = CoMoments.measure(x).scatter, CoMoments.measure(x, precise=True).scatter
        assert ((scatter - truth).abs() <= 3e-6 * truth.diagonal().max()).all()


@pytest.mark.parametrize("scale", [1e-37, 1e-30, 1e-18, 1e18, 1e25, 1e36])
@pytest.mark.parametrize("constant", [0.0, 3.0])
def test_squares_beyond_float32_do_not_matter(scale, constant):
    x = data(dtype=torch.float32)
    x[:, 1] *= scale
    x[:, 3] = constant
    scatter = CoMoments.measure(x).scatter
    truth = CoMoments.measure(x, precise=True).scatter
    size = truth.diagonal().sqrt()
    assert ((scatter - truth).abs() <= 1e-6 * torch.outer(size, size)).all()
    assert scatter[3].eq(0).all()


def test_what_float64_cannot_hold_is_refused():
    for value in (1e200, -math.inf):
        x = data()
        x[3, 2] = value
        pca = PCA().fit(data())
        before = statistics(pca)
        with pytest.raises(ValueError, match=r"fit in float64, got values up to 1e|infinity, got 1"):
            pca.partial_fit(x)
        assert_same(pca, before)


@pytest.mark.parametrize("value", [0.1, -1e6 / 3, 3e-5, 65000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_has_no_scatter_at_all(value, dtype):
    x = data(20_001, dtype=dtype)
    x[:, 2] = value
    for parts in (x.split(777), [x]):
        pca = PCA()
        for part in parts:
            pca.partial_fit(part)
        assert pca.covariance_[2].eq(0).all()
        assert pca.mean_[2] == x[0, 2].double()
        assert pca.explained_variance_[-1] < 1e-15


# --- PCA


@pytest.mark.parametrize("solver", ["full", "covariance_eigh"])
@pytest.mark.parametrize("n_components", [None, 1, 3, 5, 0.3, 0.8, 0.999])
@pytest.mark.parametrize("whiten", [False, True])
def test_equals_scikit_learn(n_components, whiten, solver):
    x = data(offset=3)
    ours = PCA(n_components, whiten=whiten).fit(x)
    peer = Peer(n_components, whiten=whiten, svd_solver=solver).fit(x.numpy())
    assert ours.n_components_ == peer.n_components_
    assert ours.n_samples_seen_ == peer.n_samples_
    for name in ("mean_", "components_", "explained_variance_", "explained_variance_ratio_"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(peer, name), rtol=1e-9, atol=1e-11, err_msg=name
        )
    np.testing.assert_allclose(ours.covariance_, np.cov(x.numpy(), rowvar=False), rtol=1e-12)
    z = ours(x)
    np.testing.assert_allclose(z, peer.transform(x.numpy()), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.inverse_transform(z), peer.inverse_transform(z.numpy()), rtol=1e-9)


@given(
    share=st.floats(0, 1, exclude_min=True, exclude_max=True),
    condition=st.floats(1, 1e6),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_a_share_is_the_fewest_components_that_hold_more(share, condition, seed):
    x = data(40, 4, seed=seed, condition=condition)
    k = PCA(share).fit(x).n_components_
    variances = axes(x)[0].square()
    held = variances.cumsum(0) / variances.sum()
    if (held - share).abs().min() < 1e-7:
        return  # a tie, as the next test has it
    assert k == Peer(share, svd_solver="full").fit(x.numpy()).n_components_
    assert held[k - 1] > share
    assert k == 1 or held[k - 2] <= share


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
def test_a_share_that_some_components_hold_exactly_needs_one_more(k, dtype):
    """Eight features of the same variance, turned at random: each holds an eighth but for rounding."""
    cube = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 8)
    for seed in range(20):
        turn = torch.linalg.qr(data(8, 8, seed=seed)).Q
        x = (cube @ turn).to(dtype)
        assert PCA(k / 8).fit(x).n_components_ == k + 1
        assert PCA(k / 8 - 1e-6).fit(x).n_components_ == k
        assert PCA(k / 8).fit(x[:100]).partial_fit(x[100:]).n_components_ == k + 1


def test_a_share_is_chosen_anew_with_each_batch():
    along = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    pca = PCA(0.9).fit(along)
    assert (pca.n_components_, pca(along).shape) == (1, (4, 1))
    pca.partial_fit(along.flip(1))
    assert (pca.n_components_, pca(along).shape) == (2, (4, 2))
    assert PCA(1 - 1e-16).fit(along).n_components_ == 1
    assert PCA(0.5).fit(torch.ones(4, 3)).n_components_ == 1


def test_the_sign_is_not_left_to_rounding():
    """Two standardized features have axes (1, 1) and (1, -1): which entry is the largest?"""
    pairs = torch.tensor(
        [[2.0, 1.0, 0.0, 0.0], [1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 5.0, 0.5], [0.0, 0.0, 0.5, 5.0]]
    ).double()
    truth = torch.tensor([[0, 0, 1, 1], [0, 0, 1, -1], [1, 1, 0, 0], [1, -1, 0, 0]]).double() / 2**0.5
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        noise = torch.randn(4, 4, generator=generator, dtype=torch.float64)
        variances, found = _principal_axes(pairs + 1e-15 * (noise + noise.T))
        torch.testing.assert_close(found, truth, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(variances.tolist(), [5.5, 4.5, 3.0, 1.0])


def test_rounding_does_not_find_more_components_than_there_are():
    tenths = torch.full((10,), 0.1, dtype=torch.float64)
    assert tenths.cumsum(0)[-1] < tenths.sum()
    assert PCA(1 - 2**-53)._count(tenths, 50) == 10
    assert PCA(1 - 2**-53)._count(tenths, 4) == 4


@pytest.mark.parametrize("offset", [0.0, 1e2, -1e4, 1e6 + 0.03])
def test_variances_of_float32_data_survive_any_offset(offset):
    x = data(200_000, 6, dtype=torch.float32, offset=offset, condition=1e3)
    truth = torch.linalg.eigvalsh(covariance(x)).flip(0)
    for pca, tolerance in ((PCA(), 5e-7), (PCA(whiten=True), 1e-12)):
        assert (pca.fit(x).explained_variance_ - truth).abs().max() <= tolerance * truth[0]
    z = pca(x).double()  # though float32 cannot hold the mean
    rounding = (x.double() - x.double().mean(0)) @ pca.components_.T / pca.explained_variance_.sqrt()
    assert (z - rounding).abs().max() <= 1e-4
    assert (
        PCA().fit(x)(x) - (x.double() - x.double().mean(0)) @ PCA().fit(x).components_.T
    ).abs().max() < 2e-6


@pytest.mark.parametrize("make", [PCA, Whitening])
def test_the_inverse_does_not_round_the_mean(make):
    x = torch.tensor([[1e6 - 0.97], [1e6 + 1.03]], dtype=torch.float64)  # mean 1e6 + 0.03
    fitted = make().fit(x)
    z = data(1000, 1, dtype=torch.float32)
    truth = fitted.inverse_transform(z.double())
    assert (fitted.inverse_transform(z) - truth).abs().max() <= 0.0625 / 2 * 1.01  # float32 steps by 0.0625


def test_the_inverse_is_the_nearest_point_of_the_kept_axes():
    x = data(seed=3, offset=2)
    for k in range(1, 6):
        pca = PCA(k).fit(x)
        back = pca.inverse_transform(pca(x))
        lost = (x - back).square().sum() / (len(x) - 1)
        torch.testing.assert_close(lost, axes(x)[0][k:].square().sum(), rtol=1e-9, atol=1e-20)
        torch.testing.assert_close(pca(back), pca(x))
        if k < 5:
            assert pca.explained_variance_ratio_.sum() < 1
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(pca.explained_variance_ratio_.sum().item(), 1.0)


@given(shift=st.floats(-1e4, 1e4), seed=st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_a_shift_moves_the_mean_alone(shift, seed):
    x = data(50, 3, seed=seed)
    here, there = PCA().fit(x), PCA().fit(x + shift)
    torch.testing.assert_close(there.mean_, here.mean_ + shift)
    torch.testing.assert_close(there.components_, here.components_, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(there.explained_variance_, here.explained_variance_, rtol=1e-8, atol=0)


@given(seed=st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_a_rotation_turns_the_axes_and_leaves_the_spectrum(seed):
    x = data(50, 3, seed=seed)
    turn = torch.linalg.qr(data(3, 3, seed=seed + 1)).Q
    here, there = PCA().fit(x), PCA().fit(x @ turn)
    torch.testing.assert_close(there.explained_variance_, here.explained_variance_, rtol=1e-9, atol=0)
    match = (there.components_ * (here.components_ @ turn)).sum(1).abs()  # up to the sign
    torch.testing.assert_close(match, torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(there(x @ turn).abs(), here(x).abs(), rtol=1e-6, atol=1e-6)


# --- few rows, few directions


@ANY
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_fewer_rows_than_features(make, offset):
    x = data(4, 9, seed=1, offset=offset)
    fitted = make().fit(x)
    z = fitted(x)
    assert z.isfinite().all()
    if not (isinstance(fitted, PCA) and fitted.n_components):
        torch.testing.assert_close(fitted.inverse_transform(z), x)
    assert fitted(data(6, 9, offset=offset)).abs().max() < 1e3, "no rounding error is blown up"
    if isinstance(fitted, PCA) and fitted.n_components is None:
        peer = Peer(svd_solver="full").fit(x.numpy())
        assert fitted.n_components_ == peer.n_components_ == 4
        np.testing.assert_allclose(
            fitted.explained_variance_, peer.explained_variance_, rtol=1e-9, atol=1e-12
        )
        np.testing.assert_allclose(fitted.components_[:3], peer.components_[:3], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("make", [PCA, lambda: PCA(whiten=True), Whitening, lambda: Whitening("zca")])
def test_one_row_and_equal_rows(make):
    for x in (torch.tensor([[1.0, -2.0, 0.3]]), torch.tensor([[1.0, -2.0, 0.3]]).expand(7, 3)):
        fitted = make().fit(x)
        assert fitted.explained_variance_.eq(0).all()
        assert fitted(x).eq(0).all()
        assert fitted.inverse_transform(fitted(x)).allclose(x)
        other = torch.tensor([[2.0, 0.0, 1.0]])
        assert fitted(other).norm() <= (other - x[0]).norm() + 1e-6
    if make is PCA:
        assert fitted.explained_variance_ratio_.tolist() == [0, 0, 0]


@ANY
def test_no_rows_to_transform(make):
    fitted = make().fit(data(features=3))
    k = fitted._features_out
    assert fitted(torch.empty(0, 3)).shape == (0, k)
    assert fitted(torch.empty(4, 0, 3)).shape == (4, 0, k)
    assert fitted.inverse_transform(torch.empty(0, k)).shape == (0, 3)


@ANY
def test_leading_dimensions_are_rows(make):
    x = data(24, 5)
    fitted = make().fit(x.view(2, 3, 4, 5))
    assert_close(fitted, make().fit(x))
    torch.testing.assert_close(fitted(x.view(2, 3, 4, 5)).view(24, -1), fitted(x))


def test_too_few_rows_change_nothing():
    pca = PCA(4)
    for k in (1, 3):
        with pytest.raises(ValueError, match=f"n_components must be at most .* {k}, got 4$"):
            pca.partial_fit(data(k))
        assert pca.n_components_ is None
        assert pca.explained_variance_ratio_ is None
        assert pca.n_samples_seen_ == 0
    assert pca.partial_fit(data(4)).n_components_ == 4
    pca.partial_fit(data(1))
    before = statistics(pca)
    with pytest.raises(ValueError, match="at most the lesser of rows and features, 3, got 4"):
        pca.fit(data(features=3))
    assert_same(pca, before)


def test_rounding_noise_counts_as_no_variance():
    x = torch.full((1000, 1), 0.3, dtype=torch.float64)
    x[::2] = 0.1 + 0.2
    assert Whitening().fit(x)(x).abs().max() < 1e-15
    tiny = 1e6 + 1e-4 * data(1000, 1)
    torch.testing.assert_close(Whitening().fit(tiny)(tiny).var().item(), 1.0)


@given(seed=st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_no_variance_is_negative(seed):
    assert (Whitening().fit(data(3, 6, seed=seed)).explained_variance_ >= 0).all()


@pytest.mark.parametrize("make", [PCA, Whitening])
def test_a_dependent_feature_is_a_direction_without_variance(make):
    x = data(200, 3)
    x = torch.cat([x, x.sum(1, keepdim=True)], 1)
    fitted = make().fit(x)
    assert fitted.explained_variance_[3] < 1e-14 * fitted.explained_variance_[0]
    assert fitted(x)[:, 3].abs().max() < 1e-12
    torch.testing.assert_close(fitted.inverse_transform(fitted(x)), x)


# --- whitening


@METHODS
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_the_covariance_becomes_the_identity(method, dtype, tolerance, offset):
    x = data(20_000, 8, dtype=dtype, offset=offset, condition=30)
    z = Whitening(method).fit(x)(x)
    assert z.dtype == dtype
    torch.testing.assert_close(
        covariance(z), torch.eye(8, dtype=torch.float64), rtol=0, atol=tolerance * (1 + offset / 1e2)
    )
    assert z.double().mean(0).abs().max() < tolerance * (1 + offset / 1e2)


@METHODS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_small_variances_are_whitened_too(method, dtype):
    """Where products in float32 would miss the smallest variance by a hundredth."""
    x = data(20_000, 8, dtype=dtype, condition=1e6)
    z = Whitening(method).fit(x)(x.double())
    torch.testing.assert_close(covariance(z), torch.eye(8, dtype=torch.float64), rtol=0, atol=1e-8)
    z = PCA(whiten=True).fit(x)(x.double())
    torch.testing.assert_close(covariance(z), torch.eye(8, dtype=torch.float64), rtol=0, atol=1e-8)


@METHODS
@pytest.mark.parametrize("epsilon", [1e-3, 0.05, 2.0])
def test_epsilon_damps_by_its_formula(method, epsilon):
    x = data(seed=2)
    fitted = Whitening(method, epsilon=epsilon).fit(x)
    s, turn = axes(x)
    damped = s.square() / (s.square() + epsilon)
    expected = damped.diag() if method == "pca" else turn.T @ damped.diag() @ turn
    torch.testing.assert_close(covariance(fitted(x)), expected)
    torch.testing.assert_close(fitted.inverse_transform(fitted(x)), x)
    truth = (x - x.mean(0)) @ turn.T / (s.square() + epsilon).sqrt()
    torch.testing.assert_close(fitted(x), truth if method == "pca" else truth @ turn)


def test_epsilon_mutes_a_direction_without_variance():
    x = data()
    x[:, 0] = 1.0
    noisy = x + 1e-3 * torch.eye(5, dtype=torch.float64)[0]
    for epsilon, gain in ((0.0, 1.0), (0.25, 2.0), (1e-17, 1.0)):
        z = Whitening("zca", epsilon=epsilon).fit(x)(noisy)
        torch.testing.assert_close(z[:, 0], torch.full((300,), 1e-3 * gain, dtype=torch.float64))


def test_dividing_by_the_eigenvalue_does_not_whiten():
    x = data()
    s, turn = axes(x)
    wrong = covariance((x - x.mean(0)) @ turn.T / s.square())
    torch.testing.assert_close(wrong.diagonal(), 1 / s.square())


@given(seed=st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_zca_is_symmetric_and_closest_to_the_input(seed):
    x = data(60, 4, seed=seed)
    zca = Whitening("zca").fit(x)
    centered = x - x.mean(0)
    matrix = (zca(torch.eye(4, dtype=torch.float64) + x.mean(0))).T
    torch.testing.assert_close(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).min() > 0
    distance = (zca(x) - centered).square().sum()
    rivals = [torch.linalg.qr(data(4, 4, seed=seed + k)).Q for k in range(1, 20)]
    for turn in [Whitening().fit(x).components_.T, *rivals]:
        rival = zca(x) @ turn  # as white
        torch.testing.assert_close(covariance(rival), torch.eye(4, dtype=torch.float64))
        assert (rival - centered).square().sum() >= distance * (1 - 1e-12)


def test_pca_whitening_is_that_of_pca():
    x = data()
    torch.testing.assert_close(Whitening().fit(x)(x), PCA(whiten=True).fit(x)(x))
    both = Whitening().fit(x)
    torch.testing.assert_close(both(x) @ both.components_, Whitening("zca").fit(x)(x))


# --- as a module


@pytest.mark.parametrize("n", [5, 20_000])
def test_fewer_components_in_other_memory(n):
    x = data(n, 6, dtype=torch.float32)
    kept = x.clone()
    pca = PCA(2).fit(x)
    z = pca(x)
    assert z.shape == (n, 2)
    assert torch.equal(pca.transform(x, out=torch.empty(n, 2)), z)
    assert torch.equal(pca.inverse_transform(z, out=torch.empty(n, 6)), pca.inverse_transform(z))
    with pytest.raises(ValueError, match=r"out must have shape \(\d+, 2\), dtype"):
        pca.transform(x, out=x)
    with pytest.raises(ValueError, match="x must have 2 features along dim=-1"):
        pca.inverse_transform(x)
    assert torch.equal(x, kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(mean_=s["mean_"][0]), r"mean_ must have shape \(features,\), got \(\)"),
        (
            lambda s: s.update(components_=s["components_"][:, :3]),
            r"components_ must have shape \(k, 5\) with k from 1 to 5, as mean_ has 5 f.*, got \(2, 3\)",
        ),
        (
            lambda s: s.update(components_=s["components_"][:0]),
            r"components_ must have shape \(k, 5\).* got \(0, 5\)",
        ),
        (
            lambda s: s.update(covariance_=s["covariance_"][:4]),
            r"covariance_ must have shape \(5, 5\), got \(4, 5\)",
        ),
        (
            lambda s: s.update(explained_variance_=s["explained_variance_"][:1]),
            r"explained_variance_ must have shape \(2,\), got \(1,\)",
        ),
        (
            lambda s: s.update(explained_variance_=-s["explained_variance_"]),
            r"explained_variance_ must not be negative, got -",
        ),
        (lambda s: s.pop("covariance_"), "Missing key.*covariance_"),
    ],
)
def test_an_unsound_checkpoint_is_refused(change, message):
    state = PCA(2).fit(data()).state_dict()
    change(state)
    for pca in (PCA(), PCA().fit(data(features=3))):
        before = statistics(pca)
        with pytest.raises(RuntimeError, match=message):
            pca.load_state_dict(state)
        assert_same(pca, before)


def test_a_checkpoint_with_other_options_is_taken_as_it_is():
    source, target = PCA(2).fit(data()), PCA(whiten=True)
    target.load_state_dict(source.state_dict())
    assert target.n_components_ == 2
    torch.testing.assert_close(target(data()), source(data()) / source.explained_variance_.sqrt())
    assert target.partial_fit(data()).n_components_ == 5


def test_it_says_what_it_is():
    assert repr(PCA()) == "PCA(n_components=None, whiten=False, not fitted)"
    assert repr(PCA(0.5, whiten=True).fit(data())) == "PCA(n_components=0.5, whiten=True, features=5)"
    assert (
        repr(Whitening("zca", epsilon=0.1).fit(data())) == "Whitening(method='zca', epsilon=0.1, features=5)"
    )
    assert copy.deepcopy(PCA(np.int64(2)).fit(data()))(data()).shape == (300, 2)


@pytest.mark.parametrize("device", DEVICES)
@ANY
def test_devices_agree(make, device):
    x = data(2000, dtype=torch.float32, offset=10)
    here, there = make().fit(x), make().fit(x.to(device))
    z = there(x.to(device))
    assert z.device.type == device
    torch.testing.assert_close(z.cpu(), here(x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(there.inverse_transform(z).cpu(), here.inverse_transform(here(x)))


def test_a_process_alone_has_the_statistics_of_all():
    from torch import distributed

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        pca = PCA(2).fit(data(offset=3))
        assert_close(copy.deepcopy(pca).synchronize(), pca)
        some = CoMoments.measure(data())
        nothing = CoMoments.nothing((5,), torch.device("cpu"))
        assert nothing.all_reduce().n == 0
        for same in (some.merge(nothing), nothing.merge(some), some.all_reduce()):
            assert same.n == 300
            assert torch.equal(same.mean, some.mean)
            assert torch.equal(same.scatter, some.scatter)
    finally:
        distributed.destroy_process_group()
