"""The command reference of the README, made from the commands themselves."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from facecli.cli.main import app
from facecli.cli.options import GLOBAL

START: Final = "<!-- commands -->"
END: Final = "<!-- /commands -->"


def command_reference() -> str:
    """Return every command with its arguments and options as Markdown; the options of all commands stand once."""
    root = typer.main.get_command(app)
    shared = [each for each in root.params if getattr(each, "rich_help_panel", None) == GLOBAL]
    names = {each.name for each in shared}
    sections = [
        f"### {GLOBAL}\n\nBefore or after the command's name. Most can be set for good: see "
        "`facecli config show`.\n\n" + _lines(shared)
    ]
    for path, command in _leaves(root, ("facecli",)):
        own = [each for each in command.params if each.name not in names]
        usage = " ".join([*path, *(_metavar(each) for each in own if each.param_type_name == "argument")])
        parts = [f"### `{' '.join(path)}`", f"```\n{usage}\n```", inspect.cleandoc(command.help or "")]
        if own:
            parts.append(_lines(own))
        sections.append("\n\n".join(parts))
    return "\n\n".join(sections) + "\n"


def with_reference(text: str) -> str:
    """Return a document with the reference between its markers.

    Raises
    ------
    ValueError
        If a marker is missing.
    """
    before, found_start, rest = text.partition(START)
    _, found_end, after = rest.partition(END)
    if not (found_start and found_end):
        raise ValueError(f"the markers {START} and {END} are missing")
    return f"{before}{START}\n\n{command_reference()}\n{END}{after}"


# typer brings its own copy of click, or uses the one installed, by version; so the classes have no one name.
def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk the tree of commands in the order of ``--help``."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from _leaves(child, (*path, name))


def _lines(parameters: list[Any]) -> str:
    return "\n".join(f"- `{_spelling(each)}`{_default(each)}: {each.help}" for each in parameters)


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _metavar(parameter)
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    takes_value = not (parameter.is_flag or parameter.count)
    return f"{names} {_metavar(parameter)}" if takes_value else names


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _default(parameter: Any) -> str:
    default = parameter.default
    if parameter.param_type_name == "argument" or not parameter.show_default:
        return ""
    if isinstance(default, bool):
        return f" (default `{parameter.opts[0]}`)" if default else ""
    return f" (default `{default}`)" if isinstance(default, str | int | float) else ""


def main() -> None:
    """Rewrite the reference in the files named: ``python -m facecli.cli.reference README.md``."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(with_reference(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
