"""How faces are drawn into a photo: a box, five landmarks and a label for each.

Named, unknown and merely detected faces differ in colour, in the stroke of the box and in words, so that colour is
never needed to tell them apart. Everything scales with the photo and the face.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from facecli.report.labels import make_label, place_labels
from facecli.types import Face, FloatArray, PhotoResult, PixelArray

Colour: TypeAlias = tuple[int, int, int]
BLACK: Final = (0, 0, 0)
WHITE: Final = (255, 255, 255)

# Shares of the photo's long side and of the face, found by looking at photos of 200, 1000 and 6000 pixels.
STROKE_OF_PHOTO: Final = 1 / 350
STROKE_OF_FACE: Final = 1 / 15
FONT_OF_FACE: Final = 0.2
FONT_OF_PHOTO: Final = (1 / 80, 1 / 30)
LEAST_FONT_PX: Final = 11  # below it letters run together
LANDMARK_OF_FACE: Final = 1 / 60  # radius
# The widest a label may be: the largest of these shares of the photo and the face, and this many font sizes.
LABEL_OF_PHOTO: Final = 0.3
LABEL_OF_FACE: Final = 2.5
LABEL_OF_FONT: Final = 12
# A label may take this much of the photo's height; of smaller photos nothing else would be left.
LABEL_OF_HEIGHT: Final = 0.25
DASH: Final = 4  # strokes long, and as far apart


@dataclass(frozen=True, slots=True)
class Style:
    """Colour of the box and its label, colour of the text and of the line's border, and the kind of stroke."""

    fill: Colour
    ink: Colour
    dashed: bool = False


# Okabe and Ito (2008), https://jfly.uni-koeln.de/color/: told apart with any colour vision, blue and orange best.
NAMED: Final = Style((0, 114, 178), WHITE)
UNKNOWN: Final = Style((230, 159, 0), BLACK, dashed=True)
DETECTED: Final = Style(WHITE, BLACK)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A face as it lies in the picture."""

    number: int
    face: Face
    box_xyxy: FloatArray  # clipped to the picture
    landmarks_xy: FloatArray
    size_px: float
    style: Style


def draw_result(photo_pixels: PixelArray, result: PhotoResult, scale_xy: FloatArray) -> Image.Image:
    """Draw a result into a copy of a photo; see `facecli.report.annotate.annotate`."""
    picture = Image.fromarray(np.ascontiguousarray(photo_pixels))
    canvas = ImageDraw.Draw(picture)
    marks = list(_marks(result.faces, picture.size, scale_xy))
    for mark in marks:
        _draw_box(canvas, mark, _stroke(mark, picture.size))
        _draw_landmarks(canvas, mark, picture.size)
    _draw_labels(canvas, marks, picture.size)
    return picture


def _marks(faces: Iterable[Face], size: tuple[int, int], scale_xy: FloatArray) -> Iterable[_Mark]:
    last = np.array([size[0] - 1, size[1] - 1], np.float64)
    for number, face in enumerate(faces, 1):
        corners = face.detection.box_xyxy.astype(np.float64).reshape(2, 2) * scale_xy
        if (corners[1] < 0).any() or (corners[0] > last).any():
            continue
        landmarks = face.detection.landmarks_xy.astype(np.float64) * scale_xy
        seen = ((landmarks >= 0) & (landmarks <= last)).all(1)  # False for numbers that are none
        box = np.clip(corners, 0, last)
        side = float(np.sqrt(np.maximum(box[1] - box[0], 1).prod()))
        identification = face.identification
        style = DETECTED if identification is None else UNKNOWN if identification.person is None else NAMED
        flat, points = box.reshape(4).astype(np.float32), landmarks[seen].astype(np.float32)
        yield _Mark(number, face, flat, points, side, style)


def _stroke(mark: _Mark, size: tuple[int, int]) -> int:
    return max(1, round(min(max(size) * STROKE_OF_PHOTO, mark.size_px * STROKE_OF_FACE)))


def _draw_box(canvas: ImageDraw.ImageDraw, mark: _Mark, stroke: int) -> None:
    """Draw a box in its colour between borders of the ink's, so that it shows on any ground."""
    left, top, right, bottom = (int(side) for side in np.rint(mark.box_xyxy))
    border = max(1, stroke // 3)
    sides = [
        (left, top, right, top),
        (right, top, right, bottom),
        (right, bottom, left, bottom),
        (left, bottom, left, top),
    ]
    for colour, width in ((mark.style.ink, stroke + 2 * border), (mark.style.fill, stroke)):
        for x1, y1, x2, y2 in sides:
            for start, end in _dashes(max(abs(x2 - x1), abs(y2 - y1)), stroke) if mark.style.dashed else [(0.0, 1.0)]:
                across, down = x2 - x1, y2 - y1
                line = (x1 + across * start, y1 + down * start, x1 + across * end, y1 + down * end)
                canvas.line(line, fill=colour, width=width)


def _dashes(length_px: int, stroke: int) -> list[tuple[float, float]]:
    """Split a side into dashes, as shares of it, with one at either end so that corners are closed."""
    count = 2 * round(length_px / (2 * DASH * stroke)) + 1
    return [(index / count, (index + 1) / count) for index in range(0, count, 2)]


def _draw_landmarks(canvas: ImageDraw.ImageDraw, mark: _Mark, size: tuple[int, int]) -> None:
    radius = max(0.5, min(mark.size_px * LANDMARK_OF_FACE, max(size) * STROKE_OF_PHOTO * 2))
    for x, y in mark.landmarks_xy:
        for colour, reach in ((mark.style.ink, radius * 1.5), (mark.style.fill, radius)):
            canvas.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)


