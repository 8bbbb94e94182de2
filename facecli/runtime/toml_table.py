"""TOML read key by key, with errors that name the file and the key."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from facecli.errors import WeightsError

SHA256_PATTERN: Final = re.compile(r"[0-9a-f]{64}")


class TomlTable:
    """A TOML table that is taken apart key by key; what is left over is an error.

    Parameters
    ----------
    values : mapping
        The table as `tomllib` gives it.
    where : str
        The file, for messages.
    prefix : str
        Keys of the tables around this one, with a dot at the end.
    """

    def __init__(self, values: Mapping[str, Any], where: str, prefix: str = "") -> None:
        self._values = dict(values)
        self._where = where
        self._prefix = prefix

    @classmethod
    def read(cls, path: Path) -> TomlTable:
        """Read a file.

        Raises
        ------
        WeightsError
            If it is missing, cannot be read or is no TOML.
        """
        try:
            return cls(tomllib.loads(path.read_text("utf-8")), str(path))
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise WeightsError(f"{path} is not valid TOML: {error}") from error

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        """Go through the keys that nobody took yet, in the order of the file."""
        return iter(tuple(self._values))

    def wrong(self, key: str, expected: str) -> WeightsError:
        """Make the error for a key whose value is not what is `expected`."""
        return WeightsError(f"{self._where}: {self._prefix}{key} must be {expected}")

    def _take(self, key: str, expected: str) -> Any:
        if key not in self._values:
            raise WeightsError(f"{self._where}: {self._prefix}{key} is missing; it must be {expected}")
        return self._values.pop(key)

    def text(self, key: str, expected: str = "a text") -> str:
        """Take a text that is not empty."""
        value = self._take(key, expected)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, expected)
        return value

    def matching(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        """Take a text that matches `pattern` as a whole."""
        value = self.text(key, expected)
        if not pattern.fullmatch(value):
            raise self.wrong(key, expected)
        return value

    def sha256(self, key: str, *, may_be_unknown: bool = False) -> str:
        """Take a SHA-256 in hex; an empty text too where it `may_be_unknown`."""
        if may_be_unknown and self._values.get(key) == "":
            del self._values[key]
            return ""
        return self.matching(key, SHA256_PATTERN, "64 hex digits")

    def file_name(self, key: str) -> str:
        """Take a file name that cannot lead out of its folder or name a hidden file."""
        expected = "a file name without a folder"
        value = self.text(key, expected)
        if value.startswith(".") or any(letter in value for letter in "/\\\0:"):
            raise self.wrong(key, expected)
        return value

    def truth(self, key: str, default: bool) -> bool:
        """Take true or false."""
        value = self._values.pop(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def count(self, key: str) -> int:
        """Take a whole number above 0."""
        expected = "a whole number above 0"
        value = self._take(key, expected)
        if not is_count(value):
            raise self.wrong(key, expected)
        return int(value)

    def number(self, key: str, low: float, high: float) -> float:
        """Take a number from `low` to `high`."""
        expected = f"a number from {low:g} to {high:g}"
        value = self._take(key, expected)
        if not is_number(value) or not low <= value <= high:
            raise self.wrong(key, expected)
        return float(value)

    def items(self, key: str, fits: Callable[[Any], bool], expected: str, *, count: int | None = None) -> list[Any]:
        """Take a list of `count` values (of any number if None), each of which `fits`."""
        value = self._take(key, expected)
        if not isinstance(value, list) or (count is not None and len(value) != count) or not all(map(fits, value)):
            raise self.wrong(key, expected)
        return value

    def table(self, key: str) -> TomlTable:
        """Take a table."""
        value = self._take(key, "a table")
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return TomlTable(value, self._where, f"{self._prefix}{key}.")

    def close(self) -> None:
        """Refuse keys that nobody took: most are misspelt."""
        if self._values:
            names = ", ".join(f"{self._prefix}{key}" for key in sorted(self._values))
            raise WeightsError(f"{self._where}: unknown key {names}")


def is_number(value: object) -> bool:
    """Whether a TOML value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_count(value: object) -> bool:
    """Whether a TOML value is a whole number above 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
