r"""JSON: one object a line (``jsonl``), or one array of them (``json``).

The text is UTF-8 whatever the file names are made of: a byte of a name that is no UTF-8 is written as the escape
of its lone surrogate (``\udcff``), from which ``os.fsencode(json.loads(line)["path"])`` gets the exact name back.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TextIO

from facecli.report.record import photo_record
from facecli.types import PhotoResult

# json escapes the C0 controls itself. DEL and C1 steer terminals, U+0085, U+2028 and U+2029 end lines for
# `str.splitlines` and JavaScript, and a lone surrogate has no UTF-8 form.
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def json_text(value: Any) -> str:
    """Write plain values as JSON on one line that is always valid UTF-8.

    Raises
    ------
    ValueError
        If a number is not finite; see `facecli.report.record.plain`.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # All of these can only stand inside strings, where an escape means the same character.
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class JsonLinesWriter:
    """One object a line, written and flushed at once, so that a reader at the other end of a pipe need not wait."""

    def __init__(self, stream: TextIO, *, with_embedding: bool = False) -> None:
        self._stream = stream
        self._with_embedding = with_embedding

    def write(self, result: PhotoResult) -> None:
        """Write one photo."""
        self._stream.write(json_text(photo_record(result, with_embedding=self._with_embedding)) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open."""
        self._stream.flush()


class JsonArrayWriter:
    """One array of objects, an object a line; nothing is held back, so it needs no memory for long lists."""

    def __init__(self, stream: TextIO, *, with_embedding: bool = False) -> None:
        self._stream = stream
        self._with_embedding = with_embedding
        self._lead = "[\n"

    def write(self, result: PhotoResult) -> None:
        """Write one photo."""
        self._stream.write(self._lead + json_text(photo_record(result, with_embedding=self._with_embedding)))
        self._lead = ",\n"

    def close(self) -> None:
        """End the array and flush; the stream stays open."""
        self._stream.write("[]\n" if self._lead == "[\n" else "\n]\n")
        self._stream.flush()
