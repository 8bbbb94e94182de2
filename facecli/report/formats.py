"""The formats of results, behind one interface, so that no command knows them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal, Protocol, TextIO, TypeAlias, get_args

from facecli.errors import UsageError
from facecli.report.csv_rows import CsvWriter, csv_line
from facecli.report.json_lines import JsonArrayWriter, JsonLinesWriter, json_text
from facecli.report.record import plain
from facecli.report.table import TableWriter, print_table
from facecli.types import PhotoResult

FormatName: TypeAlias = Literal["table", "json", "jsonl", "csv"]
FORMATS: Final[tuple[FormatName, ...]] = get_args(FormatName)


class ResultWriter(Protocol):
    """Writes results one after the other, each as soon as it is known."""

    def write(self, result: PhotoResult) -> None:
        """Write one photo."""
        ...

    def close(self) -> None:
        """Write what has to come last, and flush. The stream stays open."""
        ...


@contextmanager
def open_writer(
    format_name: str, stream: TextIO, *, with_embedding: bool = False, width: int | None = None
) -> Iterator[ResultWriter]:
    r"""Open a writer of results; leaving the context closes it, after an error as well, so that JSON stays whole.

    Parameters
    ----------
    format_name : {"table", "json", "jsonl", "csv"}
    stream : TextIO
        Stays open. See `prepare_stream` for what happens to its encoding.
    with_embedding : bool
        Write each face's embedding where it was made.
    width : int, optional
        Columns of a table; by default the terminal's, or ``$COLUMNS``, or 80.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    prepare_stream(stream, check_format(format_name))
    writer: ResultWriter
    match format_name:
        case "table":
            writer = TableWriter(stream, with_embedding=with_embedding, width=width)
        case "json":
            writer = JsonArrayWriter(stream, with_embedding=with_embedding)
        case "jsonl":
            writer = JsonLinesWriter(stream, with_embedding=with_embedding)
        case _:
            writer = CsvWriter(stream, with_embedding=with_embedding)
    try:
        yield writer
    finally:
        writer.close()


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    format_name: str,
    stream: TextIO,
    *,
    width: int | None = None,
) -> None:
    """Write a list of anything (people, models, checks) in one of the four formats.

    Parameters
    ----------
    rows : sequence of mappings
        Any values; see `facecli.report.record.plain`.
    columns : sequence of str
        Keys that table and CSV show, in this order. JSON objects hold every key of their row.
    format_name : {"table", "json", "jsonl", "csv"}
    stream : TextIO
    width : int, optional
        As for `open_writer`.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    prepare_stream(stream, check_format(format_name))
    match format_name:
        case "table":
            print_table(rows, columns, stream, width)
        case "json":
            lines = ",\n".join(json_text(plain(row)) for row in rows)
            stream.write(f"[\n{lines}\n]\n" if lines else "[]\n")
        case "jsonl":
            stream.writelines(json_text(plain(row)) + "\n" for row in rows)
        case _:
            stream.write(csv_line(columns))
            stream.writelines(csv_line([row.get(column) for column in columns]) for row in rows)
    stream.flush()


def check_format(format_name: str) -> FormatName:
    """Return the name of a format if there is one.

    Raises
    ------
    UsageError
        If there is none.
    """
    for known in FORMATS:
        if format_name == known:
            return known
    raise UsageError(f'there is no format "{format_name}"', hint=f"Choose one of {', '.join(FORMATS)}.")


def prepare_stream(stream: TextIO, format_name: FormatName) -> None:
    r"""Set a file or standard output up for a format.

    Data do not depend on the locale: JSON and CSV are UTF-8 with ``\n`` line ends everywhere, and in CSV a byte of
    a file name that is no UTF-8 is written back as that byte (read it with ``errors="surrogateescape"``). A table
    keeps the terminal's encoding and writes what that lacks as an escape. Streams that hold text in memory are left
    as they are.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return
    if format_name == "table":
        stream.reconfigure(errors="backslashreplace")
    else:
        stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
