"""Help in plain text, grouped by panels: typer's own needs rich, whose import takes longer than all of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

Function = TypeVar("Function", bound=Callable[..., Any])

# Of the terminal's width, beyond which lines are hard to read.
_MAX_WIDTH = 120


def _write_panels(command: Any, context: Any, formatter: Any) -> None:
    """Write arguments and options under the title of their panel, in the order in which panels come."""
    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
        record = parameter.get_help_record(context)
        if record is not None:
            panels.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
    for title in sorted(panels, key=lambda name: (name != "Arguments", name != "Options")):
        with formatter.section(title):
            formatter.write_dl(panels[title])


class PanelCommand(TyperCommand):
    """A command whose help is grouped by panels."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        _write_panels(self, ctx, formatter)


class PanelGroup(TyperGroup):
    """A group of commands whose help is grouped by panels, the commands first."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write commands, arguments and options."""
        commands = [
            (name, self.commands[name].get_short_help_str(limit=_MAX_WIDTH)) for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(commands)
        _write_panels(self, ctx, formatter)


class CommandGroup(typer.Typer):
    """Commands with help of this kind; shows it where no command is named."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            cls=PanelGroup,
            no_args_is_help=True,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _MAX_WIDTH},
            **options,
        )

    def command(self, name: str | None = None, **options: Any) -> Callable[[Function], Function]:
        """Add a command; see `typer.Typer.command`."""
        return super().command(name, cls=PanelCommand, **options)
