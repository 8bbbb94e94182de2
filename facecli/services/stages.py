"""What the use cases need of the stages; `facecli.app` decides which ones these are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from facecli.detect.letterbox import DetectionSize
from facecli.types import AlignedFace, Detection, Embedding, Photo


class Detector(Protocol):
    """Finds faces and landmarks."""

    size: DetectionSize

    def detect(self, photos: Sequence[Photo]) -> list[list[Detection]]:
        """Find the faces of each photo, the largest first, in full-resolution pixels."""
        ...


class Embedder(Protocol):
    """Turns faces into unit vectors."""

    side_px: int
    model_id: str

    def align(self, photo: Photo, detection: Detection) -> AlignedFace:
        """Cut a face out, onto this embedder's template."""
        ...

    def embed(self, faces: Sequence[AlignedFace]) -> list[Embedding | None]:
        """Turn aligned faces into embeddings, in their order; None for a face that cannot be embedded."""
        ...
