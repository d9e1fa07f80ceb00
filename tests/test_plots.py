"""plots.py: what is drawn is where the numbers say, read back from the artists."""

import importlib
import itertools
import re
import sys

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.path import Path

from unitgain import plots
from unitgain.datasets import circles
from unitgain.devices import best_device
from unitgain.diagnostics import activity, observe
from unitgain.models import MLP
from unitgain.plots import DARK, LIGHT, boundary, grid, network, scatter, unit_states

DEVICES = sorted({"cpu", best_device().type})


@pytest.fixture
def ax():
    return Figure().subplots()


def test_palettes_name_the_same_things():
    assert LIGHT.keys() == DARK.keys()
    for palette in LIGHT, DARK:
        assert len(set(palette.values())) == len(palette)
        assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in palette.values())


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_scatter_colours_each_class(ax, palette):
    x, y = circles(50)
    points = scatter(ax, x, y, palette=palette, size=9)
    np.testing.assert_allclose(points.get_offsets(), x)
    expected = [to_rgba(palette[f"class{label}"], 0.9) for label in y.tolist()]
    np.testing.assert_allclose(points.get_facecolors(), expected)
    assert set(points.get_sizes()) == {9}
    assert scatter(ax, x, y, alpha=0.5, marker="s").get_alpha() == 0.5


def test_grid_goes_row_by_row_from_the_bottom():
    points = grid((-1, 0), (1, 4), steps=3)
    assert points.dtype == np.float32
    assert points.tolist() == [[x, y] for y in (0, 2, 4) for x in (-1, 0, 1)]


# The boundary


def line_points(drawing) -> np.ndarray:
    return np.concatenate([path.vertices for path in drawing.line.get_paths()])


def test_boundary_lies_where_the_score_changes_sign(ax):
    """Straight: to the bit of the grid. Round: within a fraction of its spacing."""
    drawing = boundary(ax, lambda x: x[:, 0] + 2 * x[:, 1] - 1, (-2, -3), (4, 3), steps=61)
    x, y = line_points(drawing).T
    np.testing.assert_allclose(x + 2 * y, 1, atol=1e-5)
    assert x.min() < -1.9
    assert x.max() > 3.9
    drawing = boundary(ax, lambda x: x.norm(dim=-1) - 1.5, (-2, -2), (2, 2), steps=101)
    np.testing.assert_allclose(np.hypot(*line_points(drawing).T), 1.5, atol=1e-3)
    assert ax.get_xlim() == (-2, 2)
    assert ax.get_ylim() == (-2, 2)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_tint_shows_the_predicted_class(ax, palette):
    """Inside a ring class 0, in it class 1, outside class 0 again: holes must stay holes."""
    drawing = boundary(
        ax, lambda x: 0.5 - (x.norm(dim=-1) - 2).abs(), (-4, -4), (4, 4), steps=81, palette=palette
    )
    for region, key, inside, outside in zip(
        drawing.regions, ("class0", "class1"), ([0, 0], [2, 0]), ([2, 0], [0, 0]), strict=True
    ):
        assert to_rgba(region.get_facecolor()) == to_rgba(palette[key], 0.22)
        polygons = region.get_path().to_polygons()
        covered = [
            sum(Path(polygon).contains_point(point) for polygon in polygons) % 2
            for point in (inside, outside)
        ]
        assert covered == [1, 0]


def test_boundary_moves_its_artists(ax):
    drawing = boundary(ax, None, (-1, -1), (1, 1), line="#123456", animated=True)
    assert drawing.line.get_paths() == []
    assert all(len(region.get_path().vertices) == 0 and region.get_animated() for region in drawing.regions)
    assert drawing.line.get_animated()
    assert to_hex(drawing.line.get_color()[0]) == "#123456"
    artists = len(ax.get_children())
    for offset in (0.0, 0.25):
        drawing.update(grid((-1, -1), (1, 1), steps=50)[:, 0] - offset)
        np.testing.assert_allclose(line_points(drawing)[:, 0], offset, atol=1e-6)
    drawing.update(np.ones(2500))  # one class everywhere: no line
    assert drawing.line.get_paths() == []
    assert [len(region.get_path().vertices) > 0 for region in drawing.regions] == [False, True]
    assert len(ax.get_children()) == artists


