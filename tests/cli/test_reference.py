from __future__ import annotations

from pathlib import Path

import pytest
import typer

from facecli.cli.main import app
from facecli.cli.reference import END, START, command_reference, with_reference

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_holds_the_reference_of_these_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert with_reference(text) == text, "README.md is out of date: run make docs"


def every_command():
    waiting = [("facecli", typer.main.get_command(app))]
    while waiting:
        path, command = waiting.pop(0)
        yield path, command
        waiting += [(f"{path} {name}", child) for name, child in getattr(command, "commands", {}).items()]


@pytest.mark.parametrize(
    ("path", "command"), list(every_command()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_and_option_says_what_it_does(path: str, command: object) -> None:
    assert command.help
    assert [parameter.name for parameter in command.params if not parameter.help] == []
    assert f"`{path}`" in command_reference() or hasattr(command, "commands")


def test_every_option_of_every_command_is_in_the_reference() -> None:
    reference = command_reference()

    options = {name for _, command in every_command() for each in command.params for name in each.opts}
    written = {name for name in options if name in reference and name.startswith("-")}
    assert {name for name in options if name.startswith("-")} - written == {
        "--version",
        "--install-completion",
        "--show-completion",
    }


def test_global_options_stand_once() -> None:
    assert command_reference().count("`--gallery, -g FILE`") == 1


def test_only_what_is_between_the_markers_changes() -> None:
    text = with_reference(f"before\n{START} old {END}\nafter {END}\n")

    assert text == f"before\n{START}\n\n{command_reference()}\n{END}\nafter {END}\n"
    assert with_reference(text) == text
    with pytest.raises(ValueError, match="markers"):
        with_reference(f"{END} {START}")
