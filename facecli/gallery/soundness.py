"""Whether a gallery is what was written: the file, the links between its tables, every checksum, and its log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from facecli.errors import GalleryCorruptError
from facecli.gallery import crops, history
from facecli.gallery.checksums import template_checksums, text_checksum
from facecli.gallery.codec import codec_of
from facecli.gallery.history import Change, State
from facecli.gallery.person_rows import person_checksum
from facecli.gallery.vault import read_lock

_UNREAD: Final = "encrypted"
"""Instead of every text that cannot be read."""

_TEMPLATES: Final = """
    SELECT template_id, person_id, vector, checksum, is_negative, facts_checksum, model_id,
           quality, source, content_hash, box_left, box_top, box_right, box_bottom, created_at
    FROM templates
"""


def problems(connection: sqlite3.Connection, path: str) -> tuple[str, ...]:
    """Return what is wrong with a gallery, a sentence each; nothing if all is well. Reads every byte of it.

    Of an encrypted gallery that is not unlocked, what names and notes say is left out.
    """
    found = list(file_problems(connection))
    state = State()
    found += _people(connection, state)
    found += _templates(connection, state)
    found += crops.problems(connection)
    found += _reembedded(connection)
    found += _log(connection, path, state)
    return tuple(found)


def _is_locked(connection: sqlite3.Connection) -> bool:
    return codec_of(connection).is_plain and read_lock(connection) is not None


def _without_texts(change: Change) -> Change:
    if change.subject == "owner":
        return change
    before, after = (None if text is None else _UNREAD for text in (change.before, change.after))
    return Change(change.subject, change.subject_id, before, after)


def file_problems(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong with pages, indexes and links; for files of every schema."""
    for (found,) in connection.execute("PRAGMA integrity_check"):
        if found != "ok":
            yield str(found)
    for table, row, target, *_ in connection.execute("PRAGMA foreign_key_check"):
        yield f"{table} row {row} refers to a missing {target}"


def _people(connection: sqlite3.Connection, state: State) -> Iterator[str]:
    digest, codec, is_locked = 0, codec_of(connection), _is_locked(connection)
    for person_id, name, created_at, consent, checksum in connection.execute(
        "SELECT person_id, name, created_at, consent, checksum FROM people"
    ):
        if person_checksum(person_id, name, created_at, consent) != checksum:
            yield f"person {person_id} is not as enrolled"
            continue
        try:
            state.names[person_id] = _UNREAD if is_locked else codec.text_out(person_id, name, "name")
            if consent is not None:
                state.consents[person_id] = _UNREAD if is_locked else codec.text_out(person_id, consent, "consent")
        except GalleryCorruptError as error:
            yield error.message
        digest += checksum if isinstance(checksum, int) else 0
    if (digest,) != connection.execute("SELECT value FROM meta WHERE key = 'people_digest'").fetchone():
        yield "people are missing from it"


def _templates(connection: sqlite3.Connection, state: State) -> Iterator[str]:
    digests: dict[str, int] = dict(connection.execute("SELECT model_id, digest FROM models"))
    for template_id, person_id, vector, checksum, is_negative, facts_checksum, model_id, *facts in connection.execute(
        _TEMPLATES
    ):
        try:
            if [checksum] != template_checksums([vector], template_id, person_id or 0, is_negative):
                yield f"the vector of template {template_id} does not have its checksum"
        except (TypeError, ValueError, OverflowError):
            yield f"template {template_id} cannot be read"
            continue
        if facts_checksum != text_checksum(model_id, *facts):
            yield f"the facts of template {template_id} do not have their checksum"
        if person_id is not None:
            state.owners[template_id] = person_id
            if not is_negative and model_id in digests:
                digests[model_id] -= checksum
    yield from (f"templates of {model_id} are missing from it" for model_id, digest in digests.items() if digest)


def _reembedded(connection: sqlite3.Connection) -> Iterator[str]:
    for template_id, model_id, vector, checksum in connection.execute("SELECT * FROM reembedded"):
        if not isinstance(vector, bytes) or [checksum] != template_checksums([vector], template_id, 0):
            yield f"what {model_id} made of template {template_id} is not as kept"


def _log(connection: sqlite3.Connection, path: str, state: State) -> Iterator[str]:
    try:
        events = list(history.events(connection, path))
        if _is_locked(connection):
            events = [replace(event, changes=tuple(map(_without_texts, event.changes))) for event in events]
        replayed = history.replay(events)
    except (GalleryCorruptError, ValueError) as error:
        yield f"its history cannot be followed: {error}"
        return
    if [event.event_id for event in events] != list(range(1, len(events) + 1)):
        yield "events are missing from its history"
    elif replayed != state:
        yield "its people and templates are not what its history leads to"
