"""Reading the log of a gallery, all of it or what concerns one person, and taking events back."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from facecli.errors import UnknownPersonError
from facecli.gallery import history, past, person_rows
from facecli.gallery.history import Event
from facecli.gallery.names import near_names, normalise_name
from facecli.gallery.store import Gallery
from facecli.gallery.translation import translated
from facecli.sqlite_file import transaction

MERGE: Final = "people merge"
PURGE: Final = "people purge"
UNDO: Final = "people undo"
"""Commands, as events name them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event, with what the log says of it elsewhere.

    Attributes
    ----------
    event : Event
    names : mapping of int to (str or None)
        What everybody whom it concerns was called by it, or before it if they went with it; None of who was purged.
    negative_ids : frozenset of int
        Of its templates those that say who somebody is not.
    origin : Entry or None
        What it takes back, or does again, in the end: where it takes back an undoing, the event that this took back.
    is_again : bool
        Whether it does that again, as it takes back an undoing of it.
    undone_by : int or None
        The event that takes it back.
    """

    event: Event
    names: Mapping[int, str | None]
    negative_ids: frozenset[int]
    origin: Entry | None
    is_again: bool
    undone_by: int | None


def read_log(gallery: Gallery, name: str | None = None, limit: int | None = None) -> list[Entry]:
    """Return events, the newest first.

    Parameters
    ----------
    gallery : Gallery
    name : str, optional
        Only what concerns who is called this, or ever was. Of somebody merged into them it has what was before, and of
        whom they were merged into what came after.
    limit : int, optional
        How many, at most.

    Raises
    ------
    UnknownPersonError
        If nobody ever had the name, or whoever had it was purged.
    GalleryCorruptError
        If an event is not as it was written.
    """
    connection: sqlite3.Connection = gallery._connection
    with translated(gallery.path), transaction(connection, "DEFERRED"):
        undoings = past.undoings(connection)
        if name is None:
            found = connection.execute(
                "SELECT event_id FROM events ORDER BY event_id DESC LIMIT ?", (-1 if limit is None else limit,)
            )
            ids = [row[0] for row in found]
        else:
            about = _events_about(connection, gallery.path, normalise_name(name), past.undone(undoings))
            ids = sorted(about, reverse=True)[:limit]
        return _entries(connection, gallery.path, ids, undoings)


def read_event(gallery: Gallery, event_id: int) -> Entry:
    """Return an event that there is.

    Raises
    ------
    GalleryCorruptError
        If it is not as it was written.
    """
    connection: sqlite3.Connection = gallery._connection
    with translated(gallery.path), transaction(connection, "DEFERRED"):
        return _entries(connection, gallery.path, [event_id], past.undoings(connection))[0]


def newest_event(gallery: Gallery) -> int | None:
    """Return the last event; None if nothing was ever changed."""
    with translated(gallery.path):
        found = gallery._connection.execute("SELECT max(event_id) FROM events").fetchone()[0]
    return None if found is None else int(found)


class _OnlyTriedError(Exception):
    """Leaves the transaction, so that nothing of it stays."""


def undo(gallery: Gallery, event_ids: Sequence[int], *, dry_run: bool = False) -> list[Entry]:
    """Take events back, in this order and each as an event of its own: all of them, or none.

    Parameters
    ----------
    gallery : Gallery
    event_ids : sequence of int
    dry_run : bool
        Change nothing.

    Returns
    -------
    list of Entry
        The events that this makes, or would make.

    Raises
    ------
    GalleryError
        As `facecli.gallery.edit.Edit.undo`.
    """
    entries: list[Entry] = []
    with suppress(_OnlyTriedError), gallery.edits(UNDO, back_up=not dry_run) as begin:
        for event_id in event_ids:
            edit = begin()
            edit.undo(event_id)
            if (made := edit.finish()) is not None:
                connection = gallery._connection
                entries += _entries(connection, gallery.path, [made.event_id], past.undoings(connection))
        if dry_run:
            raise _OnlyTriedError
    return entries


def _entries(
    connection: sqlite3.Connection, path: str, event_ids: Sequence[int], undoings: Mapping[int, int]
) -> list[Entry]:
    undone = past.undone(undoings)

    def entry(event_id: int) -> Entry:
        origin, is_again = event_id, True
        while origin in undoings:
            origin, is_again = undoings[origin], not is_again
        event = next(history.events(connection, path, event_id))
        return Entry(
            event=event,
            names={person_id: past.name_at(connection, person_id, event_id) for person_id in event.people},
            negative_ids=_negative_ids(connection, event_id),
            origin=None if origin == event_id else entry(origin),
            is_again=is_again and origin != event_id,
            undone_by=undone.get(event_id),
        )

    return [entry(event_id) for event_id in event_ids]


def _negative_ids(connection: sqlite3.Connection, event_id: int) -> frozenset[int]:
    # The plus keeps SQLite from looking through the owners of all templates.
    found = connection.execute(
        "SELECT template_id FROM changes JOIN templates ON template_id = subject_id"
        " WHERE event_id = ? AND +subject = 'owner' AND is_negative = 1",
        (event_id,),
    )
    return frozenset(row[0] for row in found)


def _events_about(connection: sqlite3.Connection, path: str, name: str, undone: Mapping[int, int]) -> set[int]:
    ids = history.people_called(connection, name)
    if not ids:
        near = near_names(name, person_rows.names_like(connection, name))
        hint = f"Did you mean {' or '.join(near)}?" if near else "See everything: facecli people history"
        raise UnknownPersonError(f"nobody is called {name} in {path}, or ever was and is not purged", hint=hint)
    found: set[int] = set()
    for person_id, start, stop in _lives(connection, path, ids, undone):
        concerned = connection.execute(
            "SELECT DISTINCT event_id FROM changes WHERE event_id BETWEEN ?2 AND ?3 AND (subject = 'owner'"
            " AND (before = ?1 OR after = ?1) OR subject <> 'owner' AND subject_id = ?1)",
            (person_id, start, stop),
        )
        found.update(row[0] for row in concerned)
    return found


def _lives(
    connection: sqlite3.Connection, path: str, ids: Sequence[int], undone: Mapping[int, int]
) -> Iterator[tuple[int, float, float]]:
    """Yield whom to follow (person_id), from which event on, and until which."""
    merges = list(_merges(connection, path))
    waiting = [(person_id, 0.0, math.inf) for person_id in ids]
    known = set(waiting)
    while waiting:
        person_id, start, stop = life = waiting.pop()
        yield life
        for event_id, source, target in merges:
            more = []
            if target == person_id and not start and event_id not in undone:
                more.append((source, 0.0, float(event_id)))
            if source == person_id and start <= event_id < stop:
                more.append((target, float(event_id), float(undone.get(event_id, math.inf))))
            waiting += [each for each in more if each not in known]
            known.update(more)


def _merges(connection: sqlite3.Connection, path: str) -> Iterator[tuple[int, int, int]]:
    """Yield each event that merged somebody, who that was, and into whom."""
    found = connection.execute("SELECT event_id FROM events WHERE command = ? ORDER BY 1", (MERGE,)).fetchall()
    for (event_id,) in found:
        event = next(history.events(connection, path, event_id))
        gone = {each.subject_id for each in event.changes if each.subject == "name" and each.after is None}
        for source in gone:
            yield from ((event_id, source, target) for target in event.people - gone)
