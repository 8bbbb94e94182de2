import math

import pytest

from facecli.decide.threshold import is_match


@pytest.mark.parametrize(
    ("score", "threshold", "expected"),
    [
        (0.36, 0.36, True),
        (math.nextafter(0.36, 0), 0.36, False),
        (0.37, 0.36, True),
        (-1.0, -1.0, True),
        (1.0, 1.1, False),
        (math.nan, 0.0, False),
        (math.nan, -math.inf, False),
    ],
)
def test_a_score_matches_from_the_threshold_on(score: float, threshold: float, expected: bool):
    assert is_match(score, threshold) is expected
