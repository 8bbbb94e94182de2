"""The approximate index of a gallery, in a file beside it. That it is there is the wish that it be used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, Final

from facecli.gallery.approximate_index import (
    ApproximateIndex,
    Recall,
    build,
    codes_from_bytes,
    is_installed,
    row_keys,
    to_bytes,
    updated,
)
from facecli.gallery.array_file import ArrayFile, DamagedFileError
from facecli.gallery.array_writer import ArrayWriter, write_whole
from facecli.gallery.block_scan import block_finder
from facecli.gallery.candidate_rows import RowFinder
from facecli.gallery.stamp import Stamp
from facecli.gallery.template_file import StoredTemplates, digest_of

FORMAT: Final = 1

SUFFIX: Final = ".approximate-"

_ARRAYS: Final = ("keys", "prints", "rows")


def approximate_path(gallery_path: str, model_id: str) -> Path:
    """Return where the approximate index of a gallery's templates of a model lies."""
    return Path(f"{gallery_path}{SUFFIX}{digest_of(model_id)}")


def write_index(path: Path, index: ApproximateIndex, stamp: Stamp) -> None:
    """Write an index: whole or not at all, and readable by its owner alone.

    Raises
    ------
    OSError
        If it cannot be written.
    """

    def write(file: BinaryIO) -> None:
        writer = ArrayWriter(file)
        arrays = {"codes": to_bytes(index), **{name: getattr(index, name) for name in _ARRAYS}}
        for name, array in arrays.items():
            writer.reserve(name, array.dtype.str, (), len(array))
            writer.append(name, array)
        facts = {"depth": index.depth, "recall": asdict(index.recall), "changed": index.changed}
        writer.close({"format": FORMAT, "stamp": stamp, **facts})

    write_whole(path, write)


def read_index(path: Path) -> tuple[ApproximateIndex, Stamp] | None:
    """Read the index and the state of the gallery that it is of; None if there is none.

    Raises
    ------
    DamagedFileError
        If it is damaged, or of another version.
    """
    try:
        file = ArrayFile(path)
    except OSError:
        return None
    if file.facts.get("format") != FORMAT:
        raise DamagedFileError(f"the search file {path} is of another version")
    facts = file.facts
    index = ApproximateIndex(
        codes=codes_from_bytes(file.array("codes")),
        keys=file.array("keys"),
        prints=file.array("prints"),
        rows=file.array("rows"),
        depth=facts["depth"],
        recall=Recall(**facts["recall"]),
        changed=facts["changed"],
    )
    return index, facts["stamp"]


def built_index(templates: StoredTemplates) -> ApproximateIndex:
    """Make an index of a gallery's templates; see `facecli.gallery.approximate_index.build`."""
    matrix, vectors = templates.matrix, templates.file.rows("vectors")
    return build(vectors, matrix.template_ids, matrix.person_ids, exact_finder(templates))


def exact_finder(templates: StoredTemplates) -> RowFinder:
    """Return what looks through all templates."""
    return block_finder(templates.file.rows("vectors"), templates.matrix.person_ids, templates.codes)


def current_index(path: Path, templates: StoredTemplates, stamp: Stamp, *, keep: bool) -> ApproximateIndex | None:
    """Return the index that was asked for, in the state of the gallery; None if none was, or faiss is not installed.

    One that cannot follow the gallery, or is damaged, is made anew.

    Parameters
    ----------
    keep : bool
        Whether the file may be written where it has to follow the gallery.

    Raises
    ------
    GalleryError
        With code ``index_recall`` if it has to be made anew and finds too few people.
    """
    if not is_installed():
        return None
    try:
        found = read_index(path)
    except DamagedFileError:
        index = None
    else:
        if found is None:
            return None
        index, known = found
        if known == stamp:
            return index
        matrix, vectors = templates.matrix, templates.file.rows("vectors")
        index = updated(index, vectors, *row_keys(vectors, matrix.template_ids, matrix.person_ids))
    index = index or built_index(templates)
    if keep:
        with suppress(OSError):  # it is as good in memory
            write_index(path, index, stamp)
    return index
