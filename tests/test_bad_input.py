"""Every rule of every public function, broken once; tests/bad_input/ has the cases, a module each."""

import ast
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import unitgain
from tests import bad_input
from tests.bad_input import Case

SOURCE = Path(unitgain.__file__).parent
CASES: list[Case] = [
    case
    for module in pkgutil.iter_modules(bad_input.__path__)
    for case in import_module(f"{bad_input.__name__}.{module.name}").CASES
]
ELSEWHERE = {  # rules that one call cannot break, and the test that breaks them
    ("__init__.py", "__getattr__"): "the package itself: tests/test_package.py",
    ("transforms/base.py", "_features_of_all"): "needs several processes: tests/transforms",
    ("transforms/base.py", "n_features_in_"): "what torch then says is its own: tests/transforms",
    ("transforms/estimator.py", "feature_names_in_"): "likewise",
}


def refused(case: Case) -> pytest.ExceptionInfo:
    with pytest.raises(case.error) as error:
        case.call()
    return error


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.where}: {case.message}")
def test_is_refused_in_one_sentence(case):
    error = refused(case)
    assert error.type is case.error
    assert case.message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("where", sorted({case.where for case in CASES}))
def test_names_something_public(where):
    module, name = where.split(".")[:2]
    assert name in import_module(f"unitgain.{module}").__all__


def test_every_rule_is_broken_once():
    """A rule is a `raise` in the library; the innermost frame of an error says which one it came from."""
    rules = {
        (path, node.lineno, node.end_lineno): ast.unparse(node)
        for path in SOURCE.rglob("*.py")
        for scope in ast.walk(ast.parse(path.read_text()))
        if isinstance(scope, ast.FunctionDef)
        and (path.relative_to(SOURCE).as_posix(), scope.name) not in ELSEWHERE
        for node in ast.walk(scope)
        if isinstance(node, ast.Raise) and node.exc and "NotImplementedError" not in ast.unparse(node)
    }
    raised = [
        (Path(str(last.path)), last.lineno + 1) for last in (refused(case).traceback[-1] for case in CASES)
    ]
    untested = [
        f"{path.relative_to(SOURCE)}:{first}: {text}"
        for (path, first, last), text in rules.items()
        if not any(p == path and first <= line <= last for p, line in raised)
    ]
    assert not untested, "\n".join(["rules without a case in tests/bad_input:", *untested])
