"""The log of a gallery: what was changed, when, and by which command. Nothing in it is ever changed or taken out.

The people and templates that a gallery holds are what its log says, played from the beginning; see `replay`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

from facecli.gallery.checksums import text_checksum
from facecli.gallery.codec import Codec, Kind, codec_of
from facecli.gallery.translation import corrupt_error

Subject: TypeAlias = Literal["name", "owner", "consent"]
"""name: of a person, a text, None if there is none. owner: of a template, a person_id, None if nobody's. consent: of a
person, a text, None if nothing is known."""

RESTORE: Final = "gallery restore"
"""The command of events that change nobody by themselves: the gallery became what a backup held before them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that became another.

    Attributes
    ----------
    subject : {"name", "owner", "consent"}
    subject_id : int
        template_id of an owner, person_id of the others.
    before, after : str, int or None
        In the file, names and consents may be encrypted.
    """

    subject: Subject
    subject_id: int
    before: str | int | None
    after: str | int | None

    def written(self, codec: Codec) -> Change:
        """Return what the file holds of the change."""
        return self if codec.is_plain else self._with(codec.text_in)

    def read(self, codec: Codec) -> Change:
        """Return the change that the file holds."""
        return self if codec.is_plain else self._with(codec.text_out)

    def _with(self, convert: Callable[[int, str, Kind], str]) -> Change:
        if self.subject == "owner":
            return self
        kind: Kind = self.subject
        before, after = (
            None if value is None else convert(self.subject_id, str(value), kind) for value in (self.before, self.after)
        )
        return Change(self.subject, self.subject_id, before, after)

    def reversed(self) -> Change:
        """Return the change that takes this one back."""
        return Change(self.subject, self.subject_id, self.after, self.before)


@dataclass(frozen=True, slots=True)
class Event:
    """What one call changed, all of it or nothing.

    Attributes
    ----------
    event_id : int
        1, 2, 3…
    made_at : str
        ISO 8601, UTC.
    command : str
        As on the command line: "enroll", "people merge"…
    version : str
        Of facecli.
    model_id : str or None
        Of the templates that were added.
    undoes : int or None
        The event that this one takes back.
    changes : tuple of Change
    """

    event_id: int
    made_at: str
    command: str
    version: str
    model_id: str | None
    undoes: int | None
    changes: tuple[Change, ...]

    @property
    def people(self) -> frozenset[int]:
        """Everybody it concerns, by person_id."""
        owners = (owner for each in self.changes if each.subject == "owner" for owner in (each.before, each.after))
        return frozenset(
            int(each)
            for each in (*owners, *(each.subject_id for each in self.changes if each.subject != "owner"))
            if each is not None
        )

    @property
    def checksum(self) -> int:
        """CRC-32 of all of it, of an event as the file holds it."""
        changes = [text_checksum(each.subject, each.subject_id, each.before, each.after) for each in self.changes]
        about = (self.event_id, self.made_at, self.command, self.version, self.model_id, self.undoes)
        return text_checksum(*about, *changes)


@dataclass(slots=True)
class State:
    """Who there is and whose each template is.

    Attributes
    ----------
    names : dict of int to str
        By person_id.
    owners : dict of int to int
        person_id by template_id.
    consents : dict of int to str
        By person_id.
    """

    names: dict[int, str] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
    consents: dict[int, str] = field(default_factory=dict)

    def of(self, subject: Subject) -> dict[int, Any]:
        """Return the values of all subjects of a kind."""
        values: dict[Subject, dict[int, Any]] = {"name": self.names, "owner": self.owners, "consent": self.consents}
        return values[subject]


KEPT: Final = tuple(
    f"""
    CREATE TRIGGER {table}_stay_on_{action} BEFORE {action} ON {table}
    BEGIN SELECT RAISE(ABORT, 'the history of a gallery is never changed'); END
    """
    for table in ("events", "changes")
    for action in ("UPDATE", "DELETE")
)
"""What makes the file itself refuse changes of the log."""


def replay(events: Iterable[Event]) -> State:
    """Return the state that a log leads to.

    Raises
    ------
    ValueError
        If an event does not begin where the events before it have led; the message names it.
    """
    state = State()
    for event in events:
        for change in event.changes:
            values = state.of(change.subject)
            if values.get(change.subject_id) != change.before:
                raise ValueError(f"event {event.event_id} does not follow from those before it")
            if change.after is None:
                values.pop(change.subject_id, None)
            else:
                values[change.subject_id] = change.after
    return state


def append(
    connection: sqlite3.Connection,
    changes: Iterable[Change],
    *,
    made_at: str,
    command: str,
    version: str,
    model_id: str | None = None,
    undoes: int | None = None,
) -> Event:
    """Write an event, inside the transaction that makes its changes."""
    last = connection.execute("SELECT max(event_id) FROM events").fetchone()[0]
    codec, changes = codec_of(connection), tuple(changes)
    stored = tuple(change.written(codec) for change in changes)
    event = Event((last or 0) + 1, made_at, command, version, model_id, undoes, stored)
    connection.execute(
        "INSERT INTO events (event_id, made_at, command, version, model_id, undoes, checksum)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (event.event_id, made_at, command, version, model_id, undoes, event.checksum),
    )
    connection.executemany(
        "INSERT INTO changes (event_id, number, subject, subject_id, before, after) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (event.event_id, number, change.subject, change.subject_id, change.before, change.after)
            for number, change in enumerate(stored)
        ),
    )
    return replace(event, changes=changes)


_EVENTS: Final = """
    SELECT event_id, made_at, command, version, model_id, undoes, checksum, subject, subject_id, before, after
    FROM events LEFT JOIN changes USING (event_id)
