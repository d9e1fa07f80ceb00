"""evidence.py, intervals.py, words.py: intervals against scipy.stats, and how often they hold the truth."""

import math
import re

import numpy as np
import pytest
from experiments.evidence import VERDICTS, Claim, Map
from experiments.intervals import (
    apart,
    mean,
    mean_interval,
    median_interval,
    ratio,
    resampled_interval,
    wilson,
)
from experiments.words import between, long_table, number, percent, shown, signed
from scipy import stats

FACTS = {
    "id": "all-or-none",
    "statement": "Far from 0 a neuron is on for all of the data or for none.",
    "sources": ("S0",),
    "verdict": "confirmed",
    "measure": "share of such neurons",
    "estimate": 0.9,
    "interval": (0.88, 0.92),
    "n": 1000,
    "holds": True,
    "finding": "90 % of the neurons.",
}

# Intervals


@pytest.mark.parametrize("n", [1, 2, 7, 40, 1000])
def test_wilson_is_that_of_scipy(n):
    for hits in sorted({0, 1, n // 3, n - 1, n}):
        low, high = wilson(np.arange(n) < hits)
        expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert low <= hits / n <= high
    assert wilson([[True, False], [False, False]]) == wilson([1, 0, 0, 0])


def test_mean_interval_is_students():
    values = np.random.default_rng(0).exponential(3, 25)
    expected = stats.t.interval(0.95, 24, values.mean(), stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected, rel=1e-12)
    assert mean_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_ratio_is_the_mean_of_the_logarithms():
    one, other = np.random.default_rng(0).lognormal(1, 0.5, (2, 30))
    estimate, interval = ratio(one, other)
    assert estimate == pytest.approx(stats.gmean(one / other), rel=1e-12)
    log = np.log(one) - np.log(other)
    expected = np.exp(stats.t.interval(0.95, 29, log.mean(), stats.sem(log)))
    assert interval == pytest.approx(tuple(expected), rel=1e-12)
    back, (low, high) = ratio(other, one)  # it does not matter which is above
    assert (back, low, high) == pytest.approx((1 / estimate, 1 / interval[1], 1 / interval[0]), rel=1e-12)
    assert ratio([2, 4], [1, 2]) == (pytest.approx(2), pytest.approx((2, 2)))


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 8, 9, 20, 21, 100, 1001])
def test_median_interval_is_the_sign_tests(n):
    """The narrowest symmetric pair of order statistics that covers with 95 % or more, by the binomial."""
    values = np.random.default_rng(n).permutation(n).astype(float)  # the k-th smallest is k - 1
    low, high = median_interval(values)
    k = int(low) + 1
    assert high == n - k
    miss = 2 * stats.binom.cdf(k - 1, n, 0.5)
    if n >= 6:
        assert miss <= 0.05 < 2 * stats.binom.cdf(k, n, 0.5)
    else:
        assert k == 1  # too few for 95 %: the whole range


def coverage(interval, draw, truth, runs=4000):
    rng = np.random.default_rng(0)
    held = [low <= truth <= high for low, high in (interval(draw(rng)) for _ in range(runs))]
    return np.mean(held), 5 * math.sqrt(0.05 * 0.95 / runs)  # five standard errors


@pytest.mark.parametrize("n", [5, 30])
def test_mean_interval_covers(n):
    share, error = coverage(mean_interval, lambda rng: rng.normal(3, 2, n), 3)
    assert abs(share - 0.95) < error


@pytest.mark.parametrize("n", [6, 25, 101])
def test_median_interval_covers(n):
    """Whatever the distribution; here a skewed one, of median log 2."""
    share, error = coverage(median_interval, lambda rng: rng.exponential(1, n), math.log(2))
    exact = stats.binom.cdf(n - 1, n, 0.5)
    assert 0.95 - error < share <= exact + error


def test_wilson_covers_on_average():
    """Exactly, from the binomial: near 95 % over shares, nowhere below 83 % (its known dips at 0 and 1)."""
    n = 50
    ends = np.array([wilson(np.arange(n) < hits) for hits in range(n + 1)])
    shares = np.linspace(0.005, 0.995, 397)[:, None]
    held = (ends[:, 0] <= shares) & (shares <= ends[:, 1])
    covers = (stats.binom.pmf(np.arange(n + 1), n, shares) * held).sum(axis=1)
    assert abs(covers.mean() - 0.95) < 0.01
    assert covers.min() > 0.83


