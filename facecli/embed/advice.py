"""What to do about a face that is too poor to be compared: why, and which photo would serve better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from facecli.types import Quality, QualityReason

# The figures are the limits of `facecli.embed.quality`, rounded to the safe side; a test holds the two together.
ADVICE: Final[Mapping[QualityReason, str]] = MappingProxyType(
    {
        "too_small": "use a photo in which the face is larger, at least 20 pixels wide, or a larger scan",
        "blurred": "use a photo in which the face is in focus and still, not enlarged from a smaller one",
        "too_dark": "use a photo with more light on the face; brightening a dark one brings nothing back",
        "too_bright": "use a photo with less light on the face, without glare or flash",
        "turned_away": "use a photo in which the face looks towards the camera, turned by less than 60 degrees",
        "cut_off": "use a photo that shows at least 70 % of the face",
    }
)
"""Reason -> what to do, as half a sentence."""


def reasons_of(quality: Quality) -> tuple[QualityReason, ...]:
    """Return why a face fell below a quality: the parts below their limits, or the weakest where all are above."""
    return quality.reasons or ((quality.weakest,) if quality.weakest is not None else ())


def reason_words(reasons: Iterable[QualityReason]) -> str:
    """Return reasons as people read them: ``too small, blurred``; ``low quality`` where none is known."""
    return ", ".join(reason.replace("_", " ") for reason in reasons) or "low quality"


def advice_for(reasons: Iterable[QualityReason]) -> str:
    """Return what to do about these reasons, as one sentence; empty where none is known."""
    text = "; ".join(ADVICE[reason] for reason in dict.fromkeys(reasons))
    return f"{text[0].upper()}{text[1:]}." if text else ""
