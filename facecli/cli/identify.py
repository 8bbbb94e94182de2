"""``facecli identify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facecli.cli.options import Annotate, Call, FailUnknown, FilesFrom, Images, Nul, Recursive, command

if TYPE_CHECKING:
    from facecli.services.analysis import PhotoSource


@command("threshold", "candidates", "mirror")
def identify(
    call: Call,
    images: Images = None,
    files_from: FilesFrom = None,
    nul: Nul = False,
    recursive: Recursive = True,
    annotate: Annotate = None,
    fail_unknown: FailUnknown = False,
) -> int:
    """Say who is in photos: a name where the score reaches the threshold, otherwise unknown."""
    from facecli.cli.photos import gather

    return identify_sources(
        call,
        gather(call, images, files_from, nul=nul, recursive=recursive),
        annotate,
        _common_root(images),
        fail_unknown,
    )


def identify_sources(
    call: Call, sources: list[PhotoSource], annotate: Path | None, root: Path | None, fail_unknown: bool
) -> int:
    """Identify photos and report them; what identify and scan share."""
    from facecli.app import App
    from facecli.cli.photos import report_photos
    from facecli.services.identification import identify_photos

    app = App(call.settings)
    with app.open_gallery() as gallery:
        analyser = app.analyser()
        analyses = identify_photos(
            sources,
            analyser,
            app.search(gallery),
            threshold=app.threshold,
            candidates=call.settings.candidates,
        )
        return report_photos(
            call,
            analyses,
            model=analyser.model,
            total=len(sources),
            annotate=annotate,
            root=root,
            fail_unknown=fail_unknown,
        )


def _common_root(images: list[str] | None) -> Path | None:
    """Return the one folder a call is about, whose structure annotated pictures mirror."""
    folders = [Path(image) for image in images or [] if Path(image).is_dir()]
    return folders[0] if len(folders) == 1 else None
