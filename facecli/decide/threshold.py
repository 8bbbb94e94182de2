"""The one comparison of a score with a threshold."""

from __future__ import annotations


def is_match(score: float, threshold: float) -> bool:
    """Say whether a cosine similarity is high enough to name somebody; equality is. NaN never is."""
    return bool(score >= threshold)
