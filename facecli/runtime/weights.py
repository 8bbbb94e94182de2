"""Where weights lie on this machine, and whether they are the ones they should be."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from facecli.errors import ConfigError, WeightsError
from facecli.runtime.manifest import (
    FUSION_FILE,
    MANIFEST_FILE,
    NAME_PATTERN,
    Manifest,
    format_manifest,
    models_dir,
    models_in,
    parse_manifest,
    read_manifest,
)
from facecli.runtime.toml_table import TomlTable

CATALOGUE_FILE: Final = "catalogue.toml"
_SHOWN_HASH_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A model that can be fetched on request.

    Attributes
    ----------
    manifest : Manifest
        Its facts; `sha256` is empty where nobody recorded it yet, `folder` is that of the catalogue.
    url : str
    size_bytes : int, optional
        None where it is not known.
    runnable : bool
        False if facecli cannot run it yet.
    notes : str
        What to know before it is fetched.
    """

    manifest: Manifest
    url: str
    size_bytes: int | None
    runnable: bool
    notes: str

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.manifest.name


def default_cache_dir() -> Path:
    """Folder of pulled and imported models: ``$FACECLI_CACHE/models``, else in the user's own cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("FACECLI_CACHE")
    return (Path(chosen).expanduser() if chosen else user_cache_path("facecli")) / "models"


@cache
def catalogue() -> dict[str, CatalogueEntry]:
    """Read the catalogue of models that can be fetched, by name.

    Raises
    ------
    WeightsError
        If it is missing or damaged.
    """
    return read_catalogue(models_dir() / CATALOGUE_FILE)


def read_catalogue(path: Path) -> dict[str, CatalogueEntry]:
    """Read a catalogue file; see `catalogue`."""
    tables = TomlTable.read(path)
    entries = {}
    for name in tables:
        table = tables.table(name)
        if not NAME_PATTERN.fullmatch(name):
            raise tables.wrong(name, "a word in lower-case letters, digits and .-_")
        url = table.text("url")
        if not url.startswith("https://"):
            raise table.wrong("url", "an https address")
        size_bytes = table.count("size_bytes") if "size_bytes" in table else None
        runnable, notes = table.truth("runnable", default=True), table.text("notes")
        manifest = parse_manifest(table, name, path.parent, hash_may_be_unknown=True)
        entries[name] = CatalogueEntry(manifest, url, size_bytes, runnable, notes)
    return entries


def cached_models(cache_dir: Path) -> dict[str, Manifest]:
    """Read the manifests of all models that were pulled or imported, by name."""
    return models_in(cache_dir)


def find(name: str, *, cache_dir: Path) -> Manifest | None:
    """Find a model on this machine without checking its weights.

    Parameters
    ----------
    name : str
    cache_dir : Path
        Folder of pulled and imported models.

    Returns
    -------
    Manifest or None
        None if its weights are not on this machine.

    Raises
    ------
    ConfigError
        If no model has this name.
    WeightsError
        If its manifest is damaged.
    """
    if NAME_PATTERN.fullmatch(name):
        for folder in (models_dir() / name, cache_dir / name):
            if (folder / MANIFEST_FILE).is_file():
                manifest = read_manifest(folder / MANIFEST_FILE)
                return _with_catalogue_facts(manifest) if folder.parent == cache_dir else manifest
        if name in catalogue():
            return None
    import difflib  # 13 ms that only a misspelt name is worth

    folders = (models_dir(), cache_dir)
    fused = [path.parent.name for folder in folders for path in folder.glob(f"*/{FUSION_FILE}")]
    known = [*models_in(models_dir()), *models_in(cache_dir), *catalogue(), *fused]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else "Run: facecli models list"
    raise ConfigError(f"there is no model called {name!r}", hint=hint)


def _with_catalogue_facts(cached: Manifest) -> Manifest:
    # The cache only tells which file was fetched. How it is run, and which hash it must have, is the
    # catalogue's to say: it is newer, and whoever can write the cache must not choose the hash.
    entry = catalogue().get(cached.name)
    if entry is None:
        return cached
    return replace(entry.manifest, folder=cached.folder, sha256=entry.manifest.sha256 or cached.sha256)


def locate(name: str, *, cache_dir: Path, offline: bool = False) -> Manifest:
    """Find a model whose weights are on this machine, without checking them: see `resolve`, and `verify` before use."""
    manifest = find(name, cache_dir=cache_dir)
    ships = manifest is not None and manifest.folder.parent == models_dir()
    entry = None if ships else catalogue().get(name)
    if entry is not None and not entry.runnable:
        raise WeightsError(f"{name!r} can be pulled, but facecli cannot run it yet", hint="Run: facecli models list")
    if manifest is None or not manifest.path.is_file():
        raise WeightsError(f"weights of {name!r} are not on this machine", hint=_missing_hint(name, offline))
    return manifest


def resolve(name: str, *, cache_dir: Path, offline: bool = False) -> tuple[Path, Manifest]:
    """Find a model's weights and check that they are unaltered. Nothing is fetched.

    Every call reads and hashes the whole file. Measured: 0.7 ms a MB, 19 ms for the default detector and
    embedder, which is too little to keep a record of files already checked that could be wrong.

    Parameters
    ----------
    name : str
    cache_dir : Path
        Folder of pulled and imported models.
    offline : bool
        Changes only what is advised if the weights are missing.

    Returns
    -------
    path : Path
        The weights file.
    manifest : Manifest

    Raises
    ------
    ConfigError
        If no model has this name.
    WeightsError
        If the weights are missing or altered, or are of a kind that cannot be run yet.
    """
    manifest = locate(name, cache_dir=cache_dir, offline=offline)
    verify(manifest.path, manifest.sha256, hint=_missing_hint(name, offline))
    return manifest.path, manifest


def _missing_hint(name: str, offline: bool) -> str:
    if name not in catalogue():
        return "Import them again, or install facecli again if they came with it."
    if offline:
        return f"Without --offline run: facecli models pull {name}; or: facecli models import FILE --name {name}"
    return f"Run: facecli models pull {name}"


def verify(path: Path, sha256: str, *, hint: str = "") -> None:
    """Check that a file has the SHA-256 it should have.

    Raises
    ------
    WeightsError
        If it has another, or cannot be read.
    """
    found = file_sha256(path)
    if found != sha256:
        raise WeightsError(
            f"{path} is not the file it should be: its SHA-256 begins with {found[:_SHOWN_HASH_DIGITS]}, "
            f"expected {sha256[:_SHOWN_HASH_DIGITS]}",
            hint=hint or "Remove it and get it again.",
            code="weights_altered",
        )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex.

    Raises
    ------
    WeightsError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error


def write_manifest(manifest: Manifest) -> None:
    """Put a manifest beside its weights, whole or not at all.

    Raises
    ------
    WeightsError
        If it cannot be written.
    """
    path = manifest.folder / MANIFEST_FILE
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(format_manifest(manifest))
        partial.replace(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error.strerror}") from error
