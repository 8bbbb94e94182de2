"""What is said of an event: its number, and how to take it back."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from facecli.cli.messages import say
from facecli.cli.options import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facecli.gallery.history import Event
    from facecli.gallery.store import Gallery


def say_event(call: Call, event: Event | None) -> None:
    """Say on standard error which event a command made and how to take it back, unless ``--quiet``."""
    if event is not None and not call.quiet:
        undo = command_line(call, "people", "undo", options=(), arguments=[str(event.event_id)])
        say(f"event {event.event_id}; take it back with: {undo}")


def say_changes(call: Call, gallery: Gallery, event: Event) -> None:
    """Say what an event changed, and the same of it."""
    from facecli.gallery.log import read_event
    from facecli.services.people_history import event_words

    if not call.quiet:
        say(event_words(read_event(gallery, event.event_id)))
    say_event(call, event)


def command_line(call: Call, *words: str, options: Sequence[str], arguments: Sequence[str]) -> str:
    """Return a command for the same gallery, as a shell takes it."""
    given = [*options]
    if call.origins.get("gallery") == "command line":
        given += ["--gallery", str(call.settings.gallery_path)]
    if any(each.startswith("-") for each in arguments):
        arguments = ["--", *arguments]
    return " ".join(map(quote, ["facecli", *words, *given, *arguments]))
