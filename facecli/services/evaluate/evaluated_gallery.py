"""The gallery of an evaluation: people enrolled for it, or a gallery that was enrolled before."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from facecli.errors import FacecliError, InputError
from facecli.gallery.store import Gallery
from facecli.media.files import read_file
from facecli.scores import ScoreDistribution
from facecli.services.analysis import Analyser
from facecli.services.enrolment import Enrolment, enrol
from facecli.services.evaluate.people_folder import PeopleFolder
from facecli.services.selection import OnMulti
from facecli.types import Template


@dataclass(frozen=True, slots=True)
class EvaluatedGallery:
    """What is searched.

    Attributes
    ----------
    path : str
    owners : mapping of str to str
        Whose photo each SHA-256 is; those that could not be enrolled included.
    names : frozenset of str
        Everybody whose probes are mated, enrolled or not.
    template_counts : mapping of str to int
        Of those who have any.
    enrolments : tuple of Enrolment
        What became of each photo; empty for a gallery that was enrolled before.
    warnings : tuple of str
    """

    path: str
    owners: Mapping[str, str]
    names: frozenset[str]
    template_counts: Mapping[str, int]
    enrolments: tuple[Enrolment, ...] = ()
    warnings: tuple[str, ...] = ()


def enrol_people(
    people: PeopleFolder,
    analyser: Analyser,
    gallery: Gallery,
    *,
    on_multi: OnMulti = "error",
    min_quality: float = 0.0,
    scores: ScoreDistribution | None = None,
    photo_done: Callable[[], None] = lambda: None,
) -> EvaluatedGallery:
    """Enrol a folder of people into a gallery that is to be searched.

    Parameters
    ----------
    on_multi : {"error", "largest", "central", "skip"}
        What to do with a photo of several faces of a like size; where it is not taken, the photo fails.
    min_quality : float
        Least quality of a face; a photo of a lower one fails.
    scores : ScoreDistribution or None
        See `facecli.services.enrolment.enrol`: a photo that is refused there fails here.
    photo_done : callable
        Called after each photo.

    Raises
    ------
    InputError
        If nobody could be enrolled; the message says why for the first photo.
    """
    enrolments: list[Enrolment] = []
    for each in enrol(people.photos, analyser, gallery, on_multi=on_multi, min_quality=min_quality, scores=scores):
        enrolments.append(each)
        photo_done()
    templates = list(_templates(gallery))
    owners = {template.content_hash: name for name, template in templates}
    if not owners:
        first = next((each.error for each in enrolments if each.error), None)
        raise InputError(
            f"nobody of {people.path} could be enrolled" + (f": {first.message}" if first else ""),
            hint=first.hint if first else "Put photos into the folders of the people.",
            code="nobody_enrolled",
        )
    for each in enrolments:
        if each.error is not None and (digest := _hash_of(each.path)):
            owners.setdefault(digest, each.name)
    return EvaluatedGallery(
        people.path,
        owners,
        frozenset(people.names),
        Counter(name for name, _ in templates),
        tuple(enrolments),
        people.warnings,
    )


def enrolled_gallery(gallery: Gallery, model_id: str) -> EvaluatedGallery:
    """Take a gallery that was enrolled before as what is to be searched: its templates of one model.

    Raises
    ------
    InputError
        If nobody is enrolled in it.
    """
    templates = list(_templates(gallery, model_id))
    if not templates:
        raise InputError(
            f"nobody is enrolled in {gallery.path} with {model_id}", hint="Enrol people first: facecli enroll"
        )
    return EvaluatedGallery(
        gallery.path,
        {template.content_hash: name for name, template in templates},
        # Somebody enrolled without any template is missed; somebody enrolled with another model is not in this gallery.
        frozenset(name for name, _ in templates)
        | {person.name for person in gallery.people() if not person.template_count},
        Counter(name for name, _ in templates),
    )


def _templates(gallery: Gallery, model_id: str | None = None) -> Iterator[tuple[str, Template]]:
    """Give the templates of a gallery with the names of their people."""
    names = {person.person_id: person.name for person in gallery.people()}
    for template in gallery.templates(model_id=model_id):
        yield names[template.person_id], template


def _hash_of(path: str) -> str:
    """Return the SHA-256 of a file, or nothing where it cannot be read."""
    try:
        return hashlib.sha256(read_file(path)).hexdigest()
    except FacecliError:
        return ""
