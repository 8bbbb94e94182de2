"""Which photos a call is about, and how far it is with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

from facecli.cli.messages import warn
from facecli.cli.options import Call
from facecli.errors import UnreadableImageError, UsageError
from facecli.media.files import DEFAULT_LIMITS, os_problem
from facecli.media.folder import read_file_list
from facecli.services.analysis import PhotoSource
from facecli.services.enrolment_plan import photo_sources

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Roots:
    """Which files and folders a call names.

    Attributes
    ----------
    arguments : tuple of str
        On the command line; one may be `STDIN`.
    listed : tuple of str
        In ``--files-from``.
    list_name : str or None
        What that is called.
    """

    arguments: tuple[str, ...]
    listed: tuple[str, ...] = ()
    list_name: str | None = None

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """All of them in their order; inside a group no folder is walked twice."""
        # Neighbouring roots together, so that a folder inside another is walked once.
        groups = [tuple(group) for _, group in groupby(self.arguments, key=lambda root: root == STDIN)]
        return [*groups, self.listed] if self.listed else groups


def read_roots(images: Sequence[str] | None, files_from: str | None, *, nul: bool) -> Roots:
    """Return which files and folders a call names.

    Raises
    ------
    UsageError
        If it names none, or standard input twice.
    UnreadableImageError
        If the file of names cannot be read.
    """
    roots = list(images or [])
    if not roots and files_from is None:
        raise UsageError(
            "no photo was named", hint="Name photos or folders, - for standard input, or --files-from FILE."
        )
    if nul and files_from is None:
        raise UsageError("-0 says how --files-from ends its names, but there is no --files-from")
    if roots.count(STDIN) + (files_from == STDIN) > 1:
        raise UsageError("standard input was named more than once", hint="Name it once: - or --files-from -.")
    return Roots(tuple(roots), tuple(_names(files_from, nul=nul)) if files_from is not None else (), files_from)


def find_sources(call: Call, roots: Roots, *, recursive: bool) -> list[PhotoSource]:
    """Collect the photos in files and folders, and warn if there are none."""
    sources: list[PhotoSource] = []
    for group in roots.groups:
        sources += [from_stdin()] if group[0] == STDIN else photo_sources(group, recursive=recursive)
    if not sources and not call.quiet:
        warn(f"no photos were found in {', '.join([*roots.arguments, *filter(None, [roots.list_name])])}")
    return sources


def gather(
    call: Call, images: Sequence[str] | None, files_from: str | None, *, nul: bool, recursive: bool = True
) -> list[PhotoSource]:
    """Collect the photos that a call names; see `read_roots` and `find_sources`."""
    return find_sources(call, read_roots(images, files_from, nul=nul), recursive=recursive)


def from_stdin() -> PhotoSource:
    """Read one photo from standard input.

    Raises
    ------
    UnreadableImageError
        If it holds more than a photo may.
    """
    data = sys.stdin.buffer.read(DEFAULT_LIMITS.max_file_bytes + 1)
    if len(data) > DEFAULT_LIMITS.max_file_bytes:
        raise UnreadableImageError(
            f"standard input holds more than {DEFAULT_LIMITS.max_file_bytes >> 20} MiB",
            hint="Send one photo.",
            code="too_large",
        )
    return PhotoSource(STDIN, data)


def _names(files_from: str, *, nul: bool) -> Iterator[str]:
    if files_from == STDIN:
        yield from read_file_list(sys.stdin.buffer, nul=nul)
        return
    try:
        with Path(files_from).open("rb") as stream:
            yield from read_file_list(stream, nul=nul)
    except OSError as error:
        raise os_problem(files_from, error) from error


class Progress(Protocol):
    """Counts photos for people."""

    def advance(self) -> None:
        """Count one more."""
        ...


class _NoProgress:
    def advance(self) -> None:
        pass


@contextmanager
def progress_bar(call: Call, total: int, *, beside_results: bool = False) -> Iterator[Progress]:
    """Show a bar with rate and time left on standard error, if that is a terminal and there are several photos.

    `beside_results` says that results are written meanwhile: where they go to the terminal too, they are the
    progress, and a bar would be torn by them.
    """
    torn = beside_results and call.output is None and sys.stdout.isatty()
    if not call.show_progress or total < 2 or torn or not sys.stderr.isatty():
        yield _NoProgress()
        return
    from facecli.cli.progress import PhotoProgress

    with PhotoProgress(total) as progress:
        yield progress
