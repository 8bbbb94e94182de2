"""What is said of a face: who it was taken for, and who it is taken for from then on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import BLUE, GREEN, RED, YELLOW, FakeDetector, write_picture

from facecli.errors import UnknownPersonError
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.services.analysis import Analyser
from facecli.services.calibration import Decisions
from facecli.services.feedback import Feedback, confirm, deny
from facecli.services.meant_faces import FaceFinder, FacePhoto

PURPLE = (255, 0, 170)


class Said:
    """The two calls, over one gallery."""

    def __init__(self, gallery: Gallery, make_analyser: Callable[..., Analyser], threshold: float | None) -> None:
        self.gallery = gallery
        search = GallerySearch(gallery)
        rules = Decisions(gallery, search, model_id="fake", scores=None, fpir=0.01, threshold=threshold or 0.0)
        self.finder = FaceFinder(make_analyser(cut_crops=True), search, rules if threshold is not None else None)

    def deny(self, name: str, *photos: FacePhoto, **options: bool) -> list[Feedback]:
        return deny(name, photos, self.gallery, self.finder, **options)

    def confirm(self, name: str, *photos: FacePhoto, **options: object) -> list[Feedback]:
        return confirm(name, photos, self.gallery, self.finder, **options)


@pytest.fixture
def said(gallery: Gallery, make_analyser: Callable[..., Analyser]) -> Said:
    return Said(gallery, make_analyser, 0.5)


@pytest.fixture
def people(said: Said, tmp_path: Path) -> None:
    for name, colour in (("Red", RED), ("Green", GREEN)):
        photo = FacePhoto(write_picture(tmp_path / f"{name}.png", (colour, 0, 0, 60)))
        (outcome,) = said.confirm(name, photo, new_person=True)
        assert outcome.status == "noted"


def told(outcome: Feedback) -> tuple[str | None, str | None]:
    """Names before and after."""
    return tuple(each.person.name if each and each.person else None for each in (outcome.before, outcome.after))


def sources(gallery: Gallery, name: str, *, is_negative: bool = False) -> list[str]:
    person_id = gallery.get_person(name).person_id
    return [Path(each.source).name for each in gallery.templates(person_id, is_negative=is_negative)]


@pytest.mark.usefixtures("people")
def test_a_denied_face_is_named_after_the_next_nearest_or_nobody(said: Said, tmp_path: Path) -> None:
    yellow = FacePhoto(write_picture(tmp_path / "yellow.png", (YELLOW, 0, 0, 50)))
    (first,) = said.deny("Red", yellow)
    (second,) = said.deny("Green", yellow)

    assert (first.status, first.face, told(first)) == ("noted", 1, ("Red", "Green"))
    assert (told(second), second.after.rejection) == (("Green", None), "not_this_person")
    assert sources(said.gallery, "Red", is_negative=True) == ["yellow.png"]
    assert said.gallery.get_person("Red").template_count == 1
    assert [each.command for each in said.gallery.events()][2:] == ["people not", "people not"]


@pytest.mark.usefixtures("people")
def test_what_was_said_before_is_not_said_twice(said: Said, tmp_path: Path) -> None:
    yellow = FacePhoto(write_picture(tmp_path / "yellow.png", (YELLOW, 0, 0, 50)))
    said.deny("Red", yellow)
    revision = said.gallery.revision
    (again,) = said.deny("Red", yellow)
    assert (again.status, again.template_id, said.gallery.revision) == ("already", None, revision)


@pytest.mark.usefixtures("people")
def test_a_dry_run_changes_nothing(said: Said, tmp_path: Path) -> None:
    yellow = FacePhoto(write_picture(tmp_path / "yellow.png", (YELLOW, 0, 0, 50)))
    revision = said.gallery.revision
    (denied,) = said.deny("Red", FacePhoto(str(tmp_path / "Red.png")), dry_run=True)
    (confirmed,) = said.confirm("Red", yellow, dry_run=True)
    assert [(each.status, each.after) for each in (denied, confirmed)] == [("would_note", None)] * 2
    assert "would be taken back" in denied.warnings[0]
    assert said.gallery.revision == revision


@pytest.mark.usefixtures("people")
def test_whoever_gives_no_number_means_the_face_of_that_name(said: Said, tmp_path: Path) -> None:
    path = write_picture(tmp_path / "crowd.png", (RED, 0, 0, 50), (PURPLE, 60, 60, 30), (BLUE, 0, 60, 20))
    crowd = FacePhoto(path)
    two_reds, none_green, numbered = (
        *said.deny("Red", crowd),
        *said.deny("Green", crowd),
        *said.deny("Red", FacePhoto(path, 2)),
    )

    assert (two_reds.status, two_reds.error.code) == ("error", "several_faces")
    assert two_reds.error.message == f"3 faces are in {path}, 2 of them named Red"
    assert none_green.error.message == f"3 faces are in {path}, none of them named Green"
    assert (numbered.face, told(numbered)) == (2, ("Red", None))
    (left,) = said.deny("Red", crowd)  # one of that name is left
    assert left.face == 1


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("face", [None, 1, 3])
def test_photos_that_fail_stop_nothing(said: Said, tmp_path: Path, face: int | None) -> None:
    (tmp_path / "torn.png").write_bytes(b"torn")
    good = write_picture(tmp_path / "yellow.png", (YELLOW, 0, 0, 50))
    photos = [FacePhoto(str(tmp_path / name), face) for name in ("absent.png", "torn.png")]
    photos += [FacePhoto(write_picture(tmp_path / "empty.png"), face), FacePhoto(good, 2), FacePhoto(good)]
    for outcomes in (said.deny("Red", *photos), said.confirm("Green", *photos)):
        assert [each.path for each in outcomes] == [each.path for each in photos]
        assert [each.error and each.error.code for each in outcomes] == [
            *("not_found", "not_an_image", "no_face", "no_such_face", None)
        ]


@pytest.mark.usefixtures("people")
def test_what_is_said_last_holds(said: Said, tmp_path: Path) -> None:
    yellow = FacePhoto(write_picture(tmp_path / "yellow.png", (YELLOW, 0, 0, 50)))
    said.deny("Green", yellow)
    (confirmed,) = said.confirm("Green", yellow)
    assert (confirmed.status, told(confirmed)) == ("noted", ("Red", "Green"))
    assert (sources(said.gallery, "Green"), sources(said.gallery, "Green", is_negative=True)) == (
        ["Green.png", "yellow.png"],
        [],
    )
    (denied,) = said.deny("Green", yellow)
    assert told(denied) == ("Green", "Red")
    assert denied.warnings == (
        f"it was enrolled as Green (template {confirmed.template_id}, {yellow.path}), which is taken back",
    )
    assert (sources(said.gallery, "Green"), sources(said.gallery, "Green", is_negative=True)) == (
        ["Green.png"],
        ["yellow.png"],
    )
    with said.gallery.edit("people undo") as edit:
        edit.undo(said.gallery.events()[-1].event_id)
    assert sources(said.gallery, "Green") == ["Green.png", "yellow.png"]


@pytest.mark.usefixtures("people")
def test_denying_somebody_s_only_photo_leaves_nothing_to_name_them_by(said: Said, tmp_path: Path) -> None:
    (outcome,) = said.deny("Red", FacePhoto(str(tmp_path / "Red.png")))
    assert outcome.warnings[1:] == ("Red has no other template, and is named nowhere without one",)
    assert told(outcome) == ("Red", None)


def test_a_face_that_photos_resemble_as_each_other_is_warned_of(said: Said, tmp_path: Path) -> None:
    tints = [(255, 85 * green, 85 * blue) for green, blue in ((0, 0), (1, 0), (0, 1), (1, 1))]
    photos = [
        FacePhoto(write_picture(tmp_path / f"{number}.png", (tint, 0, 0, 60))) for number, tint in enumerate(tints)
    ]
    said.confirm("Red", *photos[:3], new_person=True)
    (alike,), (unlike,) = (
        said.deny("Red", photo)
        for photo in (photos[3], FacePhoto(write_picture(tmp_path / "blue.png", (BLUE, 0, 0, 60))))
    )
    assert "if it is Red after all, undo this" in alike.warnings[0]
    assert unlike.warnings == ()


@pytest.mark.usefixtures("people")
def test_confirming_is_enrolling_with_all_its_checks(said: Said, tmp_path: Path) -> None:
    small = FacePhoto(write_picture(tmp_path / "small.png", (RED, 0, 0, 20)))
    again, poor = said.confirm("Red", FacePhoto(str(tmp_path / "Red.png")), small, min_quality=0.5)
    assert (again.status, told(again)) == ("already", ("Red", "Red"))
    assert (poor.status, poor.error.code, poor.after) == ("error", "low_quality", None)
    (other,) = said.confirm("Green", FacePhoto(str(tmp_path / "Red.png")))
    assert other.warnings == ("the same photo is enrolled as Red: one of the two names is wrong",)


@pytest.mark.usefixtures("people")
def test_a_misspelt_name_enrols_nobody(said: Said, tmp_path: Path) -> None:
    photo = FacePhoto(str(tmp_path / "Red.png"))
    with pytest.raises(UnknownPersonError) as caught:
        said.confirm("Rde", photo)
    assert caught.value.hint == "Did you mean Red? If this is somebody new: --new"
    with pytest.raises(UnknownPersonError, match="nobody called Rde"):
        said.deny("Rde", photo)
    assert [each.name for each in said.gallery.people()] == ["Green", "Red"]


def test_without_a_threshold_nobody_is_told_who_a_face_is_taken_for(
    gallery: Gallery, make_analyser: Callable[..., Analyser], tmp_path: Path
) -> None:
    said = Said(gallery, make_analyser, None)
    red = FacePhoto(write_picture(tmp_path / "red.png", (RED, 0, 0, 60)))
    (confirmed,) = said.confirm("Red", red, new_person=True)
    (denied,) = said.deny("Red", red)
    assert [(each.status, each.before, each.after) for each in (confirmed, denied)] == [("noted", None, None)] * 2


@pytest.mark.usefixtures("people")
def test_photos_are_looked_at_once(said: Said, detector: FakeDetector, tmp_path: Path) -> None:
    detector.batches.clear()
    yellow = write_picture(tmp_path / "yellow.png", (YELLOW, 0, 0, 50))
    said.confirm("Red", FacePhoto(yellow))
    assert detector.batches == [[yellow]]


@pytest.mark.usefixtures("people")
def test_a_bar_holds_for_other_photos_of_the_same_face_only(said: Said, tmp_path: Path) -> None:
    stranger = np.array([255, 170, 0])
    photos = [
        FacePhoto(write_picture(tmp_path / f"{name}.png", (tuple(colour), 0, 0, 60)))
        for name, colour in {"stranger": stranger, "again": (255, 255, 0), "near": (255, 0, 85)}.items()
    ]
    said.deny("Red", photos[0])
    _, again, near = said.deny("Red", *photos, dry_run=True)
    assert (told(again)[0], told(near)[0]) == ("Green", "Red")


@pytest.mark.usefixtures("people")
def test_crops_are_kept_of_what_was_denied_and_confirmed(said: Said, tmp_path: Path) -> None:
    yellow = FacePhoto(write_picture(tmp_path / "yellow.png", (YELLOW, 0, 0, 50)))
    outcomes = [*said.deny("Red", yellow), *said.confirm("Green", yellow)]
    assert set(said.gallery.crops([each.template_id for each in outcomes])) == {3, 4}
