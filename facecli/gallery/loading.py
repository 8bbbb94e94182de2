"""From a gallery to templates that can be searched: read from it, or mapped from a file beside it if there are many."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from facecli.gallery.array_file import DamagedFileError
from facecli.gallery.candidate_rows import BlockFinder, RowFinder
from facecli.gallery.connection import MEMORY
from facecli.gallery.exact_index import ExactIndex
from facecli.gallery.person_means import with_means
from facecli.gallery.records import TemplateMatrix
from facecli.gallery.row_source import ArrayRows, RowSource
from facecli.gallery.stamp import Stamp, stamp_of, template_count
from facecli.gallery.store import Gallery
from facecli.gallery.template_file import StoredTemplates, read_templates, template_path, write_templates

LEAST_TEMPLATES: Final = 20_000
"""Fewer are read from the gallery in a tenth of a second, so no file is made of them."""

FinderMaker: TypeAlias = Callable[[RowSource, TemplateMatrix], RowFinder]
"""From templates and whose they are to what looks through them; see `facecli.gallery.candidate_rows.RowFinder`."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedTemplates:
    """Templates ready to be searched, with means."""

    matrix: TemplateMatrix
    index: ExactIndex


def load(
    gallery: Gallery, model_id: str, make_finder: FinderMaker | None = None, *, anew: bool = False
) -> LoadedTemplates:
    """Load a gallery's templates of a model.

    From `LEAST_TEMPLATES` on a file is made beside the gallery, if that can be written; it takes little more than the
    time of reading the gallery once.

    Parameters
    ----------
    gallery : Gallery
    model_id : str
    make_finder : callable, optional
        Makes what looks through the templates, instead of the processor.
    anew : bool
        Do not use the file, but make it again.

    Raises
    ------
    ModelMismatchError
        If there are none of this model but some of others.
    GalleryError
        If the gallery cannot be read.
    """
    stored, matrix = _stored(gallery, model_id, anew)
    finder: RowFinder
    if stored is not None:
        matrix, vectors = stored.matrix, stored.file.rows("vectors")
        finder = (
            BlockFinder(vectors, matrix.person_ids, stored.codes)
            if make_finder is None
            else make_finder(vectors, matrix)
        )
        return LoadedTemplates(matrix, ExactIndex(vectors, matrix.person_ids, matrix.template_ids, finder=finder))
    matrix = with_means(matrix or gallery.matrix(model_id))
    rows = ArrayRows(matrix.vectors)
    finder = BlockFinder(rows, matrix.person_ids) if make_finder is None else make_finder(rows, matrix)
    return LoadedTemplates(matrix, ExactIndex(rows, matrix.person_ids, matrix.template_ids, finder=finder))


def _stored(gallery: Gallery, model_id: str, anew: bool) -> tuple[StoredTemplates | None, TemplateMatrix | None]:
    """Return the templates of the file, made if need be, or what was read from the gallery meanwhile."""
    if gallery.path == MEMORY:
        return None, None
    stamp = stamp_of(gallery, model_id)
    if template_count(stamp) < LEAST_TEMPLATES:
        return None, None
    path = template_path(gallery.path, model_id)
    if not anew and (stored := _read(path, stamp)):
        return stored, None
    if gallery.read_only:
        return None, None
    matrix = gallery.matrix(model_id)
    if matrix.revision != stamp["revision"]:  # it changed between the two; the next search makes the file
        return None, matrix
    with suppress(OSError):  # a full disk, a folder of somebody else: the search goes on without
        write_templates(path, matrix, stamp)
        if stored := _read(path, stamp):
            return stored, None
    return None, matrix


def _read(path: Path, stamp: Stamp) -> StoredTemplates | None:
    try:
        return read_templates(path, stamp)
    except DamagedFileError:
        return None
