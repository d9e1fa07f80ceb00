"""Each scaler alone: against scikit-learn's and against the same arithmetic in float64."""

import copy
import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler as PeerOfMinMax
from sklearn.preprocessing import StandardScaler as Peer
from torch import nn

from tests.transforms.table import assert_same, numbers, statistics
from unitgain.transforms import Center, Compose, MinMaxScaler, StandardScaler, base, moments

PLAIN_AND_LARGE = pytest.mark.parametrize(
    "n", [7, 20_000]
)  # below and above where the result's memory is ours
GOOD = numbers(10, 3)
INF = GOOD.clone()
INF[3, 0], INF[4, 1] = torch.inf, -torch.inf
OVERFLOW = torch.tensor([[1e200] * 3, [-1e200] * 3], dtype=torch.float64)


def exact(x, dims=0):
    """The standardized `x` in float64; constant features are left at 0."""
    x = x.double()
    std = x.std(dims, correction=0, keepdim=True)
    return (x - x.mean(dims, keepdim=True)) / std.where(std > 0, 1.0)


def assert_close(a, b, rtol=1e-10):
    """The statistics of two scalers, but for what one rounding of the mean in float64 does to them."""
    assert torch.equal(a.n_samples_seen_, b.n_samples_seen_)
    sd = b.var_.sqrt()
    rounding = 8 * torch.finfo(torch.float64).eps * b.mean_.abs()
    assert ((a.mean_ - b.mean_).abs() <= rtol * sd + rounding).all()
    assert ((a.var_ - b.var_).abs() <= rtol * b.var_ + rounding * (sd + rounding)).all()


