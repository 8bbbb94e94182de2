"""The zip file around an archive, from anybody: looked at before it is read, and never unpacked to a disk.

Members are stored, not compressed, and together take no more room than the file: nothing in it can become larger than
it is. Names come from a closed list, so none leads anywhere.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from facecli.archive.format import MANIFEST, MAX_LINE_BYTES, MAX_MEMBERS, MEMBER, bad_archive, unreadable

# APPNOTE.TXT 6.3.10 of PKWARE, 4.3.14 to 4.3.16: how a zip file ends.
_END: Final = struct.Struct("<4s4H2LH")
_END_MARK: Final = b"PK\5\6"
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_END_64_MARK: Final = b"PK\6\6"
_LOCATOR_64: Final = struct.Struct("<4sLQL")
_LOCATOR_64_MARK: Final = b"PK\6\7"
_ENTRY_BYTES: Final = 46
_LONGEST_NAME: Final = 64
_MOST_EXTRA: Final = 64  # sizes and an offset of 64 bits take 28

_ENCRYPTED: Final = 0x1
_CHUNK_BYTES: Final = 2**20

_DAMAGE: Final = (
    BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OverflowError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    struct.error,
    zlib.error,
)
"""What `zipfile` raises for bytes that nobody meant as a zip file."""


class Container:
    """An open archive whose members have names, kinds and sizes that an archive may have.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        With code ``bad_archive``; also by every method, if what is read is damaged. With code ``cannot_read`` if the
        file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        with self._translated():
            stream = path.open("rb")
        try:
            with self._translated():
                self._refuse_many(stream)
                self._zip = ZipFile(stream)
                self._sizes = self._members(stream.seek(0, 2))
        except BaseException:
            stream.close()
            raise
        self._stream = stream

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def names(self) -> frozenset[str]:
        """All members."""
        return frozenset(self._sizes)

    def read(self, name: str, most: int) -> bytes:
        """Return a member of at most so many bytes.

        Raises
        ------
        InputError
            If it is missing, larger or damaged.
        """
        size = self._size(name)
        if size > most:
            raise bad_archive(self.path, f"{name} has {size:,} bytes, and {most:,} are allowed")
        with self._translated(name), self._zip.open(name) as source:
            return source.read()

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a member, none too long.

        Raises
        ------
        InputError
            If it is missing or damaged, a line is too long, or the last one does not end.
        """
        self._size(name)
        with self._translated(name), self._zip.open(name) as source:
            number = 0
            while line := source.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise bad_archive(self.path, f"line {number} of {name} is longer than {MAX_LINE_BYTES:,} bytes")
                if not line.endswith(b"\n"):
                    raise bad_archive(self.path, f"line {number} of {name} does not end")
                yield line

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a member in hex."""
        self._size(name)
        digest = hashlib.sha256()
        with self._translated(name), self._zip.open(name) as source:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def _size(self, name: str) -> int:
        if name not in self._sizes:
            raise bad_archive(self.path, f"it has no {name}")
        return self._sizes[name]

    def _members(self, file_size: int) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for info in self._zip.infolist():
            self._refuse_odd(info)
            if info.filename in sizes:
                raise bad_archive(self.path, f"{info.filename} is there twice")
            sizes[info.filename] = info.file_size
        if sum(sizes.values()) > file_size:
            raise bad_archive(self.path, "its members overlap")
        if MANIFEST not in sizes:
            raise bad_archive(self.path, f"it is no archive of a gallery: it has no {MANIFEST}")
        return sizes

    def _refuse_odd(self, info: ZipInfo) -> None:
        name = info.filename
        if not MEMBER.fullmatch(name):
            raise bad_archive(self.path, f"it holds {name[:80]!a}, which no archive of a gallery has")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise bad_archive(self.path, f"{name} is no plain file")
        if info.flag_bits & _ENCRYPTED:
            raise bad_archive(self.path, f"{name} is encrypted")
        if info.compress_type != ZIP_STORED or info.compress_size != info.file_size:
            raise bad_archive(self.path, f"{name} is compressed, which an archive of a gallery never is")

    def _refuse_many(self, stream: BinaryIO) -> None:
        """Refuse, before `zipfile` makes an object of each, what has too many members; and what is no zip file."""
        size = stream.seek(0, 2)
        entries, directory = self._end(stream, size)
        if entries > MAX_MEMBERS or directory > MAX_MEMBERS * (_ENTRY_BYTES + _LONGEST_NAME + _MOST_EXTRA):
            raise bad_archive(self.path, f"it says that it has {entries:,} members, and {MAX_MEMBERS:,} are allowed")
        stream.seek(0)

    def _end(self, stream: BinaryIO, size: int) -> tuple[int, int]:
        """Return how many members a zip file says that it has, and how long their directory is."""
        stream.seek(max(0, size - _END.size))
        tail = stream.read(_END.size)
        if len(tail) < _END.size or not tail.startswith(_END_MARK):
            raise bad_archive(self.path, "it is no zip file, or the end of it is missing")
        _, _, _, _, entries, directory, _, _ = _END.unpack(tail)
        stream.seek(max(0, size - _END.size - _LOCATOR_64.size))
        locator = stream.read(_LOCATOR_64.size)
        if locator.startswith(_LOCATOR_64_MARK):
            stream.seek(max(0, size - _END.size - _LOCATOR_64.size - _END_64.size))
            end = stream.read(_END_64.size)
            if not end.startswith(_END_64_MARK):
                raise bad_archive(self.path, "the end of it is damaged")
            entries, directory = _END_64.unpack(end)[7:9]
        return entries, directory

    @contextmanager
    def _translated(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unreadable(self.path, error) from error
        except _DAMAGE as error:
            what = f"{name} is damaged" if name else "it is no sound zip file"
            raise bad_archive(self.path, f"{what} ({error})") from error
