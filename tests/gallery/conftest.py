"""Templates that are plain arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pytest

from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.types import Embedding

DIMENSION = 8


class MakeTemplate(Protocol):
    def __call__(
        self,
        number: int,
        *,
        model_id: str = "sface",
        dimension: int = DIMENSION,
        photo: str | None = None,
        box: tuple[float, float, float, float] = (10, 20, 110, 140),
    ) -> NewTemplate: ...


def make_template(number, *, model_id="sface", dimension=DIMENSION, photo=None, box=(10, 20, 110, 140)):
    """Return template `number`: a random unit vector that is the same in every process."""
    vector = np.random.default_rng(number).standard_normal(dimension).astype(np.float32)
    photo = photo or f"{number}.jpg"
    return NewTemplate(
        Embedding(vector / np.linalg.norm(vector), model_id), 0.75, photo, f"hash of {photo}", np.array(box, np.float32)
    )


@pytest.fixture(scope="session")
def template() -> MakeTemplate:
    return make_template


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    with Gallery.open(":memory:") as opened:
        yield opened