@pytest.mark.parametrize("device", DEVICES)
def test_boundary_takes_a_network(ax, device):
    model = MLP((2, 4, 1), "tanh").to(device)  # odd: both classes appear
    drawing = boundary(ax, lambda x: model(x.to(device)), (-3, -3), (3, 3), steps=40)
    drawing.line.figure.canvas.draw()
    points = grid((-2.99, -2.99), (2.99, 2.99), 40)  # none on the rim
    with torch.no_grad():
        score = model(torch.from_numpy(points).to(device)).squeeze(-1).cpu().numpy()
    sure = np.abs(score) > 0.05 * np.abs(score).max()  # between the grid's points the line is straight
    assert 0 < (score[sure] > 0).sum() < sure.sum()
    for region, positive in zip(drawing.regions, (False, True), strict=True):
        polygons = region.get_path().to_polygons()
        covered = sum(Path(polygon).contains_points(points[sure]) for polygon in polygons) % 2
        np.testing.assert_array_equal(covered == 1, (score[sure] > 0) == positive)


# The network


def test_unit_states_name_what_diagnostics_found():
    assert unit_states([0.0, 1e-9, 0.5, 1 - 1e-9, 1.0]) == ["dead", "alive", "alive", "alive", "always_on"]
    layer = activity(torch.nn.ReLU(), torch.tensor([[-1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]]))[0]
    assert unit_states(layer.share) == ["dead", "always_on", "alive"]
    assert set(unit_states(layer.share)) <= LIGHT.keys()


