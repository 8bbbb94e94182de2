"""CSV: one row a face, and one row with empty face columns for a photo that has none.

Cells are exact. A cell that begins with ``=``, ``+``, ``-`` or ``@`` is a formula to a spreadsheet, and the usual
guard is an apostrophe in front of it; here it is left out on purpose. The file is data first: a path must open the
photo it names, and a name must find its person, after any program has read it back. A path begins with what the
caller typed and a name is one the caller gave, so a hostile formula needs a hostile caller; whoever opens results
of photos with untrusted file names in a spreadsheet should import the columns as text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Final, TextIO

from facecli.report.json_lines import json_text
from facecli.report.record import photo_record, plain
from facecli.types import PhotoResult

COLUMNS: Final = (
    "path",
    "status",
    "error_code",
    "error",
    "warnings",  # joined with "; "
    "width",
    "height",
    "face",  # 1 is the first of the photo; empty where there is none
    "left",
    "top",
    "right",
    "bottom",
    "detection_score",
    "quality",
    "quality_reasons",  # joined with "; "
    "name",  # empty: unknown if there is a threshold, not compared if there is none
    "person_id",
    "score",  # of the person named, or of the nearest
    "threshold",
    "nearest",  # first candidate that is not barred, named or not
    "nearest_person_id",
    "elapsed_ms",  # of the photo, repeated for each face; empty where it was not taken
    "fpir",  # share of strangers' searches that the threshold lets through; empty where it was given
    "probability",  # that the nearest is the right person, if half of all faces are of people enrolled
    "rejection",  # why a face is not named whatever it scores; empty where the threshold decided
)
"""The header. New columns come at the end only."""

EMBEDDING_COLUMN: Final = "embedding"  # numbers with blanks between them
SEPARATOR: Final = "; "


def csv_line(cells: Sequence[object]) -> str:
    r"""Write one row, ended by ``\n``, quoted only where it must be.

    None is an empty cell, a truth value ``true`` or ``false``, a list its items with "; " between them.
    """
    buffer = io.StringIO(newline="")
    # "\r\n" here makes the module quote both of them in a cell; before Python 3.13 it quotes just the terminator's.
    csv.writer(buffer, lineterminator="\r\n").writerow([_cell(plain(cell)) for cell in cells])
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return SEPARATOR.join(_cell(item) for item in value)
        case dict():
            return json_text(value)
        case _:
            return str(value)


class CsvWriter:
    """Header and rows, each written and flushed at once."""

    def __init__(self, stream: TextIO, *, with_embedding: bool = False) -> None:
        self._stream = stream
        self._with_embedding = with_embedding
        self._columns = (*COLUMNS, EMBEDDING_COLUMN) if with_embedding else COLUMNS
        self._stream.write(csv_line(self._columns))

    def write(self, result: PhotoResult) -> None:
        """Write one photo."""
        record = photo_record(result, with_embedding=self._with_embedding)
        faces = record["faces"] or [None]
        rows = [_row(record, face, number) for number, face in enumerate(faces, 1)]
        self._stream.write("".join(csv_line([row.get(column) for column in self._columns]) for row in rows))
        self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open."""
        self._stream.flush()


def _row(record: dict[str, Any], face: dict[str, Any] | None, number: int) -> dict[str, Any]:
    """Spread a photo and one of its faces over the columns."""
    error = record["error"] or {}
    row = {
        **{name: record[name] for name in ("path", "status", "warnings", "width", "height")},
        "elapsed_ms": record.get("elapsed_ms"),
        "error_code": error.get("code"),
        "error": error.get("message"),
    }
    if face is None:
        return row
    quality = face.get("quality", {})
    nearest: dict[str, Any] = next((each for each in face.get("candidates", ()) if not each["barred"]), {})
    return (
        row
        | dict(zip(("left", "top", "right", "bottom"), face["box"], strict=True))
        | {name: face.get(name) for name in ("detection_score", "name", "person_id", "score", "threshold")}
        | {name: face.get(name) for name in ("fpir", "probability", "rejection")}
        | {
            "face": number,
            "quality": quality.get("score"),
            "quality_reasons": quality.get("reasons"),
            "nearest": nearest.get("name"),
            "nearest_person_id": nearest.get("person_id"),
            EMBEDDING_COLUMN: " ".join(str(number) for number in face.get("embedding", ())),
        }
    )
