"""From a gallery to templates that can be searched: read from it, or mapped from a file beside it if there are many."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from facecli.errors import GalleryError
from facecli.gallery.approximate_file import approximate_path, current_index
from facecli.gallery.approximate_index import ApproximateFinder, ApproximateIndex
from facecli.gallery.array_file import DamagedFileError
from facecli.gallery.block_scan import block_finder
from facecli.gallery.candidate_rows import RowFinder
from facecli.gallery.codes import encode
from facecli.gallery.exact_index import ExactIndex
from facecli.gallery.person_means import with_means
from facecli.gallery.records import TemplateMatrix
from facecli.gallery.row_source import ArrayRows, RowSource
from facecli.gallery.stamp import Stamp, stamp_of, template_count
from facecli.gallery.store import Gallery
from facecli.gallery.template_file import StoredTemplates, read_templates, template_path, write_templates
from facecli.sqlite_file import MEMORY

LEAST_TEMPLATES: Final = 20_000
"""Fewer are read from the gallery in a tenth of a second, so no file is made of them."""

FinderMaker: TypeAlias = Callable[[RowSource, TemplateMatrix], RowFinder]
"""From templates and whose they are to what looks through them; see `facecli.gallery.candidate_rows.RowFinder`."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedTemplates:
    """Templates ready to be searched, with means.

    Attributes
    ----------
    matrix : TemplateMatrix
    vectors : RowSource
        Those of `matrix`; where they lie in a file, only what is taken is read.
    index : ExactIndex
    approximate : ApproximateIndex or None
        What `index` looks through instead of all templates.
    """

    matrix: TemplateMatrix
    vectors: RowSource
    index: ExactIndex
    approximate: ApproximateIndex | None = None


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
    stored, matrix, stamp = _stored(gallery, model_id, anew)
    vectors: RowSource
    finder: RowFinder
    if stored is None:
        matrix = with_means(matrix or gallery.matrix(model_id))
        vectors = ArrayRows(matrix.vectors)
        # As in the file that an encrypted gallery, or one that can only be read, does not have beside it.
        codes = encode(matrix.vectors) if len(matrix.vectors) >= LEAST_TEMPLATES and make_finder is None else None
    else:
        matrix, vectors, codes = stored.matrix, stored.file.rows("vectors"), stored.codes
    approximate = None
    if make_finder is not None:
        finder = make_finder(vectors, matrix)
    else:
        finder = block_finder(vectors, matrix.person_ids, codes)
        if stored is not None:
            path = approximate_path(gallery.path, model_id)
            try:
                approximate = current_index(path, stored, stamp, keep=not gallery.read_only)
            except DamagedFileError:  # the templates are, as the index needed to look at all of them
                if anew:
                    raise
                return load(gallery, model_id, anew=True)
        if approximate is not None:
            finder = ApproximateFinder(approximate, finder)
    index = ExactIndex(vectors, matrix.person_ids, matrix.template_ids, finder=finder)
    return LoadedTemplates(matrix, vectors, index, approximate)


def stored_templates(gallery: Gallery, model_id: str) -> tuple[StoredTemplates, Stamp]:
    """Return the templates of the file, made if need be, and the state it is of.

    Raises
    ------
    GalleryError
        With code ``index_small`` if there are too few for a file, ``index_unwritable`` if it cannot be made, or as
        `load`.
    """
    stored, _, stamp = _stored(gallery, model_id, anew=False)
    if stored is not None:
        return stored, stamp
    if gallery.is_encrypted:
        raise GalleryError(
            f"the gallery {gallery.path} is encrypted, and an index beside it would hold its vectors in the clear",
            hint="It is searched exactly, in memory.",
            code="index_encrypted",
        )
    if template_count(stamp) < LEAST_TEMPLATES:
        raise GalleryError(
            f"the gallery {gallery.path} has {template_count(stamp):,} templates, too few for an index",
            hint=f"It is searched in less than a millisecond; an index is for {LEAST_TEMPLATES:,} and more.",
            code="index_small",
        )
    raise GalleryError(
        f"no search index can be written beside the gallery {gallery.path}",
        hint="Check that its folder can be written and that the disk has room.",
        code="index_unwritable",
    )


def _stored(gallery: Gallery, model_id: str, anew: bool) -> tuple[StoredTemplates | None, TemplateMatrix | None, Stamp]:
    """Return the templates of the file, made if need be, or what was read from the gallery meanwhile; and its state."""
    stamp = stamp_of(gallery, model_id)
    # No file beside an encrypted gallery: it would hold the vectors in the clear.
    if gallery.path == MEMORY or gallery.is_encrypted or template_count(stamp) < LEAST_TEMPLATES:
        return None, None, stamp
    path = template_path(gallery.path, model_id)
    if not anew and (stored := _read(path, stamp)):
        return stored, None, stamp
    if gallery.read_only:
        return None, None, stamp
    matrix = gallery.matrix(model_id)
    if matrix.revision != stamp["revision"]:  # it changed between the two; the next search makes the file
        return None, matrix, stamp
    with suppress(OSError):  # a full disk, a folder of somebody else: the search goes on without
        write_templates(path, matrix, stamp)
        if stored := _read(path, stamp):
            return stored, None, stamp
    return None, matrix, stamp


def _read(path: Path, stamp: Stamp) -> StoredTemplates | None:
    try:
        return read_templates(path, stamp)
    except DamagedFileError:
        return None
