"""``facecli gallery restore``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facecli.cli.messages import say, warn
from facecli.cli.options import Call, command
from facecli.errors import UsageError

if TYPE_CHECKING:
    from facecli.gallery.copying import Contents

LATEST = "latest"


@command()
def restore(
    call: Call,
    backup: Annotated[
        str, typer.Argument(metavar="[FILE|latest]", help="Which backup; see facecli gallery backups.")
    ] = LATEST,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Verify the backup and say what it holds, only.")] = False,
) -> int:
    """Make the gallery what a backup holds.

    The backup is read in full before anything is changed. What the gallery was becomes a backup itself, damaged or not,
    so "restore latest" also takes a restoration back. Other commands may run meanwhile: they see all of it or nothing.
    Who was purged since the backup was made is purged again, unless the present gallery is too damaged to tell.
    """
    from facecli.app import App
    from facecli.gallery import copying, restoring

    path = os.path.realpath(call.settings.gallery_path)
    source = _source(path, backup)
    held = restoring.verify(source)
    if copying.is_encrypted(Path(path)) and not copying.is_encrypted(source):
        warn(f"{path} is encrypted, and {source} is not: what it holds would lie in the clear")
    if dry_run:
        say(f"{source} is sound and holds {_words(held)}; nothing was changed")
        return 0
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"restoring {path} needs to be confirmed", hint="Pass --yes, or try --dry-run.")
        if not typer.confirm(f"Make {path} what {source} holds: {_words(held)}?", err=True):
            say("nothing was changed")
            return 1
    done = restoring.restore(path, source, App(call.settings).ask_secret)
    if not call.quiet:
        say(f"{path} was restored and holds {_words(done.contents)}")
        if done.purged:
            say(f"{done.purged} of its people had been purged since, and were purged again")
        if done.aside is not None:
            say(f"what it was before is kept as {done.aside.path}")
    return 0


def _source(path: str, backup: str) -> Path:
    """Return the file to restore.

    Raises
    ------
    GalleryError
        With code ``no_backup`` if the latest is asked for and there is none.
    """
    from facecli.errors import GalleryError
    from facecli.gallery import backups

    if backup != LATEST:
        return Path(backup)
    found = [each for each in backups.backups(path) if each.reason != backups.DAMAGED]
    if not found:
        raise GalleryError(
            f"there is no backup beside the gallery {path}",
            hint="Name a backup's file, or see: facecli gallery backups --from FOLDER",
            code="no_backup",
        )
    return found[0].path


def _words(held: Contents) -> str:
    people = f"{held.people} {'person' if held.people == 1 else 'people'}"
    return f"{people} with {held.templates} {'template' if held.templates == 1 else 'templates'}"
