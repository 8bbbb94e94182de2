"""Reading an archive from anybody: every member is checked against its SHA-256 before anything in it is believed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from facecli.archive.container import Container
from facecli.archive.fields import decode
from facecli.archive.format import (
    CROPS,
    MANIFEST,
    MAX_CROP_BYTES,
    MAX_MANIFEST_BYTES,
    PART_BYTES,
    PEOPLE,
    TENSOR,
    ArchivedPerson,
    ArchivedTemplate,
    Part,
    bad_archive,
    crop_name,
    templates_name,
    vectors_name,
)
from facecli.archive.lines import read_crop, read_manifest, read_person, read_template
from facecli.errors import FacecliError
from facecli.types import UNIT_NORM_TOLERANCE, Crop, FloatArray

_MOST_HEADER: Final = 65_536  # of a safetensors file of one tensor
_JPEG_MARK: Final = b"\xff\xd8\xff"


class ArchiveReader:
    """An open archive; to be used in a ``with`` block.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    manifest : Manifest

    Raises
    ------
    InputError
        By every method: with code ``bad_archive``, naming archive and member, if it is not sound, ``archive_newer`` if
        a newer facecli wrote it, or ``cannot_read``.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._container = Container(path)
        try:
            text = self._container.read(MANIFEST, MAX_MANIFEST_BYTES)
            self.manifest = read_manifest(self._decoded(text, lambda what: self._bad(f"{MANIFEST} {what}")), self.path)
            self._refuse_other_members()
            for name, sha256 in self.manifest.sha256.items():
                self._check(name, self._container.sha256(name), sha256)
        except BaseException:
            self._container.close()
            raise
        self._crops: list[tuple[str, FloatArray]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def people(self) -> Iterator[ArchivedPerson]:
        """Yield everybody; the first is person 1."""
        count = 0
        for number, (line, wrong) in enumerate(self._lines(PEOPLE), start=1):
            yield read_person(self._decoded(line, wrong), number, wrong)
            count = number
        self._expect_count(PEOPLE, count, self.manifest.people)

    def templates(self) -> Iterator[tuple[str, ArchivedTemplate]]:
        """Yield the model_id and the template of all templates."""
        for number, part in enumerate(self.manifest.parts, start=1):
            vectors = self._vectors(vectors_name(number), part)
            name = templates_name(number)
            count = 0
            for line, wrong in self._lines(name):
                if count == part.templates:
                    raise self._bad(f"{name} has more lines than {vectors_name(number)} has vectors")
                yield part.model_id, read_template(self._decoded(line, wrong), vectors[count], self.manifest, wrong)
                count += 1
            self._expect_count(name, count, part.templates)

    def _vectors(self, name: str, part: Part) -> FloatArray:
        content = self._container.read(name, PART_BYTES + _MOST_HEADER)
        try:
            tensors = load(content)
        except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise self._bad(f"{name} is no safetensors file ({error})") from error
        array = tensors.get(TENSOR)
        if len(tensors) != 1 or array is None:
            raise self._bad(f"{name} does not hold one tensor called {TENSOR}")
        if array.dtype != np.float32 or array.shape != (part.templates, part.dimension):
            raise self._bad(
                f"{name} holds {array.dtype} of shape {array.shape}, expected float32 of"
                f" ({part.templates}, {part.dimension})"
            )
        with np.errstate(over="ignore", invalid="ignore"):  # what is no number comes out as wrong as it is
            norms = np.sqrt(np.einsum("td,td->t", array, array, dtype=np.float64))
        wrong = np.flatnonzero(~(np.abs(norms - 1) <= UNIT_NORM_TOLERANCE))
        if wrong.size:
            row = int(wrong[0])
            raise self._bad(f"vector {row + 1} of {name} has norm {norms[row]:.4g}, expected 1")
        return array

    def crop(self, number: int) -> Crop:
        """Return a crop by its number."""
        if self._crops is None:
            lines = enumerate(self._lines(CROPS), start=1)
            self._crops = [read_crop(self._decoded(line, wrong), each, wrong) for each, (line, wrong) in lines]
            self._expect_count(CROPS, len(self._crops), self.manifest.crops)
        sha256, landmarks = self._crops[number - 1]
        name = crop_name(number)
        image = self._container.read(name, MAX_CROP_BYTES)
        self._check(name, hashlib.sha256(image).hexdigest(), sha256)
        if not image.startswith(_JPEG_MARK):
            raise self._bad(f"{name} is no JPEG picture")
        return Crop(image, landmarks)

    def _refuse_other_members(self) -> None:
        expected = {MANIFEST, *self.manifest.sha256, *map(crop_name, range(1, self.manifest.crops + 1))}
        for name in sorted(self._container.names ^ expected):
            raise self._bad(f"it has no {name}" if name in expected else f"it holds {name}, which it does not count")

    def _lines(self, name: str) -> Iterator[tuple[bytes, Callable[[str], FacecliError]]]:
        """Yield each line, and what makes an error of what is wrong with it."""
        for number, line in enumerate(self._container.lines(name), start=1):
            yield line, partial(self._bad_line, name, number)

    def _decoded(self, text: bytes, wrong: Callable[[str], FacecliError]) -> object:
        try:
            return decode(text)
        except ValueError as error:
            raise wrong(f"is no JSON ({error})") from error

    def _check(self, name: str, found: str, expected: str) -> None:
        if found != expected:
            raise self._bad(f"{name} does not have the SHA-256 that the archive says")

    def _expect_count(self, name: str, found: int, expected: int) -> None:
        if found != expected:
            raise self._bad(f"{name} has {found:,} lines, and the archive says {expected:,}")

    def _bad_line(self, name: str, number: int, what: str) -> FacecliError:
        return self._bad(f"line {number} of {name} {what}")

    def _bad(self, what: str) -> FacecliError:
        return bad_archive(self.path, what)
