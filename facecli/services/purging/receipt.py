"""What a purge destroyed, what was looked for afterwards, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from facecli.scans.forgetting import Forgotten
from facecli.services.purging.resemblance import Lookalike

NeedleKind: TypeAlias = Literal["vectors", "names", "crops", "paths of photos", "hashes of photos", "consents", "keys"]

NOT_VOUCHED_FOR: Final = (
    "Not looked at: blocks that the disk keeps of deleted or overwritten files (SSDs and file systems with snapshots "
    "do), copies elsewhere, and photos and results that facecli wrote for you."
)


@dataclass(frozen=True, slots=True)
class Remainder:
    """Bytes that were looked for and are to stay, as they belong to others.

    Attributes
    ----------
    kind : str
        See `NeedleKind`.
    count : int
    where : str
        Table and column.
    """

    kind: NeedleKind
    count: int
    where: str


@dataclass(frozen=True, slots=True)
class SearchedFile:
    """A file that was looked through, all of it.

    Attributes
    ----------
    path : Path
    size_bytes : int
    found : dict of str to int
        What should not be there, by kind.
    remainders : tuple of Remainder
        What others' rows hold.
    chance : int
        Places that hold the few bytes of a short name, and are none: the file was written anew from its rows, or is
        no database.
    is_unread : bool
        Whether it cannot be read: nobody knows what is in it.
    """

    path: Path
    size_bytes: int
    found: Mapping[NeedleKind, int]
    remainders: tuple[Remainder, ...] = ()
    chance: int = 0
    is_unread: bool = False


@dataclass(frozen=True, slots=True)
class HeldCopy:
    """Another file beside the gallery that holds what was destroyed.

    Attributes
    ----------
    path : Path
    is_backup : bool
    is_deleted : bool
    is_unread : bool
        Whether it cannot be read, or is encrypted with other keys than the gallery: then nobody knows.
    """

    path: Path
    is_backup: bool
    is_deleted: bool = False
    is_unread: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a purge would destroy.

    Attributes
    ----------
    people, names, templates, negatives, crops : int
        In the gallery; `negatives` are others' templates that say that these faces are not theirs.
    scans : Forgotten
        In the file of scans.
    unmeasured : tuple of str
        Models whose scores were not measured: all that scans found by these is forgotten.
    uncompared : tuple of str
        Models that nobody of these was enrolled with: what scans found by these alone cannot be compared with them.
    lookalikes : tuple of Lookalike
        Who may be the same person under another name, and stays.
    search_files : tuple of Path
    backups : tuple of Path
        Files in the folder of backups, whoever they hold.
    """

    people: int
    names: int
    templates: int
    negatives: int
    crops: int
    scans: Forgotten
    unmeasured: tuple[str, ...]
    uncompared: tuple[str, ...]
    lookalikes: tuple[Lookalike, ...]
    search_files: tuple[Path, ...]
    backups: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a purge destroyed, and what a search of all bytes found afterwards.

    Attributes
    ----------
    plan : Plan
        What was destroyed.
    looked_for : dict of str to int
        How many different ones, by kind.
    files : tuple of SearchedFile
    copies : tuple of HeldCopy
    new_backup : Path or None
        Made of the purged gallery, in place of backups deleted.
    is_rewritten : bool
        Whether the gallery was written anew from its rows.
    is_in_use : bool
        Whether another process kept the write-ahead log.
    """

    plan: Plan
    looked_for: Mapping[NeedleKind, int]
    files: tuple[SearchedFile, ...]
    copies: tuple[HeldCopy, ...] = ()
    new_backup: Path | None = None
    is_rewritten: bool = False
    is_in_use: bool = False

    @property
    def found(self) -> int:
        """How many places hold what should be gone."""
        return sum(sum(file.found.values()) for file in self.files)

    @property
    def unread(self) -> tuple[Path, ...]:
        """Files that could not be looked through."""
        return tuple(file.path for file in self.files if file.is_unread)

    @property
    def size_bytes(self) -> int:
        """Of all files that were looked through."""
        return sum(file.size_bytes for file in self.files)