"""


def events(connection: sqlite3.Connection, path: str, event_id: int | None = None) -> Iterator[Event]:
    """Yield events in their order, all or one; each is checked against its checksum.

    Raises
    ------
    GalleryCorruptError
        If one is not as it was written.
    """
    codec, number = codec_of(connection), 0
    for number, (event, checksum) in enumerate(_read(connection, event_id), 1):
        if event_id is None and event.event_id != number:
            raise corrupt_error(path, f"event {number} of its history is missing")
        if event.checksum != checksum:
            raise corrupt_error(path, f"event {event.event_id} of its history does not have its checksum")
        yield replace(event, changes=tuple(change.read(codec) for change in event.changes))
    # Two tables that know of events; what is cut off one of them is still in the other one.
    if event_id is None and number < (connection.execute("SELECT max(event_id) FROM changes").fetchone()[0] or 0):
        raise corrupt_error(path, "the last events of its history are missing")


def _read(connection: sqlite3.Connection, event_id: int | None) -> Iterator[tuple[Event, int]]:
    where = "WHERE event_id = ?1" if event_id is not None else ""
    rows = connection.execute(f"{_EVENTS} {where} ORDER BY event_id, number", (event_id,) if where else ())
    for number, group in groupby(rows, key=lambda row: row[0]):
        found = list(group)
        made_at, command, version, model_id, undoes, checksum = found[0][1:7]
        changes = tuple(Change(*row[7:]) for row in found if row[7] is not None)
        yield Event(number, made_at, command, version, model_id, undoes, changes), checksum


def last_event(connection: sqlite3.Connection, subject: Subject, subject_id: int) -> int | None:
    """Return the last event that changed something; None if none did."""
    found = connection.execute(
        "SELECT max(event_id) FROM changes WHERE subject = ? AND subject_id = ?", (subject, subject_id)
    ).fetchone()[0]
    return None if found is None else int(found)


def first_time(connection: sqlite3.Connection, person_id: int) -> str | None:
    """Return when a person was first enrolled, ISO 8601; None where nobody ever had this person_id."""
    row = connection.execute(
        "SELECT made_at FROM changes JOIN events USING (event_id)"
        " WHERE subject = 'name' AND subject_id = ? ORDER BY event_id LIMIT 1",
        (person_id,),
    ).fetchone()
    return None if row is None else str(row[0])


def people_called(connection: sqlite3.Connection, name: str) -> list[int]:
    """Return everybody who ever had a normalised name, by person_id."""
    found = connection.execute(
        "SELECT DISTINCT subject_id, after FROM changes WHERE subject = 'name' AND after IS NOT NULL ORDER BY 1"
    )
    codec = codec_of(connection)
    return list(dict.fromkeys(each for each, stored in found if codec.text_out(each, stored, "name") == name))


def templates_left_by(connection: sqlite3.Connection, person_id: int) -> list[int]:
    """Return the templates that are nobody's, and were last this person's."""
    found = connection.execute(
        "SELECT template_id FROM templates WHERE person_id IS NULL AND ? = ("
        " SELECT before FROM changes WHERE subject = 'owner' AND subject_id = template_id"
        " ORDER BY event_id DESC, number DESC LIMIT 1) ORDER BY 1",
        (person_id,),
    )
    return [row[0] for row in found]


def forget_person(connection: sqlite3.Connection, person_id: int) -> None:
    """Take a person's names and consent out of the log: the one change that is ever made to it.

    What is left says that there was somebody, and when; it leads to the same state, in which they are not.
    """
    concerned = connection.execute(
        "SELECT DISTINCT event_id FROM changes WHERE subject IN ('name', 'consent') AND subject_id = ?", (person_id,)
    )

    def forgotten(change: Change) -> Change:
        is_own = change.subject != "owner" and change.subject_id == person_id
        return Change(change.subject, person_id, None, None) if is_own else change

    _rewrite(connection, [row[0] for row in concerned], forgotten)


def reseal(connection: sqlite3.Connection, old: Codec, new: Codec) -> None:
    """Write all names and consents in the log anew: read by one codec, written by another one."""
    concerned = connection.execute("SELECT DISTINCT event_id FROM changes WHERE subject IN ('name', 'consent')")
    _rewrite(connection, [row[0] for row in concerned], lambda change: change.read(old).written(new))


def _rewrite(connection: sqlite3.Connection, event_ids: Sequence[int], altered: Callable[[Change], Change]) -> None:
    for trigger in KEPT:
        connection.execute(f"DROP TRIGGER {trigger.split()[2]}")
    for event_id in event_ids:
        ((event, checksum),) = _read(connection, event_id)
        after = replace(event, changes=tuple(map(altered, event.changes)))
        connection.executemany(
            "UPDATE changes SET before = ?, after = ? WHERE event_id = ? AND number = ?",
            (
                (change.before, change.after, event_id, number)
                for number, change in enumerate(after.changes)
                if change != event.changes[number]
            ),
        )
        # What was damaged stays so.
        connection.execute(
            "UPDATE events SET checksum = ? WHERE event_id = ?",
            (after.checksum ^ event.checksum ^ checksum, event_id),
        )
    for trigger in KEPT:
        connection.execute(trigger)


def last_owner(connection: sqlite3.Connection, template_id: int) -> int | None:
    """Return whose a template that is nobody's was last; None if it never was anybody's."""
    row = connection.execute(
        "SELECT before FROM changes WHERE subject = 'owner' AND subject_id = ?"
        " ORDER BY event_id DESC, number DESC LIMIT 1",
        (template_id,),
    ).fetchone()
    return row[0] if row else None
