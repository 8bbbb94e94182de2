"""Where the secret of an encrypted gallery comes from, and where a new one goes."""

from __future__ import annotations

import base64
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import Any, Final

from facecli.errors import GalleryError, InputError, MachineError
from facecli.gallery.vault import KEY_BYTES, SALT_BYTES, AskSecret, Lock, SecretKind
from facecli.sqlite_file import FILE_MODE, sync_folder

PASSPHRASE: Final = "FACECLI_PASSPHRASE"  # noqa: S105  # the name of a variable, not a secret
NEW_PASSPHRASE: Final = "FACECLI_NEW_PASSPHRASE"  # noqa: S105  # the same

LEAST_PASSPHRASE: Final = 8
"""Characters; NIST SP 800-63B, 5.1.1."""

MAX_KEY_FILE_BYTES: Final = 4096

SERVICE: Final = "facecli"
"""Under which a keyring files the key; its user is the salt of the gallery's lock, which stays when the file moves."""


def secret_source(gallery: Path, key_file: Path | None, environment: Mapping[str, str] = os.environ) -> AskSecret:
    """Return what finds the secret of a gallery: in a file, a keyring, the environment, or from a terminal.

    Raises
    ------
    GalleryError
        By what is returned, with code ``gallery_encrypted``, if there is none; the hint says how to give it.
    """

    def ask(lock: Lock) -> bytes:
        if lock.kind == "key_file":
            if key_file is None:
                raise _closed(gallery, "a key file", "Name it: --key-file FILE, or FACECLI_KEY_FILE=FILE")
            return read_key_file(key_file)
        if lock.kind == "keyring":
            with _open_keyring() as keyring:
                found = keyring.get_password(SERVICE, lock.salt.hex())
            if found is None:
                raise _closed(gallery, "the keyring", "The keyring of this session has no key for it.")
            try:
                return base64.b64decode(found, validate=True)
            except ValueError as error:
                raise _closed(gallery, "the keyring", "What the keyring has for it is no key of facecli.") from error
        if PASSPHRASE in environment:
            return _encoded(environment[PASSPHRASE])
        if not _is_terminal():
            raise _closed(gallery, "a passphrase", f"Ask from a terminal, or set {PASSPHRASE}.")
        return _encoded(_asked(f"Passphrase of {gallery}: "))

    return ask


def new_secret(
    kind: SecretKind, key_file: Path | None, salt: bytes, *, variable: str, environment: Mapping[str, str] = os.environ
) -> bytes:
    """Return the secret that a gallery is to have, kept where it will be looked for.

    Parameters
    ----------
    kind : {"passphrase", "key_file", "keyring"}
    key_file : Path or None
        Made, with 32 random bytes, if it is not there.
    salt : bytes
        Of the lock to be made.
    variable : str
        Environment variable of a passphrase; without it a terminal is asked, twice.

    Raises
    ------
    InputError
        If there is no passphrase, it is too short, or the two are not the same; or the key file cannot serve.
    """
    if kind == "key_file":
        if key_file is None:
            raise InputError("no key file was named", hint="Name one: --key-file FILE; it is made if missing.")
        if not key_file.exists():
            _write_private(key_file, os.urandom(KEY_BYTES))
        return read_key_file(key_file)
    if kind == "keyring":
        key = os.urandom(KEY_BYTES)
        with _open_keyring() as keyring:
            keyring.set_password(SERVICE, salt.hex(), base64.b64encode(key).decode())
        return key
    passphrase = environment.get(variable)
    if passphrase is None:
        if not _is_terminal():
            raise InputError("there is nobody to ask for a passphrase", hint=f"Ask from a terminal, or set {variable}.")
        passphrase = _asked("New passphrase: ")
        if _asked("The same again: ") != passphrase:
            raise InputError("the two passphrases are not the same", hint="Nothing was changed; try again.")
    if len(passphrase) < LEAST_PASSPHRASE:
        raise InputError(
            f"a passphrase of {len(passphrase)} characters is too short",
            hint=f"Give one of {LEAST_PASSPHRASE} at least; several words are easy to keep and hard to guess.",
        )
    return _encoded(passphrase)


def _asked(question: str) -> str:
    try:
        return getpass(question)
    except EOFError as error:
        raise InputError("no passphrase was given", hint="Nothing was changed; try again.") from error


def _encoded(passphrase: str) -> bytes:
    """Return a passphrase as bytes, the same whatever keyboard composed its letters (NIST SP 800-63B, 5.1.1.2).

    What is no text in the encoding of the session comes as the bytes that it was.
    """
    return unicodedata.normalize("NFKC", passphrase).encode("utf-8", "surrogateescape")


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def new_salt() -> bytes:
    """Draw a salt."""
    return os.urandom(SALT_BYTES)


def read_key_file(path: Path) -> bytes:
    """Return the key in a file.

    Raises
    ------
    InputError
        If it cannot be read, or is no key.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"the key file {path} cannot be read: {error.strerror}", hint="Check --key-file.") from error
    if not KEY_BYTES <= len(content) <= MAX_KEY_FILE_BYTES:
        raise InputError(
            f"the key file {path} has {len(content)} bytes",
            hint=f"A key has {KEY_BYTES} to {MAX_KEY_FILE_BYTES}; is it the right file?",
        )
    return content


def _write_private(path: Path, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)  # a power cut that took its name would take the gallery with it
    except OSError as error:
        raise InputError(f"the key file {path} cannot be made: {error.strerror}", hint="Check --key-file.") from error


def _keyring() -> Any:
    try:
        import keyring
    except ImportError as error:
        raise MachineError(
            "the keyring cannot be asked: the package keyring is missing",
            hint="Install it: pip install 'facecli[keyring]'",
        ) from error
    return keyring


@contextmanager
def _open_keyring() -> Iterator[Any]:
    """Give the keyring to a block, and say what it complains of."""
    keyring = _keyring()
    from keyring.errors import KeyringError

    try:
        yield keyring
    except KeyringError as error:
        raise MachineError(
            f"the keyring cannot be asked: {error}",
            hint="Unlock it, or choose another secret: --by passphrase, or --key-file FILE.",
        ) from error


def _closed(gallery: Path, by: str, hint: str) -> GalleryError:
    return GalleryError(f"the gallery {gallery} is encrypted by {by}", hint=hint, code="gallery_encrypted")
