"""What commands that measure have to show: printed, and as a page in a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facecli.cli.messages import say, warn
from facecli.cli.options import Call

if TYPE_CHECKING:
    from facecli.report.document import Document

Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FOLDER",
        help="Also write the results with plots and pictures of the worst cases as a page, FOLDER/index.html.",
    ),
]


def check_destinations(call: Call, report: Path | None) -> None:
    """Make sure that results and page can be written, so that a call that cannot fails before it works for minutes.

    Raises
    ------
    ConfigError
        If there is no such format.
    FacecliError
        If a file cannot be written to; code ``cannot_write``.
    """
    from facecli.cli.output import check_output
    from facecli.report.formats import check_format

    check_format(call.output_format)
    check_output(call)
    if report is not None:
        from facecli.report.page import prepare_folder

        prepare_folder(report)


def report_document(call: Call, document: Document, report: Path | None = None) -> None:
    """Print a document in the format asked for, write its page if one is wanted, and say where that is.

    Parameters
    ----------
    call : Call
    document : Document
    report : Path, optional
        Folder of the page; made if it is missing.

    Raises
    ------
    FacecliError
        If the results or the page cannot be written; code ``cannot_write``.
    """
    from facecli.cli.output import results_stream
    from facecli.report.document_formats import print_document

    if not (call.quiet or _shows_warnings(call)):
        for warning in document.warnings:
            warn(warning)
    try:
        # Printed first: a page that cannot be written must not cost the numbers.
        with results_stream(call) as stream:
            print_document(document, call.output_format, stream)
    finally:
        # And a reader who has seen enough, such as head, must not cost the page.
        if report is not None:
            write_report(call, document, report)


def write_report(call: Call, document: Document, report: Path) -> None:
    """Write the page of a document into a folder, and say where it is.

    Raises
    ------
    FacecliError
        If it cannot be written; code ``cannot_write``.
    """
    from facecli.media.images import load_photo
    from facecli.report.page import write_page

    page = write_page(document, report, lambda path, min_long_side: load_photo(path, min_long_side=min_long_side))
    if not call.quiet:
        say(f"report written to {page}")


def _shows_warnings(call: Call) -> bool:
    """Say whether the terminal shows the text of the document, which holds the warnings."""
    return call.output is None and call.output_format == "table" and sys.stdout.isatty()
