"""What an operator does with the search files of a gallery: see them, make an approximate index, check, remove."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facecli.errors import GalleryError
from facecli.gallery import approximate_file, template_file
from facecli.gallery.approximate_file import approximate_path, built_index, exact_finder, read_index, write_index
from facecli.gallery.approximate_index import Recall, is_installed, measure
from facecli.gallery.array_file import ArrayFile, DamagedFileError
from facecli.gallery.loading import stored_templates
from facecli.gallery.stamp import Stamp, stamp_of
from facecli.gallery.store import Gallery
from facecli.gallery.template_file import template_path
from facecli.gallery.translation import read_only_error
from facecli.sqlite_file import MEMORY

NO_FILE: Final = "none"
FRESH: Final = "up to date"
STALE: Final = "of an earlier state; brought up to date by the next search"
DAMAGED: Final = "damaged; made again by the next search"


@dataclass(frozen=True, slots=True)
class SearchFile:
    """A file beside a gallery that searches use.

    Attributes
    ----------
    path : Path
    state : str
        `NO_FILE`, `FRESH`, `STALE` or `DAMAGED`.
    size_bytes : int
    """

    path: Path
    state: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class IndexState:
    """How a gallery is searched.

    Attributes
    ----------
    templates : SearchFile
        Holds what an exact search needs; made by itself.
    approximate : SearchFile
        The approximate index; made on request.
    depth : int or None
        How many templates that scores exactly for each face; None where there is none.
    recall : Recall or None
        What it found of an exact search's people.
    is_used : bool
        Whether searches go through the approximate index.
    """

    templates: SearchFile
    approximate: SearchFile
    depth: int | None = None
    recall: Recall | None = None
    is_used: bool = False


def state(gallery: Gallery, model_id: str) -> IndexState:
    """Say how a gallery is searched; of a file it says `DAMAGED` where that shows without reading all of it.

    Raises
    ------
    GalleryError
        If the gallery cannot be read.
    """
    stamp = stamp_of(gallery, model_id)
    template, approximate = template_path(gallery.path, model_id), approximate_path(gallery.path, model_id)
    templates = _search_file(template, stamp)
    about = _search_file(approximate, stamp)
    if about.state in (NO_FILE, DAMAGED):
        return IndexState(templates, about)
    facts = ArrayFile(approximate).facts
    return IndexState(templates, about, facts["depth"], Recall(**facts["recall"]), is_installed())


def build(gallery: Gallery, model_id: str) -> IndexState:
    """Make an approximate index, and measure what it misses; from then on searches use it.

    Raises
    ------
    MachineError
        If faiss is not installed.
    GalleryError
        With code ``index_small`` for a gallery that needs none, ``index_recall`` if it would miss too many,
        ``index_unwritable`` or ``gallery_read_only`` if it cannot be written; or if the gallery cannot be read.
    """
    if gallery.read_only:
        raise read_only_error(gallery.path)
    templates, stamp = stored_templates(gallery, model_id)
    path = approximate_path(gallery.path, model_id)
    index = built_index(templates)
    try:
        write_index(path, index, stamp)
    except OSError as error:
        raise GalleryError(
            f"the search file {path} cannot be written: {error.strerror}",
            hint="Check that its folder can be written and that the disk has room.",
            code="index_unwritable",
        ) from error
    return state(gallery, model_id)


def check(gallery: Gallery, model_id: str) -> IndexState:
    """Read every byte of the files, and measure again what the approximate index finds.

    Raises
    ------
    DamagedFileError
        If one is damaged.
    GalleryError
        If the gallery cannot be read.
    """
    now = state(gallery, model_id)
    for each in (now.templates, now.approximate):
        if each.state != NO_FILE:
            ArrayFile(each.path).check_all()
    found = read_index(now.approximate.path) if now.approximate.state == FRESH and is_installed() else None
    if found is None or now.templates.state != FRESH:
        return now
    templates, _ = stored_templates(gallery, model_id)
    vectors, ids = templates.file.rows("vectors"), templates.matrix.person_ids
    (recall,) = measure(found[0], vectors, ids, exact_finder(templates), (found[0].depth,))
    return IndexState(now.templates, now.approximate, now.depth, recall, now.is_used)


def files(gallery_path: str) -> list[Path]:
    """Return every search file beside a gallery, of all models, unfinished ones included."""
    if gallery_path == MEMORY:
        return []
    path = Path(gallery_path)
    prefixes = tuple(path.name + suffix for suffix in (template_file.SUFFIX, approximate_file.SUFFIX))
    with suppress(FileNotFoundError):
        return sorted(each for each in path.parent.iterdir() if each.name.startswith(prefixes))
    return []


def rows_of(gallery_path: str, person_ids: Iterable[int]) -> list[bytes]:
    """Return what the files of templates beside a gallery hold of people: vectors, their means, and codes of both."""
    ids = list(person_ids)
    found: list[bytes] = []
    for path in files(gallery_path):
        with suppress(DamagedFileError, OSError, KeyError):  # of another kind, or damaged: it serves nobody
            arrays = ArrayFile(path)
            mine = np.flatnonzero(np.isin(arrays.array("person_ids"), ids))
            for name in ("vectors", "codes"):
                found += [row.tobytes() for row in arrays.rows(name).take(mine)]
    return found


def remove(gallery_path: str) -> list[Path]:
    """Remove every search file beside a gallery, and return what was removed.

    They hold templates, so this belongs to forgetting a person too; what is still needed is made again.
    """
    removed = files(gallery_path)
    for each in removed:
        each.unlink(missing_ok=True)
    return removed


def _search_file(path: Path, stamp: Stamp) -> SearchFile:
    try:
        file = ArrayFile(path)
    except DamagedFileError:
        return SearchFile(path, DAMAGED, path.stat().st_size)
    except OSError:
        return SearchFile(path, NO_FILE, 0)
    return SearchFile(path, FRESH if file.facts.get("stamp") == stamp else STALE, path.stat().st_size)
