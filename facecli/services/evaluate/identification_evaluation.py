"""Search a gallery for probes whose answers are known; `facecli.evaluation.identification` makes rates of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from facecli.decide.rejection import falls_short
from facecli.errors import InputError
from facecli.evaluation.identification import NO_CANDIDATE, Searches
from facecli.gallery.search import GallerySearch
from facecli.services.analysis import Analyser, Analysis
from facecli.services.evaluate.evaluated_gallery import EvaluatedGallery
from facecli.services.evaluate.people_folder import PeopleFolder
from facecli.services.selection import OnMulti, the_face
from facecli.types import Candidate, Face, PhotoError

Box: TypeAlias = tuple[float, float, float, float]

# Candidates of each search: as far as the cumulative match characteristic is drawn.
CMC_RANKS: Final = 50


@dataclass(frozen=True, slots=True)
class Probe:
    """One search.

    Attributes
    ----------
    name : str
        Whom the photo shows, by the name of its folder.
    is_mated : bool
        That person is of the gallery.
    error : PhotoError or None
        Why there is no template of it.
    box_xyxy : tuple of float, optional
        The face that was searched for.
    top, mate : Candidate or None
        The nearest person, and the right one if among the candidates.
    """

    name: str
    path: str
    is_mated: bool
    error: PhotoError | None = None
    box_xyxy: Box | None = None
    top: Candidate | None = None
    mate: Candidate | None = None


@dataclass(frozen=True, slots=True)
class Probing:
    """Every search of a folder of probes.

    Attributes
    ----------
    path : str
        The folder.
    probes : tuple of Probe
    left_out : int
        Photos that are also in the gallery, byte for byte, and were not searched for.
    warnings : tuple of str
    """

    path: str
    probes: tuple[Probe, ...]
    left_out: int = 0
    warnings: tuple[str, ...] = ()

    def searches(self) -> Searches:
        """Return the scores and ranks, as rates are made of them."""
        numbers = {name: number for number, name in enumerate(dict.fromkeys(probe.name for probe in self.probes))}
        mated = [probe for probe in self.probes if probe.is_mated]
        strangers = [probe for probe in self.probes if not probe.is_mated]
        return Searches(
            mated_scores=_scores(probe.mate for probe in mated),
            mated_ranks=np.array([probe.mate.rank if probe.mate else 0 for probe in mated], np.int64),
            mated_top_scores=_scores(probe.top for probe in mated),
            mated_people=np.array([numbers[probe.name] for probe in mated], np.intp),
            nonmated_scores=_scores(probe.top for probe in strangers),
            nonmated_people=np.array([numbers[probe.name] for probe in strangers], np.intp),
            people=len(numbers),
        )


def _scores(candidates: Iterable[Candidate | None]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([each.score if each else NO_CANDIDATE for each in candidates], np.float64)


def search_probes(
    people: PeopleFolder,
    analyser: Analyser,
    search: GallerySearch,
    gallery: EvaluatedGallery,
    *,
    on_multi: OnMulti = "error",
    min_quality: float = 0.0,
    photo_done: Callable[[], None] = lambda: None,
) -> Probing:
    """Search a gallery for everybody in a folder of people.

    Parameters
    ----------
    people : PeopleFolder
        Those whose names are not in the gallery are strangers to it.
    on_multi, min_quality, photo_done
        As for `facecli.services.evaluate.evaluated_gallery.enrol_people`.

    Raises
    ------
    InputError
        If there is nothing to search for.
    GalleryError
        If the gallery cannot serve.
    """
    if not people.photos:
        raise InputError(f"no photos were found in the folders of {people.path}", code="no_photos")
    names = iter([photo.name for photo in people.photos])
    probes: list[Probe] = []
    left_out = 0
    warnings = [*people.warnings, *_near_names(people.names, gallery.names)]
    for batch in analyser.analyse_in_batches(photo.source for photo in people.photos):
        asked: list[Analysis] = []
        asked_names: list[str] = []
        for analysis in batch:
            name = next(names)
            photo_done()
            owner = gallery.owners.get(analysis.content_hash)
            if owner is None:
                asked.append(analysis)
                asked_names.append(name)
                continue
            left_out += 1
            if owner != name:
                path = analysis.source.path
                warnings.append(f"{path} is in the gallery as {owner}: one of the two names is wrong")
        probes += _searched(asked, asked_names, search, gallery.names, on_multi=on_multi, min_quality=min_quality)
    if not probes:
        raise InputError(
            f"every photo in {people.path} is also in the gallery {gallery.path}",
            hint="Name other photos of the same people as probes, and photos of strangers.",
            code="no_probes",
        )
    return Probing(people.path, tuple(probes), left_out, tuple(warnings))


def _searched(
    batch: Sequence[Analysis],
    names: Sequence[str],
    search: GallerySearch,
    gallery_names: frozenset[str],
    *,
    on_multi: OnMulti,
    min_quality: float,
) -> Iterator[Probe]:
    faces = [_probe_face(analysis, on_multi, min_quality) for analysis in batch]
    embeddings = [face.embedding for face in faces if isinstance(face, Face) and face.embedding is not None]
    answers = iter(search.candidates(embeddings, CMC_RANKS))
    for analysis, name, face in zip(batch, names, faces, strict=True):
        path, is_mated = analysis.source.path, name in gallery_names
        if isinstance(face, PhotoError):
            yield Probe(name, path, is_mated, error=face)
            continue
        left, top, right, bottom = map(float, face.detection.box_xyxy)
        # Who is barred is never named: a search is evaluated as if they were not enrolled.
        candidates = [each for each in next(answers) if not each.is_barred]
        candidates = [replace(each, rank=rank) for rank, each in enumerate(candidates, 1)]
        yield Probe(
            name,
            path,
            is_mated,
            box_xyxy=(left, top, right, bottom),
            top=candidates[0] if candidates else None,
            mate=next((each for each in candidates if each.name == name), None),
        )


def _probe_face(analysis: Analysis, on_multi: OnMulti, min_quality: float) -> Face | PhotoError:
    """Return the face to search for, or why there is none."""
    if analysis.error is not None:
        return analysis.error
    try:
        face = the_face(analysis, on_multi)
    except InputError as error:
        return PhotoError(error.code, error.message, error.hint)
    if falls_short(face.quality, min_quality):
        return PhotoError("low_quality", f"the face in {analysis.source.path} is below the quality asked for")
    if face.embedding is None:
        raise ValueError("identification needs an analyser with an embedder")
    return face


def _near_names(probe_names: Iterable[str], gallery_names: frozenset[str]) -> Iterator[str]:
    """Warn of strangers who are called nearly like somebody in the gallery: a slip would turn a miss into success."""
    known = {_folded(name): name for name in gallery_names}
    for name in probe_names:
        if name not in gallery_names and (other := known.get(_folded(name))) is not None:
            yield f"{name} counts as a stranger, as the gallery calls somebody {other}: spell both alike if it is one"


def _folded(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
