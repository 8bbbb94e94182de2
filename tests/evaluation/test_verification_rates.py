from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import det_curve, roc_curve

from facecli.evaluation.error_curve import ErrorCurve, Tally, equal_error_rate, first_at_most, is_measurable
from facecli.evaluation.proportions import wilson_interval
from facecli.evaluation.verification import Trials, measure, rates_at

NOTHING = -np.inf


def make_trials(mated: list[float], non_mated: list[float]) -> Trials:
    """Trials of people who appear in one mated pair, or in one non-mated pair with a stranger, each."""
    first = np.arange(len(mated) + len(non_mated))
    second = np.where(first < len(mated), first, first + len(first))
    return Trials(np.array([*mated, *non_mated], float), first < len(mated), first, second)


def curve_of(mated: list[float], non_mated: list[float]) -> ErrorCurve:
    trials = make_trials(mated, non_mated)
    return Tally(trials.scores, trials.mated).curve()


# Few values, so that ties are frequent, and a failure to enrol now and then.
values = st.sampled_from([NOTHING, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0])
some = st.lists(values, min_size=1, max_size=40)


class TestErrorCurve:
    def test_by_hand(self) -> None:
        curve = curve_of([0.9, 0.5, 0.5, NOTHING], [0.5, 0.3, 0.3, NOTHING, 0.1])

        assert list(curve.thresholds) == [0.1, 0.3, 0.5, 0.9, np.inf]
        assert list(curve.false_matches) == [4, 3, 1, 0, 0]  # score >= threshold, the failure never
        assert list(curve.false_non_matches) == [1, 1, 1, 3, 4]  # score < threshold, the failure always
        assert list(curve.fmr) == [0.8, 0.6, 0.2, 0, 0]
        assert list(curve.fnmr) == [0.25, 0.25, 0.25, 0.75, 1]

    def test_weights_count_as_repetitions(self) -> None:
        trials = make_trials([0.9, 0.5], [0.5, 0.3])
        weighted = Tally(trials.scores, trials.mated).curve(np.array([2, 1, 0, 3]))

        assert list(weighted.thresholds) == [0.3, 0.5, 0.9, np.inf]
        assert list(weighted.false_matches) == [3, 0, 0, 0]
        assert list(weighted.false_non_matches) == [0, 0, 1, 3]
        assert (weighted.mated, weighted.non_mated) == (3, 3)

    def test_one_class_empty(self) -> None:
        only_mated, only_non_mated = curve_of([0.9, 0.5], []), curve_of([], [0.9, 0.5])

        assert list(only_mated.fnmr) == [0, 0.5, 1]
        assert np.isnan(only_mated.fmr).all()
        assert list(only_non_mated.fmr) == [1, 0.5, 0]
        assert np.isnan(only_non_mated.fnmr).all()
        assert equal_error_rate(only_mated) is equal_error_rate(only_non_mated) is None

    def test_nobody_enrolled(self) -> None:
        curve = curve_of([NOTHING], [NOTHING])

        assert (list(curve.thresholds), list(curve.fmr), list(curve.fnmr)) == ([np.inf], [0], [1])
        assert equal_error_rate(curve) is None

    @given(mated=some, non_mated=some)
    def test_as_scikit_learn_has_it(self, mated: list[float], non_mated: list[float]) -> None:
        # scikit-learn knows no failures: there they are scores below all others.
        finite = [[max(score, -9.0) for score in scores] for scores in (mated, non_mated)]
        answers = [1] * len(mated) + [0] * len(non_mated)
        curve = curve_of(mated, non_mated)
        fpr, tpr, thresholds = roc_curve(answers, finite[0] + finite[1], drop_intermediate=False)
        reference = {t: (f, 1 - r) for f, r, t in zip(fpr, tpr, thresholds, strict=True) if t > -9}
        ours = {t: (f, n) for t, f, n in zip(curve.thresholds, curve.fmr, curve.fnmr, strict=True)}

        assert set(ours) == set(reference)
        for threshold, rates in ours.items():
            assert rates == pytest.approx(reference[threshold], abs=1e-12)

    def test_as_scikit_learn_has_the_det(self) -> None:
        generator = np.random.default_rng(1)
        mated, non_mated = generator.normal(1, 1, 300).round(2), generator.normal(0, 1, 500).round(2)
        curve = curve_of(list(mated), list(non_mated))
        fpr, fnr, thresholds = det_curve([1] * 300 + [0] * 500, np.concatenate([mated, non_mated]))
        at = np.searchsorted(curve.thresholds, thresholds)

        assert curve.fmr[at] == pytest.approx(fpr)
        assert curve.fnmr[at] == pytest.approx(fnr)

    @given(mated=some, non_mated=some)
    def test_errors_trade_against_each_other(self, mated: list[float], non_mated: list[float]) -> None:
        curve = curve_of(mated, non_mated)

        assert (np.diff(curve.fmr) <= 0).all()
        assert (np.diff(curve.fnmr) >= 0).all()
        assert (curve.fmr[-1], curve.fnmr[-1]) == (0, 1)

    @given(mated=some, non_mated=some, target=st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 1.0]))
    def test_the_threshold_for_an_fmr_is_the_lowest(
        self, mated: list[float], non_mated: list[float], target: float
    ) -> None:
        curve = curve_of(mated, non_mated)
        (at,) = first_at_most(curve, np.array([target]))

        assert curve.fmr[at] <= target
        assert at == 0 or curve.fmr[at - 1] > target

    def test_thinned_keeps_the_ends_and_both_scales(self) -> None:
        generator = np.random.default_rng(2)
        curve = curve_of(list(generator.normal(1, 1, 2000)), list(generator.normal(0, 1, 2000)))
        at = curve.thinned(100)

        assert 50 < at.size <= 100
        assert (at[0], at[-1]) == (0, curve.thresholds.size - 1)
        assert (np.diff(at) > 0).all()
        assert 1 / 2000 in curve.fmr[at]
        assert np.flatnonzero(curve.fmr == 0)[0] in at
        assert list(curve_of([0.9], [0.1]).thinned(100)) == [0, 1, 2]

    @given(mated=some, non_mated=some, data=st.data())
    def test_any_weights_are_repetitions(self, mated: list[float], non_mated: list[float], data: st.DataObject) -> None:
        trials = make_trials(mated, non_mated)
        weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(trials), max_size=len(trials))), int)
        weighted = Tally(trials.scores, trials.mated).curve(weights)
        repeated = Tally(np.repeat(trials.scores, weights), np.repeat(trials.mated, weights)).curve()
        targets = np.array([0.0, 0.1, 0.5, 1.0])

        assert (weighted.mated, weighted.non_mated) == (repeated.mated, repeated.non_mated)
        assert equal_error_rate(weighted) == pytest.approx(equal_error_rate(repeated), abs=1e-12)
        if repeated.non_mated:
            counts = [each.mated_below.counts(first_at_most(each, targets)) for each in (weighted, repeated)]
            assert list(counts[0]) == list(counts[1])


