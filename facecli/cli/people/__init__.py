"""``facecli people``: who is enrolled."""

from __future__ import annotations

from facecli.cli.help import CommandGroup
from facecli.cli.people import consent, drop, editing, feedback, history, listing, purge

app = CommandGroup(help="See and change who is enrolled.")


@app.callback()
def _group() -> None:
    """See and change who is enrolled."""


app.command("list")(listing.list_people)
app.command("show")(listing.show)
app.command("rename")(listing.rename)
app.command("remove")(listing.remove)
app.command("merge")(editing.merge)
app.command("move")(editing.move)
app.command("split")(editing.split)
app.command("history")(history.history)
app.command("undo")(history.undo)
app.command("drop")(drop.drop)
app.command("consent")(consent.consent)
app.command("purge")(purge.purge)
app.command("not")(feedback.not_this_person)
app.command("confirm")(feedback.confirm)
