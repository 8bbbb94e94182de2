"""Who is barred: faces as near to what somebody is not as to what they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from facecli.errors import GalleryCorruptError, GalleryError
from facecli.gallery.negatives import Negatives
from facecli.gallery.records import NewTemplate
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.types import Candidate, Embedding


def at(degrees: float, model_id: str = "m") -> Embedding:
    """A direction in a plane: the nearer two angles, the higher the score."""
    angle = np.deg2rad(degrees)
    return Embedding(np.array([np.cos(angle), np.sin(angle)], np.float32), model_id)


def face(degrees: float, model_id: str = "m") -> NewTemplate:
    return NewTemplate(at(degrees, model_id), 1.0, f"{degrees}.jpg", f"hash {degrees}", np.array([0, 0, 9, 9]))


def enrol(gallery: Gallery, name: str, *angles: float, is_negative: bool = False) -> None:
    gallery.add_templates(name, [face(each) for each in angles], is_negative=is_negative)


def undo(gallery: Gallery, event_id: int) -> None:
    with gallery.edit("people undo") as edit:
        edit.undo(event_id)


def answer(gallery: Gallery, degrees: float, k: int = 9) -> list[tuple[str, bool]]:
    (found,) = GallerySearch(gallery).candidates([at(degrees)], k)
    assert [each.rank for each in found] == list(range(1, len(found) + 1))
    return [(each.name, each.is_barred) for each in found]


@pytest.mark.parametrize(
    ("degrees", "barred"), [(0, False), (19, False), (21, True), (40, True), (90, True), (-90, False)]
)
def test_what_is_nearer_to_a_negative_than_to_the_person_is_barred(gallery, degrees, barred):
    enrol(gallery, "Ana", 0)
    enrol(gallery, "Ana", 40, is_negative=True)
    assert answer(gallery, degrees) == [("Ana", barred)]


@given(st.floats(0, 180), st.floats(0, 180))
def test_the_face_itself_is_barred_however_near_the_person_is(template, negative):
    with Gallery.open(":memory:") as gallery:
        enrol(gallery, "Ana", template)
        copy = NewTemplate(at(negative), 1.0, "n.jpg", "another hash", np.array([0, 0, 9, 9]))
        gallery.add_templates("Ana", [copy], is_negative=True)
        assert answer(gallery, negative) == [("Ana", True)]


def test_the_mean_of_a_person_counts_as_the_person(gallery):
    enrol(gallery, "Ana", 0, 60)
    enrol(gallery, "Ana", 25, is_negative=True)
    # 30 degrees are 30 away from both templates, 0 from their mean, and 5 from the negative.
    assert answer(gallery, 30) == [("Ana", False)]


def test_a_negative_bars_nobody_else_and_names_nobody(gallery):
    enrol(gallery, "Ana", 0)
    enrol(gallery, "Bo", 10)
    enrol(gallery, "Ana", 40, is_negative=True)
    assert answer(gallery, 40) == [("Bo", False), ("Ana", True)]
    gallery.remove_person("Bo")
    assert answer(gallery, 40) == [("Ana", True)]
    assert gallery.get_person("Ana").template_count == 1
    assert gallery.matrix("m").vectors.shape == (1, 2)


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (1, [("Ana", True), ("Bo", True), ("Cy", False)]),
        (2, [("Ana", True), ("Bo", True), ("Cy", False)]),
        (3, [("Ana", True), ("Bo", True), ("Cy", False)]),
        (4, [("Ana", True), ("Bo", True), ("Cy", False), ("Dee", False)]),
    ],
)
def test_candidates_go_on_to_the_first_who_is_not_barred(gallery, k, expected):
    for number, name in enumerate(["Ana", "Bo", "Cy", "Dee"]):
        enrol(gallery, name, 10.0 * number)
    for name in ("Ana", "Bo"):
        enrol(gallery, name, -1, is_negative=True)
    assert answer(gallery, -1, k) == expected


def test_where_everybody_is_barred_the_search_ends(gallery):
    for number in range(5):
        enrol(gallery, f"person {number}", 10.0 * number)
        enrol(gallery, f"person {number}", -1, is_negative=True)
    assert answer(gallery, -1, 1) == [(f"person {number}", True) for number in range(5)]


def test_negatives_of_another_model_bar_nobody(gallery):
    enrol(gallery, "Ana", 0)
    gallery.add_templates("Ana", [face(1, "other")], is_negative=True)
    assert answer(gallery, 1) == [("Ana", False)]


def test_a_negative_is_seen_by_searches_that_are_open(tmp_path):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as writer, Gallery.open(path, read_only=True) as reader:
        enrol(writer, "Ana", 0)
        search = GallerySearch(reader)
        assert not search.candidates([at(30)], 1)[0][0].is_barred
        enrol(writer, "Ana", 30, is_negative=True)
        assert search.candidates([at(30)], 1)[0][0].is_barred
        undo(writer, 2)
        assert search.candidates([at(30)], 1) == [(Candidate(1, 1, "Ana", 1, pytest.approx(0.866, abs=1e-3)),)]


def test_one_face_is_never_a_person_s_and_not(gallery):
    def said() -> tuple[list[str], list[str]]:
        return tuple([each.source for each in gallery.templates(is_negative=negative)] for negative in (False, True))

    enrol(gallery, "Ana", 0, 10)
    enrol(gallery, "Ana", 10, is_negative=True)
    assert said() == (["0.jpg"], ["10.jpg"])
    enrol(gallery, "Ana", 10)
    assert said() == (["0.jpg", "10.jpg"], [])
    enrol(gallery, "Bo", 10, is_negative=True)  # of two people it can be said
    assert said() == (["0.jpg", "10.jpg"], ["10.jpg"])
    for event_id in (4, 3, 2):
        undo(gallery, event_id)
    assert said() == (["0.jpg", "10.jpg"], [])
    assert gallery.info(check=True).problems == ()


def test_what_was_taken_back_is_not_done_again_where_the_opposite_was_said_since(gallery):
    enrol(gallery, "Ana", 0)
    enrol(gallery, "Ana", 10, is_negative=True)
    undo(gallery, 2)
    enrol(gallery, "Ana", 10)
    with pytest.raises(GalleryError, match="template 3 says of the face of template 2 that it is Ana") as caught:
        undo(gallery, 3)
    assert (caught.value.code, caught.value.hint) == (
        "cannot_undo",
        "Take that one away first: facecli people drop 3",
    )
    assert gallery.templates(is_negative=True) == []


def test_the_same_face_of_another_model_is_taken_back_too(gallery):
    gallery.add_templates("Ana", [face(10, "other"), face(0)])
    enrol(gallery, "Ana", 10, is_negative=True)
    assert [each.source for each in gallery.templates()] == ["0.jpg"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE templates SET person_id = 2 WHERE template_id = 3",
        "UPDATE templates SET vector = zeroblob(8) WHERE template_id = 3",
        "UPDATE templates SET template_id = 9 WHERE template_id = 3",
    ],
)
def test_damage_of_a_negative_is_never_searched(gallery, damage):
    enrol(gallery, "Ana", 0)
    enrol(gallery, "Bo", 90)
    enrol(gallery, "Ana", 40, is_negative=True)
    gallery._connection.execute(damage)
    with pytest.raises(GalleryCorruptError):
        GallerySearch(gallery).candidates([at(30)], 1)
    assert gallery.info(check=True).problems


def test_a_few_negatives_are_found_without_reading_all_templates(gallery):
    read = "SELECT * FROM templates WHERE person_id IS NOT NULL AND is_negative = 1 AND model_id = ?"
    (plan,) = gallery._connection.execute(f"EXPLAIN QUERY PLAN {read}", ("m",)).fetchall()
    assert "negatives_by_model" in plan[3]


def test_a_person_has_no_more_negatives_than_were_said(gallery):
    enrol(gallery, "Ana", 40, is_negative=True)
    enrol(gallery, "Ana", 40, is_negative=True)
    assert len(gallery.templates(is_negative=True)) == 1
    negatives = Negatives.of(gallery, "m")
    assert negatives
    assert not Negatives.of(gallery, "other")
    assert not negatives.bars(2, at(40).vector, -1.0)


class AnythingSaid(RuleBasedStateMachine):
    """Whatever is said in whatever order: no face is a person's and not, and the gallery is sound."""

    def __init__(self) -> None:
        super().__init__()
        self.gallery = Gallery.open(":memory:")

    def teardown(self) -> None:
        self.gallery.close()

    @rule(name=st.sampled_from(["Ana", "Bo"]), angle=st.sampled_from([0, 10]), is_negative=st.booleans())
    def say(self, name, angle, is_negative):
        enrol(self.gallery, name, angle, is_negative=is_negative)

    @rule(data=st.data())
    def take_back(self, data):
        events = self.gallery.events()
        if events:
            event_id = data.draw(st.sampled_from(events)).event_id
            self.attempt("people undo", lambda edit: edit.undo(event_id))

    @rule(name=st.sampled_from(["Ana", "Bo"]), template_id=st.integers(1, 8))
    def move(self, name, template_id):
        self.attempt("people move", lambda edit: edit.give([template_id], edit.person(name).person_id))

    @rule()
    def merge(self):
        self.attempt("people merge", lambda edit: edit.merge(edit.person("Ana").person_id, edit.person("Bo").person_id))

    def attempt(self, command, change):
        try:
            with self.gallery.edit(command) as edit:
                change(edit)
        except GalleryError as error:
            refusal = error.code
        else:
            return
        assert refusal in {"cannot_undo", "unknown_person", "unknown_template", "face_twice", "face_denied"}

    @invariant()
    def nothing_is_contradicted(self):
        said, denied = (
            {(each.person_id, each.content_hash) for each in self.gallery.templates(is_negative=negative)}
            for negative in (False, True)
        )
        assert not said & denied
        assert self.gallery.info(check=True).problems == ()


TestAnythingSaid = AnythingSaid.TestCase
TestAnythingSaid.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
