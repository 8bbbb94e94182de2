"""JSON from anybody: an object with just the keys that are expected, each of its type and within its limits."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

MAX_COUNT: Final = 2**53
"""Largest integer that every JSON reader keeps."""


class Fields:
    """The keys of one JSON object, taken one after the other.

    Parameters
    ----------
    values : object
        What was decoded.
    wrong : callable
        Turns what is wrong into the error to raise.
    """

    def __init__(self, values: object, wrong: Callable[[str], Exception]) -> None:
        if not isinstance(values, dict):
            raise wrong("is no JSON object")
        self._values = values
        self._wrong = wrong

    def take(self, key: str) -> Any:
        """Return any value."""
        if key not in self._values:
            raise self._wrong(f"has no {key}")
        return self._values.pop(key)

    def text(self, key: str, longest: int) -> str:
        """Return a text that is not empty."""
        value = self.take(key)
        self._expect(
            isinstance(value, str) and 0 < len(value) <= longest, key, f"a text of at most {longest:,} letters"
        )
        self._expect(_is_unicode(value), key, "a text")
        return str(value)

    def count_or_none(self, key: str, least: int, most: int) -> int | None:
        """Return a whole number, or null."""
        if self._values.get(key, 0) is None:
            del self._values[key]
            return None
        return self.count(key, least, most)

    def has(self, key: str) -> bool:
        """Say whether a key is there."""
        return key in self._values

    def time(self, key: str) -> str:
        """Return a moment: ISO 8601, UTC, to the second."""
        value = self.take(key)
        self._expect(
            isinstance(value, str) and _TIME.fullmatch(value) is not None, key, "a time like 2025-01-31T12:00:00Z"
        )
        return str(value)

    def sha256(self, key: str) -> str:
        """Return a SHA-256 in hex."""
        value = self.take(key)
        self._expect(isinstance(value, str) and _SHA256.fullmatch(value) is not None, key, "a SHA-256 of 64 hex digits")
        return str(value)

    def count(self, key: str, least: int = 0, most: int = MAX_COUNT) -> int:
        """Return a whole number."""
        value = self.take(key)
        self._expect(type(value) is int and least <= value <= most, key, f"a number from {least:,} to {most:,}")
        return int(value)

    def number(self, key: str, least: float, most: float) -> float:
        """Return a number."""
        value = self.take(key)
        self._expect(_is_number(value) and least <= value <= most, key, f"a number from {least} to {most}")
        return float(value)

    def numbers(self, key: str, count: int, most: float) -> tuple[float, ...]:
        """Return numbers whose size is limited."""
        value = self.take(key)
        fits = isinstance(value, list) and len(value) == count
        fits = fits and all(_is_number(each) and abs(each) <= most for each in value)
        self._expect(fits, key, f"{count} numbers")
        return tuple(float(each) for each in value)

    def truth(self, key: str) -> bool:
        """Return a truth value."""
        value = self.take(key)
        self._expect(isinstance(value, bool), key, "true or false")
        return bool(value)

    def octets(self, key: str, longest: int) -> bytes:
        """Return bytes: a text, or ``{"base64": …}`` where they are no UTF-8."""
        value = self.take(key)
        expected = f"a text, or base64, of at most {longest:,} bytes"
        if isinstance(value, str):
            self._expect(_is_unicode(value), key, expected)
            result = value.encode()
        else:
            self._expect(isinstance(value, dict) and list(value) == ["base64"], key, expected)
            try:
                result = base64.b64decode(value["base64"], validate=True)
            except (binascii.Error, TypeError, ValueError) as error:
                raise self._wrong(f"has a {key} that is no base64") from error
        self._expect(len(result) <= longest, key, expected)
        return result

    def list(self, key: str, longest: int) -> Sequence[Any]:
        """Return a list of anything."""
        value = self.take(key)
        self._expect(isinstance(value, list) and len(value) <= longest, key, f"a list of at most {longest:,}")
        return list(value)

    def close(self) -> None:
        """Refuse what nobody asked for."""
        if self._values:
            raise self._wrong(f"has an unknown {next(iter(self._values))!a}")

    def _expect(self, is_right: bool, key: str, expected: str) -> None:
        if not is_right:
            raise self._wrong(f"has a {key} that is not {expected}")


def octets_value(octets: bytes) -> str | dict[str, str]:
    """Return bytes as `Fields.octets` reads them."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(octets).decode()}


def encode(value: object) -> bytes:
    """Write a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def decode(octets: bytes) -> object:
    """Read JSON in UTF-8.

    Raises
    ------
    ValueError
        If it is none, a key is there twice, a number is infinite or none, or it is nested too deeply.
    """
    try:
        return _DECODER.decode(octets.decode())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _object(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"{key!a} is there twice")
        result[key] = value
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _is_number(value: object) -> bool:
    if type(value) is int:
        return abs(value) <= MAX_COUNT
    return isinstance(value, float) and math.isfinite(value)


def _is_unicode(value: object) -> bool:
    """Say whether a text has no half of a surrogate pair, which UTF-8 cannot write."""
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
