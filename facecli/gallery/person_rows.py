"""The SQL of a gallery's people: rows in, values out. Every function runs inside its caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date
from shlex import quote
from typing import Any, Final

from facecli.errors import GalleryCorruptError, UnknownPersonError
from facecli.gallery.checksums import text_checksum
from facecli.gallery.codec import codec_of
from facecli.gallery.consent import Consent
from facecli.gallery.names import near_names
from facecli.gallery.translation import corrupt_error
from facecli.types import Person

# Spelling is compared with at most so many names (about 0.3 s) of about the same length.
SPELLING_LIMIT: Final = 20_000
SPELLING_LENGTH_MARGIN: Final = 4

# Of so many people all are looked at for a name that is not in the index: some 2 ms, a tenth of what a photo takes.
SCAN_LIMIT: Final = 20_000

_PERSON: Final = """
    SELECT person_id, name, (
        SELECT count(*) FROM templates WHERE templates.person_id = people.person_id AND is_negative = 0
    ), created_at, consent, checksum
    FROM people
"""
_ID: Final = "SELECT person_id FROM people"
_LAST_ID: Final = "(SELECT seq FROM sqlite_sequence WHERE name = 'people')"
_COUNT: Final = """
    SELECT count(*), coalesce(sum(person_id), 0) FROM templates INDEXED BY templates_by_model
    WHERE person_id IS NOT NULL AND is_negative = 0 AND model_id IN (SELECT model_id FROM models)
"""
_SEALED: Final = "SELECT person_id, name, created_at, consent, checksum FROM people"


def people(connection: sqlite3.Connection, path: str) -> list[Person]:
    """Return everybody."""
    found = connection.execute(_PERSON).fetchall()
    if sum(row[-1] for row in found if isinstance(row[-1], int)) != _digest(connection):
        raise corrupt_error(path, "people are missing from it")
    _refuse_miscounted(connection, path, [(row[0], row[2]) for row in found])
    return [_person(connection, row, path) for row in found]


def person(connection: sqlite3.Connection, path: str, name: str) -> Person | None:
    """Return the person of a normalised name."""
    person_id = find_id(connection, name)
    if person_id is None:
        return None
    row = connection.execute(_PERSON + "WHERE person_id = ?", (person_id,)).fetchone()
    if row is None or codec_of(connection).text_out(person_id, row[1], "name") != name:
        raise corrupt_error(path, f"its index of names has {name} for person {person_id}")
    _refuse_miscounted(connection, path, [(person_id, row[2])], person_id)
    return _person(connection, row, path)


def _refuse_miscounted(
    connection: sqlite3.Connection, path: str, counts: Sequence[tuple[int, int]], person_id: int | None = None
) -> None:
    """Refuse numbers of templates, by person, that one index gives and another one does not."""
    if person_id is None:
        expected = connection.execute(_COUNT).fetchone()
    else:
        expected = connection.execute(f"{_COUNT} AND person_id = ?", (person_id,)).fetchone()
    if expected != (sum(count for _, count in counts), sum(each * count for each, count in counts)):
        raise corrupt_error(path, "its indexes contradict each other")


def name_of(connection: sqlite3.Connection, path: str, person_id: int) -> str:
    """Return the name of somebody who is enrolled."""
    row = connection.execute(f"{_SEALED} WHERE person_id = ?", (person_id,)).fetchone()
    _refuse_damaged(row, path)
    return codec_of(connection).text_out(person_id, row[1], "name")


def find_id(connection: sqlite3.Connection, name: str) -> int | None:
    """Return the person_id of a normalised name."""
    key = codec_of(connection).lookup(name)
    condition, value = ("name = ?", name) if key is None else ("lookup = ?", key)
    row = connection.execute(f"{_ID} WHERE {condition}", (value,)).fetchone()
    if row is None:  # an index that is damaged hides people; a second one of them must not be made
        row = connection.execute(
            f"{_ID} NOT INDEXED WHERE {condition} AND {_LAST_ID} <= ?",
            (value, SCAN_LIMIT),
        ).fetchone()
    return row[0] if row else None


def get_person(connection: sqlite3.Connection, path: str, name: str) -> Person:
    """Return the person of a normalised name.

    Raises
    ------
    UnknownPersonError
        If nobody has this name; the hint names who may be meant.
    """
    if found := person(connection, path, name):
        return found
    near = near_names(name, names_like(connection, name))
    hint = f"Did you mean {' or '.join(near)}?" if near else "See who is enrolled: facecli people list"
    raise UnknownPersonError(f"nobody called {name} is enrolled in {path}", hint=hint)


def _person(connection: sqlite3.Connection, row: tuple[Any, ...], path: str) -> Person:
    person_id, name, count, created_at, consent, checksum = row
    _refuse_damaged((person_id, name, created_at, consent, checksum), path)
    return Person(person_id, codec_of(connection).text_out(person_id, name, "name"), count, created_at)


def _refuse_damaged(row: tuple[Any, ...] | None, path: str) -> None:
    if row is None:
        raise corrupt_error(path, "somebody is missing from it")
    *values, checksum = row
    if person_checksum(*values) != checksum:
        raise corrupt_error(path, f"person {row[0]} is not as enrolled")


def person_checksum(person_id: int, name: str, created_at: str, consent: str | None) -> int:
    """Return the checksum of a person's row, of texts as the file holds them."""
    return text_checksum(person_id, name, created_at, consent)


