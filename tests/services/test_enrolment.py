from __future__ import annotations

import os
from pathlib import Path

import pytest
from fakes import BLUE, GREEN, RED, YELLOW, picture, write_picture

from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.services.analysis import Analyser, PhotoSource
from facecli.services.enrolment import COMMIT_EVERY, Enrolment, enrol
from facecli.services.enrolment_checks import as_new
from facecli.services.enrolment_plan import EnrolmentPhoto
from facecli.types import PhotoError

ONE_FACE = picture((RED, 10, 10, 60))
TWO_FACES = picture((RED, 0, 0, 50), (GREEN, 50, 50, 40))
WITH_BYSTANDER = picture((RED, 0, 0, 50), (GREEN, 70, 70, 20))


def photo(name: str, data: bytes = ONE_FACE, path: str = "") -> EnrolmentPhoto:
    return EnrolmentPhoto(name, PhotoSource(path or f"{name}.png", data))


def outcomes(found: list[Enrolment]) -> list[tuple[str, str, str | None]]:
    return [(each.name, each.status, each.error.code if each.error else None) for each in found]


def test_what_is_enrolled_is_in_the_gallery(analyser: Analyser, gallery: Gallery) -> None:
    (outcome,) = enrol([photo("Ana")], analyser, gallery)

    (template,) = gallery.templates()
    assert gallery.get_person("Ana").person_id == template.person_id
    assert (outcome.status, outcome.template_id, outcome.path) == ("enrolled", template.template_id, "Ana.png")
    assert template.embedding.vector.tolist() == [1, 0, 0]
    assert template.box_xyxy.tolist() == [10, 10, 70, 70]
    assert (template.source, template.quality, template.embedding.model_id) == ("Ana.png", 0.6, "fake")
    assert outcome.quality is not None
    assert outcome.quality.score == 0.6


def test_enrolling_again_adds_nothing(analyser: Analyser, gallery: Gallery) -> None:
    list(enrol([photo("Ana")], analyser, gallery))

    found = list(enrol([photo("Ana"), photo("Ana", path="copy.png"), photo("Ana", WITH_BYSTANDER)], analyser, gallery))

    assert [each.status for each in found] == ["already", "already", "enrolled"]
    assert gallery.get_person("Ana").template_count == 2


def test_failures_keep_their_place_and_stop_nothing(analyser: Analyser, gallery: Gallery) -> None:
    photos = [photo("Ana"), photo("Ana", b""), photo("Bo", picture()), photo("Bo", TWO_FACES), photo("Cy")]

    found = list(enrol(photos, analyser, gallery))

    assert outcomes(found) == [
        ("Ana", "enrolled", None),
        ("Ana", "error", "empty_file"),
        ("Bo", "error", "no_face"),
        ("Bo", "error", "several_faces"),
        ("Cy", "enrolled", None),
    ]
    assert [person.name for person in gallery.people()] == ["Ana", "Cy"]


@pytest.mark.parametrize(
    ("on_multi", "status", "code"),
    [("error", "error", "several_faces"), ("skip", "skipped", "several_faces"), ("largest", "enrolled", None)],
)
def test_on_multi(analyser: Analyser, gallery: Gallery, on_multi: str, status: str, code: str | None) -> None:
    (outcome,) = enrol([photo("Ana", TWO_FACES)], analyser, gallery, on_multi=on_multi)

    assert outcomes([outcome]) == [("Ana", status, code)]
    if on_multi == "largest":
        assert gallery.templates()[0].embedding.vector.tolist() == [1, 0, 0]
        assert outcome.warnings == ("1 other face was left out",)
    else:
        assert gallery.people() == []


def test_skip_does_not_hide_other_failures(analyser: Analyser, gallery: Gallery) -> None:
    assert outcomes(list(enrol([photo("Ana", b"")], analyser, gallery, on_multi="skip"))) == [
        ("Ana", "error", "empty_file")
    ]


def test_bystanders_are_left_out_and_counted(analyser: Analyser, gallery: Gallery) -> None:
    crowd = picture((RED, 0, 0, 50), (GREEN, 70, 70, 20), (BLUE, 70, 0, 20))

    (outcome,) = enrol([photo("Ana", crowd)], analyser, gallery)

    assert (outcome.status, outcome.warnings) == ("enrolled", ("2 other faces were left out",))


@pytest.mark.parametrize(("least", "status"), [(0.6, "enrolled"), (0.61, "error")])
def test_min_quality_is_the_least_that_is_enrolled(
    analyser: Analyser, gallery: Gallery, least: float, status: str
) -> None:
    (outcome,) = enrol([photo("Ana")], analyser, gallery, min_quality=least)

    assert outcome.status == status


def test_a_poor_face_is_refused_with_its_reasons(analyser: Analyser, gallery: Gallery) -> None:
    (outcome,) = enrol([photo("Ana", picture((RED, 0, 0, 20)))], analyser, gallery, min_quality=0.5)

    assert outcome.error == PhotoError(
        "low_quality",
        "the face in Ana.png is too small: quality 0.20, asked for 0.50",
        "Use a photo in which the face is larger, at least 20 pixels wide, or a larger scan. "
        "Or ask for less with --min-quality.",
    )


