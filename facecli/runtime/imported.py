"""Weights that a user brings: copied into the cache and recorded."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facecli.errors import ConfigError, UsageError, WeightsError
from facecli.runtime.manifest import NAME_PATTERN, Manifest, Original, models_dir
from facecli.runtime.weights import catalogue, find, write_manifest

if TYPE_CHECKING:
    import onnx

DEFAULT_LIKE: Final = "arcface-r50"
"""The commonest convention of face embedders in ONNX: RGB, (x - 127.5) / 127.5, the ArcFace template."""

_CHUNK_BYTES: Final = 1 << 20
# What torch.save writes: a zip file since torch 1.6, a pickle of protocol 2 before. Neither is opened here.
_STATE_DICT_STARTS: Final = (b"PK\x03\x04", b"\x80\x02")


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model that a user brought.

    Attributes
    ----------
    manifest : Manifest
    from_catalogue : bool
        The file is one of the catalogue's, by its SHA-256, and was stored under the catalogue's name.
    """

    manifest: Manifest
    from_catalogue: bool


def import_model(file: Path, *, name: str | None, cache_dir: Path, like: str = DEFAULT_LIKE) -> ImportedModel:
    """Copy a weights file into the cache, and record what it is.

    Parameters
    ----------
    file : Path
        One of the catalogue's files, by content; or an embedder in ONNX; or the state dict of a catalogue
        model whose SHA-256 nobody knows beforehand. It is not unpickled.
    name : str, optional
        What to call it; may be left out for a file of the catalogue.
    cache_dir : Path
        Folder of pulled and imported models; made if absent.
    like : str
        Embedder whose colours, scaling and template an unknown ONNX file shares. Its size, outputs and
        dimension are read from the file.

    Raises
    ------
    UsageError
        If a name is needed and not given.
    ConfigError
        If the name is taken by a model that ships or is no name.
    WeightsError
        If the file cannot be read or stored, or is not what it is said to be.
    """
    part: Path | None = None
    try:
        cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        part, sha256 = _copied(file, cache_dir)
        manifest, from_catalogue = _manifest(file, part, sha256, name, cache_dir, like)
        manifest.folder.mkdir(mode=0o700, exist_ok=True)
        part.replace(manifest.path)
        write_manifest(manifest)
    except OSError as error:
        raise WeightsError(f"{file} cannot be imported: {error.strerror or error}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return ImportedModel(manifest, from_catalogue)


def _copied(file: Path, cache_dir: Path) -> tuple[Path, str]:
    """Copy a file to a temporary one of mode 0600 and return that with the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with file.open("rb") as source:
        descriptor, name = tempfile.mkstemp(dir=cache_dir, prefix=".import-", suffix=file.suffix.lower())
        try:
            with open(descriptor, "wb") as target:
                while chunk := source.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    target.write(chunk)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    return Path(name), digest.hexdigest()


def _manifest(
    file: Path, part: Path, sha256: str, name: str | None, cache_dir: Path, like: str
) -> tuple[Manifest, bool]:
    for entry in catalogue().values():
        if entry.manifest.sha256 == sha256:
            return _recorded(entry.manifest, sha256, file, cache_dir), True
    if name is None:
        raise UsageError(f"{file} is no file of the catalogue and needs a name", hint="Add: --name NAME")
    if not NAME_PATTERN.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a model", hint="Use lower-case letters, digits and .-_.")
    if (models_dir() / name).exists():
        raise ConfigError(f"{name!r} is the name of a model that ships with facecli", hint="Choose another name.")
    listed = catalogue().get(name)
    if listed is not None and listed.manifest.sha256:
        raise WeightsError(
            f"{file} is not the file that the catalogue knows as {name!r}: its SHA-256 begins with "
            f"{sha256[:12]}, expected {listed.manifest.sha256[:12]}",
            hint="Choose another name, or get the right file.",
            code="weights_altered",
        )
    if listed is not None:
        _refuse_no_state_dict(file, part)
        return _recorded(listed.manifest, sha256, file, cache_dir), True
    if part.suffix != ".onnx":
        raise WeightsError(f"{file} is of no form that can be imported", hint="Import an ONNX file (.onnx).")
    return _onnx_manifest(file, part, sha256, name, cache_dir, like), False


def _recorded(listed: Manifest, sha256: str, file: Path, cache_dir: Path) -> Manifest:
    original = Original(file.name, sha256, f"imported from {os.path.abspath(file)}")  # noqa: PTH100 (resolves no links)
    return replace(listed, sha256=sha256, folder=cache_dir / listed.name, original=original)


def _refuse_no_state_dict(file: Path, part: Path) -> None:
    with part.open("rb") as opened:
        if not opened.read(4).startswith(_STATE_DICT_STARTS):
            raise WeightsError(f"{file} is no PyTorch state dict", hint="Get the .pt file that the catalogue names.")


def _onnx_manifest(file: Path, part: Path, sha256: str, name: str, cache_dir: Path, like: str) -> Manifest:
    model = find(like, cache_dir=cache_dir) or catalogue()[like].manifest
    if model.kind != "embedder":
        raise ConfigError(f"{like!r} is a detector: only embedders can be imported", hint="Name an embedder.")
    if model.preprocessing.inside:
        raise ConfigError(
            f"{like!r} scales its pictures inside its own graph: that tells nothing about {file}",
            hint=f"Add: --like MODEL, an embedder of the catalogue such as {DEFAULT_LIKE}",
        )
    size_hw, output, dimension = embedder_facts(file, part)
    if size_hw != model.size_hw:
        expected = "x".join(map(str, model.size_hw or ()))
        raise WeightsError(
            f"{file} takes crops of {size_hw[0]}x{size_hw[1]} pixels, {like!r} of {expected}",
            hint="Add: --like MODEL, an embedder that takes the same",
        )
    described = replace(
        model,
        name=name,
        architecture=f"imported ONNX file, run like {like}",
        file=f"{name}.onnx",
        licence="unknown",
        output_names=(output,),
        dimension=dimension,
        centre=(),
    )
    return _recorded(described, sha256, file, cache_dir)


def embedder_facts(file: Path, part: Path) -> tuple[tuple[int, int], str, int]:
    """Read height and width of the input, name of the output and its length."""
    import onnx

    try:
        model = onnx.load(str(part), load_external_data=False)
    # By its name: protobuf has no type hints of its own.
    except import_module("google.protobuf.message").DecodeError as error:
        raise WeightsError(f"{file} is not a valid ONNX file", hint="Import the file as it was published.") from error
    graph = model.graph
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
        raise WeightsError(f"{file} keeps its weights in other files", hint="Save it as one file and import that.")
    given = {tensor.name for tensor in graph.initializer}
    inputs = [_sides(value) for value in graph.input if value.name not in given]
    outputs = [_sides(value) for value in graph.output]
    if len(inputs) != 1 or len(inputs[0]) != 4 or inputs[0][1] != 3 or not all(inputs[0][2:]):
        raise WeightsError(f"{file} does not take pictures of shape (N, 3, H, W)", hint="Import a face embedder.")
    if len(outputs) != 1 or len(outputs[0]) != 2 or not outputs[0][1]:
        raise WeightsError(f"{file} does not give one vector of shape (N, D)", hint="Import a face embedder.")
    return (inputs[0][2], inputs[0][3]), graph.output[0].name, outputs[0][1]


def _sides(value: onnx.ValueInfoProto) -> list[int]:
    """Shape of an input or output; 0 where it is left open."""
    return [side.dim_value for side in value.type.tensor_type.shape.dim]
