from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from facecli.cli.documents import check_destinations, report_document
from facecli.cli.options import Call
from facecli.errors import FacecliError
from facecli.report.document import Document, Picture, PictureGroup, Plot, Series
from facecli.settings import Settings

CURVE = Plot("ROC", "", "roc", (Series("s", (0.01, 1.0), (0.9, 1.0)),))


def a_call(output_format: str = "jsonl", output: Path | None = None, *, quiet: bool = False) -> Call:
    return Call(Settings(), {}, output_format, output, quiet, 0, show_progress=False)


def a_document(*photos: Path) -> Document:
    pictures = PictureGroup("Worst", "", (Picture(tuple(map(str, photos)), "a pair"),)) if photos else None
    return Document("D", {"n": 1}, plots=(CURVE,), pictures=(pictures,) if pictures else (), warnings=("beware\n",))


def test_results_go_to_standard_output_and_talk_to_standard_error(
    tmp_path: Path, macron: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_document(a_call(), a_document(macron, tmp_path / "absent.jpg"), tmp_path / "r")
    out, err = capsys.readouterr()

    assert json.loads(out)["facts"] == {"n": 1}
    assert err == f"warning: beware\\n\nreport written to {tmp_path / 'r' / 'index.html'}\n"
    page = (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 1
    assert "absent.jpg" in page


def test_quiet_says_nothing_but_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report_document(a_call(quiet=True), a_document(), tmp_path / "r")
    out, err = capsys.readouterr()

    assert (json.loads(out)["warnings"], err) == (["beware\n"], "")
    assert (tmp_path / "r" / "index.html").exists()


def test_without_a_report_there_is_no_page_and_nothing_is_said_of_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_document(a_call("csv", tmp_path / "out.csv"), a_document())

    assert capsys.readouterr() == ("", "warning: beware\\n\n")
    assert list(tmp_path.glob("**/*.html")) == []
    assert (tmp_path / "out.csv").read_text().startswith("part,name,series,row,column,value\nfact,,,,n,1\n")


def test_a_terminal_that_shows_the_text_gets_its_warnings_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    report_document(a_call("table"), a_document())

    assert "warning: beware" in terminal.getvalue()
    assert capsys.readouterr().err == ""


def test_numbers_are_printed_even_if_the_page_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(FacecliError, match="cannot write the report"):
        report_document(a_call(), a_document(), tmp_path / "file")
    assert json.loads(capsys.readouterr().out)["title"] == "D"


def test_a_folder_is_checked_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    check_destinations(a_call(), None)
    check_destinations(a_call(), tmp_path / "new")
    assert (tmp_path / "new").is_dir()
    with pytest.raises(FacecliError, match="cannot write the report"):
        check_destinations(a_call(), tmp_path / "file" / "r")


def test_output_and_format_are_checked_before_the_work(tmp_path: Path) -> None:
    check_destinations(a_call(output=tmp_path / "x.json"), None)
    with pytest.raises(FacecliError, match=r"cannot write .*x\.json: there is no such folder"):
        check_destinations(a_call(output=tmp_path / "missing" / "x.json"), None)
    with pytest.raises(FacecliError, match="xml"):
        check_destinations(a_call("xml"), None)


def test_only_a_page_loads_what_draws_it(tmp_path: Path, enrolled: Path, macron: Path) -> None:
    code = """
import sys
from facecli.cli.main import main
try:
    main()
finally:
    print("imported:", *sorted({"matplotlib", "jinja2"} & set(sys.modules)), file=sys.stderr)
"""
    identify = ["identify", macron, "--gallery", enrolled, "--device", "cpu", "-f", "jsonl"]
    for words in (["--help"], ["evaluate", "--help"], identify):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr.rpartition("imported:")[2].split()) == (0, [])


def test_numbers_alone_load_nothing_that_draws() -> None:
    code = """
import sys
from facecli.cli.documents import check_destinations, report_document
from facecli.cli.options import Call
from facecli.report.document import Document
from facecli.settings import Settings
report_document(Call(Settings(), {}, "table", None, False, 0, False), Document("D", {"n": 1}))
print(sorted({"matplotlib", "jinja2", "PIL", "cv2"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("D\n  n  1\n[]\n", "")
