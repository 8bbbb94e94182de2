"""``facecli detect``."""

from __future__ import annotations

from facecli.cli.options import Annotate, Call, FilesFrom, Images, Nul, Recursive, command


@command()
def detect(
    call: Call,
    images: Images = None,
    files_from: FilesFrom = None,
    nul: Nul = False,
    recursive: Recursive = True,
    annotate: Annotate = None,
) -> int:
    """Find faces: boxes, five landmarks and a score each, without asking whose they are."""
    from facecli.app import App
    from facecli.cli.photo_report import report_photos
    from facecli.cli.photos import gather

    sources = gather(call, images, files_from, nul=nul, recursive=recursive)
    analyser = App(call.settings).analyser(embed=False, photo_count=len(sources), keep_photos=annotate is not None)
    analyses = analyser.analyse(sources)
    return report_photos(call, analyses, model=analyser.model, total=len(sources), annotate=annotate)
