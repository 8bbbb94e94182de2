from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.decide.outliers import AGREEMENT_SHARE, MISFIT_SHARE, Misfit, compare_photos
from facecli.scores import ScoreDistribution, Tail

# Two photos agree from 0.8 on; a photo beside two others is a misfit below 0.65, beside four below 0.7.
SCORES = ScoreDistribution(
    non_mated=np.array([(0.5, 0.1), (0.1, 0.5), (0.02, 0.6), (0.01, 0.65), (0.005, 0.7), (0.001, 0.8)]),
    tail=Tail(start=0.8, share=0.001, scale=0.02, shape=0.0),
    mated=np.array([(0.01, 0.7), (0.5, 0.9)]),
    non_mated_pairs=1_000_000,
    mated_pairs=1000,
    people=100,
    probability=(0.0, 1.0),
    measured_on="nothing",
)


def photos(*cosines: float) -> np.ndarray:
    """Vectors in a plane, by the angles whose cosines with the first axis these are; negative ones turn downwards."""
    angles = [np.copysign(np.arccos(abs(cosine)), cosine) for cosine in cosines]
    return np.array([(np.cos(angle), np.sin(angle)) for angle in angles], np.float32)


def test_the_limits_of_these_scores() -> None:
    assert SCORES.score_at(AGREEMENT_SHARE) == pytest.approx(0.8, abs=0.001)
    assert SCORES.score_at(MISFIT_SHARE / 2) == pytest.approx(0.65, abs=0.001)


@pytest.mark.parametrize("count", [0, 1])
def test_one_photo_alone_is_no_misfit(count: int) -> None:
    found = compare_photos(photos(1.0)[:count].reshape(count, 2), 0, SCORES)

    assert (found.reference, found.misfits) == ((), ())
    assert np.isnan(found.usual_score)


def test_two_that_agree_tell_the_third() -> None:
    found = compare_photos(photos(1.0, 0.1, 0.9), 0, SCORES)

    assert found.reference == (0, 2)
    assert found.usual_score == pytest.approx(0.9, abs=1e-4)
    (misfit,) = found.misfits
    assert (misfit.row, misfit.others) == (1, (0, 2))
    assert misfit.best_score == pytest.approx(np.cos(np.arccos(0.1) - np.arccos(0.9)), abs=1e-4)


@pytest.mark.parametrize(("cosine", "fits"), [(0.66, True), (0.64, False)])
def test_a_photo_fits_that_scores_as_strangers_seldom_do(cosine: float, fits: bool) -> None:
    found = compare_photos(photos(1.0, 0.999, -cosine), 0, SCORES)

    assert (found.misfits == ()) is fits
    assert found.reference == (0, 1)


def test_the_limit_rises_with_the_photos_compared() -> None:
    two, four = photos(1.0, 1.0, -0.68), photos(1.0, 1.0, 1.0, 1.0, -0.68)

    assert compare_photos(two, 0, SCORES).misfits == ()
    assert [misfit.row for misfit in compare_photos(four, 0, SCORES).misfits] == [4]


def test_two_that_disagree_are_both_in_doubt() -> None:
    found = compare_photos(photos(1.0, 0.1), 0, SCORES)

    assert (found.reference, [(each.row, each.others) for each in found.misfits]) == ((), [(0, (1,)), (1, (0,))])


def test_three_of_which_none_agree_are_all_in_doubt() -> None:
    found = compare_photos(np.eye(3, dtype=np.float32), 0, SCORES)

    assert found.misfits == (Misfit(0, (1, 2), 0.0), Misfit(1, (0, 2), 0.0), Misfit(2, (0, 1), 0.0))
    assert found.reference == ()


def test_the_larger_of_two_groups_is_right() -> None:
    found = compare_photos(photos(0.1, 1.0, 0.2, 0.99, 0.98), 0, SCORES)

    assert (found.reference, [each.row for each in found.misfits]) == ((1, 3, 4), [0, 2])


def test_of_two_groups_alike_none_is_right() -> None:
    found = compare_photos(photos(1.0, 0.99, 0.1, 0.12), 0, SCORES)

    assert (found.reference, [each.others for each in found.misfits]) == ((), [(2, 3), (2, 3), (0, 1), (0, 1)])


def test_two_enrolled_that_agree_outweigh_any_number() -> None:
    found = compare_photos(photos(1.0, 0.99, 0.1, 0.12, 0.11), 2, SCORES)

    assert (found.reference, [each.row for each in found.misfits]) == ((0, 1), [2, 3, 4])


def test_one_enrolled_does_not() -> None:
    found = compare_photos(photos(1.0, 0.1, 0.12), 1, SCORES)

    assert (found.reference, [each.row for each in found.misfits]) == ((1, 2), [0])


def test_photos_are_linked_in_chains() -> None:
    """A profile and another profile agree through the photo between them."""
    left, right = 0.85, -0.85
    assert photos(left)[0] @ photos(right)[0] < 0.5

    found = compare_photos(photos(left, right, 1.0), 0, SCORES)

    assert (found.reference, found.misfits) == ((0, 1, 2), ())


@given(
    angles=st.lists(st.floats(0, np.pi), min_size=2, max_size=8),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_order_of_new_photos_does_not_matter(angles: list[float], seed: int) -> None:
    vectors = np.array([(np.cos(angle), np.sin(angle)) for angle in angles], np.float32)
    order = np.random.default_rng(seed).permutation(len(angles))

    found, shuffled = compare_photos(vectors, 0, SCORES), compare_photos(vectors[order], 0, SCORES)

    assert sorted(order[list(shuffled.reference)].tolist() if shuffled.reference else []) == list(found.reference)
    assert sorted(int(order[each.row]) for each in shuffled.misfits) == [each.row for each in found.misfits]
    assert not {each.row for each in found.misfits} & set(found.reference)
