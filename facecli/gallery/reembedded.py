"""What another model makes of a gallery's templates, kept aside until it is complete, and then put in its place.

Until `switch` no search sees any of it, and whatever happens to a template in between, it being purged above all,
happens to what was made of it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from facecli.gallery import crops, rows
from facecli.gallery.checksums import template_checksums
from facecli.gallery.codec import codec_of
from facecli.gallery.edit import Edit
from facecli.gallery.rows import SAME_FACE_IOU, VECTOR_DTYPE
from facecli.gallery.store import Gallery
from facecli.gallery.translation import corrupt_error, translated
from facecli.geometry import iou
from facecli.sqlite_file import transaction
from facecli.types import Crop, Embedding, FloatArray

COMMAND: Final = "gallery reembed"
DROP_COMMAND: Final = "gallery reembed --drop-old"

_TEMPLATES: Final = """
    SELECT template_id, person_id, model_id, content_hash, is_negative, crop_id IS NOT NULL,
           box_left, box_top, box_right, box_bottom
    FROM templates WHERE person_id IS NOT NULL ORDER BY crop_id IS NULL, template_id
"""


@dataclass(frozen=True, slots=True, eq=False)
class OpenFace:
    """A face of which there is no template by a model.

    Attributes
    ----------
    template_id : int
        A template of it by another model.
    person_id : int
    content_hash : str
        SHA-256 (hex) of the photo.
    box_xyxy : ndarray of shape (4,), float32
    has_crop : bool
    """

    template_id: int
    person_id: int
    content_hash: str
    box_xyxy: FloatArray
    has_crop: bool


def open_faces(gallery: Gallery, model_id: str) -> tuple[list[OpenFace], list[OpenFace]]:
    """Return the faces that a model has no templates of, those that say who somebody is not included.

    Returns
    -------
    made, to_make : list of OpenFace
        Those whose vector is kept aside already, and the others, in the order of their enrolment.
    """
    connection = gallery._connection
    with translated(gallery.path), transaction(connection, "DEFERRED"):
        return _open_faces(connection, model_id)


def sources(gallery: Gallery, template_ids: Iterable[int]) -> dict[int, str]:
    """Return the photos of templates, as the user named them, by template_id; those that are nobody's are left out."""
    connection = gallery._connection
    found = {}
    with translated(gallery.path):
        for template_id in template_ids:
            row = connection.execute(
                "SELECT person_id, source FROM templates WHERE template_id = ? AND person_id IS NOT NULL",
                (template_id,),
            ).fetchone()
            if row is not None:
                found[template_id] = os.fsdecode(codec_of(connection).bytes_out(row[0], row[1], "source"))
    return found


def keep(gallery: Gallery, vectors: Mapping[int, Embedding], new_crops: Mapping[int, Crop]) -> None:
    """Keep aside what a model makes of templates, by template_id, and crops of those that have none.

    Templates that are gone or nobody's meanwhile are passed over.
    """
    with gallery._changing() as connection:
        for template_id, embedding in vectors.items():
            owner = rows.value(connection, "owner", template_id)
            if owner is None:
                continue
            if template_id in new_crops:
                crops.attach(connection, template_id, new_crops[template_id])
            clear = embedding.vector.astype(VECTOR_DTYPE).tobytes()
            vector = codec_of(connection).bytes_in(int(owner), clear, "vector")
            connection.execute(
                "INSERT OR REPLACE INTO reembedded VALUES (?, ?, ?, ?)",
                (template_id, embedding.model_id, vector, *template_checksums([vector], template_id, 0)),
            )


