"""What decoders raise on damaged pictures, and what that means for the person who has the file."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image

from facecli.errors import UnreadableImageError

# What Pillow, its plugins, littleCMS and pillow-heif raise on damaged files, seen by feeding them such.
DECODER_ERRORS: Final = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, AttributeError,
    AssertionError, RuntimeError, SystemError, BufferError, struct.error, zlib.error,
)  # fmt: skip

HOPELESS: Final = "Nothing of it can be used: copy it again from where it came from."
SALVAGEABLE: Final = "Copy it again, or pass --salvage to use what is left of it."

# For formats whose structure does not tell: Pillow's and libheif's words.
_CUT_WORDS: Final = re.compile(r"truncat|unexpected end|end of (?:file|data)|premature", re.IGNORECASE)

_ARTICLE: Final = {"truncated": "a truncated", "corrupt": "a damaged"}

_JPEG_END: Final = b"\xff\xd9"
_JPEG_SCAN: Final = b"\xff\xda"

# Boxes at the top of an ISO media file: a handful; more are damage.
_MAX_BOXES: Final = 1000


def is_cut_short(data: bytes, format_name: str) -> bool:
    """Return whether the end of a picture is missing.

    Parameters
    ----------
    data : bytes
        The file.
    format_name : str
        As `facecli.media.formats.sniff` names it. Formats whose structure does not tell give False.
    """
    match format_name:
        case "JPEG":
            # An end mark before the last scan belongs to a thumbnail; both are absent where the header is cut.
            return data.rfind(_JPEG_END) <= data.rfind(_JPEG_SCAN)
        case "PNG":
            return b"IEND" not in data
        case "WebP":
            return len(data) < 12 or int.from_bytes(data[4:8], "little") + 8 > len(data)
        case "GIF":
            return not data.rstrip(b"\x00").endswith(b";")
        case "AVIF" | "HEIC" | "JPEG 2000":
            return data[:2] != b"\xff\x4f" and _boxes_reach_past_end(data)
        case _:
            return False


def _boxes_reach_past_end(data: bytes) -> bool:
    """Walk the top boxes (ISO 14496-12, 4.2): each begins with its size and type."""
    position = 0
    for _ in range(_MAX_BOXES):
        if position == len(data):
            return False
        try:
            (size,) = struct.unpack_from(">I", data, position)
            if size == 1:
                (size,) = struct.unpack_from(">Q", data, position + 8)
        except struct.error:
            return True
        if size == 0:  # to the end of the file
            return False
        position += max(size, 8)
        if position > len(data):
            return True
    return False


def damage_of(error: BaseException, data: bytes, format_name: str) -> str:
    """Return "truncated" or "corrupt": what is wrong with a picture whose decoder raised `error`."""
    cut = is_cut_short(data, format_name) or isinstance(error, EOFError) or _CUT_WORDS.search(str(error))
    return "truncated" if cut else "corrupt"


@contextmanager
def translated(name: str, data: bytes, format_name: str, hint: str) -> Iterator[None]:
    """Turn whatever decoding `name` raises into an `UnreadableImageError` with `hint`."""
    try:
        yield
    except (MemoryError, Image.DecompressionBombError) as error:
        raise UnreadableImageError(
            f"{name} needs more memory than there is to decode", hint="Save it at a smaller size.", code="too_large"
        ) from error
    except DECODER_ERRORS as error:
        damage = damage_of(error, data, format_name)
        raise UnreadableImageError(
            f"{name} is {_ARTICLE[damage]} {format_name} file", hint=hint, code=damage
        ) from error
