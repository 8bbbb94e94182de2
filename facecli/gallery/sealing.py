"""Encrypting a gallery, decrypting it, and changing its secret. What was there before is overwritten in the file.

Each returns False if another process reads the gallery meanwhile, so that its write-ahead log holds old bytes until
that is done.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from facecli.errors import GalleryError
from facecli.gallery import history, person_rows, rows
from facecli.gallery.codec import PLAIN, Codec, GalleryConnection
from facecli.gallery.soundness import problems
from facecli.gallery.store import Gallery
from facecli.gallery.translation import corrupt_error, translated
from facecli.gallery.vault import (
    KEY_BYTES,
    SALT_BYTES,
    Lock,
    SecretKind,
    Vault,
    make_lock,
    make_rewrite_due,
    write_anew,
    write_lock,
)


def encrypt(gallery: Gallery, kind: SecretKind, secret: bytes, *, salt: bytes | None = None) -> bool:
    """Encrypt a gallery; see `facecli.gallery.vault`.

    Parameters
    ----------
    gallery : Gallery
    kind : {"passphrase", "key_file", "keyring"}
        Whom to ask for the secret when it is opened.
    secret : bytes
        A passphrase, or a key of at least 32 random bytes.
    salt : bytes, optional
        By default drawn at random; a keyring may file the key under it.

    Raises
    ------
    GalleryError
        With code ``gallery_encrypted`` if it is encrypted already.
    GalleryCorruptError
        If it is damaged: nothing is encrypted then, as nobody could tell afterwards.
    """
    with _changing(gallery) as connection:
        refuse_encrypted(gallery)
        if found := problems(connection, gallery.path):
            raise corrupt_error(gallery.path, found[0])
        vault = Vault(connection, gallery.path, os.urandom(KEY_BYTES))
        _convert(connection, gallery.path, vault)
        _put_lock(connection, make_lock(vault.master, kind, secret, salt or os.urandom(SALT_BYTES)))
        make_rewrite_due(connection)
    return _rewritten(gallery, "encrypted")


def refuse_encrypted(gallery: Gallery) -> None:
    """Refuse a gallery that is encrypted.

    Raises
    ------
    GalleryError
        With code ``gallery_encrypted``.
    """
    if gallery.is_encrypted:
        raise GalleryError(
            f"the gallery {gallery.path} is encrypted already",
            hint="Change its secret with: facecli gallery rekey",
            code="gallery_encrypted",
        )


def decrypt(gallery: Gallery) -> bool:
    """Write an unlocked gallery in the clear again.

    Raises
    ------
    GalleryError
        With code ``gallery_plain`` if it is not encrypted.
    """
    with _changing(gallery) as connection:
        _vault(gallery, connection)
        _convert(connection, gallery.path, PLAIN)
        connection.execute("DELETE FROM person_keys")
        _put_lock(connection, None)
    return _rewritten(gallery, "decrypted")


def rekey(gallery: Gallery, kind: SecretKind, secret: bytes, *, salt: bytes | None = None) -> bool:
    """Give an unlocked gallery another secret; nothing but the wrapped master key is written. Parameters as `encrypt`.

    Raises
    ------
    GalleryError
        With code ``gallery_plain`` if it is not encrypted.
    """
    with _changing(gallery) as connection:
        vault = _vault(gallery, connection)
        _put_lock(connection, make_lock(vault.master, kind, secret, salt or os.urandom(SALT_BYTES)))
    return gallery.empty_log()


@contextmanager
def _changing(gallery: Gallery) -> Iterator[GalleryConnection]:
    """Change the file in one transaction; a codec that was put in place goes with it if it fails."""
    with gallery._changing() as connection:
        codec, lock = connection.codec, connection.lock
        try:
            yield connection
        except BaseException:
            connection.codec, connection.lock = codec, lock
            raise


def _put_lock(connection: GalleryConnection, lock: Lock | None) -> None:
    write_lock(connection, lock)
    connection.lock = lock


def _vault(gallery: Gallery, connection: GalleryConnection) -> Vault:
    if not isinstance(connection.codec, Vault):
        raise GalleryError(
            f"the gallery {gallery.path} is not encrypted",
            hint="Encrypt it with: facecli gallery encrypt",
            code="gallery_plain",
        )
    return connection.codec


def _convert(connection: GalleryConnection, path: str, new: Codec) -> None:
    """Write all that is encrypted, or is to be, anew, and go on with the new codec."""
    old = connection.codec
    people = [
        (person.person_id, person.name, person.created_at, person_rows.consent(connection, path, person.person_id))
        for person in person_rows.people(connection, path)
    ]
    connection.codec = new
    for person in people:
        person_rows.put_person(connection, *person)
    for template_id, person_id in connection.execute("SELECT template_id, person_id FROM templates").fetchall():
        owner = person_id or history.last_owner(connection, template_id) or 0
        rows.reseal(connection, template_id, old, new, owner)
    history.reseal(connection, old, new)
    rows.increase_revision(connection)


def _rewritten(gallery: Gallery, done: str) -> bool:
    """Leave no page of the file as it was before, nor its write-ahead log."""
    try:
        with translated(gallery.path):
            write_anew(gallery._connection)
    except GalleryError as error:
        raise GalleryError(
            f"the gallery {gallery.path} was {done}, but could not be written anew after that: {error.message}",
            hint="It is whole. Backups beside it are as they were; see: facecli gallery backups",
            code=error.code,
        ) from error
    return gallery.empty_log()
