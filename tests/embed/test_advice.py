from __future__ import annotations

from typing import get_args

import pytest

from facecli.embed.advice import ADVICE, advice_for, reason_words, reasons_of
from facecli.embed.quality import INSIDE, SIZE_PX, TURN
from facecli.types import Quality, QualityReason


def test_every_reason_has_its_advice() -> None:
    assert set(ADVICE) == set(get_args(QualityReason))


def test_figures_in_advice_are_the_limits() -> None:
    assert f"at least {SIZE_PX.limit:g} pixels" in ADVICE["too_small"]
    assert f"at least {INSIDE.limit:.0%}".replace("%", " %") in ADVICE["cut_off"]
    # A turn is a share of 90 degrees; advice is rounded up to ten of them.
    assert 50 < TURN.limit * 90 <= 60
    assert "less than 60 degrees" in ADVICE["turned_away"]


@pytest.mark.parametrize(
    ("quality", "reasons"),
    [
        (Quality(0.1, ("too_dark", "blurred"), {}, "too_dark"), ("too_dark", "blurred")),
        (Quality(0.7, (), {}, "too_small"), ("too_small",)),  # above its limit, but below what was asked for
        (Quality(1.0), ()),
    ],
)
def test_the_weakest_part_stands_in_for_reasons(quality: Quality, reasons: tuple[QualityReason, ...]) -> None:
    assert reasons_of(quality) == reasons


def test_words_and_advice_for_people() -> None:
    assert reason_words(("too_small", "blurred")) == "too small, blurred"
    assert reason_words(()) == "low quality"
    assert advice_for(("too_bright", "too_bright")) == (
        "Use a photo with less light on the face, without glare or flash."
    )
    assert advice_for(("too_dark", "too_bright")).count("; use") == 1
    assert advice_for(()) == ""
