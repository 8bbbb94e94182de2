"""Every photo through facecli's own pipeline, once; what comes out is kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from photosets import PhotoSet

from facecli.app import App
from facecli.runtime.manifest import shipped_models
from facecli.services.analysis import Analysis, PhotoSource
from facecli.services.stages import Detector
from facecli.settings import Settings
from facecli.types import Detection, Photo

DETECTOR = "centerface"

Precision = Literal["f32", "bf16"]


@dataclass(frozen=True)
class Run:
    """A way to embed."""

    embedder: str
    mirror: bool = True

    def __str__(self) -> str:
        return self.embedder + ("" if self.mirror else "-without-mirror")


EMBEDDERS = ("sface", "mobilefacenet", "dlib-resnet")
SHIPPED_RUNS = tuple(map(Run, EMBEDDERS))
ALL_RUNS = (*SHIPPED_RUNS, Run("sface", mirror=False))


@dataclass(frozen=True)
class Faces:
    """One vector a photo.

    Attributes
    ----------
    vectors : ndarray of shape (photos, D), float32
        Of unit length, nothing subtracted; zeros where no face was found.
    found : ndarray of shape (photos,), bool
    """

    vectors: NDArray[np.float32]
    found: NDArray[np.bool_]


class RememberingDetector:
    """Finds the faces of a photo once, whatever number of embedders ask."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._found: dict[str, list[Detection]] = {}
        self.size = detector.size

    def detect(self, photos: Sequence[Photo]) -> list[list[Detection]]:
        """Find the faces of each photo."""
        new = [photo for photo in photos if photo.source not in self._found]
        if new:
            self._found |= dict(zip((photo.source for photo in new), self._detector.detect(new), strict=True))
        return [self._found[photo.source] for photo in photos]


def embed_sets(
    sets: Sequence[PhotoSet], runs: Sequence[Run], cache: Path | None, precision: Precision = "f32"
) -> dict[tuple[Run, str], Faces]:
    """Embed every photo of every set in every way, or take what a folder keeps of the same weights."""
    detector: RememberingDetector | None = None
    result = {}
    for run in runs:
        app = App(Settings(embedder=run.embedder, detector=DETECTOR, mirror=run.mirror, precision=precision))
        # The centre is what is to be found: it is not taken away here.
        manifest = replace(shipped_models()[run.embedder], centre=())
        app.embedder_manifest = manifest
        facts = app.analysis_facts
        for photos in sets:
            kept = cache / f"{run}-{photos.name}.npz" if cache else None
            key = np.array([*facts.values(), *photos.photos])
            faces = _read(kept, key) if kept else None
            if faces is None:
                detector = app.detector = detector or RememberingDetector(app.detector)
                started = time.perf_counter()
                faces = _embedded(app, photos, manifest.dimension or 0)
                print(f"{run}, {photos.name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
                if kept:
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    np.savez(kept, key=key, vectors=faces.vectors, found=faces.found)
            result[run, photos.name] = faces
    return result


def _read(path: Path, key: NDArray[np.str_]) -> Faces | None:
    if not path.is_file():
        return None
    with np.load(path) as kept:
        return Faces(kept["vectors"], kept["found"]) if np.array_equal(kept["key"], key) else None


def _embedded(app: App, photos: PhotoSet, dimension: int) -> Faces:
    sources = (PhotoSource(str(photos.folder / photo)) for photo in photos.photos)
    vectors = [central_vector(each) for each in app.analyser().analyse(sources)]
    nothing = np.zeros(dimension, np.float32)
    return Faces(
        np.stack([nothing if vector is None else vector for vector in vectors]),
        np.array([vector is not None for vector in vectors]),
    )


def central_vector(analysis: Analysis) -> NDArray[np.float32] | None:
    """Return the vector of the face whose middle is nearest to the photo's."""
    if not analysis.faces:
        return None
    middle = np.array([analysis.width, analysis.height], np.float32) / 2

    def distance(box_xyxy: NDArray[np.float32]) -> float:
        return float(np.linalg.norm((box_xyxy[:2] + box_xyxy[2:]) / 2 - middle))

    face = min(analysis.faces, key=lambda each: distance(each.detection.box_xyxy))
    return None if face.embedding is None else face.embedding.vector
