"""Asking before something is done."""

from __future__ import annotations

import sys

import typer

from facecli.cli.messages import say
from facecli.errors import UsageError


def is_confirmed(question: str, doing: str, otherwise: str) -> bool:
    """Ask on the terminal; say what was left undone if the answer is no.

    Parameters
    ----------
    question : str
        "Remove Ana with 3 templates?"
    doing : str
        "removing Ana"
    otherwise : str
        "nothing was removed"

    Raises
    ------
    UsageError
        If nobody can answer.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{doing} needs to be confirmed", hint="Pass --yes.")
    if typer.confirm(question, err=True):
        return True
    say(otherwise)
    return False
