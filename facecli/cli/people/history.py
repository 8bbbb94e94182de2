"""``facecli people history`` and ``undo``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from facecli.cli.messages import say
from facecli.cli.options import Call, command
from facecli.cli.people.events import say_event
from facecli.errors import GalleryError, UsageError

if TYPE_CHECKING:
    from facecli.gallery.log import Entry
    from facecli.gallery.store import Gallery

HISTORY_COLUMNS = ("event", "when", "what", "undone_by")
UNDO_COLUMNS = ("event", "was", "now")

LAST: Final = "last"

USUAL_LIMIT: Final = 50
MOST_EVENTS: Final = 10**9

MOST_DIGITS: Final = 18
"""More than any event has; larger numbers are none of SQLite's."""


@command()
def history(
    call: Call,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Only what concerns who is called this, or was: renamed, merged or removed.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=0, max=MOST_EVENTS, help="How many events; 0 for all.")
    ] = USUAL_LIMIT,
) -> int:
    """Show what was changed of people and templates: when, what, and by which command, the newest first.

    Of somebody who was merged into NAME it has what was before; of whom NAME was merged into, what came after. Who was
    purged has no name any more.
    """
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.gallery.log import read_log

    with App(call.settings).open_gallery() as gallery:
        entries = read_log(gallery, name, limit + 1 if limit else None)
    shown = entries[:limit] if limit else entries
    write_rows(call, [_row(entry) for entry in shown], HISTORY_COLUMNS)
    if len(shown) < len(entries) and not call.quiet:
        say("there are older events; to see all: --limit 0")
    return 0


def _row(entry: Entry) -> dict[str, Any]:
    from facecli.services.people_history import event_words, people_names

    event = entry.event
    return {
        "event": event.event_id,
        "when": event.made_at,
        "what": event_words(entry),
        "undoes": event.undoes,
        "undone_by": entry.undone_by,
        "command": event.command,
        "model": event.model_id,
        "version": event.version,
        "people": people_names(entry),
        "templates": sorted({each.subject_id for each in event.changes if each.subject == "owner"}),
    }


@command()
def undo(
    call: Call,
    events: Annotated[
        list[str],
        typer.Argument(
            metavar="EVENT...",
            help='Numbers of events, or "last" for the newest: see "facecli people history".',
            show_default=False,
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> int:
    """Take events back, in the order given: all of them, or none.

    Any event can be undone whose people and templates are still as it left them; else the answer says which event to
    undo first. To undo an undoing does it again. A purge is final.
    """
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.gallery.log import read_event
    from facecli.gallery.log import undo as undo_events
    from facecli.services.people_history import change_words, event_words

    with App(call.settings).open_gallery() as gallery:
        event_ids = _event_ids(gallery, events)
        entries = undo_events(gallery, event_ids, dry_run=dry_run)
        rows = [
            {
                "event": event_id,
                "was": event_words(read_event(gallery, event_id)),
                "now": change_words(entry),
                "undone_by": None if dry_run else entry.event.event_id,
            }
            for event_id, entry in zip(event_ids, entries, strict=True)
        ]
    write_rows(call, rows, UNDO_COLUMNS)
    if dry_run and not call.quiet:
        say("nothing was changed")
    if not dry_run:
        for entry in entries:
            say_event(call, entry.event)
    return 0


def _event_ids(gallery: Gallery, words: list[str]) -> list[int]:
    from facecli.gallery.log import newest_event

    ids: list[int] = []
    for word in words:
        if word == LAST:
            newest = newest_event(gallery)
            if newest is None:
                raise GalleryError(
                    f"nothing was ever changed in {gallery.path}",
                    hint="Enrol somebody: facecli enroll",
                    code="unknown_event",
                )
            ids.append(newest)
        elif word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS:
            ids.append(int(word))
        else:
            raise UsageError(f"'{word}' is no event", hint="Give its number, or last; see: facecli people history")
    twice = next((each for each in ids if ids.count(each) > 1), None)
    if twice is not None:
        raise UsageError(f"event {twice} is named twice", hint="Name each event once, in the order of undoing.")
    return ids
