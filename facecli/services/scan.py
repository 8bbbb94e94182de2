"""Scanning: each photo committed as it is done, gone on with after any interruption, and spared what is known."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facecli.errors import UsageError
from facecli.scans.records import Asked, Entry, EntryState, FileSignature, KnownFile, StoredScan, fingerprint_of
from facecli.scans.store import ScanStore
from facecli.scans.translation import plan_gone_error, running_error
from facecli.services.analysis import PhotoSource
from facecli.services.scan_facts import changed_facts
from facecli.types import PhotoResult

# Errors that are the same for every file of this content, whatever the machine is busy with meanwhile.
LASTING_ERRORS: Final = frozenset({"corrupt", "truncated", "not_an_image", "unsupported_format"})

# A file changed so shortly before it was read may have changed again within the same tick of its file system's clock
# (2 s on FAT), so its time tells nothing yet: it is read again next time.
CLOCK_TICK_NS: Final = 2_000_000_000

# Photos of a plan that are held in memory at a time.
PLAN_ROWS: Final = 1024


@dataclass(frozen=True, slots=True)
class ScannedPhoto(PhotoSource):
    """A photo of a scan.

    Attributes
    ----------
    position : int or None
        Its place in the plan; None for a photo that is in none.
    signature : FileSignature or None
        What its file looked like just before it is read; None where it need not be read, or cannot.
    is_done : bool
        What became of it was committed before.
    """

    position: int | None = None
    signature: FileSignature | None = None
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Reuse:
    """Which of what is stored a scan uses.

    Attributes
    ----------
    analyses : bool
        What photos gave, by their content; without, only what the scan itself has stored.
    unchanged : bool
        That a file which looks as it did when it was last read has the same content.
    """

    analyses: bool = True
    unchanged: bool = False


class ScanJournal:
    """Gives the photos of a scan in their order, and commits each at once; an `AnalysisStore`.

    Used by many threads, but for `open` and `photos`.

    Parameters
    ----------
    store : ScanStore
    reuse : Reuse
    seen : dict of str to FileSignature, optional
        Filled with what the file of each photo looked like that its result is about.
    """

    def __init__(self, store: ScanStore, reuse: Reuse = Reuse(), seen: dict[str, FileSignature] | None = None) -> None:
        self._store = store
        self._reuse = reuse
        self._seen = seen
        self._scan_id = 0
        self._planned_photos = 0
        self._fingerprint = ""
        self._found: set[str] = set()  # contents that are on their way from `find` to `keep`
        self._found_lock = threading.Lock()

    def open(self, analysis_facts: Mapping[str, str], scan: StoredScan | None = None) -> None:
        """Begin to serve, before the first photo.

        Parameters
        ----------
        analysis_facts : mapping of str to str
            Everything that decides what an analysis gives.
        scan : StoredScan, optional
            Whose plan it is; None for photos that are in none.
        """
        self._fingerprint = fingerprint_of(analysis_facts)
        self._scan_id, self._planned_photos = (scan.scan_id, scan.photos) if scan is not None else (0, 0)

    def photos(self) -> Iterator[ScannedPhoto]:
        """Give the photos of the plan: what is done with what is known of it, so that it is not even read.

        Raises
        ------
        FacecliError
            ``scan_gone`` if the plan is taken away meanwhile.
        """
        first = given = 0
        while entries := self._store.entries(self._scan_id, first, PLAN_ROWS):
            for entry in entries:
                yield self._planned(entry)
            first = entries[-1].position + 1
            given += len(entries)
        if given < self._planned_photos:
            raise plan_gone_error(self._scan_id)

    def _planned(self, entry: Entry) -> ScannedPhoto:
        if entry.state in (EntryState.DONE, EntryState.LISTED_WITH_ERROR):
            if self._seen is not None and entry.content_hash:
                self._note_unchanged(entry, self._seen)
            return ScannedPhoto(
                entry.path,
                error=entry.error,
                content_hash=entry.content_hash,
                position=entry.position,
                is_done=True,
            )
        return self.photo(entry.path, entry.position)

    def _note_unchanged(self, entry: Entry, seen: dict[str, FileSignature]) -> None:
        """Note what the file of a photo done before looks like, if it has not changed since."""
        signature = file_signature(entry.path)
        if signature is not None and self._store.file_hash(_absolute(entry.path), signature) == entry.content_hash:
            seen[entry.path] = signature

    def photo(self, path: str, position: int | None = None) -> ScannedPhoto:
        """Give a photo that is to be looked at."""
        signature = file_signature(path)
        known = ""
        if signature is not None and self._seen is not None:
            self._seen[path] = signature
        if signature is not None and self._reuse.unchanged:
            known = self._store.file_hash(_absolute(path), signature)
        return ScannedPhoto(path, content_hash=known, position=position, signature=signature)

    def find(self, content_hash: str) -> PhotoResult | None:
        """Return what a photo of this content gave."""
        if not self._reuse.analyses and not self._scan_id:
            return None  # photos of no plan: nothing tells which of what is stored this scan made
        made_by = None if self._reuse.analyses else self._scan_id
        found = self._store.find(self._fingerprint, content_hash, made_by=made_by)
        if found is not None:
            with self._found_lock:
                self._found.add(content_hash)
        return found

    def keep(self, source: PhotoSource, content_hash: str, result: PhotoResult) -> None:
        """Commit a photo that is done."""
        with self._found_lock:
            is_new = bool(content_hash) and content_hash not in self._found
            self._found.discard(content_hash)
        photo = source if isinstance(source, ScannedPhoto) else ScannedPhoto(source.path)
        if photo.is_done and (photo.error is not None or not is_new):
            return
        lasting = result.error is None or result.error.code in LASTING_ERRORS
        self._store.keep(
            self._fingerprint,
            content_hash,
            result if is_new and lasting else None,
            scan_id=self._scan_id,
            entry=_entry(photo, content_hash, result),
            file=_known_file(photo, content_hash),
        )

    def finish(self, *, watching: bool = False) -> None:
        """Take note that all results are written, and whether folders are followed from now on."""
        if self._scan_id:
            self._store.finish(self._scan_id, watching=watching)

    @property
    def done(self) -> int:
        """How many photos of the plan are committed and need no other try."""
        return self._store.progress(self._scan_id)


def _entry(photo: ScannedPhoto, content_hash: str, result: PhotoResult) -> Entry | None:
    if photo.position is None:
        return None
    state = EntryState.DONE if content_hash else EntryState.UNREAD
    return Entry(photo.position, photo.path, state, content_hash, result.error)


def _known_file(photo: ScannedPhoto, content_hash: str) -> KnownFile | None:
    """Return what is remembered of a file; None while its time does not tell whether it changes."""
    if photo.signature is None or not content_hash or photo.signature.mtime_ns > time.time_ns() - CLOCK_TICK_NS:
        return None
    return KnownFile(_absolute(photo.path), photo.signature, content_hash)


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


def file_signature(path: str) -> FileSignature | None:
    """Return what tells whether a file has changed; None where it cannot be asked."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return FileSignature(status.st_size, status.st_mtime_ns)


