"""``facecli gallery export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facecli.cli.messages import say, warn
from facecli.cli.options import Call, command
from facecli.errors import UsageError


@command()
def export(
    call: Call,
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="The archive to write.", show_default=False)],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Whom to export; by default everybody.")
    ] = None,
    crops: Annotated[
        bool, typer.Option("--crops/--no-crops", help="With the pictures of faces that the gallery keeps.")
    ] = True,
    history: Annotated[
        bool,
        typer.Option(
            "--history", help="With the log of all changes, for information; it names people who were removed too."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> int:
    """Write people and templates into an archive, for another machine, another program, or later.

    The archive is a zip file of JSON lines and safetensors that only its owner may read; "facecli gallery import" reads
    it. The same gallery gives the same bytes. It is as private as the gallery: whoever has the templates can search
    for these people.
    """
    from facecli.app import App
    from facecli.cli.output import private_file, write_rows
    from facecli.services.gallery_export import export_gallery

    if file.exists() and not (force and file.is_file()):
        raise UsageError(
            f"{file} is there already",
            hint="Name another file, or replace it with --force." if file.is_file() else "Name another file.",
        )
    with App(call.settings).open_gallery() as gallery, private_file(file) as stream:
        manifest = export_gallery(gallery, stream, names or (), with_crops=crops, with_history=history)
        is_encrypted = gallery.is_encrypted
    rows: list[dict[str, object]] = [
        {"what": "path", "value": str(file)},
        {"what": "people", "value": manifest.people},
        *({"what": f"templates of {model}", "value": count} for model, count in manifest.template_counts.items()),
        {"what": "pictures of faces", "value": manifest.crops},
        {"what": "size", "value": f"{file.stat().st_size:,} bytes"},
    ]
    write_rows(call, rows, ("what", "value"))
    if is_encrypted:
        warn(f"the gallery is encrypted, and {file} is not")
    if not call.quiet:
        say(f"exported to {file}; whoever can read it can search for these people")
    return 0
