"""Pictures of results: a photo with a box, five landmarks and a label for each face.

Named, unknown and merely detected faces differ in colour, in the stroke of the box and in words, so that colour is
never needed to tell them apart. Everything scales with the photo and the face.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from facecli.errors import FacecliError
from facecli.report.labels import make_label, place_labels
from facecli.types import Face, FloatArray, Photo, PhotoResult, PixelArray

Colour: TypeAlias = tuple[int, int, int]
BLACK: Final = (0, 0, 0)
WHITE: Final = (255, 255, 255)

JPEG_QUALITY: Final = 90

# Shares of the photo's long side and of the face, found by looking at photos of 200, 1000 and 6000 pixels.
STROKE_OF_PHOTO: Final = 1 / 350
STROKE_OF_FACE: Final = 1 / 15
FONT_OF_FACE: Final = 0.2
FONT_OF_PHOTO: Final = (1 / 80, 1 / 30)
LEAST_FONT_PX: Final = 11  # below it letters run together
LANDMARK_OF_FACE: Final = 1 / 60  # radius
LABEL_OF_PHOTO: Final = 0.6  # widest label, unless the face is wider
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


def annotate(photo_pixels: PixelArray, result: PhotoResult, scale_xy: FloatArray | None = None) -> PixelArray:
    """Draw what was found into a copy of a photo.

    Parameters
    ----------
    photo_pixels : ndarray of shape (H, W, 3), uint8
        RGB, upright, at any resolution.
    result : PhotoResult
        Boxes and landmarks in pixels of the photo at full resolution; parts outside of it are not drawn.
    scale_xy : ndarray of shape (2,), float32, optional
        Pixels of `photo_pixels` per pixel at full resolution, `Photo.scale_xy`; 1 by default.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
    """
    picture = Image.fromarray(np.ascontiguousarray(photo_pixels))
    canvas = ImageDraw.Draw(picture)
    scale = np.ones(2, np.float32) if scale_xy is None else scale_xy
    marks = list(_marks(result.faces, picture.size, scale))
    for mark in marks:
        _draw_box(canvas, mark, _stroke(mark, picture.size))
        _draw_landmarks(canvas, mark, picture.size)
    _draw_labels(canvas, marks, picture.size)
    return np.array(picture)


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
        widest = int(min(width, max(width * LABEL_OF_PHOTO, mark.box_xyxy[2] - mark.box_xyxy[0])))
        label = make_label(mark.face, mark.number, font_px, widest)
        if label is not None and label.size_px[1] <= height * LABEL_OF_HEIGHT:
            labelled.append((mark, label))
    if not labelled:
        return
    # Boxes of faces without a label come last: they are not to be hidden either.
    rest = [mark for mark in marks if all(mark is not other for other, _ in labelled)]
    boxes = np.stack([mark.box_xyxy for mark in [*(mark for mark, _ in labelled), *rest]])
    gap = max(_stroke(mark, size) for mark, _ in labelled)
    places = place_labels(boxes, [label.size_px for _, label in labelled], width, height, gap)
    for (mark, label), (left, top) in zip(labelled, places, strict=True):
        right, bottom = left + label.size_px[0] - 1, top + label.size_px[1] - 1
        _draw_leader(canvas, mark, (left, top, right, bottom), 2 * gap)
        canvas.rectangle((left, top, right, bottom), fill=mark.style.fill, outline=mark.style.ink)
        label.draw(canvas, (left, top), mark.style.ink)


def _draw_leader(canvas: ImageDraw.ImageDraw, mark: _Mark, label_xyxy: tuple[int, int, int, int], near_px: int) -> None:
    """Join a label to its box where it had to be put further away than `near_px`."""
    label, box = np.array(label_xyxy, np.float64).reshape(2, 2), mark.box_xyxy.reshape(2, 2)
    middle = (np.maximum(label[0], box[0]) + np.minimum(label[1], box[1])) / 2
    start, end = np.clip(middle, label[0], label[1]), np.clip(middle, box[0], box[1])
    if np.hypot(*(start - end)) > near_px:
        for colour, width in ((mark.style.ink, near_px), (mark.style.fill, max(1, near_px // 2))):
            canvas.line((*start, *end), fill=colour, width=width)


def annotated_path(source: str, folder: Path, root: Path | None = None) -> Path:
    """Return where the annotated picture of a photo goes.

    Parameters
    ----------
    source : str
        Path of the photo, as the user named it.
    folder : Path
        Of the annotated pictures.
    root : Path, optional
        Folder whose structure is mirrored: ``root/a/x.jpg`` goes to ``folder/a/x.annotated.jpg``. Without it, or for
        a photo elsewhere, the path as named is mirrored, so that ``a/x.jpg`` and ``b/x.jpg`` stay apart.

    Returns
    -------
    Path
        Inside `folder`; ``x.annotated.jpg`` for ``x.jpg`` and ``x.HEIC.annotated.jpg`` for ``x.HEIC``, so that
        photos that differ only in their ending stay apart. It is never the photo itself: the name is longer.
    """
    path = PurePath(source)
    if root is not None and path.is_relative_to(root):
        path = path.relative_to(root)
    parents = ["__" if part == ".." else part for part in path.parent.parts if part != path.anchor]
    return folder.joinpath(*parents, f"{path.stem if path.suffix == '.jpg' else path.name}.annotated.jpg")


def save_annotated(result: PhotoResult, photo: Photo, folder: Path, *, root: Path | None = None) -> Path:
    """Draw a result into its photo and save that as a JPEG without any metadata.

    The file appears whole or not at all; an annotated picture from an earlier run is replaced.

    Parameters
    ----------
    result : PhotoResult
    photo : Photo
        The photo of the result, at the resolution that the picture is to have.
    folder : Path
        Made if it is missing.
    root : Path, optional
        See `annotated_path`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FacecliError
        If it cannot be written; code ``cannot_write``.
    """
    target = annotated_path(result.path, folder, root)
    picture = Image.fromarray(annotate(photo.pixels, result, photo.scale_xy))
    # Not tempfile: its files can be read by their owner alone, and stay so.
    unfinished = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Subsampling 0 keeps full colour resolution: coloured lines and letters would fray without it.
            picture.save(unfinished, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise FacecliError(
            f"cannot write the annotated picture of {result.path} to {target}: {reason}",
            hint="Name a folder that can be written and has room.",
            code="cannot_write",
        ) from error
    return target
