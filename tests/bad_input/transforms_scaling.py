"""What the scalers and chains refuse, and every transform with them."""

import numpy as np
import torch
from torch import nn

from tests.bad_input import Case
from unitgain.transforms import Center, Compose, MinMaxScaler, StandardScaler, Transform

GOOD = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
NAN, INF = torch.full((2, 2), torch.nan), torch.full((2, 2), torch.inf)
HUGE = torch.tensor([[1e308], [-1e308]], dtype=torch.float64)


def fitted(dim=-1, **options):
    return StandardScaler(dim, **options).fit(GOOD)


def processes():
    """A group of one process, for as long as a call takes."""
    from torch import distributed

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        Center().synchronize()
    finally:
        distributed.destroy_process_group()


class Table:
    """Columns with names, of several kinds."""

    def __init__(self, **columns):
        self.columns, self.values = list(columns), [np.array(values) for values in columns.values()]

    def items(self):
        return zip(self.columns, self.values, strict=True)

    def __array__(self, dtype=None, copy=None):
        return np.stack([column.astype(object) for column in self.values], axis=-1)


def peer(kind="StandardScaler", fit=True, rows=((1.0, 2.0), (3.0, 5.0)), **options):
    """A scaler of scikit-learn's."""
    from sklearn import preprocessing

    made = getattr(preprocessing, kind)()
    return made.fit(np.array(rows), **options) if fit else made


def edited():
    made = peer()
    made.scale_[1] = 9.0
    return made


