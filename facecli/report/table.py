"""Tables for people: readable at 80 columns, without colour, and with any file name.

Nothing is cut short: what does not fit its column is folded onto the next line, and paths are left to the terminal
to wrap, so that they can be copied. No text is read as rich markup, and `visible` has passed over all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

from facecli.report.record import best_score, finite, plain, rounded, rounded_score
from facecli.report.visible import visible
from facecli.types import Face, Identification, PhotoResult, QualityReason

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MAX_WIDTH: Final = 120  # beyond it the eye loses the row
SCORE_DECIMALS: Final = 3

UNKNOWN: Final = "unknown"
NOT_COMPARED: Final = "not compared"

REASONS: Final[dict[QualityReason, str]] = {
    "too_small": "too small",
    "blurred": "blurred",
    "too_dark": "too dark",
    "too_bright": "too bright",
    "turned_away": "turned away",
    "cut_off": "cut off",
}

# What a column is given: its least width, and its share of what is left at the end.
_COLUMNS: Final[dict[str, tuple[int, int]]] = {
    "face": (4, 0),
    "name": (12, 3),
    "score": (6, 0),
    "threshold": (9, 0),
    "match": (5, 0),
    "nearest": (12, 3),
    "quality": (8, 2),
    "embedding": (9, 0),
    "box": (9, 2),  # left,top widthxheight
}
_RIGHT: Final = frozenset({"face", "score", "threshold", "match"})
_GAP: Final = 2
_ROW_DECIMALS: Final = 4


def make_console(stream: TextIO, width: int | None = None) -> Console:
    """Return a rich console that writes to `stream` and reads no markup into the text it is given."""
    from rich.console import Console

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to the caller, who has an exit code for it; rich would end the process with 1."""
            raise BrokenPipeError

    return _Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