class TestEqualErrorRate:
    @pytest.mark.parametrize(
        ("mated", "non_mated", "expected"),
        [
            ([0.9, 0.8], [0.1, 0.2], 0.0),
            ([0.1, 0.2], [0.9, 0.8], 1.0),
            ([0.5, 0.9], [0.1, 0.5], 0.25),  # both 0.5 change sides at once: (FMR, FNMR) from (1/2, 0) to (0, 1/2)
            ([0.5], [0.5], 0.5),
        ],
    )
    def test_by_hand(self, mated: list[float], non_mated: list[float], expected: float) -> None:
        assert equal_error_rate(curve_of(mated, non_mated)) == pytest.approx(expected)

    def test_too_many_failures_to_ever_meet(self) -> None:
        assert equal_error_rate(curve_of([NOTHING, NOTHING, 0.9], [0.1, NOTHING, NOTHING])) is None

    @given(mated=some, non_mated=some)
    def test_lies_between_the_rates_around_it(self, mated: list[float], non_mated: list[float]) -> None:
        curve = curve_of(mated, non_mated)
        rate = equal_error_rate(curve)

        if rate is None:
            assert curve.fnmr[0] > curve.fmr[0]
        else:
            above, below = curve.fnmr >= curve.fmr, curve.fnmr <= curve.fmr
            assert curve.fnmr[below].max() - 1e-12 <= rate <= curve.fnmr[above].min() + 1e-12
            assert curve.fmr[above].max() - 1e-12 <= rate <= curve.fmr[below].min() + 1e-12


