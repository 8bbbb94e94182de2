"""``facecli gallery reembed``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from facecli.cli.documents import Report
from facecli.cli.messages import SOME_FAILED, say, warn
from facecli.cli.options import Call, command
from facecli.cli.people.events import say_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facecli.app import App
    from facecli.gallery.edit import Edit
    from facecli.gallery.store import Gallery
    from facecli.services.model_change import ModelView
    from facecli.services.reembedding import LeftOut, Reembedding

# Faces that were left out and are named on standard error; the table has them all.
MOST_NAMED: Final = 5


@command("fpir", "mirror", "crops")
def reembed(
    call: Call,
    to: Annotated[str, typer.Option("--to", metavar="MODEL", help="The embedder to follow to.", show_default=False)],
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Take templates of other models out of use, once the new one has them.")
    ] = False,
    everybody: Annotated[
        bool, typer.Option("--all", help="List all people, not only those for whom something changes.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what there is to do, and do nothing.")] = False,
    report: Report = None,
) -> int:
    """Let the gallery follow to another model, or to another version of one, without the photos.

    Each face is embedded from the crop that enrol has kept, or from its photo if that is still there and the same. The
    vectors are kept aside until all are made, and come into use together, as one event that can be undone; a call that
    is cut short goes on where it was. The old templates stay, and can be searched, until --drop-old. Which model a
    command uses is up to its --embedder; what the change means is reported: whose nearest other person is another one,
    and who would be taken for whom.
    """
    from facecli.app import App
    from facecli.cli.documents import check_destinations, report_document
    from facecli.errors import GalleryError
    from facecli.services.model_change import change_document
    from facecli.services.reembedding import Reembedding, plan

    check_destinations(call, report)
    app = App(replace(call.settings, embedder=to))
    model_id = app.embedder_manifest.model_id
    with app.open_gallery() as gallery:
        counts = gallery.info().templates
        if not counts:
            raise GalleryError(
                f"nobody is enrolled in {gallery.path}", hint="Enrol somebody first: facecli enroll NAME PHOTO…"
            )
        todo = plan(gallery, model_id)
        if dry_run:
            _print_plan(call, todo.made, todo.with_crop, todo.with_photo, todo.without)
            return 0
        work = Reembedding(gallery, app.embedder, lambda: app.analyser(cut_crops=call.settings.crops))
        edit = _carry_over(call, work, todo.made)
        others = sorted((each for each in counts if each != model_id), key=lambda each: _rank(call, each, counts[each]))
        views = [_view(call, gallery, each) for each in others[:1]]
        if model_id in gallery.info().templates:
            views.append(_view(call, gallery, model_id, app))
        document = change_document(
            views,
            fpir=call.settings.fpir,
            left_out=work.left_out.values(),
            facts={
                "gallery": gallery.path,
                "model": model_id,
                "templates carried over": len(edit.event.changes) if edit.event else 0,
                "of these from photos": work.from_photos,
                "not carried over": len(work.left_out),
            },
            everybody=everybody,
        )
        report_document(call, document, report)
        _say_what_next(call, gallery, edit, to, model_id, drop_old=drop_old)
    _warn_of(call, list(work.left_out.values()), to)
    return SOME_FAILED if work.left_out else 0


def _carry_over(call: Call, work: Reembedding, made: int) -> Edit:
    from facecli.cli.photos import progress_bar

    with progress_bar(call, made + len(work.faces())) as progress:
        for _ in range(made):
            progress.advance()
        for count in work.embed():
            for _ in range(count):
                progress.advance()
    return work.switch()


def _view(call: Call, gallery: Gallery, model_id: str, app: App | None = None) -> ModelView:
    """Return the gallery as a model sees it; without a threshold where the model is not here, or was not measured."""
    from facecli.app import App
    from facecli.errors import ConfigError, MachineError
    from facecli.services.calibration import calibrate
    from facecli.services.model_change import ModelView

    matrix = gallery.matrix(model_id)
    try:
        app = app or App(replace(call.settings, embedder=_name(model_id)))
        scores = app.scores if app.embedder_manifest.model_id == model_id else None
    except (ConfigError, MachineError):
        scores = None
    if app is None or scores is None:
        return ModelView(matrix, None)
    found = calibrate(gallery, app.search(gallery), model_id, scores)
    return ModelView(matrix, found.calibration.choose(call.settings.fpir).threshold)


def _say_what_next(call: Call, gallery: Gallery, edit: Edit, to: str, model_id: str, *, drop_old: bool) -> None:
    from facecli.gallery import index_care, reembedded
    from facecli.settings import user_file

    edits = [edit]
    if drop_old:
        dropped, count = reembedded.drop_replaced(gallery, model_id)
        edits.append(dropped)
        index_care.remove(gallery.path)  # they hold the vectors
        if not call.quiet:
            say(f"{count:,} templates of other models are out of use")
    if call.quiet:
        return
    for each in edits:
        say_event(call, each.event)
    left = [each for each in gallery.info().templates if each != model_id]
    if left:
        say(f"templates of {' and '.join(left)} are still there; drop them with --drop-old when all is well")
    if call.settings.embedder != to:
        where = user_file()
        say(f'commands use {call.settings.embedder}; for {to} write into {where}: embedder = "{to}"')


def _warn_of(call: Call, left_out: Sequence[LeftOut], to: str) -> None:
    if call.quiet or not left_out:
        return
    for each in left_out[:MOST_NAMED]:
        warn(f"{each.name}'s face in {each.source} was not carried over: {each.reason}")
    if len(left_out) > MOST_NAMED:
        warn(f"{len(left_out) - MOST_NAMED} more were not carried over; the table names them")
    say(f"enrol their photos again with --embedder {to}, or leave them to the old model")


def _print_plan(call: Call, made: int, crops: int, photos: int, neither: int) -> None:
    from facecli.cli.output import write_rows

    rows: list[dict[str, object]] = [
        {"what": "faces embedded before", "value": made},
        {"what": "faces to embed from crops", "value": crops},
        {"what": "faces to embed from photos", "value": photos},
        {"what": "faces with neither", "value": neither},
    ]
    write_rows(call, rows, ("what", "value"))


def _rank(call: Call, model_id: str, count: int) -> tuple[bool, int]:
    """Put the model that the settings name first, then the one with most templates."""
    return _name(model_id) != call.settings.embedder, -count


def _name(model_id: str) -> str:
    """Return what a user calls a model: its id without the hash of its weights."""
    return model_id.partition("@")[0]
