from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from documents import DET, DOCUMENT, HOSTILE, RATES

from facecli.errors import UsageError
from facecli.report.document import Document, Picture, PictureGroup, Table
from facecli.report.document_formats import CSV_COLUMNS, document_record, print_document

TEXT = """\
Verification <b>
  photos    13,233
  embedder  sface
  seconds   -
  warning: 2 photos hold no face

Rates: At the target.
model         FMR     FNMR   pairs   errors
───────────────────────────────────────────
sface      0.0010   0.0103   3,000       31
[b]x[/b]   0.0001        -   3,000        -
Wilson, 95 %.

Worst: Lowest scores.
  0.25  Ana & Bob
    a/<script>alert(1)</script>\\n\\x1b[31m\\udcff.jpg
    b.jpg
"""

JSON = """\
{
"schema":1,
"title":"Verification <b>",
"facts":{"photos":13233,"embedder":"sface","seconds":null},
"tables":[{"name":"Rates","caption":"At the target.","note":"Wilson, 95 %.","columns":["model","FMR","FNMR","pairs",\
"errors"],"rows":[{"model":"sface","FMR":0.001,"FNMR":0.0103,"pairs":3000,"errors":31},{"model":"[b]x[/b]",\
"FMR":0.0001,"FNMR":null,"pairs":3000,"errors":null}]}],
"plots":[{"name":"DET","caption":"FNMR against FMR.","kind":"det","x_label":"","y_label":"","series":[{"label":"sface",\
"x":[0.001,0.1],"y":[0.2,0.01],"low":[0.1,0.005],"high":[0.3,0.02]}],"marks":[{"label":"0.36","x":0.001,"y":0.2},\
{"label":"FMR 1 %","x":0.01,"y":null}]}],
"pictures":[{"name":"Worst","caption":"Lowest scores.","pictures":[{"paths":["a/<script>alert(1)</script>\\n\\u001b[31m\
\\udcff.jpg","b.jpg"],"text":"Ana & Bob","score":0.25}]}],
"warnings":["2 photos hold no face"]
}
"""


def printed(document: Document, format_name: str, width: int = 80) -> str:
    stream = io.StringIO()
    print_document(document, format_name, stream, width=width)
    return stream.getvalue()


def test_text() -> None:
    assert printed(DOCUMENT, "table") == TEXT


def test_json() -> None:
    assert printed(DOCUMENT, "json") == JSON


def test_json_lines_are_the_same_on_one_line() -> None:
    line = printed(DOCUMENT, "jsonl")

    assert line.count("\n") == 1
    assert json.loads(line) == json.loads(JSON) == document_record(DOCUMENT)


def test_csv_holds_every_value_exactly() -> None:
    rows = list(csv.DictReader(io.StringIO(printed(DOCUMENT, "csv"), newline="")))
    of_table = [row for row in rows if (row["part"], row["name"]) == ("table", "Rates")]
    cells = {(int(row["row"]), row["column"]): row["value"] for row in of_table}
    of_curve = [row for row in rows if row["series"] == "sface"]

    assert tuple(rows[0]) == CSV_COLUMNS
    assert [cells[1, column] for column in RATES.columns] == ["sface", "0.001", "0.0103", "3000", "31"]
    assert [cells[2, column] for column in RATES.columns] == ["[b]x[/b]", "0.0001", "", "3000", ""]
    for column in ("x", "y", "low", "high"):
        values = tuple(float(row["value"]) for row in of_curve if row["column"] == column)
        assert values == getattr(DET.series[0], column)
    assert [row["value"] for row in rows if row["column"] == "path_1"] == [HOSTILE]
    assert [row["value"] for row in rows if row["part"] == "fact"] == ["13233", "sface", ""]
    assert [row["value"] for row in rows if row["part"] == "warning"] == ["2 photos hold no face"]


@pytest.mark.parametrize("format_name", ["table", "json", "csv"])
def test_a_file_name_that_is_no_utf8_goes_into_a_file(format_name: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("w", encoding="utf-8") as stream:
        print_document(DOCUMENT, format_name, stream)

    # CSV has the very bytes of the name; text and JSON have an escape and are UTF-8 throughout.
    data = path.read_bytes()
    assert (os.fsencode(HOSTILE) in data) == (format_name == "csv")
    assert (b"\\udcff" in data) == (format_name != "csv")


def test_a_narrow_terminal_never_cuts_a_number() -> None:
    table = Table("T", "", ("a long heading", "another one", "a third"), ((1234567.5, 0.123456, 7654321),))

    text = printed(Document("D", tables=(table,)), "table", width=20)

    assert all(number in text for number in ("1,234,567.5", "0.123", "7,654,321")), text
    assert "another one" in text


def test_nothing_measured_is_a_title() -> None:
    assert printed(Document("D"), "table") == "D\n"
    assert printed(Document("D"), "csv") == ",".join(CSV_COLUMNS) + "\n"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match='there is no format "xml"'):
        printed(DOCUMENT, "xml")


def test_text_names_the_first_pictures_and_counts_the_others() -> None:
    pictures = tuple(Picture((f"{number}.jpg",), f"person {number}") for number in range(12))
    document = Document("D", pictures=(PictureGroup("G", "", pictures),))

    text = printed(document, "table")

    assert text.endswith("  person 4\n    4.jpg\n  7 more are in JSON and CSV\n")
    assert "11.jpg" in printed(document, "csv")
