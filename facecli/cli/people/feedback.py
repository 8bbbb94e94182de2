"""``facecli people not`` and ``confirm``: what a user says of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from facecli.cli.messages import SOME_FAILED, say
from facecli.cli.options import Call, command
from facecli.cli.people.events import say_event
from facecli.cli.people.listing import Name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facecli.app import App
    from facecli.gallery.store import Gallery
    from facecli.services.feedback import Feedback
    from facecli.services.meant_faces import FaceFinder, FacePhoto
    from facecli.types import Identification

COLUMNS = ("path", "face", "status", "was", "is", "note")

Faces = Annotated[
    list[str],
    typer.Argument(
        metavar="PHOTO[#FACE]...",
        help="Photos, each with the number that a face of it has in the reports: party.jpg#2. Without a number the "
        "only face is meant, or the only one that is named NAME.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Look at the photos, but store nothing.")]


@command("fpir", "threshold", "min_quality", "mirror", "crops")
def not_this_person(call: Call, name: Name, photos: Faces, dry_run: DryRun = False) -> int:
    """Say that a face is not a person: it is never given that name again, nor are faces as near to it as to the person.

    Whoever else reaches the threshold may be named instead. A face that was enrolled as the person is taken away from
    them: what is said last holds. To give it to somebody else, confirm it as them.
    """
    from facecli.app import App
    from facecli.services.feedback import deny

    wanted = _wanted(photos)
    app = App(call.settings)
    with app.open_gallery() as gallery:
        finder = _finder(app, gallery, len(wanted), dry_run=dry_run)
        outcomes = deny(name, wanted, gallery, finder, dry_run=dry_run)
        return _report(call, outcomes, gallery, is_negative=True)


@command("fpir", "threshold", "min_quality", "mirror", "crops")
def confirm(
    call: Call,
    name: Name,
    photos: Faces,
    new: Annotated[bool, typer.Option("--new", help="Enrol somebody of this name if nobody is called so yet.")] = False,
    keep_outliers: Annotated[
        bool,
        typer.Option("--keep-outliers", help="Enrol faces that are unlike the person's others too, with a warning."),
    ] = False,
    dry_run: DryRun = False,
) -> int:
    """Say that a face is a person: it is enrolled, and they are known better from then on.

    It is checked like any photo to enrol. If it was said not to be them before, that is taken back.
    """
    from facecli.app import App
    from facecli.services import feedback

    wanted = _wanted(photos)
    app = App(call.settings)
    with app.open_gallery() as gallery:
        outcomes = feedback.confirm(
            name,
            wanted,
            gallery,
            _finder(app, gallery, len(wanted), dry_run=dry_run),
            scores=app.scores,
            min_quality=call.settings.min_quality,
            keep_outliers=keep_outliers,
            new_person=new,
            dry_run=dry_run,
        )
        return _report(call, outcomes, gallery, is_negative=False)


def _wanted(photos: Sequence[str]) -> list[FacePhoto]:
    from facecli.services.meant_faces import FacePhoto
    from facecli.services.selection import photo_and_face

    return [FacePhoto(*photo_and_face(each)) for each in photos]


def _finder(app: App, gallery: Gallery, photo_count: int, *, dry_run: bool) -> FaceFinder:
    analyser = app.analyser(photo_count=photo_count, cut_crops=app.settings.crops and not dry_run)
    return app.face_finder(gallery, analyser)


def _report(call: Call, outcomes: Sequence[Feedback], gallery: Gallery, *, is_negative: bool) -> int:
    from facecli.cli.output import write_rows
    from facecli.gallery.log import read_event

    write_rows(call, [_row(each) for each in outcomes], COLUMNS)
    if not call.quiet:
        for each in outcomes:
            say(_sentence(each, is_negative=is_negative))
        events = {gallery.event_of(each.template_id): None for each in outcomes if each.template_id is not None}
        for event_id in filter(None, events):
            say_event(call, read_event(gallery, event_id).event)
    return SOME_FAILED if any(each.error for each in outcomes) else 0


def _row(outcome: Feedback) -> dict[str, Any]:
    from facecli.report.record import best_score, rounded_score
    from facecli.report.table import unbarred_words

    def short(answer: Identification | None) -> str | None:
        if answer is None:
            return None
        return f"{answer.person.name} {answer.person.score:.2f}" if answer.person else unbarred_words(answer)

    def full(answer: Identification | None) -> dict[str, Any] | None:
        if answer is None:
            return None
        return {
            "name": answer.person.name if answer.person else None,
            "score": rounded_score(best_score(answer), answer.threshold),
            "rejection": answer.rejection,
        }

    error = outcome.error
    notes = [*outcome.warnings]
    if error is not None:
        notes.insert(0, f"{error.message} ({error.hint})" if error.hint else error.message)
    return {
        "name": outcome.name,
        "path": outcome.path,
        "face": outcome.face,
        "status": outcome.status,
        "was": short(outcome.before),
        "is": short(outcome.after),
        "before": full(outcome.before),
        "after": full(outcome.after),
        "note": "; ".join(notes),
        "template_id": outcome.template_id,
        "error": None if error is None else {"code": error.code, "message": error.message, "hint": error.hint},
    }


def _sentence(outcome: Feedback, *, is_negative: bool) -> str:
    """Say what was noted, who the face was taken for, and is now."""
    where = outcome.path if outcome.face is None else f"{outcome.path}#{outcome.face}"
    if outcome.error is not None:
        return f"{where}: {outcome.error.message}"
    said = f"{'not ' if is_negative else ''}{outcome.name}"
    text = {
        "noted": f"{where} is noted as {said}",
        "already": f"{where} was noted as {said} before",
        "would_note": f"{where} would be noted as {said}",
    }[outcome.status]
    before, after = outcome.before, outcome.after
    if before is not None:
        text += f": was {_told(before)}" if outcome.status == "noted" else f": {_told(before)}"
    if after is not None and outcome.status == "noted":
        text += f"; is {_told(after)} now"
    return text


def _told(answer: Identification) -> str:
    if answer.person is not None:
        return f"named {answer.person.name} with score {answer.person.score:.2f}"
    nearest = answer.nearest
    return "unknown" if nearest is None else f"unknown (nearest {nearest.name}, {nearest.score:.2f})"
