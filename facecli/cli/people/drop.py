"""``facecli people drop``."""

from __future__ import annotations

from facecli.cli.messages import say, warn
from facecli.cli.options import Call, command
from facecli.cli.people.editing import Templates
from facecli.cli.people.events import say_event


@command()
def drop(
    call: Call,
    templates: Templates,
) -> int:
    """Take templates away from whoever has them: they are never searched again, until that is undone.

    For a photo that is not the person's, or helps nobody. Who loses the last one stays enrolled, and is found no more.
    """
    from facecli.app import App

    with App(call.settings).open_gallery() as gallery:
        with gallery.edit("people drop") as edit:
            edit.give(dict.fromkeys(templates), None)
        event = edit.event
        owners = {each.before for each in event.changes} if event else set()
        empty = [each.name for each in gallery.people() if each.person_id in owners and not each.template_count]
    if call.quiet:
        return 0
    if event is None:
        say("nothing was changed: these templates are nobody's already")
        return 0
    count = len(event.changes)
    say(f"{count} {'template was' if count == 1 else 'templates were'} taken away")
    for name in empty:
        warn(f"{name} has no template left, and is found no more")
    say_event(call, event)
    return 0
