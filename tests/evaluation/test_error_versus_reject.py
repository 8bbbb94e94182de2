from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.evaluation.error_versus_reject import RejectCurve, error_versus_reject, reject_curve


def curve_of(missed: str, quality: list[float]) -> RejectCurve:
    """Make a curve of comparisons, x those missed."""
    return reject_curve(np.array([each == "x" for each in missed]), np.array(quality, np.float64))


def test_errors_leave_with_what_is_rejected() -> None:
    curve = curve_of("x.x.......", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])

    assert [curve.fnmr_at(share) for share in (0, 0.1, 0.2, 0.3, 0.9)] == pytest.approx([2 / 10, 1 / 9, 1 / 8, 0, 0])
    assert [curve.ideal_fnmr_at(share) for share in (0, 0.1, 0.2, 0.5)] == pytest.approx([0.2, 1 / 9, 0, 0])


def test_comparisons_of_one_quality_leave_together() -> None:
    curve = curve_of("x.......xx", [0, 0, 0, 0, 1, 1, 1, 1, 1, 1])

    # The first four hold one error: half of them hold half an error.
    assert curve.fnmr_at(0.2) == pytest.approx(2.5 / 8)
    assert curve.fnmr_at(0.4) == pytest.approx(2 / 6)


def test_areas_by_hand() -> None:
    curve = curve_of("x...", [1, 2, 3, 4])

    # Of the quarter that is rejected first all are errors: the ideal. The integral of (1/4 - x) / (1 - x) to 1/4
    # is 1/4 + 3/4 log(3/4); from there on nothing is left.
    assert curve.area(0.5) == pytest.approx(0.25 + 0.75 * math.log(0.75))
    assert curve.ideal_area(0.5) == curve.area(0.5)
    assert curve.random_area(0.5) == 0.125
    assert curve.gain(0.5) == 1

    # The other way round: 1/4 / (1 - x) to 1/2 is 1/4 log 2.
    assert curve_of("x...", [4, 3, 2, 1]).area(0.5) == pytest.approx(0.25 * math.log(2))


def test_one_quality_for_all_is_no_better_than_chance() -> None:
    curve = curve_of("x..x......", [7.0] * 10)

    assert curve.fnmr_at(0.15) == pytest.approx(0.2)
    assert curve.gain() == pytest.approx(0, abs=1e-12)


def test_without_errors_there_is_nothing_to_gain() -> None:
    curve = curve_of("...", [1, 2, 3])

    assert (curve.area(), curve.fnmr_at(0.1)) == (0, 0)
    assert math.isnan(curve.gain())


@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_no_order_is_better_than_the_ideal(comparisons: list[tuple[bool, int]], share: float) -> None:
    missed, quality = (np.array(each) for each in zip(*comparisons, strict=True))
    curve = reject_curve(missed, quality.astype(np.float64))

    assert curve.fnmr == pytest.approx(missed.mean())
    assert curve.ideal_fnmr_at(share) - 1e-9 <= curve.fnmr_at(share) <= 1 + 1e-9
    assert curve.ideal_area(share) - 1e-9 <= curve.area(share) <= share + 1e-9


@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_the_area_is_that_below_the_curve(comparisons: list[tuple[bool, int]], up_to: float) -> None:
    missed, quality = (np.array(each) for each in zip(*comparisons, strict=True))
    curve = reject_curve(missed, quality.astype(np.float64))
    shares = np.linspace(0, up_to, 4001)

    # A sum of trapezia; the curve is steepest near 1, where 4,000 of them are off by less than this.
    heights = np.array([curve.fnmr_at(share) for share in shares])
    area = ((heights[1:] + heights[:-1]) / 2 * np.diff(shares)).sum()
    assert curve.area(up_to) == pytest.approx(area, abs=1e-3)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 3)), min_size=1, max_size=20).filter(
        lambda comparisons: any(weight for _, _, weight in comparisons)
    )
)
def test_a_weight_repeats_a_comparison(comparisons: list[tuple[bool, int, int]]) -> None:
    missed, quality, weights = (np.array(each) for each in zip(*comparisons, strict=True))
    weighted = reject_curve(missed, quality.astype(np.float64), weights)
    repeated = reject_curve(np.repeat(missed, weights), np.repeat(quality, weights).astype(np.float64))

    assert weighted.area() == pytest.approx(repeated.area())
    assert weighted.fnmr_at(0.3) == pytest.approx(repeated.fnmr_at(0.3))


def test_the_scale_of_a_quality_does_not_count() -> None:
    quality = np.array([0.3, -2.0, 5.0, 0.31])
    missed = np.array([True, False, True, False])

    assert reject_curve(missed, np.exp(quality)).area() == reject_curve(missed, quality).area()


def test_the_threshold_is_set_on_all_comparisons() -> None:
    non_mated = np.linspace(0, 0.5, 1000)
    mated = np.array([0.4, 0.499, 0.4999, 0.6, -np.inf])
    scores = np.concatenate([non_mated, mated])
    quality = np.concatenate([np.zeros(1000), [1, 2, 3, 4, 0.5]])

    curve, threshold = error_versus_reject(scores, np.arange(1005) >= 1000, quality)

    # One false match of 1,000 may pass: the highest, 0.5; the next two scores down are 0.4995 and the mated 0.4999.
    assert threshold == 0.4999
    assert [curve.fnmr_at(share) for share in (0, 0.2, 0.4, 0.6)] == pytest.approx([3 / 5, 2 / 4, 1 / 3, 0])


def test_what_cannot_be_measured_is_refused() -> None:
    one, none = np.ones(1), np.ones(0)
    with pytest.raises(ValueError, match="no mated comparisons"):
        reject_curve(none.astype(bool), none)
    with pytest.raises(ValueError, match="not a number"):
        reject_curve(one.astype(bool), one * np.nan)
    with pytest.raises(ValueError, match="do not go together"):
        reject_curve(one.astype(bool), none)
    with pytest.raises(ValueError, match=r"cannot show a false match rate of 0\.001"):
        error_versus_reject(np.ones(999), np.arange(999) == 0, np.ones(999))
    with pytest.raises(ValueError, match="leaves nothing"):
        curve_of("x.", [1, 2]).fnmr_at(1.0)
    with pytest.raises(ValueError, match="cannot be measured"):
        curve_of("x.", [1, 2]).area(1.0)
