"""What identify, scan, detect and embed have in common: which photos, and what is done with each result."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from facecli.cli.messages import NO_MATCH, SOME_FAILED, say, warn
from facecli.cli.options import Call
from facecli.cli.output import results_stream
from facecli.errors import FacecliError, UnreadableImageError, UsageError
from facecli.media.files import DEFAULT_LIMITS, os_problem
from facecli.media.folder import read_file_list
from facecli.report.formats import ResultWriter, open_writer
from facecli.report.summary import Summary
from facecli.services.analysis import Analysis, PhotoSource
from facecli.services.enrolment_plan import photo_sources

if TYPE_CHECKING:
    from facecli.types import PhotoResult

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


class PhotoReport:
    """What is done with each result: written, drawn if asked, warned of and counted.

    Parameters
    ----------
    call : Call
    model : dict of str to str
        What made the results.
    annotate : Path or None
        Folder of annotated copies.
    root : Path or None
        Folder whose structure they mirror.
    timed : bool
        Write down how long each photo took; without, equal photos give equal results.

    Raises
    ------
    FacecliError
        If that folder cannot be made.
    """

    def __init__(
        self,
        call: Call,
        model: dict[str, str],
        *,
        annotate: Path | None = None,
        root: Path | None = None,
        timed: bool = True,
    ) -> None:
        self._call = call
        self._model = model
        self._annotate = annotate
        self._root = root
        self._timed = timed
        self._undrawn = 0
        self._started = time.perf_counter()
        self.summary = Summary()
        if annotate is not None:
            _make_folder(annotate)

    def add(self, analysis: Analysis, writer: ResultWriter) -> None:
        """Report one photo."""
        result = analysis.result(self._model)
        if not self._timed:
            result = replace(result, elapsed_ms=None)
        writer.write(result)
        self.summary.add(result)
        if self._annotate is not None:
            self._undrawn += not _drawn(analysis, result, self._annotate, self._root)
        _warn_of(self._call, result)

    def sum_up(self, total: int) -> None:
        """Say how many photos, faces and names there were."""
        if not self._call.quiet and (total != 1 or self._call.verbose):
            say(self.summary.line(time.perf_counter() - self._started))
        if self._call.verbose:
            say(", ".join(f"{key} {value}" for key, value in self._model.items()))

    def exit_code(self, *, fail_unknown: bool) -> int:
        """Return 3 if any photo failed or could not be drawn, 10 if an unknown face counts as failure, else 0."""
        if self.summary.failed or self._undrawn:
            return SOME_FAILED
        return NO_MATCH if fail_unknown and self.summary.unknown else 0


def write_photos(
    call: Call, analyses: Iterable[Analysis], report: PhotoReport, *, total: int, with_embedding: bool = False
) -> None:
    """Report every photo as it comes, into what ``--output`` names.

    Raises
    ------
    FacecliError
        If results, or any annotated picture at all, cannot be written.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(results_stream(call))
        progress = stack.enter_context(progress_bar(call, total, beside_results=True))
        writer = stack.enter_context(open_writer(call.output_format, stream, with_embedding=with_embedding))
        for analysis in analyses:
            report.add(analysis, writer)
            progress.advance()


def report_photos(
    call: Call,
    analyses: Iterable[Analysis],
    *,
    model: dict[str, str],
    total: int,
    annotate: Path | None = None,
    root: Path | None = None,
    with_embedding: bool = False,
    fail_unknown: bool = False,
) -> int:
    """Report every photo as it comes, sum up, and return the exit code; see `PhotoReport` and `write_photos`."""
    report = PhotoReport(call, model, annotate=annotate, root=root)
    write_photos(call, analyses, report, total=total, with_embedding=with_embedding)
    report.sum_up(total)
    return report.exit_code(fail_unknown=fail_unknown)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FacecliError(
            f"cannot write annotated pictures to {folder}: {error.strerror or error}",
            hint="Name a folder that can be written.",
            code="cannot_write",
        ) from error


def _drawn(analysis: Analysis, result: PhotoResult, folder: Path, root: Path | None) -> bool:
    """Write the annotated picture; one that cannot be written stops no other."""
    if analysis.photo is None:
        return True
    from facecli.report.annotate import save_annotated

    try:
        save_annotated(result, analysis.photo, folder, root=root)
    except FacecliError as error:
        warn(f"{error.message} ({error.hint})")
        return False
    return True


def _warn_of(call: Call, result: PhotoResult) -> None:
    """Say on standard error what a table leaves out or a program may not look at."""
    if call.quiet or call.output_format == "table":
        return
    if result.error is not None:
        warn(f"{result.error.message}" + (f" ({result.error.hint})" if result.error.hint else ""))
    for warning in result.warnings:
        warn(f"{result.path}: {warning}")
