"""A document as text, JSON, JSON lines or CSV.

JSON is one object: ``schema``, ``title``, ``facts`` (an object), ``tables`` (each with its ``rows`` as a list of
objects), ``plots`` (each with its ``series``), ``pictures`` (groups of paths) and ``warnings``; numbers are exact,
and null where they are not finite. ``json`` starts a line for every key, ``jsonl`` is the same on one line.

CSV is always in the long form, a value a line, so that all of a document is in one file of one shape whatever the
evaluation: ``part`` (fact, table, plot, picture or warning), ``name`` of the table, plot or group, ``series`` of a
plot, ``row`` from 1, ``column`` and ``value``. A table comes back with
``csv[csv.name == "Rates"].pivot(index="row", columns="column", values="value")``. A cell that is not known is a row
with an empty value.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

from facecli.report.csv_rows import csv_line
from facecli.report.document import Document, PictureGroup, Plot, Table
from facecli.report.formats import check_format, prepare_stream
from facecli.report.json_lines import json_text
from facecli.report.numbers import cell_text, column_texts, is_numeric
from facecli.report.record import plain
from facecli.report.table import make_console
from facecli.report.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA: Final = 1
"""Version of the JSON object; it grows only when a key changes its meaning or goes."""

CSV_COLUMNS: Final = ("part", "name", "series", "row", "column", "value")
LEAST_TEXT_WIDTH: Final = 12  # of a column of text, which is folded
PICTURES_IN_TEXT: Final = 5  # of a group: the numbers are not to be scrolled away
_INDENT: Final = "  "
_GAP: Final = 3  # what rich puts between two columns


def print_document(document: Document, format_name: str, stream: TextIO, *, width: int | None = None) -> None:
    """Write a document in one of the four formats.

    Parameters
    ----------
    document : Document
    format_name : {"table", "json", "jsonl", "csv"}
    stream : TextIO
        Stays open.
    width : int, optional
        Columns of the text; by default the terminal's, or ``$COLUMNS``, or 80.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    prepare_stream(stream, check_format(format_name))
    match format_name:
        case "table":
            _print_text(document, stream, width)
        case "json":
            lines = (f"{json_text(key)}:{json_text(value)}" for key, value in document_record(document).items())
            stream.write("{\n" + ",\n".join(lines) + "\n}\n")
        case "jsonl":
            stream.write(json_text(document_record(document)) + "\n")
        case _:
            stream.write(csv_line(CSV_COLUMNS))
            stream.writelines(csv_line(row) for row in _csv_rows(document))
    stream.flush()


def document_record(document: Document) -> dict[str, Any]:
    """Turn a document into the plain values that stand in its JSON; numbers that are not finite are None."""
    record = {
        "schema": SCHEMA,
        "title": document.title,
        "facts": document.facts,
        "tables": [
            {
                "name": each.name,
                "caption": each.caption,
                "note": each.note,
                "columns": each.columns,
                "rows": [dict(zip(each.columns, row, strict=True)) for row in each.rows],
            }
            for each in document.tables
        ],
        "plots": [_plot_record(each) for each in document.plots],
        "pictures": [_group_record(each) for each in document.pictures],
        "warnings": document.warnings,
    }
    plain_record: dict[str, Any] = plain(record)
    return plain_record


def _plot_record(plot: Plot) -> dict[str, Any]:
    series = []
    for each in plot.series:
        band = {"low": each.low, "high": each.high} if each.low else {}
        series.append({"label": each.label, "x": each.x, "y": each.y} | band)
    marks = [{"label": each.label, "x": each.x, "y": each.y} for each in plot.marks]
    named = {"name": plot.name, "caption": plot.caption, "kind": plot.kind}
    return named | {"x_label": plot.x_label, "y_label": plot.y_label, "series": series, "marks": marks}


def _group_record(group: PictureGroup) -> dict[str, Any]:
    pictures = []
    for each in group.pictures:
        boxes = {"boxes": each.boxes_xyxy} if each.boxes_xyxy else {}
        pictures.append({"paths": each.paths, "text": each.text, "score": each.score} | boxes)
    return {"name": group.name, "caption": group.caption, "pictures": pictures}


