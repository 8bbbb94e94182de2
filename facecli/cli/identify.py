"""``facecli identify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facecli.cli.messages import say, warn
from facecli.cli.options import Annotate, Call, FailUnknown, FilesFrom, Images, Nul, Recursive, command
from facecli.cli.other_models import say_unseen
from facecli.cli.people.consent import say_expired

if TYPE_CHECKING:
    from facecli.decide.identification import DecisionRule


@command("fpir", "threshold", "min_quality", "candidates", "mirror")
def identify(
    call: Call,
    images: Images = None,
    files_from: FilesFrom = None,
    nul: Nul = False,
    recursive: Recursive = True,
    annotate: Annotate = None,
    fail_unknown: FailUnknown = False,
) -> int:
    """Say who is in photos: a name where the score reaches the threshold, otherwise unknown.

    The threshold keeps to --fpir for this gallery. "match" says how sure the nearest name is: of 100 answers with 90 %
    about 90 are right, if half of all faces searched are of people enrolled.
    """
    from facecli.app import App
    from facecli.cli.photo_report import report_photos
    from facecli.cli.photos import gather
    from facecli.services.identification import identify_photos

    sources = gather(call, images, files_from, nul=nul, recursive=recursive)
    app = App(call.settings)
    with app.open_gallery() as gallery:
        analyser = app.analyser(photo_count=len(sources), keep_photos=annotate is not None)
        search = app.search(gallery)
        decisions = app.decisions(gallery, search)
        say_rule(call, decisions.rule())
        say_expired(call, gallery)
        say_unseen(call, gallery, app.embedder_manifest.model_id)
        analyses = identify_photos(
            sources,
            analyser,
            search,
            decisions,
            candidates=call.settings.candidates,
            min_quality=call.settings.min_quality,
        )
        return report_photos(
            call,
            analyses,
            model=analyser.model,
            total=len(sources),
            annotate=annotate,
            root=_common_root(images),
            fail_unknown=fail_unknown,
        )


def say_rule(call: Call, rule: DecisionRule) -> None:
    """Say what the threshold promises; without -v only where it cannot keep to the rate asked for."""
    from facecli.services.promises import promise, shortfall

    if rule.choice is None or rule.calibration is None or call.quiet:
        return
    if call.verbose:
        say(promise(rule.choice, rule.calibration.person_count))
    if not rule.choice.supported:
        warn(shortfall(rule.choice, rule.calibration.supported_fpir))


def _common_root(images: list[str] | None) -> Path | None:
    """Return the one folder a call is about, whose structure annotated pictures mirror."""
    folders = [Path(image) for image in images or [] if Path(image).is_dir()]
    return folders[0] if len(folders) == 1 else None
