"""The SQL of the faces that a gallery keeps as pictures. Every function runs inside its caller's transaction.

A person's templates of one face, by several models, share one crop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final
from zlib import crc32

import numpy as np

from facecli.errors import GalleryCorruptError, GeometryError
from facecli.gallery.codec import Codec, codec_of
from facecli.gallery.records import CropCount, NewTemplate
from facecli.gallery.translation import corrupt_error
from facecli.geometry import iou
from facecli.types import LANDMARK_COUNT, Crop, FloatArray

LANDMARK_DTYPE: Final = np.dtype("<f4")

# As in `facecli.gallery.rows`: two boxes of one photo that overlap this much are one face found twice.
SAME_FACE_IOU: Final = 0.5

_OF_TEMPLATE: Final = """
    SELECT crop_id, image, landmarks, crops.checksum, crops.sealed_for, content_hash
    FROM templates JOIN crops USING (crop_id) WHERE template_id = ?
"""


def crop_checksum(image: bytes, landmarks: bytes, content_hash: str) -> int:
    """Return the checksum of a crop: of its picture, of its landmarks, and of the photo that it was cut from.

    A template that comes to point to another face's crop is thus found out.
    """
    return crc32(landmarks, crc32(image, crc32(content_hash.encode())))


def keep(connection: sqlite3.Connection, person_id: int, template: NewTemplate) -> int | None:
    """Keep the crop of a face that is to be a person's, and return its crop_id; None if there is no crop.

    Where the person has a template of that face with a crop, it is that one.
    """
    if template.crop is None:
        return None
    known = _crop_of_face(connection, person_id, template.content_hash, template.box_xyxy)
    if known is not None:
        return known
    landmarks = template.crop.landmarks_xy.astype(LANDMARK_DTYPE).tobytes()
    return _insert(connection, codec_of(connection), person_id, template.crop.image, landmarks, template.content_hash)


def _insert(
    connection: sqlite3.Connection, codec: Codec, person_id: int, image: bytes, landmarks: bytes, content_hash: str
) -> int:
    image, landmarks = codec.bytes_in(person_id, image, "crop"), codec.bytes_in(person_id, landmarks, "crop")
    cursor = connection.execute(
        "INSERT INTO crops (image, landmarks, checksum, sealed_for) VALUES (?, ?, ?, ?)",
        (image, landmarks, crop_checksum(image, landmarks, content_hash), None if codec.is_plain else person_id),
    )
    return int(cursor.lastrowid or 0)


def attach(connection: sqlite3.Connection, template_id: int, crop: Crop) -> None:
    """Give a crop to a person's template that has none."""
    person_id, content_hash, crop_id = connection.execute(
        "SELECT person_id, content_hash, crop_id FROM templates WHERE template_id = ?", (template_id,)
    ).fetchone()
    if person_id is None or crop_id is not None:
        return
    landmarks = crop.landmarks_xy.astype(LANDMARK_DTYPE).tobytes()
    crop_id = _insert(connection, codec_of(connection), person_id, crop.image, landmarks, content_hash)
    connection.execute("UPDATE templates SET crop_id = ? WHERE template_id = ?", (crop_id, template_id))


def keep_missing(connection: sqlite3.Connection, person_id: int, template: NewTemplate) -> None:
    """Give a crop to those of a person's templates of its face that have none."""
    crop_id = keep(connection, person_id, template)
    if crop_id is None:
        return
    lacking = connection.execute(
        "SELECT template_id, box_left, box_top, box_right, box_bottom FROM templates"
        " WHERE content_hash = ? AND person_id = ? AND crop_id IS NULL",
        (template.content_hash, person_id),
    ).fetchall()
    for template_id, *box in lacking:
        if _overlap(template.box_xyxy, box) >= SAME_FACE_IOU:
            connection.execute("UPDATE templates SET crop_id = ? WHERE template_id = ?", (crop_id, template_id))


def crops(connection: sqlite3.Connection, path: str, template_ids: Iterable[int]) -> dict[int, Crop]:
    """Return the crops of templates that have one, by template_id.

    Raises
    ------
    GalleryCorruptError
        If one is not as it was kept.
    """
    found = {}
    for template_id in template_ids:
        row = connection.execute(_OF_TEMPLATE, (template_id,)).fetchone()
        if row is not None:
            crop = _crop(codec_of(connection), *row[1:])
            if crop is None:
                raise corrupt_error(path, f"the crop of template {template_id} is not as it was kept")
            found[template_id] = crop
    return found


