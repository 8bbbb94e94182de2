"""Who is in these photos: analyse, search, decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace

from facecli.decide.identification import DecisionRule, identify, name_conflicts
from facecli.decide.rejection import reject_low_quality
from facecli.embed.advice import ADVICE, advice_for, reason_words, reasons_of
from facecli.gallery.search import GallerySearch
from facecli.services.analysis import Analyser, Analysis, PhotoSource
from facecli.services.calibration import Decisions
from facecli.types import Face


def identify_photos(
    sources: Iterable[PhotoSource],
    analyser: Analyser,
    search: GallerySearch,
    decisions: Decisions,
    *,
    candidates: int,
    min_quality: float = 0.0,
    fixed: bool = False,
) -> Iterator[Analysis]:
    """Identify every face of every photo, in the order of `sources`.

    Parameters
    ----------
    decisions : Decisions
        Gives the rule by which a name is given, batch by batch: the gallery may change meanwhile.
    candidates : int
        How many people to report for each face, near or not.
    min_quality : float
        A face of a lower quality score, 0 to 1, is not named.
    fixed : bool
        Keep to the rule of the beginning, so that every photo is judged alike.

    Yields
    ------
    Analysis
        Faces carry their `Identification`; a person named twice in one photo is a warning, and so are faces too poor
        to be named.

    Raises
    ------
    GalleryError
        If the gallery cannot serve. What is wrong with a photo is in its `Analysis` instead.
    """
    first_rule = decisions.rule() if fixed else None
    with closing(analyser.analyse_in_batches(sources)) as batches:
        for batch in batches:
            yield from _identified(
                batch, search, first_rule or decisions.rule(), candidates=candidates, min_quality=min_quality
            )


def _identified(
    batch: list[Analysis], search: GallerySearch, rule: DecisionRule, *, candidates: int, min_quality: float
) -> Iterator[Analysis]:
    """Search all faces of several photos together."""
    embeddings = [face.embedding for analysis in batch for face in analysis.faces if face.embedding]
    answers = (identify(found, rule) for found in search.candidates(embeddings, candidates))
    for analysis in batch:
        analysis.faces = tuple(
            replace(face, identification=reject_low_quality(next(answers), face.quality, min_quality))
            if face.embedding
            else face
            for face in analysis.faces
        )
        analysis.warnings += _rejections(analysis.faces, min_quality)
        conflicts = name_conflicts([face.identification for face in analysis.faces])
        analysis.warnings += tuple(conflict.warning for conflict in conflicts)
        yield analysis


def _rejections(faces: Iterable[Face], min_quality: float) -> tuple[str, ...]:
    """Return one warning for all faces of a photo that are too poor to be named: how many, why, and what to do."""
    poor = [
        face.quality
        for face in faces
        if face.quality and face.identification and face.identification.rejection == "low_quality"
    ]
    if not poor:
        return ()
    reasons = [reason for reason in ADVICE if any(reason in reasons_of(quality) for quality in poor)]
    count = "1 face was" if len(poor) == 1 else f"{len(poor)} faces were"
    why = f"{count} not named for quality below {min_quality:.2f}: {reason_words(reasons)}"
    return (f"{why}. {advice_for(reasons)}".removesuffix(". "),)
