"""Let a gallery follow to another model: embed each face again from its crop or photo, and switch when all are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facecli.errors import GalleryCorruptError, GeometryError, UnreadableImageError
from facecli.gallery import reembedded
from facecli.gallery.edit import Edit
from facecli.gallery.reembedded import OpenFace
from facecli.gallery.rows import SAME_FACE_IOU
from facecli.gallery.store import Gallery
from facecli.geometry import iou
from facecli.media.images import decode_photo
from facecli.services.analysis import Analyser, Analysis, PhotoSource
from facecli.services.stages import Embedder
from facecli.types import AlignedFace, Crop, Detection, Embedding, Face

# Faces committed together: what a kill can cost, beside some milliseconds for each commit.
BATCH_SIZE: Final = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do.

    Attributes
    ----------
    made : int
        Faces embedded by an earlier call that was cut short.
    with_crop : int
        Faces to embed from their crop.
    with_photo : int
        Faces without one, whose photo is where it was.
    without : int
        Faces that have neither.
    """

    made: int
    with_crop: int
    with_photo: int
    without: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A face that the model could not be given."""

    template_id: int
    name: str
    source: str
    reason: str


class Reembedding:
    """Embeds a gallery's faces by another model.

    Parameters
    ----------
    gallery : Gallery
    embedder : Embedder
        The other model.
    make_analyser : callable
        Makes an analyser with that embedder, once a face has no crop that serves.

    Attributes
    ----------
    left_out : dict of int to LeftOut
        By template_id.
    from_photos : int
        Faces that were embedded from their photo so far.
    """

    def __init__(self, gallery: Gallery, embedder: Embedder, make_analyser: Callable[[], Analyser]) -> None:
        self._gallery = gallery
        self._embedder = embedder
        self._make_analyser = make_analyser
        self._analyser: Analyser | None = None
        self.left_out: dict[int, LeftOut] = {}
        self.from_photos = 0

    def faces(self) -> list[OpenFace]:
        """Return the faces that are still to be embedded."""
        _, to_make = reembedded.open_faces(self._gallery, self._embedder.model_id)
        return [face for face in to_make if face.template_id not in self.left_out]

    def embed(self) -> Iterator[int]:
        """Embed all faces, batch by batch, and yield how many each held once it is on the disk.

        Whoever stops here, or is stopped, goes on from there the next time.
        """
        faces = self.faces()
        for start in range(0, len(faces), BATCH_SIZE):
            batch = faces[start : start + BATCH_SIZE]
            vectors, reasons = self._from_crops([face for face in batch if face.has_crop])
            rest = [face for face in batch if face.template_id not in vectors]
            found, new_crops = self._from_photos(rest, reasons)
            reembedded.keep(self._gallery, {**vectors, **found}, new_crops)
            yield len(batch)

    def switch(self) -> Edit:
        """Make templates of all of it in one event; what was enrolled meanwhile is embedded before."""
        while True:
            done = reembedded.switch(self._gallery, self._embedder.model_id, self.left_out)
            if isinstance(done, Edit):
                return done
            for _ in self.embed():
                pass

    def _from_crops(self, faces: Sequence[OpenFace]) -> tuple[dict[int, Embedding], dict[int, str]]:
        """Return vectors, and why there is none, by template_id."""
        aligned: dict[int, AlignedFace] = {}
        reasons: dict[int, str] = {}
        for face in faces:
            try:
                crops = self._gallery.crops([face.template_id])
                if face.template_id in crops:
                    aligned[face.template_id] = self._aligned(crops[face.template_id])
            except (GalleryCorruptError, UnreadableImageError, GeometryError):
                reasons[face.template_id] = "its crop is damaged"
        embeddings = self._embedder.embed(list(aligned.values()))
        vectors = {each: made for each, made in zip(aligned, embeddings, strict=True) if made is not None}
        reasons |= dict.fromkeys(aligned.keys() - vectors.keys(), "the model gave no vector for its crop")
        return vectors, reasons

    def _aligned(self, crop: Crop) -> AlignedFace:
        photo = decode_photo(crop.image, "a crop")
        whole = np.array([0, 0, photo.full_width, photo.full_height], np.float32)
        return self._embedder.align(photo, Detection(whole, crop.landmarks_xy, 1.0))

    def _from_photos(
        self, faces: Sequence[OpenFace], reasons: dict[int, str]
    ) -> tuple[dict[int, Embedding], dict[int, Crop]]:
        """Return vectors and crops by template_id; the rest is left out."""
        vectors: dict[int, Embedding] = {}
        crops: dict[int, Crop] = {}
        sources = reembedded.sources(self._gallery, [face.template_id for face in faces])
        faces = [face for face in faces if face.template_id in sources]  # others were removed meanwhile
        if not faces:
            return vectors, crops
        names = {person.person_id: person.name for person in self._gallery.people()}
        if self._analyser is None:
            self._analyser = self._make_analyser()
        paths = [PhotoSource(sources[face.template_id]) for face in faces]
        for face, analysis in zip(faces, self._analyser.analyse(paths), strict=True):
            found = _found(face, analysis)
            if isinstance(found, str):
                why = "; ".join(filter(None, [reasons.get(face.template_id, "it has no crop"), found]))
                self.left_out[face.template_id] = LeftOut(
                    face.template_id, names.get(face.person_id, ""), analysis.source.path, why
                )
                continue
            vectors[face.template_id] = found[1]
            crop = analysis.crop_of(found[0])
            if crop is not None:
                crops[face.template_id] = crop
        self.from_photos += len(vectors)
        return vectors, crops


def plan(gallery: Gallery, model_id: str) -> Plan:
    """Say what there is to do for a gallery to follow to a model."""
    made, to_make = reembedded.open_faces(gallery, model_id)
    bare = reembedded.sources(gallery, [face.template_id for face in to_make if not face.has_crop])
    photos = sum(Path(source).is_file() for source in bare.values())
    return Plan(len(made), len(to_make) - len(bare), photos, len(bare) - photos)


def _found(face: OpenFace, analysis: Analysis) -> tuple[Face, Embedding] | str:
    """Return a template's face in its photo, or why it cannot be had."""
    if analysis.error is not None:
        return f"its photo cannot be used: {analysis.error.message}"
    if analysis.content_hash != face.content_hash:
        return "its photo is another one now"
    if not analysis.faces:
        return "no face is found in its photo any more"
    overlaps = [float(iou(face.box_xyxy[None], each.detection.box_xyxy[None])[0, 0]) for each in analysis.faces]
    best = int(np.argmax(overlaps))
    found = analysis.faces[best]
    if overlaps[best] < SAME_FACE_IOU or found.embedding is None:
        return "the face is not found in its photo any more"
    return found, found.embedding
