"""Photos as the tests of the embedding stage take them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from facecli.types import Detection, Photo


def read_photo(path: Path) -> Photo:
    """Decode a photo with nothing of facecli's own, so that these tests stand alone."""
    return Photo(np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1]), str(path))


def reduced(photo: Photo, detection: Detection, size_px: float) -> tuple[Photo, Detection]:
    """Scale a photo so that the face has another size."""
    factor = size_px / detection.size_px
    height, width = photo.pixels.shape[:2]
    size = round(width * factor), round(height * factor)
    scale = np.array([size[0] / width, size[1] / height], np.float32)
    pixels = cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA)
    box, landmarks = detection.box_xyxy * np.tile(scale, 2), detection.landmarks_xy * scale
    return Photo(pixels), Detection(box, landmarks, detection.confidence)
