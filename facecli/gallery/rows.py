"""The SQL of a gallery's templates: rows in, values out. Every function runs inside its caller's transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from facecli.errors import GeometryError, ModelMismatchError
from facecli.gallery import crops, person_rows
from facecli.gallery.checksums import template_checksums, text_checksum
from facecli.gallery.codec import Codec, codec_of
from facecli.gallery.history import Subject
from facecli.gallery.records import NewTemplate
from facecli.gallery.translation import corrupt_error
from facecli.geometry import iou
from facecli.types import Embedding, FloatArray, Template

VECTOR_DTYPE: Final = np.dtype("<f4")

# Two boxes of one photo that overlap this much are one face found twice (the usual limit of PASCAL VOC): another
# detector, device or scale moves a box by some pixels.
SAME_FACE_IOU: Final = 0.5

_VALUE: Final[dict[Subject, str]] = {
    "name": "SELECT name FROM people WHERE person_id = ?",
    "owner": "SELECT person_id FROM templates WHERE template_id = ?",
    "consent": "SELECT consent FROM people WHERE person_id = ?",
}

_TEMPLATE: Final = """
    SELECT template_id, person_id, model_id, vector, checksum, facts_checksum, quality, source, content_hash,
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


def value(connection: sqlite3.Connection, subject: Subject, subject_id: int) -> str | int | None:
    """Return what the log calls a subject's value; see `facecli.gallery.history`."""
    row = connection.execute(_VALUE[subject], (subject_id,)).fetchone()
    if row is None or row[0] is None:
        return None
    if subject == "owner":
        return int(row[0])
    return codec_of(connection).text_out(subject_id, row[0], subject)


def has_face(
    connection: sqlite3.Connection,
    person_id: int,
    model_id: str,
    content_hash: str,
    box_xyxy: FloatArray,
    is_negative: bool = False,
) -> bool:
    """Say whether a person has a template of a face, given by photo (SHA-256, hex) and box, of a model."""
    return template_of_face(connection, person_id, model_id, content_hash, box_xyxy, is_negative) is not None


def template_of_face(
    connection: sqlite3.Connection,
    person_id: int,
    model_id: str,
    content_hash: str,
    box_xyxy: FloatArray,
    is_negative: bool = False,
) -> int | None:
    """Return a person's template of a face, given as for `has_face`; None if there is none."""
    known = connection.execute(
        "SELECT template_id, box_left, box_top, box_right, box_bottom FROM templates"
        " WHERE person_id = ? AND model_id = ? AND content_hash = ? AND is_negative = ?",
        (person_id, model_id, content_hash, is_negative),
    ).fetchall()
    if not known:
        return None
    overlaps = iou(box_xyxy[None], np.array([box for _, *box in known], np.float32))[0]
    nearest = int(overlaps.argmax())
    return int(known[nearest][0]) if overlaps[nearest] >= SAME_FACE_IOU else None


def face(connection: sqlite3.Connection, template_id: int) -> tuple[str, str, FloatArray, bool] | None:
    """Return model, photo, box and sign of a template, as `has_face` takes them; None if it is not there."""
    row = connection.execute(
        "SELECT model_id, content_hash, is_negative, box_left, box_top, box_right, box_bottom FROM templates"
        " WHERE template_id = ?",
        (template_id,),
    ).fetchone()
    return None if row is None else (row[0], row[1], _frozen_box(row[3:]), bool(row[2]))


def template_ids(connection: sqlite3.Connection, person_id: int) -> list[int]:
    """Return the templates of a person, those that say who it is not included, in the order of their enrolment."""
    found = connection.execute("SELECT template_id FROM templates WHERE person_id = ? ORDER BY 1", (person_id,))
    return [row[0] for row in found]


def insert_template(
    connection: sqlite3.Connection,
    person_id: int,
    template: NewTemplate,
    source: bytes,
    now: str,
    *,
    is_negative: bool = False,
) -> int:
    """Add a template that is nobody's yet but can only be read with a person's key, and return its id."""
    model_id = template.embedding.model_id
    vector = template.embedding.vector.astype(VECTOR_DTYPE).tobytes()
    _declare_model(connection, model_id, len(template.embedding.vector))
    codec = codec_of(connection)
    vector, source = codec.bytes_in(person_id, vector, "vector"), codec.bytes_in(person_id, source, "source")
    facts = (float(template.quality), source, template.content_hash, *template.box_xyxy.tolist(), now)
    cursor = connection.execute(
        "INSERT INTO templates (model_id, vector, dimension, checksum, facts_checksum, is_negative, quality, source,"
        " content_hash, box_left, box_top, box_right, box_bottom, created_at, sealed_for)"
        " VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(model_id, vector, len(template.embedding.vector), text_checksum(model_id, *facts), is_negative, *facts),
            None if codec.is_plain else person_id,
        ),
    )
    template_id = int(cursor.lastrowid or 0)
    (checksum,) = template_checksums([vector], template_id, 0, is_negative)
    crop_id = crops.keep(connection, person_id, template)
    connection.execute(
        "UPDATE templates SET checksum = ?, crop_id = ? WHERE template_id = ?", (checksum, crop_id, template_id)
    )
    return template_id


