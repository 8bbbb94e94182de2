"""What SQL alone cannot do on the way to schema 4: checksums, and a log of how the gallery came to be as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final
from zlib import crc32

import facecli
from facecli.gallery.checksums import template_checksums, text_checksum
from facecli.gallery.history import Change, append

COMMAND: Final = "before history"
"""In the log: what was enrolled before there was one."""

CHUNK: Final = 10_000
"""Templates in one event, and in memory."""


def copy_to_v4(connection: sqlite3.Connection) -> None:
    """Copy people and templates with their checksums, and begin the log with them."""
    digest = 0
    for person_id, name, created_at in connection.execute("SELECT person_id, name, created_at FROM people").fetchall():
        checksum = text_checksum(person_id, name, created_at, None)
        connection.execute(
            "INSERT INTO people_4 VALUES (?, ?, ?, NULL, NULL, ?)", (person_id, name, created_at, checksum)
        )
        _log(connection, [Change("name", person_id, None, name)], created_at)  # an event each: it says when
        digest += checksum
    connection.execute("UPDATE meta SET value = ? WHERE key = 'people_digest'", (digest,))
    digests: dict[str, int] = {}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = connection.execute(
        "SELECT template_id, person_id, model_id, vector, dimension, checksum, quality, source, content_hash,"
        " box_left, box_top, box_right, box_bottom, created_at FROM templates ORDER BY template_id"
    )
    for chunk in _chunks(found):
        changes = []
        for template_id, person_id, model_id, vector, dimension, old, *facts in chunk:
            (sealed,) = template_checksums([vector], template_id, person_id)
            checksum = sealed ^ crc32(vector) ^ old  # a vector that was damaged stays as wrong as it was
            connection.execute(
                "INSERT INTO templates_4 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (
                    *(template_id, person_id, model_id, vector, dimension, checksum),
                    *(text_checksum(model_id, *facts), 0, *facts),
                ),
            )
            changes.append(Change("owner", template_id, None, person_id))
            digests[model_id] = digests.get(model_id, 0) + checksum
        _log(connection, changes, now)
    connection.executemany("UPDATE models SET digest = ? WHERE model_id = ?", ((d, m) for m, d in digests.items()))
    for table in ("people", "templates"):
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (f"{table}_4",))
        connection.execute(
            "INSERT INTO sqlite_sequence SELECT ?, seq FROM sqlite_sequence WHERE name = ?", (f"{table}_4", table)
        )


def _chunks(cursor: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    while chunk := list(islice(cursor, CHUNK)):
        yield chunk


def _log(connection: sqlite3.Connection, changes: list[Change], made_at: str) -> None:
    append(
        connection,
        changes,
        made_at=made_at,
        command=COMMAND,
        version=facecli.__version__,
    )
