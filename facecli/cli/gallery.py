"""``facecli gallery``: the file that holds the people."""

from __future__ import annotations

from typing import Annotated

import typer

from facecli.cli.options import Call, command

app = typer.Typer(help="See what the gallery file holds.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """See what the gallery file holds."""


@app.command()
@command()
def info(
    call: Call,
    check: Annotated[bool, typer.Option("--check", help="Also check the file, its links and every checksum.")] = False,
) -> int:
    """Say what the gallery holds, and with --check whether it is sound."""
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.errors import GalleryCorruptError
    from facecli.services.calibration import percent

    with App(call.settings).open_gallery() as gallery:
        about = gallery.info(check=check)
    rows: list[dict[str, object]] = [
        {"what": "path", "value": about.path},
        {"what": "people", "value": about.people},
        *({"what": f"templates of {model}", "value": count} for model, count in about.templates.items()),
        *(
            {
                "what": f"threshold of {each.model_id}",
                "value": f"{each.threshold:.3f} for FPIR {percent(each.fpir)} "
                f"({percent(each.low)} to {percent(each.high)}), at revision {each.revision}",
            }
            for each in about.thresholds
        ),
        {"what": "size", "value": f"{about.size_bytes:,} bytes"},
        {"what": "schema version", "value": about.schema_version},
        {"what": "revision", "value": about.revision},
        {"what": "writable", "value": "no" if about.read_only else "yes"},
    ]
    if about.problems is not None:
        rows.append({"what": "problems", "value": "; ".join(about.problems) or "none"})
    write_rows(call, rows, ("what", "value"))
    if about.problems:
        raise GalleryCorruptError(f"{about.path} is damaged: {about.problems[0]}", hint="Restore it from a backup.")
    return 0
