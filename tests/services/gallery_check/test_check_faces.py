from __future__ import annotations

import shlex

import numpy as np
import pytest
from made_up_people import Enrol, photo

from facecli.embed.quality import PASS
from facecli.errors import GalleryError
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.scores import ScoreDistribution
from facecli.services.calibration import calibrate
from facecli.services.gallery_check import document, faces, limits
from facecli.services.gallery_check.faces import ADVISED_QUALITY, FaceCheck, check_faces
from facecli.services.gallery_check.findings import Commands, Finding


@pytest.fixture
def check(gallery: Gallery, model_id: str, scores: ScoreDistribution):
    def check(**options: object) -> FaceCheck:
        return check_faces(gallery, GallerySearch(gallery), model_id, scores, fpir=0.01, **options)  # type: ignore[arg-type]

    return check


def of_kind(found: FaceCheck, kind: str) -> list[Finding]:
    return [each for each in found.findings if each.kind == kind]


def test_a_sound_gallery_has_nothing_wrong(crowded: Enrol, check, gallery: Gallery, scores, model_id: str) -> None:
    found = check()

    assert found.findings == ()
    assert (found.before.searches, found.before.missed, found.before.misnamed) == (120, 0, 0)
    assert (found.before.strangers, found.after) == (120, None)
    known = calibrate(gallery, GallerySearch(gallery), model_id, scores).calibration
    assert found.before.threshold == known.choose(0.01).threshold


def test_a_template_under_a_wrong_name_is_given_back(crowded: Enrol, check) -> None:
    wrong = crowded("Person 3", "person 7", 9)

    (finding,) = check().findings

    assert (finding.kind, finding.severity, finding.people) == ("mislabelled", "warning", ("Person 3", "Person 7"))
    assert finding.template_ids[0] == wrong
    assert finding.what.startswith(f"template {wrong} (person 7 9.jpg) of Person 3 shows Person 7 (score 0.")
    assert finding.fix == f"facecli people move --to 'Person 7' {wrong}"
    assert finding.before is not None
    assert finding.after is not None
    assert (finding.before.misnamed, finding.after.misnamed) == (1, 0)
    assert "named as somebody else 1 of 121 -> 0 of 121" in finding.change
    assert finding.fmr is not None
    assert finding.fmr < 1e-6


def test_a_face_that_the_other_has_already_is_taken_away(crowded: Enrol, check) -> None:
    wrong = crowded("Person 3", "person 7", 1)

    (finding,) = check().findings

    assert ", from the same face of the same photo" in finding.what
    assert finding.fix == f"facecli people drop {wrong}"


def test_one_person_under_two_names_is_made_one(crowded: Enrol, check) -> None:
    crowded("O'Seven; rm", "person 7", 5)

    found = check(commands=Commands("a b.db"))

    finding = found.findings[0]
    assert (finding.kind, finding.people) == ("two_names", ("O'Seven; rm", "Person 7"))
    assert shlex.split(finding.fix) == ["facecli", "people", "merge", "--gallery", "a b.db", *finding.people]
    assert finding.before is not None
    assert finding.after is not None
    assert (finding.before.named, finding.after.named) == (4, 0)
    assert found.after == finding.after


def test_of_three_names_of_one_person_each_moves_once_to_the_largest(crowded: Enrol, check) -> None:
    for name in ("Seven A", "Seven B"):
        for number in (5, 6):
            crowded(name, "person 7", number, source=f"{name} {number}.jpg")

    merges = of_kind(check(), "two_names")

    assert {each.fix for each in merges} == {
        f"facecli people merge '{name}' 'Person 7'" for name in ("Seven A", "Seven B")
    }


