"""``facecli people purge``."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from facecli.cli.messages import say, warn
from facecli.cli.options import Call, command
from facecli.cli.people.listing import Name
from facecli.errors import GalleryError, UnknownPersonError, UsageError

if TYPE_CHECKING:
    from facecli.services.purging.receipt import HeldCopy, Plan, Receipt, SearchedFile

COLUMNS = ("what", "value")

# Files of one folder that a table lists one by one where nothing was found in them.
_MOST_ROWS: Final = 4


@command()
def purge(
    call: Call,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be destroyed, and change nothing.")
    ] = False,
    backups: Annotated[
        bool,
        typer.Option(
            "--backups", help="Delete the gallery's backups that hold the person, and make a new one without them."
        ),
    ] = False,
) -> int:
    """Destroy all that is kept of a person, and search every byte for what is left. Nothing brings it back.

    Destroyed are the templates, those removed or left over from a merge included, the crops, all names ever used, also
    in the log of changes, and notes of consent; the search files; and what scans keep of the person's photos, and of
    photos with a face that may be theirs (such photos are analysed again when they are scanned again). It serves for
    people who were removed before, too.

    Then the gallery with its side files, the file of scans and the caches are read byte by byte for all of it, and a
    receipt says what was looked for, where, and what was found. Exits with 5 if anything was. Photos of yours, and
    results that were written for you, stay as they are.
    """
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.services.purging.purge import plan_purge
    from facecli.services.purging.purge import purge as purge_person

    app = App(call.settings)
    try:
        plan = plan_purge(name, app.places, app.score_reached)
    except UnknownPersonError:
        if dry_run:
            raise
        plan = None  # a purge before may not have come to its end
    if dry_run and plan is not None:
        write_rows(call, _plan_rows(plan, would=True), COLUMNS)
        return 0
    if plan is not None and not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"purging {name} needs to be confirmed", hint="Pass --yes; see before with --dry-run.")
        if not typer.confirm(f"Destroy {name} with {_count(plan.templates, 'template')} for ever?", err=True):
            say("nothing was destroyed")
            return 1
    receipt = purge_person(name, app.places, app.score_reached, delete_backups=backups)
    write_rows(call, _receipt_rows(receipt, brief=call.output_format == "table"), COLUMNS)
    _say(call, name, receipt)
    return 0


def _say(call: Call, name: str, receipt: Receipt) -> None:
    kept = [copy for copy in receipt.copies if not copy.is_deleted]
    for copy in kept:
        how = "delete it with --backups" if copy.is_backup else "delete it if it is not needed"
        warn(f"{copy.path} {'cannot be read and may hold' if copy.is_unread else 'still holds'} {name}: {how}")
    for alike in receipt.plan.lookalikes:
        warn(f"{alike.name} may be the same person (score {alike.score:.2f}), and stays")
    if receipt.unread:
        raise GalleryError(
            f"{receipt.unread[0]} cannot be read, so nobody knows whether it holds {name}",
            hint="Make it readable for you, or delete it.",
            code="purge_incomplete",
        )
    if receipt.found:
        where = ", ".join(str(file.path) for file in receipt.files if file.found)
        hint = "See the receipt for what was found."
        if receipt.is_in_use:
            hint = (
                f"Another process uses the gallery. When it has ended, say it again: facecli people purge {quote(name)}"
            )
        raise GalleryError(f"bytes of {name} are left in {where}", hint=hint, code="purge_incomplete")
    if not call.quiet:
        where = f"{receipt.size_bytes:,} bytes of {_count(len(receipt.files), 'file')}"
        say(f"{name} was purged: nothing is left in {where}")


def _plan_rows(plan: Plan, *, would: bool = False) -> list[dict[str, Any]]:
    done = "to be destroyed" if would else "destroyed"
    rows: list[dict[str, Any]] = [
        {"what": f"people {done}", "value": plan.people},
        {"what": f"names {done}", "value": plan.names},
        {"what": f"templates {done}", "value": plan.templates},
        {"what": f"crops {done}", "value": plan.crops},
    ]
    if plan.negatives:
        rows.append({"what": f'of these "not" templates of other people {done}', "value": plan.negatives})
    rows += [
        {"what": f"analyses of photos in scans {done}", "value": plan.scans.analyses},
        {"what": f"names of photos in scans {done}", "value": plan.scans.file_names},
    ]
    if plan.scans.waiting:
        rows.append({"what": "photos to be analysed again by interrupted scans", "value": plan.scans.waiting})
    rows += [
        {"what": "all that scans found by a model without measured scores, destroyed", "value": each}
        for each in plan.unmeasured
    ]
    rows += [
        {"what": "not compared: what scans found by a model that nobody of these is enrolled with", "value": each}
        for each in plan.uncompared
    ]
    rows += [
        {"what": "may be the same person, and stays", "value": f"{alike.name} ({alike.score:.2f})"}
        for alike in plan.lookalikes
    ]
    rows += [{"what": f"search file {done}", "value": str(path)} for path in plan.search_files]
    if would:
        rows += [{"what": "backup, kept without --backups", "value": str(path)} for path in plan.backups]
    return rows


def _receipt_rows(receipt: Receipt, *, brief: bool) -> list[dict[str, Any]]:
    from facecli.services.purging.receipt import NOT_VOUCHED_FOR

    rows = _plan_rows(receipt.plan)
    rows += [{"what": f"looked for: {kind}", "value": count} for kind, count in receipt.looked_for.items()]
    rows += _brief_file_rows(receipt.files) if brief else [_file_row(file) for file in receipt.files]
    if receipt.is_rewritten:
        rows.append({"what": "gallery written anew", "value": "yes"})
    rows += [_copy_row(copy) for copy in receipt.copies]
    if receipt.new_backup is not None:
        rows.append({"what": "backup made", "value": str(receipt.new_backup)})
    rows += [
        {"what": "bytes looked through", "value": receipt.size_bytes},
        {"what": "found", "value": receipt.found},
        {"what": "not vouched for", "value": NOT_VOUCHED_FOR},
    ]
    return rows


def _brief_file_rows(files: Sequence[SearchedFile]) -> list[dict[str, Any]]:
    """Return a row for each file, but one for all of a folder where many hold nothing: a cache of compiled networks."""
    clean: defaultdict[Path, list[SearchedFile]] = defaultdict(list)
    for file in files:
        if not (file.is_unread or file.found or file.remainders or file.chance):
            clean[file.path.parent].append(file)
    crowds = {folder: alike for folder, alike in clean.items() if len(alike) > _MOST_ROWS}
    rows = [_file_row(file) for file in files if file not in crowds.get(file.path.parent, ())]
    for folder, alike in crowds.items():
        size = sum(file.size_bytes for file in alike)
        rows.append({"what": str(folder), "value": f"{size:,} bytes of {len(alike)} files: nothing found"})
    return rows


def _file_row(file: SearchedFile) -> dict[str, Any]:
    if file.is_unread:
        return {"what": str(file.path), "value": "cannot be read"}
    words = [f"{kind} in {_count(count, 'place')}" for kind, count in file.found.items()] or ["nothing found"]
    words += [f"{each.kind} {each.count}x in rows that stay ({each.where})" for each in file.remainders]
    if file.chance:
        words.append(f"bytes of a short name {file.chance}x by chance")
    return {
        "what": str(file.path),
        "value": f"{file.size_bytes:,} bytes: {'; '.join(words)}",
        "size_bytes": file.size_bytes,
        "found": dict(file.found),
        "of_others": [{"kind": each.kind, "count": each.count, "where": each.where} for each in file.remainders],
        "by_chance": file.chance,
    }


def _copy_row(copy: HeldCopy) -> dict[str, Any]:
    what = "backup" if copy.is_backup else "file beside the gallery"
    holds = "held" if copy.is_deleted else "may hold" if copy.is_unread else "still holds"
    return {"what": f"{what} that {holds} the person", "value": str(copy.path)}


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
