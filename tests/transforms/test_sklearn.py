"""Beside scikit-learn: its pipelines and searches with ours as steps, its statistics in ours, ours in its."""

import ast
import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import decomposition, preprocessing
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from tests.transforms.table import TABLE, assert_same, numbers, statistics
from unitgain import transforms
from unitgain.transforms import PCA, Center, Compose, MinMaxScaler, StandardScaler, Whitening

ALL = pytest.mark.parametrize("name", TABLE)
X, CLASS = load_wine(return_X_y=True)
X, CLASS = X[::2], CLASS[::2]
EXACT = {"rtol": 1e-9, "atol": 1e-9}

# --- as a step of scikit-learn's


@ALL
def test_a_pipeline_gives_what_it_gives_with_the_peer(name):
    ours = make_pipeline(TABLE[name].make(), Ridge()).fit(X, CLASS)
    z = TABLE[name].peer().fit(X).transform(X)
    np.testing.assert_allclose(ours.predict(X), Ridge().fit(z, CLASS).predict(z), **EXACT)
    assert type(ours[0].transform(X)) is np.ndarray
    for last in (TABLE[name].make(), clone(TABLE[name].make())):
        pipe = make_pipeline(preprocessing.MinMaxScaler(), last).fit(X)
        z, truth = pipe.transform(X), TABLE[name].make().fit(torch.from_numpy(pipe[0].transform(X)))
        assert type(z) is type(pipe.fit_transform(X)) is type(pipe.inverse_transform(z)) is np.ndarray
        np.testing.assert_array_equal(z, truth(torch.from_numpy(pipe[0].transform(X))))


def test_columns_unions_targets_and_searches():
    steps = {"s": StandardScaler(), "m": MinMaxScaler(), "p": PCA(2)}
    peers = {
        "s": preprocessing.StandardScaler(),
        "m": preprocessing.MinMaxScaler(),
        "p": decomposition.PCA(2),
    }

    def results(steps):
        columns = ColumnTransformer(
            [(name, step, [k, k + 3, 9]) for k, (name, step) in enumerate(steps.items())]
        )
        yield columns.fit_transform(X)
        yield columns.transform(X[:5])
        yield FeatureUnion(list(steps.items())).fit(X).transform(X)
        target = TransformedTargetRegressor(Ridge(), transformer=steps["s"]).fit(X, X[:, 0])
        yield target.predict(X)
        pipe = Pipeline([*steps.items(), ("model", LogisticRegression())])
        yield cross_val_score(pipe, X, CLASS, cv=3)
        grid = {"p__n_components": [2, 4], "s__with_mean": [True, False]}
        yield GridSearchCV(pipe, grid, cv=3).fit(X, CLASS).cv_results_["mean_test_score"]

    for ours, theirs in zip(results(steps), results(peers), strict=True):
        assert type(ours) is np.ndarray
        np.testing.assert_allclose(ours, theirs, **EXACT)
    theirs = decomposition.PCA(3, svd_solver="full")
    np.testing.assert_allclose(cross_val_score(PCA(3), X), cross_val_score(theirs, X))


def test_tensors_stay_tensors_and_arrays_give_arrays_where_scikit_learn_calls():
    x = torch.from_numpy(X)
    for make in (StandardScaler, lambda: PCA(2), lambda: Compose(Center(), MinMaxScaler())):
        plain = make().fit(X)
        assert isinstance(plain.transform(X), torch.Tensor), "as ever"
        truth = plain(x)
        for called in (make().fit(X, None), make().fit(X, CLASS), clone(make()).fit(X)):
            for z in (called.transform(X), pickle.loads(pickle.dumps(called)).transform(X)):
                assert type(z) is np.ndarray
                np.testing.assert_array_equal(z, truth)
            assert torch.equal(called.transform(x), truth)
            assert torch.equal(called(X), truth)
        made = make()
        assert type(made.fit_transform(X)) is type(made.transform(X)) is np.ndarray
        assert torch.equal(make().fit_transform(x), truth)
    out = torch.empty(x.shape, dtype=torch.float64)
    assert clone(StandardScaler()).fit(X).transform(X, out=out) is out


@ALL
def test_a_clone_has_the_arguments_and_no_statistics(name):
    fitted = TABLE[name].make().fit(X)
    twin = clone(fitted)
    assert type(twin) is type(fitted)
    assert repr(twin) == repr(TABLE[name].make())
    check_is_fitted(fitted)
    with pytest.raises(RuntimeError, match="must be fitted"):
        twin.transform(X)
    assert_same(twin.fit(X), statistics(fitted))


