"""``facecli people list``, ``show``, ``rename`` and ``remove``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from facecli.cli.messages import say
from facecli.cli.options import Call, command
from facecli.errors import UsageError

Name = Annotated[str, typer.Argument(metavar="NAME", help="A person's name, as enrolled.", show_default=False)]


@command()
def list_people(call: Call) -> int:
    """List everybody who is enrolled."""
    from facecli.app import App
    from facecli.cli.output import write_rows

    with App(call.settings).open_gallery() as gallery:
        people = gallery.people()
    rows = [
        {"name": each.name, "templates": each.template_count, "enrolled": each.created_at, "person_id": each.person_id}
        for each in people
    ]
    write_rows(call, rows, ("name", "templates", "enrolled"))
    return 0


@command()
def show(call: Call, name: Name) -> int:
    """Show the photos that a person was enrolled from."""
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.report.record import rounded_all

    with App(call.settings).open_gallery() as gallery:
        templates = gallery.templates(gallery.get_person(name).person_id)
    rows = [
        {
            "template": each.template_id,
            "source": each.source,
            "quality": round(each.quality, 2),
            "model": each.embedding.model_id,
            "enrolled": each.created_at,
            "box": rounded_all(each.box_xyxy, 1),
            "sha256": each.content_hash,
        }
        for each in templates
    ]
    write_rows(call, rows, ("template", "source", "quality", "model", "enrolled"))
    return 0


@command()
def rename(
    call: Call,
    old: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The name to give.", show_default=False)],
) -> int:
    """Give a person another name."""
    from facecli.app import App

    with App(call.settings).open_gallery() as gallery:
        person = gallery.rename_person(old, new)
    if not call.quiet:
        say(f"{old} is now called {person.name}")
    return 0


@command()
def remove(
    call: Call,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Remove a person with all templates: they are never found again, until that is undone.

    Search files beside the gallery, which hold them too, are deleted. What only purge destroys stays in the gallery
    file: see "facecli people purge".
    """
    from facecli.app import App
    from facecli.gallery import approximate_file, index_care

    with App(call.settings).open_gallery() as gallery:
        person = gallery.get_person(name)
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError(f"removing {person.name} needs to be confirmed", hint="Pass --yes.")
            if not typer.confirm(f"Remove {person.name} with {_templates(person.template_count)}?", err=True):
                say("nothing was removed")
                return 1
        count = gallery.remove_person(name)
        deleted = index_care.remove(gallery.path)
    if not call.quiet:
        say(f"{person.name} was removed with {_templates(count)}")
        if any(approximate_file.SUFFIX in path.name for path in deleted):
            say("the approximate index was deleted too; make another with: facecli gallery index --build")
    return 0


def _templates(count: int) -> str:
    return f"{count} {'template' if count == 1 else 'templates'}"
