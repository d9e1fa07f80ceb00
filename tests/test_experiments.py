"""The experiments: each computes the same again, and says and draws what its pages need; claims can fail."""

import copy
import importlib
import inspect
import io
import itertools
import random
import re
import sys
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from experiments import style
from experiments.evidence import Claim
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from tasks import discovery

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
}
SHORT = {"STEPS": 20, "EPOCHS": 2, "EXAMPLES": 300}  # an experiment's constants, cut down too

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
    },
    "preprocessing": {
        "range-01",
        "offset-condition",
        "whiten-sqrt",
        "whiten-noise",
        "pca-keeps",
        "pca-ok-for-nets",
        "raw-pixels-saturate",
        "mnist-mean",
        "targets-too",
    },
    "pitfalls": {"constant-feature", "float32-offset", "train-only-stats"},
    "unstable_gradients": {"chain-formula", "window", "explode-100", "vanish-more-common"},
    "activations": {"peak-one", "zigzag", "tanh-is-sigmoid", "relu-six-times", "dead-forty"},
    "losses": {"ce-vs-mse", "chance-loss"},
    "initialization": {
        "zeros",
        "small-random",
        "inv-sqrt-n",
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
    return pytest.mark.parametrize("one", names)


def sizes(one):
    """The sizes that compute takes, small."""
    parameters = inspect.signature(module(one).compute).parameters
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values()), f"{one}: compute takes keywords only"
    names = parameters.keys() - {"seed", "device"}
    unknown = sorted(names - SMALL.keys())
    assert not unknown, f"{one}: compute takes {unknown}; say in SMALL of {Path(__file__).name} what is small"
    return {name: min(SMALL[name], parameters[name].default) for name in names}


def compute(one, **arguments):
    """What a small run returns."""
    run, few = module(one).compute, sizes(one)
    with pytest.MonkeyPatch.context() as patch:
        for name, loaded in list(sys.modules.items()):
            for constant in SHORT if name.startswith("experiments.") else ():
                if hasattr(loaded, constant):
                    patch.setattr(loaded, constant, min(SHORT[constant], getattr(loaded, constant)))
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
    first = computed(one)
    for key, value in first.items():
        assert isinstance(value, torch.Tensor | np.ndarray), f"{key} is a {type(value).__name__}"
        assert not (isinstance(value, torch.Tensor) and value.requires_grad), key
        assert np.asarray(value).dtype.kind in "biuf", key
        assert np.isfinite(np.asarray(value)).all(), key
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    before = generators()
    second = compute(one, seed=inspect.signature(module(one).compute).parameters["seed"].default)
    assert generators() == before, "compute drew from a global generator, or seeded it"
    assert same(arrays(first), arrays(second))
    assert not same(arrays(first), arrays(compute(one, seed=100)))


@every(EXPERIMENTS)
def test_docstring_asks_the_question(one):
    question = module(one).__doc__.splitlines()[0]
    assert "?" in question
    assert f"Chapter: {chapter_of(one)}." in module(one).__doc__


# What the page shows


@every(defining("draw"))
def test_draw(one, result):
    with style.scheme(None):  # one SVG for both: its colours are the page's variables
        figure = module(one).draw(result)
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == [figure.number]  # the one that the engine will close
    assert colours(figure) <= {*style.SVG_VARIABLES, style.INK.lower(), style.GRID.lower()}


def colours(figure):
    """The colours that an SVG names: any but the page's own would stay as they are in the dark."""
    svg = io.StringIO()
    figure.savefig(svg, format="svg")
    return {colour.lower() for colour in re.findall(r"#[0-9a-fA-F]{6}\b", svg.getvalue())}


@every(defining("animate"))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_animate(one, scheme, result):
    """One figure, whose background stands still: the engine draws it once."""
    backgrounds, pictures = [], []
    with style.scheme(scheme):
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
    assert re.match(r"\*\*[A-Z].+?[.!]\*\* \S", caption), "the first sentence is the answer, in bold"
    assert caption.count("**") == 2
    assert re.search(r"\d", caption)
    assert caption.endswith(".")
    assert "nan" not in caption


@every(PICTURED)
def test_alt_is_a_plain_sentence(one, result):
    alt = module(one).alt(result)
    assert re.match(r"[A-Z0-9].{20,}\.$", alt)
    assert not re.search(r"[*`$<>\\]|\]\(|\b_\w|\bnan\b|  ", alt)


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
        assert re.match(r"[A-Z0-9].*\.$", claim.finding)
        assert re.search(r"\d", claim.finding), "the finding has a number"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_page_embeds_every_claim(chapter):
    lines = page(chapter)
    for one in CLAIMS.get(chapter, set()):
        assert lines.count(f'--8<-- "claims/{one}.md"') == 1, one


def test_claims_have_ids_of_their_own():
    found = [
        (EXPERIMENTS[one].chapter, claim.id)
        for one in defining("claims")
        for claim in claims(one, small(one))
    ]
    assert len({claim for _, claim in found}) == len(found), sorted(found)
    for chapter in CHAPTERS:
        assert {claim for there, claim in found if there == chapter} == CLAIMS.get(chapter, set())


DOCTORED = {chapter: importlib.import_module(f"tests.doctored.{chapter}") for chapter in CLAIMS}
CASES = [
    pytest.param(f"{chapter}/{name}", claim, doctor, id=f"{claim}: {wrong}")
    for chapter, made in DOCTORED.items()
    for (name, claim), doctors in made.DOCTORED.items()
    for wrong, doctor in doctors.items()
]


def verdicts(one, result):
    return {claim.id: claim.holds for claim in claims(one, result)}


def test_every_claim_has_a_doctored_result():
    for chapter, made in DOCTORED.items():
        assert {claim for _, claim in made.DOCTORED} == CLAIMS[chapter]


@pytest.mark.parametrize(("one", "claim", "doctor"), CASES)
def test_claim_fails_on_a_doctored_result(one, claim, doctor):
    """All of the experiment's claims hold on the sound result; with one thing wrong, this one does not."""
    chapter, name = one.split("/")
    sound = DOCTORED[chapter].SOUND[name]
    assert all(verdicts(one, sound).values())
    assert verdicts(one, sound | doctor(sound))[claim] is False


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