@pytest.mark.parametrize("flags", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_scikit_learn(dtype, flags):
    with_mean, with_std = flags
    x = numbers(500, 5, dtype=torch.float64, offset=3).numpy().astype(dtype)
    x[:, 2] = 0.1  # constant
    ours = StandardScaler(with_mean=with_mean, with_std=with_std).fit(x)
    peer = Peer(with_mean=with_mean, with_std=with_std).fit(x)
    if with_std:
        np.testing.assert_allclose(ours.var_, peer.var_, rtol=1e-6, atol=1e-15)
        np.testing.assert_allclose(ours.scale_, peer.scale_, rtol=1e-6)
    else:
        assert ours.scale_ is None
        assert peer.scale_ is None
    if with_mean or with_std:
        np.testing.assert_allclose(ours.mean_, peer.mean_, rtol=1e-6)
    assert ours.n_samples_seen_ == peer.n_samples_seen_ == 500
    z = ours.transform(x)
    assert z.numpy().dtype == dtype
    np.testing.assert_allclose(z, peer.transform(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.inverse_transform(z), x, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0, 1, -1e2, 1e4, -1e6, 1e6 + 0.03])
def test_is_exact_far_from_zero(offset, dtype):
    x = (torch.randn(200_000, 2, generator=torch.Generator().manual_seed(1)) + offset).to(dtype)
    scaler = StandardScaler().fit(x)
    assert (scaler(x).double() - exact(x)).abs().max() <= (1e-6 if dtype == torch.float32 else 1e-9)
    back = scaler.inverse_transform(scaler(x))
    if abs(offset) >= 1e4 and dtype == torch.float32:
        assert torch.equal(back, x)
    assert (back - x).abs().max() <= 2 * torch.finfo(dtype).eps * (5 + abs(offset))


@pytest.mark.parametrize("offset", [0, -1e2, 1e4, 1e6 + 0.03])
@pytest.mark.parametrize("scale", [1.0, 37.3, 1e-3])
def test_the_error_in_float32_is_relative_far_out(offset, scale):
    """At z = 66, which real tables reach, an absolute bound of 1e-6 would be wrong."""
    x = torch.randn(100_000, 4, generator=torch.Generator().manual_seed(1)) + offset
    x[:3] += torch.tensor([[66.0], [-1e3], [1e4]])
    x *= scale
    for make in (StandardScaler, MinMaxScaler):
        scaler = make().fit(x)
        exact = scaler(x.double())
        assert ((scaler(x) - exact).abs() / exact.abs().clamp(min=1.0)).max() <= 1.5e-7
    assert (StandardScaler().fit(x)(x)[2] > 66).all()


def test_the_inverse_does_not_round_the_mean():
    x = torch.tensor(
        [[1e6 - 0.97], [1e6 + 1.03]], dtype=torch.float64
    )  # mean 1e6 + 0.03; float32 steps by 0.0625
    z = numbers(1000, 1)
    scaler = StandardScaler().fit(x)
    true = z.double() * scaler.scale_ + scaler.mean_
    assert (scaler.inverse_transform(z).double() - true).abs().max() <= 0.0625 / 2 * 1.01


@given(
    cuts=st.lists(st.integers(1, 199), max_size=6, unique=True),
    offset=st.sampled_from([0.0, -1e3, 1e6]),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=40, deadline=None)
def test_any_chunking_equals_all_at_once(cuts, offset, seed):
    x = numbers(200, 3, seed=seed, dtype=torch.float64, offset=offset)
    streamed = StandardScaler()
    for part in torch.tensor_split(x, sorted(cuts)):
        streamed.partial_fit(part)
    assert_close(streamed, StandardScaler().fit(x))
    torch.testing.assert_close(streamed(x), exact(x), rtol=1e-7, atol=1e-7)


@given(
    sizes=st.tuples(*[st.integers(1, 40)] * 3), seed=st.integers(0, 2**16), offset=st.sampled_from([0.0, 1e5])
)
@settings(max_examples=40, deadline=None)
def test_merge_is_associative_and_commutative(sizes, seed, offset):
    x = numbers(sum(sizes), 2, seed=seed, dtype=torch.float64, offset=offset)
    a, b, c = (StandardScaler().fit(part) for part in x.split(sizes))
    fresh = copy.deepcopy
    left = fresh(a).merge(b).merge(c)
    assert_close(left, fresh(a).merge(fresh(b).merge(c)))
    assert_close(left, fresh(c).merge(b).merge(a))
    assert_close(left, StandardScaler().fit(x))


@pytest.mark.parametrize("dim", [1, -3, None, 0, -1])
def test_dim(dim):
    x = torch.randn(6, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 3 + 7
    keep = None if dim is None else dim % 4
    others = [d for d in range(4) if d != keep]
    for images in (x, x.contiguous(memory_format=torch.channels_last), x.transpose(2, 3)):
        scaler = StandardScaler(dim).fit(images)
        assert scaler.mean_.shape == (() if dim is None else (images.shape[dim],))
        assert scaler.n_samples_seen_ == images.numel() // scaler.mean_.numel()
        torch.testing.assert_close(scaler(images).double(), exact(images, others), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(scaler.inverse_transform(scaler(images)), images)


def test_the_layout_of_images_is_kept():
    x = torch.randn(8, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    assert StandardScaler(1).fit(x)(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e6 / 3, 3e-5, 65000.0])
def test_a_constant_feature_becomes_exactly_zero(value, dtype):
    x = torch.full((50_001, 2), value, dtype=torch.float64).to(dtype)
    if not x.isfinite().all():
        return  # beyond the dtype
    x[:, 1] = torch.arange(50_001) % 7
    at_once, streamed = StandardScaler().fit(x), StandardScaler()
    for part in x.split(777):
        streamed.partial_fit(part)
    merged = StandardScaler().fit(x[:100]).merge(StandardScaler().fit(x[100:]))
    for scaler in (at_once, streamed, merged):
        assert scaler.scale_[0] == 1
        assert scaler.mean_[0] == x[0, 0].double()
        assert (scaler(x)[:, 0] == 0).all()


def test_rounding_noise_counts_as_constant():
    x = torch.full((1000, 1), 0.3, dtype=torch.float64)
    x[::2] = 0.1 + 0.2
    scaler = StandardScaler().fit(x)
    assert scaler.scale_.item() == 1
    assert scaler(x).abs().max() < 1e-15
    assert (StandardScaler().fit(x.float())(x.float()) == 0).all()


def test_a_small_but_real_spread_is_kept():
    x = 1e6 + 1e-4 * torch.randn(100_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert StandardScaler().fit(x).scale_.item() == pytest.approx(1e-4, rel=0.02)


def test_one_row():
    scaler = StandardScaler().fit(torch.tensor([[1.0, -2.0]]))
    assert scaler.var_.tolist() == [0, 0]
    assert scaler(torch.tensor([[1.0, 0.0]])).tolist() == [[0.0, 2.0]]


def test_no_rows_to_transform():
    scaler = StandardScaler().fit(numbers())
    assert scaler(torch.empty(0, 3)).shape == (0, 3)
    assert scaler.inverse_transform(torch.empty(0, 3)).shape == (0, 3)


def test_omit_equals_scikit_learn_and_streams():
    x = numbers(300, 4, dtype=torch.float64, offset=5)
    x[torch.rand(300, 4, generator=torch.Generator().manual_seed(0)) < 0.3] = torch.nan
    x[:40, 0] = torch.nan  # whole batches without a value
    streamed = StandardScaler(nan="omit")
    for part in x.split(20):
        streamed.partial_fit(part)
    at_once, peer = StandardScaler(nan="omit").fit(x), Peer().fit(x.numpy())
    assert_close(streamed, at_once)
    np.testing.assert_allclose(at_once.mean_, peer.mean_, rtol=1e-12)
    np.testing.assert_allclose(at_once.var_, peer.var_, rtol=1e-12)
    assert at_once.n_samples_seen_.tolist() == peer.n_samples_seen_.tolist()
    assert torch.equal(at_once(x).isnan(), x.isnan())
    images = StandardScaler(1, nan="omit").fit(x.view(25, 4, 12))
    assert images.n_samples_seen_.sum() == x.isfinite().sum()


def test_transform_passes_nan_and_infinity_on():
    scaler = StandardScaler().fit(numbers())
    z = scaler(torch.tensor([[torch.nan, torch.inf, 0.0]]))
    assert z.isnan().tolist() == [[True, False, False]]
    assert z.isinf().tolist() == [[False, True, False]]


@PLAIN_AND_LARGE
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_floating_dtype_is_kept(dtype, n):
    x = numbers(n, 2, dtype=torch.float64).clamp(-1e4, 1e4).to(dtype)
    scaler = StandardScaler().fit(x)
    assert scaler.mean_.dtype == scaler.var_.dtype == torch.float64
    z = scaler(x)
    assert z.dtype == dtype
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(z.double(), exact(x), rtol=max(2 * eps, 1e-13), atol=4 * eps)
    assert scaler.inverse_transform(z).dtype == dtype


@PLAIN_AND_LARGE
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64, torch.bool])
def test_integers_give_the_default_dtype_exactly(dtype, n):
    x = (torch.arange(3 * n).view(n, 3) * 5 % 7).to(dtype)
    z = StandardScaler().fit(x)(x)
    assert z.dtype == torch.get_default_dtype() == torch.float32
    torch.testing.assert_close(z.double(), exact(x), rtol=1e-6, atol=1e-6)
    large = torch.arange(n).view(n, 1) + 2**40  # float32 would see one constant
    torch.testing.assert_close(
        StandardScaler().fit(large)(large).double(), exact(large), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("change", ["half", "bfloat16", "double", "float", "cpu"])
def test_a_model_that_changes_dtype_leaves_the_statistics(change):
    scaler = StandardScaler().fit(numbers(offset=1e4))
    model = nn.Sequential(scaler, nn.Linear(3, 2))
    before = statistics(scaler)
    getattr(model, change)()
    assert_same(scaler, before)
    for dtype in (torch.bfloat16, torch.float16):
        assert_same(model.to(dtype)[0], before)
    assert model[1].weight.dtype == torch.float16
    assert_same(scaler.type(torch.float32), before)


def test_a_failed_move_loses_nothing():
    scaler = StandardScaler().fit(numbers())
    before = statistics(scaler)
    with pytest.raises(RuntimeError):
        scaler.to("nowhere")
    assert_same(scaler, before)
    scaler.network = nn.Linear(3, 2)

    def fail_half_way(tensor):
        if tensor.ndim == 2:
            raise MemoryError
        return tensor

    with pytest.raises(MemoryError):
        scaler._apply(fail_half_way)
    del scaler.network
    assert_same(scaler, before)


def test_moving_an_unfitted_scaler():
    assert StandardScaler().half().to("meta").mean_ is None
    assert StandardScaler().to("meta").fit(numbers()).mean_.device.type == "cpu"


def test_without_float64_the_statistics_stay_and_the_constants_move(monkeypatch):
    for module in (moments, base):
        monkeypatch.setattr(module, "NO_FLOAT64", ("meta",))  # stands in for MPS
    scaler = StandardScaler().fit(numbers())
    before = statistics(scaler)

    def move(tensor):
        if tensor.dtype == torch.float64:
            raise TypeError("the device has no float64")
        return tensor.to("meta")

    assert_same(scaler._apply(move), before)
    z = scaler(torch.empty(5, 3, device="meta"))
    assert (z.device.type, z.dtype, z.shape) == ("meta", torch.float32, (5, 3))


@PLAIN_AND_LARGE
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32])
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_out(method, dtype, n):
    x = numbers(n, 3).to(dtype)
    kept = x.clone()
    scaler = StandardScaler().fit(x)
    run = getattr(scaler, method)
    expected = run(x)
    assert torch.equal(x, kept), "the input is never changed"
    out = torch.empty_like(expected)
    assert run(x, out=out) is out
    assert torch.equal(out, expected)
    assert torch.equal(x, kept)
    strided = torch.empty(n, 6, dtype=expected.dtype)[:, ::2]
    assert torch.equal(run(x, out=strided), expected)
    if dtype.is_floating_point:
        assert run(x, out=x) is x
        assert torch.equal(x, expected)


def test_numpy_arrays():
    x = numbers().numpy()
    frozen = x.copy()
    frozen.flags.writeable = False
    expected = StandardScaler().fit(torch.from_numpy(x))(torch.from_numpy(x))
    for array in (x, frozen, np.asfortranarray(x), x[::-1][::-1]):
        z = StandardScaler().fit(array).transform(array)
        assert isinstance(z, torch.Tensor)
        torch.testing.assert_close(z, expected)
    torch.testing.assert_close(StandardScaler().fit(x)(x[::-1]), expected.flip(0))


@pytest.mark.parametrize("make", [StandardScaler, lambda: Compose(nn.Identity(), StandardScaler())])
def test_a_mapped_file_is_not_copied_to_be_fitted(tmp_path, make):
    x = numbers().numpy().repeat(1000, axis=0)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    tracemalloc.start()
    scaler = make().fit(mapped).partial_fit(mapped)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes / 10
    expected = make().fit(x).partial_fit(x)
    torch.testing.assert_close(scaler.state_dict(), expected.state_dict())
    output = scaler.transform(mapped)
    output += 1  # memory of its own, whose writing harms nobody


def test_a_chain_hands_out_no_read_only_memory():
    frozen = numbers().numpy().copy()
    frozen.flags.writeable = False
    kept = frozen.copy()
    output = Compose(nn.Identity()).transform(frozen)
    output += 1
    assert np.array_equal(frozen, kept)


@pytest.mark.parametrize("assign", [False, True])
def test_a_rounded_checkpoint_is_taken_in_float64(assign):
    state = {k: v.float() for k, v in StandardScaler().fit(numbers()).state_dict().items()}
    scaler = StandardScaler()
    scaler.load_state_dict(state, assign=assign)
    assert (scaler.mean_.dtype, scaler.n_samples_seen_.dtype) == (torch.float64, torch.int64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(var_=-s["var_"]), "var_ must not be negative, got -"),
        (lambda s: s.update(var_=s["var_"][:2]), r"var_ must have shape \(3,\), as mean_, got \(2,\)"),
        (
            lambda s: s.update(mean_=s["mean_"][0]),
            r"mean_ must have shape \(features,\) for dim=-1, got \(\)",
        ),
        (lambda s: s.pop("var_"), "Missing key.*var_"),
        (lambda s: s.pop("n_samples_seen_"), "Missing key.*n_samples_seen_"),
        (lambda s: s.update(more=s["mean_"]), "Unexpected key.*more"),
    ],
)
def test_an_unsound_checkpoint_is_refused(change, message):
    state = StandardScaler().fit(numbers()).state_dict()
    change(state)
    for scaler in (StandardScaler(), StandardScaler().fit(numbers(features=4))):
        before = statistics(scaler)
        with pytest.raises(RuntimeError, match=message):
            scaler.load_state_dict(state)
        if "more" not in state and "n_samples_seen_" in state:
            assert_same(scaler, before)