def test_apart():
    assert apart((0.1, 0.2), (0.3, 0.4))
    assert not apart((0.1, 0.3), (0.3, 0.4))
    assert not apart((0.3, 0.4), (0.1, 0.2))


# Claims


def test_claim_keeps_what_it_is_given():
    for verdict in VERDICTS:
        claim = Claim(**FACTS | {"verdict": verdict})
        assert claim.verdict == verdict
        assert claim.interval == (0.88, 0.92)
        assert Claim(**FACTS | {"holds": np.bool_(False)}).holds is False  # JSON takes no numpy
    with pytest.raises(AttributeError):
        claim.holds = False


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (
            {"verdict": "true"},
            "verdict must be one of ('confirmed', 'depends', 'refuted', 'open', 'not reproduced')",
        ),
        ({"estimate": 0.5}, "the interval must hold the estimate 0.5, got (0.88, 0.92)"),
        ({"estimate": math.nan}, "the interval must hold the estimate nan"),
        ({"interval": (0.92, 0.88)}, "the interval must hold the estimate 0.9, got (0.92, 0.88)"),
        ({"interval": (math.nan, 1.0)}, "the interval must hold the estimate 0.9, got (nan, 1.0)"),
        ({"n": 0}, "n must be positive, got 0"),
    ],
)
def test_bad_claim_is_named(facts, says):
    with pytest.raises(ValueError, match=re.escape(f"Claim 'all-or-none': {says}")):
        Claim(**FACTS | facts)


WORDS = {key: FACTS[key] for key in ("id", "statement", "sources", "verdict", "measure", "holds", "finding")}
DRAWN = np.random.default_rng(1).lognormal(0, 1, (2, 21))


@pytest.mark.parametrize(
    ("claim", "estimate", "interval"),
    [
        (Claim.of_mean(DRAWN[0], **WORDS), DRAWN[0].mean(), mean_interval(DRAWN[0])),
        (
            Claim.of_difference(*DRAWN, **WORDS),
            DRAWN[0].mean() - DRAWN[1].mean(),
            mean_interval(DRAWN[0] - DRAWN[1]),
        ),
        (Claim.of_ratio(*DRAWN, **WORDS), *ratio(*DRAWN)),
        (Claim.of_median(DRAWN[0], **WORDS), np.median(DRAWN[0]), median_interval(DRAWN[0])),
        (Claim.of_fraction(DRAWN[0] > 1, **WORDS), (DRAWN[0] > 1).mean(), wilson(DRAWN[0] > 1)),
        (Claim.of_identity(-DRAWN[0], **WORDS), DRAWN[0].max(), None),
    ],
    ids=["mean", "difference", "ratio", "median", "fraction", "identity"],
)
def test_a_claim_derives_its_numbers(claim, estimate, interval):
    assert claim.estimate == pytest.approx(estimate, rel=1e-12)
    assert claim.interval == (None if interval is None else pytest.approx(interval, rel=1e-12))
    assert claim.n == 21
    assert {key: getattr(claim, key) for key in WORDS} == WORDS
    numbers = [claim.estimate, *(claim.interval or ())]
    assert all(type(number) is float for number in numbers)  # JSON takes no numpy
    assert type(claim.n) is int


def test_a_difference_and_a_ratio_are_paired():
    """Small integers would wrap, pairs that move together have narrow intervals."""
    one, other = np.uint8([1, 2, 3]), np.uint8([2, 3, 5])
    assert Claim.of_difference(one, other, **WORDS).estimate == pytest.approx(-4 / 3)
    assert Claim.of_ratio(one, other, **WORDS).estimate == pytest.approx((1 / 2 * 2 / 3 * 3 / 5) ** (1 / 3))
    apart = np.array([1.0, 100.0, 10_000.0])
    assert Claim.of_difference(apart + 1, apart, **WORDS).interval == pytest.approx((1, 1))
    assert Claim.of_ratio(2 * apart, apart, **WORDS).interval == pytest.approx((2, 2))


