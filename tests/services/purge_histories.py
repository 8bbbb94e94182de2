"""Galleries with random histories, purged of one person after another, and searched without facecli's own search."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import numpy as np

from facecli.errors import FacecliError, UnknownPersonError
from facecli.gallery.records import NewTemplate
from facecli.gallery.sealing import encrypt
from facecli.gallery.store import Gallery
from facecli.services.purging.purge import Places, purge
from facecli.types import Embedding

NAMES = ("Theodora", "Zoë Ångström", "Theodora Quill", "李小龙小龙", "Percival", "Wilhelmina", "Xanthippe")


KEY = bytes(range(32))


def checked_history(folder: Path, seed: int, *, events: int = 40, dimension: int = 128, encrypted: bool = False) -> int:
    """Make a gallery, purge it of everybody in turn, and return how many receipts were checked.

    Of an encrypted one it is the ciphers that must be gone; names in the clear were never there.

    Raises
    ------
    AssertionError
        If the raw bytes of any file hold what a receipt says is gone, or the gallery is not sound.
    """
    draw = random.Random(seed)
    path = folder / f"gallery {seed}.db"
    places = Places(lambda: Gallery.open(path, ask_secret=lambda _: KEY), folder / "state", folder / "cache")
    taken = 0
    with Gallery.open(path, create=True) as gallery:
        if encrypted:
            encrypt(gallery, "key_file", KEY)
        for _ in range(events):
            taken = _change(gallery, draw, taken, dimension)
    receipts = 0
    for name in draw.sample(NAMES, len(NAMES)):
        with places.open_gallery() as gallery:
            rows = {number: bytes(row) for number, row in _rows(gallery)}
        try:
            receipt = purge(name, places, lambda model_id, rate: 2.0)  # nothing resembles anything
        except UnknownPersonError:
            continue
        receipts += 1
        assert receipt.found == 0, receipt
        with places.open_gallery() as gallery:
            assert gallery.info(check=True).problems == ()
            kept = {number for number, _ in _rows(gallery)}
            alive = {row for _, row in _rows(gallery)}
            texts = [person.name for person in gallery.people()]
            texts += [
                str(text) for event in gallery.events() for each in event.changes for text in (each.before, each.after)
            ]
        gone = [row for number, row in rows.items() if number not in kept and row not in alive]
        assert len(rows) - len(kept) == receipt.plan.templates
        held = b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())
        for row in gone:
            assert not any(row[start : start + 16] in held for start in range(0, len(row), 16))
        if encrypted or not any(name in text for text in texts):
            assert name.encode() not in held, name
    return receipts


def _rows(gallery: Gallery) -> list[tuple[int, bytes]]:
    return gallery._connection.execute("SELECT template_id, vector FROM templates").fetchall()


def _change(gallery: Gallery, draw: random.Random, taken: int, dimension: int) -> int:
    """Do anything to a gallery; what it refuses changes nothing. Returns how many templates were made."""
    name, other = draw.sample(NAMES, 2)
    kind = draw.choice(["enrol"] * 5 + ["rename", "remove", "merge", "move", "take", "consent", "undo", "undo"])
    try:
        if kind == "enrol":
            count = draw.randrange(1, 30)
            gallery.add_templates(name, [_photo(taken + number, dimension) for number in range(count)])
            return taken + count
        if kind == "rename":
            gallery.rename_person(name, other)
        elif kind == "remove":
            gallery.remove_person(name)
        elif kind == "undo":
            events = gallery.events()
            with gallery.edit("people undo") as edit:
                edit.undo(draw.choice(events[-4:]).event_id if events else 1)
        else:
            with gallery.edit(f"people {kind}") as edit:
                person = edit.person(name).person_id
                owned = [each.template_id for each in gallery.templates(person)]
                if kind == "merge":
                    edit.merge(person, edit.person(other).person_id)
                elif kind == "consent":
                    edit.set_consent(person, f'{{"note": "form {draw.random()}"}}')
                elif owned:
                    some = draw.sample(owned, min(3, len(owned)))
                    edit.give(some, edit.person(other).person_id if kind == "move" else None)
    except FacecliError:
        pass
    return taken


def _photo(number: int, dimension: int) -> NewTemplate:
    vector = np.random.default_rng(number).standard_normal(dimension).astype(np.float32)
    embedding = Embedding(vector / np.linalg.norm(vector), "m")
    box = np.array((10, 20, 110, 140), np.float32)
    return NewTemplate(embedding, 0.5, f"/photos/{number:06d}.jpg", hashlib.sha256(b"%d" % number).hexdigest(), box)
