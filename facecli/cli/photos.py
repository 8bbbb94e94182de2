"""What identify, scan, detect and embed have in common: which photos, and what is done with each result."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from facecli.cli.messages import NO_MATCH, SOME_FAILED, say, warn
from facecli.cli.options import Call
from facecli.cli.output import results_stream
from facecli.errors import FacecliError, UnreadableImageError, UsageError
from facecli.media.files import DEFAULT_LIMITS, os_problem
from facecli.media.folder import read_file_list
from facecli.report.formats import open_writer
from facecli.report.summary import Summary
from facecli.services.analysis import Analysis, PhotoSource
from facecli.services.enrolment_plan import photo_sources

if TYPE_CHECKING:
    from facecli.types import PhotoResult

STDIN = "-"


def gather(
    call: Call, images: Sequence[str] | None, files_from: str | None, *, nul: bool, recursive: bool = True
) -> list[PhotoSource]:
    """Collect the photos that a call names, and warn if there are none.

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
    sources: list[PhotoSource] = []
    # Neighbouring roots together, so that a folder inside another is walked once.
    for is_stdin, group in groupby(roots, key=lambda root: root == STDIN):
        sources += [from_stdin()] if is_stdin else photo_sources(group, recursive=recursive)
    if files_from is not None:
        sources += photo_sources(_names(files_from, nul=nul), recursive=recursive)
    if not sources and not call.quiet:
        warn(f"no photos were found in {', '.join([*roots, *filter(None, [files_from])])}")
    return sources


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
    """Write every result as it comes, draw it if asked, and sum up.

    Returns
    -------
    int
        Exit code: 3 if any photo failed or could not be drawn, 10 if any face is unknown and that counts as failure,
        else 0.

    Raises
    ------
    FacecliError
        If results, or any annotated picture at all, cannot be written.
    """
    if annotate is not None:
        _make_folder(annotate)
    summary, started, undrawn = Summary(), time.perf_counter(), 0
    with ExitStack() as stack:
        stream = stack.enter_context(results_stream(call))
        progress = stack.enter_context(progress_bar(call, total, beside_results=True))
        writer = stack.enter_context(open_writer(call.output_format, stream, with_embedding=with_embedding))
        for analysis in analyses:
            result = analysis.result(model)
            writer.write(result)
            summary.add(result)
            if annotate is not None:
                undrawn += not _drawn(analysis, result, annotate, root)
            _warn_of(call, result)
            progress.advance()
    if not call.quiet and (total != 1 or call.verbose):
        say(summary.line(time.perf_counter() - started))
    if call.verbose:
        say(", ".join(f"{key} {value}" for key, value in model.items()))
    if summary.failed or undrawn:
        return SOME_FAILED
    return NO_MATCH if fail_unknown and summary.unknown else 0


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
