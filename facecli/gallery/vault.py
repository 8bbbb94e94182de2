"""Encryption of a gallery: a key for each person, wrapped by a master key, wrapped by a key made of a secret.

AES-256-GCM throughout, with a nonce drawn for every use. Destroying a person's key destroys what is encrypted with it;
another secret means wrapping one key anew. What is encrypted: names, notes of consent, vectors, file names and crops,
in tables and log. What is not: how many people and templates there are, boxes, qualities, times, and SHA-256 of photos.
"""

from __future__ import annotations

import base64
import hmac
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from facecli.errors import GalleryError
from facecli.gallery.codec import Kind
from facecli.gallery.translation import corrupt_error
from facecli.sqlite_file import pragma

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SecretKind: TypeAlias = Literal["passphrase", "key_file", "keyring"]
"""Where the secret comes from: a head, a file, or the keyring of the user's session."""


KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
SALT_BYTES: Final = 16

OVERHEAD_BYTES: Final = NONCE_BYTES + 16
"""What encryption adds: a nonce in front and a tag behind."""

SCRYPT_COST: Final = 17
"""log2 of scrypt's N with r = 8 and p = 1: 128 MiB and half a second a guess (OWASP's password storage cheat sheet)."""

# A file may ask for more work than this machine has memory for.
MAX_SCRYPT_COST: Final = 20

# A row of the table meta while pages in the clear may be left in the file of an encrypted gallery.
_REWRITE_DUE: Final = "rewrite_due"


class Lock(NamedTuple):
    """The wrapped master key, as the table ``vault`` holds it.

    Attributes
    ----------
    kind : {"passphrase", "key_file", "keyring"}
    salt : bytes
    cost : int
        log2 of scrypt's N; 0 for secrets that are keys already.
    wrapped : bytes
        The master key, encrypted.
    """

    kind: SecretKind
    salt: bytes
    cost: int
    wrapped: bytes


AskSecret: TypeAlias = Callable[[Lock], bytes]
"""Gives the secret of a lock, or raises an error of facecli that says where it is looked for."""


def read_lock(connection: sqlite3.Connection) -> Lock | None:
    """Return the lock of a gallery; None of one that is not encrypted."""
    row = connection.execute("SELECT kind, salt, cost, wrapped FROM vault").fetchone()
    return Lock(*row) if row else None


def write_lock(connection: sqlite3.Connection, lock: Lock | None) -> None:
    """Write the lock of a gallery in place of the one it has."""
    connection.execute("DELETE FROM vault")
    if lock is not None:
        connection.execute("INSERT INTO vault VALUES (1, ?, ?, ?, ?)", lock)


def write_anew(connection: sqlite3.Connection) -> None:
    """Leave no page of the file as it was before."""
    connection.execute("VACUUM")
    connection.execute("DELETE FROM meta WHERE key = ?", (_REWRITE_DUE,))