class TestMeasure:
    def test_by_hand(self) -> None:
        rates = measure(make_trials([0.9] * 6 + [0.5] * 3 + [NOTHING], [0.6] + [0.3] * 9), replicates=50)
        tenth, hundredth = rates.points[:2]

        # One of ten non-mated pairs may match: the lowest score at which no more do is 0.5.
        assert (tenth.target_fmr, tenth.threshold, tenth.reason) == (0.1, 0.5, "")
        assert (tenth.fmr.count, tenth.fmr.trials, tenth.fmr.value, tenth.fmr.interval) == (1, 10, 0.1, None)
        assert (tenth.fnmr.count, tenth.fnmr.trials, tenth.fnmr.value) == (1, 10, 0.1)
        assert (hundredth.threshold, hundredth.fmr, hundredth.fnmr) == (None, None, None)
        assert hundredth.reason == "10 non-mated pairs; it takes 100"
        assert rates.eer == pytest.approx(0.1)

    def test_no_error_seen_is_not_no_error(self) -> None:
        rates = measure(make_trials([0.9] * 30, [0.1] * 30), replicates=100)

        assert rates.points[0].fnmr.interval == wilson_interval(0, 30)
        assert rates.eer == 0

    def test_one_class_empty(self) -> None:
        only_mated, only_non_mated = measure(make_trials([0.9], [])), measure(make_trials([], [0.1]))

        assert {point.reason for point in only_non_mated.points} == {"there are no mated pairs"}
        assert only_mated.points[0].reason == "0 non-mated pairs; it takes 10"
        assert only_mated.eer is only_mated.eer_interval is only_non_mated.eer is None

    def test_the_interval_holds_the_rate_and_repeats(self) -> None:
        generator = np.random.default_rng(3)
        trials = make_trials(list(generator.normal(1.5, 1, 300)), list(generator.normal(0, 1, 300)))
        rates, again = measure(trials, replicates=200), measure(trials, replicates=200)
        point = rates.points[1]

        assert point.fnmr.interval.low < point.fnmr.value < point.fnmr.interval.high
        assert point.fnmr.interval == again.points[1].fnmr.interval
        assert rates.eer_interval.low < rates.eer < rates.eer_interval.high
        assert rates.det_low.shape == rates.det_high.shape == rates.det_index.shape
        assert (rates.det_low <= rates.det_high).all()
        # The threshold moves with the people too, so it is wider than that of a fixed threshold.
        assert point.fnmr.interval.width > rates_at(trials, point.threshold, replicates=200)[1].interval.width

    def test_pairs_of_one_person_are_not_independent(self) -> None:
        scores = np.repeat(np.linspace(0, 1, 20), 30)  # 20 people, 30 alike mated pairs each
        person = np.repeat(np.arange(20), 30)
        one_each = np.arange(600)

        clustered = rates_at(Trials(scores, np.ones(600, bool), person, person), 0.5)[1]
        single = rates_at(Trials(scores, np.ones(600, bool), one_each, one_each), 0.5)[1]

        assert clustered.value == single.value == 0.5
        assert clustered.interval.width > 4 * single.interval.width

    def test_few_errors_of_few_people_count_as_few(self) -> None:
        person = np.repeat(np.arange(5), 100)
        fnmr = rates_at(Trials(np.ones(500), np.ones(500, bool), person, person), 0.5)[1]

        assert fnmr.interval == wilson_interval(0, 5)

    @pytest.mark.parametrize(("threshold", "fmr", "fnmr"), [(0.5, 1, 0), (0.51, 0, 2), (-9.0, 1, 0), (9.0, 0, 3)])
    def test_rates_at_a_threshold(self, threshold: float, fmr: int, fnmr: int) -> None:
        trials = make_trials([0.5, 0.5, 0.9], [0.5, NOTHING])
        match, non_match = rates_at(trials, threshold, replicates=20)

        assert (match.count, match.trials, non_match.count, non_match.trials) == (fmr, 2, fnmr, 3)

    def test_no_trials_have_no_rate(self) -> None:
        fmr, fnmr = rates_at(make_trials([0.9], []), 0.5, replicates=20)

        assert (fmr.value, fmr.interval, fnmr.value) == (None, None, 0)

    @given(mated=some, non_mated=some, power=st.sampled_from([1, 3, 5]), shift=st.sampled_from([-0.25, 0.0, 2.0]))
    def test_only_the_order_of_scores_counts(
        self, mated: list[float], non_mated: list[float], power: int, shift: float
    ) -> None:
        plain = curve_of(mated, non_mated)
        mapped = curve_of([s**power + shift for s in mated], [s**power + shift for s in non_mated])

        assert list(plain.fmr) == list(mapped.fmr)
        assert list(plain.fnmr) == list(mapped.fnmr)
        assert equal_error_rate(plain) == equal_error_rate(mapped)

    @given(mated=some, non_mated=some, data=st.data())
    def test_a_failure_to_enrol_never_helps(
        self, mated: list[float], non_mated: list[float], data: st.DataObject
    ) -> None:
        failed = list(mated)
        failed[data.draw(st.integers(0, len(mated) - 1))] = NOTHING
        for target in (0.0, 0.1, 0.5):
            before, after = (curve_of(each, non_mated) for each in (mated, failed))
            fnmr = [float(each.fnmr[first_at_most(each, np.array([target]))[0]]) for each in (before, after)]
            assert fnmr[1] >= fnmr[0]


@given(trials=st.integers(1, 100_000), errors=st.integers(1, 50))
def test_a_rate_of_whole_errors_can_be_measured(trials: int, errors: int) -> None:
    assert is_measurable(trials, errors / trials)
    assert not is_measurable(trials, 0.99 / trials)


@given(arrays(float, 3, elements=st.sampled_from([np.nan, np.inf])))
def test_scores_that_are_none_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not a number"):
        Trials(scores, np.ones(3, bool), np.arange(3), np.arange(3))


def test_trials_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="do not go together"):
        Trials(np.zeros(3), np.ones(2, bool), np.arange(3), np.arange(3))


def test_people_are_counted_and_renumbered() -> None:
    trials = Trials(np.zeros(3), np.zeros(3, bool), np.array([7, 3, 3]), np.array([3, 9, 7]))
    people, first, second = trials.renumbered()

    assert (trials.people, people, list(first), list(second)) == (3, 3, [1, 0, 0], [0, 2, 1])
    assert trials.subset(np.array([True, False, False])).people == 2