def begin_scan(store: ScanStore, asked: Asked, facts: Mapping[str, str], sources: Iterable[PhotoSource]) -> StoredScan:
    """Commit the plan of a scan: its photos in their order."""
    return store.begin(asked, facts, (_listed(position, source) for position, source in enumerate(sources)))


def _listed(position: int, source: PhotoSource) -> Entry:
    state = EntryState.WAITING if source.error is None else EntryState.LISTED_WITH_ERROR
    return Entry(position, source.path, state, error=source.error)


def resume_scan(store: ScanStore, asked: Asked, facts: Mapping[str, str]) -> StoredScan | None:
    """Take over the interrupted scan that asked this.

    Parameters
    ----------
    facts : mapping of str to str
        Everything that decides results, as it is now.

    Returns
    -------
    StoredScan or None
        None if there is none.

    Raises
    ------
    UsageError
        If other facts decided the results that are done; it names every one.
    FacecliError
        If another process works on it.
    """
    scan = store.unfinished(asked)
    if scan is None:
        return None
    if scan.process_id not in (None, os.getpid()):
        raise running_error(scan.scan_id, scan.process_id)
    changes = changed_facts(scan.facts, facts)
    if changes:
        raise UsageError(
            f"scan {scan.scan_id} cannot be gone on with: {'; '.join(changes)}",
            hint="Leave --resume out to begin anew. What still fits of what was found is used.",
            code="scan_changed",
        )
    store.take_over(scan.scan_id)
    return scan
