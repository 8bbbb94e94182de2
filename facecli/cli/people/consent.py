"""``facecli people consent``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from facecli.cli.messages import say, warn
from facecli.cli.options import Call, command
from facecli.cli.people.events import say_event
from facecli.cli.people.listing import Name
from facecli.errors import UsageError

if TYPE_CHECKING:
    from datetime import date

    from facecli.gallery.consent import Consent
    from facecli.gallery.store import Gallery

COLUMNS = ("name", "basis", "note", "expires", "state")


@command()
def consent(
    call: Call,
    name: Name,
    basis: Annotated[
        str | None,
        typer.Option(
            "--basis", metavar="TEXT", help="On what it rests: a signed form, a contract... An empty text forgets it."
        ),
    ] = None,
    note: Annotated[
        str | None,
        typer.Option("--note", metavar="TEXT", help="Where the form lies, what it covers... An empty text forgets it."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="DATE|TIME",
            help="The first day (UTC) on which the person is not matched any more: 2028-05-31; or a time from now: "
            "90d, 6w, 18m, 2y; or never.",
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Forget what is known of it.")] = False,
) -> int:
    """Note why a person may be enrolled and until when, or show it.

    What is not said stays as it was. Whose consent has expired is never named, nor compared with anybody; identify and
    scan say how many these are. They stay enrolled: renew the consent, or destroy what is kept of them with "facecli
    people purge".
    """
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.services.consent import note_consent, set_consent

    is_said = any(value is not None for value in (basis, note, expires))
    if clear and is_said:
        raise UsageError("--clear forgets what the other options say", hint="Ask for one of the two.")
    with App(call.settings).open_gallery() as gallery:
        person = gallery.get_person(name)
        if clear:
            event = set_consent(gallery, name, None)
            done = f"nothing is known of the consent of {person.name}" + (" any more" if event else "")
        elif is_said:
            known, event = note_consent(gallery, name, basis=basis, note=note, expires=expires)
            done = f"consent of {person.name}: {consent_words(known, gallery.today())}"
            if known.is_expired(gallery.today()):
                warn(f"{person.name} is not matched, as this consent has expired")
        else:
            known_now = gallery.consents().get(person.person_id)
            write_rows(call, [_row(person.name, known_now, gallery.today())], COLUMNS)
            return 0
    if not call.quiet:
        say(done)
    say_event(call, event)
    return 0


def consent_words(known: Consent, today: date) -> str:
    """Return what is known in a line, beginning with what it rests on."""
    return ", ".join(each for each in (known.basis, term_words(known, today), known.note) if each)


def term_words(known: Consent, today: date) -> str:
    """Return in words how long it lasts."""
    if known.expires is None:
        return "without an end"
    return f"{'expired' if known.is_expired(today) else 'expires'} {known.expires.isoformat()}"


def say_expired(call: Call, gallery: Gallery, before: int = 0) -> int:
    """Warn of people who are enrolled and not matched, if they are not as many as `before`; return how many."""
    count = len(gallery.expired_people())
    if count and count != before and not call.quiet:
        who = (
            "1 person is not matched as the consent"
            if count == 1
            else f"{count} people are not matched as their consent"
        )
        warn(f"{who} expired: facecli people list --expired")
    return count


def _row(name: str, known: Consent | None, today: date) -> dict[str, Any]:
    return {
        "name": name,
        "basis": known.basis if known else None,
        "note": known.note if known else None,
        "expires": known.expires.isoformat() if known and known.expires else None,
        "state": "not known" if known is None else "expired" if known.is_expired(today) else "valid",
    }
