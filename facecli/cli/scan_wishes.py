"""What the words of ``facecli scan`` ask for."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from facecli.cli.options import Call
from facecli.cli.photos import STDIN, Roots
from facecli.errors import UsageError
from facecli.scans.records import Asked


@dataclass(frozen=True, slots=True)
class ScanWishes:
    """What the words of a call ask of a scan.

    Attributes
    ----------
    watch_s : float or None
        Seconds between two looks at the folders afterwards; None for no looks.
    """

    roots: Roots
    recursive: bool = True
    resume: bool = False
    update: bool = False
    fresh: bool = False
    store: bool = True
    watch_s: float | None = None
    annotate: Path | None = None
    fail_unknown: bool = False

    @property
    def asked(self) -> Asked:
        """Which photos, as the file of scans knows it."""
        names, listed = self.roots.arguments, self.roots.listed
        relative = any(not os.path.isabs(name) for name in (*names, *listed))  # noqa: PTH117  # of any text
        folder = str(Path.cwd()) if relative else ""
        digest = hashlib.sha256(b"\0".join(map(os.fsencode, listed))).hexdigest() if listed else ""
        return Asked(folder, names, digest, self.recursive)

    @property
    def journalled(self) -> bool:
        """Whether the scan can be gone on with: what standard input held cannot be read again."""
        return self.store and STDIN not in self.roots.arguments

    @property
    def annotation_root(self) -> Path | None:
        """The one folder whose structure annotated copies mirror."""
        return Path(self.roots.arguments[0]) if len(self.roots.arguments) == 1 else None


def refuse_contradictions(call: Call, wishes: ScanWishes) -> None:
    """Refuse words that contradict each other.

    Raises
    ------
    UsageError
        It says which.
    """
    if wishes.watch_s is not None and not wishes.watch_s > 0:
        raise UsageError(f"--interval must be more than 0 seconds, not {wishes.watch_s:g}")
    if not wishes.store and (wishes.resume or wishes.update):
        raise UsageError(
            f"{'--resume' if wishes.resume else '--update'} goes by what is kept, and --no-store keeps nothing",
            hint="Leave one of the two out.",
        )
    if wishes.fresh and wishes.update:
        raise UsageError("--fresh analyses every photo and --update none that is known", hint="Leave one of them out.")
    if wishes.watch_s is not None and call.output_format != "jsonl":
        raise UsageError(
            f"--watch writes line after line, which {call.output_format} cannot", hint="Use --format jsonl."
        )
    if STDIN in wishes.roots.arguments and (wishes.resume or wishes.update or wishes.watch_s is not None):
        raise UsageError(
            "a photo on standard input cannot be gone on with, updated or watched", hint="Name files and folders only."
        )
