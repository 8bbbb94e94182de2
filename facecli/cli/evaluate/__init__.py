"""``facecli evaluate``: how well facecli does on photos whose answers are known."""

from __future__ import annotations

import typer

from facecli.cli.evaluate import detect, identify, verify

app = typer.Typer(help="Measure error rates on photos whose answers are known.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure error rates on photos whose answers are known."""


app.command("verify")(verify.verify)
app.command("identify")(identify.identify)
app.command("detect")(detect.detect)
