"""Following folders: which photos are new or changed, and no longer being written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from facecli.media.folder import FolderProblem, find_photos
from facecli.scans.records import FileSignature
from facecli.services.scan import file_signature


class FolderWatch:
    """Looks at folders again and again.

    Nothing but their listings and the sizes and times of files is asked for, which every file system can tell, network
    shares included.

    Parameters
    ----------
    roots : sequence of sequences of str
        Files and folders, in groups inside which no folder is walked twice.
    recursive : bool
        Walk sub-folders too.
    seen : dict of str to FileSignature
        Photos that are known, and what their files looked like. Taken over and changed.
    """

    def __init__(self, roots: Sequence[Sequence[str]], *, recursive: bool, seen: dict[str, FileSignature]) -> None:
        self._roots = roots
        self._recursive = recursive
        self._seen = seen
        self._waiting: dict[str, FileSignature] = {}

    def look(self) -> list[str]:
        """Return the photos that are new or changed, and looked the same at the last two looks, in their order.

        A file that is gone is forgotten, so that it is new when it comes back; not if its folder cannot be listed.
        """
        found, unlisted = self._found()
        fresh = {path: signature for path, signature in found.items() if self._seen.get(path) != signature}
        ready = [path for path, signature in fresh.items() if self._waiting.get(path) == signature]
        for path in [path for path in self._seen if path not in found and not _is_below(path, unlisted)]:
            del self._seen[path]
        for path in ready:
            self._seen[path] = fresh.pop(path)
        self._waiting = fresh
        return ready

    def _found(self) -> tuple[dict[str, FileSignature], set[PurePath]]:
        """Return every file that is there, and the folders that cannot be listed."""
        found: dict[str, FileSignature] = {}
        unlisted: set[PurePath] = set()
        for group in self._roots:
            for each in find_photos(group, recursive=self._recursive):
                signature = None if isinstance(each, FolderProblem) else file_signature(each.path)
                if signature is not None:
                    found[each.path] = signature
                elif isinstance(each, FolderProblem) or each.path in group:  # such as a disk that is not mounted
                    unlisted.add(PurePath(each.path))
        return found, unlisted


def _is_below(path: str, folders: set[PurePath]) -> bool:
    return bool(folders) and not folders.isdisjoint(PurePath(path).parents)
