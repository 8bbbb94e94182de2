"""Writing an archive: the same gallery gives the same bytes, on every machine and at any time."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, BinaryIO, Final, Self
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from safetensors.numpy import save

from facecli.archive.fields import encode
from facecli.archive.format import (
    CROPS,
    HISTORY,
    MANIFEST,
    MAX_CROP_BYTES,
    MAX_LINE_BYTES,
    MAX_MEMBERS,
    PART_BYTES,
    PEOPLE,
    TENSOR,
    ArchivedPerson,
    ArchivedTemplate,
    Manifest,
    Part,
    crop_name,
    part_rows,
    templates_name,
    vectors_name,
)
from facecli.archive.lines import crop_line, manifest_object, person_line, template_line
from facecli.errors import InputError
from facecli.types import Crop

_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can tell
_UNIX: Final = 3
_MODE: Final = stat.S_IFREG | 0o600


class ArchiveWriter:
    """Writes one archive; to be used in a ``with`` block, whose end writes the manifest.

    People come first, then templates model by model, then crops; each at most once.

    Parameters
    ----------
    stream : BinaryIO
        A file at its beginning. Stays open.
    version : str
        Of facecli.

    Raises
    ------
    InputError
        By every method, if something is larger than an archive allows.
    """

    def __init__(self, stream: BinaryIO, version: str) -> None:
        self._zip = ZipFile(stream, "w", ZIP_STORED)
        self._version = version
        self._people = self._crops = 0
        self._parts: list[Part] = []
        self._sha256: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            for name in (PEOPLE, CROPS):
                if name not in self._sha256:
                    self._write(name, b"")
            with self._zip.open(_member(MANIFEST), "w") as target:
                target.write(encode(manifest_object(self.manifest)))
        self._zip.close()

    @property
    def manifest(self) -> Manifest:
        """What was written so far."""
        templates = sum(part.templates for part in self._parts)
        return Manifest(self._version, self._people, templates, self._crops, tuple(self._parts), self._sha256)

    def write_people(self, people: Iterable[ArchivedPerson]) -> None:
        """Write everybody; the first is person 1."""
        with self._member(PEOPLE) as target:
            for person in people:
                self._people += 1
                target.write(_line(person_line(self._people, person), f"what is known of {person.name}"))

    def write_templates(self, model_id: str, dimension: int, templates: Iterable[ArchivedTemplate]) -> None:
        """Write the templates of a model, in parts."""
        lines: list[bytes] = []
        vectors: list[bytes] = []
        size = 0
        for template in templates:
            line = _line(template_line(template), "what is known of a template")
            if len(lines) == part_rows(dimension) or size + len(line) > PART_BYTES:
                self._write_part(model_id, dimension, lines, vectors)
                lines, vectors, size = [], [], 0
            lines.append(line)
            vectors.append(np.asarray(template.vector, "<f4").tobytes())
            size += len(line)
        if lines:
            self._write_part(model_id, dimension, lines, vectors)

    def _write_part(self, model_id: str, dimension: int, lines: list[bytes], vectors: list[bytes]) -> None:
        self._parts.append(Part(model_id, dimension, len(lines)))
        number = len(self._parts)
        self._write(templates_name(number), b"".join(lines))
        array = np.frombuffer(b"".join(vectors), "<f4").reshape(len(lines), dimension)
        self._write(vectors_name(number), save({TENSOR: array}))

    def write_crops(self, crops: Iterable[Crop]) -> None:
        """Write the crops; the first is crop 1."""
        lines = []
        for crop in crops:
            self._crops += 1
            if self._crops > MAX_MEMBERS - 2 * len(self._parts) - 4:
                raise InputError(
                    f"an archive holds {MAX_MEMBERS:,} pictures at most",
                    hint="Export without them: --no-crops",
                    code="archive_full",
                )
            _refuse_larger(len(crop.image), MAX_CROP_BYTES, f"crop {self._crops}")
            digest = hashlib.sha256(crop.image).hexdigest()
            lines.append(_line(crop_line(self._crops, digest, crop), f"crop {self._crops}"))
            with self._zip.open(_member(crop_name(self._crops)), "w") as target:
                target.write(crop.image)
        self._write(CROPS, b"".join(lines))

    def write_history(self, lines: Iterable[object]) -> None:
        """Write the log, for information: nothing reads it again."""
        with self._member(HISTORY) as target:
            for line in lines:
                target.write(_line(line, "a line of the history"))

    def _write(self, name: str, content: bytes) -> None:
        with self._member(name) as target:
            target.write(content)

    @contextmanager
    def _member(self, name: str) -> Iterator[_Hashed]:
        with self._zip.open(_member(name), "w") as target:
            hashed = _Hashed(target)
            yield hashed
        self._sha256[name] = hashed.sha256


class _Hashed:
    """Writes on, and keeps the SHA-256."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._hash = hashlib.sha256()

    def write(self, content: bytes) -> None:
        self._hash.update(content)
        self._target.write(content)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def _member(name: str) -> ZipInfo:
    info = ZipInfo(name, _NO_TIME)
    info.create_system = _UNIX
    info.external_attr = _MODE << 16
    return info


def _line(value: object, what: str) -> bytes:
    line = encode(value)
    _refuse_larger(len(line), MAX_LINE_BYTES, what)
    return line


def _refuse_larger(size: int, most: int, what: str) -> None:
    if size > most:
        raise InputError(f"{what} takes {size:,} bytes, and an archive allows {most:,}", code="archive_full")
