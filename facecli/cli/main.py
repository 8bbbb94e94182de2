"""The program ``facecli``: its root options, and the commands it is made of."""

from __future__ import annotations

from typing import Annotated

import typer

import facecli
from facecli.cli import (
    bench,
    calibrate,
    config,
    detect,
    doctor,
    embed,
    enroll,
    evaluate,
    gallery,
    identify,
    models,
    people,
    scan,
    scans,
    verify,
)
from facecli.cli.help import CommandGroup
from facecli.cli.messages import keep_stderr_to_ourselves
from facecli.cli.options import root_options

app = CommandGroup(
    name="facecli",
    help="Who is in these photographs? Enrol a few people, then ask. Everything stays on this machine.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facecli {facecli.__version__}")
        raise typer.Exit


@app.callback()
@root_options
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Who is in these photographs? Enrol a few people, then ask. Everything stays on this machine."""


app.command("enroll")(enroll.enroll)
app.command("identify")(identify.identify)
app.command("scan")(scan.scan)
app.add_typer(scans.app, name="scans")
app.command("verify")(verify.verify)
app.command("calibrate")(calibrate.calibrate)
app.command("detect")(detect.detect)
app.command("embed")(embed.embed)
app.add_typer(people.app, name="people")
app.add_typer(gallery.app, name="gallery")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(models.app, name="models")
app.add_typer(config.app, name="config")
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)


def main() -> None:
    """Run the command line."""
    keep_stderr_to_ourselves()
    app()