def insert_copy(connection: sqlite3.Connection, template_id: int, person_id: int, embedding: Embedding) -> int:
    """Add a template that is nobody's yet, of the face of a person's template by another model, and return its id."""
    sealed_for, source, quality, content_hash, *box, created_at, is_negative, crop_id = connection.execute(
        "SELECT sealed_for, source, quality, content_hash, box_left, box_top, box_right, box_bottom, created_at,"
        " is_negative, crop_id FROM templates WHERE template_id = ?",
        (template_id,),
    ).fetchone()
    source = codec_of(connection).bytes_out(sealed_for or 0, source, "source")
    face = NewTemplate(embedding, quality, "", content_hash, _frozen_box(box))
    copy_id = insert_template(connection, person_id, face, source, created_at, is_negative=bool(is_negative))
    connection.execute("UPDATE templates SET crop_id = ? WHERE template_id = ?", (crop_id, copy_id))
    return copy_id


def delete_template(connection: sqlite3.Connection, template_id: int) -> None:
    """Delete a template that is nobody's, and its crop if no other template is of that."""
    (crop_id,) = connection.execute("SELECT crop_id FROM templates WHERE template_id = ?", (template_id,)).fetchone()
    connection.execute("DELETE FROM templates WHERE template_id = ? AND person_id IS NULL", (template_id,))
    connection.execute(
        "DELETE FROM crops WHERE crop_id = ?1 AND NOT EXISTS (SELECT 1 FROM templates WHERE crop_id = ?1)", (crop_id,)
    )


def reseal(connection: sqlite3.Connection, template_id: int, old: Codec, new: Codec, person_id: int) -> None:
    """Write vector and source of a template anew: read by one codec, written by another one for a person."""
    row = connection.execute(
        "SELECT sealed_for, person_id, is_negative, checksum, model_id, vector, source, quality, content_hash,"
        " box_left, box_top, box_right, box_bottom, created_at FROM templates WHERE template_id = ?",
        (template_id,),
    ).fetchone()
    sealed_for, owner, is_negative, checksum, model_id, vector, source, quality, *facts = row
    fresh = new.bytes_in(person_id, old.bytes_out(sealed_for or 0, vector, "vector"), "vector")
    source = new.bytes_in(person_id, old.bytes_out(sealed_for or 0, source, "source"), "source")
    before, after = template_checksums([vector, fresh], template_id, owner or 0, is_negative)
    changed = after ^ before ^ checksum  # what is damaged stays so
    connection.execute(
        "UPDATE templates SET vector = ?, source = ?, checksum = ?, facts_checksum = ?, sealed_for = ?"
        " WHERE template_id = ?",
        (
            *(fresh, source, changed, text_checksum(model_id, quality, source, *facts)),
            *(None if new.is_plain else person_id, template_id),
        ),
    )
    if owner and not is_negative:
        connection.execute("UPDATE models SET digest = digest + ? WHERE model_id = ?", (changed - checksum, model_id))
    crops.reseal(connection, template_id, old, new, person_id)
    # Can be made again, so it is not encrypted anew.
    connection.execute("DELETE FROM reembedded WHERE template_id = ?", (template_id,))


def set_owner(connection: sqlite3.Connection, template_id: int, person_id: int | None) -> None:
    """Make a template a person's, or nobody's.

    A vector that is damaged stays as wrong as it is. What is encrypted is encrypted anew for whom it becomes.
    """
    sealed_for = connection.execute(
        "SELECT sealed_for FROM templates WHERE template_id = ?", (template_id,)
    ).fetchone()[0]
    if person_id is not None and person_id != sealed_for and not codec_of(connection).is_plain:
        reseal(connection, template_id, codec_of(connection), codec_of(connection), person_id)
    vector, checksum, owner, is_negative, model_id = connection.execute(
        "SELECT vector, checksum, person_id, is_negative, model_id FROM templates WHERE template_id = ?", (template_id,)
    ).fetchone()
    before, after = template_checksums([vector] * 2, template_id, [owner or 0, person_id or 0], is_negative)
    changed = after ^ before ^ checksum
    connection.execute(
        "UPDATE templates SET person_id = ?, checksum = ? WHERE template_id = ?", (person_id, changed, template_id)
    )
    if not is_negative:
        difference = (changed if person_id else 0) - (checksum if owner else 0)
        connection.execute("UPDATE models SET digest = digest + ? WHERE model_id = ?", (difference, model_id))


def _declare_model(connection: sqlite3.Connection, model_id: str, dimension: int) -> None:
    row = connection.execute("SELECT dimension FROM models WHERE model_id = ?", (model_id,)).fetchone()
    if row is None:
        connection.execute("INSERT INTO models (model_id, dimension) VALUES (?, ?)", (model_id, dimension))
    elif row[0] != dimension:
        raise ModelMismatchError(
            f"the gallery holds vectors of {row[0]} numbers from {model_id}, and the new one has {dimension}",
            hint="Two models must not share an id; use a new gallery for the other one.",
        )