def test_deepcopy_and_pickle():
    scaler = StandardScaler(1, nan="omit").fit(torch.rand(4, 3, 2))
    for twin in (copy.deepcopy(scaler), pickle.loads(pickle.dumps(scaler))):
        assert_same(twin, statistics(scaler))
        assert repr(twin) == repr(scaler) == "StandardScaler(dim=1, features=3)"
        before = statistics(scaler)
        twin.partial_fit(torch.rand(4, 3, 2))
        assert_same(scaler, before)
    assert repr(StandardScaler()) == "StandardScaler(dim=-1, not fitted)"


@PLAIN_AND_LARGE
def test_gradients_pass_through(n):
    x = numbers(n, 2).requires_grad_()
    scaler = StandardScaler().fit(x)
    weight = torch.randn(n, 2)
    (gradient,) = torch.autograd.grad((scaler(x) * weight).sum(), x)
    torch.testing.assert_close(gradient.double(), weight / scaler.scale_, rtol=1e-6, atol=0)
    (back,) = torch.autograd.grad((scaler.inverse_transform(x) * weight).sum(), x)
    torch.testing.assert_close(back.double(), weight * scaler.scale_, rtol=1e-6, atol=0)
    with torch.no_grad():
        assert torch.equal(scaler.transform(x, out=torch.empty(n, 2)), scaler(x))
    small = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(scaler, (small,))
    assert not list(scaler.parameters())
    assert not scaler.mean_.requires_grad


