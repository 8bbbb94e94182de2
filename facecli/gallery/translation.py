"""What SQLite and the file system complain about, in facecli's words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from facecli.errors import FacecliError, GalleryCorruptError, GalleryError, GalleryLockedError
from facecli.sqlite_file import primary_code


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn every error of SQLite or the file system in a block into one of facecli, naming `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error
    except UnicodeDecodeError as error:  # SQLite quotes the damaged part of a schema in its message
        raise corrupt_error(path, "its schema is no text") from error
    except OSError as error:
        raise GalleryError(
            f"the gallery {path} cannot be opened: {error.strerror}",
            hint="Check the path and who may read and write there.",
            code="gallery_unopenable",
        ) from error


def read_only_error(path: str) -> GalleryError:
    """Return what to raise when a change is asked of a gallery that can only be read."""
    return GalleryError(
        f"the gallery {path} can only be read",
        hint="Make the file and its folder writable, or copy the gallery to a folder of yours.",
        code="gallery_read_only",
    )


def missing_error(path: str) -> GalleryError:
    """Return what to raise when there is nothing to read."""
    return GalleryError(
        f"there is no gallery at {path}",
        hint="Enrol somebody first: facecli enroll NAME PHOTO…",
        code="gallery_missing",
    )


def _translate(error: sqlite3.Error, path: str) -> FacecliError:
    code = primary_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return GalleryLockedError(
            f"the gallery {path} is in use by another process",
            hint="Wait until it is done and try again.",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return GalleryCorruptError(
            f"{path} is not a facecli gallery", hint="Name the gallery with --gallery PATH, or choose a new file."
        )
    # All SQL is facecli's own and right for its schema, so an "SQL error" means that the file holds another schema;
    # the Python module has no code (0) for text that is no UTF-8.
    misread = isinstance(error, sqlite3.OperationalError) and code in (0, sqlite3.SQLITE_ERROR)
    if misread or code == sqlite3.SQLITE_CORRUPT:
        return corrupt_error(path, str(error))
    if code == sqlite3.SQLITE_READONLY:
        return read_only_error(path)
    if code == sqlite3.SQLITE_FULL:
        return GalleryError(
            f"the disk is full, so the gallery {path} was left as it was",
            hint="Free some space and try again.",
            code="gallery_full",
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return GalleryError(
            f"the gallery {path} cannot be opened",
            hint="Check the path and who may read and write there.",
            code="gallery_unopenable",
        )
    return GalleryError(f"the gallery {path} failed: {error}", hint="Check the disk, then: facecli gallery check")


def corrupt_error(path: str, what: str) -> GalleryCorruptError:
    """Return what to raise when the file holds what facecli cannot have written."""
    return GalleryCorruptError(
        f"the gallery {path} is damaged: {what}",
        hint="Do not write to it; take a backup: facecli gallery restore latest",
    )
