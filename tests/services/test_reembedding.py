"""A gallery follows to another model: from crops, from photos that are still the same, and never silently without."""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fakes import BLUE, GREEN, RED, YELLOW, FakeDetector, FakeEmbedder, judge, write_picture

from facecli.gallery import reembedded
from facecli.gallery.store import Gallery
from facecli.services import reembedding
from facecli.services.analysis import Analyser, PhotoSource
from facecli.services.enrolment import enrol
from facecli.services.enrolment_plan import EnrolmentPhoto
from facecli.services.reembedding import Plan, Reembedding, plan


class OtherEmbedder(FakeEmbedder):
    """Another model: it gives the same colours. `faces` counts what it embedded."""

    model_id = "other@2"
    faces = 0

    def embed(self, faces):
        self.faces += len(faces)
        return super().embed(faces)


@pytest.fixture
def other() -> OtherEmbedder:
    return OtherEmbedder()


@pytest.fixture
def work(gallery: Gallery, other: OtherEmbedder) -> Reembedding:
    return make_work(gallery, other)


def make_work(gallery: Gallery, other: OtherEmbedder) -> Reembedding:
    return Reembedding(gallery, other, lambda: Analyser(FakeDetector(), other, judge, model={}, cut_crops=True))


def no_photos() -> Analyser:
    raise AssertionError("no photo was to be read")


def enrolled(analyser: Analyser, gallery: Gallery, photos: dict[str, str]) -> None:
    for name, path in photos.items():
        (outcome,) = enrol([EnrolmentPhoto(name, PhotoSource(path))], analyser, gallery)
        assert outcome.status == "enrolled"


def run(work: Reembedding) -> list[int]:
    done = list(work.embed())
    work.switch()
    return done


def colours(gallery: Gallery, model_id: str) -> dict[str, list[int]]:
    names = {person.person_id: person.name for person in gallery.people()}
    return {
        names[each.person_id]: [round(255 * float(part)) for part in each.embedding.vector]
        for each in gallery.templates(model_id=model_id)
    }


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, str]:
    return {
        "Ana": write_picture(tmp_path / "ana.png", (RED, 16, 16, 64)),
        "Bo": write_picture(tmp_path / "bo.png", (GREEN, 16, 16, 64)),
        "Cy": write_picture(tmp_path / "cy.png", (BLUE, 0, 0, 24), (YELLOW, 32, 32, 64)),
    }


def test_crops_are_enough(make_analyser: Callable[..., Analyser], gallery, other, photos) -> None:
    enrolled(make_analyser(cut_crops=True), gallery, photos)
    for path in photos.values():
        Path(path).unlink()
    assert plan(gallery, "other@2") == Plan(made=0, with_crop=3, with_photo=0, without=0)
    work = Reembedding(gallery, other, no_photos)
    assert run(work) == [3]
    assert colours(gallery, "other@2") == {"Ana": [255, 0, 0], "Bo": [0, 255, 0], "Cy": [180, 180, 0]}
    assert (work.left_out, work.from_photos) == ({}, 0)
    assert gallery.info(check=True).problems == ()


def test_a_call_cut_short_is_gone_on_with(make_analyser, gallery, other, photos, monkeypatch) -> None:
    enrolled(make_analyser(cut_crops=True), gallery, photos)
    monkeypatch.setattr(reembedding, "BATCH_SIZE", 1)
    steps = Reembedding(gallery, other, no_photos).embed()
    next(steps), next(steps)
    steps.close()
    assert plan(gallery, "other@2") == Plan(made=2, with_crop=1, with_photo=0, without=0)
    assert gallery.info().templates == {"fake": 3}
    assert run(Reembedding(gallery, other, no_photos)) == [1]
    assert other.faces == 3
    assert gallery.info().templates == {"fake": 3, "other@2": 3}