@pytest.mark.parametrize(
    "made",
    [
        StandardScaler(1, with_mean=False, nan="omit", output_dtype=torch.float32),
        MinMaxScaler((-1, 2), clip=True),
        PCA(0.9, whiten=True),
        Whitening("zca", epsilon=0.1),
        Center(None),
    ],
)
def test_parameters(made):
    params = made.get_params()
    assert {name: getattr(made, name) for name in params} == params
    again = type(made)(**params)
    assert (again.get_params(), repr(again)) == (params, repr(made))
    assert type(made)().set_params(**params).get_params() == params
    with pytest.raises(
        ValueError, match=rf"^{type(made).__name__}: params must be among \[.*\], got 'copy'$"
    ):
        made.set_params(copy=True)


def test_parameters_that_decide_the_statistics_make_them_go():
    x = numbers(20, 3)
    scaler = StandardScaler().fit(x)
    before = statistics(scaler)
    assert_same(scaler.set_params(with_std=False), before)
    with pytest.raises(ValueError, match='nan must be "raise" or "omit"'):
        scaler.set_params(with_std=True, nan="drop")
    assert_same(scaler, before)
    assert not scaler.with_std
    scaler.set_params(nan="omit")
    assert scaler.mean_ is None
    assert scaler.fit(x).n_samples_seen_.tolist() == [20] * 3
    pca = PCA(2).fit(x).set_params(n_components=1, whiten=True)
    assert pca.partial_fit(x).n_components_ == 1


def test_parameters_of_a_chain():
    chain = Compose(StandardScaler(), torch.nn.Identity(), PCA(2))
    params = chain.get_params()
    assert (params["0"], params["2__n_components"]) == (chain.stages[0], 2)
    assert set(chain.get_params(deep=False)) == {"0", "1", "2"}
    chain.set_params(**{"2__n_components": 1, "0": Center()})
    assert [type(stage) for stage in chain.stages] == [Center, torch.nn.Identity, PCA]
    assert chain.stages[2].n_components == 1
    with pytest.raises(ValueError, match="n_components must be an int of at least 1"):
        chain.set_params(**{"0__nan": "omit", "2__n_components": 0})
    assert chain.stages[0].nan == "raise", "a refused call changes nothing"
    with pytest.raises(ValueError, match=r"^Compose: params must be among \['0', .*\], got '3'$"):
        chain.set_params(**{"3": Center()})


def test_names_of_the_features():
    x = numbers(9, 3)
    scaler, pca = StandardScaler().fit(x), PCA(2).fit(x)
    assert scaler.get_feature_names_out().tolist() == ["x0", "x1", "x2"]
    assert scaler.get_feature_names_out(["a", "b", "c"]).tolist() == ["a", "b", "c"]
    assert pca.get_feature_names_out().tolist() == ["pca0", "pca1"]
    assert Compose(StandardScaler(), PCA(2)).fit(x).get_feature_names_out().tolist() == ["pca0", "pca1"]
    assert (scaler.n_features_in_, pca.n_features_in_, Compose(Center()).fit(x).n_features_in_) == (3, 3, 3)
    assert Center(dim=None).fit(x).get_feature_names_out(["a"]).tolist() == ["a"]
    for bad in (StandardScaler(), Center(dim=None).fit(x)):
        assert not hasattr(bad, "n_features_in_")
        assert not hasattr(bad, "feature_names_in_")
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    columns = ColumnTransformer([("s", StandardScaler(), ["c", "a"]), ("p", PCA(1), ["a", "b"])]).fit(table)
    assert columns.get_feature_names_out().tolist() == ["s__c", "s__a", "p__pca0"]
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(table, CLASS)
    assert pipe.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="input_features must have the columns of the fit"):
        pipe[0].get_feature_names_out(["c", "b", "a"])


def test_scikit_learn_is_imported_where_it_is_asked_for_alone():
    places = {
        function.name
        for path in Path(transforms.__file__).parent.glob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn")
    }
    assert places == {"__sklearn_tags__", "from_sklearn", "to_sklearn"}


# --- its statistics in ours, ours in its


def table(dtype=np.float64, *, holes=False):
    """Columns of several sizes, one far from 0, one constant."""
    x = np.random.default_rng(0).normal(size=(50, 4)) * [1, 10, 1e-3, 0] + [0, 5, 1e4, 0.1]
    if holes:
        x[::3, 1] = np.nan
    return x.astype(dtype)


