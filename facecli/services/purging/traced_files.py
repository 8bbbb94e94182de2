"""Every file in which facecli may hold somebody, looked through byte by byte."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

from facecli.gallery import index_care
from facecli.scans.store import FILE_NAME
from facecli.services.purging.byte_search import ByteSearch
from facecli.services.purging.live_values import CONTEXT_BYTES, LiveValues, Place
from facecli.services.purging.needles import Needle
from facecli.services.purging.receipt import HeldCopy, NeedleKind, Remainder, SearchedFile

# SQLite's own files beside a database (sqlite.org/tempfiles.html).
_SIDE_FILES: Final = ("", "-wal", "-shm", "-journal")

# Networks, by their SHA-256: nothing of a user's goes in there.
_MODELS: Final = "models"

# What tells that a copy holds a person, before a name does.
_TELLING: Final = frozenset({"vectors", "crops", "keys"})


@dataclass(slots=True)
class _Search:
    """What was found in one file."""

    size_bytes: int = 0
    is_unread: bool = False
    found: Counter[int] = field(default_factory=Counter)
    explained: Counter[tuple[int, str]] = field(default_factory=Counter)


class TracedFiles:
    """Searches files for needles when it is made.

    None of them may be open in SQLite in this process.

    Parameters
    ----------
    gallery : Path
    state_dir, cache_dir : Path
        Looked through with all that is below, but for networks.
    needles : sequence of Needle
    """

    def __init__(self, gallery: Path, state_dir: Path, cache_dir: Path, needles: Sequence[Needle]) -> None:
        self._gallery = gallery
        self._needles = needles
        self._search = ByteSearch([needle.content for needle in needles])
        self._found: dict[Path, _Search] = {}
        self.search_gallery()
        scans = state_dir / FILE_NAME
        self._search_all([Path(str(scans) + ending) for ending in _SIDE_FILES], scans)
        self._search_all(path for path in _below(state_dir) if path not in self._found)
        self._search_all(path for path in _below(cache_dir) if _MODELS not in path.relative_to(cache_dir).parts[:1])

    def search_gallery(self) -> None:
        """Search the gallery, and what belongs to it beside it, again."""
        own = [Path(str(self._gallery) + ending) for ending in _SIDE_FILES]
        for path in own:
            self._found.pop(path, None)
        self._search_all(chain(own, index_care.files(str(self._gallery))), self._gallery)

    @property
    def suspicious(self) -> bool:
        """Whether the gallery holds what nothing explains."""
        return any(
            bool(self._found[path].found)
            for ending in _SIDE_FILES
            if (path := Path(str(self._gallery) + ending)) in self._found
        )

    def searched(self, *, is_rewritten: bool) -> tuple[SearchedFile, ...]:
        """Return what is in each file.

        Parameters
        ----------
        is_rewritten : bool
            The gallery was written anew from its rows: what a few bytes still find there is chance.
        """
        result = []
        for path, search in self._found.items():
            is_explained = is_rewritten or path != self._gallery
            found: Counter[NeedleKind] = Counter()
            chance = 0
            for number, count in search.found.items():
                if self._needles[number].is_short and is_explained:
                    chance += count
                else:
                    found[self._needles[number].kind] += count
            remainders: Counter[tuple[NeedleKind, str]] = Counter()
            for (number, where), count in search.explained.items():
                remainders[self._needles[number].kind, where] += count
            left = tuple(Remainder(kind, count, where) for (kind, where), count in sorted(remainders.items()))
            result.append(SearchedFile(path, search.size_bytes, dict(found), left, chance, search.is_unread))
        return tuple(result)

    def copies(self, backups: Iterable[Path]) -> list[HeldCopy]:
        """Return which files beside the gallery that are no part of it, and which backups, hold what was destroyed."""
        kinds = (_TELLING & {needle.kind for needle in self._needles}) or {"names"}
        telling = {number for number, needle in enumerate(self._needles) if needle.kind in kinds}
        kept = list(backups)
        beside = (self._gallery.name, f".{self._gallery.name}")
        others = [
            path
            for path in sorted(self._gallery.parent.iterdir())
            if path.is_file() and path.name.startswith(beside) and path not in self._found
        ]
        found, own_keys = [], _keys(self._gallery)
        for path in chain(kept, others):
            try:
                if self._search.is_any_in(path, telling):
                    found.append(HeldCopy(path, path in kept))
                elif (keys := _keys(path, "&immutable=1")) and keys.isdisjoint(own_keys):
                    # Encrypted before the gallery got the keys it has, if any: there nobody can be looked for.
                    found.append(HeldCopy(path, path in kept, is_unread=True))
            except FileNotFoundError:
                continue
            except OSError:
                found.append(HeldCopy(path, path in kept, is_unread=True))
        return found

    def _search_all(self, paths: Iterable[Path], database: Path | None = None) -> None:
        """Search files; what is found in those of a database may be in rows that are to stay."""
        places: dict[Path, list[Place]] = {}
        for path in paths:
            try:
                size, hits = self._search.in_file(path)
                self._found[path] = _Search(size)
                if hits:
                    places[path] = _places(path, hits, self._search.needles)
            except FileNotFoundError:
                continue
            except OSError:
                self._found[path] = _Search(is_unread=True)
        if not places:
            return
        explain = _unexplained
        if database is not None:
            with suppress(sqlite3.Error):
                explain = LiveValues(database, self._search.needles).explain
        for path, found in places.items():
            self._found[path].explained, self._found[path].found = explain(found)


def _unexplained(places: Iterable[Place]) -> tuple[Counter[tuple[int, str]], Counter[int]]:
    return Counter(), Counter(place.needle for place in places)


def _places(path: Path, hits: Iterable[tuple[int, int]], needles: Sequence[bytes]) -> list[Place]:
    found = []
    with path.open("rb") as file:
        for needle, offset in hits:
            start, length = max(0, offset - CONTEXT_BYTES), len(needles[needle])
            file.seek(start)
            around = file.read(offset - start + length + CONTEXT_BYTES)
            found.append(Place(needle, around[: offset - start], around[offset - start + length :]))
    return found


def _keys(path: Path, parameters: str = "") -> frozenset[bytes]:
    """Return people's keys as an encrypted gallery holds them; none of a file that is something else."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro{parameters}", uri=True, isolation_level=None)) as connection,
    ):
        return frozenset(wrapped for (wrapped,) in connection.execute("SELECT wrapped FROM person_keys"))
    return frozenset()


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
