"""The gallery's file, what lies beside it, and what its templates refer to: models and photos."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from facecli.errors import GalleryCorruptError
from facecli.gallery import index_care
from facecli.gallery.array_file import DamagedFileError
from facecli.gallery.records import GalleryInfo
from facecli.gallery.store import Gallery
from facecli.runtime.fusion import Fusion, all_fusions
from facecli.runtime.manifest import Manifest, models_dir, models_in
from facecli.runtime.weights import catalogue
from facecli.services.gallery_check.findings import Commands, Finding
from facecli.types import Template

STDIN: Final = "-"
"""Source of a photo that came through standard input: there is no file to look for."""

MOST_NAMED: Final = 5
"""Files named in one finding; all are in its sources."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model whose templates can be told to be its own.

    Attributes
    ----------
    name : str
    dimension : int or None
        Length of its vectors; None where nobody recorded it.
    is_here : bool
        Its weights are on this machine.
    """

    name: str
    dimension: int | None
    is_here: bool


def known_models(cache_dir: Path) -> dict[str, KnownModel]:
    """Return the embedders that ship, were pulled or imported, or can be pulled, by model_id.

    Parameters
    ----------
    cache_dir : Path
        Folder of pulled and imported models.

    Raises
    ------
    WeightsError, ConfigError
        If a manifest is damaged.
    """
    listed: list[Manifest | Fusion] = [entry.manifest for entry in catalogue().values()]
    listed += [*models_in(cache_dir).values(), *models_in(models_dir()).values(), *all_fusions(cache_dir)]
    return {
        model.model_id: KnownModel(model.name, model.dimension, _is_here(model))
        for model in listed
        if isinstance(model, Fusion) or (model.kind == "embedder" and model.sha256)
    }


def _is_here(model: Manifest | Fusion) -> bool:
    if isinstance(model, Fusion):
        return all(part.manifest.path.is_file() for part in model.parts)
    return model.path.is_file()


@dataclass(slots=True)
class FileCheck:
    """What a check of the file found.

    Attributes
    ----------
    info : GalleryInfo or None
        None where it cannot be read.
    findings : list of Finding
    is_sound : bool
        Whether the templates can be trusted, and so compared.
    """

    info: GalleryInfo | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether no problem was found."""
        return all(each.severity != "problem" for each in self.findings)


def check_file(
    gallery: Gallery,
    models: Mapping[str, KnownModel],
    *,
    deep: bool = False,
    commands: Commands | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> FileCheck:
    """Read all of a gallery, and what it refers to.

    Parameters
    ----------
    models : mapping of str to KnownModel
        See `known_models`.
    deep : bool
        Read every photo, to tell whether it is the one that was enrolled.
    progress : callable
        Told the photos looked at and how many there are.

    Raises
    ------
    GalleryLockedError
        If another process keeps the gallery.
    """
    commands = commands or Commands()
    check = FileCheck()
    try:
        check.info = info = gallery.info(check=True)
        check.findings += [_problem(each, commands) for each in info.problems or ()]
        templates = []
        for model_id in info.templates:
            # Reading makes sure that a vector is finite and of unit length.
            found = gallery.templates(model_id=model_id) + gallery.templates(model_id=model_id, is_negative=True)
            check.findings += _model_findings(model_id, found, models, commands)
            templates += found
    except GalleryCorruptError as error:
        if not check.findings:  # else it says in other words what was found already
            check.findings.append(_problem(error.message, commands))
        return check
    check.findings += _index_findings(gallery, info.templates, commands)
    check.findings += _source_findings(templates, deep, commands, progress)
    return check


def _problem(what: str, commands: Commands) -> Finding:
    return Finding("damaged", "problem", what, fix=commands.line("gallery", "backups"))


def _model_findings(
    model_id: str, templates: Iterable[Template], models: Mapping[str, KnownModel], commands: Commands
) -> list[Finding]:
    name = model_id.partition("@")[0]
    model = models.get(model_id)
    if model is None:
        again = any(each.name == name for each in models.values())
        what = f"the templates of {model_id} come from "
        what += f"another version of {name}" if again else "a model that this machine does not know"
        return [Finding("model_unknown", "advice", f"{what}: no new photo can be compared with them")]
    found = []
    lengths = {len(each.embedding.vector) for each in templates}
    if model.dimension is not None and lengths != {model.dimension}:
        numbers = ", ".join(map(str, sorted(lengths)))
        what = f"vectors of {model_id} have {numbers} numbers, and its own have {model.dimension}"
        found.append(_problem(what, commands))
    if not model.is_here:
        fix = commands.line("models", "pull", arguments=[model.name])
        found.append(Finding("model_absent", "advice", f"the weights of {name} are not on this machine", fix=fix))
    return found


def _index_findings(gallery: Gallery, model_ids: Iterable[str], commands: Commands) -> list[Finding]:
    try:
        for model_id in model_ids:
            index_care.check(gallery, model_id)
    except DamagedFileError as error:
        fix = commands.line("gallery", "index", "--remove")
        return [Finding("index_damaged", "warning", f"{error.message}: searches make it again", fix=fix)]
    return []


def _source_findings(
    templates: Iterable[Template], deep: bool, commands: Commands, progress: Callable[[int, int], None]
) -> list[Finding]:
    hashes: dict[str, set[str]] = {}
    for each in templates:
        if each.source != STDIN:
            hashes.setdefault(each.source, set()).add(each.content_hash)
    missing, changed = [], []
    for number, (source, enrolled) in enumerate(hashes.items(), 1):
        path = Path(source)
        if not _exists(path):
            missing.append(source)
        elif deep and _sha256(path) not in enrolled:
            changed.append(source)
        progress(number, len(hashes))
    found = []
    if missing:
        relative = sum(not Path(each).is_absolute() for each in missing)
        what = f"{len(missing):,} of {len(hashes):,} photos are not where they were enrolled from"
        if relative:
            what += f" ({relative:,} by a relative path, looked for in this folder)"
        found.append(Finding("photos_missing", "advice", f"{what}: {_some(missing)}", sources=tuple(missing)))
    if changed:
        what = f"{len(changed):,} {'photo was' if len(changed) == 1 else 'photos were'} changed since: {_some(changed)}"
        found.append(Finding("photos_changed", "warning", what, sources=tuple(changed), fix=commands.enroll()))
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that is not ours to look into
        return False


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - MOST_NAMED:,} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(paths[:MOST_NAMED]) + more


def _sha256(path: Path) -> str | None:
    """Return what the photo's bytes hash to; None where they cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
