"""``facecli people list``, ``show``, ``rename`` and ``remove``."""

from __future__ import annotations

from typing import Annotated

import typer

from facecli.cli.messages import say
from facecli.cli.options import Call, command
from facecli.cli.people.confirmation import is_confirmed
from facecli.cli.people.events import say_event

Name = Annotated[str, typer.Argument(metavar="NAME", help="A person's name, as enrolled.", show_default=False)]


@command()
def list_people(
    call: Call,
    expired: Annotated[
        bool, typer.Option("--expired", help="Only those whose consent has expired: they are not matched.")
    ] = False,
) -> int:
    """List everybody who is enrolled."""
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.cli.people.consent import term_words

    with App(call.settings).open_gallery() as gallery:
        people, consents, today = gallery.people(), gallery.consents(), gallery.today()
    ended = {person_id for person_id, known in consents.items() if known.is_expired(today)}
    rows = [
        {
            "name": each.name,
            "templates": each.template_count,
            "enrolled": each.created_at,
            "person_id": each.person_id,
            "consent": term_words(consents[each.person_id], today) if each.person_id in consents else None,
            "expired": each.person_id in ended,
        }
        for each in people
        if each.person_id in ended or not expired
    ]
    write_rows(call, rows, ("name", "templates", "enrolled", *(("consent",) if consents else ())))
    return 0


@command()
def show(call: Call, name: Name) -> int:
    """Show the photos that a person was enrolled from, and those said not to show them."""
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.cli.people.consent import consent_words
    from facecli.report.record import rounded_all

    with App(call.settings).open_gallery() as gallery:
        person, today = gallery.get_person(name), gallery.today()
        templates, consent = gallery.templates(person.person_id), gallery.consents().get(person.person_id)
        negatives = gallery.templates(person.person_id, is_negative=True)
    rows = [
        {
            "template": each.template_id,
            "source": each.source,
            "quality": round(each.quality, 2),
            "model": each.embedding.model_id,
            "enrolled": each.created_at,
            "box": rounded_all(each.box_xyxy, 1),
            "sha256": each.content_hash,
            "is_not": is_not,
        }
        for is_not, listed in ((False, templates), (True, negatives))
        for each in listed
    ]
    columns = ("template", "source", "quality", "model", "enrolled")
    write_rows(call, rows, (*columns, "is_not") if negatives else columns)
    if consent is not None and not call.quiet:
        say(f"consent: {consent_words(consent, today)}")
    return 0


@command()
def rename(
    call: Call,
    old: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The name to give.", show_default=False)],
) -> int:
    """Give a person another name."""
    from facecli.app import App
    from facecli.gallery.names import normalise_name

    with App(call.settings).open_gallery() as gallery:
        name = normalise_name(new)
        with gallery.edit("people rename") as edit:
            edit.rename(edit.person(normalise_name(old)).person_id, name)
    if not call.quiet:
        say(f"{old} is now called {name}")
    say_event(call, edit.event)
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
    from facecli.services.people_history import templates

    with App(call.settings).open_gallery() as gallery:
        person = gallery.get_person(name)
        if not yes:
            question = f"Remove {person.name} with {templates(person.template_count)}?"
            if not is_confirmed(question, f"removing {person.name}", "nothing was removed"):
                return 1
        with gallery.edit("people remove") as edit:
            count = edit.remove(edit.person(person.name).person_id)
        deleted = index_care.remove(gallery.path)
    if not call.quiet:
        say(f"{person.name} was removed with {templates(count)}; to destroy them for good: facecli people purge")
        if any(approximate_file.SUFFIX in path.name for path in deleted):
            say("the approximate index was deleted too; make another with: facecli gallery index --build")
    say_event(call, edit.event)
    return 0
