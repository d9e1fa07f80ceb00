"""How a copy is cut out of a library, on small ones."""

import re
import textwrap
from pathlib import Path

import pytest
from tasks import copies, cuts


@pytest.fixture
def copied(tree, monkeypatch):
    """`copied(name, module, …)`: the copy of `a.name` from the modules of a library `lib`, a, b, …."""

    def make(name, *modules, left_out=(), **others):
        texts = dict(zip("abc", modules, strict=False)) | others
        root = tree({f"lib/{module}.py": textwrap.dedent(text) for module, text in texts.items()})
        monkeypatch.setattr(cuts, "LEFT_OUT", {"a": {"that": set(left_out)}})
        text = copies.Copy(copies.Library(root / "lib"), "a", name).text("Copyright", "1")
        exec(compile(text, name, "exec"), {"__name__": "copy"})
        return text.partition(f'__all__ = ["{name}"]\n')[2].strip("\n")

    return make


def test_it_holds_what_the_name_reaches_in_the_order_of_the_modules(copied):
    text = copied(
        "f",
        "from .b import ONE, g\n\nOTHER = 2\n\ndef h(x):\n    return x\n\n"
        "def f(x):\n    return g(h(x)) + ONE\n",
        "# how many\nONE = 1  # of it\n\ndef g(x):\n    return x  # the same\n\ndef unused():\n    pass\n",
    )
    assert text == (
        "# how many\nONE = 1  # of it\n\n\ndef g(x):\n    return x  # the same\n\n\n"
        "def h(x):\n    return x\n\n\ndef f(x):\n    return g(h(x)) + ONE"
    )


def test_imports_are_merged_and_sorted(tree):
    a = "import math\nfrom collections.abc import Callable\nimport numpy as np\nfrom .b import g\n\n"
    a += "def f(x: Callable) -> np.ndarray:\n    return g(math.pi)\n"
    root = tree(
        {
            "lib/a.py": a,
            "lib/b.py": "import torch\nfrom abc import ABC\nfrom torch import nn\n\n"
            "def g(x):\n    return torch, ABC, nn\n",
        }
    )
    text = copies.Copy(copies.Library(root / "lib"), "a", "f").text("Copyright", "1")
    assert text.partition("annotations\n")[2].startswith(
        "\nimport math\nfrom abc import ABC\nfrom collections.abc import Callable\n\n"
        "import numpy as np\nimport torch\nfrom torch import nn\n\n__all__"
    )


CLASS = '''
class Base:
    """A base.

    With a second paragraph.
    """

    # what it is asked

    def gone(self):
        return 1

    # what it does

    size = 1
    """Of everything."""

    def work(self, x, *, gone=None):
        """Work."""
        self.gone()
        if gone:
            x = self.gone()
        else:
            x = x + 1
        if x:
            pass
        else:
            self.gone()
        return x

    def other(self):
        raise NotImplementedError
'''


def test_left_out_names_go_with_what_mentions_them(copied):
    text = copied(
        "A",
        CLASS.replace(
            "if gone:\n            x = self.gone()\n        else:\n            x = x + 1", "x = x + 1"
        )
        + "class Gone:\n    pass\n\nclass A(Gone, Base):\n    def call(self, gone):\n"
        "        return self.work(1, gone=gone)\n",
        left_out={"gone", "Gone"},
    )
    assert text == (
        'class Base:\n    """A base."""\n\n    # what it does\n\n    size = 1\n\n    def work(self, x):\n'
        '        """Work."""\n        x = x + 1\n        if x:\n            pass\n        return x\n\n\n'
        "class A(Base):\n    def call(self):\n        return self.work(1)"
    )


def test_a_decorator_and_a_method_of_one_class_can_be_left_out(copied):
    text = copied(
        "A",
        "def gone(f):\n    return f\n\nclass B:\n    def all(self):\n        return 2\n\n"
        "    def any(self):\n        return 3\n\n"
        "class A(B):\n    @gone\n    def all(self):\n        return 1\n",
        left_out={"gone", "B.all"},
    )
    assert text == (
        "class B:\n    def any(self):\n        return 3\n\n\n"
        "class A(B):\n    def all(self):\n        return 1"
    )


@pytest.mark.parametrize(
    ("signature", "without"),
    [
        ("x, gone", "x"),
        ("gone, x", "x"),
        ("x, gone=1, *more", "x, *more"),
        ("x, *, gone, y=2", "x, *, y=2"),
        ("x, *, y=2, gone", "x, *, y=2"),
        ("*, gone, y=2", "*, y=2"),
        ("x, *, gone", "x"),
        ("x, **gone", "x"),
        ("x, y=GONE", "x"),
        ("x: int, gone: int = (1, 2), y: int = 3", "x: int, y: int = 3"),
    ],
)
def test_a_parameter_is_left_out(copied, signature, without):
    text = copied("f", f"GONE = 1\n\ndef f({signature}):\n    pass\n", left_out={"gone", "GONE"})
    assert text == f"def f({without}):\n    pass"


def test_its_own_docstring_is_whole_but_for_left_out_and_other_libraries(copied):
    text = copied(
        "f",
        '''
        def f(x, gone):
            """Double x.

            Args:
                x: A number,
                    of any size.
                gone: Never mind,
                    whatever.

            Examples:
                >>> from lib.a import f
                >>> f(2)
                4

            Differs from torch: there is no f,
            nor is there a g.

            Source: none.
            """
            return 2 * x
        ''',
        left_out={"gone"},
    )
    assert "from f import f\n" in text
    assert "gone" not in text
    assert "Differs" not in text
    assert "Source: none." in text
    assert "of any size." in text


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        (["def f(x):\n    y = x\n    return y.gone\n"], r"a\.py:3: a copy would lose what is returned"),
        (["X = 1\nX = 2\n\ndef f():\n    return X\n"], r"a\.py: X is bound twice"),
        (
            [
                "from .b import g\n\nX = 1\n\ndef f():\n    return g() + X\n",
                "X = 2\n\ndef g():\n    return X\n",
            ],
            r"X is another one than that of a module beside it",
        ),
        (["gone = 1\n\ndef f():\n    gone()\n"], r"a\.py:3: nothing is left of it"),
    ],
)
def test_what_would_go_wrong_in_silence_stops_the_build(copied, modules, problem):
    with pytest.raises(ValueError, match=problem):
        copied("f", *modules, left_out={"gone"})


def test_the_same_constant_in_two_modules_stands_once(copied):
    text = copied(
        "f",
        "from .b import g\n\nX = 1  # here\n\ndef f():\n    return g() + X\n",
        "X = 1  # there\n\ndef g():\n    return X\n",
    )
    assert text.count("X = 1") == 1


ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (module, name)
        for module, whats in cuts.LEFT_OUT.items()
        for its in whats.values()
        for name in sorted(its)
    ],
)
def test_what_is_left_out_is_there(module, name):
    """A name that was changed in the library would come back into the copies."""
    place = ROOT / "src/unitgain" / module
    files = [place.with_suffix(".py")] if place.with_suffix(".py").is_file() else place.glob("*.py")
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    owner, _, last = name.rpartition(".")
    assert re.search(rf"\bclass {owner}\b(?s:.*?)\b{last}\b" if owner else rf"\b{last}\b", text)
