"""The experiments: each computes the same again, and says and draws what its pages need; claims can fail."""

import ast
import copy
import importlib
import inspect
import io
import itertools
import json
import random
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from experiments import style
from experiments.evidence import Claim
from matplotlib import pyplot as plt
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from tasks import discovery, sources

from unitgain.plots import DARK, LIGHT

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENTS = {one.id: one for one in discovery.experiments(ROOT)}
CHAPTERS = sorted({one.chapter for one in EXPERIMENTS.values()})

SMALL = {
    "networks": 8,
    "neurons": 200,
    "points": 50,
    "pairs": 50,
    "tables": 4,
    "frames": 3,
    "rows": 200,
    "moments": 3,
    "mapped": 12,
    "default": 8,
}
SHORT = {"STEPS": 20, "EPOCHS": 2, "EXAMPLES": 300}  # an experiment's constants, cut down too
# Where the result is only compared with another, and nobody looks at it:
TINY = SMALL | {"networks": 3, "neurons": 50, "points": 20, "pairs": 20, "tables": 2, "rows": 100}
SHORTEST = {"STEPS": 4, "EPOCHS": 1, "EXAMPLES": 200}

CLAIMS = {
    "normalize_your_data": {
        "half-active",
        "all-or-none",
        "count-stays-half",
        "overlap-uniform",
        "shifted-is-logistic",
        "width-does-not-help",
        "same-weights",
        "sigmoid-too",
        "two-relus-cannot",
        "gradient-share",
        "norm-helps-blobs",
        "norm-helps-scales",
        "relu-homogeneous",
        "h0-on-h1-off",
        "norm-faster",
        "norm-generalizes",
        "robust-activation",
    },
    "preprocessing": {
        "range-01",
        "offset-condition",
        "whiten-sqrt",
        "svd-route",
        "whiten-noise",
        "pca-keeps",
        "pca-ok-for-nets",
        "raw-pixels-saturate",
        "mnist-mean",
        "targets-too",
    },
    "pitfalls": {"constant-feature", "float32-offset", "train-only-stats"},
    "unstable_gradients": {
        "chain-formula",
        "window",
        "explode-100",
        "vanish-more-common",
        "narrow-weights",
        "norm-mitigates-vanishing",
        "weights-below-one",
    },
    "activations": {
        "peak-one",
        "zigzag",
        "tanh-is-sigmoid",
        "relu-six-times",
        "dead-forty",
        "leaky-cures-dying",
        "sigmoid-never",
        "tanh-worse-than-relu",
        "maxout-special-cases",
        "mixing-activations",
    },
    "losses": {"ce-vs-mse", "chance-loss"},
    "initialization": {
        "zeros",
        "small-random",
        "inv-sqrt-n",
        "inv-sqrt-n-raced",
        "bias-01-trains",
        "he",
        "glorot-tanh-sigmoid",
        "default-torch",
        "jacobian-sv",
        "sparse",
        "bias-01",
        "orthogonal",
        "lsuv",
        "mean-field",
        "born-dead",
        "selu-fixed-point",
        "lecun-tanh",
        "tanh-glorot-decay",
    },
    "batch_normalization": {
        "bn-robust",
        "bn-gaussian",
        "bn-before-after",
        "bn-scale-invariant",
        "bn-gradient-identity",
        "bn-explodes",
        "bn-eval",
        "bn-not-covariate-shift",
    },
    "optimizers": {
        "sgd-slower",
        "batch-memory",
        "momentum-form",
        "eps-inside",
        "adam-bias",
        "gd-edge",
        "momentum-rate",
        "oscillates",
        "rmsprop-evens",
        "updates-an-epoch",
    },
    "tuning": {"tuning-importance", "random-search"},
}


def module(one):
    return importlib.import_module(EXPERIMENTS[one].module)


def chapter_of(one):
    return EXPERIMENTS[one].chapter.replace("_", "-")


def page(chapter):
    return (ROOT / f"docs/learn/{chapter.replace('_', '-')}.md").read_text(encoding="utf-8").splitlines()


def defining(name):
    return [one for one, experiment in EXPERIMENTS.items() if name in experiment.defines]


def every(names):
    """One after the other, all tests of each: they share its small result."""
    return pytest.mark.parametrize("one", names, scope="module")


