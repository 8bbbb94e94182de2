"""People whose photos score as those of real ones do with the default model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pytest

from facecli.gallery.records import NewTemplate, TemplateMatrix
from facecli.gallery.store import Gallery
from facecli.runtime.manifest import shipped_models
from facecli.runtime.score_file import read_scores
from facecli.scores import ScoreDistribution
from facecli.types import Embedding

DIMENSION = 128
BOX = np.array([10, 20, 110, 140], np.float32)


@pytest.fixture(scope="session")
def model_id() -> str:
    return shipped_models()["sface"].model_id


@pytest.fixture(scope="session")
def scores(model_id: str) -> ScoreDistribution:
    found = read_scores(shipped_models()["sface"].folder, model_id)
    assert found is not None
    return found


def photo(person: str, number: int = 0, spread: float = 0.7) -> np.ndarray:
    """A photo of somebody: two of them score about 1 / (1 + spread**2), 0.67, as the default model's do."""
    centre = np.random.default_rng([*person.encode(), 0]).standard_normal(DIMENSION)
    noise = np.random.default_rng([*person.encode(), 1, number]).standard_normal(DIMENSION)
    vector = centre + spread * noise
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def matrix_of(people: Mapping[int, Iterable[np.ndarray]]) -> TemplateMatrix:
    vectors, owners = [], []
    for person_id in sorted(people):
        for vector in people[person_id]:
            vectors.append(vector)
            owners.append(person_id)
    ids = np.arange(1, len(owners) + 1)
    return TemplateMatrix("test", np.array(vectors, np.float32), ids, np.array(owners), dict.fromkeys(owners, ""), 1)


Enrol = Callable[..., int]


@pytest.fixture
def enrol(gallery: Gallery, model_id: str) -> Enrol:
    """Enrol a photo of `shows` as `name`; the template's id."""

    def enrol(name: str, shows: str, number: int = 0, *, quality: float = 0.9, **options: object) -> int:
        source = str(options.pop("source", f"{shows} {number}.jpg"))
        vector = options.pop("vector", None)
        template = NewTemplate(
            Embedding(photo(shows, number) if vector is None else vector, model_id),  # type: ignore[arg-type]
            quality,
            source,
            str(options.pop("content_hash", f"hash of {source}")),
            BOX,
        )
        (template_id,) = gallery.add_templates(name, [template], **options)  # type: ignore[arg-type]
        assert template_id is not None
        return template_id

    return enrol


@pytest.fixture
def crowded(enrol: Enrol) -> Enrol:
    """A gallery of forty people with three photos each, and what enrols more."""
    for person in range(40):
        for number in range(3):
            enrol(f"Person {person}", f"person {person}", number)
    return enrol