@PLAIN_AND_LARGE
@pytest.mark.filterwarnings(
    "ignore:.torch.jit.script. is deprecated:DeprecationWarning"
)  # torch's own, of jvp
def test_function_transforms_pass_through(n):
    x = numbers(n, 2)
    scaler = StandardScaler().fit(x)
    stacked = torch.stack([x, 2 * x])
    torch.testing.assert_close(torch.func.vmap(scaler)(stacked), scaler(stacked))
    gradient = torch.func.grad(lambda y: scaler(y).sum())(x)
    torch.testing.assert_close(gradient.double(), (1 / scaler.scale_).expand(n, 2), rtol=1e-6, atol=0)
    ones = torch.ones_like(x)
    _, tangent = torch.func.jvp(scaler, (x,), (ones,))
    torch.testing.assert_close(tangent, gradient)
    with torch.autograd.forward_ad.dual_level():
        dual = scaler(torch.autograd.forward_ad.make_dual(x, ones))
        torch.testing.assert_close(torch.autograd.forward_ad.unpack_dual(dual).tangent, gradient)


@PLAIN_AND_LARGE
def test_exports_with_the_model(n):
    x = numbers(n, 3)
    model = nn.Sequential(StandardScaler().fit(x), nn.Linear(3, 2)).eval()
    rows = torch.export.Dim("rows", min=2, max=100_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        program = torch.export.export(model, (x,), dynamic_shapes=({0: rows},)).module()
        strict = torch.export.export(model, (x,), dynamic_shapes=({0: rows},), strict=True)
        assert "empty" not in str(strict.graph), "no memory of the example's size"
        other = numbers(n + 3, 3, seed=5)
        torch.testing.assert_close(strict.module()(other), model(other))
        torch.testing.assert_close(program(other), model(other))
        compiled = torch.compile(model, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(other), model(other))


@pytest.mark.parametrize("nan", ["raise", "omit"])
def test_infinity_is_refused_under_either_policy(nan):
    with pytest.raises(ValueError, match="infinity, got 2, the first in column 0"):
        StandardScaler(nan=nan).fit(INF)
    with pytest.raises(ValueError, match=r"infinity, got 2, the first in entry 0 of dimension 1$"):
        StandardScaler(1, nan=nan).fit(INF)
    with pytest.raises(ValueError, match=r"infinity, got 2$"):
        StandardScaler(None, nan=nan).fit(INF)


def test_values_that_are_large_but_fine():
    x = torch.tensor([[9e153, 9e153], [-9e153, -9e153]], dtype=torch.float64)
    torch.testing.assert_close(StandardScaler().fit(x)(x), x.sign())
    huge = torch.full((2, 2), 1.5e308, dtype=torch.float64)[
        :1
    ]  # the sum of the means overflows, no mean does
    assert StandardScaler().fit(huge)(huge).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: StandardScaler("0"), TypeError, "dim must be an int or None, got '0'"),
        (lambda: StandardScaler(True), TypeError, "dim must be an int or None, got True"),
        (lambda: StandardScaler(nan="drop"), ValueError, 'nan must be "raise" or "omit", got \'drop\''),
        (lambda: StandardScaler()(GOOD), RuntimeError, "StandardScaler: it must be fitted before use"),
        (lambda: StandardScaler().inverse_transform(GOOD), RuntimeError, "must be fitted before use"),
        (
            lambda: StandardScaler(1).fit(torch.ones(4)),
            ValueError,
            "x must have 2 dimensions or more for dim=1",
        ),
        (lambda: StandardScaler(-3).fit(GOOD), ValueError, "x must have 3 dimensions or more for dim=-3"),
        (
            lambda: StandardScaler().fit(GOOD.to("meta")),
            ValueError,
            "x must hold values to fit, got the device meta",
        ),
        (lambda: fitted().merge(None), TypeError, "other must be a StandardScaler, got a NoneType"),
        (
            lambda: fitted().merge(StandardScaler(1)),
            ValueError,
            "other must have the same dim, -1, got 1",
        ),
        (
            lambda: fitted().merge(StandardScaler(nan="omit")),
            ValueError,
            "other must have the same nan, 'raise'",
        ),
        (lambda: fitted().merge(fitted(2)), ValueError, "other must have 3 features, got 2"),
        (lambda: fitted().merge(fitted().to("meta")), ValueError, "other must be on cpu, got meta"),
        (lambda: fitted().synchronize(), RuntimeError, "group must be a process group, got none"),
        (
            lambda: fitted().transform(GOOD, out=GOOD.numpy()),
            TypeError,
            "out must be a torch.Tensor, got a ndarray",
        ),
        (
            lambda: fitted().transform(GOOD, out=torch.empty(3)),
            ValueError,
            "out must have shape (10, 3), dtype",
        ),
        (lambda: fitted().transform(GOOD, out=GOOD.double()), ValueError, "and torch.float64"),
        (lambda: fitted().transform(GOOD, out=GOOD.to("meta")), ValueError, "and meta"),
        (
            lambda: fitted().transform(GOOD.clone().requires_grad_(), out=torch.empty(10, 3)),
            ValueError,
            "out must be None where x or out requires a gradient",
        ),
    ],
)
def test_misuse_is_named(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    if "and torch.float64" in message or "and meta" in message:
        message = "out must have shape (10, 3), dtype torch.float32 and device cpu"
    assert message in str(error.value)


@pytest.mark.parametrize("scaler", [StandardScaler(), StandardScaler().fit(GOOD)])
def test_what_does_not_fit_into_float64_is_refused(scaler):
    before = statistics(scaler)
    with pytest.raises(
        ValueError, match=r"x must have squares that fit in float64, got values up to 1e\+200"
    ):
        scaler.partial_fit(OVERFLOW)
    assert_same(scaler, before)
    assert (Center().fit(OVERFLOW)(OVERFLOW) == OVERFLOW).all()  # the mean fits
    assert (MinMaxScaler().fit(OVERFLOW)(OVERFLOW)[:, 0] == torch.tensor([1.0, 0.0])).all()
    with pytest.raises(ValueError, match=r"x must have sums that fit in float64, got values up to 1e\+308"):
        Center().fit(torch.full((9, 1), 1e308, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"x must have ranges that fit in float64, got values up to 1e\+308"):
        MinMaxScaler().fit(torch.tensor([[1e308], [-1e308]], dtype=torch.float64))


def fitted(features=3):
    return StandardScaler().fit(numbers(10, features))


# --- the range


@pytest.mark.parametrize("limits", [(0.0, 1.0), (-1, 1), (-0.3, 0.1), (5.0, 1e4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_minmax_equals_scikit_learn(limits, dtype):
    x = numbers(500, 5, dtype=torch.float64, offset=3).numpy().astype(dtype)
    x[:, 2] = 0.1  # constant
    ours, peer = MinMaxScaler(limits).fit(x), PeerOfMinMax(feature_range=limits).fit(x.astype(np.float64))
    for name in ("data_min_", "data_max_", "scale_", "min_", "n_samples_seen_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(peer, name), rtol=1e-11, err_msg=name)
    z = ours.transform(x)
    width = limits[1] - limits[0]
    np.testing.assert_allclose(z, peer.transform(x.astype(np.float64)), rtol=1e-6, atol=1e-6 * width)
    assert (z[:, 2] == torch.tensor(limits[0], dtype=z.dtype)).all(), "a constant goes to the low end"
    assert (z.amin(0) == torch.tensor(limits[0], dtype=z.dtype)).all(), (
        "so does every least value, to the bit"
    )
    np.testing.assert_allclose(
        ours.inverse_transform(z), x, rtol=1e-5, atol=1e-3 if dtype == np.float32 else 1e-9
    )


@pytest.mark.parametrize("offset", [0, -1e2, 1e4, 1e6 + 0.03])
def test_minmax_is_exact_far_from_zero(offset):
    x = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(1)) + offset
    low, high = x.double().amin(0), x.double().amax(0)
    scaler = MinMaxScaler((-1, 1)).fit(x)
    assert (scaler(x).double() - ((x.double() - low) / (high - low) * 2 - 1)).abs().max() <= 2e-7
    y = x.double() + 0.01  # limits that float32 rounds
    z = MinMaxScaler().fit(y)(x).double()
    assert (z - (x.double() - low - 0.01) / (high - low)).abs().max() <= 2e-7


def test_clip():
    scaler = MinMaxScaler((-1, 1), clip=True).fit(torch.tensor([[0.0], [2.0]]))
    x = torch.tensor([[-5.0], [0.5], [7.0], [torch.nan]])
    assert scaler(x).nan_to_num(9).flatten().tolist() == [-1, -0.5, 1, 9]
    assert scaler.transform(x, out=x) is x
    assert x.nan_to_num(9).flatten().tolist() == [-1, -0.5, 1, 9]
    large = torch.linspace(-9, 9, 50_000).view(-1, 1)
    assert scaler(large).aminmax() == (-1, 1)
    assert MinMaxScaler((-1, 1)).fit(torch.tensor([[0.0], [2.0]]))(torch.tensor([[7.0]])).item() == 6


def test_minmax_before_any_fit():
    scaler = MinMaxScaler()
    assert scaler.data_min_ is scaler.scale_ is scaler.min_ is None


def test_minmax_of_one_row_and_of_rounding_noise():
    assert MinMaxScaler((2, 3)).fit(GOOD[:1])(GOOD[:1] + 0.5).tolist() == [[2.5, 2.5, 2.5]]
    x = torch.full((10, 1), 0.3, dtype=torch.float64)
    x[::2] = 0.1 + 0.2
    assert MinMaxScaler().fit(x).scale_.item() == 1
    tiny = torch.tensor([[1e-30], [3e-30]], dtype=torch.float64)  # scikit-learn calls this constant
    assert MinMaxScaler().fit(tiny)(tiny).tolist() == [[0], [1]]


@pytest.mark.parametrize("limits", [(1, 0), (0, 0), (0, np.inf), (np.nan, 1), (0, 1, 2), ("a", "b"), 3, None])
def test_a_range_that_is_none(limits):
    with pytest.raises(ValueError, match="feature_range must be two finite numbers, low < high, got"):
        MinMaxScaler(limits)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int8, torch.int64, torch.bool, torch.uint16, torch.bfloat16]
)
@pytest.mark.parametrize("nan", ["raise", "omit"])
def test_minmax_of_any_dtype(dtype, nan):
    x = (torch.arange(90).view(30, 3) * 5 % 7 % 2).to(dtype)
    scaler = MinMaxScaler(nan=nan).fit(x)
    assert scaler.data_min_.dtype == scaler.data_max_.dtype == torch.float64
    torch.testing.assert_close(scaler(x).double(), x.double())
    assert (scaler.n_samples_seen_ == 30).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.update(data_max_=s["data_min_"] - 1),
            "data_max_ must be at least data_min_, got less",
        ),
        (lambda s: s.update(data_max_=s["data_max_"][:2]), r"data_max_ must have shape \(3,\), as data_min_"),
        (
            lambda s: s.update(data_min_=s["data_min_"][0]),
            r"data_min_ must have shape \(features,\) for dim=-1",
        ),
    ],
)
def test_an_unsound_range_is_refused(change, message):
    state = MinMaxScaler().fit(numbers()).state_dict()
    change(state)
    with pytest.raises(RuntimeError, match=message):
        MinMaxScaler().load_state_dict(state)
