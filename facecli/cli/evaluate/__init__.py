"""``facecli evaluate``: how well facecli does on photos whose answers are known."""

from __future__ import annotations

from facecli.cli.evaluate import detect, identify, verify
from facecli.cli.help import CommandGroup

app = CommandGroup(help="Measure error rates on photos whose answers are known.")


@app.callback()
def _group() -> None:
    """Measure error rates on photos whose answers are known."""


app.command("verify")(verify.verify)
app.command("identify")(identify.identify)
app.command("detect")(detect.detect)