class TableWriter:
    """A block a photo: its path, then a row a face, below one header for all."""

    def __init__(self, stream: TextIO, *, with_embedding: bool = False, width: int | None = None) -> None:
        self._console = make_console(stream, width)
        self._with_embedding = with_embedding
        self._columns: tuple[str, ...] = ()

    def write(self, result: PhotoResult) -> None:
        """Write one photo."""
        rows = [self._cells(number, face) for number, face in enumerate(result.faces, 1)]
        # Steps that nobody asked for have no column; a step that comes up later brings its own and a new header.
        columns = tuple(name for name in _COLUMNS if name in self._columns or any(name in row for row in rows))
        if columns != self._columns:
            self._columns = columns
            self._print_rows([{name: (name, "bold") for name in columns}])
        self._line(visible(result.path), "bold")
        self._print_rows([{"name": (NOT_COMPARED, "dim")} | row for row in rows])
        if result.error is not None:
            self._line(f"  error: {visible(result.error.message)}", "red")
            if result.error.hint:
                self._line(f"  hint: {visible(result.error.hint)}")
        elif not result.faces:
            self._line("  no face found", "dim")
        for warning in result.warnings:
            self._line(f"  warning: {visible(warning)}", "yellow")

    def close(self) -> None:
        """Flush; the stream stays open."""
        self._console.file.flush()

    def _cells(self, number: int, face: Face) -> dict[str, tuple[str, str]]:
        """Return the text and style of each column that is known of a face."""
        left, top, right, bottom = (float(side) for side in face.detection.box_xyxy)
        box = f"{left:.0f},{top:.0f} {right - left:.0f}x{bottom - top:.0f}"
        cells = {"face": (f"#{number}", ""), "box": (box, "dim")}
        if face.quality is not None:
            reasons = ", ".join(REASONS.get(reason, reason) for reason in face.quality.reasons)
            cells["quality"] = (f"{_number(face.quality.score, 2)} {reasons}".rstrip(), "yellow" if reasons else "")
        if self._with_embedding and face.embedding is not None:
            cells["embedding"] = (f"{face.embedding.vector.size} values", "dim")
        if face.identification is not None:
            cells |= _identification_cells(face, face.identification)
        return cells

    def _print_rows(self, rows: Sequence[Mapping[str, tuple[str, str]]]) -> None:
        from rich.table import Table
        from rich.text import Text

        if not rows:
            return
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
        widths = self._widths(min(self._console.width, MAX_WIDTH))
        for name, width in widths.items():
            table.add_column(width=width, justify="right" if name in _RIGHT else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(*row.get(name, ("", ""))) for name in self._columns))
        # A terminal narrower than that wraps the rows itself: better than numbers folded in the middle.
        self._console.width = max(self._console.width, sum(widths.values()) + _GAP * len(widths))
        _print_stripped(self._console, table)

    def _widths(self, available: int) -> dict[str, int]:
        """Share the line among the columns, the same for every photo so that the blocks line up."""
        spare = available - sum(_COLUMNS[name][0] + _GAP for name in self._columns)
        shares = sum(_COLUMNS[name][1] for name in self._columns)
        return {name: _COLUMNS[name][0] + max(0, spare) * _COLUMNS[name][1] // max(1, shares) for name in self._columns}

    def _line(self, text: str, style: str = "") -> None:
        from rich.text import Text

        self._console.print(Text(text, style), soft_wrap=True)


def unknown_words(face: Face) -> str:
    """Return what stands for a name that is not known: ``unknown``, or why: ``unknown (too small)``."""
    if face.identification is None or face.identification.rejection != "low_quality":
        return UNKNOWN if face.identification is None else unbarred_words(face.identification)
    quality = face.quality
    reason = None if quality is None else (*quality.reasons, quality.weakest)[0]
    return f"{UNKNOWN} ({'low quality' if reason is None else REASONS.get(reason, reason)})"


def unbarred_words(answer: Identification) -> str:
    """Return ``unknown``, or ``unknown (not Ana)`` where that is why."""
    barred = next((each.name for each in answer.candidates if each.is_barred), None)
    return UNKNOWN if answer.rejection is None or barred is None else f"{UNKNOWN} (not {visible(barred)})"


def _identification_cells(face: Face, identification: Identification) -> dict[str, tuple[str, str]]:
    threshold, person = identification.threshold, identification.person
    cells = {
        "name": (unknown_words(face), "italic yellow") if person is None else (visible(person.name), "bold green"),
        "score": (_number(rounded_score(best_score(identification), threshold, SCORE_DECIMALS)), ""),
        "threshold": (_number(rounded(threshold, SCORE_DECIMALS)), "dim"),
        "match": (_percent(identification.probability), "dim"),
        "nearest": ("", ""),
    }
    if person is None:
        nearest = (
            f"{'not ' if candidate.is_barred and candidate.score >= threshold else ''}"
            f"{visible(candidate.name)} {_number(rounded_score(candidate.score, threshold, SCORE_DECIMALS))}"
            for candidate in identification.candidates
        )
        cells["nearest"] = ("\n".join(nearest) or "nobody enrolled", "dim")
    return cells


def _percent(probability: float | None) -> str:
    """Write how sure a match is, never as certain."""
    if probability is None:
        return "-"
    if probability < 0.01 or probability > 0.99:
        return "<1 %" if probability < 0.5 else ">99 %"
    return f"{100 * probability:.0f} %"


def _number(value: float | None, decimals: int = SCORE_DECIMALS) -> str:
    return "-" if value is None or finite(value) is None else f"{value:.{decimals}f}"


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], stream: TextIO, width: int | None) -> None:
    """Write rows under a header; see `facecli.report.formats.print_rows`."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = make_console(stream, width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    values = [[plain(row.get(column)) for column in columns] for row in rows]
    for index, column in enumerate(columns):
        numeric = bool(values) and all(
            isinstance(row[index], int | float | None) and not isinstance(row[index], bool) for row in values
        )
        table.add_column(
            Text(visible(column.replace("_", " "))), justify="right" if numeric else "left", overflow="fold"
        )
    for row in values:
        table.add_row(*(Text(cell_text(value)) for value in row))
    _print_stripped(console, table)


def _print_stripped(console: Console, table: Table) -> None:
    """Print without the blanks that fill up the last column, which get in the way where the text is copied."""
    with console.capture() as capture:
        console.print(table)
    console.file.writelines(f"{line.rstrip(' ')}\n" for line in capture.get().removesuffix("\n").split("\n"))


def cell_text(value: Any) -> str:
    """Return a plain value as people read it: "-" for nothing, yes and no, lists with commas."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return str(round(value, _ROW_DECIMALS))
        case list():
            return ", ".join(cell_text(item) for item in value) or "-"
        case dict():
            return ", ".join(f"{visible(str(key))} {cell_text(item)}" for key, item in value.items()) or "-"
        case _:
            return visible(str(value))