def _csv_rows(document: Document) -> Iterator[tuple[object, ...]]:
    for key, value in document.facts.items():
        yield "fact", "", "", "", key, value
    for table in document.tables:
        for number, row in enumerate(table.rows, 1):
            for column, cell in zip(table.columns, row, strict=True):
                yield "table", table.name, "", number, column, cell
    for plot in document.plots:
        for series in plot.series:
            columns = {"x": series.x, "y": series.y, "low": series.low, "high": series.high}
            filled = {name: values for name, values in columns.items() if values}
            for number, values in enumerate(zip_longest(*filled.values()), 1):
                for column, value in zip(filled, values, strict=True):
                    yield "plot", plot.name, series.label, number, column, value
        for mark in plot.marks:
            yield "plot", plot.name, mark.label, "", "mark_x", mark.x
            yield "plot", plot.name, mark.label, "", "mark_y", mark.y
    for group in document.pictures:
        for number, picture in enumerate(group.pictures, 1):
            for index, path in enumerate(picture.paths, 1):
                yield "picture", group.name, "", number, f"path_{index}", path
            yield "picture", group.name, "", number, "text", picture.text
            yield "picture", group.name, "", number, "score", picture.score
    for number, warning in enumerate(document.warnings, 1):
        yield "warning", "", "", number, "text", warning


def _print_text(document: Document, stream: TextIO, width: int | None) -> None:
    from rich.text import Text

    console = make_console(stream, width)

    def line(text: str = "", style: str = "") -> None:
        console.print(Text(visible(text), style), soft_wrap=True)

    line(document.title, "bold")
    widest = max(map(len, document.facts), default=0)
    for key, value in document.facts.items():
        line(f"{_INDENT}{key:<{widest}}  {cell_text(value)}")
    for warning in document.warnings:
        line(f"{_INDENT}warning: {warning}", "yellow")
    for table in document.tables:
        line()
        _heading(console, table.name, table.caption)
        _print_table(table, stream, console.width)
        if table.note:
            line(table.note, "dim")
    for group in document.pictures:
        line()
        _heading(console, group.name, group.caption)
        scores = column_texts([each.score for each in group.pictures])
        for picture, score in list(zip(group.pictures, scores, strict=True))[:PICTURES_IN_TEXT]:
            line(f"{_INDENT}{score}  {picture.text}" if picture.score is not None else f"{_INDENT}{picture.text}")
            for path in picture.paths:
                line(f"{_INDENT * 2}{path}", "dim")
        if len(group.pictures) > PICTURES_IN_TEXT:
            line(f"{_INDENT}{len(group.pictures) - PICTURES_IN_TEXT} more are in JSON and CSV", "dim")
    console.file.flush()


def _heading(console: Console, name: str, caption: str) -> None:
    from rich.text import Text

    heading = Text(visible(name), "bold")
    if caption:
        heading.append(f": {visible(caption)}", "not bold")
    console.print(heading, soft_wrap=True)


def _print_table(table: Table, stream: TextIO, width: int) -> None:
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    columns = [[row[index] for row in table.rows] for index in range(len(table.columns))]
    texts = [column_texts(cells) for cells in columns]
    least = []
    for name, cells, shown in zip(table.columns, columns, texts, strict=True):
        widest = max(map(cell_len, (visible(name), *shown)))
        numeric = is_numeric(cells)
        least.append(widest if numeric else min(widest, LEAST_TEXT_WIDTH))
        justify: Literal["left", "right"] = "right" if numeric else "left"
        grid.add_column(Text(visible(name)), justify=justify, no_wrap=numeric, min_width=least[-1], overflow="fold")
    for row in zip(*texts, strict=True):
        grid.add_row(*map(Text, row))
    # A terminal narrower than the numbers wraps the rows itself: better than numbers cut or folded in the middle.
    console = make_console(stream, width)
    console.width = max(width, sum(least) + _GAP * (len(least) - 1))
    with console.capture() as capture:
        console.print(grid)
    stream.writelines(f"{row.rstrip(' ')}\n" for row in capture.get().removesuffix("\n").split("\n"))
