"""What enrolment notices about photos: unlike the person's others, like somebody else, enrolled under another name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from fakes import BLUE, GREEN, RED, picture

from facecli.gallery.store import Gallery
from facecli.scores import ScoreDistribution, Tail
from facecli.services.analysis import Analyser, PhotoSource
from facecli.services.enrolment import COMMIT_EVERY, Enrolment, enrol
from facecli.services.enrolment_plan import EnrolmentPhoto
from facecli.types import PhotoError

Colour = tuple[int, int, int]

# Cosines of 0.95 with RED and 0.90 with each other; with those of green 0.32 at most.
RED_2, RED_3 = (255, 85, 0), (255, 0, 85)
GREEN_2, GREEN_3 = (0, 255, 85), (0, 255, 170)
OLIVE = (255, 170, 0)  # 0.83 with RED

# Two photos agree from 0.8 on, and one is a misfit below 0.6 to 0.7. A stranger hardly ever reaches 0.9.
SCORES = ScoreDistribution(
    non_mated=np.array([(0.5, 0.1), (0.1, 0.5), (0.02, 0.6), (0.005, 0.7), (0.001, 0.8)]),
    tail=Tail(start=0.8, share=0.001, scale=0.02, shape=0.0),
    mated=np.array([(0.01, 0.7), (0.5, 0.9)]),
    non_mated_pairs=1_000_000,
    mated_pairs=1000,
    people=100,
    probability=(0.0, 1.0),
    measured_on="nothing",
)
KEEP_HINT = "If it is Ana, enrol it with --keep-outliers."


def photo(name: str, path: str, colour: Colour, *, mark: int = 0) -> EnrolmentPhoto:
    """A photo of a coloured face; one of another `mark` is another file."""
    return EnrolmentPhoto(name, PhotoSource(path, picture((colour, 10, 10, 60), side=100 + mark)))


def statuses(found: list[Enrolment]) -> list[tuple[str, str]]:
    return [(each.path, each.error.code if each.error else each.status) for each in found]


@pytest.fixture
def enroller(analyser: Analyser, gallery: Gallery) -> Callable[..., list[Enrolment]]:
    def enroll(*photos: EnrolmentPhoto, **options: object) -> list[Enrolment]:
        return list(enrol(photos, analyser, gallery, **{"scores": SCORES, **options}))

    return enroll


Enroller = Callable[..., list[Enrolment]]


def test_a_wrong_photo_among_right_ones_is_refused_by_name(enroller: Enroller, gallery: Gallery) -> None:
    found = enroller(photo("Ana", "1.png", RED), photo("Ana", "wrong.png", GREEN), photo("Ana", "2.png", RED_2))

    assert statuses(found) == [("1.png", "enrolled"), ("wrong.png", "unlike_the_others"), ("2.png", "enrolled")]
    assert found[1].error == PhotoError(
        "unlike_the_others",
        "the face in wrong.png is unlike Ana's 2 other photos (best score 0.32; 0.95 is usual among these)",
        KEEP_HINT,
    )
    assert found[1].template_id is None
    assert [template.source for template in gallery.templates()] == ["1.png", "2.png"]


def test_a_photo_of_somebody_enrolled_is_said_to_be(enroller: Enroller) -> None:
    enroller(photo("Bo", "bo.png", GREEN))

    (_, wrong, _) = enroller(photo("Ana", "1.png", RED), photo("Ana", "x.png", GREEN_2), photo("Ana", "2.png", RED_2))

    assert wrong.error is not None
    assert wrong.error.message.endswith("is usual among these), and like Bo (0.95)")
    assert wrong.error.hint == f"If it is Bo, enrol it under that name. {KEEP_HINT}"


def test_outliers_are_kept_if_asked_for(enroller: Enroller, gallery: Gallery) -> None:
    found = enroller(
        photo("Ana", "1.png", RED), photo("Ana", "x.png", BLUE), photo("Ana", "2.png", RED_2), keep_outliers=True
    )

    assert [each.status for each in found] == ["enrolled"] * 3
    assert [each.warnings for each in found] == [
        (),
        ("the face in x.png is unlike Ana's 2 other photos (best score 0.00; 0.95 is usual among these)",),
        (),
    ]
    assert gallery.get_person("Ana").template_count == 3


def test_photos_enrolled_before_tell_too(enroller: Enroller) -> None:
    enroller(photo("Ana", "1.png", RED), photo("Ana", "2.png", RED_2))

    found = enroller(photo("Ana", "x.png", GREEN), photo("Ana", "y.png", GREEN_2), photo("Ana", "z.png", GREEN_3))

    assert [each.error.code if each.error else None for each in found] == ["unlike_the_others"] * 3


def test_an_enrolled_photo_that_is_unlike_the_new_ones_is_named(enroller: Enroller) -> None:
    enroller(photo("Ana", "old.png", BLUE))

    found = enroller(photo("Ana", "1.png", RED), photo("Ana", "2.png", RED_2))

    assert [each.status for each in found] == ["enrolled"] * 2
    assert [each.warnings for each in found] == [
        ("old.png, enrolled as Ana before, is unlike Ana's 2 other photos: it may show somebody else",),
        (),
    ]


def test_two_photos_that_disagree_are_both_enrolled_and_named(enroller: Enroller) -> None:
    found = enroller(photo("Ana", "a/1.png", RED), photo("Ana", "2.png", BLUE))

    assert [each.status for each in found] == ["enrolled"] * 2
    assert [each.warnings for each in found] == [
        ("1.png is unlike 2.png (score 0.00): one of the two may not show Ana",),
        ("2.png is unlike 1.png (score 0.00): one of the two may not show Ana",),
    ]


def test_two_against_two_are_all_enrolled_and_named(enroller: Enroller) -> None:
    found = enroller(
        *(photo("Ana", "1.png", RED), photo("Ana", "2.png", RED_2)),
        *(photo("Ana", "3.png", BLUE), photo("Ana", "4.png", BLUE, mark=1)),
    )

    assert [each.status for each in found] == ["enrolled"] * 4
    assert found[0].warnings == ("1.png is unlike 3.png, 4.png (best score 0.00): some may not show Ana",)
    assert found[3].warnings == ("4.png is unlike 1.png, 2.png (best score 0.00): some may not show Ana",)


def test_photos_of_a_person_are_compared_wherever_they_stand_in_the_call(enroller: Enroller) -> None:
    found = enroller(
        *(photo("Ana", "1.png", BLUE), photo("Bo", "2.png", GREEN)),
        *(photo("Ana", "3.png", RED), photo("Bo", "4.png", GREEN_2), photo("Ana", "5.png", RED_2)),
    )

    assert statuses(found) == [
        *(("1.png", "unlike_the_others"), ("3.png", "enrolled"), ("5.png", "enrolled")),
        *(("2.png", "enrolled"), ("4.png", "enrolled")),
    ]


def test_a_copy_of_a_wrong_photo_does_not_agree_with_it(enroller: Enroller) -> None:
    """Two files of one content are one photo: wrong and copy are no majority over one right photo."""
    found = enroller(photo("Ana", "1.png", RED), photo("Ana", "x.png", BLUE), photo("Ana", "copy.png", BLUE))

    assert statuses(found) == [("1.png", "enrolled"), ("x.png", "enrolled"), ("copy.png", "already")]
    assert [len(each.warnings) for each in found] == [1, 1, 1]


def test_a_photo_that_is_enrolled_already_is_not_refused(enroller: Enroller) -> None:
    enroller(photo("Ana", "x.png", BLUE))

    found = enroller(photo("Ana", "x.png", BLUE), photo("Ana", "1.png", RED), photo("Ana", "2.png", RED_2))

    assert [each.status for each in found] == ["already", "enrolled", "enrolled"]


def test_wrong_photos_are_told_in_every_piece_of_a_large_folder(enroller: Enroller) -> None:
    right = [photo("Ana", f"{mark}.png", RED, mark=mark) for mark in range(COMMIT_EVERY + 4)]
    wrong = [photo("Ana", "x.png", BLUE, mark=1), photo("Ana", "y.png", BLUE, mark=2)]

    found = enroller(wrong[0], *right, wrong[1])

    assert {each.path for each in found if each.error} == {"x.png", "y.png"}
    assert len({each.template_id for each in found}) == len(right) + 1


@pytest.mark.parametrize("with_gallery", [True, False])
def test_a_dry_run_says_the_same_and_stores_nothing(
    enroller: Enroller, analyser: Analyser, gallery: Gallery, with_gallery: bool
) -> None:
    photos = [
        *(photo("Ana", "1.png", RED), photo("Ana", "x.png", GREEN), photo("Ana", "2.png", RED_2)),
        *(photo("Ana", "copy.png", RED), photo("Bo", "bo.png", RED_3), photo("Cy", "cy.png", RED)),
    ]
    tried = list(enrol(photos, analyser, gallery if with_gallery else None, scores=SCORES, dry_run=True))
    assert gallery.people() == []

    done = enroller(*photos)

    assert [each.status for each in tried] == [
        "would_enrol" if each.status == "enrolled" else each.status for each in done
    ]
    assert [(each.warnings, each.error) for each in tried] == [(each.warnings, each.error) for each in done]
    again = list(enrol(photos, analyser, gallery, scores=SCORES, dry_run=True))
    assert [each.status for each in again] == ["already", "error", "already", "already", "already", "already"]


def test_somebody_new_who_looks_like_somebody_enrolled_is_noted(enroller: Enroller) -> None:
    enroller(photo("Bo", "bo.png", RED))

    found = enroller(
        photo("Robert", "r.png", RED_2), photo("Robert", "s.png", RED, mark=1), photo("Cy", "c.png", GREEN)
    )

    assert [each.status for each in found] == ["enrolled"] * 3
    assert [each.warnings for each in found] == [
        ("looks like Bo (0.95), who is enrolled already: the same person under two names?",),
        ("looks like Bo (1.00), who is enrolled already: the same person under two names?",),
        (),
    ]


def test_somebody_known_who_looks_more_like_another_is_noted(enroller: Enroller) -> None:
    enroller(photo("Ana", "1.png", RED), photo("Bo", "bo.png", (170, 170, 0)))

    (more, less) = enroller(photo("Ana", "2.png", OLIVE), photo("Ana", "3.png", RED, mark=1))

    assert more.warnings == ("looks more like Bo (0.98), who is enrolled already",)
    assert (more.status, less.warnings) == ("enrolled", ())


@pytest.mark.parametrize("scores", [SCORES, None])
def test_a_photo_that_was_enrolled_under_another_name_before_is_noted(
    enroller: Enroller, gallery: Gallery, scores: ScoreDistribution | None
) -> None:
    enroller(photo("Ana", "1.png", RED), scores=scores)

    (found,) = enroller(photo("Bo", "copy.png", RED), scores=scores)

    assert found.status == "enrolled"
    assert found.warnings[0] == "the same photo is enrolled as Ana: one of the two names is wrong"
    assert enroller(photo("Bo", "copy.png", RED), scores=scores)[0].status == "already"


def test_a_photo_that_was_refused_is_nobodys(enroller: Enroller) -> None:
    found = enroller(
        *(photo("Ana", "1.png", RED), photo("Ana", "x.png", BLUE), photo("Ana", "2.png", RED_2)),
        photo("Bo", "bo.png", BLUE),
    )

    assert (found[3].status, found[3].warnings) == ("enrolled", ())


def test_scores_that_were_not_measured_are_missed_once(enroller: Enroller) -> None:
    people = [
        photo(name, f"{name}{at}.png", colour, mark=mark)
        for mark, name in enumerate(("Ana", "Bo"))
        for at, colour in enumerate((RED, BLUE, GREEN))
    ]

    found = enroller(photo("Cy", "c.png", RED, mark=9), *people, scores=None)

    assert [each.status for each in found] == ["enrolled"] * 7
    assert [(each.path, each.warnings) for each in found if each.warnings] == [
        (
            "Ana0.png",
            ("photos of one person were not compared with each other, as the scores of this model are not measured",),
        )
    ]


def two_faces(name: str) -> EnrolmentPhoto:
    """The largest face is red, the one nearest to the middle green."""
    return EnrolmentPhoto(name, PhotoSource("two.png", picture((RED, 0, 0, 50), (GREEN, 50, 50, 40))))


def test_another_face_of_a_photo_of_somebody_is_somebody_else(enroller: Enroller, gallery: Gallery) -> None:
    enroller(two_faces("Ana"), on_multi="largest")

    (refused,) = enroller(two_faces("Ana"), on_multi="central")
    (again,) = enroller(two_faces("Ana"), on_multi="largest")
    (kept,) = enroller(two_faces("Ana"), on_multi="central", keep_outliers=True)

    assert refused.error is not None
    assert (refused.error.code, refused.error.message) == (
        "other_face",
        "another face in two.png is Ana's already: nobody is in a photo twice",
    )
    assert again.status == "already"
    assert (kept.status, kept.warnings[-1]) == ("enrolled", refused.error.message)
    assert len(gallery.templates()) == 2


def test_two_people_of_one_photo_contradict_nothing(enroller: Enroller) -> None:
    enroller(two_faces("Ana"), on_multi="largest")
    (other,) = enroller(two_faces("Bo"), on_multi="central")
    assert (other.status, other.warnings) == ("enrolled", ("1 other face was left out",))
