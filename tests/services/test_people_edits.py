"""Merging, moving and splitting people of a gallery in memory."""

from __future__ import annotations

import numpy as np
import pytest

from facecli.errors import GalleryError, ModelMismatchError, UsageError
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.gallery.stranger_searches import sample_searches
from facecli.services import people_edits
from facecli.types import Embedding


def template(number: int, axis: int, model_id: str = "a", side: float = 9) -> NewTemplate:
    """Return a template of photo `number`, near an axis."""
    vector = np.full(8, 0.05, np.float32)
    vector[axis] = 1
    box = np.array([0, 0, side, 9], np.float32)
    return NewTemplate(Embedding(vector / np.linalg.norm(vector), model_id), 1.0, f"{number}.jpg", f"h{number}", box)


@pytest.fixture
def people(gallery: Gallery) -> Gallery:
    """Ana: 1 and 2 one person, 3 another one, by model a; 4 to 6 the same faces by model b, 7 another photo."""
    faces = [(1, 0), (2, 0), (3, 1)]
    gallery.add_templates("Ana", [template(*face) for face in faces])
    gallery.add_templates("Ana", [template(*face, "b", 9.5) for face in (*faces, (4, 0))])
    gallery.add_templates("Bo", [template(9, 2)])
    return gallery


def owned(gallery: Gallery, name: str) -> list[int]:
    return [each.template_id for each in gallery.templates(gallery.get_person(name).person_id)]


def test_clusters_take_the_templates_of_the_same_faces_by_other_models_along(people):
    one, other = people_edits.clusters(people, "Ana", "a", 0.5)

    assert (one.number, one.template_ids, one.nearest) == (1, (1, 2, 4, 5), 2)
    assert (other.number, other.template_ids, other.within) == (2, (3, 6), None)
    people_edits.split(people, "Ana", "Eva", other.template_ids)
    assert (owned(people, "Ana"), owned(people, "Eva")) == ([1, 2, 4, 5, 7], [3, 6])


def test_clusters_of_a_model_that_made_none_of_the_templates(people):
    with pytest.raises(ModelMismatchError, match="Bo has no template of b") as caught:
        people_edits.clusters(people, "Bo", "b", 0.5)
    assert caught.value.hint == "Compare those there are: --embedder a"
    people.add_person("Cy")
    assert people_edits.clusters(people, "Cy", "a", 0.5) == []


def test_a_split_says_what_it_cannot_do(people):
    before = people.revision
    with pytest.raises(GalleryError, match="Ana would be left without a template") as caught:
        people_edits.split(people, "Ana", "Eva", [1, 2, 3, 4, 5, 6, 7, 7])
    assert caught.value.hint == "To call all of them otherwise: facecli people rename Ana Eva"
    with pytest.raises(GalleryError, match="template 8 is not Ana's"):
        people_edits.split(people, "Ana", "Eva", [1, 8])
    with pytest.raises(GalleryError, match="somebody called Bo is already enrolled") as caught:
        people_edits.split(people, "Ana", "Bo", [1, 2])
    assert caught.value.hint == "To give them the templates: facecli people move 1 2 --to Bo"
    assert (people.revision, [each.name for each in people.people()]) == (before, ["Ana", "Bo"])


def test_what_says_who_somebody_is_not_is_neither_moved_nor_split_off(people):
    (denied,) = people.add_templates("Ana", [template(20, 3)], is_negative=True)
    for change in (
        lambda: people_edits.move(people, [denied], "Bo"),
        lambda: people_edits.split(people, "Ana", "Eva", [denied]),
    ):
        with pytest.raises(GalleryError, match="says who somebody is not") as caught:
            change()
        assert caught.value.code == "unknown_template"
    with pytest.raises(GalleryError, match="left without a template"):
        people_edits.split(people, "Ana", "Eva", range(1, 8))


def test_a_move_is_of_whatever_is_not_there_yet(people):
    event = people_edits.move(people, [8, 7, 7], "Bo")
    assert [(each.subject_id, each.before, each.after) for each in event.changes] == [(7, 1, 2)]
    assert people_edits.move(people, [7, 8], "Bo") is None
    assert people_edits.left_without(people, event) == []
    event = people_edits.move(people, [7, 8], "Zoe", new=True)
    assert people_edits.left_without(people, event) == ["Bo"]


def test_a_face_that_is_theirs_already_is_not_moved(people):
    people.add_templates("Bo", [template(1, 0)])
    with pytest.raises(GalleryError, match="Bo has template 9 of the same face as template 1 already") as caught:
        people_edits.move(people, [2, 1], "Bo")
    assert caught.value.code == "face_twice"
    assert owned(people, "Bo") == [8, 9]


def test_a_merge_of_two_people(people):
    with pytest.raises(UsageError, match="Ana cannot be merged into the same person"):
        people_edits.merge(people, "Ana", " Ana ")
    people_edits.merge(people, "Bo", "Ana")
    assert owned(people, "Ana") == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [each.name for each in people.people()] == ["Ana"]


@pytest.mark.parametrize(
    "change",
    [
        lambda gallery: people_edits.merge(gallery, "p1", "p2"),
        lambda gallery: people_edits.move(gallery, [1, 2], "p3"),
        lambda gallery: people_edits.split(gallery, "p1", "new", [4]),
    ],
)
def test_what_places_the_threshold_is_not_taken_from_before(gallery, change):
    for person in range(4):
        gallery.add_templates(f"p{person}", [template(3 * person + photo, person + photo) for photo in range(3)])
    before = sample_searches(gallery.matrix("a"))
    change(gallery)
    matrix = gallery.matrix("a")
    found, anew = sample_searches(matrix, before), sample_searches(matrix)
    assert found.scores.tolist() == anew.scores.tolist()
    assert found.nearest_person_ids.tolist() == anew.nearest_person_ids.tolist()
    assert found.template_ids.tolist() == anew.template_ids.tolist()
