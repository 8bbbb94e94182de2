"""Galleries of made-up people."""

from __future__ import annotations

import pytest
from made_up_people import Enrol, made_template

from facecli.gallery.store import Gallery
from facecli.runtime.manifest import shipped_models
from facecli.runtime.score_file import read_scores
from facecli.scores import ScoreDistribution


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

    def enrol(name: str, shows: str, number: int = 0, *, is_negative: bool = False, **facts: object) -> int:
        new = made_template(model_id, shows, number, **facts)
        (template_id,) = gallery.add_templates(name, [new], is_negative=is_negative)
        assert template_id is not None
        return template_id

    return enrol


@pytest.fixture
def crowded(gallery: Gallery, enrol: Enrol, model_id: str) -> Enrol:
    """A gallery of forty people with three photos each, and what enrols more."""
    for person in range(40):
        new = [made_template(model_id, f"person {person}", number) for number in range(3)]
        gallery.add_templates(f"Person {person}", new)
    return enrol
