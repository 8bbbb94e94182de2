"""``facecli scan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facecli.cli.identify import identify_sources
from facecli.cli.options import Annotate, Call, FailUnknown, FilesFrom, Nul, Recursive, command


@command("fpir", "threshold", "min_quality", "candidates", "mirror", default_format="jsonl")
def scan(
    call: Call,
    folders: Annotated[
        list[str] | None, typer.Argument(metavar="[FOLDER]...", help="Folders of photos.", show_default=False)
    ] = None,
    files_from: FilesFrom = None,
    nul: Nul = False,
    recursive: Recursive = True,
    annotate: Annotate = None,
    fail_unknown: FailUnknown = False,
) -> int:
    """Identify every photo of a folder, a JSON line each, past whatever cannot be read.

    Exits with 3 if any photo failed; its line says why.
    """
    from facecli.cli.photos import gather

    sources = gather(call, folders, files_from, nul=nul, recursive=recursive)
    root = Path(folders[0]) if folders and len(folders) == 1 else None
    return identify_sources(call, sources, annotate, root, fail_unknown)
