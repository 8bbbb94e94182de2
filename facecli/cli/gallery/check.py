"""``facecli gallery check``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from facecli.cli.documents import Report
from facecli.cli.messages import SOME_FAILED
from facecli.cli.options import Call, command

if TYPE_CHECKING:
    from facecli.app import App
    from facecli.gallery.store import Gallery
    from facecli.report.document import Document
    from facecli.services.gallery_check.faces import FaceCheck
    from facecli.services.gallery_check.file import FileCheck
    from facecli.services.gallery_check.findings import Commands, Finding

    Progress = Callable[[int, int], None]

LEAST_PAIRS: Final = 1e-6
"""Below it the tail of the scores is a guess: it was measured on some millions of pairs."""


@command("fpir", "threshold", "min_quality")
def check(
    call: Call,
    faces: Annotated[
        bool, typer.Option("--faces/--no-faces", help="Compare all templates with each other, or the file alone.")
    ] = True,
    deep: Annotated[bool, typer.Option("--deep", help="Read every photo: is it the one that was enrolled?")] = False,
    everything: Annotated[bool, typer.Option("--all", help="List every finding, not the first of each kind.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 if there is any warning.")] = False,
    report: Report = None,
) -> int:
    """Examine the gallery like a doctor: what is damaged, who is mislabelled, what mending it would change.

    The file: pages, links, checksums, history, vectors, search files, models, and photos that are gone (relative paths
    are looked for in this folder). The faces: templates under the wrong name, one person under two names, copies of a
    photo, photos of poor quality, people with one photo. Each finding comes with what it rests on, the error that
    mending it changes, measured on this gallery, and the command that mends it. Nothing is changed.

    A score cannot tell one person under two names from twins: look at the photos (--report shows them) first.

    The exit code is 5 if the gallery is damaged, and 0 otherwise, warnings or not (--strict: 3).
    """
    from facecli.app import App
    from facecli.cli.documents import check_destinations, report_document, write_report
    from facecli.errors import GalleryCorruptError
    from facecli.services.gallery_check.document import all_findings, check_document, listed
    from facecli.services.gallery_check.file import check_file, known_models
    from facecli.services.gallery_check.findings import Commands

    check_destinations(call, report)
    app = App(call.settings)
    commands = Commands(str(call.settings.gallery) if call.origins["gallery"] == "command line" else None)
    with app.open_gallery() as gallery:
        models = known_models(call.settings.cache_dir / "models")
        with _progress(call, "photos") as progress:
            file = check_file(gallery, models, deep=deep, commands=commands, progress=progress)
        compared, why = None, "--no-faces"
        if faces:
            with _progress(call, "comparisons") as progress:
                compared, why = _faces(app, gallery, file, commands, progress)
        document = check_document(gallery.path, file, compared, why_no_faces=why, everything=everything)
    findings = all_findings(file, compared)
    if call.output_format == "table":
        _print(call, document, compared, listed(findings, everything=everything)[0])
        if report is not None:
            write_report(call, document, report)
    else:
        report_document(call, document, report)
    for each in findings:
        if each.severity == "problem":
            raise GalleryCorruptError(
                f"{gallery.path} is damaged: {each.what}", hint="Take a backup: facecli gallery restore latest"
            )
    return SOME_FAILED if strict and any(each.severity == "warning" for each in findings) else 0


def _faces(
    app: App, gallery: Gallery, file: FileCheck, commands: Commands, progress: Progress
) -> tuple[FaceCheck | None, str]:
    """Compare the faces, or say why not."""
    from facecli.services.gallery_check.faces import check_faces

    settings, model_id = app.settings, app.embedder_manifest.model_id
    if file.info is None or not file.is_sound:
        return None, "the gallery is damaged"
    if not file.info.templates:
        return None, "nobody is enrolled"
    if model_id not in file.info.templates:
        there = " and ".join(each.partition("@")[0] for each in file.info.templates)
        return None, f"there are no templates of {model_id}, but some of {there}: see --embedder"
    if app.scores is None:
        return None, f"the scores of {model_id} have not been measured"
    found = check_faces(
        gallery,
        app.search(gallery),
        model_id,
        app.scores,
        fpir=settings.fpir,
        threshold=settings.threshold,
        min_quality=settings.min_quality,
        commands=commands,
        progress=progress,
    )
    return found, ""


def _print(call: Call, document: Document, faces: FaceCheck | None, findings: list[Finding]) -> None:
    """Write facts, then a block for each finding."""
    from facecli.cli.output import results_stream
    from facecli.report.numbers import cell_text
    from facecli.report.visible import visible
    from facecli.services.gallery_check.document import error_words

    lines = [f"{key}: {cell_text(value)}" for key, value in document.facts.items() if key != "threshold"]
    lines += [f"faces: {error_words(faces.before)}"] if faces else []
    lines += [f"once mended: {error_words(faces.after)}"] if faces and faces.after else []
    for each in findings:
        lines += ["", f"{each.severity} {each.kind}: {each.what}"]
        lines += [f"  expected of strangers here: {_pairs(each)}"] if each.strangers is not None else []
        lines += [f"  measured: {each.change}"] if each.change else []
        lines += [f"  command: {each.fix}"] if each.fix else []
    lines += [f"\n{warning}" for warning in document.warnings]
    with results_stream(call) as stream:
        stream.writelines("\n".join(map(visible, line.split("\n"))) + "\n" for line in lines)


def _pairs(each: Finding) -> str:
    from facecli.services.promises import two_digits

    strangers, fmr = each.strangers or 0.0, each.fmr or 0.0
    if strangers < LEAST_PAIRS:
        return f"less than {LEAST_PAIRS:f} pairs so near"
    return f"{two_digits(strangers):g} pairs so near (FMR {two_digits(fmr):g})"


@contextmanager
def _progress(call: Call, what: str) -> Iterator[Progress]:
    """Show a bar for what takes long, on a terminal."""
    if not call.show_progress or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from facecli.cli.progress import StepProgress

    with StepProgress(what) as bar:
        yield bar.update
