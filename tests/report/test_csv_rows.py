from __future__ import annotations

import csv
import io
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from photo_results import ADA, WANG, make_face

from facecli.report.csv_rows import COLUMNS, csv_line
from facecli.report.formats import open_writer
from facecli.types import Identification, PhotoError, PhotoResult


def written(*results: PhotoResult, **options: bool) -> str:
    stream = io.StringIO(newline="")
    with open_writer("csv", stream, **options) as writer:
        for result in results:
            writer.write(result)
    return stream.getvalue()


def test_csv_has_a_row_a_face_and_one_for_a_photo_without(results: tuple[PhotoResult, ...]) -> None:
    assert written(*results) == (
        "path,status,error_code,error,warnings,width,height,face,left,top,right,bottom,detection_score,quality,"
        "quality_reasons,name,person_id,score,threshold,nearest,nearest_person_id,elapsed_ms,fpir,probability,rejection\n"
        "photos/team.jpg,ok,,,,1200,800,1,20.0,10.0,120.46,150.0,0.9877,0.93,,"
        "Ada Lovelace,1,0.7123,0.363,Ada Lovelace,1,12.3,0.01,0.9991,\n"
        '"photos/a,b.jpg",ok,,,,1500,800,1,1300.0,10.0,1400.46,150.0,0.9877,0.12,blurred; too_dark,'
        ",,0.3629,0.363,Bob [red]Dylan[/red],2,3.0,,,\n"
        '"photos/a,b.jpg",ok,,,,1500,800,2,5.0,10.0,105.46,150.0,0.9877,,,,,,,,,3.0,,,\n'
        '"photos/new\nline\x1b[31m.jpg",no_face,,,,10,20,,,,,,,,,,,,,,,1.0,,,\n'
        "photos/bad\udcff.jpg,error,unreadable_image,photos/bad.jpg is no picture,it is empty,"
        "0,0,,,,,,,,,,,,,,,0.0,,,\n"
    )


def test_a_time_that_was_not_taken_is_an_empty_cell() -> None:
    (row,) = csv.DictReader(io.StringIO(written(PhotoResult("x.jpg", "no_face", 10, 20, elapsed_ms=None))))

    assert (row["path"], row["elapsed_ms"]) == ("x.jpg", "")


def test_csv_of_no_photos_is_its_header() -> None:
    assert written() == ",".join(COLUMNS) + "\n"


def test_csv_embeddings_are_one_cell(named: PhotoResult) -> None:
    header, row = csv.reader(io.StringIO(written(named, with_embedding=True)))
    assert (header[-1], row[-1]) == ("embedding", "0.6 0.8")


def test_cells_that_look_like_formulas_stay_exact() -> None:
    assert csv_line(["=1+1.jpg", "-a", "+b", "@c", True, None, ["x", "y"]]) == "=1+1.jpg,-a,+b,@c,true,,x; y\n"


@given(st.binary(max_size=30).map(lambda name: name.decode("utf-8", "surrogateescape")) | st.text(), st.text())
def test_any_text_round_trips(path: str, message: str) -> None:
    text = written(PhotoResult(path, "error", error=PhotoError("code", message)))
    header, row = csv.reader(io.StringIO(text, newline=""))
    cells = dict(zip(header, row, strict=True))
    assert (cells["path"], cells["error"]) == (path, message)


def test_undecodable_path_is_written_as_its_bytes(failed: PhotoResult) -> None:
    stream = io.TextIOWrapper(raw := io.BytesIO(), encoding="ascii")
    with open_writer("csv", stream) as writer:
        writer.write(failed)
    assert raw.getvalue().splitlines()[1].startswith(b"photos/bad\xff.jpg,error,")


def test_the_nearest_is_somebody_who_may_be_named() -> None:
    barred = Identification((replace(ADA, is_barred=True), WANG), 0.3, None, rejection="not_this_person")
    (row,) = csv.DictReader(io.StringIO(written(PhotoResult("x", "ok", faces=(make_face(identification=barred),)))))

    assert (row["nearest"], row["score"], row["rejection"]) == ("王小明", "0.1", "not_this_person")
