"""Scores here come from known distributions, so what a calibration says can be held against the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.decide.calibration import SET_SPREAD, Calibration, StrangerSearches
from facecli.errors import ConfigError
from facecli.scores import ScoreDistribution, Tail

# Non-mated scores that fall by e with each 0.02 from 0 on, and never below: simple enough to write every answer down.
SCALE = 0.02
SHARES = (0.99, 0.5, 0.1, 0.01, 0.001)
DISTRIBUTION = ScoreDistribution(
    non_mated=np.array([(share, -SCALE * math.log(share)) for share in SHARES]),
    tail=Tail(start=-SCALE * math.log(0.001), share=0.001, scale=SCALE, shape=0.0),
    mated=np.array([(0.01, 0.3), (0.5, 0.5), (0.99, 0.8)]),
    non_mated_pairs=10_000_000,
    mated_pairs=1000,
    people=1000,
    probability=(-1.0, 1.5),
    measured_on="arithmetic",
)


def best_scores(rng: np.random.Generator, searches: int, templates: int, shift: float = 0.0) -> np.ndarray:
    """The highest of `templates` scores, for each search."""
    lowest = rng.random(searches) ** (1 / templates)  # the largest of n uniform numbers
    return -SCALE * np.log1p(-lowest) + shift


def searches(rng: np.random.Generator, people: int, shift: float = 0.0) -> StrangerSearches:
    return StrangerSearches(best_scores(rng, people, people - 1, shift), np.full(people, people - 1))


@pytest.mark.parametrize("people", [1, 10, 1000])
@pytest.mark.parametrize("fpir", [0.1, 0.01])
def test_the_mean_rate_over_what_shifts_sets_apart_is_the_one_asked_for(people: int, fpir: float) -> None:
    calibration = Calibration(DISTRIBUTION, people, people)
    choice = calibration.choose(fpir)
    shifts = np.random.default_rng(0).normal(0, calibration.shift_spread, 4000)

    rates = 1 - (1 - np.exp(-(choice.threshold - shifts) / SCALE).clip(0, 1)) ** people

    assert rates.mean() == pytest.approx(fpir, rel=0.1)
    assert np.mean((rates >= choice.low) & (rates <= choice.high)) == pytest.approx(0.95, abs=0.02)
    assert choice.supported


@pytest.mark.parametrize("shift", [-0.02, 0.0, 0.015])
def test_a_gallery_of_other_scores_is_noticed_from_its_own_searches(shift: float) -> None:
    calibration = Calibration(DISTRIBUTION, 2000, 2000, searches(np.random.default_rng(1), 2000, shift))

    assert calibration.shift == pytest.approx(shift, abs=0.003)
    threshold = calibration.choose(0.01).threshold
    strangers = best_scores(np.random.default_rng(2), 100_000, 2000, shift)
    assert np.mean(strangers >= threshold) == pytest.approx(0.01, rel=0.2)


def test_intervals_hold_in_the_share_they_claim() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        people = int(rng.integers(2, 300))
        alone = Calibration(DISTRIBUTION, people, people)
        shift = float(rng.normal(0, math.sqrt(alone.shift_spread**2)))
        choice = Calibration(DISTRIBUTION, people, people, searches(rng, people, shift)).choose(0.01)
        rate = 1 - (1 - min(math.exp(-(choice.threshold - shift) / SCALE), 1)) ** people
        held += choice.low <= rate <= choice.high
    # 95 % of 400 is 380, give or take 4; more is no fault.
    assert held >= 368


def test_more_evidence_makes_the_interval_narrower() -> None:
    few = Calibration(DISTRIBUTION, 30, 30, searches(np.random.default_rng(4), 30))
    many = Calibration(DISTRIBUTION, 3000, 3000, searches(np.random.default_rng(4), 3000))
    assert many.shift_spread < few.shift_spread < Calibration(DISTRIBUTION, 30, 30).shift_spread


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(1e-6, 0.5), st.floats(1e-6, 0.5))
def test_thresholds_rise_with_the_gallery_and_with_strictness(few: int, many: int, a: float, b: float) -> None:
    few, many = sorted((few, many))
    lenient, strict = max(a, b), min(a, b)
    small, large = (Calibration(DISTRIBUTION, count, 100) for count in (few, many))
    assert small.choose(lenient).threshold <= large.choose(lenient).threshold
    assert large.choose(lenient).threshold <= large.choose(strict).threshold


def test_a_rate_beyond_the_evidence_takes_the_cautious_end_and_names_the_rate_it_can_support() -> None:
    calibration = Calibration(DISTRIBUTION, 100, 100)

    supported, beyond = calibration.choose(calibration.supported_fpir * 1.01), calibration.choose(1e-7)

    # Ten of ten million pairs lie beyond the threshold of the least rate that is supported.
    assert supported.supported
    assert math.exp(-supported.threshold / SCALE) * 1e7 == pytest.approx(10, rel=0.05)
    assert not beyond.supported
    assert beyond.high <= 1e-7
    assert calibration.fpir(beyond.threshold) < 1e-7


def test_many_searches_support_what_the_models_pairs_do_not() -> None:
    alone = Calibration(DISTRIBUTION, 100_000, 100_000)
    gallery = StrangerSearches(best_scores(np.random.default_rng(5), 4096, 99_999), np.full(4096, 99_999))
    assert not alone.choose(0.01).supported
    assert Calibration(DISTRIBUTION, 100_000, 100_000, gallery).choose(0.01).supported


def test_one_person_under_two_names_is_named_and_does_not_raise_the_threshold() -> None:
    clean = searches(np.random.default_rng(6), 100)
    twice = StrangerSearches(np.append(clean.scores, [0.9, 0.9]), np.append(clean.compared, [99, 99]))

    without, found = Calibration(DISTRIBUTION, 100, 100, clean), Calibration(DISTRIBUTION, 100, 100, twice)

    assert sorted(found.suspects.tolist()) == [100, 101]
    assert len(without.suspects) == 0
    assert found.choose(0.01).threshold == pytest.approx(without.choose(0.01).threshold, abs=0.001)
    assert found.search_count == 100


def test_where_all_searches_are_suspects_the_model_alone_speaks() -> None:
    twice = StrangerSearches(np.array([0.9, 0.9]), np.array([1, 1]))
    found, alone = Calibration(DISTRIBUTION, 2, 2, twice), Calibration(DISTRIBUTION, 2, 2)
    assert sorted(found.suspects.tolist()) == [0, 1]
    assert found.search_count == 0
    assert found.choose(0.01) == alone.choose(0.01)


def test_the_probability_is_the_logistic_curve_of_the_false_positives_expected() -> None:
    calibration = Calibration(DISTRIBUTION, 10, 10)
    expected = -10 * math.log1p(-math.exp(-0.2 / SCALE))
    assert calibration.probability(0.2) == pytest.approx(1 / (1 + math.exp(1 + 1.5 * math.log(expected))), rel=1e-3)
    chances = [calibration.probability(score) for score in np.linspace(-1, 1, 50)]
    assert chances == sorted(chances)
    assert 0 <= chances[0] < 0.01
    assert 0.99 < chances[-1] <= 1


@pytest.mark.parametrize("fpir", [0.0, 1.0, -0.1, math.nan])
def test_a_rate_that_is_none_is_refused(fpir: float) -> None:
    with pytest.raises(ConfigError, match="cannot be met"):
        Calibration(DISTRIBUTION, 10, 10).choose(fpir)


def test_without_any_search_the_model_alone_speaks() -> None:
    nobody_else = StrangerSearches(np.empty(0), np.empty(0, np.int64))
    alone, empty = Calibration(DISTRIBUTION, 1, 1), Calibration(DISTRIBUTION, 1, 1, nobody_else)
    assert alone.choose(0.01) == empty.choose(0.01)
    assert alone.shift == 0
    assert alone.shift_spread > SET_SPREAD * SCALE
