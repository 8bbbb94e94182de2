"""Galleries and archives of plain arithmetic."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from facecli.archive.format import ArchivedPerson, ArchivedTemplate
from facecli.archive.reader import ArchiveReader
from facecli.archive.writer import ArchiveWriter
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.services.gallery_export import export_gallery
from facecli.services.gallery_import import Content, Imported, import_content
from facecli.types import Crop, Embedding

DIMENSION = 8
SINCE = "2024-02-29T12:00:00Z"
JPEG = b"\xff\xd8\xff"


def unit(number: int, dimension: int = DIMENSION) -> np.ndarray:
    vector = np.random.default_rng(number).standard_normal(dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


def new_template(number: int, *, model_id: str = "sface@1", crop: bool = False, source: str = "") -> NewTemplate:
    landmarks = np.random.default_rng(number).uniform(0, 112, (5, 2)).astype(np.float32)
    return NewTemplate(
        Embedding(unit(number), model_id),
        0.75,
        source or f"{number}.jpg",
        f"hash of {number}.jpg",
        np.array((10, 20, 110.5, 140.25), np.float32),
        Crop(JPEG + bytes([number % 256]), landmarks) if crop else None,
    )


def archived(number: int, person: int = 1, **facts) -> ArchivedTemplate:
    usual = {
        "vector": unit(number),
        "person": person,
        "quality": 0.5,
        "source": b"photos/%d.jpg" % number,
        "content_hash": f"hash of {number}.jpg",
        "box": (10.0, 20.0, 110.5, 140.25),
        "created_at": SINCE,
    }
    return ArchivedTemplate(**{**usual, **facts})


def write(path: Path, *, people=("Ana", "Bo"), templates=None, model_id="sface@1", crops=()) -> Path:
    """Write an archive by hand."""
    rows = [archived(1, 1), archived(2, 1), archived(3, len(people))] if templates is None else templates
    with path.open("wb") as stream, ArchiveWriter(stream, "0.1.0") as writer:
        writer.write_people(
            [each if isinstance(each, ArchivedPerson) else ArchivedPerson(each, SINCE) for each in people]
        )
        writer.write_templates(model_id, len(rows[0].vector), rows)
        writer.write_crops(crops)
    return path


def export(gallery: Gallery, *names: str, **options) -> bytes:
    stream = io.BytesIO()
    export_gallery(gallery, stream, names, **options)
    return stream.getvalue()


def import_archive(gallery: Gallery, path: Path, **options) -> Imported:
    with ArchiveReader(path) as reader:
        content = Content(str(path), reader.manifest.models, reader.people(), reader.templates(), reader.crop)
        return import_content(gallery, content, **options)


def contents(gallery: Gallery) -> list[tuple]:
    """Return all that a gallery says of whom."""
    names = {person.person_id: person.name for person in gallery.people()}
    return sorted(
        (
            names[each.person_id],
            is_negative,
            each.embedding.model_id,
            each.embedding.vector.tobytes(),
            each.quality,
            each.source,
            each.content_hash,
            tuple(each.box_xyxy.tolist()),
            each.created_at,
        )
        for is_negative in (False, True)
        for each in gallery.templates(is_negative=is_negative)
    )
