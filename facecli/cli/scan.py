"""``facecli scan``."""

from __future__ import annotations

from typing import Annotated

import typer

from facecli.cli.options import Annotate, Call, FailUnknown, FilesFrom, Nul, Recursive, command
from facecli.errors import UsageError

WATCH_INTERVAL_S = 2.0


@command("fpir", "threshold", "min_quality", "candidates", "mirror", default_format="jsonl")
def scan(
    call: Call,
    folders: Annotated[
        list[str] | None, typer.Argument(metavar="[FOLDER]...", help="Folders of photos.", show_default=False)
    ] = None,
    files_from: FilesFrom = None,
    nul: Nul = False,
    recursive: Recursive = True,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the same scan where it was interrupted; if it was not, begin as usual."
        ),
    ] = False,
    update: Annotated[
        bool,
        typer.Option("--update", help="Do not even read files whose size and time are those of an earlier scan."),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Analyse every photo again, whatever is known of its content.")
    ] = False,
    no_store: Annotated[
        bool, typer.Option("--no-store", help="Keep nothing of what is found in faces, and use nothing kept.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Afterwards follow the folders: a line for every new or changed photo, until Ctrl-C. With --output "
            "the lines are appended to the file.",
        ),
    ] = False,
    interval: Annotated[
        float | None,
        typer.Option("--interval", metavar="SECONDS", help="Time between two looks at the folders; by default 2."),
    ] = None,
    annotate: Annotate = None,
    fail_unknown: FailUnknown = False,
) -> int:
    """Identify every photo of a folder, a JSON line each, past whatever cannot be read.

    Each photo is kept as soon as it is done, so after Ctrl-C or a crash --resume goes on where the scan was, and
    writes the same results as if nothing had happened. A photo is analysed once: after enrolling somebody, a scan of
    the same photos only compares. What is kept are vectors of faces, biometric data, in a file that only you can read:
    see "facecli scans", and "facecli scans forget" to delete them.

    Exits with 3 if any photo failed; its line says why.
    """
    from facecli.cli.photos import read_roots
    from facecli.cli.scan_wishes import ScanWishes, refuse_contradictions
    from facecli.cli.scanning import run_scan

    roots = read_roots(folders, files_from, nul=nul)
    wishes = ScanWishes(
        roots,
        recursive=recursive,
        resume=resume,
        update=update,
        fresh=fresh,
        store=not no_store,
        watch_s=(WATCH_INTERVAL_S if interval is None else interval) if watch else None,
        annotate=annotate,
        fail_unknown=fail_unknown,
    )
    if interval is not None and not watch:
        raise UsageError("--interval is for --watch, which was not given")
    refuse_contradictions(call, wishes)
    return run_scan(call, wishes)
