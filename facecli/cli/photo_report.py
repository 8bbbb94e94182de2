"""What is done with each result of identify, scan, detect and embed: written, drawn, warned of, counted."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from facecli.cli.messages import NO_MATCH, SOME_FAILED, say, say_model, warn
from facecli.cli.options import Call
from facecli.cli.output import results_stream
from facecli.cli.photos import progress_bar
from facecli.errors import FacecliError
from facecli.report.formats import ResultWriter, open_writer
from facecli.report.summary import Summary
from facecli.services.analysis import Analysis

if TYPE_CHECKING:
    from facecli.types import PhotoResult


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
            say_model(self._model)

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
