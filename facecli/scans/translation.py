"""What SQLite and the file system complain about, in facecli's words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from facecli.errors import FacecliError
from facecli.sqlite_file import primary_code

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


def running_error(scan_id: int, process_id: int | None) -> FacecliError:
    """Return what to raise where a scan is in the hands of another process."""
    return FacecliError(
        f"scan {scan_id} is being done by process {process_id}",
        hint="Wait until that process is done, or stop it with Ctrl-C.",
        code="scan_running",
    )


def gone_error(scan_id: int) -> FacecliError:
    """Return what to raise where the plan of a scan is no longer in the file."""
    return FacecliError(
        f"scan {scan_id} cannot be gone on with: it has ended or was forgotten meanwhile",
        hint="Run the command again, without --resume.",
        code="scan_gone",
    )


def plan_gone_error(scan_id: int) -> FacecliError:
    """Return what to raise where a scan that is being done loses its plan."""
    return FacecliError(
        f"the plan of scan {scan_id} is gone: it was deleted while the scan was running",
        hint="Run the command again; what is known of its photos is used.",
        code="scan_gone",
    )


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
