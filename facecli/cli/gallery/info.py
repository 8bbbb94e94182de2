"""``facecli gallery info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facecli.cli.options import Call, command

if TYPE_CHECKING:
    from facecli.gallery.records import StoredThreshold


@command()
def info(
    call: Call,
    check: Annotated[bool, typer.Option("--check", help="Also check the file, its links and every checksum.")] = False,
) -> int:
    """Say what the gallery holds, and with --check whether it is sound."""
    from facecli.app import App
    from facecli.cli.output import write_rows
    from facecli.errors import GalleryCorruptError

    with App(call.settings).open_gallery() as gallery:
        about = gallery.info(check=check)
    rows: list[dict[str, object]] = [
        {"what": "path", "value": about.path},
        {"what": "people", "value": about.people},
        *({"what": f"templates of {model}", "value": count} for model, count in about.templates.items()),
        *(_kept(each, about.revision) for each in about.thresholds),
        {"what": "size", "value": f"{about.size_bytes:,} bytes"},
        {"what": "schema version", "value": about.schema_version},
        {"what": "revision", "value": about.revision},
        {"what": "encrypted", "value": "yes" if about.is_encrypted else "no"},
        {"what": "writable", "value": "no" if about.read_only else "yes"},
    ]
    if about.problems is not None:
        rows.append({"what": "problems", "value": "; ".join(about.problems) or "none"})
    write_rows(call, rows, ("what", "value"))
    if about.problems:
        raise GalleryCorruptError(
            f"{about.path} is damaged: {about.problems[0]}", hint="Take a backup: facecli gallery restore latest"
        )
    return 0


def _kept(threshold: StoredThreshold, revision: int) -> dict[str, object]:
    from facecli.services.promises import percent

    rate, low, high = map(percent, (threshold.fpir, threshold.low, threshold.high))
    return {
        "what": f"threshold of {threshold.model_id}",
        "value": f"{threshold.threshold:.3f} for FPIR {rate} ({low} to {high}), at revision {threshold.revision}"
        + (", out of date" if threshold.revision != revision else ""),
    }
