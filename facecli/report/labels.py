"""What stands beside a face in a picture: its words, set in fonts, and a place where they hide no other face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw, ImageFont

from facecli.report.fonts import Run, load_font, text_runs
from facecli.report.table import unknown_words
from facecli.types import Face, FloatArray

# Blank around the text, as a share of the font's size.
PADDING: Final = 0.25
# No name is set longer than this before it is measured: a wall of text needs no measuring.
MAX_NAME_LENGTH: Final = 120

# What a place costs, per square pixel hidden: a label is worth more than a face of somebody else, that more than
# the face it belongs to. Distance costs the label's height times this per pixel, so that labels stay near.
HIDES_LABEL: Final = 8.0
HIDES_OTHER: Final = 1.5
HIDES_OWN: Final = 1.0
DISTANCE: Final = 0.15
# How many label heights a label may be moved away from its box.
STEPS: Final = 6


@dataclass(frozen=True, slots=True)
class Label:
    """Text that is set in fonts and measured.

    Attributes
    ----------
    pieces : tuple of (str, FreeTypeFont)
    size_px : (int, int)
        Width and height with the padding.
    padding_px, ascent_px : int
        From the edges to the text, and from the text's top to its baseline.
    """

    pieces: tuple[tuple[str, ImageFont.FreeTypeFont], ...]
    size_px: tuple[int, int]
    padding_px: int
    ascent_px: int

    def draw(self, canvas: ImageDraw.ImageDraw, left_top: tuple[int, int], ink: tuple[int, int, int]) -> None:
        """Draw the text, without a background, where the label's corner is at `left_top`."""
        x = float(left_top[0] + self.padding_px)
        baseline = left_top[1] + self.padding_px + self.ascent_px
        for text, font in self.pieces:
            canvas.text((x, baseline), text, fill=ink, font=font, anchor="ls")
            x += font.getlength(text)


def make_label(face: Face, number: int, font_px: int, max_width_px: int) -> Label | None:
    """Set the words for a face: name and score, ``unknown``, or its number where nobody was asked.

    A name too wide is cut short. A name that no font of this machine can draw becomes ``person 3``, after the
    person's id. None if there is no room for even one letter, or no font at all.
    """
    name, score = _words(face, number)
    name = name[:MAX_NAME_LENGTH]
    if text_runs(name) is None:
        person = face.identification.person if face.identification else None
        name = f"person {person.person_id}" if person else f"#{number}"
    label = _set(name, score, font_px)
    kept = len(name)
    while label is not None and label.size_px[0] > max_width_px:
        if kept <= 1:
            return None
        # Aim at what fits if all letters were equally wide, and leave at least one off each time.
        kept = min(kept - 1, max(1, kept * max_width_px // label.size_px[0]))
        label = _set(f"{name[:kept].rstrip()}...", score, font_px)
    return label


def _words(face: Face, number: int) -> tuple[str, str]:
    if face.identification is None:
        return f"#{number}", ""
    person = face.identification.person
    return (unknown_words(face), "") if person is None else (person.name, f"{person.score:.2f}")


def _set(name: str, score: str, font_px: int) -> Label | None:
    # The score is set by itself: in one text with a right-to-left name it would move to its left.
    runs = [*(text_runs(name) or ()), *(Run(run.font, f" {run.text}") for run in text_runs(score) or ())]
    pieces = [(run.text, font) for run in runs if (font := _font(run, font_px)) is not None]
    if not pieces:
        return None
    padding = max(1, round(font_px * PADDING))
    ascent = max(font.getmetrics()[0] for _, font in pieces)
    descent = max(font.getmetrics()[1] for _, font in pieces)
    width = sum(font.getlength(piece) for piece, font in pieces)
    size = (int(np.ceil(width)) + 2 * padding, ascent + descent + 2 * padding)
    return Label(tuple(pieces), size, padding, ascent)


def _font(run: Run, font_px: int) -> ImageFont.FreeTypeFont | None:
    return load_font(run.font, font_px)


def place_labels(
    boxes_xyxy: FloatArray, sizes_px: list[tuple[int, int]], width: int, height: int, gap_px: int
) -> list[tuple[int, int]]:
    """Find a place for each label, inside the picture and beside its box where that is free.

    Labels are placed in order; each takes the place that hides least of what is already there.

    Parameters
    ----------
    boxes_xyxy : ndarray of shape (M, 4), float32
        Pixels of the picture; the first N belong to the labels, the rest is only kept clear.
    sizes_px : list of (int, int)
        Width and height of each label, at most those of the picture.
    width, height : int
        Of the picture.
    gap_px : int
        Between a box and its label.

    Returns
    -------
    list of (int, int)
        Left and top of each label.
    """
    placed = np.empty((0, 4), np.float64)
    corners: list[tuple[int, int]] = []
    boxes = boxes_xyxy.astype(np.float64)
    for index, (label_width, label_height) in enumerate(sizes_px):
        own = boxes[index]
        places = _places(own, label_width, label_height, gap_px)
        places[:, 0] = np.clip(places[:, 0], 0, width - label_width)
        places[:, 1] = np.clip(places[:, 1], 0, height - label_height)
        places = np.rint(places)
        rectangles = np.concatenate([places, places + np.array([label_width, label_height])], 1)
        cost = (
            HIDES_LABEL * _hidden(rectangles, placed)
            + HIDES_OTHER * _hidden(rectangles, np.delete(boxes, index, 0))
            + HIDES_OWN * _hidden(rectangles, own[None])
            + DISTANCE * label_height * np.maximum(_distance(rectangles, own) - gap_px, 0)
        )
        best = int(np.argmin(cost))
        placed = np.concatenate([placed, rectangles[best : best + 1]])
        corners.append((int(places[best, 0]), int(places[best, 1])))
    return corners


def _places(box: NDArray[np.float64], width: int, height: int, gap: int) -> NDArray[np.float64]:
    """Return left-top corners to try, shape (K, 2), the most usual first."""
    left, top, right, bottom = box
    columns = (left, right - width, (left + right - width) / 2)
    sides = (right + gap, left - width - gap)
    levels = (top, bottom - height, (top + bottom - height) / 2)
    places = [(x, y) for y in (top - height - gap, bottom + gap) for x in columns]
    places += [(x, y) for x in sides for y in levels]
    places += [(x, y) for y in (top, bottom - height) for x in columns]
    for step in range(1, STEPS + 1):
        away = gap + step * (height + gap)
        places += [(x, y) for y in (top - height - away, bottom + away) for x in (*columns, *sides)]
    return np.array(places, np.float64)


def _hidden(rectangles: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square pixels of `others` (M, 4) that each of `rectangles` (K, 4) hides; shape (K,)."""
    low = np.maximum(rectangles[:, None, :2], others[None, :, :2])
    high = np.minimum(rectangles[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.maximum(high - low, 0).prod(2).sum(1), np.float64)


def _distance(rectangles: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels between each of `rectangles` (K, 4) and a box, 0 if they touch; shape (K,)."""
    apart = np.maximum(np.maximum(box[:2] - rectangles[:, 2:], rectangles[:, :2] - box[2:]), 0)
    return np.asarray(np.hypot(apart[:, 0], apart[:, 1]), np.float64)