def sizes(one, small):
    """The sizes that compute takes, small."""
    parameters = inspect.signature(module(one).compute).parameters
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values()), f"{one}: compute takes keywords only"
    names = parameters.keys() - {"seed", "device"}
    unknown = sorted(names - small.keys())
    assert not unknown, f"{one}: compute takes {unknown}; say in SMALL of {Path(__file__).name} what is small"
    return {name: min(small[name], parameters[name].default) for name in names}


def compute(one, small=SMALL, short=SHORT, **arguments):
    """What a small run returns."""
    run, few = module(one).compute, sizes(one, small)
    with pytest.MonkeyPatch.context() as patch:
        for name, loaded in list(sys.modules.items()):
            for constant in short if name.startswith("experiments.") else ():
                if hasattr(loaded, constant):
                    patch.setattr(loaded, constant, min(short[constant], getattr(loaded, constant)))
        return run(**few, **arguments)


def arrays(result):
    return {key: np.asarray(value) for key, value in result.items()}


@cache
def computed(one):
    """A small result."""
    return compute(one)


@cache
def small(one):
    """The same as it is read back from result.npz."""
    stored = io.BytesIO()
    np.savez(stored, **arrays(computed(one)))
    stored.seek(0)
    with np.load(stored, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture
def result(one):
    return copy.deepcopy(small(one))


def set_generators(seed):
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def generators():
    """The state of the global generators."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  (the one that must stay as it is)
    return random.getstate(), (name, keys.tolist(), *rest), torch.get_rng_state().tolist()


def same(one, other):
    assert one.keys() == other.keys()
    return all(np.array_equal(one[key], other[key], equal_nan=one[key].dtype.kind == "f") for key in one)


# What compute promises


@every(EXPERIMENTS)
def test_compute_depends_on_its_seed_and_nothing_else(one):
    computed(one)  # what loads on first use has loaded
    default = inspect.signature(module(one).compute).parameters["seed"].default
    results = []
    for state, seed in ((0, default), (1, default), (1, 100)):
        set_generators(state)
        before = generators()
        results.append(arrays(compute(one, TINY, SHORTEST, seed=seed)))
        assert generators() == before, "compute drew from a global generator, or seeded it"
    first, again, other = results
    assert same(first, again)
    assert not same(first, other)


@every(EXPERIMENTS)
def test_compute_returns_finite_numbers(one):
    for key, value in computed(one).items():
        assert isinstance(value, torch.Tensor | np.ndarray), f"{key} is a {type(value).__name__}"
        assert not (isinstance(value, torch.Tensor) and value.requires_grad), key
        assert np.asarray(value).dtype.kind in "biuf", key
        assert np.isfinite(np.asarray(value)).all(), key


@every(EXPERIMENTS)
def test_docstring_asks_the_question(one):
    question = module(one).__doc__.splitlines()[0]
    assert "?" in question
    assert f"Chapter: {chapter_of(one)}." in module(one).__doc__


# What the page shows


@pytest.mark.parametrize("narrow", [False, True])
@every(defining("draw"))
def test_draw(one, result, narrow):
    with style.scheme(None, narrow=narrow):  # one SVG for both: its colours are the page's variables
        figure = module(one).draw(result)
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() == style.NARROW if narrow else figure.get_figwidth() <= style.WIDE
    assert plt.get_fignums() == [figure.number]  # the one that the engine will close
    assert colours(figure) <= {*style.SVG_VARIABLES, style.INK.lower(), style.GRID.lower()}


class Colours(RendererBase):
    """Draws nothing, and keeps the colours that an SVG would name; that takes a fifth of the time."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def see(self, *colours):
        self.seen |= {to_hex(colour) for colour in colours if colour is not None and to_rgba(colour)[3] > 0}

    def draw_path(self, gc, path, transform, rgbFace=None):
        self.see(gc.get_rgb() if gc.get_linewidth() else None, rgbFace)

    def draw_markers(self, gc, marker_path, marker_trans, path, trans, rgbFace=None):
        self.draw_path(gc, path, trans, rgbFace)

    def draw_path_collection(self, gc, m, p, a, o, trans, facecolors, edgecolors, widths, *args, **options):
        self.see(*facecolors, *(edgecolors if np.any(widths) else ()))

    def draw_image(self, *args):
        """An SVG holds an image as a file."""

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        self.see(gc.get_rgb())


def colours(figure):
    """The colours that an SVG names: any but the page's own would stay as they are in the dark."""
    renderer = Colours()
    figure.set_layout_engine("none")
    figure.draw(renderer)
    return renderer.seen


def test_all_colours_are_seen():
    """Those of the SVG itself, whatever they are the colours of."""
    figure, (one, other) = plt.subplots(1, 2, facecolor="none")
    one.plot([1, 2], "o-", color="#100000", mfc="#200000", mec="#300000")
    one.bar([1, 2], [1, 2], color="#400000", edgecolor="#500000", lw=2)
    one.fill_between([1, 2], [1, 2], color="#600000", alpha=0.5)
    one.set_facecolor("#700000")
    other.scatter([1, 2], [1, 2], c=["#800000", "#900000"], edgecolors="#a00000")
    other.text(1, 1, "a", color="#b00000")
    other.set_title("$x^2$", color="#c00000")
    other.contourf([[1, 2], [3, 4]], colors=["#d00000", "#e00000"])
    other.imshow([[1, 2]])
    svg = io.StringIO()
    figure.savefig(svg, format="svg")
    named = {colour.lower() for colour in re.findall(r"#[0-9a-fA-F]{6}\b", svg.getvalue())}
    assert colours(figure) >= named >= {f"#{k:x}00000" for k in range(1, 15)}


@every(defining("animate"))
def test_animate(one, result):
    """One figure, whose background stands still: the engine draws it once."""
    backgrounds, pictures = [], []
    with style.scheme("dark"):
        frames = module(one).animate(result)
        figures = []
        for figure in itertools.islice(frames, 3):
            figures.append(figure)
            figure.canvas.draw()  # all that is not animated
            figure.set_layout_engine("none")  # the engine lays out once
            backgrounds.append(np.array(figure.canvas.buffer_rgba()))
            for artist in figure.findobj(lambda artist: artist.get_animated()):
                figure.draw_artist(artist)
            pictures.append(np.array(figure.canvas.buffer_rgba()))
        frames.close()
    assert len(figures) == 3
    assert set(figures) == {figure}
    assert plt.get_fignums() == [figure.number]
    assert all(np.array_equal(backgrounds[0], background) for background in backgrounds)
    assert not np.array_equal(pictures[0], pictures[-1])


PICTURED = defining("draw") + defining("animate")


@every(PICTURED)
def test_caption_answers_first(one, result):
    caption = module(one).caption(result)
    assert re.match(r"\*\*[A-Z].+?[.!]\*\*", caption), "the first sentence is the answer, in bold"
    assert caption.count("**") == 2
    finding, method = caption.split("\n\n", 1)  # what stands below the picture, and what folds
    assert len(finding.split()) <= 40
    assert method
    assert re.search(r"\d", caption)
    assert caption.endswith(".")
    assert "nan" not in caption


@every(PICTURED)
def test_alt_is_a_plain_sentence(one, result):
    alt = module(one).alt(result)
    assert re.match(r"[A-Z0-9].{20,}\.$", alt)
    assert not re.search(r"[*`$<>\\]|\]\(|\b_\w|\bnan\b|  ", alt)


NUMBER = re.compile(
    r"(?<![\w.,^])(?<!CC BY )(\d*\.\d+|\d[\d,]*(?=[\s\u00a0]*%))"
)  # a decimal, or a percentage


def written(text) -> Iterator[tuple[str, int]]:
    """The decimals and percentages that a caption, an alt text or a finding spells out, with their lines."""
    for function in ast.parse(text).body:
        if getattr(function, "name", None) in ("caption", "alt"):
            parts = [function]
        elif getattr(function, "name", None) == "claims":
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            parts = [given.value for call in calls for given in call.keywords if given.arg == "finding"]
        else:
            continue
        nodes = [node for part in parts for node in ast.walk(part)]
        formats = [node.format_spec for node in nodes if isinstance(node, ast.FormattedValue)]
        skipped = {id(node) for one in formats if one for node in ast.walk(one)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
                yield from ((found, node.lineno) for found in NUMBER.findall(node.value))


def constants(value) -> Iterator[float]:
    """The numbers of an experiment's own constants, and each as a percentage."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from (abs(value), 100 * abs(value))
    elif isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.dtype.kind in "if"):
        for one in np.asarray(value).tolist() if isinstance(value, np.ndarray) else value:
            yield from constants(one)
    elif isinstance(value, dict):
        yield from constants([*value, *value.values()])
    elif isinstance(value, str):  # the name of a case, such as "0.01 · randn"
        yield from (float(found.replace(",", "")) for found in NUMBER.findall(value))
    elif getattr(value, "__name__", "").startswith("experiments.") and "_shared" in value.__name__:
        yield from constants(vars(value))


def unmeasured(text, known) -> list[str]:
    known = [*known, 1, 95, 99, 100]  # the level of intervals, and what counts as all or none
    return [
        f"line {line}: {found}"
        for found, line in written(text)
        if not np.isclose(float(found.replace(",", "")), known, rtol=1e-9, atol=0).any()
    ]


@every(PICTURED)
def test_no_measured_number_is_written_by_hand(one):
    """It comes from the result; a number of the set-up is one of the script's constants."""
    known = [number for value in vars(module(one)).values() for number in constants(value)]
    assert not unmeasured(EXPERIMENTS[one].script.read_text(encoding="utf-8"), known)


def test_a_measured_number_by_hand_is_found():
    text = (
        'def caption(result):\n    return f"**It is 12 %.** At {RATE:.2f}, 0.5 and .25, {result:.3f};"\n'
        'def claims(result):\n    yield Claim(measure="over 0.7", finding=f"50 % and 1,234 %, {x} of U(0)")'
    )
    assert unmeasured(text, constants(0.5)) == ["line 2: 12", "line 2: .25", "line 4: 1,234"]
    assert not unmeasured(text, [12, 0.25, 0.5, 50, 1234])


@every(defining("table"))
def test_table_is_rectangular(one, result):
    table = {name: np.asarray(column) for name, column in module(one).table(result).items()}
    assert {column.ndim for column in table.values()} == {1}
    assert len({len(column) for column in table.values()}) == 1
    assert min(map(len, table.values())) > 0
    assert all(column.dtype.kind in "biufU" for column in table.values())


@every(PICTURED)
def test_page_embeds_the_figure(one):
    line = f'--8<-- "experiments/{one}/figure.md"'
    assert page(EXPERIMENTS[one].chapter).count(line) == 1


# Claims


def claims(one, result):
    found = list(module(one).claims(result))
    assert all(isinstance(claim, Claim) for claim in found)
    return found


@every(defining("claims"))
def test_claims_are_written_for_readers(one, result):
    for claim in claims(one, result):
        for text in (claim.statement, claim.measure, *claim.sources):
            assert text.strip()
            assert not text.endswith(".")
        for key in {text.partition(", ")[0] for text in claim.sources} - {sources.OURS}:
            listed = [line for line in page(EXPERIMENTS[one].chapter) if line.startswith(f"- [@@{key}]")]
            assert len(listed) == 1, f"{claim.id}: the chapter's list of sources must hold {key}"
        assert re.match(r"[A-Z0-9].*\.$", claim.finding)
        assert re.search(r"\d", claim.finding), "the finding has a number"


@every(defining("claims"))
def test_a_claim_has_a_map_or_is_exact(one, result):
    for claim in claims(one, result):
        if claim.interval is None:
            assert claim.within is not None, f"{claim.id}: an identity is exact within rounding"
        else:
            assert claim.map is not None, f"{claim.id}: a verdict comes from a map"
            assert claim.units, f"{claim.id}: what was drawn again for each of the n?"
            assert claim.map.units, f"{claim.id}: what was drawn again in a cell of the map?"
            assert claim.map.cells.size >= 3


def test_a_map_says_where_it_turns():
    """To a factor of 1.5 along each axis of numbers, somewhere on the map of the last build."""
    texts = [(EXPERIMENTS[one].folder / "claims.json").read_text("utf-8") for one in defining("claims")]
    made = map(json.loads, texts)
    vague = [
        f"{claim['id']}: {', '.join(claim['map']['vague'])}"
        for claim in itertools.chain.from_iterable(made)
        if claim["map"] and claim["map"]["vague"]
    ]
    assert not vague, "\n".join(["where it turns is not known to a factor of 1.5:", *vague])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_page_embeds_every_claim(chapter):
    lines = page(chapter)
    for one in CLAIMS.get(chapter, set()):
        assert lines.count(f'--8<-- "claims/{one}.md"') == 1, one


DOCTORED = {chapter: importlib.import_module(f"tests.doctored.{chapter}") for chapter in CLAIMS}
CASES = [
    pytest.param(f"{chapter}/{name}", claim, doctor, id=f"{claim}: {wrong}")
    for chapter, made in DOCTORED.items()
    for (name, claim), doctors in made.DOCTORED.items()
    for wrong, doctor in doctors.items()
]


def test_every_claim_has_an_id_of_its_own_and_a_doctored_result():
    for chapter, made in DOCTORED.items():
        assert sorted(claim for _, claim in made.DOCTORED) == sorted(CLAIMS[chapter])
    every_claim = [claim for claims in CLAIMS.values() for claim in claims]
    assert len(set(every_claim)) == len(every_claim)


@every(defining("claims"))
def test_an_experiment_makes_the_claims_that_are_doctored(one, result):
    chapter, name = one.split("/")
    doctored = [claim for there, claim in getattr(DOCTORED.get(chapter), "DOCTORED", ()) if there == name]
    assert sorted(claim.id for claim in claims(one, result)) == sorted(doctored)


def verdicts(one, result):
    return {claim.id: claim.holds and claim.derived == claim.verdict for claim in claims(one, result)}


@cache
def sound(one):
    """A result on which all of the experiment's claims hold."""
    chapter, name = one.split("/")
    result = DOCTORED[chapter].SOUND[name]
    assert all(verdicts(one, result).values())
    return result


@pytest.mark.parametrize(("one", "claim", "doctor"), CASES)
def test_claim_fails_on_a_doctored_result(one, claim, doctor):
    """With one thing wrong in a sound result, this one does not hold."""
    assert verdicts(one, sound(one) | doctor(sound(one)))[claim] is False


# What a script may use

SCRIPTS = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "scripts/experiments").rglob("*.py")}
GENERATORS = {"manual_seed", "Generator", "default_rng", "RandomState", "Random"}
GROUND = {f"experiments.{name}" for name in ("style", "evidence", "intervals", "words", "trials")}


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def called(node):
    """The last name of what a call calls, None where the node is none."""
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "attr", getattr(function, "id", None))


