"""The file of scans: what photos gave, by their content, and how far each scan is."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from facecli.errors import FacecliError, InputError
from facecli.scans import rows
from facecli.scans.connection import connect, files_set_aside, set_aside
from facecli.scans.forgetting import Forgotten, forget_photos
from facecli.scans.owner import is_gone, living_process, this_process
from facecli.scans.records import (
    Asked,
    Entry,
    FileSignature,
    KnownFile,
    StoredScan,
    StoreInfo,
)
from facecli.scans.schema import MIGRATIONS
from facecli.scans.translation import DAMAGED, gone_error, plan_gone_error, running_error, translated
from facecli.sqlite_file import MEMORY, transaction
from facecli.types import PhotoResult

# Writers hold the file for a millisecond, but while it is made smaller for seconds.
BUSY_TIMEOUT_S: Final = 60.0

FILE_NAME: Final = "scans.db"

_NO_SCAN_HINT: Final = "See: facecli scans list"


class ScanStore:
    """The open file. Made by `ScanStore.open`; to be closed, or used in a ``with`` block.

    One object serves any number of threads, and any number of processes may open the same file. A change is in the
    file when the call returns, so that a process killed afterwards has lost nothing.

    Raises
    ------
    FacecliError
        By every method: ``scans_full`` if the disk is, ``scans_locked`` if another process keeps the file too long,
        ``scans_damaged`` if it can no longer be read.
    """

    def __init__(self, connection: sqlite3.Connection, path: str, warn: Callable[[str], None]) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._warn = warn
        self._damage: FacecliError | None = None
        self._opened = None if path == MEMORY else Path(path).stat()  # which file it was, whoever takes its name
        self.path = path

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        warn: Callable[[str], None] = lambda _: None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> Self:
        """Open the file; a missing one is made (mode 0600, its folder 0700), a damaged one set aside first.

        Parameters
        ----------
        path : path-like
            Or ``":memory:"``.
        warn : callable
            Told where a damaged file was set aside.
        busy_timeout_s : float
            How long to wait for other processes, in seconds.

        Raises
        ------
        FacecliError
            With code ``scans_unopenable`` or ``scans_newer`` (written by a newer facecli).
        """
        name = os.fspath(path)
        if name != MEMORY:
            name = str(Path(name).resolve())
        return cls(connect(name, busy_timeout_s=busy_timeout_s, warn=warn), name, warn)

    def close(self) -> None:
        """Close the file, and set it aside if it proved to be damaged. Closing twice is harmless."""
        with self._lock, translated(self.path):
            self._connection.close()
            damage, self._damage = self._damage, None
            if damage is not None and self._opened is not None:
                set_aside(self.path, damage, self._warn, self._opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, translated(self.path):
                yield self._connection
        except FacecliError as error:
            if error.code == DAMAGED:
                self._damage = error
            raise

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection, transaction(connection):
            yield connection

    def find(self, fingerprint: str, content_hash: str, *, made_by: int | None = None) -> PhotoResult | None:
        """Return what a photo of this content gave, without identifications and model.

        Parameters
        ----------
        fingerprint : str
            See `facecli.scans.records.fingerprint_of`.
        content_hash : str
            SHA-256 (hex).
        made_by : int, optional
            Only what this scan computed.

        Returns
        -------
        PhotoResult or None
            Under the path that it had if it is an error, else without one; None if it is not known or damaged.
        """
        with self._reading() as connection:
            return rows.analysis(connection, fingerprint, content_hash, made_by)

    def keep(
        self,
        fingerprint: str,
        content_hash: str,
        result: PhotoResult | None,
        *,
        scan_id: int = 0,
        entry: Entry | None = None,
        file: KnownFile | None = None,
    ) -> None:
        """Commit one photo.

        Parameters
        ----------
        result : PhotoResult or None
            What its content gave; None if that is known already, or says nothing about other files.
        scan_id : int
            The scan that it is of; 0 for none.
        entry : Entry, optional
            Its place in the scan, as it is now.
        file : KnownFile, optional
            What the file looked like.

        Raises
        ------
        FacecliError
            ``scan_gone`` if the scan has no such place any more; nothing is kept then.
        """
        with self._writing() as connection:
            if result is not None:
                rows.put_analysis(connection, fingerprint, content_hash, result, scan_id)
            if entry is not None and not rows.update_entry(connection, scan_id, entry):
                raise plan_gone_error(scan_id)
            if file is not None:
                rows.put_file(connection, file)

    def file_hash(self, path: str, signature: FileSignature) -> str:
        """Return the SHA-256 (hex) of a file that looks as it did when it was last read; empty if it does not."""
        with self._reading() as connection:
            return rows.file_hash(connection, path, signature)

    def begin(self, asked: Asked, facts: Mapping[str, str], entries: Iterable[Entry]) -> StoredScan:
        """Begin a scan, in place of those that asked the same and whose process has certainly ended."""
        with self._writing() as connection:
            scan_id = rows.insert_scan(connection, asked, facts, this_process(), _now())
            for predecessor, owner in connection.execute(
                "SELECT scan_id, owner FROM scans WHERE key = ? AND finished_at IS NULL AND scan_id <> ?",
                (asked.key, scan_id),
            ).fetchall():
                if is_gone(owner) or living_process(owner) == os.getpid():
                    rows.replace_scan(connection, predecessor, scan_id)
            rows.insert_entries(connection, scan_id, entries)
            return next(rows.scans(connection, "scan_id = ?", (scan_id,)))

    def unfinished(self, asked: Asked) -> StoredScan | None:
        """Return the latest scan that asked this and did not finish."""
        with self._reading() as connection:
            found = list(rows.scans(connection, "key = ? AND finished_at IS NULL", (asked.key,)))
        return found[-1] if found else None

    def take_over(self, scan_id: int) -> None:
        """Make an interrupted scan this process's.

        Raises
        ------
        FacecliError
            ``scan_running`` if another process works on it, ``scan_gone`` if it ended or was forgotten.
        """
        with self._writing() as connection:
            row = connection.execute(
                "SELECT owner FROM scans WHERE scan_id = ? AND finished_at IS NULL", (scan_id,)
            ).fetchone()
            if row is None:
                raise gone_error(scan_id)
            owner = living_process(row[0])
            if owner not in (None, os.getpid()):
                raise running_error(scan_id, owner)
            connection.execute("UPDATE scans SET owner = ? WHERE scan_id = ?", (this_process(), scan_id))

    def entries(self, scan_id: int, first: int = 0, limit: int = -1) -> list[Entry]:
        """Return photos of a scan in their order, from a position on."""
        with self._reading() as connection:
            return rows.entries(connection, self.path, scan_id, first, limit)

    def finish(self, scan_id: int, *, watching: bool = False) -> None:
        """Take note that a scan is finished, in place of finished ones that asked the same and are not watched.

        Parameters
        ----------
        scan_id : int
        watching : bool
            This process goes on to follow its folders, until it calls this again.

        Raises
        ------
        FacecliError
            ``scan_gone`` if it was taken away meanwhile.
        """
        with self._writing() as connection:
            row = connection.execute("SELECT key FROM scans WHERE scan_id = ?", (scan_id,)).fetchone()
            if row is None:
                raise plan_gone_error(scan_id)
            older = "key = ? AND scan_id < ? AND finished_at IS NOT NULL"
            for scan in list(rows.scans(connection, older, (row[0], scan_id))):
                if scan.process_id is None:
                    rows.replace_scan(connection, scan.scan_id, successor=scan_id)
            connection.execute(
                "UPDATE scans SET finished_at = coalesce(finished_at, ?), owner = ? WHERE scan_id = ?",
                (_now(), this_process() if watching else "", scan_id),
            )

    def scans(self) -> list[StoredScan]:
        """Return all scans, the oldest first."""
        with self._reading() as connection:
            return list(rows.scans(connection))

    def progress(self, scan_id: int) -> int:
        """Return how many photos of a scan are done."""
        with self._reading() as connection:
            return next((scan.done for scan in rows.scans(connection, "scan_id = ?", (scan_id,))), 0)

    def forget(self, *scan_ids: int) -> int:
        """Overwrite scans and what their photos gave, but for photos that are also another scan's; all or none.

        Returns
        -------
        int
            How many analyses are gone.

        Raises
        ------
        InputError
            If there is no such scan.
        FacecliError
            ``scan_running`` if a process works on one.
        """
        with self._writing() as connection:
            found = {scan.scan_id: scan for scan in rows.scans(connection)}
            for scan_id in scan_ids:
                if scan_id not in found:
                    raise InputError(f"there is no scan {scan_id}", hint=_NO_SCAN_HINT, code="unknown_scan")
            count = 0
            for scan_id in dict.fromkeys(scan_ids):
                self._refuse_running([found[scan_id]])
                count += rows.delete_found(connection, scan_id)
                rows.delete_scan(connection, scan_id)
        self._shrink()
        return count

    def forget_all(self) -> int:
        """Overwrite everything, damaged files set aside included.

        Returns
        -------
        int
            How many analyses are gone.

        Raises
        ------
        FacecliError
            ``scan_running`` if a process works on a scan.
        """
        with self._writing() as connection:
            self._refuse_running(rows.scans(connection))
            count = rows.count(connection, "analyses")
            for table in ("analyses", "files", "entries", "scans"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608  # names of the schema
        self._shrink()
        self._forget_set_aside()
        return count

    def forget_person(
        self,
        shows: Callable[[PhotoResult], bool],
        content_hashes: Iterable[str],
        names: Collection[str],
        sources: Collection[bytes],
        *,
        only_count: bool = False,
    ) -> Forgotten:
        """Overwrite what photos gave that show or name somebody, and damaged files set aside.

        Parameters
        ----------
        shows, content_hashes, names, sources
            See `facecli.scans.forgetting.forget_photos`.
        only_count : bool
            Say what would be forgotten, and forget nothing.

        Raises
        ------
        FacecliError
            ``scan_running`` if a process works on a scan: it would find them again.
        """
        with self._writing() as connection:
            self._refuse_running(rows.scans(connection))
            forgotten = forget_photos(connection, shows, content_hashes, names, sources)
            if only_count:
                connection.rollback()
        if not only_count:
            self._shrink()
            self._forget_set_aside()
        return forgotten

    def _forget_set_aside(self) -> None:
        if self.path != MEMORY:
            with translated(self.path):
                for path in files_set_aside(self.path):
                    _overwrite(path)

    def _refuse_running(self, scans: Iterable[StoredScan]) -> None:
        for scan in scans:
            if scan.process_id is not None:
                raise running_error(scan.scan_id, scan.process_id)

    def _shrink(self) -> None:
        """Bring what was deleted, which is zeros by now, from the log to the file, and then the file to its size.

        A reader of another process can hold the log back; that is said.
        """
        with self._reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute("VACUUM")
            ((is_busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if is_busy:
            self._warn(
                f"another process reads {self.path}: what was deleted stays in its log until that process is done; "
                "run the command again then"
            )

    def info(self) -> StoreInfo:
        """Return what the file holds."""
        with self._reading() as connection:
            scans, analyses, files = (rows.count(connection, table) for table in ("scans", "analyses", "files"))
        size, aside = 0, tuple[str, ...]()
        if self.path != MEMORY:
            with translated(self.path):
                logs = [Path(self.path + ending) for ending in ("", "-wal")]
                size = sum(each.stat().st_size for each in logs if each.exists())
                aside = tuple(map(str, files_set_aside(self.path)))
        return StoreInfo(self.path, size, len(MIGRATIONS), scans, analyses, files, aside)


def _overwrite(path: Path) -> None:
    """Fill a file with zeros, then delete it."""
    with path.open("r+b") as file:
        left = path.stat().st_size
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 20)))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