def switch(gallery: Gallery, model_id: str, left_out: Collection[int]) -> Edit | list[OpenFace]:
    """Make templates of all that is kept aside: one event, all of it or nothing.

    Parameters
    ----------
    left_out : collection of int
        Templates whose face the model cannot be given.

    Returns
    -------
    Edit or list of OpenFace
        What was done; or, where somebody enrolled more meanwhile, what is to be made first: nothing was changed then.
    """
    with gallery.edit(COMMAND) as edit:
        connection = gallery._connection
        made, to_make = _open_faces(connection, model_id)
        missing = [face for face in to_make if face.template_id not in left_out]
        if missing:
            return missing
        for face in sorted(made, key=lambda each: each.template_id):
            vector, checksum = connection.execute(
                "SELECT vector, checksum FROM reembedded WHERE template_id = ? AND model_id = ?",
                (face.template_id, model_id),
            ).fetchone()
            if [checksum] != template_checksums([vector], face.template_id, 0):
                raise corrupt_error(gallery.path, f"what {model_id} made of template {face.template_id} is not as kept")
            clear = codec_of(connection).bytes_out(face.person_id, vector, "vector")
            edit.add_copy(face.template_id, Embedding(np.frombuffer(clear, VECTOR_DTYPE), model_id))
        connection.execute("DELETE FROM reembedded WHERE model_id = ?", (model_id,))
    return edit


def replaced_templates(gallery: Gallery, model_id: str) -> list[int]:
    """Return the templates of other models whose face the same person has a template of by this model."""
    connection = gallery._connection
    with translated(gallery.path), transaction(connection, "DEFERRED"):
        return _replaced(connection, model_id)


def drop_replaced(gallery: Gallery, model_id: str) -> tuple[Edit, int]:
    """Make `replaced_templates` nobody's, and return what was done and to how many; the log brings them back."""
    with gallery.edit(DROP_COMMAND) as edit:
        replaced = _replaced(gallery._connection, model_id)
        edit.give(replaced, None)
    return edit, len(replaced)


class _Faces:
    """Faces of people, to be asked whether one is among them."""

    def __init__(self) -> None:
        self._boxes: dict[tuple[int, str, bool], list[FloatArray]] = {}

    def add(self, person_id: int, content_hash: str, is_negative: bool, box_xyxy: FloatArray) -> None:
        self._boxes.setdefault((person_id, content_hash, is_negative), []).append(box_xyxy)

    def have(self, person_id: int, content_hash: str, is_negative: bool, box_xyxy: FloatArray) -> bool:
        boxes = self._boxes.get((person_id, content_hash, is_negative))
        return boxes is not None and bool(iou(box_xyxy[None], np.stack(boxes)).max() >= SAME_FACE_IOU)


def _open_faces(connection: sqlite3.Connection, model_id: str) -> tuple[list[OpenFace], list[OpenFace]]:
    kept = {
        template_id
        for template_id, vector, checksum in connection.execute(
            "SELECT template_id, vector, checksum FROM reembedded WHERE model_id = ?", (model_id,)
        )
        if [checksum] == template_checksums([vector], template_id, 0)
    }
    known, others = _by_model(connection, model_id)
    # Of templates of one face by several models the one whose vector is kept counts, or the first that has a crop.
    made: list[OpenFace] = []
    to_make: list[OpenFace] = []
    for template_id, person_id, content_hash, is_negative, has_crop, box in sorted(
        others, key=lambda each: each[0] not in kept
    ):
        if known.have(person_id, content_hash, is_negative, box):
            continue
        known.add(person_id, content_hash, is_negative, box)
        face = OpenFace(template_id, person_id, content_hash, box, has_crop)
        (made if template_id in kept else to_make).append(face)
    return made, sorted(to_make, key=lambda face: face.template_id)


def _replaced(connection: sqlite3.Connection, model_id: str) -> list[int]:
    known, others = _by_model(connection, model_id)
    return sorted(
        template_id
        for template_id, person_id, content_hash, is_negative, _, box in others
        if known.have(person_id, content_hash, is_negative, box)
    )


def _by_model(
    connection: sqlite3.Connection, model_id: str
) -> tuple[_Faces, list[tuple[int, int, str, bool, bool, FloatArray]]]:
    """Return the faces that a model has templates of, and all templates of other models."""
    known, others = _Faces(), []
    for template_id, person_id, model, content_hash, is_negative, has_crop, *box in connection.execute(_TEMPLATES):
        box_xyxy = np.array(box, np.float32)
        if model == model_id:
            known.add(person_id, content_hash, bool(is_negative), box_xyxy)
        else:
            others.append((template_id, person_id, content_hash, bool(is_negative), bool(has_crop), box_xyxy))
    return known, others