def assert_equal(ours, theirs, names):
    for name in names:
        expected = getattr(theirs, name)
        if expected is not None:
            value = getattr(ours, name)
            np.testing.assert_array_equal(np.asarray(value), np.asarray(expected), err_msg=name)


DATA = pytest.mark.parametrize("x", [table(), table(np.float32), table(holes=True)], ids=["f8", "f4", "nan"])
MOMENTS = ("mean_", "var_", "scale_", "n_samples_seen_", "n_features_in_")


@DATA
@pytest.mark.parametrize("with_mean", [True, False])
@pytest.mark.parametrize("with_std", [True, False])
def test_standard_scaler_to_and_fro(x, with_mean, with_std):
    theirs = preprocessing.StandardScaler(with_mean=with_mean, with_std=with_std).fit(x)
    ours = StandardScaler.from_sklearn(theirs)
    assert_equal(ours, theirs, MOMENTS)
    assert_equal(ours.to_sklearn(), theirs, MOMENTS)
    assert ours.to_sklearn().get_params() == theirs.get_params()
    np.testing.assert_allclose(ours.transform(table()), theirs.transform(table()), **EXACT)
    np.testing.assert_array_equal(ours.to_sklearn().transform(x), theirs.transform(x))
    np.testing.assert_array_equal(
        clone(theirs).fit(x).partial_fit(x).n_samples_seen_, 2 * theirs.n_samples_seen_
    )
    both = ours.to_sklearn().partial_fit(x), ours.partial_fit(x)
    if with_std:
        np.testing.assert_allclose(both[1].var_, both[0].var_, atol=1e-30)
    if with_mean:
        np.testing.assert_allclose(both[1].mean_, both[0].mean_)


@DATA
@pytest.mark.parametrize("options", [{}, {"feature_range": (-1, 2.5)}, {"clip": True}])
def test_min_max_scaler_to_and_fro(x, options):
    names = ["data_min_", "data_max_", "n_features_in_"]
    if x.dtype == np.float64:
        names += ["data_range_", "scale_", "min_"]
    theirs = preprocessing.MinMaxScaler(**options).fit(x)
    ours = MinMaxScaler.from_sklearn(theirs)
    assert_equal(ours, theirs, names)
    assert_equal(ours.to_sklearn(), theirs, [*names, "n_samples_seen_"])
    wide = 2 * table()
    np.testing.assert_allclose(ours.transform(wide), theirs.transform(wide), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        ours.to_sklearn().transform(wide), theirs.transform(wide), rtol=1e-5, atol=1e-5
    )


AXES = ("mean_", "components_", "explained_variance_", "n_components_", "n_features_in_")
DERIVED = ("explained_variance_ratio_", "singular_values_", "noise_variance_")


