"""``facecli evaluate identify``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Final

import typer

from facecli.cli.documents import Report
from facecli.cli.options import Call, chosen, command

if TYPE_CHECKING:
    from facecli.services.selection import OnMulti

CHOICES: Final[tuple[OnMulti, ...]] = ("central", "largest", "error")


@command("fpir", "threshold", "min_quality", "mirror")
def identify(
    call: Call,
    probes: Annotated[
        str,
        typer.Option(
            "--probes",
            metavar="FOLDER",
            help="Photos to search for, in a folder for each person. Those not in the gallery are its strangers.",
            show_default=False,
        ),
    ],
    on_multi: Annotated[
        str,
        typer.Option(
            "--on-multi",
            metavar="central|largest|error",
            help="Photos of several faces of a like size: take the one nearest to the middle, or the largest, or count "
            "as a failure.",
        ),
    ] = "central",
    report: Report = None,
) -> int:
    """Measure how often people of a gallery are missed (FNIR) and strangers are named (FPIR).

    --gallery is a gallery file, or a folder that holds a folder of photos for each person: these are enrolled for this
    call alone. Folders of --probes are called as the people in the gallery are. Photos in which no face is found count
    in every rate.
    """
    from facecli.app import App
    from facecli.cli.documents import check_destinations, report_document
    from facecli.cli.photos import progress_bar
    from facecli.gallery.store import Gallery
    from facecli.services.evaluate.evaluated_gallery import enrol_people, enrolled_gallery
    from facecli.services.evaluate.identification_document import identification_document
    from facecli.services.evaluate.identification_evaluation import search_probes
    from facecli.services.evaluate.people_folder import read_people

    choice, least = chosen(on_multi, CHOICES), call.settings.min_quality
    check_destinations(call, report)
    app, path = App(call.settings), call.settings.gallery_path
    asked = read_people(probes)
    people = read_people(str(path)) if path.is_dir() else None
    # Without scores there is no rate, and where none was asked for the rest can be measured all the same.
    can_decide = call.settings.threshold is not None or app.scores is not None or call.origins["fpir"] != "default"
    with ExitStack() as stack:
        gallery = stack.enter_context(app.open_gallery(read_only=True) if people is None else Gallery.open(":memory:"))
        analyser = app.analyser()
        photos = len(asked.photos) + (0 if people is None else len(people.photos))
        done = stack.enter_context(progress_bar(call, photos)).advance
        if people is None:
            searched = enrolled_gallery(gallery, app.embedder_manifest.model_id)
        else:
            searched = enrol_people(
                people, analyser, gallery, on_multi=choice, min_quality=least, scores=app.scores, photo_done=done
            )
        search = app.search(gallery)
        probing = search_probes(asked, analyser, search, searched, on_multi=choice, min_quality=least, photo_done=done)
        rule = app.decisions(gallery, search).rule() if can_decide else None
        document = identification_document(probing, searched, gallery, rule=rule, model=analyser.model)
    report_document(call, document, report)
    return 0
