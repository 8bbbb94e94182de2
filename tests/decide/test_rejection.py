from __future__ import annotations

from dataclasses import replace

import pytest

from facecli.decide.rejection import falls_short, reject_low_quality
from facecli.types import Candidate, Identification, Quality

ADA = Candidate(rank=1, person_id=1, name="Ada", template_id=1, score=0.9)
NAMED = Identification((ADA,), 0.5, ADA)


@pytest.mark.parametrize(
    ("quality", "least", "short"),
    [
        (Quality(0.5), 0.5, False),
        (Quality(0.49), 0.5, True),
        (Quality(0.0), 0.0, False),
        (Quality(1.0), 1.0, False),
        (None, 1.0, False),
    ],
)
def test_a_face_falls_short_below_what_is_asked_for(quality: Quality | None, least: float, short: bool) -> None:
    assert falls_short(quality, least) == short


def test_a_poor_face_loses_its_name_and_keeps_its_candidates() -> None:
    rejected = reject_low_quality(NAMED, Quality(0.2, ("blurred",)), 0.5)

    assert (rejected.person, rejected.rejection) == (None, "low_quality")
    assert replace(rejected, person=ADA, rejection=None) == NAMED


def test_a_good_face_keeps_its_name() -> None:
    assert reject_low_quality(NAMED, Quality(0.5), 0.5) is NAMED
