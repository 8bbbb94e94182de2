"""Taking out of the file of scans what shows or names a person. Runs inside its caller's transaction."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from facecli.scans.analysis_record import decode_analysis, unchecked
from facecli.scans.records import EntryState
from facecli.types import PhotoResult


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was taken out of the file of scans, or would be.

    Attributes
    ----------
    analyses : int
        What detection and embedding gave; they are made again when the photo is scanned again.
    file_names : int
        Notes of what files looked like, and photos in lists of finished scans.
    waiting : int
        Photos of scans that are not finished, which are to be analysed again.
    """

    analyses: int = 0
    file_names: int = 0
    waiting: int = 0

    def __bool__(self) -> bool:
        return bool(self.analyses or self.file_names or self.waiting)


def forget_photos(
    connection: sqlite3.Connection,
    shows: Callable[[PhotoResult], bool],
    content_hashes: Iterable[str],
    names: Collection[str],
    sources: Collection[bytes],
) -> Forgotten:
    """Take out all of the photos that show or name somebody.

    Parameters
    ----------
    shows : callable
        Whether what a photo gave shows them.
    content_hashes : iterable of str
        SHA-256 (hex) of photos that do, whatever they gave.
    names : collection of str
        Paths that hold one as a word are taken out too, but for those in scans that are still to be gone on with.
    sources : collection of bytes
        Paths that are taken out too.
    """
    hashes = {bytes.fromhex(each) for each in content_hashes if _is_hash(each)}
    words = _words(names)
    for content_hash, record in connection.execute("SELECT content_hash, record FROM analyses"):
        # Nothing says which facts made it, so the checksum cannot be checked. What cannot be read is of no use.
        result = decode_analysis(unchecked(record)) if isinstance(record, bytes) else None
        said = "" if result is None or result.error is None else f"{result.path}\n{result.error.message}"
        if result is None or shows(result) or words(said) or said.partition("\n")[0].encode(*_BYTES) in sources:
            hashes.add(content_hash)
    analyses = _delete(connection, "DELETE FROM analyses WHERE content_hash = ?", ((each,) for each in hashes))

    def is_meant(path: bytes, content_hash: bytes | None) -> bool:
        return content_hash in hashes or path in sources or words(path.decode(*_BYTES))

    files = [
        (path,)
        for path, content_hash in connection.execute("SELECT path, content_hash FROM files")
        if is_meant(path, content_hash)
    ]
    file_names = _delete(connection, "DELETE FROM files WHERE path = ?", files)
    finished, waiting = [], []
    for scan_id, position, path, state, content_hash, ended in connection.execute(
        "SELECT scan_id, position, path, state, content_hash, finished_at FROM entries JOIN scans USING (scan_id)"
    ):
        if is_meant(path, content_hash):
            if ended is not None:
                finished.append((scan_id, position))
            elif state in (EntryState.DONE, EntryState.UNREAD):
                waiting.append((scan_id, position))
    file_names += _delete(connection, "DELETE FROM entries WHERE scan_id = ? AND position = ?", finished)
    connection.executemany(
        "UPDATE scans SET photo_count = photo_count - 1 WHERE scan_id = ?", ((scan_id,) for scan_id, _ in finished)
    )
    connection.executemany(
        "UPDATE entries SET state = 0, content_hash = NULL, failure = NULL WHERE scan_id = ? AND position = ?", waiting
    )
    return Forgotten(analyses, file_names, len(waiting))


_BYTES = ("utf-8", "surrogateescape")


def _words(names: Collection[str]) -> Callable[[str], bool]:
    """Return what says whether a text holds one of the names as a word: "Ana" is none of "Banana"."""
    if not names:
        return lambda _: False
    pattern = re.compile("|".join(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])" for name in names))
    return lambda text: pattern.search(text) is not None


def _is_hash(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def _delete(connection: sqlite3.Connection, sql: str, rows: Iterable[tuple[object, ...]]) -> int:
    return max(connection.executemany(sql, rows).rowcount, 0)
