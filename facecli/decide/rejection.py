"""Faces too poor to be named, whatever they score."""

from __future__ import annotations

from dataclasses import replace

from facecli.types import Identification, Quality


def falls_short(quality: Quality | None, min_quality: float) -> bool:
    """Say whether a face is below the quality asked for. One that was not judged never is."""
    return quality is not None and quality.score < min_quality


def reject_low_quality(identification: Identification, quality: Quality | None, min_quality: float) -> Identification:
    """Take the name from a face below the quality asked for; its candidates stay."""
    if not falls_short(quality, min_quality):
        return identification
    return replace(identification, person=None, rejection="low_quality")
