"""What a model is: the facts beside its weights, in ``manifest.toml``."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from facecli.errors import WeightsError
from facecli.runtime.network import Preprocessing
from facecli.runtime.toml_table import TomlTable, is_count, is_number
from facecli.types import LANDMARK_COUNT, FloatArray

ModelKind: TypeAlias = Literal["embedder", "detector"]

MANIFEST_FILE: Final = "manifest.toml"
FUSION_FILE: Final = "fusion.toml"  # what a folder of models holds instead where others are the parts
ID_HASH_DIGITS: Final = 12  # 48 bits: two files of one name do not meet by chance

NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What a model may be called: it names a folder, and it stands in every template."""

_PACKAGE: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Original:
    """The file that the weights were made from, so that anyone can make them again."""

    file: str
    sha256: str
    source: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts that a model cannot be run without.

    Attributes
    ----------
    name : str
        Name of the model and of its folder.
    kind : {"embedder", "detector"}
    architecture, licence : str
        For people.
    file : str
        Name of the weights file inside `folder`.
    sha256 : str
        SHA-256 of that file, 64 hex digits; empty only in a catalogue that does not know it yet.
    folder : Path
        Where the weights lie.
    output_names : tuple of str
        Outputs of the network, in the order that the stage takes them; if empty, all, in the file's order.
    size_hw : tuple of int, optional
        Input height and width in pixels; None for detectors.
    stride : int, optional
        Both sides of a detector's input are multiples of it, in pixels; None for embedders.
    preprocessing : Preprocessing
    template_xy : tuple of (float, float)
        Five landmarks (see `LANDMARK_COUNT`) in pixels of the aligned crop; empty for detectors.
    dimension : int, optional
        Length of the embedding; None for detectors.
    centre : tuple of float
        What is subtracted from every unit vector before it is scaled to unit length again; `dimension` numbers,
        or none. See `facecli.embed.cnn`.
    original : Original, optional
        What the weights were made from, where that is another file.
    """

    name: str
    kind: ModelKind
    architecture: str
    file: str
    sha256: str
    licence: str
    folder: Path
    output_names: tuple[str, ...]
    size_hw: tuple[int, int] | None = None
    stride: int | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    template_xy: tuple[tuple[float, float], ...] = ()
    dimension: int | None = None
    centre: tuple[float, ...] = ()
    original: Original | None = None

    @property
    def model_id(self) -> str:
        """Name, and hash of weights and centre: embeddings may be compared only where this is the same."""
        if not self.sha256:
            raise WeightsError(
                f"the SHA-256 of the weights of {self.name!r} is not known yet",
                hint=f"Run: facecli models pull {self.name}",
            )
        digest = self.sha256
        if self.centre:
            digest = hashlib.sha256(digest.encode() + np.array(self.centre, "<f4").tobytes()).hexdigest()
        return f"{self.name}@{digest[:ID_HASH_DIGITS]}"

    @property
    def path(self) -> Path:
        """The weights file."""
        return self.folder / self.file

    @property
    def template(self) -> FloatArray:
        """`template_xy` as an array of shape (5, 2), float32, pixels of the crop; (0, 2) for detectors."""
        return np.array(self.template_xy, np.float32).reshape(-1, 2)


def models_dir() -> Path:
    """Find the models that ship: inside the package where it was installed, beside it in a checkout.

    Raises
    ------
    WeightsError
        If there are none.
    """
    for folder in (_PACKAGE / "models", _PACKAGE.parent / "models"):
        if folder.is_dir():
            return folder
    raise WeightsError("the models that ship with facecli are missing", hint="Install facecli again")


def shipped_models() -> dict[str, Manifest]:
    """Read the manifests of all models that ship, by name."""
    return models_in(models_dir())


def models_in(folder: Path) -> dict[str, Manifest]:
    """Read the manifests of all models in a folder of models, by name.

    Raises
    ------
    WeightsError
        If a manifest is damaged.
    """
    manifests = (read_manifest(path) for path in sorted(folder.glob(f"*/{MANIFEST_FILE}")))
    return {manifest.name: manifest for manifest in manifests}


def read_manifest(path: Path) -> Manifest:
    """Read one model's ``manifest.toml``.

    Raises
    ------
    WeightsError
        If it is missing or damaged, or a key is unknown, missing or out of range; the message names file and key.
    """
    table = TomlTable.read(path)
    name = table.matching("name", NAME_PATTERN, "a word in lower-case letters, digits and .-_")
    if name != path.parent.name:
        raise table.wrong("name", f"that of its folder, {path.parent.name!r}")
    return parse_manifest(table, name, path.parent)


def parse_manifest(table: TomlTable, name: str, folder: Path, *, hash_may_be_unknown: bool = False) -> Manifest:
    """Turn all that is left of a table into a manifest.

    Raises
    ------
    WeightsError
        If a key is unknown, missing or out of range; the message names file and key.
    """
    kind = table.matching("kind", re.compile("embedder|detector"), '"embedder" or "detector"')
    is_embedder = kind == "embedder"
    inputs, outputs = table.table("input"), table.table("output")
    size = inputs.items("size", is_count, "[height, width] in pixels", count=2) if is_embedder else None
    points = "five [x, y] pairs"
    template = inputs.items("template", _is_point, points, count=LANDMARK_COUNT) if is_embedder else []
    dimension = outputs.count("dimension") if is_embedder else None
    manifest = Manifest(
        name=name,
        kind="embedder" if is_embedder else "detector",
        architecture=table.text("architecture"),
        file=table.file_name("file"),
        sha256=table.sha256("sha256", may_be_unknown=hash_may_be_unknown),
        licence=table.text("licence"),
        folder=folder,
        output_names=tuple(outputs.items("names", _is_name, "a list of names")),
        size_hw=(size[0], size[1]) if size else None,
        stride=None if is_embedder else inputs.count("stride"),
        preprocessing=Preprocessing(
            mean=_channels(inputs, "mean", 0.0),
            scale=_channels(inputs, "scale", 1.0, zero_allowed=False),
            bgr=inputs.truth("bgr", default=False),
            inside=inputs.truth("inside", default=False),
        ),
        template_xy=tuple((float(x), float(y)) for x, y in template),
        dimension=dimension,
        centre=_centre(outputs, dimension) if dimension and "centre" in outputs else (),
        original=_original(table) if "original" in table else None,
    )
    for part in (inputs, outputs, table):
        part.close()
    return manifest


def _original(table: TomlTable) -> Original:
    part = table.table("original")
    original = Original(part.text("file"), part.sha256("sha256"), part.text("source"))
    part.close()
    return original


def _centre(table: TomlTable, dimension: int) -> tuple[float, ...]:
    # The vectors that it is subtracted from are 1 long, so a mean of them has no larger part.
    expected = f"{dimension} numbers from -1 to 1, one for each of dimension"
    return tuple(
        float(x) for x in table.items("centre", lambda x: is_number(x) and -1 <= x <= 1, expected, count=dimension)
    )


def _channels(table: TomlTable, key: str, default: float, *, zero_allowed: bool = True) -> tuple[float, float, float]:
    if key not in table:
        return default, default, default
    expected = "three numbers" if zero_allowed else "three numbers other than 0"
    red, green, blue = table.items(key, lambda x: is_number(x) and (zero_allowed or x != 0), expected, count=3)
    return float(red), float(green), float(blue)


def _is_point(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def format_manifest(manifest: Manifest) -> str:
    """Write a manifest as TOML; `read_manifest` gives the same manifest back."""
    lines = [f"{key} = {quoted(getattr(manifest, key))}" for key in ("name", "kind", "architecture", "file")]
    lines += [f"{key} = {quoted(getattr(manifest, key))}" for key in ("sha256", "licence")]
    if manifest.original:
        lines += ["", "[original]"]
        lines += [f"{key} = {quoted(getattr(manifest.original, key))}" for key in ("file", "sha256", "source")]
    lines += ["", "[input]"]
    if manifest.size_hw:
        lines.append(f"size = {list(manifest.size_hw)}")
    if manifest.stride:
        lines.append(f"stride = {manifest.stride}")
    lines.append(f"mean = {list(manifest.preprocessing.mean)}")
    lines.append(f"scale = {list(manifest.preprocessing.scale)}")
    lines.append(f"bgr = {str(manifest.preprocessing.bgr).lower()}")
    lines.append(f"inside = {str(manifest.preprocessing.inside).lower()}")
    if manifest.template_xy:
        lines.append(f"template = {[list(point) for point in manifest.template_xy]}")
    lines += ["", "[output]", f"names = [{', '.join(_quoted_all(manifest.output_names))}]"]
    if manifest.dimension:
        lines.append(f"dimension = {manifest.dimension}")
    if manifest.centre:
        lines.append(f"centre = {list(manifest.centre)}")
    return "\n".join(lines) + "\n"


def _quoted_all(texts: Iterable[str]) -> list[str]:
    return [quoted(text) for text in texts]


def quoted(text: str) -> str:
    """Write a text as TOML does."""
    # A JSON text is a TOML basic string, except that TOML also escapes DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
