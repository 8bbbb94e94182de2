"""The lines of an archive: values to JSON and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from facecli.archive.fields import Fields, octets_value
from facecli.archive.format import (
    CONSENT,
    CROPS,
    FORMAT,
    HISTORY,
    MANIFEST,
    MAX_DIMENSION,
    MAX_MEMBERS,
    MAX_PIXEL,
    MAX_SOURCE_BYTES,
    MAX_TEXT,
    PEOPLE,
    VERSION,
    ArchivedPerson,
    ArchivedTemplate,
    Manifest,
    Part,
    bad_archive,
    part_rows,
    templates_name,
    vectors_name,
)
from facecli.errors import InputError
from facecli.types import LANDMARK_COUNT, Crop, FloatArray

MAX_NAME: Final = 1000  # what a gallery allows is for the gallery to say
_MAX_WORD: Final = 200


def person_line(number: int, person: ArchivedPerson) -> dict[str, Any]:
    """Return what stands on a line of people.jsonl."""
    consent = None if person.consent is None else dict(person.consent)
    return {"person": number, "name": person.name, "created_at": person.created_at, "consent": consent}


def read_person(value: object, number: int, wrong: Callable[[str], Exception]) -> ArchivedPerson:
    """Read it again; `wrong` turns what is wrong with it into the error to raise."""
    fields = Fields(value, wrong)
    fields.count("person", number, number)
    name, created_at = fields.text("name", MAX_NAME), fields.time("created_at")
    consent = fields.take("consent")
    fields.close()
    return ArchivedPerson(name, created_at, None if consent is None else _consent(consent, wrong))


def _consent(value: object, wrong: Callable[[str], Exception]) -> dict[str, str]:
    fields = Fields(value, lambda what: wrong(f"has a consent that {what}"))
    said = {name: fields.text(name, MAX_TEXT) for name in CONSENT if fields.has(name)}
    fields.close()
    return said


def template_line(template: ArchivedTemplate) -> dict[str, Any]:
    """Return what stands on a line of templates-n.jsonl."""
    return {
        "person": template.person,
        "quality": template.quality,
        "source": octets_value(template.source),
        "content_hash": template.content_hash,
        "box": template.box,
        "created_at": template.created_at,
        "is_negative": template.is_negative,
        "crop": template.crop,
    }


def read_template(
    value: object, vector: FloatArray, manifest: Manifest, wrong: Callable[[str], Exception]
) -> ArchivedTemplate:
    """Read it again; `vector` is the row that goes with it."""
    fields = Fields(value, wrong)
    template = ArchivedTemplate(
        vector=vector,
        person=fields.count("person", 1, manifest.people),
        quality=fields.number("quality", 0, 1),
        source=fields.octets("source", MAX_SOURCE_BYTES),
        content_hash=fields.text("content_hash", _MAX_WORD),
        box=_box(fields, wrong),
        created_at=fields.time("created_at"),
        is_negative=fields.truth("is_negative"),
        crop=fields.count_or_none("crop", 1, manifest.crops),
    )
    fields.close()
    return template


def _box(fields: Fields, wrong: Callable[[str], Exception]) -> tuple[float, float, float, float]:
    left, top, right, bottom = fields.numbers("box", 4, MAX_PIXEL)
    if not (np.float32(left) < np.float32(right) and np.float32(top) < np.float32(bottom)):  # as a gallery keeps them
        raise wrong("has a box that is empty")
    return left, top, right, bottom


def crop_line(number: int, sha256: str, crop: Crop) -> dict[str, Any]:
    """Return what stands on a line of crops.jsonl."""
    return {"crop": number, "sha256": sha256, "landmarks": crop.landmarks_xy.reshape(-1).tolist()}


def read_crop(value: object, number: int, wrong: Callable[[str], Exception]) -> tuple[str, FloatArray]:
    """Read SHA-256 and landmarks, of shape (5, 2), again."""
    fields = Fields(value, wrong)
    fields.count("crop", number, number)
    sha256 = fields.sha256("sha256")
    flat = fields.numbers("landmarks", 2 * LANDMARK_COUNT, MAX_PIXEL)
    fields.close()
    return sha256, np.array(flat, np.float32).reshape(LANDMARK_COUNT, 2)


def manifest_object(manifest: Manifest) -> dict[str, Any]:
    """Return what stands in manifest.json."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "facecli": manifest.facecli,
        "people": manifest.people,
        "templates": manifest.templates,
        "crops": manifest.crops,
        "parts": [
            {"model_id": part.model_id, "dimension": part.dimension, "templates": part.templates}
            for part in manifest.parts
        ],
        "sha256": dict(manifest.sha256),
    }


def read_manifest(value: object, path: str) -> Manifest:
    """Read it again. Members that it needs are in `sha256`, and no others but the history.

    Raises
    ------
    InputError
        With code ``archive_newer`` if a newer facecli wrote it, else ``bad_archive``.
    """

    def wrong(what: str) -> InputError:
        return bad_archive(path, f"its {MANIFEST} {what}")

    fields = Fields(value, wrong)
    if fields.take("format") != FORMAT:
        raise wrong(f"has a format that is not {FORMAT}")
    version = fields.count("version", 1)
    if version > VERSION:
        raise InputError(
            f"{path} is an archive of version {version}, and this facecli knows {VERSION} at most",
            hint="Update facecli; a newer version wrote this archive.",
            code="archive_newer",
        )
    facecli = fields.text("facecli", _MAX_WORD)
    people, templates, crops = fields.count("people"), fields.count("templates"), fields.count("crops", 0, MAX_MEMBERS)
    parts = tuple(_read_part(each, wrong) for each in fields.list("parts", MAX_MEMBERS))
    hashes = Fields(fields.take("sha256"), lambda what: wrong(f"has a sha256 that {what}"))
    names = [templates_name(number) for number in range(1, len(parts) + 1)]
    names += [vectors_name(number) for number in range(1, len(parts) + 1)]
    sha256 = {name: hashes.sha256(name) for name in (PEOPLE, CROPS, *names)}
    if hashes.has(HISTORY):
        sha256[HISTORY] = hashes.sha256(HISTORY)
    hashes.close()
    fields.close()
    if sum(part.templates for part in parts) != templates:
        raise wrong("has parts that do not hold as many templates as it says")
    if len({(part.model_id, part.dimension) for part in parts}) != len({part.model_id for part in parts}):
        raise wrong("has one model with vectors of two lengths")
    return Manifest(facecli, people, templates, crops, parts, sha256)


def _read_part(value: object, wrong: Callable[[str], Exception]) -> Part:
    fields = Fields(value, lambda what: wrong(f"has a part that {what}"))
    model_id, dimension = fields.text("model_id", _MAX_WORD), fields.count("dimension", 1, MAX_DIMENSION)
    part = Part(model_id, dimension, fields.count("templates", 1, part_rows(dimension)))
    fields.close()
    return part
