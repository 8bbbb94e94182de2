from __future__ import annotations

import numpy as np
import pytest

from facecli.evaluation.bootstrap import bootstrap_interval, pair_weights, percentile_interval, resampled_people
from facecli.evaluation.proportions import Interval, wilson_interval


def test_every_draw_has_as_many_people_and_is_repeatable() -> None:
    draws = list(resampled_people(7, replicates=50))

    assert all(draw.shape == (7,) and draw.sum() == 7 for draw in draws)
    assert len({tuple(draw) for draw in draws}) > 40
    assert [list(draw) for draw in resampled_people(7, replicates=50)] == [list(draw) for draw in draws]
    assert [list(draw) for draw in resampled_people(7, replicates=50, seed=1)] != [list(draw) for draw in draws]


def test_pairs_weigh_by_hand() -> None:
    weights = np.array([0, 1, 2, 3])
    person_a, person_b = np.array([0, 1, 2, 3, 2, 0]), np.array([0, 1, 2, 3, 3, 3])

    assert list(pair_weights(weights, person_a, person_b)) == [0, 1, 2, 3, 6, 0]


def test_the_middle_of_the_replicates() -> None:
    assert percentile_interval(np.arange(1, 1001.0)) == Interval(25, 976)
    assert percentile_interval([3.0]) == Interval(3, 3)
    assert percentile_interval([*np.arange(1, 1001.0), *[np.nan] * 30]) == Interval(25, 976)
    assert percentile_interval([-np.inf] * 30 + [0.5] * 940 + [np.inf] * 30) == Interval(-np.inf, np.inf)


def test_a_statistic_that_hardly_exists_has_no_interval() -> None:
    assert percentile_interval([]) is None
    assert percentile_interval([np.nan, 1.0]) is None
    assert bootstrap_interval(lambda weights: 1.0, 0) is None


def test_independent_trials_give_about_the_wilson_interval() -> None:
    failed = np.arange(400) < 100

    interval = bootstrap_interval(lambda weights: float(weights @ failed / weights.sum()), 400)

    assert interval is not None
    reference = wilson_interval(100, 400)
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=0.01)


def test_trials_of_one_person_do_not_narrow_it() -> None:
    person = np.repeat(np.arange(40), 100)  # 100 trials each, all with the same end
    failed = (np.arange(40) < 10)[person]

    def rate(weights: np.ndarray) -> float:
        trials = weights[person]
        return float(trials @ failed / trials.sum())

    interval = bootstrap_interval(rate, 40)

    assert interval is not None
    assert interval.width > 5 * wilson_interval(1000, 4000).width
