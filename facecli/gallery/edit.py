"""Changing a gallery: whatever is altered of people and templates is altered here, and goes into the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from shlex import quote

import facecli
from facecli.errors import GalleryError
from facecli.gallery import crops, history, person_rows, rows, undoing
from facecli.gallery.history import Change, Event, Subject
from facecli.gallery.records import NewTemplate
from facecli.types import Embedding, FloatArray, Person


class Edit:
    """One event in the making, inside one transaction: see `facecli.gallery.store.Gallery.edit`.

    Every method alters the file at once, so that what follows sees it; if any of them raises, nothing of the event
    stays.

    Parameters
    ----------
    connection : sqlite3.Connection
        In a transaction that has the write lock.
    path : str
        Of the gallery, for messages.
    command : str
        What the log says made the event.
    now : str
        ISO 8601, UTC.

    Attributes
    ----------
    event : Event or None
        What the log holds of it when the block has ended; None before, and if nothing was changed.
    """

    def __init__(self, connection: sqlite3.Connection, path: str, command: str, now: str) -> None:
        self.event: Event | None = None
        self._connection = connection
        self._path = path
        self._command = command
        self._now = now
        self._changes: list[Change] = []
        self._model_id: str | None = None
        self._undoes: int | None = None
        self._purged: list[int] = []
        self._enrolled: dict[int, str] = {}

    def person(self, name: str) -> Person:
        """Return the person of exactly this normalised name.

        Raises
        ------
        UnknownPersonError
            If nobody has this name; the hint names who may be meant.
        """
        return person_rows.get_person(self._connection, self._path, name)

    def template_counts(self) -> dict[str, int]:
        """Return how many templates each model has, by model_id; those that have any."""
        return rows.count_templates(self._connection, self._path)

    def add_person(self, name: str, *, created_at: str | None = None) -> int:
        """Enrol somebody of a normalised name without templates, and return the person_id.

        With `created_at` (ISO 8601, UTC) they are said to be enrolled since then, not now.

        Raises
        ------
        GalleryError
            With code ``person_exists`` if the name is taken.
        """
        person_id = person_rows.next_person_id(self._connection)
        if created_at is not None:
            self._enrolled[person_id] = created_at
        self._change("name", person_id, name)
        return person_id

    def rename(self, person_id: int, name: str) -> None:
        """Give a person another normalised name.

        Raises
        ------
        GalleryError
            With code ``person_exists`` if somebody else has it.
        """
        self._change("name", person_id, name)

    def add_template(
        self,
        person_id: int,
        template: NewTemplate,
        source: bytes,
        *,
        is_negative: bool = False,
        created_at: str | None = None,
    ) -> int | None:
        """Add a template and return its id; None if this face of this photo is there already.

        With `is_negative` it says that the face is not this person's. What was said of the face before is taken back:
        it is not the person's template and the opposite at once.

        With `created_at` (ISO 8601, UTC) it is said to be from then, not from now.

        Raises
        ------
        ModelMismatchError
            If the model's vectors here have another length.
        """
        model_id, photo, box = template.embedding.model_id, template.content_hash, template.box_xyxy
        if rows.has_face(self._connection, person_id, model_id, photo, box, is_negative):
            crops.keep_missing(self._connection, person_id, template)  # no event: it says nothing of anybody
            return None
        self.give(rows.of_face(self._connection, person_id, photo, box, not is_negative), None)
        template_id = rows.insert_template(
            self._connection, person_id, template, source, created_at or self._now, is_negative=is_negative
        )
        self._model_id = model_id
        self._change("owner", template_id, person_id)
        return template_id

    def add_copy(self, template_id: int, embedding: Embedding) -> int | None:
        """Add what another model makes of a template's face, as the same person's, and return the template_id.

        Returns
        -------
        int or None
            None if the template is nobody's, or the person has one of the face by that model already.

        Raises
        ------
        ModelMismatchError
            If the model's vectors here have another length.
        """
        owner = rows.value(self._connection, "owner", template_id)
        _, photo, box, is_negative = self._face(template_id)
        model_id = embedding.model_id
        if owner is None or rows.has_face(self._connection, int(owner), model_id, photo, box, is_negative):
            return None
        copy_id = rows.insert_copy(self._connection, template_id, int(owner), embedding)
        self._model_id = model_id
        self._change("owner", copy_id, owner)
        return copy_id

    def owner(self, template_id: int) -> int:
        """Return whose a template is, by person_id.

        Raises
        ------
        GalleryError
            With code ``unknown_template`` if there is none, it is nobody's, or it says who somebody is not.
        """
        owner, *_, is_negative = rows.value(self._connection, "owner", template_id), *self._face(template_id)
        if owner is None or is_negative:
            what = "is nobody's any more" if owner is None else "says who somebody is not"
            raise GalleryError(
                f"template {template_id} in {self._path} {what}",
                hint="Only what this shows can be moved: facecli people show NAME",
                code="unknown_template",
            )
        return int(owner)

    def give(self, template_ids: Iterable[int], person_id: int | None) -> None:
        """Make templates another person's, or nobody's.

        What said that a face is not that person's becomes nobody's.

        Raises
        ------
        GalleryError
            With code ``unknown_template`` if there is no such template, or ``face_twice`` if the person has a template
            of the same face already.
        """
        for template_id in template_ids:
            _, photo, box, is_negative = self._face(template_id)
            if person_id is not None and not is_negative:
                self.give(rows.of_face(self._connection, person_id, photo, box, is_negative=True), None)
            self._change("owner", template_id, person_id)

    def remove(self, person_id: int) -> int:
        """Forget a person with all templates, and return how many these were; the log can bring them back."""
        template_ids = rows.template_ids(self._connection, person_id)
        self.give(template_ids, None)
        self._leave(person_id)
        return len(template_ids)

    def merge(self, person_id: int, into: int) -> int:
        """Make all templates of a person another one's, remove the person, and return how many templates moved.

        Of a face that both have a template of, the other one's stays, as does the other one's consent. What says that
        a face is not the person's is dropped where the other one has it.
        """
        moved = 0
        for template_id in rows.template_ids(self._connection, person_id):
            face = _, photo, box, is_negative = self._face(template_id)
            is_known = rows.has_face(self._connection, into, *face) or (
                is_negative and bool(rows.of_face(self._connection, into, photo, box, is_negative=False))
            )
            self.give([template_id], None if is_known else into)
            moved += not is_known and not is_negative
        if not moved:  # the log says into whom
            name = rows.value(self._connection, "name", into)
            self._changes.append(Change("name", into, name, name))
        if rows.value(self._connection, "consent", into) is None:
            self._change("consent", into, rows.value(self._connection, "consent", person_id))
        self._leave(person_id)
        return moved

    def purge(self, person_id: int) -> int:
        """Destroy a person and all templates, those removed before included, and return how many these were.

        The file overwrites what is deleted, and the log keeps no name; nothing brings them back.
        """
        if rows.value(self._connection, "name", person_id) is not None:
            self.remove(person_id)
        self._purged.append(person_id)
        left = [
            *history.templates_left_by(self._connection, person_id),
            *(
                change.subject_id
                for change in self._changes
                if change.subject == "owner" and change.before == person_id
            ),
        ]
        for template_id in left:
            rows.delete_template(self._connection, template_id)
        return len(left)

    def destroy(self, template_ids: Iterable[int]) -> None:
        """Destroy templates; nothing brings them back."""
        template_ids = list(template_ids)
        self.give(template_ids, None)
        for template_id in template_ids:
            rows.delete_template(self._connection, template_id)

    def set_consent(self, person_id: int, consent: str | None) -> None:
        """Note why a person may be enrolled, and until when; None if nothing is known any more."""
        self._change("consent", person_id, consent)

    def undo(self, event_id: int) -> Event:
        """Take an event back, and return it.

        Raises
        ------
        GalleryError
            With code ``unknown_event``, or ``cannot_undo`` where what it changed was changed again since; the message
            says what, the hint which event to undo first.
        """
        event = undoing.event_to_undo(self._connection, self._path, event_id)
        self._undoes = event_id
        with undoing.refusals(event_id):
            for change in reversed(event.changes):
                if change.before != change.after:  # else it only says whom the event concerns
                    self._change(change.subject, change.subject_id, change.before)
        return event

    def finish(self) -> Event | None:
        """Write the event into the log; None if nothing was changed."""
        if not self._changes and not self._purged:
            return None
        rows.increase_revision(self._connection)
        event = history.append(
            self._connection,
            self._changes,
            made_at=self._now,
            command=self._command,
            version=facecli.__version__,
            model_id=self._model_id,
            undoes=self._undoes,
        )
        for person_id in self._purged:
            history.forget_person(self._connection, person_id)
            self._connection.execute("DELETE FROM person_keys WHERE person_id = ?", (person_id,))
        self.event = event
        return event

    def _change(self, subject: Subject, subject_id: int, after: str | int | None) -> None:
        before = rows.value(self._connection, subject, subject_id)
        if before == after:
            return
        if subject == "name":
            self._set_name(subject_id, after)
        elif subject == "owner":
            self._set_owner(subject_id, after)
        else:
            self._put_person(subject_id, rows.value(self._connection, "name", subject_id), after)
        self._changes.append(Change(subject, subject_id, before, after))

    def _leave(self, person_id: int) -> None:
        """Take away somebody who owns no template any more."""
        self.set_consent(person_id, None)
        self._change("name", person_id, None)

    def _put_person(self, person_id: int, name: str | int | None, consent: str | int | None) -> None:
        if name is None:
            raise undoing.gone_error(self._connection, self._path, person_id, self._undoes)
        enrolled = (
            self._enrolled.get(person_id)
            or person_rows.enrolled_at(self._connection, person_id)
            or history.first_time(self._connection, person_id)
            or self._now
        )
        text = None if consent is None else str(consent)
        person_rows.put_person(self._connection, person_id, str(name), enrolled, text)

    def _set_name(self, person_id: int, name: str | int | None) -> None:
        if name is None:
            undoing.refuse_leaving(self._connection, person_id, self._undoes)
            person_rows.delete_person(self._connection, person_id)
            self._connection.execute("DELETE FROM calibrations")  # they hold the person's scores
            return
        if person_rows.find_id(self._connection, str(name)) is not None:
            raise GalleryError(
                f"somebody called {name} is already enrolled in {self._path}",
                hint="Choose another name.",
                code="person_exists",
            )
        self._put_person(person_id, name, rows.value(self._connection, "consent", person_id))

    def _set_owner(self, template_id: int, person_id: str | int | None) -> None:
        face = self._face(template_id)
        owner = None if person_id is None else int(person_id)
        if owner is not None:
            name = rows.value(self._connection, "name", owner)
            if name is None:
                raise undoing.gone_error(self._connection, self._path, owner, self._undoes)
            other = rows.template_of_face(self._connection, owner, *face)
            if other is not None:
                raise GalleryError(
                    f"{name} has template {other} of the same face as template {template_id} already",
                    hint=f"One of the two is enough; see them with: facecli people show {quote(str(name))}",
                    code="face_twice",
                )
            _, photo, box, is_negative = face
            for contrary in rows.of_face(self._connection, owner, photo, box, not is_negative):
                raise GalleryError(
                    f"template {contrary} says of the face of template {template_id} that it is "
                    f"{'' if is_negative else 'not '}{name}",
                    hint=f"Take that one away first: facecli people drop {contrary}",
                    code="face_denied",
                )
        rows.set_owner(self._connection, template_id, owner)

    def _face(self, template_id: int) -> tuple[str, str, FloatArray, bool]:
        face = rows.face(self._connection, template_id)
        if face is None:
            raise GalleryError(
                f"there is no template {template_id} in {self._path}",
                hint="See a person's templates: facecli people show NAME",
                code="unknown_template",
            )
        return face
