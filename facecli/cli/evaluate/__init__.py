"""``facecli evaluate``: how well facecli does on photos whose answers are known."""

from __future__ import annotations

import typer

app = typer.Typer(help="Measure error rates on photos whose answers are known.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure error rates on photos whose answers are known."""
