"""What every transform must do, whichever it is: the rows of table.py, one contract."""

import copy
import io
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.transforms.table import DEVICES, TABLE, assert_close, assert_same, statistics
from unitgain import transforms

ALL = pytest.mark.parametrize("name", TABLE)
WITH_DIM = pytest.mark.parametrize(
    "name", [name for name, subject in TABLE.items() if "dim" in subject.options]
)
WITH_NAN = pytest.mark.parametrize(
    "name", [name for name, subject in TABLE.items() if "nan" in subject.options]
)


def test_the_table_is_whole():
    assert {name.split("(")[0] for name in TABLE} == set(transforms.__all__) - {"Transform"}


def plain(n=60, features=3, *, seed=0, offset=0.0, dtype=torch.float64):
    """Correlated features of about the same size."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.tensor([[2.0, 0.3, 0.1], [0.0, 1.0, -0.2], [0.0, 0.0, 0.5]], dtype=torch.float64)
    x = torch.randn(n, 3, generator=generator, dtype=torch.float64) @ mix
    return (x[:, :features] + offset).to(dtype)


# --- the result


@ALL
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_the_truth_and_with_scikit_learn(name, dtype):
    subject = TABLE[name]
    x = plain(500, offset=3.0, dtype=dtype)
    ours, peer = subject.make().fit(x), subject.peer().fit(x.double().numpy())
    tolerance = 1e-12 if dtype == torch.float64 else 2e-6
    z = ours(x)
    assert z.dtype == dtype
    torch.testing.assert_close(z.double(), subject.truth(x.double()), rtol=tolerance, atol=tolerance)
    expected = torch.from_numpy(peer.transform(x.double().numpy()))
    torch.testing.assert_close(z.double(), expected, rtol=tolerance, atol=tolerance)
    for attribute in subject.shared:
        tolerance = subject.error if dtype == torch.float32 else 1e-11
        np.testing.assert_allclose(
            getattr(ours, attribute), getattr(peer, attribute), rtol=tolerance, err_msg=attribute
        )


@ALL
@pytest.mark.parametrize("offset", [0.0, -1e2, 1e4, 1e6 + 0.03])
def test_float32_is_exact_far_from_zero(name, offset):
    x = plain(20_000, offset=offset, dtype=torch.float32)
    truth = TABLE[name].truth(x.double())
    fitted = TABLE[name].make().fit(x)
    unit = truth.std(0).clamp(min=1.0)
    assert ((fitted(x) - truth).abs() / unit).max() <= 1e-6
    back = fitted.inverse_transform(fitted(x))
    assert (back - x).abs().max() <= 2 * torch.finfo(torch.float32).eps * (10 + abs(offset))


@ALL
def test_a_constant_feature_does_no_harm(name):
    x = plain(200, dtype=torch.float32)
    x[:, 1] = 0.1
    fitted = TABLE[name].make().fit(x)
    z = fitted(x)
    assert z.isfinite().all()
    torch.testing.assert_close(z.double(), TABLE[name].truth(x.double()), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fitted.inverse_transform(z), x, rtol=1e-5, atol=1e-5)
    assert fitted(x + 1).isfinite().all()


@ALL
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.bool])
def test_integers_give_the_default_dtype(name, dtype):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 2 if dtype == torch.bool else 200, (50, 3), generator=generator).to(dtype)
    z = TABLE[name].make().fit(x)(x)
    assert z.dtype == torch.float32
    torch.testing.assert_close(z.double(), TABLE[name].truth(x.double()), rtol=1e-5, atol=1e-5)


@WITH_DIM
@pytest.mark.parametrize("dim", [1, -3, 0, None])
def test_images_by_channel(name, dim):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (6, 3, 4, 5), generator=generator).to(torch.uint8)
    keep = None if dim is None else dim % 4
    fitted = TABLE[name].make(dim=dim).fit(x)
    for images in (x, x.contiguous(memory_format=torch.channels_last), x.float()):
        rows = images.double().reshape(-1, 1) if keep is None else images.double().movedim(keep, -1)
        flat = rows.reshape(-1, rows.shape[-1])
        truth = TABLE[name].truth(flat).view(rows.shape)
        truth = truth.view(images.shape) if keep is None else truth.movedim(-1, keep)
        torch.testing.assert_close(fitted(images).double(), truth, rtol=1e-5, atol=1e-5)
        back = fitted.inverse_transform(fitted(images))
        torch.testing.assert_close(back.round(), images.to(back.dtype))
    assert statistics(fitted)[fitted._names[0]].shape == (() if keep is None else (x.shape[keep],))
    assert fitted.n_samples_seen_ == x.numel() // (1 if keep is None else x.shape[keep])


# --- laws


@ALL
@given(
    cuts=st.lists(st.integers(1, 59), max_size=6, unique=True),
    offset=st.sampled_from([0.0, -1e3]),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=15, deadline=None)
def test_any_chunking_equals_all_at_once(name, cuts, offset, seed):
    x = plain(seed=seed, offset=offset)
    streamed = TABLE[name].make()
    for part in torch.tensor_split(x, sorted(cuts)):
        assert streamed.partial_fit(part) is streamed
    at_once = TABLE[name].make().fit(x)
    assert_close(streamed, at_once)
    torch.testing.assert_close(streamed(x), at_once(x), rtol=1e-8, atol=1e-8)


@ALL
@given(
    sizes=st.tuples(*[st.integers(1, 40)] * 3), seed=st.integers(0, 2**16), offset=st.sampled_from([0.0, 1e3])
)
@settings(max_examples=15, deadline=None)
def test_merge_is_associative_and_commutative(name, sizes, seed, offset):
    x = plain(sum(sizes), seed=seed, offset=offset)
    a, b, c = (TABLE[name].make().fit(part) for part in x.split(sizes))
    fresh = copy.deepcopy
    left = fresh(a).merge(b).merge(c)
    assert_close(left, fresh(a).merge(fresh(b).merge(c)))
    assert_close(left, fresh(c).merge(b).merge(a))
    assert_close(left, TABLE[name].make().fit(x))


@ALL
@given(seed=st.integers(0, 2**16), offset=st.sampled_from([0.0, -3.0, 1e4]))
@settings(max_examples=10, deadline=None)
def test_inverse_undoes(name, seed, offset):
    x = plain(30, seed=seed, offset=offset)
    fitted = TABLE[name].make().fit(x)
    torch.testing.assert_close(fitted.inverse_transform(fitted(x)), x, rtol=1e-12, atol=1e-10)


@ALL
@given(shift=st.floats(-1e4, 1e4), factor=st.floats(1e-4, 1e4), seed=st.integers(0, 2**16))
@settings(max_examples=15, deadline=None)
def test_moved_data_give_the_moved_result(name, shift, factor, seed):
    x = plain(50, seed=seed)
    y = (x + shift) * factor
    z = TABLE[name].of_moved(TABLE[name].make().fit(x)(x), factor)
    torch.testing.assert_close(TABLE[name].make().fit(y)(y), z, rtol=1e-7, atol=1e-7 * max(1.0, factor))


@ALL
def test_merging_with_nothing_and_fitting_anew(name):
    make, a, b = TABLE[name].make, plain(seed=1), plain(seed=2)
    fitted = make().fit(a)
    before = statistics(fitted)
    assert_same(fitted.merge(make()), before)
    taken = make().merge(fitted)
    assert_same(taken, before)
    taken.merge(make().fit(b))
    assert_same(fitted, before)
    assert statistics(make().merge(make())).keys() == statistics(make()).keys()
    assert_same(fitted.fit(b), statistics(make().fit(b)))


# --- NaN and other bad input


@WITH_NAN
def test_omitted_nan_equals_the_rest_and_streams(name):
    x = plain(300, offset=5.0)
    x[torch.rand(300, 3, generator=torch.Generator().manual_seed(0)) < 0.3] = torch.nan
    x[:40, 0] = torch.nan  # whole batches without a value
    make = TABLE[name].make
    at_once, streamed = make(nan="omit").fit(x), make(nan="omit")
    merged = make(nan="omit").fit(x[:40]).merge(make(nan="omit").fit(x[40:]))
    for part in x.split(20):
        streamed.partial_fit(part)
    assert_close(streamed, at_once)
    assert_close(merged, at_once)
    assert at_once.n_samples_seen_.tolist() == (~x.isnan()).sum(0).tolist()
    z = at_once(x)
    assert torch.equal(z.isnan(), x.isnan())
    for k in range(3):
        values = x[~x[:, k].isnan(), k : k + 1]
        torch.testing.assert_close(
            z[~x[:, k].isnan(), k : k + 1], TABLE[name].truth(values), rtol=1e-10, atol=1e-10
        )
    whole = (x.nan_to_num() * 10).long()
    torch.testing.assert_close(make(nan="omit").fit(whole)(whole), make().fit(whole)(whole))


@WITH_NAN
def test_a_feature_without_values_has_no_statistics_until_it_has(name):
    empty = torch.tensor([[torch.nan, 1.0], [torch.nan, 2.0]])
    fitted = TABLE[name].make(nan="omit").fit(empty)
    assert fitted.n_samples_seen_.tolist() == [0, 2]
    for statistic in fitted._names:
        assert getattr(fitted, statistic).isnan().tolist() == [True, False]
    full = torch.tensor([[4.0, 3.0], [6.0, torch.nan]])
    fitted.partial_fit(full)
    assert_close(fitted, TABLE[name].make(nan="omit").fit(torch.cat([empty, full])))


GOOD = plain(10, dtype=torch.float32)
NAN, INF = GOOD.clone(), GOOD.clone()
NAN[4, 2], NAN[5, 1], NAN[6, 2] = torch.nan, torch.nan, torch.nan
INF[3, 0], INF[4, 1] = torch.inf, -torch.inf
BAD = {
    "nan": (NAN, ValueError, "got 3, the first in column 1"),
    "infinity": (INF, ValueError, "x must not hold infinity, got 2, the first in column 0"),
    "no rows": (torch.empty(0, 3), ValueError, "x must hold at least one value to fit, got shape (0, 3)"),
    "no columns": (torch.empty(4, 0), ValueError, "(4, 0)"),
    "wrong width": (torch.ones(4, 2), ValueError, "x must have 3 features along dim=-1"),
    "wrong ndim": (torch.ones(3), ValueError, "x must have 2 dimensions or more for dim=-1, got shape (3,)"),
    "other device": (GOOD.to("meta"), ValueError, "x must be on cpu, like the statistics"),
    "complex": (GOOD.cfloat(), TypeError, "x must hold real numbers, got dtype"),
    "sparse": (torch.eye(3).to_sparse(), TypeError, "x must be dense, got layout torch.sparse_coo"),
    "list": (
        [[1.0, 2.0, 3.0]],
        TypeError,
        "x must be a torch.Tensor or an array of numbers, got a list",
    ),
    "none": (None, TypeError, "got a NoneType"),
    "words": (np.array([["a", "b", "c"]]), TypeError, "x must hold real numbers, got dtype <U1"),
    "objects": (np.array([[None, 1, 2]]), TypeError, "x must hold real numbers, got dtype object"),
}
NEEDS_A_FIT = ("wrong width", "other device", "no columns")


@ALL
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_and_changes_nothing(name, case):
    x, kind, message = BAD[case]
    unfitted, fitted = TABLE[name].make(), TABLE[name].make().fit(GOOD)
    before = statistics(fitted)
    calls = [fitted.partial_fit]
    if case not in NEEDS_A_FIT:
        calls += [fitted.fit, unfitted.fit, unfitted.partial_fit]
    if case not in ("nan", "infinity", "no rows", "no columns"):
        calls += [fitted, fitted.transform, fitted.inverse_transform]
    for call in calls:
        with pytest.raises(kind) as error:
            call(x)
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    assert_same(fitted, before)
    assert_same(unfitted, statistics(TABLE[name].make()))


@ALL
def test_an_unfitted_one_and_another_kind_are_refused(name):
    unfitted = TABLE[name].make()
    for call in (unfitted, unfitted.inverse_transform):
        with pytest.raises(
            RuntimeError, match=r"it must be fitted before use, got no data yet: call fit first$"
        ):
            call(GOOD)
    with pytest.raises(TypeError, match=r"other must be a \w+.*, got a Linear$"):
        unfitted.merge(nn.Linear(3, 3))
    with pytest.raises(RuntimeError, match="group must be a process group, got none"):
        unfitted.fit(GOOD).synchronize()


# --- as a module


@ALL
def test_in_a_model_under_bfloat16(name):
    x = plain(100, offset=300.0, dtype=torch.float32)
    fitted = TABLE[name].make().fit(x)
    before, exact = statistics(fitted), fitted(x)
    model = nn.Sequential(fitted, nn.Linear(exact.shape[1], 2)).to(torch.bfloat16)
    assert_same(model[0], before)
    assert torch.equal(model[0](x), exact)
    short = x.bfloat16()
    truth = copy.deepcopy(fitted)(short.double())
    torch.testing.assert_close(model[0](short).double(), truth, rtol=0.01, atol=0.01)
    assert model(short).dtype == torch.bfloat16
    assert_same(model.half()[0], before)


@ALL
@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("new", [None, 3])
@pytest.mark.parametrize("old", [None, 2, 3])
def test_a_checkpoint_brings_its_shape(name, old, new, assign):
    def made(features):
        transform = TABLE[name].make()
        return transform if features is None else transform.fit(plain(features=features))

    source, target = nn.Sequential(made(new)), nn.Sequential(made(old))
    buffer = io.BytesIO()
    torch.save(source.state_dict(), buffer)
    buffer.seek(0)
    target.load_state_dict(torch.load(buffer, weights_only=True), assign=assign)
    assert_same(target[0], statistics(source[0]))
    if new is not None:
        assert torch.equal(source(GOOD), target(GOOD))
    target[0].partial_fit(plain(seed=4))  # and it streams on
    assert_close(target[0], made(new).partial_fit(plain(seed=4)))
    assert_same(source[0], statistics(made(new)))


@ALL
def test_exports_inside_a_model(name):
    x = plain(40, offset=7.0, dtype=torch.float32)
    fitted = TABLE[name].make().fit(x)
    model = nn.Sequential(fitted, nn.Linear(fitted(x).shape[1], 2)).eval()
    rows = torch.export.Dim("rows", min=2, max=100_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        exported = torch.export.export(model, (x,), dynamic_shapes=({0: rows},))
        over_all = {torch.ops.aten.amax.default, torch.ops.aten.amin.default}  # ONNX has none without dim
        assert not any(node.target in over_all and len(node.args) < 2 for node in exported.graph.nodes)
        program = exported.module()
        other = plain(43, seed=5, dtype=torch.float32)
        torch.testing.assert_close(program(other), model(other))


@ALL
def test_gradients_pass_through(name):
    fitted = TABLE[name].make().fit(plain())
    x = plain(4, seed=6).requires_grad_()
    assert torch.autograd.gradcheck(fitted, (x,))
    assert torch.autograd.gradcheck(fitted.inverse_transform, (fitted(x).detach().requires_grad_(),))
    assert not list(fitted.parameters())
    assert not any(value.requires_grad for value in fitted.state_dict().values())


@pytest.mark.parametrize(
    "name", [name for name in TABLE if name != "Compose"]
)  # whose stages may change the shape
@pytest.mark.parametrize("n", [7, 20_000])  # below and above where the result's memory is ours
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_out(name, method, n):
    for dtype in (torch.float32, torch.bfloat16):
        x = plain(n, dtype=dtype)
        kept = x.clone()
        run = getattr(TABLE[name].make().fit(x), method)
        expected = run(x)
        assert torch.equal(x, kept), "the input is never changed"
        out = torch.empty_like(expected)
        assert run(x, out=out) is out
        assert torch.equal(out, expected)
        assert torch.equal(run(x, out=torch.empty(n, 6, dtype=dtype)[:, ::2]), expected)
        assert torch.equal(x, kept)
        assert run(x, out=x) is x
        assert torch.equal(x, expected)


@ALL
@pytest.mark.parametrize("device", DEVICES)
def test_devices_agree(name, device):
    x = plain(5000, offset=50.0, dtype=torch.float32)
    here = TABLE[name].make().fit(x)
    there = TABLE[name].make().fit(x[:1000].to(device)).partial_fit(x[1000:].to(device))
    assert there(x.to(device)).device.type == device
    torch.testing.assert_close(there(x.to(device)).cpu(), here(x), rtol=1e-5, atol=1e-5)
    assert_close(there.to("cpu"), here, TABLE[name].error)
    torch.testing.assert_close(here.to(device)(x.to(device)).cpu(), there(x), rtol=1e-5, atol=1e-5)


# --- processes and copies

WORLD = 4
PROCESSES = """
import datetime, os, sys, torch, torch.distributed as dist
from tests.transforms.table import TABLE, statistics

