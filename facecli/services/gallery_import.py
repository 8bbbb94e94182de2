"""Taking people and templates from an archive, or from a table of vectors, into a gallery: all of them or nothing."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn, TypeAlias

import numpy as np

from facecli.archive.format import ArchivedPerson, ArchivedTemplate, bad_archive
from facecli.errors import GalleryError, InputError, ModelMismatchError
from facecli.gallery.consent import Consent
from facecli.gallery.edit import Edit
from facecli.gallery.history import Event
from facecli.gallery.names import normalise_name
from facecli.gallery.records import NewTemplate
from facecli.gallery.rows import SAME_FACE_IOU
from facecli.gallery.store import Gallery
from facecli.geometry import iou
from facecli.types import Crop, Embedding, FloatArray

OnConflict: TypeAlias = Literal["merge", "new", "skip", "error"]
"""What to do with somebody of a name that the gallery has: give them the templates too, make another person "Ana (2)",
leave them out, or import nobody."""

_SHOWN_NAMES: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What is to be imported.

    Attributes
    ----------
    path : str
    models : mapping of str to int
        Length of the vectors of each model.
    people : iterable of ArchivedPerson
        The first is person 1.
    templates : iterable of (str, ArchivedTemplate)
        With the model_id of each.
    crop : callable, optional
        Gives a crop by the number that templates have of it.
    """

    path: str
    models: Mapping[str, int]
    people: Iterable[ArchivedPerson]
    templates: Iterable[tuple[str, ArchivedTemplate]]
    crop: Callable[[int], Crop] | None = None


@dataclass(slots=True)
class ImportedPerson:
    """What became of somebody.

    Attributes
    ----------
    name : str
        In the file.
    enrolled_as : str
        In the gallery; another name only where a new person was made beside one of the same name.
    status : {"new", "merged", "skipped"}
    added : int
        Templates that are new in the gallery.
    already : int
        Templates of faces that the person had.
    contradicted : int
        Templates left out: the gallery says the opposite of the same face.
    elsewhere : Counter of str
        Whose the same faces are in the gallery too, and how many.
    consent_stays : bool
        The file says something else about consent than the gallery, which was kept.
    """

    name: str
    enrolled_as: str
    status: Literal["new", "merged", "skipped"]
    added: int = 0
    already: int = 0
    contradicted: int = 0
    elsewhere: Counter[str] = field(default_factory=Counter)
    consent_stays: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do.

    Attributes
    ----------
    people : sequence of ImportedPerson
        In the order of the file.
    event : Event or None
        What the log holds of it; None if nothing was changed.
    """

    people: Sequence[ImportedPerson]
    event: Event | None


class _DryRunError(Exception):
    """Ends the transaction of an import that is not to be."""


def import_content(
    gallery: Gallery,
    content: Content,
    *,
    on_conflict: OnConflict = "merge",
    other_models: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Import what a file holds, in one transaction and one event of the log.

    Parameters
    ----------
    gallery : Gallery
    content : Content
    on_conflict : {"merge", "new", "skip", "error"}
    other_models : bool
        Take templates of models that the gallery has none of, though it has some of another.
    dry_run : bool
        Do it all, and take it back: the result says what would have been done.

    Raises
    ------
    InputError
        If the file is not sound.
    ModelMismatchError
        If the gallery holds templates, and none of a model in the file.
    GalleryError
        With code ``person_exists`` if somebody is enrolled already and that is an error.
    """
    try:
        with gallery.edit("gallery import") as edit:
            _refuse_other_models(edit, gallery.path, content, other_models=other_models)
            run = _Import(gallery, edit, content)
            run.take_people(on_conflict)
            run.take_templates()
            if dry_run:
                _take_back()
    except _DryRunError:
        return Imported(run.people, None)
    return Imported(run.people, edit.event)


def _take_back() -> NoReturn:
    raise _DryRunError


