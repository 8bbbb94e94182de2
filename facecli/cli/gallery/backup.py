"""``facecli gallery backup`` and ``backups``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facecli.cli.messages import say, warn
from facecli.cli.options import Call, command

if TYPE_CHECKING:
    from facecli.gallery.backups import Backup


@command()
def backup(
    call: Call,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="FILE|FOLDER", help="Write there instead; on another disk, say.", show_default=False
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            metavar="N",
            min=1,
            help="Newest backups to keep. By default the setting backups; with --to nothing is deleted by default.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Copy the gallery, read every byte of the copy, and keep it.

    Backups lie in a folder of yours alone beside the gallery, called after it with ".backups" added. Old ones are
    deleted: the newest 5 are kept (see --keep and the setting backups), and of those before the last one of each of 7
    days, 4 weeks and 6 months.

    One is made by itself before the first change of a day, before people are merged or removed if the last one is older
    than an hour, and before a new version of facecli changes the file's schema; not of galleries of more than 16 MiB,
    but for a new schema. The setting backups = 0 turns that off.

    What they cost: disk, as each is as large as the gallery; and privacy, as they hold everybody who was enrolled then,
    until they are deleted: purging somebody names the backups that may hold them. Against a disk that fails only a copy
    on another one helps: see --to.
    """
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.errors import UsageError
    from facecli.gallery import backups

    target = None if to is None else Path(to)
    if target is not None and not target.is_dir():
        if str(to).endswith(os.sep):
            raise UsageError(f"there is no folder {target}", hint="Make it first, or name a file.")
        if keep is not None:
            raise UsageError("--keep is for a folder, and --to names a file", hint="Leave one of them out.")
    with App(call.settings).open_gallery() as gallery:
        made = backups.make(gallery._connection, gallery.path, backups.ASKED, to=target)
        if target is None:
            deleted = backups.rotate(gallery.path, keep or call.settings.backups or backups.KEPT)
        else:
            deleted = backups.rotate(gallery.path, keep, folder=target) if keep else []
    write_rows(call, [_record(made) | {"deleted": len(deleted)}], ("path", "size", "deleted"))
    return 0


@command()
def list_backups(
    call: Call,
    check: Annotated[
        bool, typer.Option("--check", help="Read every byte of each, and say whether it is sound.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Look there instead of beside the gallery.", show_default=False),
    ] = None,
) -> int:
    """List the backups of the gallery, the newest first: when and why each was made, and what it holds.

    The reason is the command that it was made before, or "asked", or "damaged": the gallery that a restored one took
    the place of. Each was sound when it was made; --check looks whether it still is. One that is later than the gallery
    shows that the gallery has lost changes.
    """
    from facecli.cli.output import write_rows
    from facecli.errors import GalleryCorruptError, GalleryError
    from facecli.gallery import backups, copying

    path = os.path.realpath(call.settings.gallery_path)
    revision = _revision(path)
    rows: list[dict[str, object]] = []
    damaged = []
    for each in backups.backups(path, folder):
        row = _record(each)
        try:
            held = copying.contents(each.path)
            row |= {"people": held.people, "templates": held.templates, "schema": held.schema_version}
            found = copying.problems(each.path) if check else ()
            state = ("damaged: " + "; ".join(found) if found else "sound") if check else "not checked"
            if revision is not None and held.revision > revision:
                state += "; later than the gallery"
        except GalleryError as error:
            found, state = (error.message,), f"damaged: {error.message}"
        if found and each.reason != backups.DAMAGED:
            damaged.append(each.path)
        rows.append(row | {"state": state})
    write_rows(call, rows, ("made", "reason", "people", "templates", "size", "state", "path"))
    if not rows and not call.quiet:
        say(f"there is no backup of {path}; make one with: facecli gallery backup")
    if any(str(row["state"]).endswith("later than the gallery") for row in rows):
        warn(
            f"{path} is in an earlier state than a backup of it: changes were lost, by a disk that fails perhaps, "
            "unless an older file was put in its place by hand"
        )
    if damaged:
        raise GalleryCorruptError(
            f"{len(damaged)} of {len(rows)} backups are damaged, the newest of them {damaged[0]}",
            hint="Make another one while the gallery is sound: facecli gallery backup",
        )
    return 0


def _revision(path: str) -> int | None:
    """Return the gallery's revision, which only ever grows; None where it cannot be read."""
    from facecli.errors import GalleryError
    from facecli.gallery import copying

    try:
        return copying.contents(Path(path)).revision
    except GalleryError:
        return None


def _record(backup: Backup) -> dict[str, object]:
    return {
        "made": backup.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reason": backup.reason,
        "size": backup.size_bytes,
        "path": str(backup.path),
    }
