from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from photo_results import ADA, WANG, make_face

from facecli.report.record import float32_values, photo_record, plain, rounded_score
from facecli.types import Identification, PhotoResult


def test_record_of_a_named_face_is_the_documented_object(named: PhotoResult) -> None:
    assert photo_record(named) == {
        "schema": 1,
        "path": "photos/team.jpg",
        "status": "ok",
        "error": None,
        "width": 1200,
        "height": 800,
        "faces": [
            {
                "box": [20.0, 10.0, 120.46, 150.0],
                "landmarks": [[30.0, 40.0], [50.0, 40.0], [40.0, 60.0], [32.0, 80.0], [48.0, 80.12]],
                "detection_score": 0.9877,
                "quality": {"score": 0.93, "reasons": [], "size_px": 118.5},
                "name": "Ada Lovelace",
                "person_id": 1,
                "score": 0.7123,
                "threshold": 0.363,
                "fpir": 0.01,
                "probability": 0.9991,
                "rejection": None,
                "candidates": [
                    {"name": "Ada Lovelace", "person_id": 1, "score": 0.7123, "barred": False},
                    {"name": "王小明", "person_id": 3, "score": 0.1, "barred": False},
                ],
            }
        ],
        "warnings": [],
        "model": {"detector": "fake", "embedder": "fake"},
        "elapsed_ms": 12.3,
    }


def test_record_keeps_the_documented_order_of_fields(named: PhotoResult) -> None:
    record = photo_record(named, with_embedding=True)
    order = ["schema", "path", "status", "error", "width", "height", "faces", "warnings", "model", "elapsed_ms"]
    assert list(record) == order
    assert list(record["faces"][0]) == [
        *("box", "landmarks", "detection_score", "quality", "name", "person_id", "score", "threshold"),
        *("fpir", "probability", "rejection", "candidates", "embedding"),
    ]


def test_unknown_face_has_the_nearest_score_and_no_name(unknown: PhotoResult) -> None:
    face, not_compared = photo_record(unknown)["faces"]
    assert (face["name"], face["person_id"], face["score"], face["threshold"]) == (None, None, 0.3629, 0.363)
    assert set(not_compared) == {"box", "landmarks", "detection_score"}


def test_embedding_is_written_only_when_asked_for(named: PhotoResult) -> None:
    assert "embedding" not in photo_record(named)["faces"][0]
    assert photo_record(named, with_embedding=True)["faces"][0]["embedding"] == [0.6, 0.8]


def test_error_is_written_with_code_and_hint(failed: PhotoResult) -> None:
    record = photo_record(failed)
    assert record["error"] == {
        "code": "unreadable_image",
        "message": "photos/bad.jpg is no picture",
        "hint": "Copy it again.",
    }
    assert (record["status"], record["faces"], record["warnings"]) == ("error", [], ["it is empty"])


def test_numbers_that_are_not_finite_become_null(face_at) -> None:
    nobody = Identification((), math.inf, None)
    face = face_at([0, 0, math.inf, 1], [[math.nan, 0]] * 5, nobody)
    record = photo_record(PhotoResult("x", "ok", faces=(face,), elapsed_ms=math.nan))
    assert record["faces"][0]["box"] == [0.0, 0.0, None, 1.0]
    assert record["faces"][0]["landmarks"] == [[None, 0.0]] * 5
    assert record["faces"][0]["threshold"] is None
    assert record["elapsed_ms"] is None


def test_a_time_that_was_not_taken_is_left_out() -> None:
    assert "elapsed_ms" not in photo_record(PhotoResult("x", "no_face", elapsed_ms=None))


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(2, 4))
def test_rounding_keeps_the_side_of_the_threshold(score: float, threshold: float, decimals: int) -> None:
    shown = rounded_score(score, threshold, decimals)
    assert (shown >= round(threshold, decimals)) == (score >= threshold)
    assert abs(shown - score) <= 1.5 * 10**-decimals + 1e-12


@given(hnp.arrays(np.float32, 8, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_embeddings_read_back_as_the_same_float32(vector: np.ndarray) -> None:
    read = np.array(json.loads(json.dumps(float32_values(vector))), np.float32)
    np.testing.assert_array_equal(read, vector)


def test_plain_leaves_only_what_json_knows() -> None:
    value = {1: (np.float32(0.5), np.int64(3)), "nan": math.nan, "path": Path("a"), "array": np.eye(2), "no": None}
    assert plain(value) == {"1": [0.5, 3], "nan": None, "path": "a", "array": [[1.0, 0.0], [0.0, 1.0]], "no": None}


def test_a_rejected_face_has_a_reason_instead_of_a_name() -> None:
    face = make_face(identification=Identification((ADA,), 0.3, None, rejection="low_quality"))
    (record,) = photo_record(PhotoResult("x", "ok", faces=(face,)))["faces"]

    assert (record["name"], record["rejection"], record["score"]) == (None, "low_quality", 0.7123)
    assert [candidate["name"] for candidate in record["candidates"]] == ["Ada Lovelace"]


def test_whom_a_face_was_said_not_to_be_is_neither_its_name_nor_its_score() -> None:
    candidates = (replace(ADA, is_barred=True), WANG)
    unknown = Identification(candidates, 0.3, None, rejection="not_this_person")
    named = Identification(candidates, 0.1, WANG)
    alone = Identification(candidates[:1], 0.3, None, rejection="not_this_person")
    faces = tuple(make_face(identification=each) for each in (unknown, named, alone))
    records = photo_record(PhotoResult("x", "ok", faces=faces))["faces"]

    assert [(each["name"], each["score"], each["rejection"]) for each in records] == [
        (None, 0.1, "not_this_person"),
        ("王小明", 0.1, None),
        (None, None, "not_this_person"),
    ]
    assert [each["barred"] for each in records[0]["candidates"]] == [True, False]
