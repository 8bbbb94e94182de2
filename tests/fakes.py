"""Stages that are plain arithmetic: a face is a coloured square, and its vector is its colour."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from facecli.detect.letterbox import DetectionSize
from facecli.errors import GeometryError
from facecli.types import AlignedFace, Detection, Embedding, Photo, Quality

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
FACELESS = (85, 85, 85)  # detected, but its landmarks are impossible
BLANK = (170, 170, 85)  # detected and aligned, but the network gives no vector

Square = tuple[tuple[int, int, int], int, int, int]  # colour, left, top, side


def picture(*squares: Square, side: int = 100, file_format: str = "PNG") -> bytes:
    """Return a file: squares on black. Where their borders are multiples of 8, a JPEG keeps them sharp."""
    pixels = np.zeros((side, side, 3), np.uint8)
    for colour, left, top, size in squares:
        pixels[top : top + size, left : left + size] = colour
    stream = io.BytesIO()
    options = {"quality": 100, "subsampling": 0} if file_format == "JPEG" else {}
    Image.fromarray(pixels).save(stream, file_format, **options)
    return stream.getvalue()


def write_picture(path: Path, *squares: Square, side: int = 100) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(*squares, side=side))
    return str(path)


class FakeDetector:
    """Finds each colour's square; `batches` holds the sources of the photos that it was given together."""

    def __init__(self, *, max_long_side_px: int = 1280) -> None:
        self.size = DetectionSize(None, 20, max_long_side_px=max_long_side_px)
        self.batches: list[list[str]] = []

    def detect(self, photos: Sequence[Photo]) -> list[list[Detection]]:
        self.batches.append([photo.source for photo in photos])
        return [self._faces(photo) for photo in photos]

    def _faces(self, photo: Photo) -> list[Detection]:
        colours = _flat(photo.pixels)
        found = []
        for colour in np.unique(colours.reshape(-1, 3), axis=0):
            if not colour.any():
                continue
            rows, columns = np.nonzero((colours == colour).all(2))
            corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            box = np.array(corners, np.float32) / np.tile(photo.scale_xy, 2)
            left, top, right, bottom = box
            shares = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
            landmarks = shares * [right - left, bottom - top] + [left, top]
            found.append(Detection(box, landmarks.astype(np.float32), 0.875))
        return sorted(found, key=lambda face: -face.size_px)


class FakeEmbedder:
    """Gives the colour in the middle of a face as a unit vector; `scales` holds the scale of each photo aligned."""

    model_id = "fake"

    def __init__(self, *, side_px: int = 8) -> None:
        self.side_px = side_px
        self.scales: list[float] = []

    def align(self, photo: Photo, detection: Detection) -> AlignedFace:
        self.scales.append(float(photo.scale_xy[0]))
        x, y = (detection.box_xyxy.reshape(2, 2).mean(0) * photo.scale_xy).astype(int)
        colour = _flat(photo.pixels[y : y + 1, x : x + 1])[0, 0]
        if tuple(colour) == FACELESS:
            raise GeometryError("the landmarks coincide")
        crop = np.full((self.side_px, self.side_px, 3), colour, np.uint8)
        return AlignedFace(crop, np.eye(2, 3, dtype=np.float32), detection)

    def embed(self, faces: Sequence[AlignedFace]) -> list[Embedding | None]:
        vectors = [face.pixels[0, 0].astype(np.float32) for face in faces]
        return [
            None if tuple(vector) == BLANK else Embedding(vector / np.linalg.norm(vector), self.model_id)
            for vector in vectors
        ]


def judge(photo: Photo, detection: Detection, face: AlignedFace) -> Quality:
    """A face is as good as it is large: a hundredth a pixel."""
    score = min(detection.size_px / 100, 1.0)
    return Quality(score, ("too_small",) if score < 0.25 else ())


def _flat(pixels: np.ndarray) -> np.ndarray:
    """Colours without what JPEG does to them."""
    return ((pixels.astype(int) + 42) // 85 * 85).astype(np.uint8)
