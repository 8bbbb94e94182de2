"""``facecli config``: what is set, and where."""

from __future__ import annotations

from dataclasses import fields

from facecli.cli.help import CommandGroup
from facecli.cli.messages import say
from facecli.cli.options import Call, command

app = CommandGroup(help="See what is set, and where.")


@app.callback()
def _group() -> None:
    """See what is set, and where."""


@app.command()
@command("fpir", "fmr", "threshold", "candidates", "mirror")
def show(call: Call) -> int:
    """Show every setting, its value and where that comes from.

    A flag wins over FACECLI_NAME in the environment, that over ./facecli.toml, that over the user's config.toml.
    """
    from facecli.cli.output import write_rows
    from facecli.settings import ENVIRONMENT_PREFIX, Settings, user_file

    filled = {"gallery": call.settings.gallery_path, "cache": call.settings.cache_dir}
    rows = [
        {
            "setting": each.name,
            "value": filled.get(each.name, getattr(call.settings, each.name)),
            "from": call.origins[each.name],
            "about": each.metadata["about"],
            "variable": ENVIRONMENT_PREFIX + each.name.upper(),
            "user_file": str(user_file()),
        }
        for each in fields(Settings)
    ]
    write_rows(call, rows, ("setting", "value", "from", "about"))
    if not call.quiet:
        say(f"the user's settings file: {user_file()}{'' if user_file().is_file() else ' (there is none)'}")
    return 0
