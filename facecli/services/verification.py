"""Verification (1:1): are two photos of one person."""

from __future__ import annotations

from dataclasses import dataclass

from facecli.decide.threshold import is_match
from facecli.errors import InputError
from facecli.services.analysis import Analyser, Analysis, PhotoSource
from facecli.services.selection import OnMulti, the_face
from facecli.types import Face


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """The answer for two photos."""

    path_a: str
    path_b: str
    face_a: Face
    face_b: Face
    score: float  # cosine similarity in [-1, 1]
    threshold: float
    is_same_person: bool
    warnings: tuple[str, ...] = ()


def verify(
    first: PhotoSource, second: PhotoSource, analyser: Analyser, *, threshold: float, on_multi: OnMulti = "error"
) -> Verification:
    """Compare the faces of two photos.

    Raises
    ------
    InputError
        If a photo cannot be read, or holds no face, or several of a like size.
    """
    a, b = analyser.analyse([first, second])
    face_a, face_b = (_face(analysis, on_multi) for analysis in (a, b))
    if face_a.embedding is None or face_b.embedding is None:
        raise ValueError("verification needs an analyser with an embedder")
    score = float(face_a.embedding.vector @ face_b.embedding.vector)
    return Verification(
        first.path,
        second.path,
        face_a,
        face_b,
        score,
        threshold,
        is_match(score, threshold),
        a.warnings + b.warnings,
    )


def _face(analysis: Analysis, on_multi: OnMulti) -> Face:
    if analysis.error is not None:
        raise InputError(analysis.error.message, hint=analysis.error.hint, code=analysis.error.code)
    return the_face(analysis, on_multi)
