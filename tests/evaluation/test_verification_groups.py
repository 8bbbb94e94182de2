from __future__ import annotations

import numpy as np
import pytest

from facecli.evaluation.groups import group_rates, names_groups
from facecli.evaluation.verification import Trials, rates_at


def test_which_columns_name_groups() -> None:
    assert names_groups(["a", "b", "a", "a"])
    assert names_groups([str(number) for number in range(50)] * 2)
    assert not names_groups(["a", "a", "a", "a"])
    assert not names_groups([str(number) for number in range(51)] * 2)
    assert not names_groups(["a", "b", "a"])


def test_each_group_by_hand() -> None:
    scores = np.array([0.9, 0.2, 0.9, 0.8, 0.1, 0.7, -np.inf])
    mated = np.array([True, True, True, True, False, False, True])
    first, second = np.array([0, 1, 2, 3, 0, 2, 4]), np.array([0, 1, 2, 3, 1, 3, 4])
    trials = Trials(scores, mated, first, second)
    small, large = group_rates(trials, ["q", "q", "p", "p", "q", "p", "q"], 0.5, replicates=50)[::-1]

    assert (large.value, large.people, large.mated, large.non_mated) == ("q", 3, 3, 1)
    assert (large.fnmr.count, large.fnmr.trials, large.fmr.count) == (2, 3, 0)
    assert (small.value, small.people, small.fnmr.count, small.fmr.count) == ("p", 2, 0, 1)
    assert large.doubts == ("only 3 mated pairs", "only 1 non-mated pair")


def test_groups_are_in_order_and_whole() -> None:
    trials = Trials(np.zeros(5), np.ones(5, bool), np.arange(5), np.arange(5))
    groups = group_rates(trials, ["c", "b", "a", "b", "a"], 0.5, replicates=20)

    assert [group.value for group in groups] == ["a", "b", "c"]
    assert groups[0].fmr.value is None
    with pytest.raises(ValueError, match="1 groups were given for 5 trials"):
        group_rates(trials, ["a"], 0.5)


def test_a_group_is_trusted_when_it_is_large_and_sure_enough() -> None:
    generator = np.random.default_rng(4)
    person = np.arange(800)
    mated = person < 400
    trials = Trials(generator.random(800), mated, person, np.where(mated, person, person + 800))
    (low,) = group_rates(trials, ["one"] * 800, 0.02, replicates=200)

    assert low.fnmr.interval.width < 0.1
    assert low.doubts == ()
    assert low.fnmr == rates_at(trials, 0.02, replicates=200)[1]


def test_a_group_of_few_people_is_doubted_however_many_pairs() -> None:
    person = np.repeat(np.arange(4), 50)
    scores = np.repeat([0.1, 0.9, 0.9, 0.9], 50)
    trials = Trials(scores, np.ones(200, bool), person, person)
    (group,) = group_rates(trials, ["few"] * 200, 0.5)

    assert (group.people, group.fnmr.value) == (4, 0.25)
    assert group.doubts[0].startswith("FNMR known to within 0.")