def test_without_crops_the_photos_are_read_and_leave_crops(analyser, gallery, work, photos) -> None:
    enrolled(analyser, gallery, photos)
    assert plan(gallery, "other@2") == Plan(made=0, with_crop=0, with_photo=3, without=0)
    run(work)
    assert colours(gallery, "other@2") == {"Ana": [255, 0, 0], "Bo": [0, 255, 0], "Cy": [180, 180, 0]}
    assert (work.from_photos, work.left_out) == (3, {})
    count = gallery.crop_count()
    assert (count.crops, count.templates_without) == (3, 0)
    assert gallery.info(check=True).problems == ()


def test_what_cannot_be_carried_over_is_named_with_its_reason(analyser, gallery, work, photos, tmp_path) -> None:
    photos["Dee"] = write_picture(tmp_path / "dee.png", (RED, 8, 8, 48))
    photos["Eve"] = write_picture(tmp_path / "eve.png", (RED, 0, 0, 50))
    enrolled(analyser, gallery, photos)
    Path(photos["Ana"]).unlink()
    write_picture(Path(photos["Bo"]), (BLUE, 16, 16, 64))
    with gallery.edit("people merge") as edit:
        edit.merge(edit.person("Eve").person_id, edit.person("Dee").person_id)
    run(work)
    assert {each.name: each.reason for each in work.left_out.values()} == {
        "Ana": f"it has no crop; its photo cannot be used: {photos['Ana']} does not exist",
        "Bo": "it has no crop; its photo is another one now",
    }
    assert {each.source for each in work.left_out.values()} == {photos["Ana"], photos["Bo"]}
    assert gallery.info().templates == {"fake": 5, "other@2": 3}
    _, count = reembedded.drop_replaced(gallery, "other@2")
    assert (count, gallery.info().templates) == (3, {"fake": 2, "other@2": 3})


def test_a_face_that_is_not_found_again_is_left_out(analyser, gallery, other, photos) -> None:
    enrolled(analyser, gallery, {"Ana": photos["Ana"]})

    class Blind(FakeDetector):
        def _faces(self, photo):
            return super()._faces(photo)[:0]

    work = Reembedding(gallery, other, lambda: Analyser(Blind(), other, judge, model={}))
    run(work)
    assert [each.reason for each in work.left_out.values()] == [
        "it has no crop; no face is found in its photo any more"
    ]


def test_of_a_damaged_crop_the_photo_is_taken(make_analyser, other, photos, tmp_path) -> None:
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        enrolled(make_analyser(cut_crops=True), gallery, photos)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE crops SET image = zeroblob(10) WHERE crop_id < 3")
        connection.commit()
    Path(photos["Bo"]).unlink()
    with Gallery.open(path) as gallery:
        work = make_work(gallery, other)
        run(work)
        assert colours(gallery, "other@2") == {"Ana": [255, 0, 0], "Cy": [180, 180, 0]}
        (left,) = work.left_out.values()
        assert left.reason.startswith("its crop is damaged; its photo cannot be used")


def test_who_is_enrolled_while_it_works_is_carried_over_too(make_analyser, gallery, other, photos) -> None:
    analyser = make_analyser(cut_crops=True)
    enrolled(analyser, gallery, {"Ana": photos["Ana"]})
    work = Reembedding(gallery, other, no_photos)
    list(work.embed())
    enrolled(analyser, gallery, {"Bo": photos["Bo"]})
    edit = work.switch()
    assert len(edit.event.changes) == 2
    assert colours(gallery, "other@2").keys() == {"Ana", "Bo"}


def test_negatives_come_along(make_analyser, gallery, other, photos) -> None:
    enrolled(make_analyser(cut_crops=True), gallery, {"Ana": photos["Ana"]})
    (analysis,) = make_analyser(cut_crops=True).analyse([PhotoSource(photos["Bo"])])
    from facecli.services.enrolment import new_template

    gallery.add_templates("Ana", [new_template(analysis, analysis.faces[0])], is_negative=True)
    run(Reembedding(gallery, other, no_photos))
    (negative,) = gallery.templates(model_id="other@2", is_negative=True)
    assert negative.embedding.vector.tolist() == [0, 1, 0]
    assert negative.content_hash == hashlib.sha256(Path(photos["Bo"]).read_bytes()).hexdigest()
