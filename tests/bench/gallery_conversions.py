"""What `gallery_kills.py` kills that makes another of a whole gallery: an import, a reembedding, an encryption.

Each has `work`, which a process does until it is killed, and is made once in a folder with the gallery to begin with;
`faults` says what is wrong with what is left, and does it once more, without being killed.
"""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from damage import numbered
from PIL import Image

from facecli.archive.reader import ArchiveReader
from facecli.errors import FacecliError, GalleryError
from facecli.gallery import reembedded, sealing
from facecli.gallery.consent import Consent
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.gallery.vault import Lock
from facecli.services import reembedding
from facecli.services.analysis import Analyser
from facecli.services.gallery_export import export_gallery
from facecli.services.gallery_import import Content, import_content
from facecli.types import AlignedFace, Crop, Detection, Embedding, Photo

Report = Callable[[str], None]

ARCHIVE = "people.zip"
EACH = 10
"""Templates of a person."""
CROP_PX = 24
KEYS = (bytes(range(32)), bytes(range(1, 33)))


def photo(number: int) -> NewTemplate:
    """Return template `number` with a crop, and a source that is nowhere else."""
    pixels = np.random.default_rng(number).integers(0, 256, (CROP_PX, CROP_PX, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    landmarks = np.array([[8, 8], [16, 8], [12, 12], [9, 17], [15, 17]], np.float32)
    return replace(numbered(number), source=f"album {number}/photo.jpg", crop=Crop(stream.getvalue(), landmarks))


def enrol_people(gallery: Gallery, people: Sequence[int]) -> None:
    """Enrol people, whose numbers say who they are, and do to them what leaves something in the log."""
    for person in people:
        name = f"Number {person} of all"
        gallery.add_templates(name, [photo(person * EACH + each) for each in range(EACH)])
        with gallery.edit("people consent") as edit:
            edit.set_consent(edit.person(name).person_id, Consent(note=f"asked number {person}").text)
    gallery.add_templates(name, [photo(people[0] * EACH)], is_negative=True)
    gallery.rename_person(name, f"Renamed {person} of all")
    gallery.add_templates("Merged person", [photo(10**6 + people[0])])
    with gallery.edit("people merge") as edit:
        edit.merge(edit.person("Merged person").person_id, edit.person(f"Renamed {person} of all").person_id)


def content(gallery: Gallery) -> list[Any]:
    """Return all that a gallery says of whom, but for when."""
    names = {person.person_id: person.name for person in gallery.people()}
    templates = [each for is_negative in (False, True) for each in gallery.templates(is_negative=is_negative)]
    crops = gallery.crops([each.template_id for each in templates])
    return [
        sorted((name, gallery.consent(name)) for name in names.values()),
        sorted(
            (
                *(names[each.person_id], each.embedding.model_id, each.embedding.vector.tobytes(), each.source),
                *(each.content_hash, crops[each.template_id].image if each.template_id in crops else b""),
            )
            for each in templates
        ),
        [event.command for event in gallery.events()],
    ]


def content_of(path: Path) -> list[Any]:
    with Gallery.open(path) as gallery:
        return content(gallery)


class Import:
    """A gallery of 6 people takes 300 templates of 30 from an archive, some of the 6 among them."""

    most_s = 0.45

    def __init__(self, folder: Path) -> None:
        self.start = folder / "start of import.db"
        with Gallery.open(":memory:") as other, (folder / ARCHIVE).open("wb") as stream:
            enrol_people(other, range(3, 33))
            export_gallery(other, stream)
        with Gallery.open(self.start, create=True) as gallery:
            enrol_people(gallery, range(6))
        done = folder / "imported.db"
        done.write_bytes(self.start.read_bytes())
        self.work(done, random.Random(0), lambda _: None)
        self._held = [content_of(self.start), content_of(done)]

    @staticmethod
    def work(path: Path, chance: random.Random, report: Report) -> None:
        archive = path.with_name(ARCHIVE)
        with ArchiveReader(archive) as reader, Gallery.open(path, keep_backups=chance.choice((0, 2))) as gallery:
            read = Content(str(archive), reader.manifest.models, reader.people(), reader.templates(), reader.crop)
            import_content(gallery, read)
            report("imported")

    def faults(self, path: Path, reported: list[str]) -> list[str]:
        found = [] if content_of(path) in self._held[len(reported) :] else ["an import is there by half, or is lost"]
        self.work(path, random.Random(0), lambda _: None)
        return found if content_of(path) == self._held[-1] else [*found, "another import does not end as the first"]


class OtherEmbedder:
    """Another model: a vector that depends on every pixel."""

    model_id = "other"
    side_px = CROP_PX

    def align(self, photo: Photo, detection: Detection) -> AlignedFace:
        return AlignedFace(photo.pixels, np.eye(2, 3, dtype=np.float32), detection)

    def embed(self, faces: Sequence[AlignedFace]) -> list[Embedding | None]:
        made = (np.random.default_rng(zlib.crc32(face.pixels.tobytes())).standard_normal(128) for face in faces)
        return [Embedding((each / np.linalg.norm(each)).astype(np.float32), self.model_id) for each in made]


def no_analyser() -> Analyser:
    raise FacecliError("a crop did not serve")


class Reembed:
    """A gallery of 200 templates follows to another model from its crops, and drops the old one's."""

    most_s = 0.5

    def __init__(self, folder: Path) -> None:
        self.start = folder / "start of reembed.db"
        with Gallery.open(self.start, create=True) as gallery:
            enrol_people(gallery, range(20))
        done = folder / "reembedded.db"
        done.write_bytes(self.start.read_bytes())
        self._held = {"": content_of(self.start)}
        self.work(done, random.Random(0), lambda text: self._held.update({text: content_of(done)}))
        self._held = {text: held for text, held in self._held.items() if not text.startswith("kept")}

    @staticmethod
    def work(path: Path, chance: random.Random, report: Report) -> None:
        with Gallery.open(path, keep_backups=chance.choice((0, 2))) as gallery:
            work = reembedding.Reembedding(gallery, OtherEmbedder(), no_analyser)
            for count in work.embed():
                report(f"kept {count}")
            work.switch()
            report("switched")
            reembedded.drop_replaced(gallery, OtherEmbedder.model_id)
            report("dropped")

    def faults(self, path: Path, reported: list[str]) -> list[str]:
        found = []
        done = [each for each in reported if not each.startswith("kept")]
        kept = sum(int(each.split()[1]) for each in reported if each.startswith("kept"))
        held = list(self._held.values())
        left = content_of(path)
        if left not in held[len(done) :]:
            found.append("templates of a model are there by half, or are lost")
        with Gallery.open(path) as gallery:
            if left == held[0] and reembedding.plan(gallery, OtherEmbedder.model_id).made < kept:
                found.append("vectors that were reported kept are not")
        self.work(path, random.Random(0), lambda _: None)
        if content_of(path) != held[-1]:
            found.append("what is gone on with does not end as what was never killed")
        return found


def just(key: bytes, _: Lock) -> bytes:
    return key


class Encrypt:
    """A gallery of 80 templates is encrypted, given another key, decrypted, and so on."""

    most_s = 0.6

    def __init__(self, folder: Path) -> None:
        self.start = folder / "start of encrypt.db"
        with Gallery.open(self.start, create=True) as gallery:
            enrol_people(gallery, range(8))
            self._held = content(gallery)
            self._clear = {b" of all", b"Merged person", b"asked number", b"album "}
            self._clear |= {each.embedding.vector.tobytes() for each in gallery.templates()}
            crops = gallery.crops([each.template_id for each in gallery.templates()])
            self._clear |= {crop.image[-200:] for crop in crops.values()}

    @staticmethod
    def work(path: Path, chance: random.Random, report: Report) -> None:
        with Gallery.open(path) as gallery:
            # So that all that is in the clear is left for the writing anew, as some always may be.
            gallery._connection.execute("PRAGMA secure_delete = OFF")
            while True:
                sealing.encrypt(gallery, "key_file", KEYS[0])
                report("encrypted")
                sealing.rekey(gallery, "key_file", KEYS[1])
                report("rekeyed")
                sealing.decrypt(gallery)
                report("decrypted")

    def faults(self, path: Path, reported: list[str]) -> list[str]:
        found: list[str] = []
        for number, key in enumerate(KEYS):
            with suppress(GalleryError), Gallery.open(path, ask_secret=partial(just, key)) as gallery:
                state = number + 1 if gallery.is_encrypted else 0
                found += gallery.info(check=True).problems or ()
                if content(gallery) != self._held:
                    found.append("the gallery is not what it was")
                if not state:
                    sealing.encrypt(gallery, "key_file", KEYS[0])
                break
        else:
            return ["no key opens the gallery"]
        if (state - len(reported)) % 3 not in (0, 1):
            found.append(f"reported was {reported[-1:]}, and the gallery is in state {state}")
        left = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*") if each.is_file())
        clear = [each for each in self._clear if each in left]
        if clear:
            found.append(f"in the clear, in state {state} after {reported[-1:]}: {len(clear)} of {clear[0][:20]!r}")
        return found


CONVERSIONS: dict[str, type[Import] | type[Reembed] | type[Encrypt]] = {
    "import": Import,
    "reembed": Reembed,
    "encrypt": Encrypt,
}