def test_without_a_gallery_nothing_is_stored(analyser: Analyser) -> None:
    found = list(enrol([photo("Ana"), photo("Bo", b"")], analyser, None))

    assert [(each.status, each.template_id) for each in found] == [("would_enrol", None), ("error", None)]


def test_one_photo_under_two_names_is_a_warning(analyser: Analyser, gallery: Gallery) -> None:
    other = picture((YELLOW, 0, 0, 60))

    found = list(
        enrol([photo("Ana"), photo("Ana", other), photo("Bo"), photo("Bo", WITH_BYSTANDER)], analyser, gallery)
    )

    assert [each.warnings for each in found] == [
        (),
        (),
        ("the same photo is enrolled as Ana: one of the two names is wrong",),
        ("1 other face was left out",),
    ]
    assert [each.status for each in found] == ["enrolled"] * 4


class Recorded(Gallery):
    """A gallery that notes what each transaction holds."""

    commits: list[tuple[str, int]]

    def add_templates(self, name, new, **options):
        self.commits.append((name, len(new)))
        return super().add_templates(name, new, **options)


@pytest.fixture
def recorded(gallery: Gallery) -> Recorded:
    recorded = Recorded(gallery._connection, gallery.path, read_only=False)
    recorded.commits = []
    return recorded


def test_photos_are_committed_a_person_at_a_time(analyser: Analyser, recorded: Recorded) -> None:
    names = ["Ana", "Ana", "Bo", "Ana"]
    photos = [photo(name, picture((RED, 0, 0, 50 + at))) for at, name in enumerate(names)]

    found = list(enrol(photos, analyser, recorded))

    assert [each.name for each in found] == ["Ana", "Ana", "Ana", "Bo"]
    assert recorded.commits == [("Ana", 3), ("Bo", 1)]


def test_many_photos_of_one_person_are_committed_in_pieces(analyser: Analyser, recorded: Recorded) -> None:
    photos = [photo("Ana", picture((RED, 0, 0, 30 + at % 60), (BLUE, 95, at // 60, 2))) for at in range(70)]

    found = enrol(photos, analyser, recorded)
    next(found)

    assert recorded.commits == [("Ana", COMMIT_EVERY)]
    assert {each.status for each in found} == {"enrolled"}
    assert recorded.commits == [("Ana", 32), ("Ana", 32), ("Ana", 6)]


def test_file_names_that_are_no_text_are_kept(analyser: Analyser, gallery: Gallery, tmp_path: Path) -> None:
    path = write_picture(tmp_path / os.fsdecode(b"\xff.png"), (RED, 0, 0, 60))

    (outcome,) = enrol([EnrolmentPhoto("Ana", PhotoSource(path))], analyser, gallery)

    assert (outcome.status, outcome.path, gallery.templates()[0].source) == ("enrolled", path, path)


def as_denied(gallery: Gallery, name: str) -> list[NewTemplate]:
    return [as_new(each) for each in gallery.templates(gallery.get_person(name).person_id)]


def test_a_face_that_was_said_not_to_be_somebody_is_not_enrolled_as_them(analyser: Analyser, gallery: Gallery) -> None:
    list(enrol([photo("Bo"), photo("Ana", picture((GREEN, 0, 0, 50)))], analyser, gallery))
    gallery.add_templates("Ana", as_denied(gallery, "Bo"), is_negative=True)

    refused, other, again = enrol(
        [photo("Ana", path="it's.png"), photo("Ana", picture((RED, 0, 0, 50))), photo("Bo")],
        analyser,
        gallery,
        keep_outliers=True,
    )

    assert refused.error == PhotoError(
        "said_not",
        "the face in it's.png was said not to be Ana",
        """If it is: facecli people confirm Ana 'it'"'"'s.png'""",
    )
    assert (other.status, again.status) == ("enrolled", "already")


def test_what_was_confirmed_takes_back_what_was_said_before(analyser: Analyser, gallery: Gallery) -> None:
    list(enrol([photo("Bo"), photo("Ana", picture((GREEN, 0, 0, 50)))], analyser, gallery))
    gallery.add_templates("Ana", as_denied(gallery, "Bo"), is_negative=True)

    (outcome,) = enrol([photo("Ana")], analyser, gallery, confirmed=True)

    assert (outcome.status, gallery.templates(is_negative=True)) == ("enrolled", [])
    event = gallery.events()[-1]
    assert (event.command, len(event.changes)) == ("people confirm", 2)


def test_a_face_is_chosen_by_its_number(analyser: Analyser, gallery: Gallery) -> None:
    chosen = [EnrolmentPhoto(f"face {number}", PhotoSource("two.png", TWO_FACES), number) for number in (1, 2, 3)]

    found = list(enrol(chosen, analyser, gallery))

    assert outcomes(found) == [
        ("face 1", "enrolled", None),
        ("face 2", "enrolled", None),
        ("face 3", "error", "no_such_face"),
    ]
    assert [each.warnings for each in found] == [(), (), ()]
    assert [each.embedding.vector.tolist() for each in gallery.templates()] == [[1, 0, 0], [0, 1, 0]]
    assert found[2].error == PhotoError(
        "no_such_face", "two.png has 2 faces, not 3", "See their numbers: facecli identify two.png"
    )
