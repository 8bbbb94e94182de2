"""Pictures made for the tests: asymmetric, so that any turn or swap of colours shows."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageCms

# Corners of the upright picture, clockwise from the top left.
CORNERS = {"red": (220, 30, 30), "green": (30, 180, 30), "blue": (40, 40, 220), "grey": (128, 128, 128)}


def picture(width: int = 96, height: int = 64) -> Image.Image:
    """Return a picture whose quarters have four colours: red and green above, grey and blue below."""
    red, green, blue, grey = CORNERS.values()
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = red
    pixels[: height // 2, width // 2 :] = green
    pixels[height // 2 :, width // 2 :] = blue
    pixels[height // 2 :, : width // 2] = grey
    return Image.fromarray(pixels)


def corners_of(pixels: np.ndarray) -> list[tuple[int, ...]]:
    """Return the colours in the middles of the quarters, clockwise from the top left."""
    height, width = pixels.shape[:2]
    top, bottom, left, right = height // 4, 3 * height // 4, width // 4, 3 * width // 4
    return [tuple(map(int, pixels[y, x])) for y, x in ((top, left), (top, right), (bottom, right), (bottom, left))]


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


# How a camera that was held so stores the upright picture: the inverse of what undoes each orientation.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(image: Image.Image, orientation: int) -> Image.Image:
    turn = STORED[orientation]
    return image if turn is None else image.transpose(turn)


def linear_profile() -> bytes:
    """Return an RGB profile with the primaries of sRGB but no gamma: value 55 in it is value 128 in sRGB."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    for index in range(count):
        name, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            # A parametric curve of type 0 with an exponent of 1.0 in s15Fixed16.
            struct.pack_into(">4sIHHI", profile, offset, b"para", 0, 0, 0, 0x00010000)
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "Line".encode("utf-16-be"))


def grey_profile(gamma: float) -> bytes:
    """Return the smallest grey profile that littleCMS takes (ICC.1:2001-04, 6.3.1.1)."""
    white = struct.pack(">4sI3i", b"XYZ ", 0, 63190, 65536, 54061)
    curve = struct.pack(">4sIIH", b"curv", 0, 1, round(gamma * 256)) + b"\0\0"
    name = b"Grey gamma\0"
    described = struct.pack(">4sII", b"desc", 0, len(name)) + name + bytes(78)
    described += bytes(-len(described) % 4)
    tags, body, at = b"", b"", 128 + 4 + 12 * 3
    for key, value in ((b"wtpt", white), (b"kTRC", curve), (b"desc", described)):
        tags += struct.pack(">4sII", key, at + len(body), len(value))
        body += value
    size = at + len(body)
    header = struct.pack(">I4sI4s4s4s12x4s", size, b"lcms", 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", 3) + tags + body
