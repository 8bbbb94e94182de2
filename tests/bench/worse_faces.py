"""Faces made worse on purpose, in known steps: the recipe by which the limits of facecli/embed/quality.py were set.

What is known of the face stays known: landmarks are those of the face as it was, so that what is measured is the loss
of the embedder, not of the detector too. In life a face this poor also has worse landmarks, or is not found at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from facecli.services.stages import Embedder
from facecli.types import AlignedFace, Detection, Photo, Quality, QualityReason

SIZES_PX = (48, 32, 24, 20, 16, 12)  # of Detection.size_px
BLURS_PX = (1.0, 2.0, 2.5, 3.0, 4.0)  # sigma in pixels of the 112 x 112 crop
HIGHLIGHTS = (56, 38, 29, 20)  # to what the 95th percentile of the face's grey is dimmed
NOISE = 4.0  # of the camera, in grey levels, added in the dark only: in good light it does not show
# To what the median of the face's grey is overexposed; beyond 255 its darker parts burn out too.
MEDIANS = (197, 241, 254, 380, 510)
CUTS = (0.25, 0.4, 0.5)  # share of the box beyond the photo's border
SIDES = ("right", "top")  # left is right in the mirror image that every face is averaged with
SEED = 0

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class GoodFace:
    """A face as it is, with what was measured of it."""

    photo: Photo
    detection: Detection
    aligned: AlignedFace
    quality: Quality


@dataclass(frozen=True)
class Worsening:
    """One way to make a face worse.

    Attributes
    ----------
    reason : str
        What the quality ought to object to.
    level : str
        How far it goes, in words.
    change : callable
        Takes a good face and returns the photo, face and crop to judge and embed.
    """

    reason: QualityReason
    level: str
    change: Callable[[GoodFace, Embedder], tuple[Photo, Detection, AlignedFace]]


def worsenings() -> Iterator[Worsening]:
    """All of them, reason by reason, the mildest first."""
    for size in SIZES_PX:
        yield Worsening("too_small", f"{size} px", lambda face, embedder, size=size: smaller(face, embedder, size))
    for sigma in BLURS_PX:
        yield Worsening("blurred", f"sigma {sigma:g}", of_crop(lambda face, sigma=sigma: blurred(face, sigma)))
    for level in HIGHLIGHTS:
        yield Worsening("too_dark", f"highlights {level}", of_crop(lambda face, level=level: dimmed(face, level)))
    for level in MEDIANS:
        yield Worsening("too_bright", f"median {level}", of_crop(lambda face, level=level: overexposed(face, level)))
    for side in SIDES:
        for share in CUTS:
            yield Worsening(
                "cut_off",
                f"{share:.0%} at the {side}",
                lambda face, embedder, side=side, share=share: cut_off(face, embedder, side, share),
            )


def of_crop(
    change: Callable[[GoodFace], Pixels],
) -> Callable[[GoodFace, Embedder], tuple[Photo, Detection, AlignedFace]]:
    """Make a worsening of one that changes the crop alone."""
    return lambda face, embedder: (face.photo, face.detection, replace(face.aligned, pixels=change(face)))


def smaller(face: GoodFace, embedder: Embedder, size_px: float) -> tuple[Photo, Detection, AlignedFace]:
    height, width = face.photo.pixels.shape[:2]
    factor = size_px / face.detection.size_px
    target = (max(1, round(width * factor)), max(1, round(height * factor)))
    photo = Photo(cv2.resize(face.photo.pixels, target, interpolation=cv2.INTER_AREA), face.photo.source)
    scale = np.array([target[0] / width, target[1] / height], np.float32)
    box, points = face.detection.box_xyxy * np.tile(scale, 2), face.detection.landmarks_xy * scale
    detection = Detection(box, points, face.detection.confidence)
    return photo, detection, embedder.align(photo, detection)


def blurred(face: GoodFace, sigma_px: float) -> Pixels:
    return cv2.GaussianBlur(face.aligned.pixels, (0, 0), sigma_px)


def dimmed(face: GoodFace, highlights: float) -> Pixels:
    noise = np.random.default_rng(SEED).normal(0, NOISE, face.aligned.pixels.shape)
    factor = min(highlights / max(face.quality.measures["highlights"], 1), 1)
    return grey_levels(face.aligned.pixels * factor + noise)


def overexposed(face: GoodFace, median: float) -> Pixels:
    return grey_levels(face.aligned.pixels * max(median / max(face.quality.measures["brightness"], 1), 1))


def cut_off(face: GoodFace, embedder: Embedder, side: str, share: float) -> tuple[Photo, Detection, AlignedFace]:
    left, top, right, bottom = face.detection.box_xyxy
    pixels, shift_y = face.photo.pixels, 0
    if side == "right":
        pixels = pixels[:, : max(1, round(right - share * (right - left)))]
    elif side == "bottom":
        pixels = pixels[: max(1, round(bottom - share * (bottom - top)))]
    else:
        shift_y = max(0, round(top + share * (bottom - top)))
        pixels = pixels[shift_y:]
    shift = np.array([0, shift_y], np.float32)
    photo = Photo(np.ascontiguousarray(pixels), face.photo.source)
    detection = replace(
        face.detection,
        box_xyxy=face.detection.box_xyxy - np.tile(shift, 2),
        landmarks_xy=face.detection.landmarks_xy - shift,
    )
    return photo, detection, embedder.align(photo, detection)


def grey_levels(pixels: NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
