from __future__ import annotations

import pytest
from photo_results import make_face

from facecli.report.summary import Summary, duration
from facecli.types import PhotoResult


def test_summary_counts_every_photo(results: tuple[PhotoResult, ...]) -> None:
    summary = Summary()
    for result in results:
        summary.add(result)
    assert summary == Summary(photos=4, no_face=1, failed=1, faces=3, named=1, unknown=1)
    assert summary.line(2.0) == (
        "4 photos, 3 faces (1 named, 1 unknown), 1 without a face, 1 failed in 2.0 s, 2.0 photos/s"
    )


def test_detection_alone_says_nothing_of_names() -> None:
    summary = Summary()
    summary.add(PhotoResult("x", "ok", faces=(make_face(),)))
    assert summary.line() == "1 photo, 1 face"


def test_no_photos() -> None:
    assert Summary().line(0.0) == "0 photos, 0 faces in 0.00 s"


@pytest.mark.parametrize(
    ("elapsed_s", "text"),
    [(0.321, "0.32 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_duration(elapsed_s: float, text: str) -> None:
    assert duration(elapsed_s) == text
