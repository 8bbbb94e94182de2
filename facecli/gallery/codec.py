"""How what tells who somebody is lies in a gallery file: as it is, or encrypted with that person's key."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["name", "consent", "vector", "source", "crop"]
"""What is encrypted; a value of one kind is never taken for another."""


class Codec(Protocol):
    """Between values and what the file holds of them. A person is named by person_id."""

    is_plain: bool

    def text_in(self, person_id: int, text: str, kind: Kind) -> str:
        """Return what to store of a text."""

    def text_out(self, person_id: int, stored: str, kind: Kind) -> str:
        """Return the text that was stored."""

    def bytes_in(self, person_id: int, content: bytes, kind: Kind) -> bytes:
        """Return what to store of bytes."""

    def bytes_out(self, person_id: int, stored: bytes, kind: Kind) -> bytes:
        """Return the bytes that were stored."""

    def all_bytes_out(self, person_ids: Iterable[int], stored: Sequence[bytes], kind: Kind) -> Sequence[bytes]:
        """Return the bytes that were stored, of many people."""

    def lookup(self, name: str) -> bytes | None:
        """Return by what a person of a name is found; None where that is the name itself."""


class PlainCodec:
    """Everything lies in the file as it is."""

    is_plain = True

    def text_in(self, person_id: int, text: str, kind: Kind) -> str:  # noqa: ARG002  # the other codec needs them
        """Return the text."""
        return text

    def bytes_in(self, person_id: int, content: bytes, kind: Kind) -> bytes:  # noqa: ARG002  # the other codec needs them
        """Return the bytes."""
        return content

    text_out, bytes_out = text_in, bytes_in

    def all_bytes_out(self, person_ids: Iterable[int], stored: Sequence[bytes], kind: Kind) -> Sequence[bytes]:  # noqa: ARG002  # the other codec needs them
        """Return the bytes."""
        return stored

    def lookup(self, name: str) -> None:
        """Return None: names are found as they are."""


PLAIN: Final = PlainCodec()


class GalleryConnection(sqlite3.Connection):
    """A connection that knows how its file is written."""

    codec: Codec = PLAIN
    lock: tuple[object, ...] | None = None
    """The `facecli.gallery.vault.Lock` that the file had when opened, or was given since; None if it is plain."""


def codec_of(connection: sqlite3.Connection) -> Codec:
    """Return how the file of a connection is written."""
    return connection.codec if isinstance(connection, GalleryConnection) else PLAIN
