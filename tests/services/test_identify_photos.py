from __future__ import annotations

import numpy as np
import pytest
from fakes import BLUE, GREEN, RED, YELLOW, picture

from facecli.errors import ModelMismatchError
from facecli.gallery.records import NewTemplate
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.services.analysis import Analyser, Analysis, PhotoSource
from facecli.services.calibration import Decisions
from facecli.services.identification import identify_photos
from facecli.types import Embedding

HALF = float(np.float32(0.5**0.5))  # cosine of yellow with red and with green


class InTwos:
    """An analyser that is asked for two photos at a time."""

    def __init__(self, analyser: Analyser) -> None:
        self._analyser = analyser

    def analyse_in_batches(self, sources):
        for start in range(0, len(sources), 2):
            yield list(self._analyser.analyse(sources[start : start + 2]))


def enrol(gallery: Gallery, name: str, vector: list[float], model_id: str = "fake") -> None:
    embedding = Embedding(np.array(vector, np.float32), model_id)
    gallery.add_templates(name, [NewTemplate(embedding, 1.0, f"{name}.jpg", f"hash {name}", np.array([0, 0, 9, 9]))])


@pytest.fixture
def people(gallery: Gallery) -> Gallery:
    enrol(gallery, "Red", [1, 0, 0])
    enrol(gallery, "Green", [0, 1, 0])
    return gallery


def identified(
    gallery: Gallery, analyser: Analyser, *photos: bytes, threshold: float = 0.9, candidates: int = 3, **options: float
) -> list[Analysis]:
    sources = [PhotoSource(str(number), data) for number, data in enumerate(photos)]
    search = GallerySearch(gallery)
    rule = decisions(gallery, search, threshold)
    return list(identify_photos(sources, analyser, search, rule, candidates=candidates, **options))


def decisions(gallery: Gallery, search: GallerySearch, threshold: float) -> Decisions:
    return Decisions(gallery, search, model_id="fake", scores=None, fpir=0.01, threshold=threshold)


def names(analysis: Analysis) -> list[str | None]:
    answers = [face.identification for face in analysis.faces]
    return [answer.person.name if answer and answer.person else None for answer in answers]


def test_each_face_gets_its_own_answer_across_a_batch(people: Gallery, analyser: Analyser) -> None:
    photos = [
        picture((GREEN, 0, 0, 50), (RED, 60, 60, 30)),
        picture(),
        b"",
        picture((BLUE, 0, 0, 60)),
        picture((RED, 0, 0, 20)),
    ]

    found = identified(people, analyser, *photos)

    assert [names(analysis) for analysis in found] == [["Green", "Red"], [], [], [None], ["Red"]]
    assert [analysis.source.path for analysis in found] == ["0", "1", "2", "3", "4"]
    assert [analysis.error.code for analysis in found if analysis.error] == ["empty_file"]


@pytest.mark.parametrize(
    ("threshold", "name"),
    [(HALF, "Green"), (float(np.nextafter(HALF, 1)), None), (-1.0, "Green"), (1.0, None)],
)
def test_a_score_that_reaches_the_threshold_names(
    people: Gallery, analyser: Analyser, threshold: float, name: str | None
) -> None:
    people.remove_person("Red")

    (analysis,) = identified(people, analyser, picture((YELLOW, 0, 0, 50)), threshold=threshold)

    assert names(analysis) == [name]
    assert analysis.faces[0].identification is not None
    assert analysis.faces[0].identification.threshold == threshold


@pytest.mark.parametrize(("k", "expected"), [(1, ["Green"]), (2, ["Green", "Red"]), (3, ["Green", "Red"])])
def test_k_people_are_reported_near_or_not(people: Gallery, analyser: Analyser, k: int, expected: list[str]) -> None:
    (analysis,) = identified(people, analyser, picture((GREEN, 0, 0, 50)), candidates=k)

    answer = analysis.faces[0].identification
    assert answer is not None
    assert [candidate.name for candidate in answer.candidates] == expected
    assert [candidate.rank for candidate in answer.candidates] == list(range(1, len(expected) + 1))
    assert [candidate.score for candidate in answer.candidates] == [1.0, 0.0][: len(expected)]