def make_rewrite_due(connection: sqlite3.Connection) -> None:
    """Note that the file is to be written anew: who is killed before that leaves it to the next who opens the file."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, 1)", (_REWRITE_DUE,))


def finish_rewrite(connection: sqlite3.Connection) -> None:
    """Write the file anew where that was not done; while another process does it, or there is no room, not now."""
    if connection.execute("SELECT 1 FROM meta WHERE key = ?", (_REWRITE_DUE,)).fetchone() is None:
        return
    patience_ms = pragma(connection, "busy_timeout")
    connection.execute("PRAGMA busy_timeout = 0")
    with suppress(sqlite3.OperationalError):
        write_anew(connection)
    connection.execute(f"PRAGMA busy_timeout = {patience_ms}")


def make_lock(master: bytes, kind: SecretKind, secret: bytes, salt: bytes) -> Lock:
    """Wrap a master key by a secret."""
    cost = SCRYPT_COST if kind == "passphrase" else 0
    return Lock(kind, salt, cost, _encrypt(_wrapping_key(salt, cost, secret), master, b"master key"))


def open_lock(lock: Lock, secret: bytes, path: str) -> bytes:
    """Return the master key.

    Raises
    ------
    GalleryError
        With code ``gallery_wrong_key`` if the secret does not fit.
    """
    from cryptography.exceptions import InvalidTag

    if not 0 <= lock.cost <= MAX_SCRYPT_COST:
        raise corrupt_error(path, f"its key asks for 2^{lock.cost} rounds of scrypt")
    try:
        return _decrypt(_wrapping_key(lock.salt, lock.cost, secret), lock.wrapped, b"master key")
    except InvalidTag as error:
        what = {"passphrase": "passphrase", "key_file": "key file", "keyring": "key in the keyring"}[lock.kind]
        raise GalleryError(
            f"the {what} does not open the gallery {path}",
            hint="Nothing was read or changed. Without the right one it cannot be opened by anybody.",
            code="gallery_wrong_key",
        ) from error


def _wrapping_key(salt: bytes, cost: int, secret: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    if cost:
        return AESGCM(Scrypt(salt=salt, length=KEY_BYTES, n=1 << cost, r=8, p=1).derive(secret))
    return AESGCM(_derived(secret, salt, b"wrapping key"))


def _derived(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), KEY_BYTES, salt, purpose).derive(secret)


def _encrypt(key: AESGCM, content: bytes, about: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, content, about)


def _decrypt(key: AESGCM, sealed: bytes, about: bytes) -> bytes:
    return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)


class Vault:
    """The codec of an unlocked gallery; see `facecli.gallery.codec.Codec`.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of the gallery; keys of people are read from it, and made in its transaction.
    path : str
        Of the gallery, for messages.
    master : bytes
        32 of them.

    Raises
    ------
    GalleryCorruptError
        By every method, if something is not what was encrypted.
    """

    is_plain = False

    def __init__(self, connection: sqlite3.Connection, path: str, master: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._connection = connection
        self._path = path
        self._master = AESGCM(master)
        self._lookup_key = _derived(master, b"", b"lookup")
        self._keys: dict[int, AESGCM] = {}
        self.master = master

    def text_in(self, person_id: int, text: str, kind: Kind) -> str:
        """Encrypt a text."""
        return base64.b64encode(self.bytes_in(person_id, text.encode(), kind)).decode()

    def text_out(self, person_id: int, stored: str, kind: Kind) -> str:
        """Decrypt a text."""
        try:
            return self.bytes_out(person_id, base64.b64decode(stored, validate=True), kind).decode()
        except (ValueError, TypeError) as error:
            raise corrupt_error(self._path, f"the {kind} of person {person_id} cannot be decrypted") from error

    def bytes_in(self, person_id: int, content: bytes, kind: Kind) -> bytes:
        """Encrypt bytes."""
        return _encrypt(self._key(person_id, make=True), content, kind.encode())

    def bytes_out(self, person_id: int, stored: bytes, kind: Kind) -> bytes:
        """Decrypt bytes."""
        return self.all_bytes_out([person_id], [stored], kind)[0]

    def all_bytes_out(self, person_ids: Iterable[int], stored: Sequence[bytes], kind: Kind) -> Sequence[bytes]:
        """Decrypt bytes of many people."""
        from cryptography.exceptions import InvalidTag

        about, result = kind.encode(), []
        for person_id, sealed in zip(person_ids, stored, strict=True):
            known = self._keys.get(person_id)
            try:
                try:
                    result.append(_decrypt(known or self._key(person_id), sealed, about))
                except InvalidTag:
                    if known is None:
                        raise
                    # It was made in a transaction that was rolled back, and another process has made one since.
                    result.append(_decrypt(self._key(person_id), sealed, about))
            except (InvalidTag, ValueError, TypeError) as error:
                raise corrupt_error(self._path, f"a {kind} of person {person_id} cannot be decrypted") from error
        return result

    def lookup(self, name: str) -> bytes:
        """Return a keyed hash of a name."""
        return hmac.digest(self._lookup_key, name.encode(), "sha256")

    def forget(self, person_id: int) -> None:
        """Destroy a person's key."""
        self._keys.pop(person_id, None)
        self._connection.execute("DELETE FROM person_keys WHERE person_id = ?", (person_id,))

    def _key(self, person_id: int, *, make: bool = False) -> AESGCM:
        """Return a person's key, or make one where there is none.

        The row is read again before a key is used to encrypt: what made it may have been rolled back, or another
        process may have destroyed it.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        row = self._connection.execute("SELECT wrapped FROM person_keys WHERE person_id = ?", (person_id,)).fetchone()
        about = b"key of person %d" % person_id
        if row is not None:
            try:
                key = AESGCM(_decrypt(self._master, row[0], about))
            except (InvalidTag, ValueError, TypeError) as error:
                raise corrupt_error(self._path, f"the key of person {person_id} is damaged") from error
        elif make:
            raw = AESGCM.generate_key(8 * KEY_BYTES)
            self._connection.execute(
                "INSERT INTO person_keys VALUES (?, ?)", (person_id, _encrypt(self._master, raw, about))
            )
            key = AESGCM(raw)
        else:
            raise corrupt_error(self._path, f"the key of person {person_id} is missing")
        self._keys[person_id] = key
        return key