CASES = [
    Case(
        "transforms.Center",
        lambda: Center(output_dtype="float32"),
        TypeError,
        "Center: output_dtype must be a floating torch.dtype or None, got 'float32'",
    ),
    Case(
        "transforms.Center",
        lambda: Center(output_dtype=torch.int32),
        TypeError,
        "Center: output_dtype must be a floating torch.dtype or None, got torch.int32",
    ),
    Case(
        "transforms.Center.fit",
        lambda: Center().fit(np.ma.masked_array([["a"]], mask=[[True]])),
        TypeError,
        "Center: x must hold real numbers, got dtype <U1",
    ),
    Case(
        "transforms.Center.fit",
        lambda: Center().fit(Table(a=[1.0, 2.0], b=["x", "y"])),
        TypeError,
        "Center: x must hold real numbers, got column 'b' of dtype <U1",
    ),
    Case(
        "transforms.Center.transform",
        lambda: Center().fit(Table(a=[1.0], b=[2])).transform(Table(b=[2], a=[1.0])),
        ValueError,
        "Center: x must have the columns of the fit in their order, ['a', 'b'], got ['b', 'a']",
    ),
    Case(
        "transforms.Center.set_params",
        lambda: Center().set_params(copy=True),
        ValueError,
        "Center: params must be among ['dim', 'nan', 'output_dtype'], got 'copy'",
    ),
    Case(
        "transforms.Compose.set_params",
        lambda: Compose(nn.Flatten()).set_params(**{"1": Center()}),
        ValueError,
        "Compose: params must be among ['0'], got '1'",
    ),
    Case(
        "transforms.Center.get_feature_names_out",
        lambda: Center(None).fit(GOOD).get_feature_names_out(),
        ValueError,
        "Center: input_features must be one name a feature, got None",
    ),
    Case(
        "transforms.Center.get_feature_names_out",
        lambda: Center().fit(GOOD).get_feature_names_out(["a"]),
        ValueError,
        "Center: input_features must be 2 names, got ['a']",
    ),
    Case(
        "transforms.StandardScaler.from_sklearn",
        lambda: StandardScaler.from_sklearn(peer("RobustScaler")),
        TypeError,
        "StandardScaler: fitted must be scikit-learn's StandardScaler, got a RobustScaler",
    ),
    Case(
        "transforms.MinMaxScaler.from_sklearn",
        lambda: MinMaxScaler.from_sklearn(peer("MinMaxScaler", fit=False)),
        ValueError,
        "MinMaxScaler: fitted must be fitted, got no statistics",
    ),
    Case(
        "transforms.StandardScaler.from_sklearn",
        lambda: StandardScaler.from_sklearn(peer(sample_weight=[0.5, 1.0])),
        ValueError,
        "StandardScaler: fitted must count rows, got a sum of weights, 1.5",
    ),
    Case(
        "transforms.StandardScaler.from_sklearn",
        lambda: StandardScaler.from_sklearn(edited()),
        ValueError,
        "StandardScaler: fitted must have the scale_ 1.5 of its statistics in column 1, got 9",
    ),
    Case(
        "transforms.MinMaxScaler.from_sklearn",
        lambda: MinMaxScaler.from_sklearn(peer("MinMaxScaler", rows=((1e-30, 0.0), (3e-30, 1.0)))),
        ValueError,
        "MinMaxScaler: fitted must have the scale_ 5e+29 of its statistics in column 0, got 1",
    ),
    Case(
        "transforms.StandardScaler.to_sklearn",
        lambda: fitted(1).to_sklearn(),
        ValueError,
        "StandardScaler: dim must be -1 for scikit-learn, got 1",
    ),
    Case(
        "transforms.MinMaxScaler.to_sklearn",
        lambda: MinMaxScaler(output_dtype=torch.float32).fit(GOOD).to_sklearn(),
        ValueError,
        "MinMaxScaler: output_dtype must be None for scikit-learn, got torch.float32",
    ),
    Case(
        "transforms.StandardScaler.to_sklearn",
        lambda: StandardScaler().to_sklearn(),
        RuntimeError,
        "StandardScaler: it must be fitted before use, got no data yet: call fit first",
    ),
    Case("transforms.Transform", lambda: Transform("0"), TypeError, "dim must be an int or None, got '0'"),
    Case("transforms.Center", lambda: Center(True), TypeError, "dim must be an int or None, got True"),
    Case("transforms.Center", lambda: Center(nan="drop"), ValueError, 'nan must be "raise" or "omit", got'),
    Case(
        "transforms.MinMaxScaler",
        lambda: MinMaxScaler((1, 0)),
        ValueError,
        "feature_range must be two finite numbers, low < high, got (1, 0)",
    ),
    Case(
        "transforms.Center.fit", lambda: Center().fit([[1.0]]), TypeError, "an array of numbers, got a list"
    ),
    Case(
        "transforms.Center.fit",
        lambda: Center().fit(np.array([["a"]])),
        TypeError,
        "x must hold real numbers, got dtype <U1",
    ),
    Case(
        "transforms.Center.fit",
        lambda: Center().fit(GOOD.cfloat()),
        TypeError,
        "x must hold real numbers, got dtype torch.complex64",
    ),
    Case(
        "transforms.Center.fit",
        lambda: Center().fit(GOOD.to_sparse()),
        TypeError,
        "x must be dense, got layout",
    ),
    Case(
        "transforms.Center.fit", lambda: Center().fit(GOOD[0]), ValueError, "x must have 2 dimensions or more"
    ),
    Case(
        "transforms.Center.fit",
        lambda: Center().fit(GOOD[:0]),
        ValueError,
        "at least one value to fit, got",
    ),
    Case(
        "transforms.Center.fit",
        lambda: Center().fit(GOOD.to("meta")),
        ValueError,
        "x must hold values to fit, got the device meta",
    ),
    Case(
        "transforms.Center.fit",
        lambda: Center().fit(NAN),
        ValueError,
        'x must not hold NaN with nan="raise", got 4, the first in column 0',
    ),
    Case(
        "transforms.MinMaxScaler.fit",
        lambda: MinMaxScaler(dim=None).fit(INF),
        ValueError,
        "x must not hold infinity, got 4",
    ),
    Case(
        "transforms.StandardScaler.fit",
        lambda: StandardScaler().fit(HUGE),
        ValueError,
        "x must have squares that fit in float64, got values up to 1e+308",
    ),
    Case(
        "transforms.MinMaxScaler.fit",
        lambda: MinMaxScaler().fit(HUGE),
        ValueError,
        "x must have ranges that fit in float64, got values up to 1e+308",
    ),
    Case(
        "transforms.Center.fit",
        lambda: Center().fit(HUGE.abs()),
        ValueError,
        "x must have sums that fit in float64, got values up to 1e+308",
    ),
    Case(
        "transforms.StandardScaler.partial_fit",
        lambda: fitted().partial_fit(torch.ones(4, 3)),
        ValueError,
        "x must have 2 features along dim=-1, like the data of the fit, got shape (4, 3)",
    ),
    Case(
        "transforms.StandardScaler.transform",
        lambda: fitted().transform(GOOD.to("meta")),
        ValueError,
        "x must be on cpu, like the statistics, got meta",
    ),
    Case(
        "transforms.StandardScaler.transform",
        lambda: StandardScaler().transform(GOOD),
        RuntimeError,
        "StandardScaler: it must be fitted before use, got no data yet: call fit first",
    ),
    Case(
        "transforms.StandardScaler.transform",
        lambda: fitted().transform(GOOD, out=GOOD.numpy()),
        TypeError,
        "out must be a torch.Tensor, got a ndarray",
    ),
    Case(
        "transforms.StandardScaler.transform",
        lambda: fitted().transform(GOOD, out=torch.empty(3)),
        ValueError,
        "out must have shape (2, 2), dtype torch.float32 and device cpu, got (3,)",
    ),
    Case(
        "transforms.StandardScaler.inverse_transform",
        lambda: fitted().inverse_transform(GOOD, out=GOOD.clone().requires_grad_()),
        ValueError,
        "out must be None where x or out requires a gradient, got a tensor",
    ),
    Case(
        "transforms.StandardScaler.merge",
        lambda: fitted().merge(Center()),
        TypeError,
        "other must be a StandardScaler, got a Center",
    ),
    Case(
        "transforms.StandardScaler.merge",
        lambda: fitted().merge(fitted(0)),
        ValueError,
        "other must have the same dim, -1, got 0",
    ),
    Case(
        "transforms.StandardScaler.merge",
        lambda: fitted().merge(fitted(nan="omit")),
        ValueError,
        "other must have the same nan, 'raise', got 'omit'",
    ),
    Case(
        "transforms.StandardScaler.merge",
        lambda: fitted().merge(StandardScaler().fit(torch.ones(4, 3))),
        ValueError,
        "other must have 2 features, got 3",
    ),
    Case(
        "transforms.StandardScaler.merge",
        lambda: fitted().merge(fitted().to("meta")),
        ValueError,
        "other must be on cpu, got meta",
    ),
    Case(
        "transforms.StandardScaler.synchronize",
        lambda: fitted().synchronize(),
        RuntimeError,
        "group must be a process group, got none: call init_process_group first",
    ),
    Case(
        "transforms.Center.synchronize",
        processes,
        RuntimeError,
        "some process must have fitted it to synchronize, got data in none",
    ),
    Case("transforms.Compose", lambda: Compose(), ValueError, "at least one stage, got none"),
    Case(
        "transforms.Compose",
        lambda: Compose(abs),
        TypeError,
        "transforms must be modules, got a builtin_function_or_method as stage 0",
    ),
    Case(
        "transforms.Compose",
        lambda: Compose(*[Center()] * 2),
        ValueError,
        "transforms must differ, got the same Center twice",
    ),
    Case(
        "transforms.Compose.partial_fit",
        lambda: Compose(Center(), MinMaxScaler()).partial_fit(GOOD),
        RuntimeError,
        "partial_fit must have exactly one stage that learns, as a later one's data depend on the fit of an "
        "earlier one, got 2 (Center, MinMaxScaler): call fit with all data at once",
    ),
    Case(
        "transforms.Compose.merge",
        lambda: Compose(Center()).merge(Compose(nn.Flatten(), Center())),
        TypeError,
        "other must be a Compose of Center, got a Compose of Flatten, Center",
    ),
    Case(
        "transforms.Compose.inverse_transform",
        lambda: Compose(nn.Flatten(), Center()).inverse_transform(GOOD),
        TypeError,
        "stages must have an inverse_transform to be undone, got a Flatten, which has none",
    ),
]
