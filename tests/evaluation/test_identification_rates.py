"""FPIR and FNIR against tables worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import det_curve as sklearn_det_curve

from facecli.evaluation.identification import (
    NO_CANDIDATE,
    NO_THRESHOLD,
    Searches,
    cmc,
    det_curve,
    fnir,
    fpir,
    misnamed,
    point_at_fpir,
    point_at_threshold,
    rate_interval,
    reached,
    searches_needed,
    threshold_at,
)
from facecli.evaluation.proportions import Proportion, wilson_interval

MISSING = NO_CANDIDATE


def searches(
    mated: Sequence[tuple[float, int, float]] = (),
    strangers: Sequence[float] = (),
    *,
    mated_people: Sequence[int] | None = None,
) -> Searches:
    """Make searches of (score, rank, top score); everybody has one probe unless `mated_people` says otherwise."""
    scores, ranks, tops = zip(*mated, strict=True) if mated else ((), (), ())
    people = list(range(len(mated))) if mated_people is None else list(mated_people)
    first = max(people, default=-1) + 1
    return Searches(
        np.array(scores, np.float64),
        np.array(ranks, np.int64),
        np.array(tops, np.float64),
        np.array(people, np.intp),
        np.array(strangers, np.float64),
        np.arange(first, first + len(strangers), dtype=np.intp),
        first + len(strangers),
    )


# Five mated searches: found first; found second; found first but low; no template; found fourth.
TABLE = searches(
    [(0.9, 1, 0.9), (0.6, 2, 0.7), (0.3, 1, 0.3), (MISSING, 0, MISSING), (0.5, 4, 0.8)],
    [0.5, 0.5, 0.2, MISSING],
)


@pytest.mark.parametrize(
    ("rank", "threshold", "missed"),
    [
        (1, NO_THRESHOLD, 3),
        (1, 0.0, 3),
        (1, 0.3, 3),  # a score equal to the threshold is a hit
        (1, 0.31, 4),
        (1, 0.9, 4),
        (1, 0.91, 5),
        (2, NO_THRESHOLD, 2),
        (2, 0.6, 3),
        (3, NO_THRESHOLD, 2),
        (4, NO_THRESHOLD, 1),  # who has no template is missed at any rank
        (50, 0.5, 2),
    ],
)
def test_fnir_of_a_table(rank: int, threshold: float, missed: int) -> None:
    assert fnir(TABLE, rank, threshold) == Proportion(missed, 5)


@pytest.mark.parametrize(
    ("threshold", "false"), [(NO_THRESHOLD, 3), (-1.0, 3), (0.2, 3), (0.21, 2), (0.5, 2), (0.51, 0)]
)
def test_fpir_of_a_table(threshold: float, false: int) -> None:
    assert fpir(TABLE, threshold) == Proportion(false, 4)


def test_misnamed_are_those_with_somebody_else_in_front() -> None:
    assert misnamed(TABLE, NO_THRESHOLD) == Proportion(2, 5)
    assert misnamed(TABLE, 0.75) == Proportion(1, 5)
    assert misnamed(TABLE, 0.85) == Proportion(0, 5)


def test_a_right_person_behind_an_equal_score_is_a_miss_at_rank_1() -> None:
    tied = searches([(0.7, 2, 0.7)])

    assert (fnir(tied, 1, 0.7).count, fnir(tied, 2, 0.7).count, misnamed(tied, 0.7).count) == (1, 0, 1)


def test_the_cmc_of_a_table() -> None:
    assert cmc(TABLE, 5).tolist() == pytest.approx([2 / 5, 3 / 5, 3 / 5, 4 / 5, 4 / 5])
    assert cmc(TABLE, 2).tolist() == pytest.approx([2 / 5, 3 / 5])
    assert np.isnan(cmc(searches(strangers=[0.1]), 3)).all()


@pytest.mark.parametrize(
    ("rate", "scores", "highest_refused"),
    [
        (0.25, [0.1, 0.4, 0.3, 0.2], 0.3),
        (0.5, [0.1, 0.4, 0.3, 0.2], 0.2),
        (0.49, [0.1, 0.4, 0.3, 0.2], 0.3),
        (0.25, [0.4, 0.4, 0.3, 0.2], 0.4),  # of two equal scores one alone cannot pass
        (0.0, [0.1, 0.4], 0.4),
    ],
)
def test_the_threshold_at_an_fpir(rate: float, scores: list[float], highest_refused: float) -> None:
    threshold = threshold_at(rate, np.array(scores))

    assert threshold == np.nextafter(highest_refused, 1)


def test_the_threshold_where_nothing_needs_to_be_refused() -> None:
    assert threshold_at(1.0, np.array([0.1, 0.2])) == NO_THRESHOLD
    assert threshold_at(0.5, np.array([0.1, MISSING])) == NO_THRESHOLD
    assert math.isnan(threshold_at(0.1, np.array([])))
    assert math.isnan(threshold_at(0.1, np.array([0.3]), np.array([0])))


def test_a_rate_is_not_rounded_below_its_number_of_searches() -> None:
    scores = np.linspace(0, 1, 1000)

    for rate in (0.003, 0.01, 0.03, 0.1, 0.29, 0.57):
        assert reached(scores, threshold_at(rate, scores)).sum() == round(rate * 1000)


def test_too_few_strangers_show_no_rate() -> None:
    assert [searches_needed(rate) for rate in (0.1, 0.03, 0.01, 0.003)] == [10, 34, 100, 334]
    assert point_at_fpir(searches([(0.9, 1, 0.9)], [0.1] * 9), 0.1) is None
    assert point_at_fpir(searches([(0.9, 1, 0.9)], [0.1] * 10), 0.1) is not None


def test_the_rates_at_an_fpir() -> None:
    strangers = [*np.linspace(0.0, 0.38, 19), 0.8]
    mated = [(score, 1, score) for score in (0.85, 0.5, 0.39, 0.3)]
    point = point_at_fpir(searches(mated, strangers), 0.05)

    assert point is not None
    assert point.threshold == np.nextafter(strangers[-2], 1)
    assert (point.fpir, point.fnir) == (Proportion(1, 20), Proportion(1, 4))
    assert point.threshold_interval is not None
    assert point.threshold_interval.low <= point.threshold <= point.threshold_interval.high
    assert point.fnir_interval is not None
    # With no copy of the stranger at 0.8 the threshold falls, with several it rises above three of the four.
    assert point.fnir_interval.low == 0
    assert point.fnir_interval.high >= 0.75


def test_where_no_search_fails_the_interval_is_that_of_people_not_of_searches() -> None:
    twice_each = searches([(0.9, 1, 0.9)] * 20, mated_people=[number // 2 for number in range(20)])

    point = point_at_threshold(twice_each, 0.5)

    assert point.fnir == Proportion(0, 20)
    assert point.fnir_interval == wilson_interval(0, 10)
    assert (point.fpir.rate, point.fpir_interval) == (None, None)
    assert point_at_threshold(twice_each, 0.95).fnir_interval == wilson_interval(10, 10)


def test_the_interval_is_wider_where_errors_come_person_by_person() -> None:
    errors = np.arange(100) < 20
    apart = rate_interval(errors, np.arange(100), 100)
    together = rate_interval(errors, np.arange(100) // 10, 10)

    assert apart is not None
    assert together is not None
    assert apart.width == pytest.approx(2 * 1.96 * math.sqrt(0.2 * 0.8 / 100), rel=0.15)
    assert together.width == pytest.approx(2 * 1.96 * math.sqrt(0.2 * 0.8 / 10), rel=0.25)


def test_the_det_curve_of_a_table() -> None:
    curve = det_curve(TABLE)

    assert curve.thresholds.tolist() == [math.inf, 0.9, 0.5, 0.3, 0.2]
    assert curve.fpir.tolist() == [0, 0, 0.5, 0.5, 0.75]
    assert curve.fnir.tolist() == pytest.approx([1, 0.8, 0.8, 0.6, 0.6])
    assert det_curve(searches([(0.9, 1, 0.9)])).thresholds.size == 0


@pytest.mark.parametrize(
    "mated",
    [
        [(0.5, 0, 0.5)],  # a score without a rank
        [(MISSING, 1, 0.5)],  # a rank without a score
        [(0.6, 1, 0.5)],  # above rank 1
        [(math.nan, 1, 0.5)],
        [(math.inf, 1, math.inf)],
    ],
)
def test_searches_that_cannot_be(mated: list[tuple[float, int, float]]) -> None:
    with pytest.raises(ValueError, match="score"):
        searches(mated)


score = st.one_of(st.just(MISSING), st.integers(-5, 5).map(lambda tenths: tenths / 5))


@st.composite
def any_searches(draw: st.DrawFn) -> Searches:
    mated = []
    for top in draw(st.lists(score, max_size=12)):
        rank = draw(st.integers(0, 4)) if top > MISSING else 0
        own = top if rank == 1 else draw(st.sampled_from([top, top - 0.1])) if rank else MISSING
        mated.append((own, rank, top))
    return searches(mated, draw(st.lists(score, max_size=12)))


@given(any_searches(), st.integers(1, 5), score)
def test_rates_count_as_the_definitions_read(made: Searches, rank: int, threshold: float) -> None:
    found = sum(
        own > MISSING and own >= threshold and 1 <= at <= rank
        for own, at in zip(made.mated_scores, made.mated_ranks, strict=True)
    )
    false = sum(top > MISSING and top >= threshold for top in made.nonmated_scores)

    assert fnir(made, rank, threshold) == Proportion(made.mated_scores.size - found, made.mated_scores.size)
    assert fpir(made, threshold) == Proportion(false, made.nonmated_scores.size)


@given(any_searches())
def test_the_cmc_is_fnir_without_a_threshold(made: Searches) -> None:
    if made.mated_scores.size:
        rates = [fnir(made, rank, NO_THRESHOLD).rate for rank in range(1, 7)]
        assert cmc(made, 6).tolist() == pytest.approx([1 - rate for rate in rates if rate is not None])


@given(any_searches())
def test_the_det_curve_is_both_rates_and_falls_one_way(made: Searches) -> None:
    curve = det_curve(made)

    for threshold, false, missed in zip(curve.thresholds, curve.fpir, curve.fnir, strict=True):
        assert false == fpir(made, threshold).rate
        assert missed == pytest.approx(fnir(made, 1, threshold).rate)
    assert (np.diff(curve.fpir) >= 0).all()
    assert (np.diff(curve.fnir) <= 0).all()


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=20),
    st.lists(st.integers(0, 6), min_size=1, max_size=20),
)
def test_where_everybody_is_at_rank_1_the_curve_is_that_of_scikit_learn(mated: list[int], strangers: list[int]) -> None:
    curve = det_curve(searches([(float(own), 1, float(own)) for own in mated], [float(top) for top in strangers]))
    is_mated = [True] * len(mated) + [False] * len(strangers)

    rates = {threshold: (false, miss) for threshold, false, miss in zip(*astuple(curve), strict=True)}
    for false, missed, threshold in zip(*sklearn_det_curve(is_mated, mated + strangers), strict=True):
        assert rates[threshold] == pytest.approx((false, missed))


@given(st.lists(score, min_size=1, max_size=30), st.floats(0, 1))
def test_the_threshold_is_the_lowest_that_keeps_the_rate(scores: list[float], rate: float) -> None:
    array = np.array(scores)
    threshold = threshold_at(rate, array)

    assert reached(array, threshold).mean() <= rate + 1e-9
    if threshold > NO_THRESHOLD:
        assert reached(array, np.nextafter(threshold, -math.inf)).mean() > rate
    else:
        assert reached(array, NO_THRESHOLD).mean() <= rate + 1e-9


@given(st.lists(st.tuples(score, st.integers(0, 3)), min_size=1, max_size=15), st.sampled_from([0.0, 0.1, 0.25, 0.5]))
def test_a_weight_is_that_many_searches(weighted: list[tuple[float, int]], rate: float) -> None:
    scores, weights = (np.array(part) for part in zip(*weighted, strict=True))

    assert threshold_at(rate, scores, weights) == pytest.approx(
        threshold_at(rate, np.repeat(scores, weights)), nan_ok=True, abs=0
    )
