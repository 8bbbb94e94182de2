"""Text of others (file names, person names) made safe to show to people."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Bidirectional embeddings, overrides and isolates (UAX #9, section 2) turn the rest of a line around. The weak
# marks U+200E and U+200F and the joiners U+200C and U+200D stay: names in Arabic, Persian or Hindi need them.
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Controls (C0, DEL, C1), lone surrogates (bytes of a file name that are no UTF-8), line and paragraph separators.
_UNSHOWABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_PRINTABLE_ASCII: Final = re.compile(r"[ -~]*")


def visible(text: str) -> str:
    r"""Write out what must not reach a terminal or a picture as it is.

    Parameters
    ----------
    text : str
        Anything, undecodable bytes as lone surrogates included.

    Returns
    -------
    str
        The same on one line, with control characters, lone surrogates and direction overrides as
        ``\n``, ``\x1b``, ``\udcff`` or ``\u202e``. Backslashes stay single: it is for eyes, not for parsing.
    """
    if _PRINTABLE_ASCII.fullmatch(text):
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character not in _TURNING and unicodedata.category(character) not in _UNSHOWABLE:
        return character
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
