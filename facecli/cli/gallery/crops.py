"""``facecli gallery crops``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from facecli.cli.messages import say, warn
from facecli.cli.options import Call, command
from facecli.errors import UsageError


@command()
def crops(
    call: Call,
    remove: Annotated[bool, typer.Option("--remove", help="Destroy all of them; nothing brings them back.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Say how many faces the gallery keeps as pictures, or remove these.

    They are what another model can embed when the photos are gone: see "facecli gallery reembed". Without them the
    templates stay and nothing else changes. Which are kept from now on is up to "enroll --crops" and the setting of
    that name; enrolling the same photos again adds crops that are missing. Backups from before hold what was removed.
    """
    from facecli.app import App
    from facecli.cli.output import write_rows

    with App(call.settings).open_gallery() as gallery:
        count = gallery.crop_count()
        if remove and count.crops:
            if not yes:
                if not sys.stdin.isatty():
                    raise UsageError("removing crops needs to be confirmed", hint="Pass --yes.")
                if not typer.confirm(f"Destroy {count.crops:,} crops?", err=True):
                    say("nothing was removed")
                    return 1
            emptied = gallery.remove_crops()
            if not call.quiet:
                say(f"{count.crops:,} {'crop was' if count.crops == 1 else 'crops were'} removed")
                if not emptied:
                    warn("another process reads the gallery: its log holds old bytes until that is done")
            count = gallery.crop_count()
        size = gallery.info().size_bytes
    rows: list[dict[str, object]] = [
        {"what": "crops", "value": count.crops},
        {"what": "bytes of crops", "value": count.size_bytes},
        {"what": "bytes of the gallery", "value": size},
        {"what": "templates with a crop", "value": count.templates_with},
        {"what": "templates without", "value": count.templates_without},
    ]
    write_rows(call, rows, ("what", "value"))
    return 0
