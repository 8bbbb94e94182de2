from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from made_up_results import parts, results

from facecli.scans.analysis_record import FORM, decode_analysis, encode_analysis, seal, unseal
from facecli.types import PhotoResult


@given(results())
def test_what_was_found_comes_back_bit_for_bit(result: PhotoResult) -> None:
    again = decode_analysis(encode_analysis(result))

    assert again is not None
    assert parts(again) == parts(result)


@given(results(), st.data())
def test_a_flipped_bit_is_seen(result: PhotoResult, data: st.DataObject) -> None:
    sealed = bytearray(seal(encode_analysis(result), b"where", b"it is"))
    at = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[at // 8] ^= 1 << at % 8

    assert unseal(bytes(sealed), b"where", b"it is") is None


def test_a_record_is_not_another_photos() -> None:
    record = encode_analysis(PhotoResult("", "no_face", 4, 3))

    assert unseal(seal(record, b"photo a"), b"photo a") == record
    assert unseal(seal(record, b"photo a"), b"photo b") is None
    assert unseal(b"abc") is None


@given(results(), st.data())
def test_a_record_cut_short_or_of_another_form_is_none(result: PhotoResult, data: st.DataObject) -> None:
    record = encode_analysis(result)

    assert decode_analysis(record[: data.draw(st.integers(0, len(record) - 1))]) is None
    assert decode_analysis(record + b"\0") is None
    assert decode_analysis(bytes([record[0] + 1]) + record[1:]) is None


@given(st.binary(max_size=200))
def test_garbage_is_no_record(garbage: bytes) -> None:
    assert decode_analysis(garbage) is None
    assert decode_analysis(b"\1" + garbage) is None


def test_a_header_that_goes_too_deep_is_no_record() -> None:
    header = b"[" * 100_000
    assert decode_analysis(struct.pack("<BI", FORM, len(header)) + header) is None


def test_two_faces_take_little_more_than_their_numbers() -> None:
    import numpy as np

    from facecli.types import Detection, Embedding, Face, Quality

    vector = np.full(128, 128**-0.5, np.float32)
    quality = Quality(0.5, (), dict.fromkeys(["size_px", "sharpness", "brightness", "contrast", "turn", "inside"], 1.0))
    face = Face(
        Detection(np.array([0, 0, 9, 9], np.float32), np.ones((5, 2), np.float32), 0.9),
        quality,
        Embedding(vector, "sface"),
    )

    record = encode_analysis(PhotoResult("photos/a.jpg", "ok", 4000, 3000, (face, face)))

    numbers = 2 * (4 * (4 + 10 + 128) + 8 * 8)
    assert numbers < len(record) < numbers + 256