def test_an_identity_has_no_interval():
    assert Claim.of_identity([1e-9, -3e-9], **WORDS).estimate == 3e-9
    assert Claim(**FACTS | {"interval": None, "estimate": 0.3}).interval is None
    with pytest.raises(ValueError, match="the interval must hold the estimate nan, got None"):
        Claim(**FACTS | {"interval": None, "estimate": math.nan})


# Maps

AXES = {"offset": (1, 3, 10), "activation": ("relu", "tanh")}
SPREAD = np.linspace(-1, 1, 9)


def made(middles, axes=None, spread=1.0, **words):
    """A map of means around `middles`, above 0 unless told."""
    values = np.asarray(middles, float)[..., None] + spread * SPREAD
    words = {"axes": AXES if axes is None else axes, "above": 0, "measure": "gain"} | words
    return Map.of_means(values, **words)


def line(*middles, **words):
    return made(middles, {"offset": (1, 2, 4, 8, 16)[: len(middles)]}, **words)


def test_a_cell_holds_fails_or_is_open():
    found = made([[9, 0.1], [-9, -0.1], [2, 9]])
    assert found.cells.tolist() == [["holds", "open"], ["fails", "open"], ["holds", "holds"]]
    assert found.verdict == "depends"
    assert made([[9, 0.1], [-9, -0.1], [2, 9]], above=-20, below=20).verdict == "confirmed"
    below = made([[9, 0.1], [-9, -0.1], [2, 9]], above=-math.inf, below=0)
    assert below.cells.tolist() == [["fails", "open"], ["holds", "open"], ["fails", "fails"]]


@pytest.mark.parametrize(
    ("middles", "verdict"),
    [
        ((9, 9, 9), "confirmed"),
        ((-9, -9, -9), "refuted"),
        ((9, 9, -9), "depends"),
        ((9, 0, -9), "depends"),
        ((9, 9, 0), "open"),
        ((-9, 0, -9), "open"),
        ((0, 0, 0), "open"),
    ],
)
def test_the_verdict_is_derived(middles, verdict):
    found = line(*middles)
    assert found.verdict == verdict
    for written in VERDICTS:
        claim = Claim.of_mean(SPREAD, map=found, **WORDS | {"verdict": written})
        assert claim.derived == verdict
    elsewhere = Claim.of_mean(SPREAD, map=found, unrepeated="a larger network", **WORDS)
    assert elsewhere.derived == ("not reproduced" if verdict == "refuted" else verdict)


def test_one_doctored_cell_turns_the_verdict():
    assert line(9, 9, 9, 9, 9).verdict == "confirmed"
    for k in range(5):
        middles = np.full(5, 9.0)
        for wrong, verdict in ((-9, "depends"), (0, "open")):
            middles[k] = wrong
            assert line(*middles).verdict == verdict


def test_it_turns_between_the_decided_cells():
    assert line(9, 9, -9, -9).turns() == [("offset", "", 2, 4)]
    assert line(9, 0, 0, -9, 9).turns() == [("offset", "", 1, 8), ("offset", "", 8, 16)]
    assert line(9, 9, 0).turns() == []
    two = made([[9, 9], [9, -9], [-9, -9]])
    assert two.turns() == [("offset", "relu", 3, 10), ("offset", "tanh", 1, 3)]  # words have no order


@pytest.mark.parametrize(
    ("offsets", "middles", "vague"),
    [
        ((1, 2, 4), (9, -9, -9), []),
        ((1, 2.25, 4), (9, -9, -9), []),
        ((1, 2.3, 4), (9, -9, -9), ["offset"]),
        ((1, 2, 4), (9, 0, -9), ["offset"]),
        ((0, 0.1, 4), (9, -9, -9), ["offset"]),
        ((-2, -1, 4), (9, -9, -9), []),
        ((-1, 1, 4), (9, -9, -9), ["offset"]),
        ((1, 2, 4), (9, 9, 9), []),
    ],
)
def test_a_turn_is_known_to_a_factor(offsets, middles, vague):
    assert made(middles, {"offset": offsets}).vague() == vague


