"""Whether an event of the log can be taken back, and if not, what stands against it and what to undo first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from facecli.errors import GalleryError
from facecli.gallery import history, past, rows
from facecli.gallery.history import Change, Event, Subject


def event_to_undo(connection: sqlite3.Connection, path: str, event_id: int) -> Event:
    """Return an event if all that it changed is still as it left it.

    Raises
    ------
    GalleryError
        With code ``unknown_event``, or ``cannot_undo``.
    """
    event = next(history.events(connection, path, event_id), None)
    if event is None:
        raise GalleryError(
            f"there is no event {event_id} in {path}",
            hint="See what was changed: facecli people history",
            code="unknown_event",
        )
    if event.command == history.RESTORE:
        raise _cannot_undo(
            event_id,
            "the gallery became what a backup held",
            "What it was before became a backup too; see: facecli gallery backups",
        )
    if all(change.before == change.after for change in event.changes):
        raise _cannot_undo(event_id, "what it changed was destroyed since, or by itself")
    for change in event.changes:
        _refuse_destroyed(connection, event_id, change)
    left = {
        (change.subject, change.subject_id): change.after for change in event.changes if change.before != change.after
    }
    changed = [key for key, after in left.items() if rows.value(connection, *key) != after]
    if not changed:
        return event
    undone = past.undone(past.undoings(connection))
    by = undone.get(event_id)
    if by is not None:
        raise _cannot_undo(event_id, f"event {by} has undone it already", f"To do it again: facecli people undo {by}")
    # The newest first: nothing stands against that one but what came later still.
    later, _, key = max((_last_event(connection, *key, undone, event_id), key[0] != "owner", key) for key in changed)
    what = _called(connection, *key)
    raise _cannot_undo(event_id, f"event {later} has changed {what} since", undo_first(later))


def _refuse_destroyed(connection: sqlite3.Connection, event_id: int, change: Change) -> None:
    """Refuse what names somebody, or a template, that was purged."""
    if change.subject == "owner":
        if rows.face(connection, change.subject_id) is None:
            raise _cannot_undo(event_id, f"template {change.subject_id} was destroyed, which nothing brings back")
        person_id = change.before
    else:
        person_id = change.subject_id
    if person_id is not None and past.is_purged(connection, int(person_id)):
        raise _cannot_undo(event_id, "somebody it concerns was purged, whom nothing brings back")


def _last_event(
    connection: sqlite3.Connection, subject: Subject, subject_id: int, undone: Mapping[int, int], since: int | None
) -> int:
    """Return the event to name: the last one that stands, or, where none does, the last one."""
    standing = past.standing_event(connection, subject, subject_id, undone, since or 0)
    return standing or history.last_event(connection, subject, subject_id) or 0


def _called(connection: sqlite3.Connection, subject: Subject, subject_id: int) -> str:
    return f"template {subject_id}" if subject == "owner" else _name(connection, subject_id)


def _name(connection: sqlite3.Connection, person_id: int) -> str:
    return past.name_at(connection, person_id) or f"person {person_id}"


@contextmanager
def refusals(event_id: int) -> Iterator[None]:
    """Say of what is refused in a block that it stands against undoing an event."""
    try:
        yield
    except GalleryError as error:
        hint = error.hint
        if error.code == "person_exists":
            hint = "Give them another name first: facecli people rename"
        elif error.code == "face_twice":
            hint = "Undo first what enrolled it again; see: facecli people history"
        raise _cannot_undo(event_id, error.message, hint) from error


def refuse_leaving(connection: sqlite3.Connection, person_id: int, since: int | None) -> None:
    """Refuse to take away a person who has templates or a note of consent.

    Parameters
    ----------
    connection : sqlite3.Connection
    person_id : int
    since : int or None
        The event that is being undone.

    Raises
    ------
    GalleryError
        With code ``person_in_use``.
    """
    owned = rows.template_ids(connection, person_id)
    has_consent = rows.value(connection, "consent", person_id) is not None
    if not owned and not has_consent:
        return
    name, undone = _name(connection, person_id), past.undone(past.undoings(connection))
    if owned:
        last = max(_last_event(connection, "owner", template_id, undone, since) for template_id in owned)
        what = f"{name} a template"
    else:
        last, what = _last_event(connection, "consent", person_id, undone, since), f"{name} a note of consent"
    raise GalleryError(f"event {last} has given {what}", hint=undo_first(last), code="person_in_use")


def gone_error(connection: sqlite3.Connection, path: str, person_id: int, since: int | None) -> GalleryError:
    """Return the error for what needs a person who is not there, such as the event `since` that is being undone."""
    undone = past.undone(past.undoings(connection))
    last = _last_event(connection, "name", person_id, undone, since)
    if not last:
        return GalleryError(f"there is no person {person_id} in {path}", code="unknown_person")
    name = _name(connection, person_id)
    return GalleryError(f"event {last} has taken {name} away", hint=undo_first(last), code="unknown_person")


def undo_first(event_id: int) -> str:
    """Return the hint that another event has to be undone before."""
    return f"Undo event {event_id} first: facecli people undo {event_id}"


def _cannot_undo(event_id: int, why: str, hint: str = "") -> GalleryError:
    return GalleryError(f"event {event_id} cannot be undone: {why}", hint=hint, code="cannot_undo")
