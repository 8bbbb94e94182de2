"""What the file of scans holds, as values."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Self

from facecli.types import PhotoError


def fingerprint_of(facts: Mapping[str, str]) -> str:
    """Return the short form of everything that decides what an analysis gives: SHA-256 (hex)."""
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode("ascii")).hexdigest()


class FileSignature(NamedTuple):
    """What tells without reading whether a file has changed."""

    size: int
    mtime_ns: int


class EntryState(IntEnum):
    """How far a photo of a scan is."""

    WAITING = 0
    DONE = 1  # its content was analysed, or cannot be
    UNREAD = 2  # it could not be read, which is tried again when the scan goes on
    LISTED_WITH_ERROR = 3  # not even looked at, such as a folder that cannot be listed


@dataclass(frozen=True, slots=True)
class Entry:
    """A photo of a scan.

    Attributes
    ----------
    position : int
        In the scan, from 0.
    path : str
        As the user named it.
    content_hash : str
        SHA-256 (hex); empty while it is not known.
    """

    position: int
    path: str
    state: EntryState = EntryState.WAITING
    content_hash: str = ""
    error: PhotoError | None = None


class KnownFile(NamedTuple):
    """A file as it was when its content was last seen."""

    path: str  # absolute
    signature: FileSignature
    content_hash: str  # SHA-256 (hex)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which photos a scan is about; two calls that ask the same share a `key`.

    Attributes
    ----------
    folder : str
        That relative names start from; empty if there are none.
    roots : tuple of str
        Files and folders as the user named them.
    listed : str
        SHA-256 (hex) of the names in ``--files-from``; empty if there is no such list.
    recursive : bool
    """

    folder: str
    roots: tuple[str, ...]
    listed: str = ""
    recursive: bool = True

    @property
    def text(self) -> str:
        """As JSON."""
        return json.dumps([self.folder, self.roots, self.listed, self.recursive])

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Read what `text` gave; nothing if it makes no sense."""
        try:
            folder, roots, listed, recursive = json.loads(text)
            return cls(str(folder), tuple(map(str, roots)), str(listed), bool(recursive))
        except (ValueError, TypeError, RecursionError):
            return cls("", ())

    @property
    def key(self) -> str:
        """Name of the question: SHA-256 (hex)."""
        return hashlib.sha256(self.text.encode("ascii")).hexdigest()

    @property
    def places(self) -> tuple[str, ...]:
        """Absolute paths of the roots."""
        return tuple(os.path.normpath(os.path.join(self.folder, root)) for root in self.roots)  # noqa: PTH118  # text


@dataclass(frozen=True, slots=True)
class StoredScan:
    """A scan as it was left.

    Attributes
    ----------
    facts : mapping of str to str
        Everything that decides the results.
    photos, done : int
        In all, and finished.
    started_at, finished_at : str
        ISO 8601, UTC; empty while it is not finished.
    process_id : int or None
        Of the process that is working on it now.
    """

    scan_id: int
    asked: Asked
    facts: Mapping[str, str]
    photos: int
    done: int
    started_at: str
    finished_at: str = ""
    process_id: int | None = None

    @property
    def state(self) -> str:
        """In a word: finished, watching (finished, and its folders are followed), running or interrupted."""
        if self.finished_at:
            return "finished" if self.process_id is None else "watching"
        return "running" if self.process_id is not None else "interrupted"


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What the file of scans holds.

    Attributes
    ----------
    size_bytes : int
        Of the file with its log.
    analyses, files : int
        Photos by content, and by path.
    set_aside : tuple of str
        Damaged files beside it.
    """

    path: str
    size_bytes: int
    schema_version: int
    scans: int
    analyses: int
    files: int
    set_aside: tuple[str, ...] = ()
