from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facecli.errors import WeightsError
from facecli.runtime.score_file import SCORE_FILE, format_scores, read_scores
from facecli.scores import ScoreDistribution, Tail

SCORES = ScoreDistribution(
    non_mated=np.array([(0.9, -0.1), (0.1, 0.1), (0.001, 1 / 3)]),
    tail=Tail(start=1 / 3, share=0.001, scale=0.05, shape=-0.125),
    mated=np.array([(0.01, 0.3), (0.5, 0.6), (0.99, 0.85)]),
    non_mated_pairs=123_456,
    mated_pairs=789,
    people=321,
    probability=(-1.5, 0.1 + 0.2),
    measured_on="portraits, 321 people",
)
TEXT = format_scores("net@0123456789ab", SCORES)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / SCORE_FILE).write_text(TEXT)

    found = read_scores(tmp_path, "net@0123456789ab")

    assert found is not None
    np.testing.assert_array_equal(found.non_mated, SCORES.non_mated)
    np.testing.assert_array_equal(found.mated, SCORES.mated)
    arrays = {"non_mated": SCORES.non_mated[:0], "mated": SCORES.mated[:0]}
    assert repr(replace(found, **arrays)) == repr(replace(SCORES, **arrays))


def test_a_model_that_nobody_measured_has_none(tmp_path: Path) -> None:
    assert read_scores(tmp_path, "net@0123456789ab") is None


def test_scores_of_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / SCORE_FILE).write_text(TEXT)

    with pytest.raises(WeightsError) as caught:
        read_scores(tmp_path, "net@ba9876543210")

    assert caught.value.message == (
        f"{tmp_path / SCORE_FILE} was measured for net@0123456789ab, not for net@ba9876543210"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('model = "net@0123456789ab"', "", "model is missing"),
        ("people = 321", "people = 0", "people must be a whole number above 0"),
        ("people = 321", "people = 321\npersons = 1", "unknown key persons"),
        ("probability = [-1.5, ", "probability = [", r"probability must be \[intercept, slope\]"),
        ("[0.1, 0.1]", "[0.1, -0.2]", "non_mated must be .* scores rising and shares falling"),
        ("[0.1, 0.1]", "[0.95, 0.1]", "non_mated must be .* scores rising and shares falling"),
        ("[0.1, 0.1]", "[0.1, nan]", "non_mated must be .* scores rising and shares falling"),
        ("[0.9, -0.1]", "[1.0, -0.1]", "non_mated must be .* scores rising and shares falling"),
        ("[0.5, 0.6]", "[0.5, 0.9]", "mated must be .* scores rising and shares rising"),
        ("scale = 0.05", "scale = 0", "tail.scale must be a number from 1e-06 to 1"),
        ("start = 0.3", "start = 0.2", "tail must be begun where non_mated ends"),
        ("share = 0.001", "share = 0.002", "tail must be begun where non_mated ends"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert TEXT.count(old) == 1
    (tmp_path / SCORE_FILE).write_text(TEXT.replace(old, new))

    with pytest.raises(WeightsError, match=rf"{SCORE_FILE}: {message}"):
        read_scores(tmp_path, "net@0123456789ab")
