"""People whose photos score as those of real ones do with the default model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from facecli.gallery.records import NewTemplate
from facecli.types import Embedding

DIMENSION = 128
BOX = np.array([10, 20, 110, 140], np.float32)

Enrol = Callable[..., int]


def photo(person: str, number: int = 0, spread: float = 0.7) -> np.ndarray:
    """A photo of somebody: two of them score about 1 / (1 + spread**2), 0.67, as the default model's do."""
    centre = np.random.default_rng([*person.encode(), 0]).standard_normal(DIMENSION)
    noise = np.random.default_rng([*person.encode(), 1, number]).standard_normal(DIMENSION)
    vector = centre + spread * noise
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def made_template(
    model_id: str,
    shows: str,
    number: int = 0,
    *,
    quality: float = 0.9,
    source: str | Path | None = None,
    vector: np.ndarray | None = None,
    content_hash: str | None = None,
) -> NewTemplate:
    """A template of a photo of somebody; what is not given follows from whom it shows."""
    source = str(source or f"{shows} {number}.jpg")
    vector = photo(shows, number) if vector is None else vector
    return NewTemplate(Embedding(vector, model_id), quality, source, content_hash or f"hash of {source}", BOX)
