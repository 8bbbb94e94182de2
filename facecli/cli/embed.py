"""``facecli embed``."""

from __future__ import annotations

from facecli.cli.options import Call, FilesFrom, Images, Nul, Recursive, command


@command("mirror", default_format="jsonl")
def embed(
    call: Call,
    images: Images = None,
    files_from: FilesFrom = None,
    nul: Nul = False,
    recursive: Recursive = True,
) -> int:
    """Turn faces into vectors: one JSON line a photo, each face with its unit vector."""
    from facecli.app import App
    from facecli.cli.photo_report import report_photos
    from facecli.cli.photos import gather

    sources = gather(call, images, files_from, nul=nul, recursive=recursive)
    analyser = App(call.settings).analyser(photo_count=len(sources))
    analyses = analyser.analyse(sources)
    return report_photos(call, analyses, model=analyser.model, total=len(sources), with_embedding=True)