@pytest.mark.parametrize("rows", [60, 4])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_components": 2},
        {"n_components": 0.6},
        {"n_components": 3, "whiten": True},
        {"n_components": 3, "svd_solver": "randomized", "random_state": 0},
        {"n_components": 3, "svd_solver": "arpack", "random_state": 0},
        {"n_components": "mle"},
    ],
)
def test_pca_to_and_fro(options, rows):
    generator = np.random.default_rng(0)
    x = (generator.normal(size=(60, 5)) @ generator.normal(size=(5, 5)) + 3)[:rows]
    if options.get("n_components") == "mle" and rows < 5:
        pytest.skip("scikit-learn refuses it")
    theirs = decomposition.PCA(**options).fit(x)
    ours = PCA.from_sklearn(theirs)
    assert ours.n_samples_seen_ == rows
    for other in (ours, ours.to_sklearn()):
        assert_equal(other, theirs, AXES)
        for name in DERIVED:
            np.testing.assert_allclose(getattr(other, name), getattr(theirs, name), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(other.transform(x), theirs.transform(x), **EXACT)
        if not options.get("whiten"):  # with it theirs is no covariance (scikit-learn 1.9)
            np.testing.assert_allclose(other.get_covariance(), theirs.get_covariance(), **EXACT)
    before = statistics(ours)
    if ours.n_components_ == min(x.shape):
        truth = decomposition.PCA().fit(np.concatenate([x, x])).explained_variance_
        variances = ours.partial_fit(x).explained_variance_
        np.testing.assert_allclose(variances, truth[: len(variances)], rtol=1e-9, atol=1e-12)
        return
    for call in (lambda: ours.partial_fit(x), lambda: ours.merge(PCA().fit(x))):
        with pytest.raises(
            ValueError, match="PCA: covariances must all be known before data are added, got those"
        ):
            call()
    loaded = PCA()
    loaded.load_state_dict(before)
    assert_same(loaded, before)
    np.testing.assert_allclose(ours.fit(x).mean_, theirs.mean_)


def test_names_go_to_and_fro():
    pd = pytest.importorskip("pandas")
    x = pd.DataFrame(X[:, :2], columns=["a", "b"])
    for ours, theirs in (
        (StandardScaler, preprocessing.StandardScaler),
        (MinMaxScaler, preprocessing.MinMaxScaler),
        (PCA, decomposition.PCA),
    ):
        moved = ours.from_sklearn(theirs().fit(x))
        assert moved.to_sklearn().feature_names_in_.tolist() == moved.feature_names_in_.tolist() == ["a", "b"]


def test_moved_statistics_travel_with_the_model():
    theirs = preprocessing.StandardScaler().fit(X)
    model = torch.nn.Sequential(StandardScaler.from_sklearn(theirs), torch.nn.Linear(13, 2))
    other = torch.nn.Sequential(StandardScaler(), torch.nn.Linear(13, 2))
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    np.testing.assert_allclose(other[0].float()(torch.from_numpy(X)), theirs.transform(X), **EXACT)


# --- what scikit-learn's users look for


@pytest.mark.parametrize("n_components", [None, 2, 0.7])
@pytest.mark.parametrize("rows", [60, 5])
def test_attributes_of_pca_are_scikit_learns(n_components, rows):
    x = np.random.default_rng(1).normal(size=(rows, 6)) * [1, 2, 3, 4, 5, 6] + 7
    ours, theirs = PCA(n_components).fit(x), decomposition.PCA(n_components, svd_solver="full").fit(x)
    for name in (*AXES, *DERIVED):
        if rows == 5 and n_components is None and name in ("components_", "singular_values_"):
            continue  # of rounding noise, which is anyone's
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=1e-9, atol=1e-12, err_msg=name
        )
    np.testing.assert_allclose(ours.get_covariance(), theirs.get_covariance(), **EXACT)
    if rows == 60:
        np.testing.assert_allclose(ours.score_samples(x), theirs.score_samples(x))
        np.testing.assert_allclose(ours.score(x.astype("f4")), theirs.score(x), rtol=1e-5)
        batches = torch.from_numpy(x).view(3, 20, 6)
        assert torch.equal(ours.score_samples(batches), ours.score_samples(x).view(3, 20))
    elif n_components is None:
        with pytest.raises(
            ValueError, match=r"^PCA: data must vary in every direction to have a likelihood, got "
        ):
            ours.score(x)


def test_whitening_does_not_change_the_covariance_that_the_components_stand_for():
    for k in (None, 3):
        plain, white = PCA(k).fit(X), PCA(k, whiten=True).fit(X)
        torch.testing.assert_close(white.get_covariance(), plain.get_covariance())
    torch.testing.assert_close(PCA(whiten=True).fit(X).get_covariance(), torch.from_numpy(np.cov(X.T)))


def test_the_rule_for_near_constant_columns_is_scikit_learns():
    """One column for each size of the mean and of the spread, around where rounding ends."""
    for n in (3, 100, 5000):
        noise = np.random.default_rng(n).normal(size=(n, 1))
        mean, sd = np.meshgrid([1e-10, 1.0, -1e6, 1e10], np.logspace(-17, -9, 25))
        x = (mean * (1 + sd * noise[:, :, None])).reshape(n, -1)
        theirs, ours = preprocessing.StandardScaler().fit(x), StandardScaler().fit(x)
        over = theirs.var_ / (n * theirs.mean_ * 2.2e-16) ** 2
        clear = (over < 0.1) | (over > 10)  # between them rounding decides
        assert ((ours.scale_ == 1).numpy() == (theirs.scale_ == 1))[clear].all()
        assert 0 < (theirs.scale_ == 1)[clear].sum() < clear.sum()


def test_noise_of_a_constant_is_not_blown_up():
    x = 1e6 * (1 + 1e-12 * np.random.default_rng(0).normal(size=(10_000, 1)))
    x = np.concatenate([x, np.random.default_rng(1).normal(size=(10_000, 2))], 1)
    assert StandardScaler().fit(x).scale_[0] == 1
    for whitened in (PCA(whiten=True).fit(x)(x), Whitening().fit(x)(x)):
        assert (whitened.std(0) < 1e-5).tolist() == [False, False, True]