def test_strangers_who_look_alike_are_not_made_one_person(
    crowded: Enrol, check, gallery, scores, model_id, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ALARM_SHARE", 1.0)  # as many alarms as a large gallery is allowed
    crowded("One", "one")
    one, other = (photo(name).astype(np.float64) for name in ("one", "a stranger"))
    other -= (other @ one) * one
    known = calibrate(gallery, GallerySearch(gallery), model_id, scores).calibration
    # As near as is expected of one pair of strangers in ten such galleries: likely one person, not surely.
    pairs = 121 * 121 / 2
    score = next(
        each
        for each in np.linspace(0.3, 0.8, 1001)
        if known.expected_false_positives(np.array(each)) / 121 * pairs < 0.1
    )
    like = score * one + np.sqrt(1 - score**2) * other / np.linalg.norm(other)
    crowded("Stranger", "nobody", vector=like.astype(np.float32))

    (finding,) = of_kind(check(), "two_names")

    assert finding.severity == "advice"
    assert "the score cannot tell" in finding.what
    assert finding.strangers == pytest.approx(0.1, rel=0.5)
    assert "merge" not in finding.fix


@pytest.mark.parametrize(("count", "kind"), [(1, "unlike"), (2, "two_people")])
def test_photos_of_somebody_unknown_do_not_go_with_the_others(crowded: Enrol, check, count: int, kind: str) -> None:
    wrong = [crowded("Person 3", "somebody else", number) for number in range(count)]

    (finding,) = check().findings

    assert (finding.kind, finding.severity, finding.template_ids[:count]) == (kind, "warning", tuple(wrong))
    ids = " ".join(map(str, wrong))
    command = f"people drop {ids}" if count == 1 else f"people split --to NEW 'Person 3' {ids}"
    assert finding.fix == f"facecli {command}"


def test_of_two_photos_that_do_not_agree_either_may_be_wrong(crowded: Enrol, check) -> None:
    both = [crowded("Two", shows) for shows in ("the first", "the second")]

    (finding,) = [each for each in check().findings if each.kind != "one_photo"]

    assert (finding.kind, sorted(finding.template_ids)) == ("doubtful", both)
    assert finding.fix == "facecli people show Two"


def test_copies_count_as_one_photo(crowded: Enrol, check) -> None:
    saved_again = photo("person 3", 1) + 0.2 * photo("noise", 0)
    saved_again /= np.linalg.norm(saved_again)
    worse = crowded("Person 3", "saved again", vector=saved_again, quality=0.6)
    for number in (0, 1):
        vector = photo("twice") + 0.1 * photo("noise", number)
        crowded("Twice", "twice", number, vector=vector / np.linalg.norm(vector))

    found = check()

    first = next(each for each in of_kind(found, "copies") if each.people == ("Person 3",))
    assert (first.severity, first.fix) == ("advice", f"facecli people drop {worse}")
    (alike,) = of_kind(found, "too_alike")
    assert alike.people == ("Twice",)


def test_one_photo_is_few_and_what_a_second_is_worth_is_measured(crowded: Enrol, check) -> None:
    crowded("Alone", "alone")

    (finding,) = check().findings

    assert (finding.kind, finding.people, finding.fix) == ("one_photo", ("Alone",), "facecli enroll Alone PHOTO...")
    assert finding.change == (
        "of 120 photos of people with three or more 0 are missed with one other enrolled, 0 with two"
    )


def test_poor_photos_are_told(crowded: Enrol, check) -> None:
    poor = crowded("Person 3", "person 3", 8, quality=0.3)

    (finding,) = check().findings
    assert (finding.kind, finding.template_ids) == ("low_quality", (poor,))
    assert finding.change == "without: no change measured"
    assert finding.fix == "facecli enroll 'Person 3' PHOTO..."
    every = of_kind(check(min_quality=0.95), "low_quality")
    assert (len(every), {each.change for each in every}) == (40, {"there are no others to go by"})
    assert ADVISED_QUALITY == PASS


def test_what_was_said_not_to_be_somebody_and_is_their_photo(crowded: Enrol, check, gallery: Gallery) -> None:
    crowded("Person 5", "person 9", 0, is_negative=True)
    said = crowded("Person 3", "person 3", 1, is_negative=True, source="saved again.jpg")

    (finding,) = check().findings

    assert (finding.kind, finding.people, finding.template_ids[0]) == ("negative_contradicts", ("Person 3",), said)
    assert finding.fix == f"facecli people drop {said}"


def test_a_gallery_that_changes_meanwhile_is_not_judged(crowded: Enrol, check, gallery: Gallery) -> None:
    def remove(done: int, total: int) -> None:
        if done == total:
            gallery.remove_person("Person 3")

    with pytest.raises(GalleryError, match="was changed while it was read"):
        check(progress=remove)


def test_a_few_photos_measure_nothing(enrol: Enrol, check) -> None:
    enrol("Ann", "ann")
    enrol("Bo", "ann", 1)

    finding = check().findings[0]

    assert (finding.kind, finding.change) == ("two_names", "too few photos to measure (2)")


def test_a_threshold_of_ones_own_is_what_is_measured_at(crowded: Enrol, check) -> None:
    found = check(threshold=0.99)
    assert (found.before.threshold, found.before.missed) == (0.99, 120)


def test_only_the_first_of_a_kind_are_measured(crowded: Enrol, check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "MOST_MEASURED", 1)
    for person in (3, 4):
        crowded(f"Person {person}", f"person {person + 10}", 9)

    first, second = check().findings

    assert first.after is not None
    assert (second.after, second.change) == (None, "not measured: the first 1 of a kind are")


def test_the_document_holds_everything_in_its_order(crowded: Enrol, check, monkeypatch: pytest.MonkeyPatch) -> None:
    crowded("Alone", "alone")
    for person in (3, 4):
        crowded(f"Person {person}", f"person {person + 10}", 9)
    found, file = check(), document.FileCheck()
    monkeypatch.setattr(document, "MOST_LISTED", 1)

    few = document.check_document("g.db", file, found, why_no_faces="", everything=False)
    all_of_it = document.check_document("g.db", file, found, why_no_faces="", everything=True)

    kinds = [row[1] for row in all_of_it.tables[1].rows]
    assert kinds == ["mislabelled", "mislabelled", "one_photo"]
    assert [row[1] for row in few.tables[1].rows] == ["mislabelled", "one_photo"]
    assert few.warnings == ("1 more of mislabelled are left out; --all lists them",)
    assert (few.facts["warnings"], few.facts["pieces of advice"]) == (2, 1)
    assert few.tables[0].rows[2] == ("photos left out that get somebody else's name", 2, 122, 0, 122)
    assert len(all_of_it.pictures[0].pictures) == 2
    assert {each.kind for each in found.findings} <= set(document.KINDS)


def test_names_that_a_shell_or_a_parser_would_misread() -> None:
    odd = Commands()
    assert odd.merge("-x", "$(rm)") == "facecli people merge -- -x '$(rm)'"
    assert odd.move([3], "-x") == "facecli people move --to=-x 3"
    assert odd.enroll("-x") == "facecli enroll -- -x PHOTO..."
    assert odd.enroll() == "facecli enroll NAME PHOTO..."
