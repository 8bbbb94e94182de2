"""All templates of a model at once, each of them checked: what searches begin with."""

from __future__ import annotations

import sqlite3
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.errors import ModelMismatchError
from facecli.gallery import person_rows, rows
from facecli.gallery.checksums import template_checksums
from facecli.gallery.codec import codec_of
from facecli.gallery.records import TemplateMatrix
from facecli.gallery.translation import corrupt_error
from facecli.types import FloatArray

# More numbers than any face model gives (512 is usual); a damaged length must not ask for all memory.
MAX_DIMENSION: Final = 65_536

# Rows fetched at a time: some 8 MB of 128-D vectors, so that a matrix is filled without a second copy of it.
FETCH_ROWS: Final = 16_384


def read_matrix(connection: sqlite3.Connection, path: str, model_id: str, today: date) -> TemplateMatrix:
    """Return all templates of a model, sorted by person and then by template.

    All are read and checked; those of people whose consent has expired by `today` are left out.
    """
    counts = rows.count_templates(connection, path)
    count = counts.pop(model_id, 0)
    is_known = connection.execute("SELECT 1 FROM models WHERE model_id = ?", (model_id,)).fetchone()
    dimension, digest = _model(connection, path, model_id) if count or is_known else (0, 0)
    if not count and digest:  # an index that hides all of them is no empty gallery
        raise corrupt_error(path, "its tables and indexes contradict each other")
    if not count and counts:
        others, name = " and ".join(counts), _name(model_id)
        again = f"facecli gallery reembed --to {name}"
        other = next((_name(each) for each in counts if _name(each) != name), None)
        raise ModelMismatchError(
            f"the gallery {path} holds templates of {others}, none of {model_id}",
            hint=f"Use --embedder {other}, or let the gallery follow: {again}"
            if other
            else f"It is from another version of {name}: {again}",
        )
    vectors = np.empty((count, dimension if count else 0), np.float32)
    ids = np.empty((2, count), np.int64)
    cursor = connection.execute(
        "SELECT template_id, person_id, vector, checksum FROM templates INDEXED BY templates_by_model"
        " WHERE model_id = ? AND person_id IS NOT NULL AND is_negative = 0 ORDER BY person_id, template_id",
        (model_id,),
    )
    codec, start = codec_of(connection), 0
    while chunk := cursor.fetchmany(FETCH_ROWS):
        template_ids, person_ids, blobs, checksums = zip(*chunk, strict=True)
        stop = start + len(chunk)
        try:
            if tuple(template_checksums(blobs, template_ids, person_ids)) != checksums:
                raise corrupt_error(path, "a vector does not have its checksum")
            digest -= sum(checksums)
            plain = codec.all_bytes_out(person_ids, blobs, "vector")
            vectors[start:stop] = np.frombuffer(b"".join(plain), rows.VECTOR_DTYPE).reshape(len(chunk), dimension)
            ids[:, start:stop] = template_ids, person_ids
        except (TypeError, ValueError, OverflowError) as error:
            raise corrupt_error(path, f"a template cannot be read ({error})") from error
        start = stop
    names = person_rows.names(connection, path, model_id)
    named = all(person_id in names for person_id in np.unique(ids[1]).tolist())
    expired = {person.person_id for person in person_rows.expired(connection, path, today)} & names.keys()
    if start != count or digest or not named or (np.diff(ids[1]) < 0).any():
        raise corrupt_error(path, "its tables and indexes contradict each other")
    if expired:
        vectors, ids = _kept(vectors, ids, ~np.isin(ids[1], list(expired)))
        names = {person_id: name for person_id, name in names.items() if person_id not in expired}
    for array in (vectors, ids):
        array.flags.writeable = False
    return TemplateMatrix(model_id, vectors, ids[0], ids[1], names, rows.revision(connection, path))


def _kept(vectors: FloatArray, ids: NDArray[np.int64], keep: NDArray[np.bool_]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Move the rows to keep to the front, where they are: no second copy of all vectors."""
    kept = np.flatnonzero(keep)
    for start in range(0, len(kept), FETCH_ROWS):
        part = kept[start : start + FETCH_ROWS]
        vectors[start : start + len(part)] = vectors[part]
    return vectors[: len(kept)], ids[:, keep]


def _model(connection: sqlite3.Connection, path: str, model_id: str) -> tuple[int, int]:
    """Return the length of a model's vectors, and the sum of the checksums of its templates."""
    row = connection.execute("SELECT dimension, digest FROM models WHERE model_id = ?", (model_id,)).fetchone()
    if row is None or not all(isinstance(each, int) for each in row) or not 0 < row[0] <= MAX_DIMENSION:
        raise corrupt_error(path, f"the length of the vectors of {model_id} is not known")
    return row[0], row[1]


def _name(model_id: str) -> str:
    """Return what a user calls a model: its id without the hash of its weights."""
    return model_id.partition("@")[0]
