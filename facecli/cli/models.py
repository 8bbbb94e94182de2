"""``facecli models``: the networks' weights."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from facecli.cli.help import CommandGroup
from facecli.cli.messages import say
from facecli.cli.options import Call, command

if TYPE_CHECKING:
    from facecli.runtime.fusion import Fusion
    from facecli.runtime.manifest import Manifest

UNALTERED: Final = "unaltered"

app = CommandGroup(help="List, fetch, import and verify the networks' weights.")

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Models, by name.", show_default=False)]


@app.command("list")
@command()
def list_models(call: Call) -> int:
    """List the models that ship, that were pulled or imported, and that can be pulled."""
    from facecli.cli.output import write_rows
    from facecli.runtime.fusion import all_fusions
    from facecli.runtime.manifest import shipped_models
    from facecli.runtime.weights import cached_models, catalogue

    cache_dir = call.settings.cache_dir / "models"
    cached = cached_models(cache_dir)
    fusions = all_fusions(cache_dir)
    rows = [_row(manifest, "ships with facecli") for manifest in shipped_models().values()]
    rows += [_fusion_row(fusion, "ships with facecli") for fusion in fusions if fusion.ships]
    for name, entry in catalogue().items():
        where = "on this machine" if name in cached else "can be pulled"
        rows.append({**_row(cached.get(name, entry.manifest), where), "bytes": entry.size_bytes, "note": entry.notes})
    rows += [_row(manifest, "imported") for name, manifest in cached.items() if name not in catalogue()]
    rows += [_fusion_row(fusion, "on this machine") for fusion in fusions if not fusion.ships]
    write_rows(call, rows, ("name", "kind", "where", "dimension", "licence"))
    return 0


def _row(manifest: Manifest, where: str) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "kind": manifest.kind,
        "where": where,
        "dimension": manifest.dimension,
        "licence": manifest.licence,
        "architecture": manifest.architecture,
        "sha256": manifest.sha256,
        "bytes": manifest.path.stat().st_size if manifest.path.is_file() else None,
        "note": "",
    }


def _fusion_row(fusion: Fusion, where: str) -> dict[str, Any]:
    return {
        "name": fusion.name,
        "kind": "embedder",
        "where": where,
        "dimension": fusion.dimension,
        "licence": fusion.licence,
        "architecture": fusion.architecture,
        "sha256": "",
        "bytes": None,
        "note": f"no weights of its own: those of {fusion.part_names}",
    }


@app.command()
@command()
def pull(call: Call, names: Names) -> int:
    """Fetch models of the catalogue, verified against their SHA-256. The only command that uses the network."""
    from facecli.errors import ConfigError
    from facecli.runtime.fetch import pull as fetch
    from facecli.runtime.fusion import find_fusion
    from facecli.runtime.manifest import shipped_models
    from facecli.runtime.weights import catalogue, find

    for name in names:
        entry = catalogue().get(name)
        if entry is None:
            if name in shipped_models():
                say(f"{name} ships with facecli; there is nothing to fetch")
                continue
            fusion = find_fusion(name, cache_dir=call.settings.cache_dir / "models")
            if fusion is not None:
                say(f"{name} is made of {fusion.part_names}; there is nothing else to fetch")
                continue
            find(name, cache_dir=call.settings.cache_dir / "models")  # raises for a misspelt name, with a suggestion
            raise ConfigError(f"{name} was imported and is in no catalogue", hint="See: facecli models list")
        if not call.quiet:
            say(f"{name}: {entry.manifest.licence}. {entry.notes}")
        with _download_bar(call, name) as progress:
            pulled = fetch(entry, call.settings.cache_dir / "models", offline=call.settings.offline, progress=progress)
        if pulled.recorded:
            say(f"{name}: no SHA-256 was known beforehand; recorded {pulled.manifest.sha256}. Later pulls hold to it.")
        if not call.quiet:
            say(f"{name}: {'fetched' if pulled.downloaded else 'already here'}, verified, in {pulled.path}")
    return 0


@contextmanager
def _download_bar(call: Call, name: str) -> Iterator[Callable[[int, int | None], None] | None]:
    if not call.show_progress or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@app.command("import")
@command()
def import_file(
    call: Call,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An ONNX file, or a file of the catalogue.", show_default=False)
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call it; not needed for the catalogue's.")
    ] = None,
    like: Annotated[
        str, typer.Option("--like", metavar="MODEL", help="Embedder whose colours, scaling and template it shares.")
    ] = "arcface-r50",
) -> int:
    """Copy a weights file into the cache, and record what it is."""
    from facecli.runtime.imported import import_model

    imported = import_model(file, name=name, cache_dir=call.settings.cache_dir / "models", like=like)
    if not call.quiet:
        known = "a file of the catalogue, verified" if imported.from_catalogue else "not in the catalogue, recorded"
        say(f"{imported.manifest.name}: {known}, in {imported.manifest.path}")
    return 0


@app.command()
@command()
def verify(call: Call) -> int:
    """Check every weights file on this machine against its SHA-256. Exits with 4 if one is altered."""
    from facecli.cli.output import write_rows
    from facecli.errors import WeightsError
    from facecli.runtime.fusion import all_fusions
    from facecli.runtime.manifest import shipped_models
    from facecli.runtime.weights import cached_models
    from facecli.runtime.weights import verify as check

    cache_dir = call.settings.cache_dir / "models"
    models = [*shipped_models().values(), *cached_models(cache_dir).values()]
    answers: dict[str, str] = {}
    rows, failures = [], []
    for manifest in models:
        answer = UNALTERED
        try:
            check(manifest.path, manifest.sha256)
        except WeightsError as error:
            answer = error.message
            failures.append(error)
        answers.setdefault(manifest.name, answer)  # what ships hides what was imported under its name
        rows.append({"name": manifest.name, "answer": answer, "sha256": manifest.sha256, "path": str(manifest.path)})
    for fusion in all_fusions(cache_dir):
        parts = [answers.get(part.manifest.name, f"no weights of {part.manifest.name} here") for part in fusion.parts]
        wrong = [answer for answer in parts if answer != UNALTERED]
        paths = " and ".join(str(part.manifest.path) for part in fusion.parts)
        rows.append({"name": fusion.name, "answer": "; ".join(wrong) or UNALTERED, "sha256": "", "path": paths})
    write_rows(call, rows, ("name", "answer", "path"))
    return failures[0].exit_code if failures else 0
