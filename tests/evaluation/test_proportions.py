from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from facecli.evaluation.proportions import Interval, Proportion, wilson_interval


@given(trials=st.integers(1, 10_000), data=st.data())
def test_wilson_as_scipy_has_it(trials: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, trials))

    interval = wilson_interval(count, trials)
    reference = binomtest(count, trials).proportion_ci(0.95, method="wilson")

    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=1e-12)
    assert 0 <= interval.low <= count / trials <= interval.high <= 1


def test_no_errors_seen_does_not_mean_none() -> None:
    nothing, everything = wilson_interval(0, 10), wilson_interval(10, 10)

    # By hand: z^2 / (n + z^2) with z^2 = 3.8415.
    assert (nothing.low, nothing.high) == (0.0, pytest.approx(3.841459 / 13.841459, abs=1e-6))
    assert (everything.low, everything.high) == (pytest.approx(10 / 13.841459, abs=1e-6), 1.0)


def test_no_trials_say_nothing() -> None:
    assert wilson_interval(0, 0) == Interval(0.0, 1.0)
    assert Proportion(0, 0).rate is None


def test_a_proportion_has_its_rate_and_interval() -> None:
    share = Proportion(1, 4)

    assert share.rate == 0.25
    assert share.interval == wilson_interval(1, 4)
    assert share.interval.width == pytest.approx(share.interval.high - share.interval.low)


def test_what_is_no_proportion_is_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        Proportion(3, 2)
    with pytest.raises(ValueError, match="-1 of 2"):
        wilson_interval(-1, 2)
    with pytest.raises(ValueError, match="from 1 to 0"):
        Interval(1, 0)
