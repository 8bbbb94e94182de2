"""``facecli verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from facecli.cli.messages import NO_MATCH, say_model, warn
from facecli.cli.options import Call, chosen, command
from facecli.errors import UsageError

if TYPE_CHECKING:
    from facecli.services.selection import OnMulti

CHOICES: Final[tuple[OnMulti, ...]] = ("error", "largest", "central")
COLUMNS = ("answer", "score", "threshold", "path_a", "path_b")


@command("fmr", "threshold", "mirror")
def verify(
    call: Call,
    photo_a: Annotated[
        str, typer.Argument(metavar="A", help="A photo of one person, or - for standard input.", show_default=False)
    ],
    photo_b: Annotated[str, typer.Argument(metavar="B", help="Another photo.", show_default=False)],
    on_multi: Annotated[
        str,
        typer.Option(
            "--on-multi",
            metavar="error|largest|central",
            help="Of several faces of a like size: refuse the photo, or take the largest, or the one nearest to the "
            "middle.",
        ),
    ] = "error",
) -> int:
    """Say whether two photos show one person. Exits with 10 if not."""
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.cli.photos import STDIN, from_stdin
    from facecli.report.record import face_record, rounded_score
    from facecli.services.analysis import PhotoSource
    from facecli.services.verification import verify as verify_photos

    choice = chosen(on_multi, CHOICES)
    if photo_a == photo_b == STDIN:
        raise UsageError("standard input was named more than once", hint="Name it once: -.")
    first, second = (from_stdin() if name == STDIN else PhotoSource(name) for name in (photo_a, photo_b))
    app = App(call.settings)
    if (least := app.least_fmr) is not None and call.settings.fmr < least and not call.quiet:
        warn(f"what was measured supports a false match rate of {least:.1g} at best, not {call.settings.fmr:g}")
    analyser = app.analyser(photo_count=2)
    answer = verify_photos(first, second, analyser, threshold=app.verification_threshold, on_multi=choice)
    for warning in () if call.quiet else answer.warnings:
        warn(warning)
    row = {
        "answer": "same person" if answer.is_same_person else "different people",
        "same_person": answer.is_same_person,
        "score": rounded_score(answer.score, answer.threshold),
        "threshold": answer.threshold,
        "path_a": answer.path_a,
        "path_b": answer.path_b,
        "face_a": face_record(answer.face_a),
        "face_b": face_record(answer.face_b),
        "model": analyser.model,
    }
    write_rows(call, [row], COLUMNS)
    if call.verbose:
        say_model(analyser.model)
    return 0 if answer.is_same_person else NO_MATCH