def own_generators(node) -> Iterator[int]:
    """Lines that make or seed a generator, unless torch's is put back or the seed is a number: jitter."""
    if isinstance(node, ast.With) and any(called(item.context_expr) == "fork_rng" for item in node.items):
        return
    fixed = called(node) == "default_rng" and [type(given) for given in node.args] == [ast.Constant]
    if called(node) in GENERATORS and not fixed:
        yield node.lineno
    for child in ast.iter_child_nodes(node):
        yield from own_generators(child)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("torch.Generator().manual_seed(seed)", [1]),
        ("from numpy.random import default_rng\nx = default_rng(seed)", [2]),
        ("default_rng()", [1]),
        ("jitter = np.random.default_rng(0)", []),
        ("with torch.random.fork_rng():\n    torch.manual_seed(seed)", []),
        ("with open(x):\n    torch.manual_seed(seed)", [2]),
        ("def f(generator: torch.Generator): return generator.initial_seed()", []),
    ],
)
def test_own_generators_are_found(text, found):
    assert sorted({*own_generators(ast.parse(text))}) == found


def test_every_generator_comes_from_trials():
    """Any other could share its draws with another seed or replica."""
    found = [
        f"{name}:{line}"
        for name, path in sorted(SCRIPTS.items())
        if name != "scripts/experiments/trials.py"
        for line in sorted({*own_generators(tree(path))})
    ]
    assert not found, "\n".join(["generators that experiments.trials did not make:", *found])


