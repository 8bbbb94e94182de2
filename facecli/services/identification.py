"""Who is in these photos: analyse, search, decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from facecli.decide.identification import identify, name_conflicts
from facecli.gallery.search import GallerySearch
from facecli.services.analysis import Analyser, Analysis, PhotoSource


def identify_photos(
    sources: Iterable[PhotoSource], analyser: Analyser, search: GallerySearch, *, threshold: float, candidates: int
) -> Iterator[Analysis]:
    """Identify every face of every photo, in the order of `sources`.

    Parameters
    ----------
    threshold : float
        Least cosine similarity for a name.
    candidates : int
        How many people to report for each face, near or not.

    Yields
    ------
    Analysis
        Faces carry their `Identification`; a person named twice in one photo is a warning.

    Raises
    ------
    GalleryError
        If the gallery cannot serve. What is wrong with a photo is in its `Analysis` instead.
    """
    for batch in analyser.analyse_in_batches(sources):
        embeddings = [face.embedding for analysis in batch for face in analysis.faces if face.embedding]
        answers = (identify(found, threshold) for found in search.candidates(embeddings, candidates))
        for analysis in batch:
            analysis.faces = tuple(
                replace(face, identification=next(answers)) if face.embedding else face for face in analysis.faces
            )
            conflicts = name_conflicts([face.identification for face in analysis.faces])
            analysis.warnings += tuple(conflict.warning for conflict in conflicts)
            yield analysis
