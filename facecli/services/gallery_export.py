"""Writing a gallery, or some of its people, into an archive."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import facecli
from facecli.archive.format import ArchivedPerson, ArchivedTemplate, Manifest
from facecli.archive.writer import ArchiveWriter
from facecli.errors import UsageError
from facecli.gallery.history import Event
from facecli.gallery.names import normalise_name
from facecli.gallery.snapshot import Snapshot, snapshot
from facecli.gallery.store import Gallery
from facecli.types import Person


def export_gallery(
    gallery: Gallery,
    stream: BinaryIO,
    names: Sequence[str] = (),
    *,
    with_crops: bool = True,
    with_history: bool = False,
) -> Manifest:
    """Write an archive of a gallery as it is at this moment.

    Parameters
    ----------
    gallery : Gallery
    stream : BinaryIO
        A file at its beginning.
    names : sequence of str
        Whom to export; everybody if empty.
    with_crops : bool
        Also the pictures of faces.
    with_history : bool
        Also the log, for information.

    Raises
    ------
    UsageError
        If the history of some people is asked for: it names the others.
    UnknownPersonError
        If nobody has one of the names.
    InputError
        If something is larger than an archive allows.
    GalleryError
        If the gallery cannot be read.
    """
    if names and with_history:
        raise UsageError(
            "the history of a gallery names everybody in it",
            hint="Leave --history out, or export everybody.",
        )
    wanted = {gallery.get_person(normalise_name(name)).person_id for name in names}
    with snapshot(gallery) as source, ArchiveWriter(stream, facecli.__version__) as archive:
        people = [person for person in source.people() if not wanted or person.person_id in wanted]
        numbers = {person.person_id: number for number, person in enumerate(people, start=1)}
        archive.write_people(_people(source, people))
        crops = _Crops() if with_crops else None
        for model_id, dimension in source.models().items():
            archive.write_templates(model_id, dimension, _templates(source, model_id, numbers, crops))
        if crops is not None:
            archive.write_crops(map(source.crop, crops.templates))
        if with_history:
            archive.write_history(line for event in source.events() for line in _event_lines(event))
    return archive.manifest


def _people(source: Snapshot, people: Sequence[Person]) -> Iterator[ArchivedPerson]:
    consents = source.consents()
    for person in people:
        consent = consents.get(person.person_id)
        yield ArchivedPerson(person.name, person.created_at, None if consent is None else json.loads(consent.text))


class _Crops:
    """The crops of the templates so far, numbered in the order of their first use."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self.templates: list[int] = []  # one of each crop's, by template_id

    def number(self, crop_id: int | None, template_id: int) -> int | None:
        """Return the number of a template's crop."""
        if crop_id is None:
            return None
        if crop_id not in self._numbers:
            self.templates.append(template_id)
            self._numbers[crop_id] = len(self.templates)
        return self._numbers[crop_id]


def _templates(
    source: Snapshot, model_id: str, numbers: dict[int, int], crops: _Crops | None
) -> Iterator[ArchivedTemplate]:
    for each in source.templates(model_id, numbers):
        yield ArchivedTemplate(
            vector=each.vector,
            person=numbers[each.person_id],
            quality=each.quality,
            source=each.source,
            content_hash=each.content_hash,
            box=each.box,
            created_at=each.created_at,
            is_negative=each.is_negative,
            crop=crops.number(each.crop_id, each.template_id)
            if crops is not None and each.crop_id is not None
            else None,
        )


def _event_lines(event: Event) -> Iterator[dict[str, Any]]:
    yield {
        "event": event.event_id,
        "made_at": event.made_at,
        "command": event.command,
        "version": event.version,
        "model_id": event.model_id,
        "undoes": event.undoes,
    }
    for change in event.changes:
        yield {
            "event": event.event_id,
            "subject": change.subject,
            "id": change.subject_id,
            "before": change.before,
            "after": change.after,
        }