def names(connection: sqlite3.Connection, path: str, model_id: str) -> dict[int, str]:
    """Return who has templates of a model, by person_id."""
    found = connection.execute(
        "SELECT person_id, name, created_at, consent, checksum FROM people WHERE EXISTS (SELECT 1 FROM templates"
        " WHERE model_id = ? AND templates.person_id = people.person_id AND is_negative = 0)",
        (model_id,),
    )
    result = {}
    for row in found:
        _refuse_damaged(row, path)
        result[row[0]] = codec_of(connection).text_out(row[0], row[1], "name")
    return result


def consents(connection: sqlite3.Connection, path: str) -> dict[int, Consent]:
    """Return what is known about consent, by person_id; those of whom nothing is known are left out."""
    return {
        row[0]: _consent(connection, row, path) for row in connection.execute(f"{_SEALED} WHERE consent IS NOT NULL")
    }


def expired(connection: sqlite3.Connection, path: str, today: date) -> list[Person]:
    """Return everybody whose consent has ended, by person_id; read in milliseconds where few consents end."""
    if not codec_of(connection).is_plain:
        ended = {each for each, consent in consents(connection, path).items() if consent.is_expired(today)}
        return [person for person in people(connection, path) if person.person_id in ended] if ended else []
    found = []
    for (text,) in connection.execute(
        # An index holds the texts, and many people may share one.
        "SELECT DISTINCT consent FROM people WHERE consent IS NOT NULL AND instr(consent, '\"expires\"')"
    ).fetchall():
        for row in connection.execute(f"{_SEALED} WHERE consent = ?", (text,)).fetchall():
            if not _consent(connection, row, path).is_expired(today):
                break
            found.append(Person(row[0], row[1], 0, row[2]))
    return sorted(found, key=lambda person: person.person_id)


def _consent(connection: sqlite3.Connection, row: tuple[Any, ...], path: str) -> Consent:
    _refuse_damaged(row, path)
    codec = codec_of(connection)
    try:
        return Consent.of_text(codec.text_out(row[0], row[3], "consent"))
    except ValueError as error:
        name = codec.text_out(row[0], row[1], "name")
        raise GalleryCorruptError(
            f"what {path} says about the consent of {name} cannot be read: {error}",
            hint=f"Say it again, or: facecli people consent {quote(name)} --clear",
        ) from error


