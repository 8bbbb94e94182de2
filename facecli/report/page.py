"""A document as one page of HTML that needs nothing else: no script, no request, no other file.

It shows faces, so it is for its owner's eyes: the file can be read by nobody else, and it may be deleted or sent on
like any other.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facecli.errors import FacecliError
from facecli.report.document import Document, Picture, PictureGroup, Plot, Table
from facecli.report.numbers import NOTHING, cell_text, column_texts, is_numeric
from facecli.report.plots import HOW_TO_READ, draw_svg
from facecli.report.thumbnails import ReadPhoto, thumbnail_uri
from facecli.report.visible import visible
from facecli.report.writing import PRIVATE_MODE, written_whole

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE: Final = "index.html"
MOST_PHOTOS: Final = 60  # of all groups together: about 600 kB
NARROW_TABLE: Final = 46  # characters of a row, up to which a table fits into half of the page
WIDE_LABEL: Final = 36  # characters of a fact beyond which it gets a line of its own


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    is_numeric: bool


@dataclass(frozen=True, slots=True)
class _Grid:
    """A table as it is shown."""

    table: Table
    columns: tuple[_Column, ...]
    rows: tuple[tuple[str, ...], ...]
    is_wide: bool


@dataclass(frozen=True, slots=True)
class _Drawing:
    """A plot as it is shown."""

    plot: Plot
    svg: str
    how_to_read: str


@dataclass(frozen=True, slots=True)
class _Thumbnail:
    """A photo as it is shown; without `uri` only its name is."""

    name: str
    path: str
    uri: str | None


@dataclass(frozen=True, slots=True)
class _Card:
    """A picture as it is shown."""

    photos: tuple[_Thumbnail, ...]
    text: str
    score: str


@dataclass(frozen=True, slots=True)
class _Wall:
    """A group of pictures as it is shown; `left_out` counts those there is no room for."""

    group: PictureGroup
    cards: tuple[_Card, ...]
    left_out: int


def prepare_folder(folder: Path) -> None:
    """Make the folder of a page.

    Raises
    ------
    FacecliError
        If it cannot be made or written to; code ``cannot_write``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error.strerror or str(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _cannot_write(folder, "Permission denied")


def write_page(document: Document, folder: Path, read_photo: ReadPhoto) -> Path:
    """Write a document as a page.

    Parameters
    ----------
    document : Document
    folder : Path
        Made if it is missing; an earlier page in it is replaced.
    read_photo : callable
        Takes the path of a photo and the least long side in pixels, or None for all of it, and returns a `Photo`.
        One that cannot be read is shown by its name.

    Returns
    -------
    Path
        The page, ``index.html`` in the folder; it appears whole or not at all, and only its owner may read it.

    Raises
    ------
    FacecliError
        If it cannot be written; code ``cannot_write``.
    """
    prepare_folder(folder)
    html = render_page(document, read_photo)
    path = folder / PAGE
    try:
        with written_whole(path, PRIVATE_MODE) as stream:
            stream.write(html)
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from error
    return path


def render_page(document: Document, read_photo: ReadPhoto) -> str:
    """Return the HTML of a document; see `write_page`."""
    facts = [(visible(key), cell_text(value)) for key, value in document.facts.items()]
    text = (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=document.title,
            tiles=[(key, value) for key, value in facts if len(value) <= WIDE_LABEL],
            long_facts=[(key, value) for key, value in facts if len(value) > WIDE_LABEL],
            warnings=document.warnings,
            grids=[_grid(each) for each in document.tables],
            drawings=[_Drawing(each, draw_svg(each), HOW_TO_READ[each.kind]) for each in document.plots],
            walls=_walls(document.pictures, read_photo),
            nothing=NOTHING,
        )
    )
    return text if text.endswith("\n") else text + "\n"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("facecli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    return environment


def _grid(table: Table) -> _Grid:
    columns = [[row[index] for row in table.rows] for index in range(len(table.columns))]
    heads = tuple(_Column(name, is_numeric(cells)) for name, cells in zip(table.columns, columns, strict=True))
    texts = [column_texts(cells) for cells in columns]
    widths = (max(map(len, (name, *shown))) for name, shown in zip(table.columns, texts, strict=True))
    is_wide = sum(widths) + 2 * len(texts) > NARROW_TABLE
    return _Grid(table, heads, tuple(zip(*texts, strict=True)), is_wide)


def _walls(groups: Sequence[PictureGroup], read_photo: ReadPhoto) -> list[_Wall]:
    """Give every group its share of the photos that there is room for."""
    share = MOST_PHOTOS // max(len(groups), 1)
    walls = []
    for group in groups:
        cards: list[_Card] = []
        shown = 0
        scores = column_texts([each.score for each in group.pictures])
        for picture, score in zip(group.pictures, scores, strict=True):
            shown += len(picture.paths)
            if shown > share:
                break
            cards.append(_card(picture, score, read_photo))
        walls.append(_Wall(group, tuple(cards), len(group.pictures) - len(cards)))
    return walls


def _card(picture: Picture, score: str, read_photo: ReadPhoto) -> _Card:
    boxes = picture.boxes_xyxy or (None,) * len(picture.paths)
    photos = tuple(
        _Thumbnail(visible(Path(path).name), visible(path), thumbnail_uri(path, read_photo, box))
        for path, box in zip(picture.paths, boxes, strict=True)
    )
    return _Card(photos, visible(picture.text), "" if picture.score is None else score)


def _cannot_write(path: Path, reason: str) -> FacecliError:
    return FacecliError(
        f"cannot write the report {path}: {reason}",
        hint="Name a folder that can be written and has room.",
        code="cannot_write",
    )
