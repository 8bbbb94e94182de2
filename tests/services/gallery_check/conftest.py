"""Galleries of made-up people."""

from __future__ import annotations

import pytest
from made_up_people import BOX, Enrol, photo

from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.runtime.manifest import shipped_models
from facecli.runtime.score_file import read_scores
from facecli.scores import ScoreDistribution
from facecli.types import Embedding


@pytest.fixture(scope="session")
def model_id() -> str:
    return shipped_models()["sface"].model_id


@pytest.fixture(scope="session")
def scores(model_id: str) -> ScoreDistribution:
    found = read_scores(shipped_models()["sface"].folder, model_id)
    assert found is not None
    return found


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
