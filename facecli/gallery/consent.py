"""What is known about somebody's consent to be enrolled: on what it rests, and when it ends."""

from __future__ import annotations

import calendar
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self

from facecli.errors import InputError
from facecli.gallery.names import refuse_forbidden

MAX_BASIS_LENGTH: Final = 200
MAX_NOTE_LENGTH: Final = 2000
"""Characters: room for where a signed form lies and what it says, not for the form."""

NEVER: Final = "never"
"""Instead of a date: consent that does not end."""

_FIELDS: Final = frozenset({"basis", "note", "expires"})
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DURATION: Final = re.compile(r"(\d{1,5})([dwmy])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Consent:
    """Why a person may be enrolled, and until when.

    Attributes
    ----------
    basis : str
        On what it rests: "signed form", "contract", "public figure"…
    note : str
        Anything else.
    expires : date or None
        The first day, in UTC, on which the person is not matched any more; None if it does not end.

    Raises
    ------
    InputError
        If nothing is said, a text is too long, or it holds a control character.
    """

    basis: str = ""
    note: str = ""
    expires: date | None = None

    def __post_init__(self) -> None:
        if not (self.basis or self.note or self.expires):
            raise InputError("nothing is said about consent", hint="Say --basis, --note or --expires, or --clear.")
        for what, text, most in (("basis", self.basis, MAX_BASIS_LENGTH), ("note", self.note, MAX_NOTE_LENGTH)):
            if len(text) > most:
                raise InputError(
                    f"the {what} of a consent has {len(text)} characters", hint=f"It may have {most}: say where it is."
                )
            refuse_forbidden(text, f"the {what} of a consent")

    def is_expired(self, today: date) -> bool:
        """Say whether it has ended."""
        return self.expires is not None and self.expires <= today

    @property
    def text(self) -> str:
        """As a gallery keeps it: JSON, without what is not said."""
        said = {"basis": self.basis, "note": self.note, "expires": self.expires and self.expires.isoformat()}
        return json.dumps({name: value for name, value in said.items() if value}, ensure_ascii=False, sort_keys=True)

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Read what `text` gave.

        Raises
        ------
        ValueError
            If it is something else.
        """
        try:
            said = json.loads(text)
        except RecursionError as error:
            raise ValueError("it goes too deep") from error
        if not isinstance(said, dict) or not said.keys() <= _FIELDS:
            raise ValueError(f"{text[:40]!a} says something else than consent")
        if not all(isinstance(value, str) for value in said.values()):
            raise ValueError(f"{text[:40]!a} says consent in something else than texts")
        expires = said.pop("expires", None)
        try:
            return cls(**said, expires=None if expires is None else _date(expires))
        except InputError as error:
            raise ValueError(error.message) from error


def today() -> date:
    """Return the date in UTC, by which consent ends."""
    return datetime.now(UTC).date()


def read_expiry(text: str, now: date) -> date | None:
    """Return the day that a user means: ``2028-05-31``, ``never``, or a time from now such as ``90d``, ``6w``, ``2y``.

    A month or a year later is the same day of that month, or its last one where it is shorter.

    Raises
    ------
    InputError
        If it is none of these, or beyond the year 9999.
    """
    text = text.strip()
    if text == NEVER:
        return None
    try:
        if match := _DURATION.fullmatch(text):
            return _later(now, int(match[1]), match[2])
        return _date(text)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"consent cannot expire on {text!a}",
            hint="Give a date such as 2028-05-31, a time from now such as 90d, 6w, 18m or 2y, or never.",
        ) from error


def _date(text: str) -> date:
    if not _DATE.fullmatch(text):  # fromisoformat takes weeks, and dates without hyphens
        raise ValueError(f"{text[:40]!a} is no date")
    return date.fromisoformat(text)


def _later(day: date, count: int, unit: str) -> date:
    if unit in "dw":
        return day + timedelta(days=count * (7 if unit == "w" else 1))
    years, month = divmod(day.month - 1 + count * (12 if unit == "y" else 1), 12)
    year = day.year + years
    if year > date.max.year:
        raise OverflowError(f"the year {year} is too late")
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