def imported(name, text) -> Iterator[str]:
    """The modules of `experiments` that a script imports, of `from experiments import style` the second."""
    package = name.removeprefix("scripts/").rpartition("/")[0].replace("/", ".")
    for node in ast.walk(text):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "experiments")
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            if module == "experiments" or module.endswith("._shared"):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            elif module.startswith("experiments."):
                yield module


def test_an_experiment_imports_what_its_own_chapter_shares_and_nothing_else():
    """import-linter lets a chapter's experiments use any chapter's `_shared`; this does not."""
    found = []
    for name, path in sorted(SCRIPTS.items()):
        chapter = name.split("/")[2] if name.count("/") > 2 else None
        for module in imported(name, tree(path)):
            if module not in GROUND and not module.startswith(f"experiments.{chapter}._shared."):
                found.append(f"{name} imports {module}")
    assert not found, "\n".join(found)


# The style


def settings():
    return dict(mpl.rcParams), style.ink(), style.paper(), style.palette()


@pytest.mark.parametrize(("scheme", "palette"), [(None, LIGHT), ("light", LIGHT), ("dark", DARK)])
def test_scheme_holds_inside_its_block(scheme, palette):
    before = settings()
    with style.scheme(scheme):
        assert style.palette() is palette
        assert mpl.rcParams["text.color"] == mpl.rcParams["xtick.color"] == style.ink()
        assert mpl.rcParams["figure.facecolor"] == mpl.rcParams["savefig.facecolor"] == style.paper()
        inside = settings()
        with style.scheme("dark"):
            assert style.palette() is DARK
        assert settings() == inside
        with pytest.raises(RuntimeError), style.scheme("dark"):
            raise RuntimeError
        assert settings() == inside
    assert settings() == before


