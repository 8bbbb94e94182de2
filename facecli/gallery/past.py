"""Questions to the log: what was taken back, which event still stands, and what somebody was called."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from facecli.gallery import history
from facecli.gallery.codec import codec_of
from facecli.gallery.history import Subject


def undoings(connection: sqlite3.Connection) -> dict[int, int]:
    """Return which event each event takes back that takes one back, the newest first."""
    found = connection.execute("SELECT event_id, undoes FROM events WHERE undoes IS NOT NULL ORDER BY event_id DESC")
    return dict(found.fetchall())


def undone(undoings: Mapping[int, int]) -> dict[int, int]:
    """Return by which event each event is taken back that is, and not done again since; from `undoings`."""
    result: dict[int, int] = {}
    for event_id, taken_back in undoings.items():  # the newest first: whether it stands is known when its turn comes
        if event_id not in result:
            result.setdefault(taken_back, event_id)
    return result


def standing_event(
    connection: sqlite3.Connection, subject: Subject, subject_id: int, undone: Mapping[int, int], since: int = 0
) -> int | None:
    """Return the last event that changed something and was not taken back; None if there is none.

    What took back an event after `since` is passed over like that event itself: the two come to nothing. `undone` is
    what the function of that name returns.
    """
    found = connection.execute(
        "SELECT DISTINCT event_id, undoes FROM changes JOIN events USING (event_id)"
        " WHERE subject = ? AND subject_id = ? AND event_id > ? ORDER BY event_id DESC",
        (subject, subject_id, since),
    )
    standing = (each for each, undoes in found if each not in undone and (undoes is None or undoes <= since))
    return next(standing, None)


def name_at(connection: sqlite3.Connection, person_id: int, event_id: int | None = None) -> str | None:
    """Return what a person was called by an event, or before it if they went with it; None if they were purged.

    Without an event, what they are called now, or were last.
    """
    stored = _stored_name(connection, person_id, event_id)
    return None if stored is None else codec_of(connection).text_out(person_id, stored, "name")


def is_purged(connection: sqlite3.Connection, person_id: int) -> bool:
    """Say whether somebody was here, and is forgotten."""
    return _stored_name(connection, person_id, None) is None and history.first_time(connection, person_id) is not None


def _stored_name(connection: sqlite3.Connection, person_id: int, event_id: int | None) -> Any:
    row = connection.execute(
        "SELECT coalesce(after, before) FROM changes WHERE subject = 'name' AND subject_id = ?1"
        " AND (?2 IS NULL OR event_id <= ?2) ORDER BY event_id DESC, number DESC LIMIT 1",
        (person_id, event_id),
    ).fetchone()
    return None if row is None else row[0]
