"""``facecli gallery``: the file that holds the people."""

from __future__ import annotations

from facecli.cli.gallery import backup, check, crops, encryption, export, import_, index, info, reembed, restore
from facecli.cli.help import CommandGroup

app = CommandGroup(help="See what the gallery file holds, and take care of it.")


@app.callback()
def _group() -> None:
    """See what the gallery file holds, and take care of it."""


app.command("info")(info.info)
app.command("check")(check.check)
app.command("index")(index.index)
app.command("export")(export.export)
app.command("import")(import_.import_)
app.command("crops")(crops.crops)
app.command("reembed")(reembed.reembed)
app.command("backup")(backup.backup)
app.command("backups")(backup.list_backups)
app.command("restore")(restore.restore)
app.command("encrypt")(encryption.encrypt)
app.command("decrypt")(encryption.decrypt)
app.command("rekey")(encryption.rekey)
