"""The orientation tag, wherever it is written and however damaged."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import exif, picture, stored

from facecli.media.orientation import orientation_from_exif, orientation_of, put_upright, turn_pixels


def directory(order: str, kind: int, value: bytes, count: int = 1) -> bytes:
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    other = struct.pack(f"{order}HHI4x", 0x010F, 2, 1)
    entry = struct.pack(f"{order}HHI4s", 0x0112, kind, count, value)
    return mark + struct.pack(f"{order}IH", 8, 2) + other + entry


@pytest.mark.parametrize("order", "<>")
def test_both_byte_orders_and_all_integer_types(order: str) -> None:
    for form, kind in (("B", 1), ("H", 3), ("I", 4)):
        data = directory(order, kind, struct.pack(f"{order}{form}", 6))
        assert orientation_from_exif(data) == orientation_from_exif(b"Exif\0\0" + data) == 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_pillow_writes_is_read_and_undone(orientation: int) -> None:
    assert orientation_of({"exif": exif(orientation)}) == orientation
    upright = put_upright(stored(picture(), orientation), orientation)
    assert upright.tobytes() == picture().tobytes()


@pytest.mark.parametrize("orientation", range(9))
def test_pixels_are_turned_as_pillow_turns_a_picture(orientation: int) -> None:
    turned = turn_pixels(np.asarray(picture()), orientation)
    np.testing.assert_array_equal(turned, np.asarray(put_upright(picture(), orientation)))


def test_xmp_counts_only_without_exif() -> None:
    xmp = b'<rdf:Description tiff:Orientation="8"/>'
    assert orientation_of({"xmp": xmp}) == 8
    assert orientation_of({"xmp": b"<tiff:Orientation>3</tiff:Orientation>"}) == 3
    assert orientation_of({"xmp": xmp, "exif": exif(6)}) == 6


def test_old_png_text() -> None:
    text = f"\nexif\n{len(exif(6)):8d}\n{exif(6).hex()}\n"
    assert orientation_of({"Raw profile type exif": text}) == 6
    assert orientation_of({"Raw profile type exif": "\nexif\n 3\nxyz"}) == 1


def test_nonsense_is_upright() -> None:
    for value in (0, 9, 65535):
        assert orientation_from_exif(directory("<", 3, struct.pack("<H", value))) is None
    assert orientation_of({}) == orientation_of({"exif": b"", "xmp": "text"}) == 1


@given(st.binary(), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"Exif\0\0MM\0*"]))
def test_any_bytes_give_an_orientation_or_none(data: bytes, head: bytes) -> None:
    assert orientation_from_exif(head + data) in {None, *range(1, 9)}
