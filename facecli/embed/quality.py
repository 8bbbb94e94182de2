"""How far a face can be trusted to be compared: size, sharpness, light, turn and framing."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import cv2
import numpy as np

from facecli.geometry import apply_transform
from facecli.types import AlignedFace, Detection, FloatArray, Photo, PixelArray, Quality, QualityReason


class Scale(NamedTuple):
    """How a measure becomes a part of the score: 0 at `useless`, `PASS` at `limit`, 1 at `good`, lines between."""

    useless: float
    limit: float
    good: float

    def part(self, value: float) -> float:
        """Map a measure to [0, 1]."""
        if (value < self.limit) == (self.useless < self.limit):
            outer, score = self.useless, 0.0
        else:
            outer, score = self.good, 1.0
        share = (value - self.limit) / (outer - self.limit)
        return PASS + (score - PASS) * min(max(share, 0.0), 1.0)


PASS: Final = 0.5
"""Part of the score at a limit: below it the part's reason is given."""

# How the limits were set: SFace scored mated pairs of LFW's development split (view 1), one photo of each made worse on
# purpose. A limit stands where about 95 to 97 % still score above the threshold for FMR 1e-3; the figures are those
# shares of the split's 500 pairs, of which 98.6 % pass with the face at 48 pixels. tests/bench/bench_quality.py
# repeats them, and tests/bench/RESULTS.md says what each reason is worth. Then come the extremes of all 1,549 photos
# of the split, of which 3 fell below any limit, all for their turn, and of 547 faces found in 120 photos of WIDER FACE
# 160 did, before the limit of the dark was lowered.

SIZE_PX: Final = Scale(10.0, 20.0, 48.0)
"""Detection.size_px. At 48 pixels 98.6 %, at 24 97.2 %, at 20 96.6 %, at 16 86.0 %. LFW: from 81."""

SHARPNESS: Final = Scale(0.30, 0.38, 0.50)
"""Fine edges over all edges. A blur of sigma 2 crop pixels (0.42) 98.2 %, 2.5 (0.38) 97.4 %, 3 (0.36) 95.6 %,
4 (0.32) 75.6 %. LFW: from 0.45, 1 % below 0.53."""

HIGHLIGHTS: Final = Scale(10.0, 30.0, 95.0)
"""The face's 95th percentile of grey, which is dark in bad light, not in dark skin. Dimmed, with camera noise of 4
levels: to 56 98.2 %, to 38 98.0 %, to 29 96.0 %, to 20 88.2 %. LFW: from 93. The limit was 40 until half of the people
passed at 38 in 98.8 % of their pairs, and at 29 in 96.5 %; in the other half 13.8 % (Wilson 10.1 to 18.6) of the pairs
below 30 are missed, and 3.2 % (2.1 to 4.7) of those above."""

BRIGHTNESS: Final = Scale(255.0, 230.0, 205.0)
"""The face's median grey. Overexposed so far that the median would be 197: 98.4 %, 241: 98.0 %, 254: 97.4 %,
1.5 times that: 67.0 %; the last two have a median of 235 and 255. LFW: up to 221, 1 % above 192."""

TURN: Final = Scale(1.0, 0.65, 0.35)
"""See `turn_of`. LFW: 2 % above 0.45; the three photos above the limit are near-profiles."""

INSIDE: Final = Scale(0.4, 0.7, 0.95)
"""Share of the face within the photo. Cut off at the right by 40 % of its box (0.58) 97.2 % pass, by half (0.50)
90.8 %; at the top by 25 % (0.90) 98.4 %, by 40 % (0.70) 84.2 %, by half (0.58) 58.0 %: the eyes are worth more."""

# RMS distance of ArcFace's five points from their mean, in pixels of its 112 x 112 crop. Light and sharpness are
# measured at this size of face, to which larger crops are reduced.
_SPREAD_PX: Final = 23.2

# Crops within this factor of the size above are taken as they are: resampling would cost sharpness.
_SPREAD_TOLERANCE: Final = 1.25

# Half the width and height of the skin between eyebrows and chin, whatever the template, around the landmarks' mean
# and in multiples of their RMS distance from it. In ArcFace's crop: columns 25 to 87, rows 37 to 107.
_SKIN: Final = (1.35, 1.5)

# The same for the whole face, from ear to ear.
_FACE: Final = (1.65, 1.8)

# Points a side that sample the face for the share within the photo: steps of less than 1 %.
_GRID_POINTS: Final = 12
_GRID: Final = np.stack(np.meshgrid(*2 * [np.linspace(-1, 1, _GRID_POINTS)]), -1).reshape(-1, 2) * _FACE

# Camera noise and the blocks of JPEG lie below this blur, in pixels; what makes a face sharp does not.
_NOISE_SIGMA_PX: Final = 0.8


