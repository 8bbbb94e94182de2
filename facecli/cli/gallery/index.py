"""``facecli gallery index``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facecli.cli.messages import say
from facecli.cli.options import Call, command
from facecli.errors import UsageError

if TYPE_CHECKING:
    from facecli.gallery.index_care import IndexState, SearchFile


@command()
def index(
    call: Call,
    build: Annotated[bool, typer.Option("--build", help="Make an approximate index; searches use it then.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it, and every other search file.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Read every byte of the files, and measure again.")] = False,
) -> int:
    """Say how the gallery is searched; make, check or remove an approximate index.

    An exact search looks at every template: a million in some milliseconds. A gallery of several millions can be
    searched faster by an approximate index that finds at least 99 % of the ten nearest people. Whom it misses is not
    named: that raises the false negative rate (FNIR).
    """
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.gallery import index_care

    if build + remove + check > 1:
        raise UsageError("--build, --remove and --check are three things", hint="Ask for one of them at a time.")
    app = App(call.settings)
    model_id = app.embedder_manifest.model_id
    with app.open_gallery() as gallery:
        if remove:
            for path in index_care.remove(gallery.path):
                if not call.quiet:
                    say(f"removed {path}")
        found = (index_care.build if build else index_care.check if check else index_care.state)(gallery, model_id)
    write_rows(call, _index_rows(found), ("what", "value"))
    return 0


def _index_rows(found: IndexState) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {"what": "search", "value": "approximate" if found.is_used else "exact"},
        {"what": "templates file", "value": _file_words(found.templates)},
        {"what": "approximate index", "value": _file_words(found.approximate)},
    ]
    if found.recall is not None:
        of = f"of {found.recall.probes} searches"
        rows += [
            {"what": "recall of the ten nearest people", "value": f"{found.recall.ten:.2%} ({of})"},
            {"what": "recall of the nearest person", "value": f"{found.recall.nearest:.2%} ({of})"},
            {"what": "templates scored exactly for each face", "value": found.depth},
        ]
    return rows


def _file_words(file: SearchFile) -> str:
    return f"{file.state}, {file.size_bytes:,} bytes" if file.size_bytes else file.state
