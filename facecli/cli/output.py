"""Where results go: standard output, or a file that appears whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from facecli.cli.messages import drop_stdout
from facecli.cli.options import Call
from facecli.errors import FacecliError
from facecli.report.formats import check_format, print_rows
from facecli.report.writing import PRIVATE_MODE, octets_written_whole, written_whole


@contextmanager
def results_stream(call: Call) -> Iterator[TextIO]:
    """Open what ``--output`` names, or give standard output.

    Raises
    ------
    FacecliError
        If the file cannot be written.
    """
    check_format(call.output_format)
    if call.output is None or str(call.output) == "-":
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            drop_stdout()
            raise FacecliError(
                f"cannot write to standard output: {error.strerror or error}",
                hint="Make room where it goes, or name a file with --output.",
                code="cannot_write",
            ) from error
        return
    try:
        with written_whole(call.output) as stream:
            yield stream
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _cannot_write(call.output, error) from error


@contextmanager
def appended(call: Call) -> Iterator[TextIO]:
    """Open what ``--output`` names to write behind what is there, or give standard output.

    Raises
    ------
    FacecliError
        If the file cannot be written.
    """
    if call.output is None or str(call.output) == "-":
        with results_stream(call) as stream:
            yield stream
        return
    try:
        with call.output.open("a", encoding="utf-8") as stream:
            yield stream
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _cannot_write(call.output, error) from error


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file of bytes that takes its name when it is complete, and that only its owner may read.

    Raises
    ------
    FacecliError
        If it cannot be written.
    """
    try:
        with octets_written_whole(path, PRIVATE_MODE) as stream:
            yield stream
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> FacecliError:
    return FacecliError(
        f"cannot write {path}: {error.strerror or error}",
        hint="Name a file in a folder that exists, can be written and has room.",
        code="cannot_write",
    )


def check_output(call: Call) -> None:
    """Make sure that the folder of ``--output`` takes files.

    Raises
    ------
    FacecliError
        If not.
    """
    if call.output is None or str(call.output) == "-":
        return
    if call.output.exists() and not call.output.is_file():
        return  # a pipe or device, which opens when it is written to
    folder = call.output.resolve().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = "the folder cannot be written to" if folder.is_dir() else "there is no such folder"
        raise FacecliError(
            f"cannot write {call.output}: {reason}",
            hint="Name a file in a folder that exists, can be written and has room.",
            code="cannot_write",
        )


def write_rows(call: Call, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write a list of anything in the format asked for."""
    with results_stream(call) as stream:
        print_rows(rows, columns, call.output_format, stream)
