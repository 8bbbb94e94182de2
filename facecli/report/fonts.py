"""Fonts for labels in any script, as far as this machine has them.

Pillow brings one font with ASCII alone. For the rest the fonts of the system are looked through, once per process:
DejaVu (Latin, Greek, Cyrillic, Arabic and more), Noto, and what macOS and Windows come with. Where Pillow was built
with Raqm, as its wheels are, Arabic letters are joined and right-to-left text is turned; without it letters stand
apart, from left to right. A name with a letter that no font has cannot be drawn, and `text_runs` says so.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

from PIL import ImageFont

from facecli.report.visible import visible

FontName: TypeAlias = Path | Literal["pillow"]

PILLOW: Final = "pillow"
"""The font that comes inside Pillow."""

# Tried in this order: wide coverage first, then the scripts it lacks. File names as the systems ship them.
_PREFERRED: Final = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "segoeui.ttf", "arial.ttf", "Arial.ttf"),
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "SourceHanSans-Regular.ttc", "wqy-microhei.ttc"),
    *("wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc"),
    *("msyh.ttc", "YuGothM.ttc", "malgun.ttf", "NotoSansArabic-Regular.ttf", "NotoNaskhArabic-Regular.ttf"),
    *("GeezaPro.ttc", "NotoSansHebrew-Regular.ttf", "Nirmala.ttf", "Nirmala.ttc", "KohinoorDevanagari.ttc"),
    *("LeelawUI.ttf", "Thonburi.ttc", "FreeSans.ttf", "unifont.ttf"),
)
# After those, every Noto Sans of one script; other fonts would only slow the search down.
_FURTHER: Final = ("NotoSans", "-Regular.ttf")

# Marks and joiners take their shape from their neighbours, blanks have none: neither needs a glyph of its own.
_NEEDS_NO_GLYPH: Final = frozenset({"Mn", "Me", "Cf", "Zs"})
# What a name can lose and stay a name: symbols such as emoji, private and unassigned characters.
_DISPENSABLE: Final = frozenset({"So", "Sk", "Co", "Cn"})
# No font may have this character, so it draws as the font's sign for a missing glyph.
_NONCHARACTER: Final = "\uffff"
# Size at which coverage is looked up: enough for two glyphs to differ.
_LOOKUP_SIZE_PX: Final = 16


def _font_folders() -> Iterator[Path]:
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"
    elif sys.platform == "darwin":
        yield from (Path("/System/Library/Fonts"), Path("/Library/Fonts"))
    else:
        yield from (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home, as in containers
        return
    own = {"win32": ("AppData/Local/Microsoft/Windows/Fonts",), "darwin": ("Library/Fonts",)}
    yield from (home / folder for folder in own.get(sys.platform, (".local/share/fonts", ".fonts")))


@cache
def font_files() -> tuple[Path, ...]:
    """Return the font files of this machine worth trying, the best first; empty where there are none."""
    found: dict[str, Path] = {}
    for folder in _font_folders():
        for parent, _, names in os.walk(folder):  # says nothing of folders that are missing or closed
            found |= {name: Path(parent, name) for name in names if name not in found}
    start, end = _FURTHER
    further = sorted(name for name in found if name.startswith(start) and name.endswith(end))
    return tuple(dict.fromkeys(found[name] for name in (*_PREFERRED, *further) if name in found))


@lru_cache(maxsize=64)  # a font holds its file; sizes follow the faces, and a long run meets all of them
def load_font(name: FontName, size_px: int) -> ImageFont.FreeTypeFont | None:
    """Load a font; None if its file is damaged or has no such size, as fonts made of bitmaps do."""
    try:
        font = ImageFont.load_default(size_px) if name == PILLOW else ImageFont.truetype(name, size_px)
        return font if isinstance(font, ImageFont.FreeTypeFont) else None
    except (OSError, ValueError):
        return None


@cache
def _covers(name: FontName, character: str) -> bool:
    """Tell whether a font has a character, by comparing what it draws with its sign for a missing glyph."""
    font = load_font(name, _LOOKUP_SIZE_PX)
    if font is None:
        return False
    try:
        return _picture(font, character) != _picture(font, _NONCHARACTER)
    except (OSError, ValueError):  # a glyph that cannot be drawn
        return False


def _picture(font: ImageFont.FreeTypeFont, text: str) -> tuple[object, bytes]:
    mask = font.getmask(text)
    return mask.size, bytes(mask)


@cache
def _font_for(character: str) -> FontName | None:
    """Return the first font that has a character; None if none has it."""
    for file in font_files():
        if _covers(file, character):
            return file
    return PILLOW if _covers(PILLOW, character) else None


@dataclass(frozen=True, slots=True)
class Run:
    """Characters in a row that one font draws."""

    font: FontName
    text: str


def text_runs(text: str) -> tuple[Run, ...] | None:
    """Split a text into runs that fonts of this machine can draw.

    Parameters
    ----------
    text : str
        Any text. Symbols that no font has are left out, accents that no font has are taken off their letters.

    Returns
    -------
    tuple of Run or None
        A single run where one font has it all, which keeps right-to-left text in order; several runs stand in
        logical order. None if a letter cannot be drawn, or if nothing is left.
    """
    characters: list[str] = []
    for character in unicodedata.normalize("NFC", visible(text)):
        drawn = _drawn_as(character)
        if drawn is None:
            return None
        characters.append(drawn)
    kept = " ".join("".join(characters).split())  # no gap where a symbol was left out
    if not kept:
        return None
    glyphs = [character for character in kept if not _needs_no_glyph(character)]
    for file in font_files():
        if all(_covers(file, glyph) for glyph in glyphs):
            return (Run(file, kept),)
    return _split(kept)


def _drawn_as(character: str) -> str | None:
    """Return what to draw for a character, possibly nothing; None if its meaning would be lost."""
    if _needs_no_glyph(character) or _font_for(character) is not None:
        return character
    bare, *marks = list(unicodedata.normalize("NFD", character))
    if marks and all(map(_needs_no_glyph, marks)) and _font_for(bare) is not None:
        return bare
    return "" if unicodedata.category(character) in _DISPENSABLE else None


def _needs_no_glyph(character: str) -> bool:
    return unicodedata.category(character) in _NEEDS_NO_GLYPH


def _split(text: str) -> tuple[Run, ...]:
    runs: list[Run] = []
    for character in text:
        # Blanks and marks go with the letter before them.
        joins = bool(runs) and _needs_no_glyph(character)
        font = runs[-1].font if joins else _font_for(character) or PILLOW
        if runs and runs[-1].font == font:
            runs[-1] = Run(font, runs[-1].text + character)
        else:
            runs.append(Run(font, character))
    return tuple(runs)
