"""A gallery's templates as they are searched, in a file beside it that is mapped instead of read.

Everything in it comes from the gallery and can be made again. It is used only if it is of the gallery's present state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.array_file import ArrayFile
from facecli.gallery.array_writer import ArrayWriter, joined, write_whole
from facecli.gallery.codes import CODE_BLOCK, Codes, encode_block
from facecli.gallery.person_means import blocks_with_means, most_rows
from facecli.gallery.records import TemplateMatrix
from facecli.gallery.stamp import Stamp
from facecli.types import FloatArray

FORMAT: Final = 1

SUFFIX: Final = ".index-"
"""Between the gallery's name and a digest of the model's id."""

# Fields of `Codes` that have a number for each of its blocks, in their order.
_PER_BLOCK: Final = ("scales", "errors", "lengths")


@dataclass(frozen=True, slots=True, eq=False)
class StoredTemplates:
    """Templates in an open file, with means.

    Attributes
    ----------
    matrix : TemplateMatrix
        Its vectors are checked as a whole when they are first asked for; `vectors` checks what it gives.
    codes : Codes
    """

    file: ArrayFile
    matrix: TemplateMatrix
    codes: Codes

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return self.file.path.stat().st_size


class _FileMatrix(TemplateMatrix):
    """A matrix whose vectors lie in a file, and are checked as a whole when they are first asked for."""

    __slots__ = ("_file",)
    _file: ArrayFile

    def __init__(self, file: ArrayFile, model_id: str, names: Mapping[int, str], revision: int) -> None:
        self._set("_file", file)
        self._set("model_id", model_id)
        self._set("template_ids", file.array("template_ids"))
        self._set("person_ids", file.array("person_ids"))
        self._set("names", names)
        self._set("revision", revision)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # frozen

    @property
    def vectors(self) -> FloatArray:
        """Unit vectors, (T, D)."""
        return self._file.array("vectors")

    def vectors_at(self, rows: NDArray[np.int64]) -> FloatArray:
        """Return some of the vectors; of the others the file is not read."""
        return self._file.rows("vectors").take(rows)


class NameTable(Mapping[int, str]):
    """Names by person_id, kept as they lie in the file.

    Parameters
    ----------
    person_ids : ndarray of shape (N,), int64
        Sorted.
    text : ndarray of uint8
        UTF-8, one name after another.
    ends : ndarray of shape (N + 1,), int64
        Where each name begins, and the last one ends.
    """

    def __init__(self, person_ids: NDArray[np.int64], text: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self._person_ids, self._text, self._ends = person_ids, text, ends

    def __getitem__(self, person_id: int) -> str:
        place = int(np.searchsorted(self._person_ids, person_id))
        if place == len(self._person_ids) or self._person_ids[place] != person_id:
            raise KeyError(person_id)
        return self._text[self._ends[place] : self._ends[place + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[int]:
        return iter(self._person_ids.tolist())

    def __len__(self) -> int:
        return len(self._person_ids)


def digest_of(model_id: str) -> str:
    """Return a short name for a model that a file name can hold."""
    return hashlib.blake2b(model_id.encode(), digest_size=6).hexdigest()


def template_path(gallery_path: str, model_id: str) -> Path:
    """Return where the file of a gallery's templates of a model lies."""
    return Path(f"{gallery_path}{SUFFIX}{digest_of(model_id)}")


def read_templates(path: Path, stamp: Stamp) -> StoredTemplates | None:
    """Open the file if it is there and of the state that `stamp` tells.

    Raises
    ------
    DamagedFileError
        If it is damaged.
    """
    try:
        file = ArrayFile(path)
    except OSError:  # not there, or not ours to read
        return None
    if file.facts.get("format") != FORMAT or file.facts.get("stamp") != stamp:
        return None
    names = NameTable(file.array("name_ids"), file.array("name_text"), file.array("name_ends"))
    matrix = _FileMatrix(file, str(stamp["model_id"]), names, int(str(stamp["revision"])))
    codes = Codes(file.rows("codes"), *(file.array(name) for name in _PER_BLOCK))
    return StoredTemplates(file, matrix, codes)


def write_templates(path: Path, matrix: TemplateMatrix, stamp: Stamp) -> None:
    """Write the file: whole or not at all, and readable by its owner alone.

    Parameters
    ----------
    matrix : TemplateMatrix
        As the gallery gives it, without means; in the state that `stamp` tells.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    write_whole(path, lambda file: _write(file, matrix, stamp))


def _write(file: BinaryIO, matrix: TemplateMatrix, stamp: Stamp) -> None:
    writer = ArrayWriter(file)
    most, dimension = most_rows(matrix.person_ids), matrix.vectors.shape[1]
    writer.reserve("vectors", "f4", (dimension,), most)
    writer.reserve("codes", "i1", (dimension,), most)
    for name in _PER_BLOCK:
        writer.reserve(name, "f4", (), -(-most // CODE_BLOCK))
    for name in ("template_ids", "person_ids"):
        writer.reserve(name, "i8", (), most)
    ids = sorted(matrix.names)
    text, ends = joined(matrix.names[person_id] for person_id in ids)
    names: dict[str, NDArray[Any]] = {"name_ids": np.array(ids, np.int64), "name_text": text, "name_ends": ends}
    for name, array in names.items():
        writer.reserve(name, array.dtype.str, (), len(array))
        writer.append(name, array)
    waiting: FloatArray = np.empty((CODE_BLOCK, dimension), np.float32)  # rows of a block of codes that is not full
    count = 0
    for block in blocks_with_means(matrix):
        writer.append("vectors", block.vectors)
        writer.append("template_ids", block.template_ids)
        writer.append("person_ids", block.person_ids)
        start = 0
        while start < len(block.vectors):
            part = block.vectors[start : start + CODE_BLOCK - count]
            waiting[count : count + len(part)] = part
            count, start = count + len(part), start + len(part)
            if count == CODE_BLOCK:
                _append_codes(writer, waiting)
                count = 0
    if count:
        _append_codes(writer, waiting[:count])
    writer.close({"format": FORMAT, "stamp": stamp})


def _append_codes(writer: ArrayWriter, vectors: FloatArray) -> None:
    encoded = encode_block(vectors)
    writer.append("codes", encoded.codes)
    for name, fact in zip(_PER_BLOCK, encoded[1:], strict=True):
        writer.append(name, np.array([fact], np.float32))