@pytest.mark.parametrize(
    ("rows", "columns", "wide", "there"),
    [
        (1, 1, (), (1, 1)),
        (1, 3, (3,), (3, 1)),
        (1, 4, (4,), (2, 2)),
        (2, 3, (2, 3), (3, 2)),
        (2, 2, (2, 2), (2, 2)),
        (3, 4, (3, 4), (3, 4)),
    ],
)
def test_panels_are_stacked_on_a_phone_and_returned_as_elsewhere(rows, columns, wide, there):
    shapes = []
    for narrow in (False, True):
        with style.scheme(None, narrow=narrow):
            assert style.narrow() == narrow
            figure, axes = style.figure(8, 4, nrows=rows, ncols=columns, width_ratios=range(1, columns + 1))
            assert np.shape(axes) == wide
            shapes.append(figure.axes[0].get_gridspec().get_geometry())
    assert shapes == [(rows, columns), there]
    if rows == 2 and there == (3, 2):  # what was a row is a column
        assert {ax.get_subplotspec().colspan.start for ax in axes[1]} == {1}
    assert figure.get_figwidth() == style.NARROW
    assert figure.get_figheight() <= max(style.TALL, 3 * rows)
    assert not style.narrow()


def test_stacked_panels_share_what_they_shared_and_say_it():
    with style.scheme(None, narrow=True):
        figure, (above, below) = style.figure(8, 4, ncols=2, sharex=True, sharey=True)
        above.set(xlabel="step", ylabel="loss")
        below.set(xlabel="step", ylim=(0, 7))
        style.finish(figure)
    assert above.get_ylim() == (0, 7)
    assert (above.get_xlabel(), below.get_xlabel()) == ("", "step")
    assert above.get_ylabel() == below.get_ylabel() == "loss"


