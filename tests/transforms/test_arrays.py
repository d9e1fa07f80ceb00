"""What goes in and out of every transform: masks, tables, foreign memory, and the modes of torch."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from tests.transforms.table import TABLE, assert_same, numbers, statistics
from unitgain.transforms import PCA, Center, Compose, MinMaxScaler, StandardScaler

ALL = pytest.mark.parametrize("name", TABLE)
WITH_NAN = pytest.mark.parametrize("name", [name for name, row in TABLE.items() if "nan" in row.options])
HIDDEN = np.array([[0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]], dtype=bool)
VALUES = np.array([[1.0, 77.0, 5.0], [2.0, 3.0, 4.0], [99.0, 5.0, 3.0], [6.0, 4.0, 9.0]])


def masked(dtype):
    """As readers of files give it: something absurd under the mask."""
    return np.ma.masked_array(VALUES.astype(dtype), mask=HIDDEN)


def masked_tensor(dtype):
    with warnings.catch_warnings(action="ignore"):  # torch's own: a prototype
        return torch.masked.masked_tensor(torch.from_numpy(VALUES.astype(dtype)), ~torch.from_numpy(HIDDEN))


# --- what a mask hides


@WITH_NAN
@pytest.mark.parametrize(
    ("hide", "dtype"),
    [(masked, dtype) for dtype in ("float32", "float64", "uint8", "int64")]
    + [(masked_tensor, dtype) for dtype in ("float32", "float64", "int64")],
)
def test_what_is_masked_is_missing(name, hide, dtype):
    holes = torch.from_numpy(np.where(HIDDEN, np.nan, VALUES))
    expected = TABLE[name].make(nan="omit").fit(holes)
    fitted = TABLE[name].make(nan="omit").fit(hide(dtype))
    assert_same(fitted, statistics(expected))
    z, truth = fitted(hide(dtype)), expected(holes)
    torch.testing.assert_close(z.double(), truth, equal_nan=True, rtol=1e-6, atol=1e-6)
    back = fitted.inverse_transform(hide(dtype))
    torch.testing.assert_close(back.isnan(), torch.from_numpy(HIDDEN))


@ALL
@pytest.mark.parametrize("hide", [masked, masked_tensor])
def test_a_mask_is_refused_where_nan_is(name, hide):
    with pytest.raises(ValueError, match=r"^\w+: x must not hold NaN.*, got 2, the first in column 0$"):
        TABLE[name].make().fit(hide("float32"))
    whole = np.ma.masked_array(VALUES)
    assert_same(TABLE[name].make().fit(whole), statistics(TABLE[name].make().fit(VALUES)))


# --- foreign memory


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i2", "<f4"])
def test_another_byte_order_and_torn_memory(dtype):
    x = numbers(20, 2).round().clamp(-9, 9).numpy()
    expected = StandardScaler().fit(x.astype(np.float64))
    torn = np.zeros(x.shape, dtype=[("flag", "i1"), ("value", dtype)])
    torn["value"] = x
    for array in (x.astype(dtype), torn["value"], torn["value"][::-1]):
        assert_same(StandardScaler().fit(array), statistics(expected))


@pytest.mark.parametrize(
    "x",
    [
        VALUES.astype(np.longdouble),
        VALUES.astype("datetime64[s]"),
        VALUES.astype(complex),
        np.ma.masked_array(VALUES.astype(complex), mask=HIDDEN),
        VALUES.astype(object),
        np.zeros(3, dtype=[("a", "f8")]),
    ],
    ids=lambda x: str(x.dtype),
)
def test_what_is_no_real_number_is_refused(x):
    for call in (StandardScaler().fit, StandardScaler().fit(numbers(9, 3)).transform):
        with pytest.raises(TypeError, match=r"^StandardScaler: x must hold real numbers, got dtype "):
            call(x)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype:UserWarning")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors_are_refused(layout):
    x = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(1, 3)], layout=layout)
    with pytest.raises(TypeError, match=r"^Center: x must be dense, got layout nested$"):
        Center().fit(x)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.uint16, torch.uint32, torch.uint64])
@ALL
def test_rare_dtypes(name, dtype):
    x = torch.tensor([[0.0, 4.0, 1.0], [2.0, 8.0, 2.0], [4.0, 0.0, 2.0], [1.0, 0.0, 0.0]])
    truth = TABLE[name].make().fit(x)
    fitted = TABLE[name].make().fit(x.to(dtype))
    torch.testing.assert_close(fitted.state_dict(), truth.state_dict(), rtol=1e-6, atol=1e-6)
    close = 0.1 if dtype.is_floating_point else 1e-5
    torch.testing.assert_close(fitted(x.to(dtype)).float(), truth(x), rtol=close, atol=close)


# --- tables


class Column:
    """A column as polars has it: a dtype with a name, None where there is no value."""

    def __init__(self, dtype, *values):
        self.dtype, self.values = dtype, values

    def __array__(self, dtype=None, copy=None):
        kind = {"Float64": float, "Int64": int, "Datetime": "datetime64[s]"}.get(self.dtype, object)
        return np.array(self.values, dtype=object if None in self.values else kind)


class Table:
    """As polars has it: iterating gives the columns. The whole is an array of objects if they differ."""

    def __init__(self, **columns):
        self.columns, self.values = list(columns), list(columns.values())

    def __iter__(self):
        return iter(self.values)

    def __array__(self, dtype=None, copy=None):
        columns = [np.asarray(column) for column in self.values]
        kind = object if len({column.dtype.kind for column in columns}) > 1 else columns[0].dtype
        return np.stack([column.astype(kind) for column in columns], axis=-1)


@WITH_NAN
def test_a_table_is_read(name):
    table = Table(
        a=Column("Float64", 1.0, None, 4.0),
        b=Column("Int64", 5, 6, 9),
        c=Column("Boolean", True, None, False),
    )
    x = torch.tensor([[1.0, 5, 1], [torch.nan, 6, torch.nan], [4, 9, 0]], dtype=torch.float64)
    fitted, expected = TABLE[name].make(nan="omit").fit(table), TABLE[name].make(nan="omit").fit(x)
    assert_same(fitted, statistics(expected))
    torch.testing.assert_close(fitted(table), expected(x), equal_nan=True, rtol=0, atol=0)
    assert fitted.feature_names_in_.tolist() == ["a", "b", "c"]
    numeric = Table(a=Column("Float64", 1.0, 2.0), b=Column("Float64", 5.0, 7.0))
    assert TABLE[name].make().fit(numeric).n_features_in_ == 2


@pytest.mark.parametrize(
    "column",
    [
        Column("Object", 1, 2),
        Column("String", "1", "2"),
        Column("String", None, "2"),
        Column("Decimal", None, 2j),
        Column("Datetime", "2020-01-01", "2020-01-02"),
    ],
    ids=lambda column: column.dtype,
)
@ALL
def test_a_column_that_is_no_number_is_refused_by_name(name, column):
    table = Table(size=Column("Float64", 1.0, 2.0), odd=column)
    with pytest.raises(
        TypeError, match=rf": x must hold real numbers, got column 'odd' of dtype {column.dtype}$"
    ):
        TABLE[name].make().fit(table)


def test_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "a": pd.array([1, None, 3], dtype="Int64"),
            "b": pd.array([True, False, None], dtype="boolean"),
            "c": np.array([0.5, np.nan, 2], dtype=np.float32),
        }
    )
    x = np.array([[1, 1, 0.5], [np.nan, 0, np.nan], [3, np.nan, 2]])
    fitted = StandardScaler(nan="omit").fit(frame)
    assert_same(fitted, statistics(StandardScaler(nan="omit").fit(x)))
    twice = pd.DataFrame(VALUES, columns=["a", "a", "b"])
    assert_same(Center().fit(twice), statistics(Center().fit(VALUES)))
    assert Center().fit(pd.DataFrame(VALUES.astype("f4")))(VALUES.astype("f4")).dtype == torch.float32
    assert Center(dim=None).fit(frame["a"].dropna()).mean_ == 2
    for odd in (["x", "y", "z"], pd.Series([1, 2, 3], dtype=object), pd.date_range("2020", periods=3)):
        with pytest.raises(TypeError, match="got column 'odd' of dtype"):
            fitted.fit(frame.assign(odd=odd))


@ALL
def test_the_columns_are_those_of_the_fit(name):
    def table(*names):
        return Table(**{k: Column("Float64", 1.0, 2.0 + len(k), 7.0) for k in names})

    fitted = TABLE[name].make().fit(table("a", "bb"))
    before = statistics(fitted)
    for call in (fitted.transform, fitted.partial_fit, fitted):
        with pytest.raises(
            ValueError, match=r"columns of the fit in their order, \['a', 'bb'\], got \['bb', 'a'\]$"
        ):
            call(table("bb", "a"))
    assert_same(fitted, before)
    assert fitted(np.asarray(table("a", "bb"))).equal(fitted(table("a", "bb")))
    with pytest.raises(ValueError, match=r"other must have the columns of the fit in their order"):
        fitted.merge(TABLE[name].make().fit(table("bb", "a")))
    assert_same(fitted, before)
    for other in (TABLE[name].make().merge(fitted), copy.deepcopy(fitted).partial_fit(np.eye(2))):
        assert other.feature_names_in_.tolist() == ["a", "bb"]
    if name != "Compose":
        fitted.load_state_dict(before)
        fitted(table("bb", "a"))  # the statistics are another's now: who knows of what
    fitted.fit(np.asarray(table("a", "bb")))
    assert not hasattr(fitted, "feature_names_in_")


# --- the dtype that comes out


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", [name for name in TABLE if name not in ("Compose", "PCA(whiten)")])
def test_output_dtype(name, dtype):
    made = TABLE[name].make()
    x = numbers(50, 3, dtype=torch.float64, offset=1e6)
    exact = made.fit(x)(x)
    other = made.set_params(output_dtype=dtype)
    assert torch.equal(other(x), exact.to(dtype)), "computed in the dtype of the data, then rounded once"
    assert other(x.long()).dtype == other(x.float()).dtype == dtype
    assert other.inverse_transform(exact).dtype == torch.float64
    assert torch.equal(other.transform(x, out=torch.empty_like(exact, dtype=dtype)), exact.to(dtype))
    with pytest.raises(ValueError, match="out must have shape"):
        other.transform(x, out=torch.empty_like(exact, dtype=torch.float8_e5m2))
    assert copy.deepcopy(other)(x).dtype == dtype


def test_a_table_in_float64_in_front_of_a_network_in_float32():
    x = numbers(50, 3, dtype=torch.float64)
    chain = Compose(StandardScaler(), PCA(output_dtype=torch.float32)).fit(x)
    for front in (StandardScaler(output_dtype=torch.float32).fit(x), chain):
        assert nn.Sequential(front, nn.Linear(3, 2))(x).dtype == torch.float32


# --- the modes that torch can be in


@ALL
def test_autocast_changes_nothing(name):
    x = numbers(300, 4, offset=3)
    without = TABLE[name].make().fit(x)
    z = without(x)
    with torch.autocast("cpu", torch.bfloat16):
        fitted = TABLE[name].make().fit(x[:100]).partial_fit(x[100:])
        assert_same(fitted, statistics(TABLE[name].make().fit(x[:100]).partial_fit(x[100:])))
        assert torch.equal(without(x), z)
        assert torch.equal(without.inverse_transform(z), without.inverse_transform(z.clone()))
        inside = without.inverse_transform(z)
        assert nn.Sequential(without, nn.Linear(z.shape[1], 2))(x).dtype == torch.bfloat16
    assert torch.equal(inside, without.inverse_transform(z))
    assert_same(fitted, statistics(TABLE[name].make().fit(x[:100]).partial_fit(x[100:])))


@ALL
def test_statistics_taken_in_inference_mode_can_be_used_outside(name):
    x = numbers(50, 3)
    outside = TABLE[name].make().fit(x).partial_fit(x)
    with torch.inference_mode():
        inside = TABLE[name].make().fit(x).partial_fit(x + 0)
        loaded = TABLE[name].make()
        loaded.load_state_dict(inside.state_dict())
    for fitted in (inside, loaded):
        assert_same(fitted, statistics(outside))
        rows = x.clone().requires_grad_()
        fitted(rows).sum().backward()
        fitted.load_state_dict(outside.state_dict())
        assert rows.grad.isfinite().all()


@ALL
def test_on_the_meta_device_shapes_are_known(name):
    x = numbers(50, 3)
    fitted = TABLE[name].make().fit(x)
    z = fitted(x)
    abroad = copy.deepcopy(fitted).to("meta")
    assert abroad(x.to("meta")).shape == z.shape
    assert abroad.inverse_transform(z.to("meta")).is_meta
    with torch.device("meta"):
        empty = TABLE[name].make()
    empty.load_state_dict(fitted.state_dict(), assign=True)
    assert torch.equal(empty(x), z)


# --- checkpoints


def test_hooks_repair_a_checkpoint_before_it_is_looked_at():
    def rename(module, state, prefix, *_):
        if f"{prefix}average" in state:
            state[f"{prefix}mean_"] = state.pop(f"{prefix}average")

    source = StandardScaler().fit(numbers())
    state = {key.replace("mean_", "average"): value for key, value in source.state_dict().items()}
    for target in (StandardScaler(), StandardScaler().fit(numbers(features=2))):
        with pytest.raises(RuntimeError, match="Missing key"):
            target.load_state_dict(state)
        model = nn.Sequential(target)
        target.register_load_state_dict_pre_hook(rename)
        for _ in range(2):  # the hook stays
            model.load_state_dict({f"0.{key}": value for key, value in state.items()})
            assert_same(target, statistics(source))


@pytest.mark.parametrize("value", [np.ones(3), 3.0, [1.0, 2.0]])
def test_what_is_no_tensor_in_a_checkpoint_is_refused(value):
    scaler = MinMaxScaler().fit(numbers())
    before = statistics(scaler)
    with pytest.raises(RuntimeError, match=r'named "data_max_", expected torch\.Tensor'):
        scaler.load_state_dict({**before, "data_max_": value})
    assert_same(scaler, before)
