"""Embedders made of others, in ``fusion.toml``: no weights of their own, only how much each part's cosine counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from facecli.errors import ConfigError
from facecli.runtime.manifest import (
    FUSION_FILE,
    ID_HASH_DIGITS,
    MANIFEST_FILE,
    NAME_PATTERN,
    Manifest,
    models_dir,
)
from facecli.runtime.toml_table import TomlTable, is_number
from facecli.runtime.weights import catalogue, find

# Beyond this ratio a part has no say: scores are shown with three decimals.
MAX_WEIGHT: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Part:
    """An embedder of a fusion.

    Attributes
    ----------
    manifest : Manifest
        That of the catalogue where the weights are not on this machine.
    weight : float
        How much its cosine counts, above 0; only the ratio to those of the other parts matters.
    """

    manifest: Manifest
    weight: float


@dataclass(frozen=True, slots=True)
class Fusion:
    """Several embedders as one, which see the same crop.

    Attributes
    ----------
    name : str
        Name of the fusion and of its folder.
    architecture, licence : str
        For people.
    folder : Path
        Where ``fusion.toml`` lies.
    parts : tuple of Part
        Two or more, all different.

    Raises
    ------
    ConfigError
        If a part is no embedder, or the parts do not take the same crops.
    """

    name: str
    architecture: str
    licence: str
    folder: Path
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        first = self.parts[0].manifest
        for other in (part.manifest for part in self.parts):
            if other.kind != "embedder":
                raise ConfigError(
                    f"{other.name} in {self.folder / FUSION_FILE} finds faces, it does not embed them",
                    hint="See: facecli models list",
                )
            if (other.size_hw, other.template_xy) != (first.size_hw, first.template_xy):
                raise ConfigError(
                    f"{first.name} and {other.name} in {self.folder / FUSION_FILE} take different crops of a face",
                    hint="Name embedders of the same input size and template.",
                )

    @property
    def model_id(self) -> str:
        """Name, and hash of parts and weights: embeddings may be compared only where this is the same.

        Raises
        ------
        WeightsError
            If the SHA-256 of a part's weights is not known yet.
        """
        content = "\n".join(f"{part.manifest.model_id} {part.weight!r}" for part in self.parts)
        return f"{self.name}@{hashlib.sha256(content.encode()).hexdigest()[:ID_HASH_DIGITS]}"

    @property
    def part_names(self) -> str:
        """The parts by name, for people: "a and b", "a, b and c"."""
        *others, last = (part.manifest.name for part in self.parts)
        return f"{', '.join(others)} and {last}"

    @property
    def ships(self) -> bool:
        """Whether it came with facecli."""
        return self.folder.parent == models_dir()

    @property
    def dimension(self) -> int:
        """Length of the embedding: the parts' together."""
        return sum(part.manifest.dimension or 0 for part in self.parts)


def find_fusion(name: str, *, cache_dir: Path) -> Fusion | None:
    """Find a fusion that ships or that the user made; None if `name` is another model's, or nobody's.

    Raises
    ------
    WeightsError
        If its file is damaged.
    ConfigError
        If its parts are no models, or do not go together.
    """
    if NAME_PATTERN.fullmatch(name):
        for folder in (models_dir() / name, cache_dir / name):
            if (folder / MANIFEST_FILE).is_file():
                return None
            if (folder / FUSION_FILE).is_file():
                return read_fusion(folder / FUSION_FILE, cache_dir=cache_dir)
    return None


def all_fusions(cache_dir: Path) -> list[Fusion]:
    """Read every fusion: those that ship, then the user's own, each by name; see `find_fusion`."""
    folders = (models_dir(), cache_dir)
    names = [path.parent.name for folder in folders for path in sorted(folder.glob(f"*/{FUSION_FILE}"))]
    found = (find_fusion(name, cache_dir=cache_dir) for name in dict.fromkeys(names))
    return [fusion for fusion in found if fusion is not None]


def read_fusion(path: Path, *, cache_dir: Path) -> Fusion:
    """Read one ``fusion.toml``.

    Parameters
    ----------
    path : Path
    cache_dir : Path
        Folder of pulled and imported models, which may be parts as those that ship.

    Raises
    ------
    WeightsError
        If it is missing or damaged, or a key is unknown, missing or out of range; the message names file and key.
    ConfigError
        If its parts are no models, or do not go together.
    """
    table = TomlTable.read(path)
    name = table.matching("name", NAME_PATTERN, "a word in lower-case letters, digits and .-_")
    if name != path.parent.name:
        raise table.wrong("name", f"that of its folder, {path.parent.name!r}")
    architecture, licence = table.text("architecture"), table.text("licence")
    expected = f"two or more [name, weight] pairs, all names different, weights above 0 and up to {MAX_WEIGHT:g}"
    parts = table.items("parts", _is_part, expected)
    if len(parts) < 2 or len({part for part, _ in parts}) < len(parts):
        raise table.wrong("parts", expected)
    table.close()
    return Fusion(
        name=name,
        architecture=architecture,
        licence=licence,
        folder=path.parent,
        parts=tuple(
            Part(find(part, cache_dir=cache_dir) or catalogue()[part].manifest, float(weight)) for part, weight in parts
        ),
    )


def _is_part(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        return False
    return is_number(value[1]) and 0 < value[1] <= MAX_WEIGHT
