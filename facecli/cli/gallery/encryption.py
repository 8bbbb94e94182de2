"""``facecli gallery encrypt``, ``decrypt`` and ``rekey``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from facecli.cli.messages import say
from facecli.cli.options import Call, chosen, command
from facecli.errors import GalleryError

if TYPE_CHECKING:
    from facecli.gallery.vault import SecretKind

KINDS: Final[dict[str, SecretKind]] = {"passphrase": "passphrase", "key-file": "key_file", "keyring": "keyring"}

_WORDS: Final[dict[SecretKind, str]] = {
    "passphrase": "passphrase",
    "key_file": "key file",
    "keyring": "key in the keyring",
}

By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="|".join(KINDS),
        help="What opens it: a passphrase, a key file (made if missing), or a key in the keyring of your session. By "
        "default a key file if one is named, else a passphrase.",
        show_default=False,
    ),
]


@command()
def encrypt(
    call: Call,
    by: By = None,
    delete_backups: Annotated[
        bool,
        typer.Option(
            "--delete-backups", help="Delete the backups beside it, which stay in the clear, and make a new one."
        ),
    ] = False,
) -> int:
    """Encrypt the gallery: names, faces, file names and the log of changes, with AES-256-GCM and a key for each person.

    Whoever has the file without the secret learns how many people there are, and not who. Nobody can open it when the
    secret is lost. A passphrase is taken from FACECLI_PASSPHRASE, or asked for. Searches are as fast as before once the
    gallery is read; galleries of 20,000 templates and more are read whole each time, as no search file is kept beside
    them.
    """
    from facecli.app import App
    from facecli.gallery import backups, copying, index_care, sealing
    from facecli.scans.store import FILE_NAME
    from facecli.services import secrets

    kind = _kind(by, call.settings.key_file)
    with App(call.settings).open_gallery() as gallery:
        sealing.refuse_encrypted(gallery)  # before a key is made that nothing needs
        salt = secrets.new_salt()
        secret = secrets.new_secret(kind, call.settings.key_file, salt, variable=secrets.PASSPHRASE)
        index_care.remove(gallery.path)  # and afterwards what searches made meanwhile
        is_done = sealing.encrypt(gallery, kind, secret, salt=salt)
        index_care.remove(gallery.path)
        old = backups.paths(gallery.path)
        if delete_backups and old:
            backups.make(gallery._connection, gallery.path, "gallery encrypt")
            for path in old:
                path.unlink(missing_ok=True)
            old = []
        old = [path for path in old if not copying.is_encrypted(path)]
    if not call.quiet:
        say(f"encrypted {gallery.path}; keep the {_WORDS[kind]} safe: without it nobody can open the gallery")
        scans = call.settings.state_dir / FILE_NAME
        if scans.exists():
            say(f"faces that scans have found lie unencrypted in {scans}; see: facecli scans forget --all")
        if old:
            count = "1 backup stays" if len(old) == 1 else f"{len(old)} backups stay"
            say(f"{count} in the clear in {old[0].parent}: delete them, or encrypt with --delete-backups")
    _warn_of_readers(is_done)
    return 0


@command()
def decrypt(call: Call) -> int:
    """Write an encrypted gallery in the clear again."""
    from facecli.app import App
    from facecli.gallery import sealing

    with App(call.settings).open_gallery() as gallery:
        is_done = sealing.decrypt(gallery)
    if not call.quiet:
        say(f"decrypted {gallery.path}")
    _warn_of_readers(is_done)
    return 0


@command()
def rekey(
    call: Call,
    by: By = None,
    new_key_file: Annotated[
        Path | None,
        typer.Option(
            "--new-key-file",
            metavar="FILE",
            help="The key file that is to open it from now on; --key-file names the one that does.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Give an encrypted gallery another passphrase, key file or keyring entry; nothing else is written.

    A new passphrase is taken from FACECLI_NEW_PASSPHRASE, or asked for.
    """
    from facecli.app import App
    from facecli.gallery import sealing
    from facecli.services import secrets

    kind = _kind(by, new_key_file)
    with App(call.settings).open_gallery() as gallery:
        if not gallery.is_encrypted:
            raise GalleryError(
                f"the gallery {gallery.path} is not encrypted",
                hint="Encrypt it with: facecli gallery encrypt",
                code="gallery_plain",
            )
        salt = secrets.new_salt()
        secret = secrets.new_secret(kind, new_key_file, salt, variable=secrets.NEW_PASSPHRASE)
        is_done = sealing.rekey(gallery, kind, secret, salt=salt)
    if not call.quiet:
        say(f"{gallery.path} is opened by the new {_WORDS[kind]} from now on; backups still by the old one")
    _warn_of_readers(is_done)
    return 0


def _kind(by: str | None, key_file: Path | None) -> SecretKind:
    if by is None:
        return "key_file" if key_file is not None else "passphrase"
    return KINDS[chosen(by, tuple(KINDS), "--by")]


def _warn_of_readers(is_done: bool) -> None:
    if not is_done:
        say("another process still reads the gallery: its log holds old bytes until that is done")
