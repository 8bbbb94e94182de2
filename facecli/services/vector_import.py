"""Which model the vectors of a file come from, and tables of vectors as an archive would hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, TypeAlias

from facecli.archive.format import MAX_SOURCE_BYTES, ArchivedPerson, ArchivedTemplate
from facecli.archive.tables import VectorTable, bad_table
from facecli.errors import ConfigError, InputError, ModelMismatchError, UsageError, WeightsError
from facecli.gallery.names import normalise_name
from facecli.runtime.fusion import Fusion
from facecli.runtime.manifest import NAME_PATTERN, Manifest
from facecli.services.gallery_import import Content
from facecli.types import FloatArray

Model: TypeAlias = Manifest | Fusion
Resolve: TypeAlias = Callable[[str], Model]
"""Gives the embedder of a name, as ``--embedder`` takes it; `ConfigError` or `WeightsError` if it is not here."""

# Where in its photo the face was is not known: one pixel, the same for all.
_NO_BOX: Final = (0.0, 0.0, 1.0, 1.0)


def known_model(model_id: str, resolve: Resolve) -> Model | None:
    """Return the embedder of exactly this id; None if this machine has none."""
    name = model_id.partition("@")[0]
    if not NAME_PATTERN.fullmatch(name):  # from a file of anybody's: no path, and no onnx:FILE
        return None
    try:
        model = resolve(name)
    except (ConfigError, WeightsError):
        return None
    return model if model.model_id == model_id else None


def unknown_models(content: Content, resolve: Resolve) -> list[str]:
    """Return the models of a file that this machine has no embedder for.

    Raises
    ------
    ModelMismatchError
        If a known model's vectors are of another length in the file.
    """
    unknown = []
    for model_id, dimension in content.models.items():
        model = known_model(model_id, resolve)
        if model is None:
            unknown.append(model_id)
        else:
            _refuse_length(content.path, dimension, model)
    return unknown


def model_of_table(table: VectorTable, asked: str | None, resolve: Resolve) -> Model:
    """Return the embedder that a table's vectors are of, by what the user or the table says.

    Parameters
    ----------
    table : VectorTable
    asked : str, optional
        What the user says: a name or a model_id.
    resolve : callable

    Raises
    ------
    UsageError
        If neither says.
    ConfigError, WeightsError
        If there is no embedder of that name here.
    ModelMismatchError
        If both say, and not the same; the id is of other weights than those here; or its vectors have another length.
    """
    said = [each for each in (asked, table.model) if each]
    if not said:
        raise UsageError(
            f"which model do the vectors of {table.path} come from?",
            hint="Say so with --model NAME; see: facecli models list",
        )
    found = [(each, _model(each, table.path, resolve)) for each in said]
    (first, model), (last, other) = found[0], found[-1]
    if model.model_id != other.model_id:
        raise ModelMismatchError(
            f"{table.path} says that its vectors come from {last}, and the call says {first}",
            hint="Leave --model out.",
        )
    _refuse_length(table.path, table.vectors.shape[1], model)
    return model


def _model(text: str, path: str, resolve: Resolve) -> Model:
    if "@" not in text:
        return resolve(text)
    name = text.partition("@")[0]
    model = known_model(text, resolve)
    if model is None:
        here = resolve(name).model_id if NAME_PATTERN.fullmatch(name) else "no such model"
        raise ModelMismatchError(
            f"the vectors of {path} come from {text}, and here is {here}",
            hint="Only vectors of the same weights can be compared.",
        )
    return model


def _refuse_length(path: str, dimension: int, model: Model) -> None:
    if model.dimension is not None and model.dimension != dimension:
        raise ModelMismatchError(
            f"{path} holds vectors of {dimension:,} numbers, and {model.model_id} gives {model.dimension:,}",
            hint="They come from another model: name that one.",
        )


def table_content(table: VectorTable, model: Model, *, is_raw: bool) -> Content:
    """Turn a table into what an archive would hold.

    A vector stands for its photo, of which nothing is known: the same vector again adds nothing.

    Parameters
    ----------
    table : VectorTable
    model : Manifest or Fusion
    is_raw : bool
        Whether the vectors are as the network gives them; see `VectorTable.units`.

    Raises
    ------
    InputError
        If a name, source or vector cannot be used.
    UsageError
        If they are raw and the model is a fusion: no network gives its vectors.
    """
    if is_raw and isinstance(model, Fusion):
        raise UsageError(f"no network gives vectors of {model.name} as they are", hint="Leave --raw out.")
    vectors = table.units(is_raw=is_raw, centre=() if isinstance(model, Fusion) else model.centre)
    names = [_name(table.path, row, name) for row, name in enumerate(table.names, start=1)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names), start=1)}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Content(
        path=table.path,
        models={model.model_id: vectors.shape[1]},
        people=[ArchivedPerson(name, now) for name in numbers],
        templates=_templates(table, vectors, [numbers[name] for name in names], model.model_id, now),
    )


def _templates(
    table: VectorTable, vectors: FloatArray, people: list[int], model_id: str, now: str
) -> Iterator[tuple[str, ArchivedTemplate]]:
    rows = zip(vectors, people, table.qualities, table.sources, strict=True)
    for row, (vector, person, quality, source) in enumerate(rows, start=1):
        yield (
            model_id,
            ArchivedTemplate(
                vector=vector,
                person=person,
                quality=quality,
                source=_octets(table.path, row, source),
                content_hash=hashlib.sha256(vector.astype("<f4").tobytes()).hexdigest(),
                box=_NO_BOX,
                created_at=now,
            ),
        )


def _name(path: str, row: int, name: str) -> str:
    try:
        return normalise_name(name)
    except InputError as error:
        raise bad_table(path, f"the name of vector {row:,} cannot be one: {error.message}") from error


def _octets(path: str, row: int, source: str) -> bytes:
    try:
        octets = source.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise bad_table(path, f"the source of vector {row:,} is no text") from error
    if len(octets) > MAX_SOURCE_BYTES:
        raise bad_table(path, f"the source of vector {row:,} has {len(octets):,} bytes")
    return octets
