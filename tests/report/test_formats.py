from __future__ import annotations

import io
import json
import math

import pytest

from facecli.errors import UsageError
from facecli.report.formats import FORMATS, check_format, open_writer, print_rows

ROWS = [
    {"name": "Ada", "photos": 3, "since": None, "enrolled": True, "hidden": [1]},
    {"name": "[b]王[/b]\n", "photos": 12, "since": "2025-01-02", "enrolled": False, "share": math.nan},
]
COLUMNS = ["name", "photos", "since", "enrolled"]

EXPECTED = {
    "table": """\
name          photos   since        enrolled
────────────────────────────────────────────
Ada                3   -            yes
[b]王[/b]\\n       12   2025-01-02   no
""",
    "json": """\
[
{"name":"Ada","photos":3,"since":null,"enrolled":true,"hidden":[1]},
{"name":"[b]王[/b]\\n","photos":12,"since":"2025-01-02","enrolled":false,"share":null}
]
""",
    "jsonl": """\
{"name":"Ada","photos":3,"since":null,"enrolled":true,"hidden":[1]}
{"name":"[b]王[/b]\\n","photos":12,"since":"2025-01-02","enrolled":false,"share":null}
""",
    "csv": 'name,photos,since,enrolled\nAda,3,,true\n"[b]王[/b]\n",12,2025-01-02,false\n',
}


@pytest.mark.parametrize("format_name", FORMATS)
def test_print_rows(format_name: str) -> None:
    stream = io.StringIO()
    print_rows(ROWS, COLUMNS, format_name, stream, width=80)
    assert stream.getvalue() == EXPECTED[format_name]


@pytest.mark.parametrize(("format_name", "text"), [("json", "[]\n"), ("jsonl", ""), ("csv", "name\n")])
def test_print_no_rows(format_name: str, text: str) -> None:
    stream = io.StringIO()
    print_rows([], ["name"], format_name, stream)
    assert stream.getvalue() == text


def test_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match='there is no format "xml"') as caught:
        check_format("xml")
    assert caught.value.hint == "Choose one of table, json, jsonl, csv."
    with pytest.raises(UsageError), open_writer("xml", io.StringIO()):
        pass


@pytest.mark.parametrize("format_name", ["json", "jsonl", "csv"])
def test_data_are_utf8_with_line_feeds_in_any_locale(format_name: str) -> None:
    stream = io.TextIOWrapper(raw := io.BytesIO(), encoding="cp1252", newline="\r\n")
    print_rows([{"name": "王"}], ["name"], format_name, stream)
    text = raw.getvalue().decode("utf-8")
    assert "王" in text
    assert "\r" not in text


def test_streams_stay_open(named) -> None:
    for format_name in FORMATS:
        stream = io.StringIO()
        with open_writer(format_name, stream) as writer:
            writer.write(named)
        assert not stream.closed


def test_json_lines_of_rows_can_be_read() -> None:
    stream = io.StringIO()
    print_rows(ROWS, COLUMNS, "jsonl", stream)
    assert [json.loads(line)["name"] for line in stream.getvalue().splitlines()] == ["Ada", "[b]王[/b]\n"]
