"""Changing a gallery: whatever is altered of people and templates is altered here, and goes into the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import facecli
from facecli.errors import GalleryError
from facecli.gallery import history, person_rows, rows
from facecli.gallery.history import Change, Event, Subject
from facecli.gallery.records import NewTemplate
from facecli.types import Person


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
    """

    def __init__(self, connection: sqlite3.Connection, path: str, command: str, now: str) -> None:
        self._connection = connection
        self._path = path
        self._command = command
        self._now = now
        self._changes: list[Change] = []
        self._model_id: str | None = None
        self._undoes: int | None = None
        self._purged: list[int] = []

    def person(self, name: str) -> Person:
        """Return the person of exactly this normalised name.

        Raises
        ------
        UnknownPersonError
            If nobody has this name; the hint names who may be meant.
        """
        return person_rows.get_person(self._connection, self._path, name)

    def add_person(self, name: str) -> int:
        """Enrol somebody of a normalised name without templates, and return the person_id.

        Raises
        ------
        GalleryError
            With code ``person_exists`` if the name is taken.
        """
        person_id = person_rows.next_person_id(self._connection)
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
        self, person_id: int, template: NewTemplate, source: bytes, *, is_negative: bool = False
    ) -> int | None:
        """Add a template and return its id; None if this face of this photo is there already.

        With `is_negative` it says that the face is not this person's. What was said of the face before is taken back:
        it is not the person's template and the opposite at once.

        Raises
        ------
        ModelMismatchError
            If the model's vectors here have another length.
        """
        model_id, photo, box = template.embedding.model_id, template.content_hash, template.box_xyxy
        if rows.has_face(self._connection, person_id, model_id, photo, box, is_negative):
            return None
        self.give(rows.of_face(self._connection, person_id, photo, box, not is_negative), None)
        template_id = rows.insert_template(
            self._connection, person_id, template, source, self._now, is_negative=is_negative
        )
        self._model_id = model_id
        self._change("owner", template_id, person_id)
        return template_id

    def give(self, template_ids: Iterable[int], person_id: int | None) -> None:
        """Make templates another person's, or nobody's.

        Raises
        ------
        GalleryError
            With code ``unknown_template`` if there is no such template, or ``face_twice`` if the person has a template
            of the same face already.
        """
        for template_id in template_ids:
            self._change("owner", template_id, person_id)

    def remove(self, person_id: int) -> int:
        """Forget a person with all templates, and return how many these were; the log can bring them back."""
        template_ids = rows.template_ids(self._connection, person_id)
        self.give(template_ids, None)
        self._leave(person_id)
        return len(template_ids)

    def merge(self, person_id: int, into: int) -> int:
        """Make all templates of a person another one's, remove the person, and return how many templates moved.

        Of a face that both have a template of, the other one's stays.
        """
        moved = 0
        for template_id in rows.template_ids(self._connection, person_id):
            face = rows.face(self._connection, template_id)
            is_known = face is not None and rows.has_face(self._connection, into, *face)
            self.give([template_id], None if is_known else into)
            moved += not is_known
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
        event = next(history.events(self._connection, self._path, event_id), None)
        if event is None:
            raise GalleryError(
                f"there is no event {event_id} in {self._path}",
                hint="See what was changed: facecli people history",
                code="unknown_event",
            )
        for change in event.changes:
            self._refuse_changed_since(event, change)
        self._undoes = event_id
        # Who comes back first, then the templates, and who goes last: a template is never of somebody who is not there.
        back = sorted((each.reversed() for each in event.changes), key=_place_in_undoing)
        try:
            for change in back:
                self._change(change.subject, change.subject_id, change.after)
        except GalleryError as error:
            raise _cannot_undo(event_id, error.message, error.hint) from error
        if not self._changes:
            raise _cannot_undo(event_id, "nothing of what it changed is left", "")
        return event

    def _refuse_changed_since(self, event: Event, change: Change) -> None:
        if rows.value(self._connection, change.subject, change.subject_id) == change.after:
            return
        later = history.last_event(self._connection, change.subject, change.subject_id)
        what = f"{'template' if change.subject == 'owner' else 'person'} {change.subject_id}"
        raise _cannot_undo(
            event.event_id,
            f"event {later} has changed {what} since",
            f"Undo event {later} first: facecli people undo {later}",
        )

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
            raise GalleryError(f"there is no person {person_id} in {self._path}", code="unknown_person")
        enrolled = history.first_time(self._connection, person_id) or self._now
        text = None if consent is None else str(consent)
        person_rows.put_person(self._connection, person_id, str(name), enrolled, text)

    def _set_name(self, person_id: int, name: str | int | None) -> None:
        if name is None:
            self._refuse_leaving(person_id)
            person_rows.delete_person(self._connection, person_id)
            return
        if person_rows.find_id(self._connection, str(name)) is not None:
            raise GalleryError(
                f"somebody called {name} is already enrolled in {self._path}",
                hint="Choose another name.",
                code="person_exists",
            )
        self._put_person(person_id, name, rows.value(self._connection, "consent", person_id))

    def _refuse_leaving(self, person_id: int) -> None:
        """Refuse to take away a person who has templates, or a note of consent, from other events."""
        owned = rows.template_ids(self._connection, person_id)
        if owned:
            last, what = history.last_event(self._connection, "owner", owned[-1]), "a template"
        elif rows.value(self._connection, "consent", person_id) is not None:
            last, what = history.last_event(self._connection, "consent", person_id), "a note of consent"
        else:
            return
        raise GalleryError(
            f"event {last} has given person {person_id} {what}",
            hint=f"Undo event {last} first: facecli people undo {last}",
            code="person_in_use",
        )

    def _set_owner(self, template_id: int, person_id: str | int | None) -> None:
        face = rows.face(self._connection, template_id)
        if face is None:
            raise GalleryError(
                f"there is no template {template_id} in {self._path}",
                hint="See a person's templates: facecli people show NAME",
                code="unknown_template",
            )
        if person_id is not None:
            if rows.value(self._connection, "name", int(person_id)) is None:
                raise GalleryError(f"there is no person {person_id} in {self._path}", code="unknown_person")
            if rows.has_face(self._connection, int(person_id), *face):
                raise GalleryError(
                    f"person {person_id} has another template of the face of template {template_id}",
                    hint="One of the two is enough; see them with: facecli people show NAME",
                    code="face_twice",
                )
        rows.set_owner(self._connection, template_id, None if person_id is None else int(person_id))


def _place_in_undoing(change: Change) -> int:
    if change.subject != "name":
        return 1
    return 0 if change.after is not None else 2


def _cannot_undo(event_id: int, why: str, hint: str) -> GalleryError:
    return GalleryError(f"event {event_id} cannot be undone: {why}", hint=hint, code="cannot_undo")