def test_one_sharp_turn_on_an_axis_is_enough():
    axes = {"offset": (1, 2, 10), "units": ("two", "many")}
    assert made([[9, 9], [-9, 9], [-9, -9]], axes).vague() == []
    assert made([[9, 9], [9, 9], [-9, -9]], axes).vague() == ["offset"]


def test_the_cells_of_a_map_are_right_together():
    """Of maps whose every truth is 0, one in twenty has some cell that does not hold it, not one in three."""
    rng, runs = np.random.default_rng(0), 2000
    axes = {"a": (1, 2, 3), "b": (1, 2, 3)}
    words = {"axes": axes, "above": 0, "measure": "gain"}
    missed = [(Map.of_means(rng.normal(size=(3, 3, 12)), **words).cells != "open").any() for _ in range(runs)]
    assert abs(np.mean(missed) - 0.05) < 5 * math.sqrt(0.05 * 0.95 / runs)


def test_each_kind_of_map_has_its_interval():
    rng = np.random.default_rng(0)
    values, words = rng.lognormal(size=(3, 40)), {"axes": {"n": (1, 2, 3)}, "above": 1, "measure": "x"}
    level = 1 - 0.05 / 3
    for found, interval in (
        (Map.of_means(values, **words), lambda v: mean_interval(v, level)),
        (Map.of_ratios(2 * values, np.ones(40), **words), lambda v: ratio(2 * v, 1, level)[1]),
        (Map.of_medians(values, **words), lambda v: median_interval(v, level)),
        (Map.of_fractions(values > 1, **words), lambda v: wilson(v > 1, level)),
        (
            Map.of_resampled(values, test=1, training=4, **words),
            lambda v: resampled_interval(v, test=1, training=4, level=level),
        ),
    ):
        np.testing.assert_allclose(np.stack([found.low, found.high], 1), [interval(row) for row in values])
        assert found.n == 40
    exact = Map.of_exact([1, 2, 3], **words)
    assert exact.low.tolist() == exact.high.tolist() == [1, 2, 3]
    assert exact.cells.tolist() == ["open", "holds", "holds"]  # on the bound itself it is on neither side


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"axes": {}}, "axes must be one or two, got none"),
        ({"axes": {"a": (1,), "b": (1,), "c": (1,)}}, "axes must be one or two, got a, b, c"),
        ({"axes": {"a": (1, 2)}}, "estimate must have the shape of the axes (2,), got (3,)"),
        ({"axes": {"a": (1, 3, 2)}}, "a must be all words, or numbers in order, got [1, 3, 2]"),
        ({"axes": {"a": (1, 1, 2)}}, "a must be all words, or numbers in order, got [1, 1, 2]"),
        ({"axes": {"a": (1, "two", 3)}}, "a must be all words, or numbers in order, got [1, 'two', 3]"),
        ({"above": 2, "below": 1}, "side must go from a lower to a higher number, got (2, 1)"),
        ({"above": -math.inf}, "side must go from a lower to a higher number, got (-inf, inf)"),
    ],
)
def test_a_bad_map_is_named(words, says):
    with pytest.raises(ValueError, match=re.escape(f"Map: {says}")):
        made((1, 2, 3), **{"axes": {"a": (1, 2, 3)}} | words)


def test_a_map_refuses_too_few_for_its_medians_and_what_is_not_a_number():
    words = {"axes": {"a": (1, 2, 3)}, "above": 0, "measure": "x"}
    with pytest.raises(ValueError, match=r"values must be more for the level 0\.9833, got 6"):
        Map.of_medians(np.ones((3, 6)), **words)
    with pytest.raises(ValueError, match="values must not contain NaN"):
        Map.of_means(np.full((3, 6), math.nan), **words)


def test_an_identity_is_decided_by_rounding():
    words = {**WORDS, "within": 1e-12}
    assert Claim.of_identity([1e-13, -1e-14], **words).derived == "confirmed"
    assert Claim.of_identity([1e-13, -1e-3], **words).derived == "refuted"
    assert Claim.of_identity([1e-13, -1e-3], **WORDS).derived == WORDS["verdict"]