def assess(photo: Photo, detection: Detection, face: AlignedFace) -> Quality:
    """Judge a face before it is compared.

    Parameters
    ----------
    photo : Photo
        For its border.
    detection : Detection
        The face in it.
    face : AlignedFace
        The same face, cut for any embedder.

    Returns
    -------
    Quality
        `measures` holds size_px, sharpness (fine edges over all edges), brightness, highlights (median and 95th
        percentile of the face's grey levels), contrast (95th less 5th percentile), turn (angle from frontal as a
        share of 90 degrees) and inside (share of the face within the photo).
    """
    landmarks = apply_transform(face.matrix, detection.landmarks_xy)
    centre = landmarks.mean(0)
    spread = max(float(np.sqrt(((landmarks - centre) ** 2).sum(1).mean())), 1.0)
    grey = _skin(face.pixels, centre, spread)
    low, brightness, highlights = _percentiles(grey)
    sharpness, turn = _sharpness(grey), turn_of(detection.landmarks_xy)
    inside = _share_inside(photo, face.matrix, centre, spread)
    parts: dict[QualityReason, float] = {
        "too_small": SIZE_PX.part(detection.size_px),
        "blurred": SHARPNESS.part(sharpness),
        "too_dark": HIGHLIGHTS.part(highlights),
        "too_bright": BRIGHTNESS.part(brightness),
        "turned_away": TURN.part(turn),
        "cut_off": INSIDE.part(inside),
    }
    by_part = sorted((part, reason) for reason, part in parts.items())
    score, weakest = by_part[0]
    measures = {
        "size_px": detection.size_px,
        "sharpness": sharpness,
        "brightness": brightness,
        "highlights": highlights,
        "contrast": highlights - low,
        "turn": turn,
        "inside": inside,
    }
    reasons = tuple(reason for part, reason in by_part if part < PASS)
    return Quality(score, reasons, measures, weakest if score < 1 else None)


def turn_of(landmarks_xy: FloatArray) -> float:
    """Estimate from five landmarks how far a face is turned to a side.

    The nose tip stands before the plane of eyes and mouth by about half the plane's width, so when the head turns
    by an angle, it moves off the plane's middle line by the tangent of that angle, in half widths.

    Parameters
    ----------
    landmarks_xy : ndarray of shape (5, 2), float32
        Rotation in the picture does not count.

    Returns
    -------
    float
        0 is frontal, 1 a profile.
    """
    left_eye, right_eye, nose, left_mouth, right_mouth = (complex(x, y) for x, y in landmarks_xy.tolist())
    down = (left_mouth + right_mouth) - (left_eye + right_eye)
    if not down:
        return 1.0
    # Divided by the direction from eyes to mouth, a point's imaginary part is how far left of it the point lies.
    left, right, tip = (
        (point / down).imag for point in ((left_eye + left_mouth) / 2, (right_eye + right_mouth) / 2, nose)
    )
    return min(math.atan2(abs(left + right - 2 * tip), left - right) / (math.pi / 2), 1.0)


def _skin(pixels: PixelArray, centre: FloatArray, spread: float) -> PixelArray:
    """Cut the middle of the face out of the crop, in grey levels, at the size of face that `_SPREAD_PX` gives."""
    reach = np.multiply(_SKIN, spread)
    left, top = np.maximum(centre - reach, 0).astype(int)
    right, bottom = (centre + reach).astype(int) + 1
    part = pixels[top:bottom, left:right]
    grey: PixelArray = cv2.cvtColor(part if part.size else pixels, cv2.COLOR_RGB2GRAY)
    if spread > _SPREAD_TOLERANCE * _SPREAD_PX:
        factor = _SPREAD_PX / spread
        grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return grey


def _sharpness(grey: PixelArray) -> float:
    """Divide the strength of fine edges by that of all edges.

    The Laplacian weighs an edge by its fineness and the gradient does not, so their ratio tells how fine the edges
    are, whatever the contrast and however many there are. A small face that was enlarged has no fine edges either.
    """
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), _NOISE_SIGMA_PX)
    across, down = (cv2.Scharr(grey, cv2.CV_32F, x, 1 - x, scale=1 / 32) for x in (1, 0))
    every = math.hypot(cv2.norm(across), cv2.norm(down))
    fine = cv2.norm(cv2.Laplacian(smooth, cv2.CV_32F))
    return float(fine / every) if every else 0.0


def _percentiles(grey: PixelArray) -> tuple[float, float, float]:
    """Return the 5th, 50th and 95th percentile of the grey levels."""
    below = np.bincount(grey.ravel(), minlength=256).cumsum() / grey.size
    low, middle, high = np.searchsorted(below, (0.05, 0.5, 0.95))
    return float(low), float(middle), float(high)


def _share_inside(photo: Photo, matrix: FloatArray, centre: FloatArray, spread: float) -> float:
    """Share of the face within the photo. The detection's box would not tell: it ends where the photo does."""
    grid = apply_transform(cv2.invertAffineTransform(matrix), (_GRID * spread + centre).astype(np.float32))
    inside = (grid >= 0) & (grid < (photo.full_width, photo.full_height))
    return float(inside.all(1).mean())
