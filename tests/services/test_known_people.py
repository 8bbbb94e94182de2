from __future__ import annotations

import numpy as np
import pytest

from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.services.known_people import FIRST_ROWS, KnownPeople
from facecli.types import Embedding, FloatArray

RED, GREEN, BLUE = np.eye(3, dtype=np.float32)


def template(vector: FloatArray, model_id: str = "fake") -> NewTemplate:
    return NewTemplate(Embedding(vector, model_id), 1.0, "1.jpg", vector.tobytes().hex(), np.array([0, 0, 1, 1]))


@pytest.fixture
def enrolled(gallery: Gallery) -> Gallery:
    gallery.add_templates("Zoe", [template(RED), template(GREEN)])
    gallery.add_templates("Ana", [template(BLUE)])
    return gallery


def test_the_nearest_of_all_others(enrolled: Gallery) -> None:
    known = KnownPeople(enrolled, "fake")

    assert len(known) == 3
    assert known.nearest_other(GREEN, "Bo") == ("Zoe", 1.0)
    assert known.nearest_other(GREEN, "Zoe") == ("Ana", 0.0)


def test_those_added_since_count_too(enrolled: Gallery) -> None:
    known = KnownPeople(enrolled, "fake")
    near_green = np.array([0, 0.8, 0.6], np.float32)
    known.add("Bo", near_green)
    known.add("Zoe", GREEN)

    assert len(known) == 5
    name, score = known.nearest_other(GREEN, "Zoe") or ("", 0.0)
    assert (name, score) == ("Bo", pytest.approx(0.8))
    assert known.nearest_other(near_green, "Bo") == ("Zoe", pytest.approx(0.8))


@pytest.mark.parametrize("model_id", ["fake", "other"])
def test_where_there_is_nobody_nobody_is_near(gallery: Gallery, model_id: str) -> None:
    if model_id == "other":
        gallery.add_templates("Ana", [template(RED)])  # of a model that nothing can be compared with
    known = KnownPeople(gallery, model_id)

    assert known.nearest_other(RED, "Ana") is None
    known.add("Ana", RED)
    assert (len(known), known.nearest_other(RED, "Ana")) == (1, None)
    assert known.nearest_other(RED, "Bo") == ("Ana", 1.0)


def test_without_a_gallery_people_are_added_all_the_same() -> None:
    known = KnownPeople(None, "fake")
    angles = np.linspace(0, np.pi / 2, 3 * FIRST_ROWS)
    for number, angle in enumerate(angles):
        known.add(f"person {number}", np.array([np.cos(angle), np.sin(angle)], np.float32))

    assert len(known) == 3 * FIRST_ROWS
    for number in (0, FIRST_ROWS, 3 * FIRST_ROWS - 1):
        found = known.nearest_other(np.array([np.cos(angles[number]), np.sin(angles[number])], np.float32), "Bo")
        assert found is not None
        assert found.name == f"person {number}"