def circles_of(drawing) -> np.ndarray:
    """Centre and radius of each unit's circle, (units, 3)."""
    boxes = [path.get_extents() for path in drawing.units.get_paths()]
    return np.array([[(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, box.width / 2] for box in boxes])


def test_edges_are_in_the_order_of_the_weights(ax):
    """Edge k of a layer joins input k % in with output k // in, weight.ravel()'s order, from rim to rim."""
    sizes = (3, 2, 4)
    drawing = network(ax, sizes)
    layers = np.split(circles_of(drawing), np.cumsum(sizes)[:-1])
    segments = iter(path.vertices for path in drawing.edges.get_paths())
    for left, right in itertools.pairwise(layers):
        for output in right:
            for source in left:
                start, end = next(segments)
                along = (output - source)[:2] / np.linalg.norm((output - source)[:2])
                for point, circle, direction in ((start, source, along), (end, output, -along)):
                    distance = (point - circle[:2]) @ direction
                    np.testing.assert_allclose(point, circle[:2] + distance * direction, atol=1e-9)
                    assert circle[2] <= distance < 1.5 * circle[2]  # outside the circle, and close to it
    assert next(segments, None) is None


def test_units_stand_in_layers_from_the_top(ax):
    x, y, radius = circles_of(network(ax, (2, 3, 1))).T
    layers = [slice(0, 2), slice(2, 5), slice(5, 6)]
    assert [len(set(x[layer])) for layer in layers] == [1, 1, 1]
    assert x[0] < x[2] < x[5]
    for layer in layers:
        np.testing.assert_allclose(np.diff(y[layer]), -1)  # unit 0 on top
        np.testing.assert_allclose(y[layer].mean(), y.mean())  # layers centred
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert (left < x - radius).all()
    assert (x + radius < right).all()
    assert (bottom < y - radius).all()
    assert (y + radius < top).all()


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_network_shows_sign_size_and_state(ax, palette):
    drawing = network(ax, (2, 2, 1), palette=palette, ink="#102030")
    weights = [np.array([[2.0, -1.0], [0.5, 4.0]]), np.array([[-3.0, 0.0]])]
    drawing.update([[0.0, 1.0], [2.0, -1.0], [0.5]], [["", ""], ["alive", "dead"], ["always_on"]], weights)
    flat = np.array([2.0, -1.0, 0.5, 4.0, -3.0, 0.0])
    assert {to_hex(colour) for colour in drawing.edges.get_color()} == {"#102030"}
    width = np.array(drawing.edges.get_linewidth())
    np.testing.assert_allclose((width - width[5]) / (width[3] - width[5]), np.abs(flat) / 4)
    solid = [dashes is None for _, dashes in drawing.edges.get_linestyle()]
    assert solid == (flat > 0).tolist()
    rings = [to_rgb("#102030")] * 2 + [to_rgb(palette[state]) for state in ("alive", "dead", "always_on")]
    np.testing.assert_allclose(drawing.units.get_edgecolors()[:, :3], rings)
    styles = list(zip(drawing.units.get_linewidth(), map(str, drawing.units.get_linestyle()), strict=True))
    assert styles[0] == styles[1] == styles[2]
    assert len(set(styles[2:])) == 3
    faces = drawing.units.get_facecolors()
    np.testing.assert_allclose(faces[:, :3], rings)
    off, on = faces[0, 3], faces[1, 3]
    np.testing.assert_allclose(
        (faces[:, 3] - off) / (on - off), [0, 1, 1, 0, 0.5], atol=1e-12
    )  # clipped to [0, 1]


def test_network_of_zeros_and_labels(ax):
    labels = ["$x$", "$h_0$", "$h_1$"]
    drawing = network(ax, (1, 2), labels=labels, animated=True)
    drawing.update([[0.0], [0.0, 0.0]], [[""], ["", "saturated"]], [np.zeros((2, 1))])
    assert len(set(drawing.edges.get_linewidth())) == 1
    assert [text.get_text() for text in ax.texts] == labels
    for text, (x, y, radius) in zip(ax.texts, circles_of(drawing), strict=True):
        assert text.get_position()[0] == pytest.approx(x)
        assert y - 0.5 < text.get_position()[1] < y - radius  # under its circle, above the next
    assert drawing.units.get_animated()
    assert drawing.edges.get_animated()
    assert not ax.axison
    ax.figure.canvas.draw()
    with pytest.raises(ValueError, match=r"shorter|longer"):
        network(ax, (1, 2), labels=["one"])


def test_without_matplotlib_it_is_named(monkeypatch):
    for missing in ("matplotlib.axes", "contourpy"):
        with monkeypatch.context() as context:
            context.setitem(sys.modules, missing, None)
            context.delitem(sys.modules, "unitgain.plots")
            with pytest.raises(
                ModuleNotFoundError, match=r"unitgain.plots needs matplotlib: pip install matplotlib$"
            ):
                importlib.import_module("unitgain.plots")
    assert sys.modules["unitgain.plots"] is plots


# What observe saw


def observed(*, backward: bool = True):
    """One record of a network of which units of every state are known: see `states`."""
    model = torch.nn.Sequential(
        torch.nn.Linear(2, 10),
        torch.nn.ReLU(),
        torch.nn.Linear(10, 4),
        torch.nn.Tanh(),
        torch.nn.Linear(4, 1),
    )
    with torch.no_grad():
        model[0].weight.copy_(torch.linspace(-1, 1, 20).view(10, 2) + 0.05)
        model[0].bias.copy_(torch.tensor([-99.0] * 3 + [99.0] * 2 + [0.0] * 5))
        model[2].weight.mul_(0.01)
        model[2].bias.copy_(torch.tensor([-9.0, 9.0, -1.0, 1.0]))
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    with observe(model) as seen:
        out = model(x)
        if backward:
            out.square().mean().backward()
    return seen.last


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_shares_stacks_the_states(ax, palette):
    record = observed()
    plots.shares(ax, record.layers, palette=palette, paper="#123456")
    bars = {c.get_label(): list(c) for c in ax.containers}
    assert list(bars) == ["alive", "always on", "saturated", "dead"]
    heights = {text: [bar.get_height() for bar in both] for text, both in bars.items()}
    np.testing.assert_allclose(heights["dead"], [0.3, 0])
    np.testing.assert_allclose(heights["always on"], [0.2, 0.25])
    np.testing.assert_allclose(heights["saturated"], [0, 0.5])  # tanh at -9 and at 9: not dead, not always on
    np.testing.assert_allclose(heights["alive"], [0.5, 0.25])
    for column in range(2):
        ends = [(b[column].get_y(), b[column].get_y() + b[column].get_height()) for b in bars.values()]
        assert ends[0][0] == 0
        np.testing.assert_allclose([end for _, end in ends[:-1]], [start for start, _ in ends[1:]])
        assert ends[-1][1] == pytest.approx(1)
    for key, text in (
        ("alive", "alive"),
        ("always_on", "always on"),
        ("saturated", "saturated"),
        ("dead", "dead"),
    ):
        assert to_hex(bars[text][0].get_facecolor()) == palette[key].lower()
        assert to_hex(bars[text][0].get_edgecolor()) == "#123456"
    assert len({both[0].get_hatch() for both in bars.values()}) == 4  # told apart without colour
    assert {text.get_text() for text in ax.texts} == {"alive", "always on", "saturated", "dead ↓"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "3"]
    beside = sorted(text.get_position()[1] for text in ax.texts if "↓" not in text.get_text())
    assert min(np.diff(beside)) > 0.05


def test_shares_pools_replicas(ax):
    model = MLP((2, 5, 1), replicas=(3,), bias="zeros")
    with torch.no_grad():
        model.layers[0].bias[1] = -99.0  # one network of three is dead
        model.layers[0].bias[2] = 99.0
        model.layers[0].weight[0] = torch.eye(5, 2) + 1
    with observe(model) as seen:
        model(torch.randn(50, 2))
    plots.shares(ax, seen.last.layers)
    heights = {c.get_label(): c[0].get_height() for c in ax.containers}
    np.testing.assert_allclose(
        [heights[k] for k in ("alive", "always on", "saturated", "dead")], [1 / 3, 1 / 3, 0, 1 / 3]
    )


def test_signal_draws_both_ways(ax):
    record = observed()
    plots.signal(ax, record, palette=LIGHT, ink="#102030")
    forward, back = ax.get_lines()
    assert to_hex(forward.get_color()) == LIGHT["standardized"].lower()
    assert to_hex(back.get_color()) == "#102030"
    assert ax.get_yscale() == "log"
    for i, layer in enumerate(record.layers):
        std = layer.std[layer.std > 0].double()  # the dead units have none
        np.testing.assert_allclose(forward.get_ydata()[i], std.quantile(0.5), rtol=1e-6)
        np.testing.assert_allclose(back.get_ydata()[i], layer.gradient, rtol=1e-6)
    low, high = np.array([path.vertices[:, 1] for path in ax.collections[0].get_paths()]).T
    std = record.layers[0].std.double()
    np.testing.assert_allclose([low[0], high[0]], [std.quantile(0.1), std.quantile(0.9)], rtol=1e-6)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2", "3", "4"]
    sides = {text.get_text(): text.get_va() for text in ax.texts}
    upper = "signal forward" if forward.get_ydata()[-1] > back.get_ydata()[-1] else "gradient back"
    assert sides.pop(upper) == "bottom"
    assert list(sides.values()) == ["top"]


def test_signal_without_backward_and_with_long_names(ax):
    plots.signal(ax, observed(backward=False))
    assert [text.get_text() for text in ax.texts] == ["signal forward"]
    assert ax.get_xticklabels()[0].get_rotation() == 0
    model = MLP((2, 3, 3, 3, 1))
    with observe(model) as seen:
        model(torch.randn(9, 2)).sum().backward()
    other = Figure().subplots()
    plots.signal(other, seen.last)
    assert other.get_xticklabels()[0].get_rotation() == 40
    assert other.get_xticklabels()[0].get_text() == "layers.0"


def test_signal_leaves_a_gap_where_there_is_none(ax):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    with torch.no_grad():
        model[0].bias.fill_(-99)
    with observe(model) as seen:
        model(torch.randn(9, 2)).sum().backward()
    plots.signal(ax, seen.last)
    forward, back = ax.get_lines()
    np.testing.assert_array_equal(np.isfinite(forward.get_ydata()), [True, False, False])
    np.testing.assert_array_equal(np.isfinite(back.get_ydata()), [False, True, True])
    ax.figure.canvas.draw()
