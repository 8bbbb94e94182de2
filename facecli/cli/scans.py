"""``facecli scans``: what is kept of scans."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from facecli.cli.help import CommandGroup
from facecli.cli.messages import say, warn
from facecli.cli.options import Call, command
from facecli.errors import UsageError

if TYPE_CHECKING:
    from facecli.scans.store import ScanStore

app = CommandGroup(
    help="See and delete what scans keep: how far they came, and vectors of all faces found, which are biometric data.",
)

LIST_COLUMNS = ("scan", "begun", "state", "done", "photos", "folders")


@app.command("list")
@command()
def list_scans(call: Call) -> int:
    """List the scans that are known, the oldest first; one that is interrupted goes on with facecli scan --resume."""
    from facecli.cli.output import write_rows

    with _open_store(call) as store:
        found = store.scans()
    rows = [
        {
            "scan": scan.scan_id,
            "begun": scan.started_at,
            "finished": scan.finished_at or None,
            "state": scan.state,
            "process": scan.process_id,
            "done": scan.done,
            "photos": scan.photos,
            "folders": [*scan.asked.places, *(["a list of files"] if scan.asked.listed else [])],
        }
        for scan in found
    ]
    write_rows(call, rows, LIST_COLUMNS)
    return 0


@app.command()
@command()
def info(call: Call) -> int:
    """Say where the file of scans is, how large, and what it holds."""
    from facecli.cli.output import write_rows

    with _open_store(call) as store:
        about = store.info()
    rows: list[dict[str, object]] = [
        {"what": "path", "value": about.path},
        {"what": "size", "value": f"{about.size_bytes:,} bytes"},
        {"what": "scans", "value": about.scans},
        {"what": "photos analysed", "value": about.analyses},
        {"what": "files known", "value": about.files},
        {"what": "schema version", "value": about.schema_version},
    ]
    rows += [{"what": "damaged, set aside", "value": path} for path in about.set_aside]
    write_rows(call, rows, ("what", "value"))
    return 0


@app.command()
@command()
def forget(
    call: Call,
    scans: Annotated[
        list[int] | None, typer.Argument(metavar="[SCAN]...", help="Numbers of scans.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that was ever found in a photo.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Delete scans with what was found in their photos, overwriting it; photos of other scans stay known.

    The gallery of people enrolled is another file, and stays.
    """
    if bool(scans) == everything:
        raise UsageError("name the scans to forget, or --all", hint="See: facecli scans list")
    numbers = list(dict.fromkeys(scans or ()))
    with _open_store(call) as store:
        what = "everything that scans found" if everything else f"scan {', '.join(map(str, numbers))}"
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError(f"forgetting {what} needs to be confirmed", hint="Pass --yes.")
            if not typer.confirm(f"Forget {what}?", err=True):
                say("nothing was forgotten")
                return 1
        count = store.forget_all() if everything else store.forget(*numbers)
    if not call.quiet:
        say(f"{what} was forgotten: {count:,} {'photo' if count == 1 else 'photos'}")
    return 0


def _open_store(call: Call) -> ScanStore:
    from facecli.scans.store import FILE_NAME, ScanStore

    return ScanStore.open(call.settings.state_dir / FILE_NAME, warn=warn)
