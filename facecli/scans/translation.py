"""What SQLite and the file system complain about, in facecli's words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from facecli.errors import FacecliError

DAMAGED: Final = "scans_damaged"
"""Code of the error that the file can no longer be read."""


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
        raise unopenable_error(path, error.strerror or str(error)) from error


def corrupt_error(path: str, what: str) -> FacecliError:
    """Return what to raise when the file holds what facecli cannot have written."""
    return FacecliError(
        f"the file of scans {path} is damaged: {what}",
        hint="Run the command again.",
        code=DAMAGED,
    )


def foreign_error(path: str) -> FacecliError:
    """Return what to raise when the file is another application's."""
    return FacecliError(
        f"{path} is no file of scans but another application's database",
        hint="Move it away, or name another folder with FACECLI_STATE.",
        code="scans_unopenable",
    )


def newer_error(path: str, version: int, known: int) -> FacecliError:
    """Return what to raise when a newer facecli wrote the file."""
    return FacecliError(
        f"the file of scans {path} has schema {version} and this facecli knows {known} at most",
        hint="Update facecli; a newer version wrote it. Or pass --no-store.",
        code="scans_newer",
    )


def unopenable_error(path: str, reason: str) -> FacecliError:
    """Return what to raise when the file cannot be opened or made."""
    return FacecliError(
        f"the file of scans {path} cannot be opened: {reason}",
        hint="Name a folder of yours with FACECLI_STATE, or pass --no-store to keep nothing.",
        code="scans_unopenable",
    )


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code (the low byte); 0 where the Python module itself complains."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _translate(error: sqlite3.Error, path: str) -> FacecliError:
    code = primary_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FacecliError(
            f"the file of scans {path} is in use by another process",
            hint="Wait until it is done and try again.",
            code="scans_locked",
        )
    if code == sqlite3.SQLITE_FULL:
        return FacecliError(
            f"the disk is full, so nothing can be kept in {path}",
            hint="Free some space and go on with --resume, or pass --no-store to keep nothing.",
            code="scans_full",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return unopenable_error(path, str(error))
    # All SQL is facecli's own and right for its schema, so an "SQL error" means that the file holds another schema;
    # the Python module has no code (0) for text that is no UTF-8.
    misread = isinstance(error, sqlite3.OperationalError) and code in (0, sqlite3.SQLITE_ERROR)
    if misread or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return corrupt_error(path, str(error))
    return FacecliError(
        f"the file of scans {path} failed: {error}", hint="Check the disk, or pass --no-store.", code="scans_failed"
    )
