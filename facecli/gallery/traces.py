"""What a gallery file holds of a person: all that has to be gone after a purge."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from facecli.gallery import history, person_rows, rows
from facecli.gallery.codec import codec_of
from facecli.types import FloatArray

# In one event somebody went, and their templates became another's or the log names into whom they were merged.
_MERGED: Final = """
    SELECT DISTINCT gone.subject_id FROM changes AS other
    JOIN changes AS gone ON gone.event_id = other.event_id
    WHERE (
        (other.subject = 'owner' AND other.after = ?1 AND other.before = gone.subject_id)
        OR (other.subject = 'name' AND other.subject_id = ?1 AND other.before NOT NULL AND other.after NOT NULL)
    )
    AND gone.subject = 'name' AND gone.after IS NULL AND gone.before IS NOT NULL
    AND gone.event_id = (
        SELECT max(event_id) FROM changes WHERE subject = 'name' AND subject_id = gone.subject_id
    )
    AND NOT EXISTS (SELECT 1 FROM people WHERE person_id = gone.subject_id)
"""
_TEMPLATE: Final = """
    SELECT model_id, is_negative, vector, source, content_hash, templates.sealed_for, crop_id, image, crops.sealed_for
    FROM templates LEFT JOIN crops USING (crop_id) WHERE template_id = ?
"""


@dataclass(frozen=True, slots=True)
class Traces:
    """What is kept of people.

    Attributes
    ----------
    person_ids : tuple of int
        Who is meant: several people had the name, or were merged into whoever has it.
    template_ids : tuple of int
        Theirs, and those that were when they were removed.
    names : tuple of str
        Ever used, as far as the log tells.
    vectors : dict of str to ndarray of shape (n, D), float32
        By model; all of them.
    faces : dict of str to ndarray of shape (n, D), float32
        Those that say who the people are, and not who they are not.
    crops : tuple of bytes
        JPEG files.
    sources : tuple of bytes
        Paths of photos.
    content_hashes : tuple of str
        SHA-256 (hex) of photos.
    consents : tuple of str
        What was ever noted of it.
    ciphers : tuple of bytes
        Of an encrypted gallery: the people's keys, by what their names are found, and all of the above as the file
        holds it.
    """

    person_ids: tuple[int, ...]
    template_ids: tuple[int, ...]
    names: tuple[str, ...]
    vectors: Mapping[str, FloatArray]
    faces: Mapping[str, FloatArray]
    crops: tuple[bytes, ...]
    sources: tuple[bytes, ...]
    content_hashes: tuple[str, ...]
    consents: tuple[str, ...]
    ciphers: tuple[bytes, ...] = ()


def people_meant(connection: sqlite3.Connection, path: str, name: str) -> list[int]:
    """Return everybody of a normalised name who is to be purged with it, by person_id.

    Whoever has the name now, or had it when removed; and whoever was merged into one of them, as they are the same.

    Raises
    ------
    UnknownPersonError
        If nobody has or had this name; the hint names who may be meant.
    """
    called = history.people_called(connection, name)
    meant = [each for each in called if rows.value(connection, "name", each) in (None, name)]
    meant = meant or [person_rows.get_person(connection, path, name).person_id]
    for person_id in meant:  # grows
        merged = (row[0] for row in connection.execute(_MERGED, (person_id,)))
        meant += sorted(set(merged) - set(meant))
    return meant


def traces(connection: sqlite3.Connection, person_ids: Iterable[int], also: Iterable[int] = ()) -> Traces:
    """Return what a gallery holds of people.

    Parameters
    ----------
    connection : sqlite3.Connection
    person_ids : iterable of int
    also : iterable of int
        Further templates.
    """
    ids, codec = tuple(person_ids), codec_of(connection)
    template_ids = list(also)
    ciphers: list[bytes] = []
    texts: dict[str, dict[str, None]] = {"name": {}, "consent": {}}
    for person_id in ids:
        template_ids += rows.template_ids(connection, person_id)
        template_ids += history.templates_left_by(connection, person_id)
        ciphers += [
            row[0] for row in connection.execute("SELECT wrapped FROM person_keys WHERE person_id = ?", (person_id,))
        ]
        for subject, *change in connection.execute(
            "SELECT subject, before, after FROM changes WHERE subject <> 'owner' AND subject_id = ?", (person_id,)
        ):
            for stored in change:
                if stored is not None:
                    texts[subject][codec.text_out(person_id, stored, subject)] = None
                    ciphers += [] if codec.is_plain else [stored.encode()]
    ciphers += [found for name in texts["name"] if (found := codec.lookup(name)) is not None]
    vectors: dict[tuple[str, int], list[bytes]] = {}
    crops: dict[int, bytes] = {}
    sources: dict[bytes, None] = {}
    hashes: dict[str, None] = {}
    for template_id in dict.fromkeys(template_ids):
        model_id, is_negative, vector, source, content_hash, key, crop_id, image, crop_key = connection.execute(
            _TEMPLATE, (template_id,)
        ).fetchone()
        if key is not None:
            ciphers.append(source)
        others = connection.execute("SELECT model_id, vector FROM reembedded WHERE template_id = ?", (template_id,))
        for other_id, stored in [(model_id, vector), *others]:
            vectors.setdefault((other_id, is_negative), []).append(codec.bytes_out(key or 0, stored, "vector"))
            ciphers += [] if key is None else [stored]
        sources[codec.bytes_out(key or 0, source, "source")] = hashes[content_hash] = None
        if crop_id is not None:
            ciphers += [] if crop_key is None else [image]
            crops[crop_id] = codec.bytes_out(crop_key or 0, image, "crop")
    return Traces(
        person_ids=ids,
        template_ids=tuple(dict.fromkeys(template_ids)),
        names=tuple(texts["name"]),
        vectors=_stacked(vectors, (0, 1)),
        faces=_stacked(vectors, (0,)),
        crops=tuple(crops.values()),
        sources=tuple(sources),
        content_hashes=tuple(hashes),
        consents=tuple(texts["consent"]),
        ciphers=tuple(dict.fromkeys(ciphers)),
    )


def _stacked(vectors: Mapping[tuple[str, int], list[bytes]], signs: Iterable[int]) -> dict[str, FloatArray]:
    """Return the vectors of each model that are of these signs."""
    by_model: dict[str, list[bytes]] = {}
    for (model_id, sign), found in vectors.items():
        if sign in signs:
            by_model.setdefault(model_id, []).extend(found)
    return {
        model_id: np.stack([np.frombuffer(each, rows.VECTOR_DTYPE) for each in found])
        for model_id, found in by_model.items()
    }