def run(folder, rank, world):
    store, patience = dist.FileStore(folder + "/store", world), datetime.timedelta(minutes=10)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=patience)
    result = []
    for name, options, parts in torch.load(folder + "/cases.pt"):
        transform = TABLE[name].make(**options)
        if parts[rank] is not None:
            for batch in parts[rank].split(50):
                transform.partial_fit(batch)
        try:
            transform.synchronize()
        except (ValueError, RuntimeError) as error:
            result.append((type(error).__name__, str(error), statistics(transform)))
        else:
            result.append(statistics(transform))
    torch.save(result, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()

folder, world = sys.argv[1], int(sys.argv[2])
children = []
for rank in range(world):  # one import for all: torch is slow to load and has started no threads yet
    children.append(os.fork())
    if not children[-1]:
        run(folder, rank, world)
        os._exit(0)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""


def in_processes(folder, cases):
    """What each of four processes ends up with, for each case, from one launch for all."""
    torch.save(cases, folder / "cases.pt")
    root = Path(__file__).parents[2]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(transforms.__file__).parents[2]), str(root)]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", PROCESSES, str(folder), str(WORLD)]
    subprocess.run(command, env=environment, check=True)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


def test_four_processes_equal_one(tmp_path):
    x = plain(400, offset=1e3)
    x[:, 1] = 0.1  # constant: must stay exact
    holes = x.clone()
    holes[torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.4] = torch.nan
    holes[:210, 2] = torch.nan
    sizes = [10, 200, 150, 40]
    parts, sieve = list(x.split(sizes)), list(holes.split(sizes))
    sound, refused = [], []
    for name, subject in TABLE.items():
        sound += [(name, {}, parts, x), (name, {}, [None, x[:300], None, x[300:]], x)]
        if "dim" in subject.options:
            sound += [(name, {"dim": None}, parts, x)]
        if "nan" in subject.options:
            sound += [
                (name, {"nan": "omit"}, sieve, holes),
                (name, {"nan": "omit"}, [None, holes, None, None], holes),
            ]
        refused += [(name, {}, [None] * WORLD), (name, {}, [*parts[:3], parts[3][:, :2]])]
    results = in_processes(tmp_path, [case[:3] for case in sound] + refused)

    for k, (name, options, _, whole) in enumerate(sound):
        one, many = TABLE[name].make(**options).fit(whole), TABLE[name].make(**options)
        many.load_state_dict(results[0][k])
        assert_close(many, one)
        for result in results:
            assert all(torch.equal(result[k][key], results[0][k][key]) for key in result[k])
        if name in ("Center", "StandardScaler") and not options:
            assert many.mean_[1] == 0.1
            assert (many(x)[:, 1] == 0).all()
    for k, (name, _, shares) in enumerate(refused, len(sound)):
        for rank, result in enumerate(results):
            kind, message, state = result[k]
            own = TABLE[name].make()
            if shares[rank] is None:
                assert (kind, message.split(": ")[1][:40]) == (
                    "RuntimeError",
                    "some process must have fitted it to synchronize, got data in none"[:40],
                )
            else:
                assert (kind, message.split(": ")[1][:42]) == (
                    "ValueError",
                    "processes must have equal numbers of featu",
                )
                for batch in shares[rank].split(50):
                    own.partial_fit(batch)
            assert_same(own, state)


def test_the_folder_works_alone(tmp_path):
    shutil.copytree(
        Path(transforms.__file__).parent, tmp_path / "borrowed", ignore=shutil.ignore_patterns("__pycache__")
    )
    program = f"""
import sys, torch
sys.path.insert(0, {str(tmp_path)!r})
import borrowed
x = torch.randn(9, 2)
for name in borrowed.__all__:
    if name not in ("Transform", "Compose"):
        chain = borrowed.Compose(getattr(borrowed, name)()).fit(x)
        assert torch.allclose(chain.inverse_transform(chain(x)), x, atol=1e-5), name
assert not [m for m in sys.modules if m.split(".")[0] in ("unitgain", "sklearn", "scipy")]
"""
    subprocess.run([sys.executable, "-I", "-c", program], check=True)
