"""The SQL of a gallery: rows in, values out. Every function runs inside its caller's transaction."""

from __future__ import annotations

import os
import sqlite3
from typing import Any, Final
from zlib import crc32

import numpy as np

from facecli.errors import GeometryError, ModelMismatchError
from facecli.gallery.records import NewTemplate, TemplateMatrix
from facecli.gallery.translation import corrupt_error
from facecli.geometry import iou
from facecli.types import Embedding, FloatArray, Person, Template

VECTOR_DTYPE: Final = np.dtype("<f4")

# Two boxes of one photo that overlap this much are one face found twice (the usual limit of PASCAL VOC): another
# detector, device or scale moves a box by some pixels.
SAME_FACE_IOU: Final = 0.5

# More numbers than any face model gives (512 is usual); a damaged length must not ask for all memory.
MAX_DIMENSION: Final = 65_536

# Rows fetched at a time: some 8 MB of 128-D vectors, so that a matrix is filled without a second copy of it.
FETCH_ROWS: Final = 16_384

# Spelling is compared with at most so many names (about 0.3 s) of about the same length.
SPELLING_LIMIT: Final = 20_000
SPELLING_LENGTH_MARGIN: Final = 4

_PERSON: Final = """
    SELECT person_id, name, (SELECT count(*) FROM templates WHERE templates.person_id = people.person_id), created_at
    FROM people
"""

_TEMPLATE: Final = """
    SELECT template_id, person_id, model_id, vector, checksum, quality, source, content_hash,
           box_left, box_top, box_right, box_bottom, created_at
    FROM templates
"""


def revision(connection: sqlite3.Connection, path: str) -> int:
    """Return the number of changes so far."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()
    if row is None or not isinstance(row[0], int):
        raise corrupt_error(path, "it has no revision")
    return row[0]


def increase_revision(connection: sqlite3.Connection) -> None:
    """Mark a change."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'revision'")


def insert_person(connection: sqlite3.Connection, name: str, now: str) -> int:
    """Add a person, whose normalised name is free, and return the person_id."""
    cursor = connection.execute("INSERT INTO people (name, created_at) VALUES (?, ?)", (name, now))
    increase_revision(connection)
    return int(cursor.lastrowid or 0)


def people(connection: sqlite3.Connection, path: str) -> list[Person]:
    """Return everybody."""
    return [_person(row, path) for row in connection.execute(_PERSON)]


def person(connection: sqlite3.Connection, path: str, name: str) -> Person | None:
    """Return the person of a normalised name."""
    row = connection.execute(_PERSON + "WHERE name = ?", (name,)).fetchone()
    return _person(row, path) if row else None


def _person(row: tuple[Any, ...], path: str) -> Person:
    if not isinstance(row[1], str):  # SQLite does not hold a damaged file against its own constraints
        raise corrupt_error(path, f"person {row[0]} has no name")
    return Person(*row)


def names_like(connection: sqlite3.Connection, name: str) -> list[str]:
    """Return names worth comparing with a misspelt one."""
    found = connection.execute(
        "SELECT name FROM people WHERE abs(length(name) - ?) <= ? LIMIT ?",
        (len(name), SPELLING_LENGTH_MARGIN, SPELLING_LIMIT),
    )
    return [row[0] for row in found]


def insert_template(
    connection: sqlite3.Connection, person_id: int, template: NewTemplate, source: bytes, now: str
) -> int | None:
    """Add a template and return its id; None if this face of this photo is there already."""
    model_id = template.embedding.model_id
    vector = template.embedding.vector.astype(VECTOR_DTYPE).tobytes()
    _declare_model(connection, model_id, len(template.embedding.vector))
    known = connection.execute(
        "SELECT box_left, box_top, box_right, box_bottom FROM templates"
        " WHERE person_id = ? AND model_id = ? AND content_hash = ?",
        (person_id, model_id, template.content_hash),
    ).fetchall()
    if known and iou(template.box_xyxy[None], np.array(known, np.float32)).max() >= SAME_FACE_IOU:
        return None
    cursor = connection.execute(
        "INSERT INTO templates (person_id, model_id, vector, dimension, checksum, quality, source, content_hash,"
        " box_left, box_top, box_right, box_bottom, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (
            *(person_id, model_id, vector, len(template.embedding.vector), crc32(vector)),
            *(float(template.quality), source, template.content_hash, *template.box_xyxy.tolist(), now),
        ),
    )
    return cursor.lastrowid if cursor.rowcount else None


def _declare_model(connection: sqlite3.Connection, model_id: str, dimension: int) -> None:
    row = connection.execute("SELECT dimension FROM models WHERE model_id = ?", (model_id,)).fetchone()
    if row is None:
        connection.execute("INSERT INTO models (model_id, dimension) VALUES (?, ?)", (model_id, dimension))
    elif row[0] != dimension:
        raise ModelMismatchError(
            f"the gallery holds vectors of {row[0]} numbers from {model_id}, and the new one has {dimension}",
            hint="Two models must not share an id; use a new gallery for the other one.",
        )


def templates(connection: sqlite3.Connection, path: str, person_id: int | None, model_id: str | None) -> list[Template]:
    """Return templates by template_id."""
    found = connection.execute(
        _TEMPLATE + "WHERE (?1 IS NULL OR person_id = ?1) AND (?2 IS NULL OR model_id = ?2) ORDER BY template_id",
        (person_id, model_id),
    )
    return [_template(row, path) for row in found]


