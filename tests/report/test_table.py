from __future__ import annotations

import io
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_results import ADA, WANG, make_face

from facecli.report.formats import open_writer, print_rows
from facecli.types import Candidate, Identification, PhotoError, PhotoResult, Quality

AT_80_COLUMNS = r"""
face  name           score  threshold  match  nearest       quality   box
photos/team.jpg
  #1  Ada Lovelace   0.712      0.363  >99 %                0.93      20,10
                                                                      100x140
photos/a,b.jpg
  #1  unknown        0.362      0.363      -  Bob           0.12      1300,10
                                              [red]Dylan[/  blurred,  100x140
                                              red] 0.362    too dark
                                              王小明 0.100
  #2  not compared                                                    5,10
                                                                      100x140
photos/new\nline\x1b[31m.jpg
  no face found
photos/bad\udcff.jpg
  error: photos/bad.jpg is no picture
  hint: Copy it again.
  warning: it is empty
""".lstrip()


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def written(*results: PhotoResult, width: int = 80) -> str:
    stream = io.StringIO()
    with open_writer("table", stream, width=width) as writer:
        for result in results:
            writer.write(result)
    return stream.getvalue()


def test_table_at_80_columns(results: tuple[PhotoResult, ...]) -> None:
    assert written(*results) == AT_80_COLUMNS


def test_detection_alone_has_no_columns_of_identification() -> None:
    text = written(PhotoResult("x.jpg", "ok", faces=(make_face(),)))
    assert text == "face  box\nx.jpg\n  #1  20,10 100x140\n"


def test_empty_gallery_is_said() -> None:
    face = make_face(identification=Identification((), float("inf"), None))
    assert "nobody" in written(PhotoResult("x.jpg", "ok", faces=(face,)))


def test_long_names_and_paths_are_never_cut() -> None:
    name = "Karl-Theodor Maria Nikolaus Johann Jacob Philipp Franz Joseph Sylvester"
    candidate = Candidate(1, 1, name, 1, 0.7)
    path = "a/" * 100 + "x.jpg"
    text = written(
        PhotoResult(path, "ok", faces=(make_face(identification=Identification((candidate,), 0.3, candidate)),))
    )
    assert path in text.splitlines()
    name_column = slice(6, text.index("score"))
    folded = "".join(line[name_column] for line in text.splitlines()[2:])
    assert folded.replace(" ", "") == name.replace(" ", "")


def test_colour_is_for_terminals_only(named: PhotoResult, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in written(named)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in written(named)


@given(st.text(), st.text(), st.text())
def test_table_never_emits_control_characters(path: str, name: str, message: str) -> None:
    candidate = Candidate(1, 1, name, 1, 0.2)
    faces = tuple(make_face(identification=Identification((candidate,), 0.1, person)) for person in (None, candidate))
    error = PhotoError("code", message, message)
    text = written(PhotoResult(path, "ok", faces=faces), PhotoResult(path, "error", error=error, warnings=(name,)))
    stream = io.StringIO()
    print_rows([{"name": name, path: message}], ["name", path], "table", stream)
    shown = (text + stream.getvalue()).replace("\n", "")
    assert {unicodedata.category(character) for character in shown}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})


def test_narrow_terminal_folds_no_number(named: PhotoResult) -> None:
    words = written(named, width=30).split()
    assert {"0.712", "0.363", "0.93", "100x140", "Lovelace"} <= set(words)


def test_terminal_without_unicode_gets_escapes(unknown: PhotoResult) -> None:
    stream = io.TextIOWrapper(raw := io.BytesIO(), encoding="ascii")
    with open_writer("table", stream, width=200) as writer:
        writer.write(unknown)
    assert rb"\u738b\u5c0f\u660e 0.100" in raw.getvalue()


@pytest.mark.parametrize(
    ("quality", "why"),
    [
        (Quality(0.1, ("too_dark", "blurred"), {}, "too_dark"), "too dark"),
        (Quality(0.6, (), {}, "too_small"), "too small"),
        (None, "low quality"),
    ],
)
def test_a_rejected_face_says_why(quality: Quality | None, why: str) -> None:
    rejected = Identification((ADA,), 0.3, None, rejection="low_quality")
    text = written(PhotoResult("x.jpg", "ok", faces=(make_face(quality=quality, identification=rejected),)), width=120)

    assert f"unknown ({why})" in text
    assert "Ada Lovelace 0.712" in text


def test_a_face_that_is_not_the_nearest_person_says_so() -> None:
    barred = Identification((replace(ADA, is_barred=True), WANG), 0.3, None, rejection="not_this_person")
    text = written(PhotoResult("x.jpg", "ok", faces=(make_face(identification=barred),)), width=120)

    assert "unknown (not Ada" in text
    assert "not Ada Lovelace 0.712" in text
    assert " 0.100  " in text
