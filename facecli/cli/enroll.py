"""``facecli enroll``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from facecli.cli.messages import SOME_FAILED, say
from facecli.cli.options import Call, chosen, command
from facecli.cli.other_models import say_unseen

if TYPE_CHECKING:
    from facecli.app import App
    from facecli.gallery.store import Gallery
    from facecli.services.enrolment import Enrolment

COLUMNS = ("name", "path", "status", "quality", "note")
EXPLAINED = {
    "enrolled": "enrolled",
    "already": "already enrolled",
    "would_enrol": "would be enrolled",
    "skipped": "skipped",
    "error": "failed",
}


@command("min_quality", "mirror", "crops")
def enroll(
    call: Call,
    who: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME PHOTO... | FOLDER...",
            help="A name and photos of that person; or folders that hold one folder a person, or photos "
            "called NAME_1.jpg.",
            show_default=False,
        ),
    ],
    on_multi: Annotated[
        str,
        typer.Option(
            "--on-multi",
            metavar="error|largest|central|skip",
            help="Of several faces of a like size: refuse the photo, take the largest, or the one nearest to the "
            "middle, or skip the photo.",
        ),
    ] = "error",
    keep_outliers: Annotated[
        bool,
        typer.Option("--keep-outliers", help="Enrol photos that are unlike the person's others too, with a warning."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look at the photos, but store nothing.")] = False,
) -> int:
    """Enrol people: learn faces from photos of somebody whose name is known.

    The same photo enrolled twice adds nothing. Several photos of a person are better than one: where two agree, one
    that shows somebody else is told by its score and refused.
    """
    return enrol_photos(call, who, on_multi=on_multi, keep_outliers=keep_outliers, dry_run=dry_run)


def enrol_photos(
    call: Call, who: list[str], *, on_multi: str = "error", keep_outliers: bool = False, dry_run: bool = False
) -> int:
    """Enrol what the command line names, say what became of each photo, and return the exit code."""
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.cli.photos import progress_bar
    from facecli.services.enrolment import enrol
    from facecli.services.enrolment_plan import plan_enrolment
    from facecli.services.selection import OnMulti

    choice = chosen(on_multi, get_args(OnMulti))
    photos = plan_enrolment(who)
    app = App(call.settings)
    outcomes = []
    analyser = app.analyser(
        photo_count=len(photos), cut_crops=call.settings.crops and not dry_run
    )  # before the gallery: settings that cannot work leave no empty file behind
    try:
        with (
            _opened(app, dry_run=dry_run) as gallery,
            progress_bar(call, len(photos)) as progress,
        ):
            found = enrol(
                photos,
                analyser,
                gallery,
                on_multi=choice,
                min_quality=call.settings.min_quality,
                scores=app.scores,
                keep_outliers=keep_outliers,
                dry_run=dry_run,
            )
            before = _newest_event(gallery)
            for outcome in found:
                outcomes.append(outcome)
                progress.advance()
            after = _newest_event(gallery)
            if gallery is not None:
                say_unseen(call, gallery, app.embedder_manifest.model_id)
    finally:
        if outcomes:  # what is enrolled stays so, whatever ended the call
            write_rows(call, [_row(outcome) for outcome in outcomes], COLUMNS)
    failed = sum(outcome.status == "error" for outcome in outcomes)
    if not call.quiet:
        counts = {status: sum(each.status == status for each in outcomes) for status in EXPLAINED}
        said = ", ".join(f"{count} {EXPLAINED[status]}" for status, count in counts.items() if count)
        people = len({outcome.name for outcome in outcomes if outcome.status in ("enrolled", "already", "would_enrol")})
        say(f"{said}, of {people} {'person' if people == 1 else 'people'}, in {call.settings.gallery_path}")
        if call.verbose and after != before:
            which = f"event {after}" if after == before + 1 else f"events {before + 1} to {after}"
            say(f"{which}; see them with: facecli people history")
    return SOME_FAILED if failed else 0


def _newest_event(gallery: Gallery | None) -> int:
    from facecli.gallery.log import newest_event

    return 0 if gallery is None else newest_event(gallery) or 0


def _opened(app: App, *, dry_run: bool) -> AbstractContextManager[Gallery | None]:
    """Open the gallery, made if it is to be written to."""
    if dry_run and not Path(app.settings.gallery_path).exists():
        return nullcontext()
    return app.open_gallery(create=not dry_run)


def _row(outcome: Enrolment) -> dict[str, Any]:
    quality, error = outcome.quality, outcome.error
    notes = [*outcome.warnings]
    if error is not None:
        notes.insert(0, f"{error.message} ({error.hint})" if error.hint else error.message)
    elif quality is not None and quality.reasons:
        notes.append("the face is " + ", ".join(reason.replace("_", " ") for reason in quality.reasons))
    return {
        "name": outcome.name,
        "path": outcome.path,
        "status": outcome.status,
        "quality": round(quality.score, 2) if quality is not None else None,
        "note": "; ".join(notes),
        "template_id": outcome.template_id,
        "error": None if error is None else {"code": error.code, "message": error.message, "hint": error.hint},
    }
