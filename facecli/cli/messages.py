"""What is said on standard error, and the exit code that goes with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import typer

from facecli.errors import FacecliError, MachineError
from facecli.report.visible import visible

SOME_FAILED: Final = 3
NO_MATCH: Final = 10
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141  # 128 + SIGPIPE, as the shell counts


def say(text: str) -> None:
    """Write a line for people; nothing in it can steer the terminal."""
    sys.stderr.write("\n".join(visible(line) for line in text.split("\n")) + "\n")
    sys.stderr.flush()


def warn(text: str) -> None:
    """Write a warning on one line."""
    sys.stderr.write(f"warning: {visible(text)}\n")


def say_model(model: Mapping[str, str]) -> None:
    """Say on a line what made the results, such as the device and precision that auto came to."""
    say(", ".join(f"{key} {value}" for key, value in model.items()))


def keep_stderr_to_ourselves() -> None:
    """Send to nowhere what C libraries write to standard error; what Python writes still arrives.

    A damaged TIFF makes libtiff write hundreds of lines, unescaped and with no file's name; the error that we report
    for it says what matters.
    """
    try:
        ours = os.dup(2)
    except OSError:  # there is no standard error
        return
    encoding, errors = sys.stderr.encoding, sys.stderr.errors
    sys.stderr = open(ours, "w", buffering=1, encoding=encoding, errors=errors)  # noqa: SIM115  # open until we end
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def drop_stdout() -> None:
    """Send what is left for standard output to nowhere: Python would complain of it once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn errors on purpose into a message and an exit code; others are bugs and keep their traceback."""
    try:
        yield
    except FacecliError as error:
        sys.stderr.write(f"error: {visible(error.message)}\n")
        if error.hint:
            sys.stderr.write(f"  hint: {visible(error.hint)}\n")
        raise typer.Exit(error.exit_code) from error
    except ImportError as error:
        sys.stderr.write(f"error: a part of facecli cannot be loaded: {visible(str(error))}\n")
        sys.stderr.write("  hint: Install facecli again; for libGL or libgthread: apt install libgl1 libglib2.0-0\n")
        raise typer.Exit(MachineError.exit_code) from error
    except KeyboardInterrupt as error:
        say("interrupted")
        raise typer.Exit(INTERRUPTED) from error
    except BrokenPipeError as error:
        drop_stdout()  # whoever read our output has enough
        raise typer.Exit(BROKEN_PIPE) from error
