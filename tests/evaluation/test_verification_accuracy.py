from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.evaluation.accuracy import assign_folds, best_accuracy, fold_accuracy
from facecli.evaluation.error_curve import Tally
from facecli.evaluation.verification import Trials


def make_trials(*pairs: tuple[float, int, int]) -> Trials:
    """Each pair is its score and two people."""
    scores, first, second = (np.array(column) for column in zip(*pairs, strict=True))
    return Trials(scores.astype(float), first == second, first, second)


def test_the_best_accuracy_by_hand() -> None:
    trials = make_trials((0.9, 0, 0), (0.6, 1, 1), (0.2, 2, 2), (0.7, 3, 4), (0.1, 5, 6))
    best = best_accuracy(Tally(trials.scores, trials.mated).curve())

    # At 0.9, 0.6 and 0.2 one or two are wrong: 0.2 lets 0.7 through (1), 0.6 also loses 0.2 (2), 0.9 loses two.
    assert best is not None
    assert (best.correct, best.trials, best.threshold, best.value) == (4, 5, 0.2, 0.8)


def test_of_equal_thresholds_the_middle_one() -> None:
    trials = make_trials((0.9, 0, 0), (0.4, 1, 2), (0.5, 3, 3), (0.6, 4, 5), (0.2, 6, 7))
    # Errors at 0.2, 0.4, 0.5, 0.6, 0.9, inf: 3, 2, 1, 2, 1, 2.
    best = best_accuracy(Tally(trials.scores, trials.mated).curve())

    assert best is not None
    assert (best.correct, best.threshold) == (4, 0.9)


def test_nothing_has_no_accuracy() -> None:
    assert best_accuracy(Tally(np.zeros(0), np.zeros(0, bool)).curve()) is None


def test_folds_by_hand() -> None:
    trials = make_trials(
        (0.9, 0, 0), (0.1, 1, 2),  # fold x
        (0.8, 3, 3), (0.3, 4, 5),  # fold y
        (0.2, 6, 6), (0.05, 7, 8),  # fold z
    )  # fmt: skip
    found = fold_accuracy(trials, ["x", "x", "y", "y", "z", "z"])

    # x is judged with y and z: 0.8 and 0.2 (one error each), middle 0.8 -> both right. y with x and z: 0.9 and 0.2
    # have one and 0 errors: at 0.2 0.1 and 0.05 are refused, so 0.2 -> 0.3 matches wrongly. z with x and y: 0.8.
    assert found.names == ("x", "y", "z")
    assert [fold.threshold for fold in found.folds] == [0.8, 0.2, 0.8]
    assert [fold.value for fold in found.folds] == [1.0, 0.5, 0.5]
    assert found.mean == pytest.approx(2 / 3)
    # Sample standard deviation of 1, 1/2, 1/2 is 1 / sqrt(12); over sqrt(3): 1/6.
    assert found.standard_error == pytest.approx(1 / 6)


def test_a_fold_that_lacks_a_class_and_failures_to_enrol() -> None:
    trials = make_trials((0.9, 0, 0), (-np.inf, 1, 1), (-np.inf, 2, 3), (0.1, 4, 5))
    found = fold_accuracy(trials, ["a", "a", "b", "b"])

    # On b alone nothing should match; on a alone 0.9 is best, and then both of b are right.
    assert [(fold.threshold, fold.correct) for fold in found.folds] == [(np.inf, 0), (0.9, 2)]


def test_one_fold_is_none() -> None:
    trials = make_trials((0.9, 0, 0), (0.1, 1, 2))

    with pytest.raises(ValueError, match="two of them"):
        fold_accuracy(trials, ["a", "a"])
    with pytest.raises(ValueError, match="1 folds were given for 2 trials"):
        fold_accuracy(trials, ["a"])


def people_of_folds(trials: Trials, folds: tuple[str, ...]) -> dict[str, set[int]]:
    people = defaultdict(set)
    for fold, a, b in zip(folds, trials.person_a, trials.person_b, strict=True):
        people[fold] |= {int(a), int(b)}
    return people


def test_people_stay_in_one_fold_where_they_can() -> None:
    # Twenty groups of three people who are compared with one another only.
    pairs = [(0.5, 3 * g + a, 3 * g + b) for g in range(20) for a in range(3) for b in range(a, 3)]
    trials = make_trials(*pairs)
    folds, disjoint = assign_folds(trials, 5)
    people = people_of_folds(trials, folds)

    assert disjoint
    assert sorted(people) == ["1", "2", "3", "4", "5"]
    assert sum(len(each) for each in people.values()) == 60
    assert [folds.count(fold) for fold in people] == [24] * 5
    assert folds == assign_folds(trials, 5)[0]


def test_people_who_are_all_tied_together_are_dealt_by_the_first() -> None:
    pairs = [(0.5, person, person) for person in range(40)] + [(0.5, person, (person + 1) % 40) for person in range(40)]
    trials = make_trials(*pairs)
    folds, disjoint = assign_folds(trials, 4)

    assert not disjoint
    assert all(folds[at] == folds[40 + at] for at in range(40))
    for fold in "1234":
        assert [sum(each == fold for each in folds[kind]) for kind in (slice(40), slice(40, 80))] == [10, 10]


def test_too_few_people() -> None:
    with pytest.raises(ValueError, match="2 people who can be told apart do not make 3 folds"):
        assign_folds(make_trials((0.5, 0, 0), (0.5, 1, 0), (0.5, 1, 1)), 3)


@given(
    st.lists(st.tuples(st.just(0.5), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=60),
    st.integers(2, 6),
)
def test_every_trial_gets_a_fold(pairs: list[tuple[float, int, int]], count: int) -> None:
    trials = make_trials(*pairs)
    try:
        folds, disjoint = assign_folds(trials, count)
    except ValueError:
        assert len({a for _, a, _ in pairs}) < count
        return
    people = people_of_folds(trials, folds)

    assert len(folds) == len(pairs)
    assert len(people) == count
    if disjoint:
        assert sum(map(len, people.values())) == trials.people
