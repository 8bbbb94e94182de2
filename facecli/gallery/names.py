"""What a person may be called."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from typing import Final

from facecli.errors import InputError

# Long enough for any passport (ICAO 9303 holds 39) and for a caption; short enough for one line of a report.
MAX_NAME_LENGTH: Final = 200

# Cc control, Cs surrogate, Zl and Zp line and paragraph separator: they break lines, files and UTF-8.
FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})

# Embeddings, overrides and isolates (Unicode TR 9) reorder what stands around a name, so a report could be made to lie.
FORBIDDEN_CHARACTERS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

MAX_SUGGESTIONS: Final = 3


def normalise_name(name: str) -> str:
    """Return `name` composed (Unicode NFC) and without blanks around it; two names are one if this is equal.

    Raises
    ------
    InputError
        If nothing visible is left, it is longer than `MAX_NAME_LENGTH`, or it holds a control character.
    """
    result = unicodedata.normalize("NFC", name).strip()
    if not any(character.isprintable() for character in result):
        raise InputError("a name is empty", hint="Give the person a name with at least one visible character.")
    refuse_forbidden(result, f"the name {result!a}", "names")
    if len(result) > MAX_NAME_LENGTH:
        raise InputError(
            f"the name that starts with {result[:40]!r} has {len(result)} characters",
            hint=f"A name may have {MAX_NAME_LENGTH}.",
        )
    return result


def refuse_forbidden(text: str, what: str, whats: str = "it") -> None:
    """Refuse a text that could break a line, or reorder what stands around it.

    Parameters
    ----------
    text : str
    what, whats : str
        What it is, for the message and for the hint.

    Raises
    ------
    InputError
        If it holds a control character.
    """
    for character in text:
        if unicodedata.category(character) in FORBIDDEN_CATEGORIES or character in FORBIDDEN_CHARACTERS:
            raise InputError(
                f"{what} holds the control character U+{ord(character):04X}",
                hint=f"Leave line breaks, tabs and other control characters out of {whats}.",
            )


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Return up to `MAX_SUGGESTIONS` of the `known` names that `name` may have been meant to be, nearest first."""
    by_folded = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, MAX_SUGGESTIONS)
    return [by_folded[folded] for folded in close]