def test_splits_of_one_table_are_not_independent():
    """Student's interval for 10 splits of 40 rows misses the mean over all tables far more often than 5 %."""
    rng, missed, corrected = np.random.default_rng(0), [], []
    for _ in range(400):
        table = rng.normal(size=40)
        means = [rng.permutation(table)[:10].mean() for _ in range(10)]  # the score of each split's test rows
        for found, (low, high) in (
            (missed, mean_interval(means)),
            (corrected, resampled_interval(means, test=10, training=30)),
        ):
            found.append(not low <= 0 <= high)
    assert np.mean(missed) > 0.2
    assert np.mean(corrected) < 0.1
    values = rng.normal(size=8)
    plain, wide = mean_interval(values), resampled_interval(values, test=1, training=4)
    assert np.diff(wide) == pytest.approx(np.diff(plain) * math.sqrt(1 + 8 / 4))
    assert resampled_interval(values, test=0, training=4) == pytest.approx(plain)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (0.5, "0.5"),
        (-10.0, "−10"),
        (1e-6, "1 × 10⁻⁶"),
        (3.2e-8, "3.2 × 10⁻⁸"),
        (5000, "5,000"),
        ("a", "a"),
    ],
)
def test_a_condition_is_shown_without_needless_digits(value, text):
    assert shown(value) == text


# Tables


def test_a_long_table_has_a_row_for_every_combination():
    loss = np.arange(6).reshape(2, 3) / 10
    table = long_table({"norm": ("none", "batch"), "depth": (4, 8, 16)}, loss=loss, twice=2 * loss)
    assert list(table) == ["norm", "depth", "loss", "twice"]
    assert table["norm"].tolist() == ["none"] * 3 + ["batch"] * 3
    assert table["depth"].tolist() == [4, 8, 16] * 2
    np.testing.assert_array_equal(table["loss"], np.arange(6) / 10)
    np.testing.assert_array_equal(table["twice"], np.arange(6) / 5)
    assert {column.shape for column in long_table({"x": range(4)}, y=[1, 2, 3, 4]).values()} == {(4,)}


def test_a_long_table_refuses_another_shape():
    axes = {"norm": ("none", "batch"), "depth": (4, 8, 16)}
    says = r"long_table: loss must have the shape of the axes \(2, 3\), got \(3, 2\)"
    with pytest.raises(ValueError, match=says):
        long_table(axes, twice=np.zeros((2, 3)), loss=np.zeros((3, 2)))


# Numbers as readers see them


def test_mean_refuses_nan():
    assert mean([1, 2, 6]) == 3
    assert type(mean(np.float32([1, 2]))) is float
    with pytest.raises(ValueError, match="mean: values must not contain NaN"):
        mean([1.0, math.nan])


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0, 3, "0.00"),
        (1, 3, "1.00"),
        (0.12345, 3, "0.123"),
        (0.9996, 3, "1.00"),
        (-0.5, 2, "−0.50"),
        (9.995, 2, "10"),
        (0.001, 3, "0.00100"),
        (0.00099, 3, "9.90 × 10⁻⁴"),
        (-1e-12, 2, "−1.0 × 10⁻¹²"),
        (1234.5, 3, "1,234"),
        (99_999, 2, "99,999"),
        (1e5, 3, "1.00 × 10⁵"),
        (2.5e17, 2, "2.5 × 10¹⁷"),
    ],
)
def test_number(value, digits, text):
    assert number(value, digits) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_number_refuses_what_is_none(value):
    with pytest.raises(ValueError, match=f"number: value must be finite, got {value}"):
        number(value)


def test_percent_and_between():
    assert percent(0.4567) == "46\u00a0%"
    assert percent(0.4567, 1) == "45.7\u00a0%"
    assert percent(-0.02) == "−2\u00a0%"
    assert between((-0.5, 1234.0), 2) == "[−0.50, 1,234]"


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (3.14, 1, "+3.1"),
        (-3.16, 1, "−3.2"),
        (0, 1, "+0.0"),
        (-0.04, 1, "+0.0"),
        (-2, 0, "−2"),
        (0.126, 2, "+0.13"),
    ],
)
def test_signed(value, places, text):
    assert signed(value, places) == text


def test_a_change_has_one_decimal_by_default():
    assert signed(np.float32(-1.25)) == "−1.2"
