"""What has to be gone, as bytes."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from facecli.gallery.traces import Traces
from facecli.services.purging.byte_search import runs
from facecli.services.purging.receipt import NeedleKind

TELLING_BYTES: Final = 5
"""A shorter needle is found in large files by chance: one of 3 bytes six times in 100 MB, one of 5 once in a TB."""

# Of a JPEG: the tables in front are the same in many files.
_JPEG_TABLES_BYTES: Final = 640
# A page of a database holds several pieces of a picture.
_CROP_STEP: Final = 256


class Needle(NamedTuple):
    """Bytes to look for."""

    kind: NeedleKind
    content: bytes

    @property
    def is_short(self) -> bool:
        """Whether it is found by chance."""
        return len(self.content) < TELLING_BYTES


def needles_of(held: Traces, search_file_rows: Iterable[bytes] = ()) -> list[Needle]:
    """Return all bytes that give away what a gallery held, each once.

    Of vectors, codes and pictures pieces from all of their length; of texts all forms in which files may hold them.

    Parameters
    ----------
    held : Traces
    search_file_rows : iterable of bytes
        Vectors, means and codes in files beside the gallery.
    """
    found: dict[Needle, None] = {}

    def add(kind: NeedleKind, contents: Iterable[bytes]) -> None:
        found.update(dict.fromkeys(Needle(kind, each) for each in contents if each))

    for vectors in held.vectors.values():
        for vector in vectors:
            add("vectors", runs(vector.tobytes()))
    for row in search_file_rows:
        add("vectors", runs(row))
    for crop in held.crops:
        add("crops", runs(crop[min(_JPEG_TABLES_BYTES, len(crop) // 2) :], _CROP_STEP))
    for name in held.names:
        add("names", _forms(name))
    for source in held.sources:
        add("paths of photos", {source, _escaped(os.fsdecode(source))})
    for content_hash in held.content_hashes:
        add("hashes of photos", {content_hash.encode(), *_raw(content_hash)})
    for consent in held.consents:
        add("consents", [consent.encode()])
    add("keys", held.ciphers)
    return list(found)


def name_needles(names: Sequence[str]) -> list[Needle]:
    """Return the bytes of names."""
    return [Needle("names", form) for name in names for form in _forms(name)]


def _forms(name: str) -> set[bytes]:
    """Return a name composed and decomposed (as macOS names files), in UTF-8 and as JSON writes it."""
    both = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    return {form for each in both for form in (each.encode(), _escaped(each))}


def _escaped(text: str) -> bytes:
    return json.dumps(text)[1:-1].encode("ascii")


def _raw(content_hash: str) -> Iterator[bytes]:
    if re.fullmatch("(?:[0-9a-f]{2}){16,}", content_hash):
        yield bytes.fromhex(content_hash)