def test_logarithmic_axes_say_plain_numbers():
    figure, ax = style.figure(6, 4)
    ax.set(xscale="log", xlim=(1e-7, 1e6))
    style.finish(figure)
    figure.canvas.draw()
    shown = [label.get_text() for label in ax.get_xticklabels() if label.get_text()]
    assert {"1e−7", "0.001", "1", "1,000"} & set(shown)
    assert not any("$" in text for text in shown)


@pytest.mark.parametrize(
    ("x", "says"),
    [(0, "0"), (0.01, "0.01"), (20, "20"), (1e4, "10,000"), (1e6, "1e6"), (2.5e-7, "2.5e−7"), (-10, "−10")],
)
def test_plain_numbers(x, says):
    assert style.plain(x) == says


def test_schemes_differ():
    looks = []
    for scheme in (None, "light", "dark"):
        with style.scheme(scheme):
            looks.append((style.ink(), style.paper()))
    assert looks[0] == (style.INK, "none")
    assert len({ink for ink, _ in looks}) == len({paper for _, paper in looks}) == 3


def test_each_meaning_has_a_variable():
    variables = {LIGHT[key].lower(): f"--ug-{key.replace('_', '-')}" for key in LIGHT}
    assert variables == style.SVG_VARIABLES
    assert not style.SVG_VARIABLES.keys() & {style.INK.lower(), style.GRID.lower()}


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_page_and_pictures_share_their_colours(palette):
    sheet = (ROOT / "docs/assets/site.css").read_text(encoding="utf-8").lower()
    for key, colour in palette.items():
        assert f"--ug-{key.replace('_', '-')}: {colour.lower()};" in sheet


def test_progress_goes_from_left_to_right():
    _, ax = style.figure(4, 3)
    update = style.progress(ax, 5, "point")
    (tick,), (text,) = ax.lines, ax.texts
    for i, value, reaches, says in (
        (0, None, 0, "point 0"),
        (2, 30, 0.5, "point 30"),
        (4, None, 1, "point 4"),
    ):
        update(i, value)
        assert tick.get_xdata()[1] == reaches
        assert text.get_text() == says
    assert tick.get_animated()
    assert text.get_animated()
