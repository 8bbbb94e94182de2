"""Damage a gallery file at random, and hold every answer that it still gives against what was enrolled."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from facecli.errors import FacecliError, GalleryCorruptError
from facecli.gallery import index_care
from facecli.gallery.approximate_file import approximate_path
from facecli.gallery.records import NewTemplate
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.gallery.template_file import template_path
from facecli.types import Embedding

PAGE = 4096
DIMENSION = 128


def numbered(number: int) -> NewTemplate:
    """Return template `number`: a random unit vector that is the same in every process."""
    vector = np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32)
    box = np.array((10, 20, 110, 140), np.float32)
    vector /= np.linalg.norm(vector)
    return NewTemplate(Embedding(vector, "sface"), 0.75, f"{number}.jpg", f"hash of {number}.jpg", box)


def make_sound(path: Path, people: int = 12, each: int = 3) -> None:
    """Enrol some people, and do to them what leaves something in every table of the log."""
    with Gallery.open(path, create=True) as gallery:
        for person in range(people):
            numbers = range(person * each, person * each + each)
            gallery.add_templates(f"person {person}", [numbered(n) for n in numbers])
        gallery.rename_person("person 1", "Zoë Müller")
        gallery.remove_person("person 2")
        with gallery.edit("people merge") as edit:
            edit.merge(edit.person("person 3").person_id, edit.person("person 4").person_id)
        with gallery.edit("people consent") as edit:
            edit.set_consent(edit.person("person 5").person_id, '{"basis": "asked"}')
        with gallery.edit("people undo") as edit:
            edit.undo(people + 1)
        gallery.purge_person("person 6")


def _matrix(gallery: Gallery) -> Any:
    matrix = gallery.matrix("sface")
    return matrix.vectors.tobytes(), matrix.template_ids.tolist(), matrix.person_ids.tolist(), dict(matrix.names)


def _templates(gallery: Gallery, person_id: int | None = None) -> Any:
    return [
        (
            *(found.template_id, found.person_id, found.embedding.vector.tobytes(), found.embedding.model_id),
            *(found.quality, found.source, found.content_hash, found.box_xyxy.tolist(), found.created_at),
        )
        for found in gallery.templates(person_id)
    ]


QUESTIONS: dict[str, Callable[[Gallery], Any]] = {
    "people": lambda gallery: gallery.people(),
    "one person": lambda gallery: gallery.find_person("person 7"),
    "nobody": lambda gallery: gallery.find_person("person 2"),
    "consent": lambda gallery: gallery.consent("person 5"),
    "templates": _templates,
    "one's templates": lambda gallery: _templates(gallery, 8),
    "matrix": _matrix,
    "events": lambda gallery: gallery.events(),
    "owners": lambda gallery: gallery.photo_owners("hash of 30.jpg", numbered(30).box_xyxy),
    "search": lambda gallery: GallerySearch(gallery).candidates([numbered(4).embedding], 5),
    "check": lambda gallery: gallery.info(check=True).problems,
}


# Looked up in one index, which may hide what it should lead to: then nobody is named, and a check names the damage.
MAY_MISS = frozenset({"owners", "one person"})


def answers(path: Path) -> dict[str, Any]:
    """Return what a gallery answers; an error of facecli where it refuses."""
    try:
        with Gallery.open(path) as gallery:
            return {question: _answer(ask, gallery) for question, ask in QUESTIONS.items()}
    except FacecliError as error:
        return dict.fromkeys(QUESTIONS, error)


def _answer(ask: Callable[[Gallery], Any], gallery: Gallery) -> Any:
    try:
        return ask(gallery)
    except FacecliError as error:
        return error


def flip_bit(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def change_bytes(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 20)):
        data[chance.randrange(len(data))] = chance.randrange(256)


def blank_page(data: bytearray, chance: random.Random) -> None:
    page = chance.randrange(len(data) // PAGE)
    data[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)


def lose_sector(data: bytearray, chance: random.Random) -> None:
    sector = chance.randrange(len(data) // 512)
    data[sector * 512 : (sector + 1) * 512] = chance.randbytes(512)


def misplace_page(data: bytearray, chance: random.Random) -> None:
    one, other = chance.randrange(len(data) // PAGE), chance.randrange(len(data) // PAGE)
    data[one * PAGE : (one + 1) * PAGE] = data[other * PAGE : (other + 1) * PAGE]


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


DAMAGES = (flip_bit, change_bytes, blank_page, lose_sector, misplace_page, cut)


def round_of_damage(sound: bytes, expected: dict[str, Any], folder: Path, chance: random.Random) -> Counter[str]:
    """Damage a gallery once.

    Returns
    -------
    Counter
        Of what became of the questions: "same", "refused", and what must never be: "wrong ...".
    """
    damage = chance.choice(DAMAGES)
    data = bytearray(sound)
    damage(data, chance)
    counts = Counter({f"{damage.__name__}: rounds": 1})
    if data == sound:
        return counts + Counter(unchanged=1)
    path = folder / "damaged.db"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(data)
    found = answers(path)
    is_named = isinstance(found["check"], FacecliError) or found["check"] != ()
    counts[f"{damage.__name__}: named by check"] = int(is_named)
    for question, answer in found.items():
        if question == "check":
            continue
        if isinstance(answer, FacecliError):
            counts["refused"] += 1
        elif answer == expected[question] or (question in MAY_MISS and not answer and is_named):
            counts["same"] += 1
        else:
            counts[f"wrong {question}{'' if is_named else ', unnamed'}"] += 1
    return counts


def flip_in(data: bytes, parts: list[bytes], chance: random.Random) -> bytes:
    """Flip one bit in one of the places where one of some byte strings lies."""
    part = chance.choice(parts)
    places = [place for place in range(len(data)) if data.startswith(part, place)] if len(part) < 64 else []
    place = chance.choice(places) if places else data.index(part)
    changed = bytearray(data)
    changed[place + chance.randrange(len(part))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def change_owner(path: Path, chance: random.Random) -> None:
    """Make a template another person's in the file, as no command would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        owned = connection.execute(
            "SELECT template_id, person_id FROM templates WHERE person_id IS NOT NULL"
        ).fetchall()
        template_id, owner = chance.choice(owned)
        others = [row[0] for row in connection.execute("SELECT person_id FROM people WHERE person_id <> ?", (owner,))]
        connection.execute(
            "UPDATE templates SET person_id = ? WHERE template_id = ?", (chance.choice(others), template_id)
        )