def _draw_labels(canvas: ImageDraw.ImageDraw, marks: list[_Mark], size: tuple[int, int]) -> None:
    width, height = size
    least, most = (max(LEAST_FONT_PX, round(max(size) * share)) for share in FONT_OF_PHOTO)
    labelled = []
    for mark in marks:
        font_px = int(np.clip(mark.size_px * FONT_OF_FACE, least, most))
        widest = max(width * LABEL_OF_PHOTO, mark.size_px * LABEL_OF_FACE, font_px * LABEL_OF_FONT)
        label = make_label(mark.face, mark.number, font_px, min(width, int(widest)))
        if label is not None and label.size_px[1] <= height * LABEL_OF_HEIGHT:
            labelled.append((mark, label))
    if not labelled:
        return
    # Boxes of faces without a label come last: they are not to be hidden either.
    rest = [mark for mark in marks if all(mark is not other for other, _ in labelled)]
    boxes = np.stack([mark.box_xyxy for mark in [*(mark for mark, _ in labelled), *rest]])
    gap = max(_stroke(mark, size) for mark, _ in labelled)
    places = place_labels(boxes, [label.size_px for _, label in labelled], width, height, gap)
    corners = zip(labelled, places, strict=True)
    rectangles = [
        (left, top, left + label.size_px[0] - 1, top + label.size_px[1] - 1) for (_, label), (left, top) in corners
    ]
    for (mark, _), rectangle in zip(labelled, rectangles, strict=True):
        _draw_leader(canvas, mark, rectangle, 2 * gap)
    for (mark, label), rectangle in zip(labelled, rectangles, strict=True):
        canvas.rectangle(rectangle, fill=mark.style.fill, outline=mark.style.ink)
        label.draw(canvas, rectangle[:2], mark.style.ink)


def _draw_leader(canvas: ImageDraw.ImageDraw, mark: _Mark, label_xyxy: tuple[int, int, int, int], near_px: int) -> None:
    """Join a label to its box where it had to be put further away than `near_px`."""
    label, box = np.array(label_xyxy, np.float64).reshape(2, 2), mark.box_xyxy.reshape(2, 2)
    middle = (np.maximum(label[0], box[0]) + np.minimum(label[1], box[1])) / 2
    start, end = np.clip(middle, label[0], label[1]), np.clip(middle, box[0], box[1])
    if np.hypot(*(start - end)) > near_px:
        for colour, width in ((mark.style.ink, near_px), (mark.style.fill, max(1, near_px // 2))):
            canvas.line((*start, *end), fill=colour, width=width)