def _template(row: tuple[Any, ...], path: str) -> Template:
    template_id, person_id, model_id, vector, checksum, quality, source, content_hash, *box, created_at = row
    try:
        if crc32(vector) != checksum:
            raise corrupt_error(path, f"the vector of template {template_id} does not have its checksum")
        return Template(
            template_id=template_id,
            person_id=person_id,
            embedding=Embedding(np.frombuffer(vector, VECTOR_DTYPE), model_id),
            quality=quality,
            source=os.fsdecode(source),
            content_hash=content_hash,
            box_xyxy=_frozen_box(box),
            created_at=created_at,
        )
    except (TypeError, ValueError, GeometryError) as error:
        raise corrupt_error(path, f"template {template_id} cannot be read ({error})") from error


def _frozen_box(box: list[float]) -> FloatArray:
    result = np.array(box, np.float32)
    result.flags.writeable = False
    return result


def photo_owners(connection: sqlite3.Connection, content_hash: str, box_xyxy: FloatArray) -> tuple[str, ...]:
    """Return who has templates of a face of a photo."""
    found = connection.execute(
        "SELECT name, box_left, box_top, box_right, box_bottom FROM templates JOIN people USING (person_id)"
        " WHERE content_hash = ? ORDER BY template_id",
        (content_hash,),
    )
    same = (name for name, *box in found if iou(box_xyxy[None], np.array([box], np.float32)).max() >= SAME_FACE_IOU)
    return tuple(dict.fromkeys(same))


def count_templates(connection: sqlite3.Connection, path: str) -> dict[str, int]:
    """Return how many templates each model has; those that have any."""
    counts = dict(connection.execute("SELECT model_id, count(*) FROM templates GROUP BY model_id ORDER BY model_id"))
    if not all(isinstance(model_id, str) for model_id in counts):
        raise corrupt_error(path, "a template has no model")
    return counts


def matrix(connection: sqlite3.Connection, path: str, model_id: str) -> TemplateMatrix:
    """Return all templates of a model, sorted by person and then by template."""
    counts = count_templates(connection, path)
    count = counts.pop(model_id, 0)
    if not count and counts:
        others, name = " and ".join(counts), _name(model_id)
        again = f"enrol the photos again with {name}."
        other = next((_name(each) for each in counts if _name(each) != name), None)
        raise ModelMismatchError(
            f"the gallery {path} holds templates of {others}, none of {model_id}",
            hint=f"Use --embedder {other}, or {again}" if other else f"It is from another version of {name}: {again}",
        )
    dimension = _dimension(connection, path, model_id) if count else 0
    vectors = np.empty((count, dimension), np.float32)
    ids = np.empty((2, count), np.int64)
    cursor = connection.execute(
        "SELECT template_id, person_id, vector, checksum FROM templates INDEXED BY templates_by_model"
        " WHERE model_id = ? ORDER BY person_id, template_id",
        (model_id,),
    )
    start = 0
    while chunk := cursor.fetchmany(FETCH_ROWS):
        template_ids, person_ids, blobs, checksums = zip(*chunk, strict=True)
        stop = start + len(chunk)
        try:
            if tuple(map(crc32, blobs)) != checksums:
                raise corrupt_error(path, "a vector does not have its checksum")
            vectors[start:stop] = np.frombuffer(b"".join(blobs), VECTOR_DTYPE).reshape(len(chunk), dimension)
            ids[:, start:stop] = template_ids, person_ids
        except (TypeError, ValueError, OverflowError) as error:
            raise corrupt_error(path, f"a template cannot be read ({error})") from error
        start = stop
    names = dict(
        connection.execute(
            "SELECT person_id, name FROM people"
            " WHERE EXISTS (SELECT 1 FROM templates WHERE model_id = ? AND templates.person_id = people.person_id)",
            (model_id,),
        )
    )
    named = all(isinstance(names.get(person_id), str) for person_id in np.unique(ids[1]).tolist())
    if start != count or not named or (np.diff(ids[1]) < 0).any():
        raise corrupt_error(path, "its tables and indexes contradict each other")
    for array in (vectors, ids):
        array.flags.writeable = False
    return TemplateMatrix(model_id, vectors, ids[0], ids[1], names, revision(connection, path))


def _dimension(connection: sqlite3.Connection, path: str, model_id: str) -> int:
    row = connection.execute("SELECT dimension FROM models WHERE model_id = ?", (model_id,)).fetchone()
    if row is None or not isinstance(row[0], int) or not 0 < row[0] <= MAX_DIMENSION:
        raise corrupt_error(path, f"the length of the vectors of {model_id} is not known")
    return row[0]


def problems(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return what is wrong with the file, the links between its tables, and the vectors; nothing if all is well."""
    found = [row[0] for row in connection.execute("PRAGMA quick_check") if row[0] != "ok"]
    found += [
        f"{row[0]} row {row[1]} refers to a missing {row[2]}" for row in connection.execute("PRAGMA foreign_key_check")
    ]
    for template_id, vector, checksum in connection.execute("SELECT template_id, vector, checksum FROM templates"):
        if not isinstance(vector, bytes) or crc32(vector) != checksum:
            found.append(f"the vector of template {template_id} does not have its checksum")
    return tuple(found)


def _name(model_id: str) -> str:
    """Return what a user calls a model: its id without the hash of its weights."""
    return model_id.partition("@")[0]