class _Import:
    """The state of one import, inside its transaction."""

    def __init__(self, gallery: Gallery, edit: Edit, content: Content) -> None:
        self._gallery = gallery
        self._edit = edit
        self._content = content
        self._known = {person.name: person.person_id for person in gallery.people()}
        # A face that was said not to be somebody's: photo and box, by whose it is not.
        self._denied: dict[int, list[tuple[str, FloatArray]]] = {}
        for each in gallery.templates(is_negative=True):
            self._denied.setdefault(each.person_id, []).append((each.content_hash, each.box_xyxy))
        self._has_others = bool(edit.template_counts())
        self._ids: list[int | None] = []
        self.people: list[ImportedPerson] = []

    def take_people(self, on_conflict: OnConflict) -> None:
        """Enrol everybody who is to be, without templates yet."""
        people = list(self._content.people)
        self._refuse_unfit_names(people)
        both = [person.name for person in people if person.name in self._known]
        if both and on_conflict == "error":
            more = f" and {len(both) - _SHOWN_NAMES:,} more" if len(both) > _SHOWN_NAMES else ""
            raise GalleryError(
                f"already enrolled in {self._gallery.path}: {', '.join(both[:_SHOWN_NAMES])}{more}",
                hint="Choose --on-conflict merge, new or skip.",
                code="person_exists",
            )
        taken = {*self._known, *(person.name for person in people)}
        for person in people:
            known = self._known.get(person.name)
            if known is None or on_conflict == "new":
                name = person.name if known is None else _free_name(person.name, taken)
                self.people.append(ImportedPerson(person.name, name, "new"))
                self._ids.append(self._edit.add_person(name, created_at=person.created_at))
            else:
                is_skipped = on_conflict == "skip"
                status: Literal["skipped", "merged"] = "skipped" if is_skipped else "merged"
                self.people.append(ImportedPerson(person.name, person.name, status))
                self._ids.append(None if is_skipped else known)
            self._take_consent(person)

    def _take_consent(self, person: ArchivedPerson) -> None:
        person_id, about = self._ids[-1], self.people[-1]
        if person_id is None or person.consent is None:
            return
        try:
            text = Consent.of_text(json.dumps(dict(person.consent))).text
        except ValueError as error:
            raise bad_archive(self._content.path, f"the consent of {person.name} cannot be read ({error})") from error
        here = None if about.status == "new" else self._gallery.consent(person.name)
        if here is None:
            self._edit.set_consent(person_id, text)
        about.consent_stays = here not in (None, text)

    def _refuse_unfit_names(self, people: Sequence[ArchivedPerson]) -> None:
        seen = set()
        for person in people:
            try:
                fits = normalise_name(person.name) == person.name
            except InputError as error:
                raise bad_archive(self._content.path, error.message) from error
            if not fits:
                raise bad_archive(self._content.path, f"the name {person.name!a} is not as a gallery keeps it")
            if person.name in seen:
                raise bad_archive(self._content.path, f"{person.name} is in it twice")
            seen.add(person.name)

    def take_templates(self) -> None:
        """Enrol all templates of those who are not skipped."""
        for model_id, each in self._content.templates:
            person_id, about = self._ids[each.person - 1], self.people[each.person - 1]
            if person_id is not None:
                self._take_template(model_id, each, person_id, about)

    def _take_template(self, model_id: str, each: ArchivedTemplate, person_id: int, about: ImportedPerson) -> None:
        new = NewTemplate(
            Embedding(each.vector, model_id),
            each.quality,
            os.fsdecode(each.source),
            each.content_hash,
            np.array(each.box, np.float32),
            None if each.crop is None or self._content.crop is None else self._content.crop(each.crop),
        )
        is_said = self._is_theirs(about, new) if each.is_negative else self._is_denied(person_id, new)
        if is_said:
            about.contradicted += 1
            return
        template_id = self._edit.add_template(
            person_id, new, each.source, is_negative=each.is_negative, created_at=each.created_at
        )
        if template_id is None:
            about.already += 1
            return
        about.added += 1
        if self._has_others and not each.is_negative:
            owners = self._gallery.photo_owners(new.content_hash, new.box_xyxy)
            about.elsewhere.update(owner for owner in owners if owner != about.enrolled_as)

    def _is_theirs(self, about: ImportedPerson, new: NewTemplate) -> bool:
        return about.enrolled_as in self._gallery.photo_owners(new.content_hash, new.box_xyxy)

    def _is_denied(self, person_id: int, new: NewTemplate) -> bool:
        boxes = [box for photo, box in self._denied.get(person_id, ()) if photo == new.content_hash]
        return bool(boxes) and bool(iou(new.box_xyxy[None], np.stack(boxes)).max() >= SAME_FACE_IOU)


def _free_name(name: str, taken: set[str]) -> str:
    """Return a name that nobody has, and take it."""
    number = 2
    while (free := f"{name} ({number})") in taken:
        number += 1
    taken.add(normalise_name(free))
    return free


def _refuse_other_models(edit: Edit, path: str, content: Content, *, other_models: bool) -> None:
    here = edit.template_counts()
    new = [model_id for model_id in content.models if model_id not in here]
    if not here or not new or other_models:
        return
    names = {model_id.partition("@")[0] for model_id in here}
    same_name = [model_id for model_id in new if model_id.partition("@")[0] in names]
    what = f"templates of {' and '.join(new)}, and the gallery {path} of {' and '.join(here)}"
    raise ModelMismatchError(
        f"{content.path} holds {what}" + (": other weights under the same name" if same_name else ""),
        hint="Vectors of different models cannot be compared. Import into a gallery of its own with --gallery FILE; or "
        "keep both with --other-models: each embedder then finds only who has templates of its own.",
    )