def templates(
    connection: sqlite3.Connection, path: str, person_id: int | None, model_id: str | None, is_negative: bool = False
) -> list[Template]:
    """Return templates by template_id: those that say who somebody is, or those that say who not."""
    wanted = {"person_id": person_id, "model_id": model_id}
    given = {column: value for column, value in wanted.items() if value is not None}
    # Written out, as an index of some rows serves only what names these in so many words.
    conditions = ["person_id IS NOT NULL", f"is_negative = {int(is_negative)}", *(f"{column} = ?" for column in given)]
    found = connection.execute(
        f"{_TEMPLATE} WHERE {' AND '.join(conditions)} ORDER BY template_id", tuple(given.values())
    )
    rows = found.fetchall()
    if not is_negative:
        _refuse_missing(connection, path, rows, person_id, model_id)
    return [_template(codec_of(connection), row, path, is_negative) for row in rows]


def _refuse_missing(
    connection: sqlite3.Connection, path: str, found: list[tuple[Any, ...]], person_id: int | None, model_id: str | None
) -> None:
    """Refuse rows that are too few, or too many: an index, or a page of the table, that is damaged."""
    if person_id is None:
        digests = connection.execute("SELECT digest FROM models WHERE ?1 IS NULL OR model_id = ?1", (model_id,))
        is_whole = _sum(row[4] for row in found) == _sum(row[0] for row in digests)
    else:  # one index told of the rows, another one counts them
        (count,) = connection.execute(
            "SELECT count(*) FROM templates INDEXED BY templates_by_model WHERE person_id = ?1 AND is_negative = 0"
            " AND person_id IS NOT NULL"
            " AND model_id IN (SELECT model_id FROM models WHERE ?2 IS NULL OR model_id = ?2)",
            (person_id, model_id),
        ).fetchone()
        is_whole = len(found) == count
    if not is_whole:
        raise corrupt_error(path, "templates are missing from it")


def _sum(values: Iterable[object]) -> int:
    return sum(value for value in values if isinstance(value, int))


def of_face(
    connection: sqlite3.Connection, person_id: int, content_hash: str, box_xyxy: FloatArray, is_negative: bool
) -> list[int]:
    """Return a person's templates of a face, given by photo (SHA-256, hex) and box, of whatever model."""
    found = connection.execute(
        "SELECT template_id, box_left, box_top, box_right, box_bottom FROM templates"
        " WHERE content_hash = ? AND person_id = ? AND is_negative = ? ORDER BY template_id",
        (content_hash, person_id, is_negative),
    )
    return [
        template_id
        for template_id, *box in found
        if iou(box_xyxy[None], np.array([box], np.float32)).max() >= SAME_FACE_IOU
    ]


def _template(codec: Codec, row: tuple[Any, ...], path: str, is_negative: bool) -> Template:
    template_id, person_id, model_id, vector, checksum, facts_checksum, *facts = row
    quality, source, content_hash, *box, created_at = facts
    try:
        if [checksum] != template_checksums([vector], template_id, person_id, is_negative):
            raise corrupt_error(path, f"the vector of template {template_id} does not have its checksum")
        if facts_checksum != text_checksum(model_id, *facts):
            raise corrupt_error(path, f"the facts of template {template_id} do not have their checksum")
        vector = codec.bytes_out(person_id, vector, "vector")
        source = codec.bytes_out(person_id, source, "source")
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
    except (TypeError, ValueError, OverflowError, GeometryError) as error:
        raise corrupt_error(path, f"template {template_id} cannot be read ({error})") from error


def _frozen_box(box: list[float]) -> FloatArray:
    result = np.array(box, np.float32)
    result.flags.writeable = False
    return result


def photo_owners(connection: sqlite3.Connection, path: str, content_hash: str, box_xyxy: FloatArray) -> tuple[str, ...]:
    """Return who has templates of a face of a photo."""
    found = connection.execute(
        f"{_TEMPLATE} WHERE content_hash = ? AND person_id IS NOT NULL AND is_negative = 0 ORDER BY template_id",
        (content_hash,),
    ).fetchall()
    templates = (_template(codec_of(connection), row, path, is_negative=False) for row in found)
    owners = dict.fromkeys(
        each.person_id for each in templates if iou(box_xyxy[None], each.box_xyxy[None]).max() >= SAME_FACE_IOU
    )
    return tuple(person_rows.name_of(connection, path, person_id) for person_id in owners)


def count_templates(connection: sqlite3.Connection, path: str) -> dict[str, int]:
    """Return how many templates each model has; those that have any."""
    counts = dict(
        connection.execute(
            "SELECT model_id, count(*) FROM templates WHERE person_id IS NOT NULL AND is_negative = 0"
            " GROUP BY model_id ORDER BY model_id"
        )
    )
    if not all(isinstance(model_id, str) for model_id in counts):
        raise corrupt_error(path, "a template has no model")
    return counts