def consent(connection: sqlite3.Connection, path: str, person_id: int) -> str | None:
    """Return what is known about a person's consent; None if nothing is."""
    row = connection.execute(
        "SELECT person_id, name, created_at, consent, checksum FROM people WHERE person_id = ?", (person_id,)
    ).fetchone()
    _refuse_damaged(row, path)
    return None if row[3] is None else codec_of(connection).text_out(person_id, row[3], "consent")


def count_without(connection: sqlite3.Connection, model_id: str) -> int:
    """Return how many people have templates, but none of a model."""
    # The sum of its checksums says that a model is searched; mostly it is the only one.
    if not connection.execute("SELECT 1 FROM models WHERE model_id <> ? AND digest <> 0", (model_id,)).fetchone():
        return 0
    (count,) = connection.execute(
        "SELECT count(*) FROM people WHERE EXISTS (SELECT 1 FROM templates"
        " WHERE templates.person_id = people.person_id AND is_negative = 0) AND NOT EXISTS (SELECT 1 FROM templates"
        " WHERE templates.person_id = people.person_id AND is_negative = 0 AND model_id = ?)",
        (model_id,),
    ).fetchone()
    return int(count)


def enrolled_at(connection: sqlite3.Connection, person_id: int) -> str | None:
    """Return since when a person is enrolled, ISO 8601; None if they are not."""
    row = connection.execute("SELECT created_at FROM people WHERE person_id = ?", (person_id,)).fetchone()
    return None if row is None else str(row[0])


def names_like(connection: sqlite3.Connection, name: str) -> list[str]:
    """Return names worth comparing with a misspelt one."""
    codec = codec_of(connection)
    if codec.is_plain:
        found = connection.execute(
            "SELECT name FROM people WHERE abs(length(name) - ?) <= ? LIMIT ?",
            (len(name), SPELLING_LENGTH_MARGIN, SPELLING_LIMIT),
        )
        return [row[0] for row in found]
    rows = connection.execute("SELECT person_id, name FROM people LIMIT ?", (SPELLING_LIMIT,))
    return [codec.text_out(person_id, stored, "name") for person_id, stored in rows]


def next_person_id(connection: sqlite3.Connection) -> int:
    """Return an id that nobody ever had."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'people'").fetchone()
    return int(row[0]) + 1 if row else 1


def put_person(
    connection: sqlite3.Connection, person_id: int, name: str, created_at: str, consent: str | None = None
) -> None:
    """Write a person, who may be new, of a normalised name that is free."""
    codec = codec_of(connection)
    lookup, name = codec.lookup(name), codec.text_in(person_id, name, "name")
    if consent is not None:
        consent = codec.text_in(person_id, consent, "consent")
    known = connection.execute("SELECT checksum FROM people WHERE person_id = ?", (person_id,)).fetchone()
    checksum = person_checksum(person_id, name, created_at, consent)
    if known is None:
        connection.execute(
            "INSERT INTO people (name, lookup, created_at, consent, checksum, person_id) VALUES (?, ?, ?, ?, ?, ?)",
            (name, lookup, created_at, consent, checksum, person_id),
        )
    else:
        connection.execute(
            "UPDATE people SET name = ?, lookup = ?, created_at = ?, consent = ?, checksum = ? WHERE person_id = ?",
            (name, lookup, created_at, consent, checksum, person_id),
        )
    _add_to_digest(connection, checksum - (known[0] if known else 0))


def delete_person(connection: sqlite3.Connection, person_id: int) -> None:
    """Delete a person, who owns no template."""
    known = connection.execute("SELECT checksum FROM people WHERE person_id = ?", (person_id,)).fetchone()
    connection.execute("DELETE FROM people WHERE person_id = ?", (person_id,))
    _add_to_digest(connection, -known[0])


def _digest(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT value FROM meta WHERE key = 'people_digest'").fetchone()
    return row[0] if row else None


def _add_to_digest(connection: sqlite3.Connection, difference: int) -> None:
    # The sum of all checksums: a row that is missing, or there twice, changes it.
    connection.execute("UPDATE meta SET value = value + ? WHERE key = 'people_digest'", (difference,))