def reseal(connection: sqlite3.Connection, template_id: int, old: Codec, new: Codec, person_id: int) -> None:
    """Write the crop of a template anew, for a person; what others have of it stays theirs."""
    row = connection.execute(_OF_TEMPLATE, (template_id,)).fetchone()
    if row is None:
        return
    crop_id, image, landmarks, checksum, sealed_for, content_hash = row
    wanted = None if new.is_plain else person_id
    if sealed_for == wanted:
        return
    if sealed_for is None:
        clear = image, landmarks
    else:
        reader = new if old.is_plain else old
        clear = reader.bytes_out(sealed_for, image, "crop"), reader.bytes_out(sealed_for, landmarks, "crop")
    (others,) = connection.execute(
        "SELECT count(*) FROM templates WHERE crop_id = ? AND template_id <> ? AND person_id IS NOT ?",
        (crop_id, template_id, person_id),
    ).fetchone()
    if wanted is not None and others:
        copy_id = _insert(connection, new, person_id, *clear, content_hash)
        connection.execute("UPDATE templates SET crop_id = ? WHERE template_id = ?", (copy_id, template_id))
        return
    fresh = new.bytes_in(person_id, clear[0], "crop"), new.bytes_in(person_id, clear[1], "crop")
    before, after = crop_checksum(image, landmarks, content_hash), crop_checksum(*fresh, content_hash)
    connection.execute(
        "UPDATE crops SET image = ?, landmarks = ?, checksum = ?, sealed_for = ? WHERE crop_id = ?",
        (*fresh, after ^ before ^ checksum, wanted, crop_id),  # what is damaged stays so
    )


def count(connection: sqlite3.Connection) -> CropCount:
    """Count crops, their bytes, and the templates that have one or none; those that are nobody's left out."""
    crop_count, size_bytes = connection.execute(
        "SELECT count(*), coalesce(sum(length(image) + length(landmarks)), 0) FROM crops"
    ).fetchone()
    having, lacking = connection.execute(
        "SELECT count(crop_id), count(*) - count(crop_id) FROM templates WHERE person_id IS NOT NULL"
    ).fetchone()
    return CropCount(crop_count, size_bytes, having, lacking)


def remove_all(connection: sqlite3.Connection) -> None:
    """Delete every crop; the templates stay."""
    connection.execute("UPDATE templates SET crop_id = NULL WHERE crop_id IS NOT NULL")
    connection.execute("DELETE FROM crops")


def problems(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong with crops, a sentence each. Reads every byte of them."""
    photos: dict[int, set[str]] = {}
    for crop_id, content_hash in connection.execute(
        "SELECT crop_id, content_hash FROM templates WHERE crop_id IS NOT NULL"
    ):
        photos.setdefault(crop_id, set()).add(content_hash)
    for crop_id, image, landmarks, checksum in connection.execute(
        "SELECT crop_id, image, landmarks, checksum FROM crops"
    ):
        of = photos.get(crop_id)
        if of is None:
            yield f"crop {crop_id} is of no template"
        elif not all(_is_whole(image, landmarks, checksum, each) for each in of):
            yield f"crop {crop_id} is not as it was kept"


def _crop(
    codec: Codec, image: Any, landmarks: Any, checksum: Any, sealed_for: int | None, content_hash: Any
) -> Crop | None:
    """Return a crop as its row has it; None if that is damaged."""
    if not _is_whole(image, landmarks, checksum, content_hash):
        return None
    try:
        if sealed_for is not None:
            image, landmarks = (codec.bytes_out(sealed_for, each, "crop") for each in (image, landmarks))
        return Crop(image, np.frombuffer(landmarks, LANDMARK_DTYPE).reshape(LANDMARK_COUNT, 2))
    except (ValueError, GeometryError, GalleryCorruptError):
        return None


def _is_whole(image: Any, landmarks: Any, checksum: Any, content_hash: Any) -> bool:
    try:
        return bool(crop_checksum(image, landmarks, content_hash) == checksum)
    except (TypeError, AttributeError):
        return False


def _crop_of_face(
    connection: sqlite3.Connection, person_id: int, content_hash: str, box_xyxy: FloatArray
) -> int | None:
    """Return the crop that a person has of a face, given by photo (SHA-256, hex) and box."""
    found = connection.execute(
        "SELECT crop_id, box_left, box_top, box_right, box_bottom FROM templates"
        " WHERE content_hash = ? AND person_id = ? AND crop_id IS NOT NULL",
        (content_hash, person_id),
    ).fetchall()
    best = max(((_overlap(box_xyxy, box), crop_id) for crop_id, *box in found), default=(0.0, None))
    return best[1] if best[0] >= SAME_FACE_IOU else None


def _overlap(box_xyxy: FloatArray, box: list[float]) -> float:
    return float(iou(box_xyxy[None], np.array([box], np.float32))[0, 0])
