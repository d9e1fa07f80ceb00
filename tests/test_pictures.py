"""Figures for the page: few elements, legible, in both schemes, at both widths; and films."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from tasks import drawings, films, legible, pictures
from tasks.reporting import TaskFailed

COLOURS = {"#2f6db5": "var(--ug-class0)", "#010203": "currentColor"}


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def svg_of(figure) -> str:
    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(text, format="svg")
    return text.getvalue()


def flat(figure) -> str:
    return drawings.flat(svg_of(figure), "name")[1]


def counted(elements: str) -> dict[str, int]:
    found = re.findall(r"<(\w+)", elements)
    return {tag: found.count(tag) for tag in set(found)}


def bare(**options):
    """A figure with nothing in it but what is drawn."""
    figure = plt.figure(figsize=(4, 3), facecolor="none")
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, 10), ylim=(0, 10), **options)
    ax.axis("off")
    return figure, ax


# --- few elements


def test_dots_of_one_look_are_one_path_of_points():
    figure, ax = bare()
    ax.plot(range(1, 9), range(1, 9), "o", ms=6, mew=0, color="#2f6db5")
    (path,) = re.findall(r"<path[^>]*>", flat(figure))
    assert path.count("h0") == 8
    assert "stroke:#2f6db5" in path
    assert "stroke-width:6;" in path
    assert "stroke-linecap:round" in path


def test_transparent_dots_are_points_too():
    figure, ax = bare()
    ax.scatter([2, 5, 8], [5, 5, 5], color="#2f6db5", alpha=0.5)
    made = flat(figure)
    assert made.count("h0") == 3
    assert "stroke-opacity:0.5" in made


def test_rings_and_other_marks_are_outlines_at_their_places():
    figure, ax = bare()
    ax.plot([2, 5], [5, 5], "o", ms=6, mfc="none", mec="#2f6db5", mew=1)
    ax.plot([5], [5], "s", ms=6, mew=0, color="#2f6db5")
    rings, squares = re.findall(r"<path[^>]*>", flat(figure))
    assert rings.count("z") == 2
    assert "fill:none" in rings
    # 288 x 216 points: x = 5 of 10 is 144, y = 5 is 108 from the top
    assert "M141 111L147 111L147 105L141 105z" in squares


def test_nothing_is_used_and_grouped_and_nothing_invisible_is_kept():
    figure, ax = plt.subplots()
    ax.plot(range(5), "o-")
    ax.patch.set(fill=False)
    figure.patch.set(fill=False)
    made = counted(flat(figure))
    assert made.keys() <= {"path", "g", "text", "defs", "clipPath", "rect"}
    assert made["path"] <= 6  # a line, its dots, the ticks of either axis, the frame


def order(elements: str) -> list[str]:
    return re.findall(r"stroke:(#\w+)", elements)


def test_what_lies_over_something_stays_over_it():
    figure, ax = bare()
    for colour in ("#110000", "#220000", "#110000"):
        ax.plot([1, 9], [5, 5], color=colour, lw=5)
    assert order(flat(figure)) == ["#110000", "#220000", "#110000"]


def test_what_lies_beside_it_joins_its_like():
    figure, ax = bare()
    for y, colour in ((2, "#110000"), (5, "#220000"), (8, "#110000")):
        ax.plot([1, 9], [y, y], color=colour, lw=5)
    assert order(flat(figure)) == ["#110000", "#220000"]


def test_what_is_transparent_grows_darker_over_its_like():
    figure, ax = bare()
    for _ in range(20):
        ax.plot([1, 9], [5, 5], color="#110000", alpha=0.2)
    assert len(order(flat(figure))) == drawings.LAYERS


def test_an_image_hides_what_is_below_it():
    figure, ax = bare()
    ax.plot([1, 9], [5, 5], color="#110000", zorder=1)
    ax.imshow([[0, 1]], extent=(4, 6, 4, 6), zorder=2)
    ax.plot([1, 9], [5, 5], color="#110000", zorder=3)
    made = flat(figure)
    assert len(order(made)) == 2
    assert made.index("<path") < made.index("<image") < made.rindex("<path")


def test_ids_are_numbers():
    figure, ax = bare()
    ax.plot([-5, 20], [1, 2])
    ax.bar([5], [5], hatch="//")
    made = flat(figure)
    assert (
        set(re.findall(r' id="([^"]*)"', made))
        == set(re.findall(r"url\(#([^)]*)\)", made))
        == {"name-0", "name-1"}
    )


def test_words_stay_words():
    figure, ax = bare()
    ax.text(5, 5, "a word", rotation=90)
    made = flat(figure)
    assert re.search(r"<text[^>]*>a word</text>", made)
    assert "font-family" not in made


# --- two forms


def test_a_drawing_in_the_page_follows_its_colours():
    elements = '<path d="M0 0" style="fill:#2F6DB5;stroke:#010203"/>'
    made = pictures.inline_svg((72.0, 36.0), elements, COLOURS)
    assert 'viewBox="0 0 72 36"' in made
    assert 'style="fill:var(--ug-class0);stroke:currentColor"' in made


def test_a_drawing_in_a_file_has_the_colours_of_a_scheme():
    colours = {"#2f6db5": "#6CA6E8", "#010203": "currentColor"}
    made = pictures.svg_file((72.0, 36.0), '<path style="fill:#2f6db5"/>', colours, "#DDDDDD", "#111111")
    assert 'color="#DDDDDD" fill="#DDDDDD"' in made
    assert '<rect width="100%" height="100%" fill="#111111"/>' in made
    assert 'style="fill:#6CA6E8"' in made


def test_words_are_found_without_numbers():
    elements = '<text x="1">step</text><text>0.5</text><g><text><tspan>lo</tspan><tspan>ss</tspan></text></g>'
    assert pictures.words(elements) == ["step", "loss"]


# --- legible


def faults(write, size=(4, 3)) -> list[str]:
    figure = plt.figure(figsize=size, dpi=96)
    write(figure)
    return list(legible.faults(figure))


def test_words_that_can_be_read_pass():
    assert not faults(lambda figure: (figure.text(0.1, 0.5, "one"), figure.text(0.5, 0.5, "two")))


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda figure: figure.text(0.5, 0.5, "small", fontsize=8), '"small" is 10.7 px high as shown'),
        (lambda figure: figure.text(0.95, 0.5, "at the edge"), '"at the edge" is cut off'),
        (lambda figure: figure.text(-0.05, 0.5, "left"), '"left" is cut off'),
        (lambda figure: figure.text(0.5, -0.02, "below"), '"below" is cut off'),
        (lambda figure: figure.text(0.5, 0.9, "a turned label", rotation=90), '"a turned label" is cut off'),
        (
            lambda figure: figure.text(0.8, 0.5, "two\nlong lines of words"),
            '"long lines of words" is cut off',
        ),
        (
            lambda figure: (
                figure.text(0.1, 0.5, "$x_0^2$"),
                figure.text(0.11, 0.5, "word"),
            ),
            '"$x_0^2$" and "word" lie over one another',
        ),
        (
            lambda figure: (figure.text(0.1, 0.5, "one"), figure.text(0.12, 0.51, "two")),
            '"one" and "two" lie over one another',
        ),
    ],
)
def test_words_that_nobody_can_read_are_named(write, says):
    (fault,) = faults(write)
    assert fault.startswith(says)


def test_a_wide_figure_is_shown_smaller_than_it_is_drawn():
    assert "is 9.5 px high" in faults(lambda figure: figure.text(0.4, 0.5, "word", fontsize=10), (10, 3))[0]


def test_what_is_not_drawn_is_not_read():
    def write(figure):
        ax = figure.add_axes((0.2, 0.2, 0.7, 0.7), xlim=(0, 1))
        ax.set(xticks=[0, 50], xticklabels=["here", "far away"], yticks=[])
        figure.text(0.95, 0.5, "at the edge", visible=False)

    assert not faults(write)


def test_a_drawing_that_nobody_can_read_is_refused(tmp_path):
    def draw(result):
        figure = plt.figure(figsize=(3, 2))
        figure.text(1, 0.5, "step")
        return figure

    with pytest.raises(TaskFailed, match='the wide figure: "step" is cut off at the edge'):
        pictures.make(SimpleNamespace(draw=draw), {}, tmp_path, "experiments/c/e", "alt")
    assert not list(tmp_path.iterdir())


# --- films


def moving_dot(animated: bool):
    figure, ax = plt.subplots(figsize=(2.003, 1.5), layout="constrained")
    (dot,) = ax.plot([0], [0], "o", animated=animated)
    ax.set(xlim=(-1, 3), ylim=(-1, 1), xticks=[0, 2], yticks=[0])
    for x in range(3):
        dot.set_xdata([x])
        yield figure


def test_frames_drawn_over_a_kept_background_are_those_drawn_anew():
    blitted, anew = list(films.frames_of(moving_dot(True))), list(films.frames_of(moving_dot(False)))
    assert blitted[0].shape == (216, 290, 4)
    for one, other in zip(blitted, anew, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (blitted[0] != blitted[1]).any()


def test_a_film_that_nobody_can_read_is_refused():
    figure = plt.figure(figsize=(3, 2))
    figure.text(1, 0.5, "step")
    with pytest.raises(TaskFailed, match='the film: "step" is cut off at the edge'):
        next(films.frames_of(iter([figure])))


def test_the_same_frames_make_the_same_video(tmp_path):
    for name in ("a", "b"):
        size = films.save_video(moving_dot(True), tmp_path / f"{name}.mp4", fps=10, poster=-1)
        assert size == (193, 144)
    for kind in ("mp4", "webp"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "a.webp", "b.mp4", "b.webp"]