def is_found(path: Path) -> bool:
    """Whether a full check names damage."""
    try:
        with Gallery.open(path) as gallery:
            return gallery.info(check=True).problems != ()
    except GalleryCorruptError:
        return True


def make_large(path: Path, people: int) -> None:
    """Enrol people of two templates each, and make the search files."""
    with Gallery.open(path, create=True) as gallery:
        for person in range(people):
            numbers = (2 * person, 2 * person + 1)
            gallery.add_templates(f"person {person}", [numbered(n) for n in numbers])
        index_care.build(gallery, "sface")


def search_files(gallery: Gallery) -> dict[Path, bytes]:
    """Return the search files beside a gallery, as they are."""
    paths = template_path(gallery.path, "sface"), approximate_path(gallery.path, "sface")
    return {path: path.read_bytes() for path in paths}


def damage_search_file(files: dict[Path, bytes], spoilt: Path, chance: random.Random) -> None:
    """Damage one of the search files, and make the other one whole."""
    for path, data in files.items():
        changed = bytearray(data)
        if path == spoilt:
            chance.choice(DAMAGES)(changed, chance)
        path.unlink(missing_ok=True)  # what is mapped stays as it is
        path.write_bytes(changed)


def searched(gallery: Gallery, probes: Any) -> Any:
    """Return the nearest people of some random probes, as a process that has just begun finds them."""
    embeddings = [Embedding((probe / np.linalg.norm(probe)).astype(np.float32), "sface") for probe in probes]
    return GallerySearch(gallery).candidates(embeddings, 5)
