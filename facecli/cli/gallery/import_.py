"""``facecli gallery import``."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from facecli.cli.enroll import enrol_photos
from facecli.cli.messages import say, warn
from facecli.cli.options import Call, chosen, command
from facecli.cli.people.events import say_event
from facecli.errors import InputError, UsageError

if TYPE_CHECKING:
    from facecli.gallery.store import Gallery
    from facecli.services.gallery_import import Content, Imported, ImportedPerson
    from facecli.services.vector_import import Resolve

COLUMNS = ("name", "status", "added", "already", "note")


@command()
def import_(
    call: Call,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER",
            help="An archive (.zip), vectors with a name each (.npz, .csv), or a folder of photos.",
            show_default=False,
        ),
    ],
    on_conflict: Annotated[
        str,
        typer.Option(
            "--on-conflict",
            metavar="merge|new|skip|error",
            help="With somebody of a name that is enrolled already: give that person the templates too, enrol another "
            'person "NAME (2)", leave them out, or import nobody.',
        ),
    ] = "merge",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Which model the vectors of a .npz or .csv file come from.",
            show_default=False,
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            help="The vectors of a .npz or .csv file are as the network gives them: scale them to unit length, and "
            "take the model's centre away.",
        ),
    ] = False,
    other_models: Annotated[
        bool,
        typer.Option("--other-models", help="Take templates of models that the gallery has none of, beside its own."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be imported, but store nothing.")] = False,
) -> int:
    """Take people and templates from an archive of a gallery, or from a file of vectors: all of them, or nothing.

    A face that a person has already is not added again. A .npz file holds arrays "embeddings" (N, D) and "names" (N),
    a .csv file columns "name" and "embedding", or "e0", "e1" and so on; either may hold "sources", "qualities" and
    "model" (.csv: "source", "quality"). Encodings of face_recognition are --model dlib-resnet --raw. A folder of
    photos, one folder a person or called NAME.jpg as face_recognition wants them, is enrolled photo by photo, as by
    "facecli enroll", which has options for that.
    """
    if source.is_dir():
        if model is not None or raw or other_models or on_conflict != "merge":
            raise UsageError(
                f"{source} is a folder of photos", hint="Only --dry-run goes with it; see also: facecli enroll --help"
            )
        return enrol_photos(call, [str(source)], dry_run=dry_run)
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.services.gallery_import import OnConflict, import_content
    from facecli.services.vector_import import unknown_models

    choice = chosen(on_conflict, get_args(OnConflict), "--on-conflict")

    def resolve(name: str) -> Any:
        return App(replace(call.settings, embedder=name)).embedder_manifest

    with ExitStack() as stack:
        content = _content(stack, source, model, resolve, is_raw=raw)
        unknown = unknown_models(content, resolve)
        gallery = stack.enter_context(_gallery(App(call.settings), dry_run=dry_run))
        imported = import_content(gallery, content, on_conflict=choice, other_models=other_models, dry_run=dry_run)
    write_rows(call, [_row(person) for person in imported.people], COLUMNS)
    for model_id in unknown:
        warn(f"no embedder of this machine gives {model_id}: its templates are kept, and found by none")
    if raw:
        warn("vectors that facecli did not make score a little lower: more people are missed than its figures say")
    if not call.quiet:
        _say_sum(imported, source, call.settings.gallery_path, dry_run=dry_run)
        say_event(call, imported.event)
    return 0


def _content(stack: ExitStack, source: Path, model: str | None, resolve: Resolve, *, is_raw: bool) -> Content:
    from facecli.archive.reader import ArchiveReader
    from facecli.archive.tables import TABLE_SUFFIXES, read_table
    from facecli.services.gallery_import import Content
    from facecli.services.vector_import import model_of_table, table_content

    _refuse_what_is_no_file(source)
    if source.suffix.lower() in TABLE_SUFFIXES:
        table = read_table(source)
        return table_content(table, model_of_table(table, model, resolve), is_raw=is_raw)
    if model is not None or is_raw:
        raise UsageError(
            "--model and --raw are for .npz and .csv files", hint="An archive says which model its vectors come from."
        )
    archive = stack.enter_context(ArchiveReader(source))
    return Content(str(source), archive.manifest.models, archive.people(), archive.templates(), archive.crop)


def _refuse_what_is_no_file(source: Path) -> None:
    if not source.exists():
        raise InputError(f"{source} does not exist", hint="Check the spelling of the path.", code="not_found")
    if not source.is_file():
        raise InputError(f"{source} is no plain file", hint="Store it in a file first.", code="cannot_read")


def _gallery(app: Any, *, dry_run: bool) -> Gallery:
    from facecli.gallery.store import Gallery
    from facecli.sqlite_file import MEMORY

    if dry_run and not Path(app.settings.gallery_path).exists():
        return Gallery.open(MEMORY)
    opened: Gallery = app.open_gallery(create=True)
    return opened


def _row(person: ImportedPerson) -> dict[str, Any]:
    notes = []
    if person.enrolled_as != person.name:
        notes.append(f"enrolled as {person.enrolled_as}")
    if person.contradicted:
        notes.append(f"{person.contradicted} left out: the gallery says the opposite of the same face")
    notes += [f"{count} also enrolled as {name}" for name, count in sorted(person.elsewhere.items())]
    if person.consent_stays:
        notes.append("the gallery's note of consent stays")
    return {
        "name": person.name,
        "enrolled_as": person.enrolled_as,
        "status": person.status,
        "added": person.added,
        "already": person.already,
        "note": "; ".join(notes),
    }


def _say_sum(imported: Imported, source: Path, gallery_path: object, *, dry_run: bool) -> None:
    people = imported.people
    added, already = sum(each.added for each in people), sum(each.already for each in people)
    new, merged, skipped = (sum(each.status == status for each in people) for status in ("new", "merged", "skipped"))
    said = [f"{added:,} {'template' if added == 1 else 'templates'} {'would be ' if dry_run else ''}imported"]
    counts = ((already, "there already"), (new, "people new"), (merged, "enrolled before"), (skipped, "left out"))
    said += [f"{count:,} {what}" for count, what in counts if count]
    say(f"{', '.join(said)}, from {source} into {gallery_path}")
