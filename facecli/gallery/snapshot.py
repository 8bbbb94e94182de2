"""A gallery as it is at one moment, row by row: for what copies it elsewhere and must not hold all of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from facecli.gallery import crops, history, person_rows
from facecli.gallery.checksums import template_checksums, text_checksum
from facecli.gallery.codec import codec_of
from facecli.gallery.consent import Consent
from facecli.gallery.history import Event
from facecli.gallery.rows import VECTOR_DTYPE
from facecli.gallery.store import Gallery
from facecli.gallery.translation import corrupt_error, translated
from facecli.types import Crop, FloatArray, Person

# Rows fetched at a time: some 4 MB with 128-D vectors.
_FETCH_ROWS: Final = 4_096

_TEMPLATES: Final = """
    SELECT template_id, person_id, vector, checksum, is_negative, facts_checksum, crop_id,
           quality, source, content_hash, box_left, box_top, box_right, box_bottom, created_at
    FROM templates
    WHERE model_id = ? AND person_id IS NOT NULL
    ORDER BY template_id
"""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, eq=False)
class StoredTemplate:
    """A row of templates, whose checksums were verified.

    Attributes
    ----------
    template_id : int
    vector : ndarray of shape (D,), float32
    person_id : int
    quality : float
    source : bytes
    content_hash : str
    box : tuple of 4 floats
    created_at : str
    is_negative : bool
        It says that this face is not the person's.
    crop_id : int or None
    """

    template_id: int
    vector: FloatArray
    person_id: int
    quality: float
    source: bytes
    content_hash: str
    box: tuple[float, float, float, float]
    created_at: str
    is_negative: bool
    crop_id: int | None


class Snapshot:
    """What a gallery holds at one moment; see `snapshot`.

    Raises
    ------
    GalleryError
        By every method, if the gallery cannot be read.
    GalleryCorruptError
        By every method, if what is read is not what was written.
    """

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def people(self) -> list[Person]:
        """Return everybody, by person_id."""
        people = self._read(lambda: person_rows.people(self._connection, self._path))
        return sorted(people, key=lambda person: person.person_id)

    def consents(self) -> dict[int, Consent]:
        """Return what is known about consent, by person_id."""
        return self._read(lambda: person_rows.consents(self._connection, self._path))

    def models(self) -> dict[str, int]:
        """Return the length of the vectors of each model that ever had templates, by model_id."""
        return self._read(
            lambda: dict(self._connection.execute("SELECT model_id, dimension FROM models ORDER BY model_id"))
        )

    def templates(self, model_id: str, person_ids: Container[int]) -> Iterator[StoredTemplate]:
        """Yield some people's templates of a model by template_id, those that say who somebody is not included."""
        cursor = self._read(lambda: self._connection.execute(_TEMPLATES, (model_id,)))
        while rows := self._read(lambda: cursor.fetchmany(_FETCH_ROWS)):
            yield from self._verified(model_id, [row for row in rows if row[1] in person_ids])

    def crop(self, template_id: int) -> Crop:
        """Return the crop of a template that has one."""
        found = self._read(lambda: crops.crops(self._connection, self._path, [template_id]))
        if template_id not in found:
            raise corrupt_error(self._path, f"the crop of template {template_id} is missing")
        return found[template_id]

    def events(self) -> Iterator[Event]:
        """Yield the log."""
        events = history.events(self._connection, self._path)
        while (event := self._read(lambda: next(events, None))) is not None:
            yield event

    def _verified(self, model_id: str, rows: list[tuple[Any, ...]]) -> Iterator[StoredTemplate]:
        if not rows:
            return
        ids, owners, vectors, _, negative, _, _, _, sources, *_ = zip(*rows, strict=True)
        codec = codec_of(self._connection)
        try:
            expected = template_checksums(vectors, ids, owners, negative)
            plain_vectors = codec.all_bytes_out(owners, vectors, "vector")
            plain_sources = codec.all_bytes_out(owners, sources, "source")
        except (TypeError, ValueError, OverflowError) as error:
            raise corrupt_error(self._path, f"a template cannot be read ({error})") from error
        for row, right, vector, source in zip(rows, expected, plain_vectors, plain_sources, strict=True):
            template_id, person_id, _, checksum, is_negative, facts_checksum, crop_id, *facts = row
            if checksum != right:
                raise corrupt_error(self._path, f"the vector of template {template_id} does not have its checksum")
            if facts_checksum != text_checksum(model_id, *facts):
                raise corrupt_error(self._path, f"the facts of template {template_id} do not have their checksum")
            quality, _, content_hash, *box, created_at = facts
            yield StoredTemplate(
                template_id=template_id,
                vector=np.frombuffer(vector, VECTOR_DTYPE),
                person_id=person_id,
                quality=quality,
                source=source,
                content_hash=content_hash,
                box=tuple(box),
                created_at=created_at,
                is_negative=bool(is_negative),
                crop_id=crop_id,
            )

    def _read(self, read: Callable[[], _Result]) -> _Result:
        # Not around a whole block: what its caller writes elsewhere meanwhile is no error of the gallery.
        with translated(self._path):
            return read()


@contextmanager
def snapshot(gallery: Gallery) -> Iterator[Snapshot]:
    """Read a gallery in a block, as it is at its beginning, whoever changes it meanwhile.

    Raises
    ------
    GalleryError
        If the gallery cannot be read.
    """
    connection: sqlite3.Connection = gallery._connection
    with translated(gallery.path):
        connection.execute("BEGIN DEFERRED")
    try:
        # Asked for again: now it is of the moment that is read, and refused if the gallery was encrypted before.
        yield Snapshot(gallery._connection, gallery.path)
    finally:
        connection.rollback()