def test_a_person_named_twice_in_a_photo_is_a_warning_of_that_photo(people: Gallery, analyser: Analyser) -> None:
    both = picture((GREEN, 0, 0, 50), (YELLOW, 60, 60, 30))
    people.remove_person("Red")

    found = identified(people, analyser, picture((GREEN, 0, 0, 40)), both, threshold=0.5)

    assert [names(analysis) for analysis in found] == [["Green"], ["Green", "Green"]]
    assert [analysis.warnings for analysis in found] == [
        (),
        ("Green is named on 2 faces of this photo; at most one can be right",),
    ]


def test_in_an_empty_gallery_everybody_is_unknown(gallery: Gallery, analyser: Analyser) -> None:
    (analysis,) = identified(gallery, analyser, picture((GREEN, 0, 0, 50)))

    answer = analysis.faces[0].identification
    assert answer is not None
    assert (answer.person, answer.candidates) == (None, ())


def test_somebody_enrolled_between_batches_is_found_in_the_next(people: Gallery, analyser: Analyser) -> None:
    sources = [PhotoSource(str(number), picture((BLUE, 0, 0, 50))) for number in range(4)]
    search = GallerySearch(people)
    in_twos = InTwos(analyser)
    found = identify_photos(sources, in_twos, search, decisions(people, search, 0.9), candidates=1)

    first = [names(next(found)) for _ in range(2)]
    enrol(people, "Blue", [0, 0, 1])

    assert first == [[None], [None]]
    assert [names(analysis) for analysis in found] == [["Blue"], ["Blue"]]


def test_a_fixed_rule_is_that_of_the_beginning(people: Gallery, analyser: Analyser) -> None:
    sources = [PhotoSource(str(number), picture((BLUE, 0, 0, 50))) for number in range(4)]
    search = GallerySearch(people)
    rules = decisions(people, search, 0.9)
    found = identify_photos(sources, InTwos(analyser), search, rules, candidates=1, fixed=True)

    first = [next(found) for _ in range(2)]
    monkey = decisions(people, search, 0.5)
    rules.rule = monkey.rule
    last = list(found)

    thresholds = [analysis.faces[0].identification.threshold for analysis in [*first, *last]]
    assert thresholds == [0.9] * 4


def test_templates_of_another_model_are_never_compared(gallery: Gallery, analyser: Analyser) -> None:
    enrol(gallery, "Red", [1, 0, 0], model_id="other")

    with pytest.raises(ModelMismatchError, match="other"):
        identified(gallery, analyser, picture((RED, 0, 0, 50)))


def test_without_an_embedder_nobody_is_identified(people: Gallery, make_analyser) -> None:
    (analysis,) = identified(people, make_analyser(embed=False), picture((RED, 0, 0, 50)))

    assert [face.identification for face in analysis.faces] == [None]


def test_faces_below_the_quality_asked_for_are_not_named(people: Gallery, analyser: Analyser) -> None:
    crowd = picture((GREEN, 0, 0, 50), (RED, 60, 60, 20), (BLUE, 0, 60, 20))

    (analysis,) = identified(people, analyser, crowd, min_quality=0.5)

    assert names(analysis) == ["Green", None, None]
    answers = [face.identification for face in analysis.faces]
    assert [answer.rejection for answer in answers if answer] == [None, "low_quality", "low_quality"]
    assert "Red" in {answer.candidates[0].name for answer in answers[1:] if answer}
    assert analysis.warnings == (
        "2 faces were not named for quality below 0.50: too small. "
        "Use a photo in which the face is larger, at least 20 pixels wide, or a larger scan.",
    )


def test_a_face_just_good_enough_is_named(people: Gallery, analyser: Analyser) -> None:
    (analysis,) = identified(people, analyser, picture((GREEN, 0, 0, 50)), min_quality=0.5)

    assert (names(analysis), analysis.warnings) == (["Green"], ())
