"""What a gallery of several models does not find with the one in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facecli.cli.messages import warn
from facecli.cli.options import Call

if TYPE_CHECKING:
    from facecli.gallery.store import Gallery


def say_unseen(call: Call, gallery: Gallery, model_id: str) -> None:
    """Warn of people whom the model cannot find, as all their templates are another one's."""
    count = 0 if call.quiet else gallery.people_without(model_id)
    if count:
        name = model_id.partition("@")[0]
        who = "1 person is" if count == 1 else f"{count:,} people are"
        warn(f"{who} not found with {name}, as no template is of it: facecli gallery reembed --to {name}")
