"""``facecli evaluate verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, get_args

import typer

from facecli.cli.documents import Report
from facecli.cli.options import Call, command
from facecli.errors import UsageError

# Measured on the development split of LFW (500 + 500 pairs, 359 of 1,549 photos with several faces), SFace and
# CenterFace: FNMR 1.4 % at FMR 1 % with the central face, 2.6 % with the largest, who is a bystander at times.
DEFAULT_FACE: Final = "central"


@command("fmr", "threshold", "mirror")
def verify(
    call: Call,
    pairs: Annotated[
        Path,
        typer.Option(
            "--pairs",
            metavar="FILE",
            help="CSV with columns mated (1 or 0), file_a, file_b; or LFW's pairs.txt. Columns person_a and person_b"
            " say who is in the photos (by default their folders do), fold gives folds, others name groups to compare.",
            show_default=False,
        ),
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="FOLDER",
            help="Folder that the files are relative to; by default that of the list.",
            show_default=False,
        ),
    ] = None,
    face: Annotated[
        str,
        typer.Option(
            "--face",
            metavar="central|largest",
            help="Which face stands for a photo of several: the one nearest to its middle, or the largest.",
        ),
    ] = DEFAULT_FACE,
    folds: Annotated[
        int | None,
        typer.Option("--folds", metavar="K", min=2, help="Deal the pairs into folds where the list has none."),
    ] = None,
    report: Report = None,
) -> int:
    """Measure how well two photos are told to show one person or two.

    A photo in which no face is found counts in every rate: its pairs never match.
    """
    from facecli.app import App
    from facecli.cli.documents import check_destinations, report_document
    from facecli.cli.photos import progress_bar
    from facecli.services.evaluate.pair_list import read_pairs
    from facecli.services.evaluate.verification_document import to_document
    from facecli.services.evaluate.verification_evaluation import FaceChoice, evaluate_verification

    choices: tuple[FaceChoice, ...] = get_args(FaceChoice)
    chosen = next((choice for choice in choices if choice == face), None)
    if chosen is None:
        raise UsageError(f"--face cannot be '{face}'", hint=f"Choose one of {', '.join(choices)}.")
    check_destinations(call, report)
    listed = read_pairs(pairs, pairs.parent if root is None else root)
    app = App(call.settings)
    measured = call.settings.threshold is not None or app.scores is not None
    with progress_bar(call, len(listed.photos)) as progress:
        found = evaluate_verification(
            listed,
            app.analyser(),
            face=chosen,
            threshold=app.verification_threshold if measured else None,
            folds=folds,
            on_photo=progress.advance,
        )
    report_document(call, to_document(found), report)
    return 0
