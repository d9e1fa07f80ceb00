"""evidence.py: the intervals against scipy.stats, and by how often they hold the truth."""

import math
import re

import numpy as np
import pytest
from experiments.evidence import (
    VERDICTS,
    Claim,
    apart,
    between,
    mean,
    mean_interval,
    median_interval,
    number,
    percent,
    wilson,
)
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
        ({"verdict": "true"}, "verdict must be one of ('confirmed', 'depends', 'refuted'), got 'true'"),
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
