from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from facecli.decide.calibration import Calibration, ThresholdChoice
from facecli.errors import ConfigError
from facecli.gallery.records import NewTemplate
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.report.document import Document
from facecli.scores import ScoreDistribution, Tail
from facecli.services.calibration import Decisions, calibrate, stored_threshold
from facecli.services.calibration_document import calibration_document
from facecli.services.promises import percent, promise, shortfall
from facecli.types import Embedding

MODEL = "fake"
DIMENSION = 64

# Random directions in so many dimensions: cosines are about normal, with a deviation of an eighth.
DEVIATION = DIMENSION**-0.5
SCORES = ScoreDistribution(
    non_mated=np.array([(0.5, 0.0), (0.1587, DEVIATION), (0.0228, 2 * DEVIATION), (0.00135, 3 * DEVIATION)]),
    tail=Tail(start=3 * DEVIATION, share=0.00135, scale=DEVIATION / 3.3, shape=-0.05),
    mated=np.array([(0.01, 0.5), (0.99, 0.9)]),
    non_mated_pairs=10_000_000,
    mated_pairs=500,
    people=900,
    probability=(-7.0, 1.3),
    measured_on="random directions",
)


def unit(number: int) -> np.ndarray:
    vector = np.random.default_rng(number).standard_normal(DIMENSION)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def enrol(gallery: Gallery, name: str, *vectors: np.ndarray) -> None:
    gallery.add_templates(
        name,
        [
            NewTemplate(Embedding(vector, MODEL), 1.0, f"{name}.jpg", f"{name} {number}", np.array([0, 0, 9, 9]))
            for number, vector in enumerate(vectors)
        ],
    )


@pytest.fixture
def people(gallery: Gallery) -> Gallery:
    for number in range(40):
        enrol(gallery, f"person {number:02}", unit(number))
    return gallery


def made(gallery: Gallery, **settings: float | None) -> Decisions:
    options = {"scores": SCORES, "fpir": 0.01, "threshold": None} | settings
    return Decisions(gallery, GallerySearch(gallery), model_id=MODEL, **options)


def test_strangers_are_named_as_seldom_as_was_asked_for(people: Gallery) -> None:
    search = GallerySearch(people)
    strangers = [Embedding(unit(number), MODEL) for number in range(1000, 9000)]
    best = np.array([found[0].score for found in search.candidates(strangers, 1)])
    for fpir in (0.1, 0.01):
        choice = made(people, fpir=fpir).rule().choice
        assert choice is not None
        assert choice.low < float(np.mean(best >= choice.threshold)) < choice.high


def test_the_rule_follows_the_gallery(people: Gallery) -> None:
    decisions = made(people)
    before = decisions.rule()
    assert decisions.rule() is before
    for number in range(40, 120):
        enrol(people, f"person {number}", unit(number))
    after = decisions.rule()
    assert after.threshold > before.threshold
    assert after.calibration is not None
    assert after.calibration.person_count == 120


def test_searches_are_made_once_and_kept(people: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(people).rule()
    monkeypatch.setattr("facecli.services.calibration.sample_searches", None)  # calling it would raise
    assert made(people).rule().threshold == first.threshold


def test_a_threshold_of_the_user_makes_no_promise_but_a_probability(people: Gallery) -> None:
    rule = made(people, threshold=0.3).rule()
    assert (rule.threshold, rule.choice) == (0.3, None)
    assert rule.calibration is not None


def test_a_model_nobody_measured_needs_a_threshold(people: Gallery) -> None:
    rule = made(people, scores=None, threshold=0.3).rule()
    assert (rule.threshold, rule.choice, rule.calibration) == (0.3, None, None)
    with pytest.raises(ConfigError, match="no rate can be promised for fake"):
        made(people, scores=None)


def test_an_empty_gallery_has_a_rule(gallery: Gallery) -> None:
    rule = made(gallery).rule()
    assert rule.choice is not None
    assert 0 < rule.threshold < 1


def test_several_templates_of_a_person_are_no_strangers_to_each_other(gallery: Gallery) -> None:
    for number in range(30):
        face = unit(number)
        near = face + 0.2 * unit(500 + number)
        enrol(gallery, f"person {number}", face, (near / np.linalg.norm(near)).astype(np.float32))
    found = calibrate(gallery, GallerySearch(gallery), MODEL, SCORES)
    assert found.suspects == ()
    assert found.sample.scores.max() < 0.6
    assert (found.calibration.template_count, found.calibration.person_count) == (60, 30)


def test_one_person_under_two_names_is_named_once(people: Gallery) -> None:
    twin = unit(3) + 0.05 * unit(900)
    enrol(people, "Somebody else", (twin / np.linalg.norm(twin)).astype(np.float32))
    found = calibrate(people, GallerySearch(people), MODEL, SCORES)
    assert [{each.name, each.other_name} for each in found.suspects] == [{"person 03", "Somebody else"}]
    assert found.suspects[0].score > 0.95
    document = documented(found, found.calibration.choose(0.01))
    assert "person 03 and Somebody else may be one person under two names" in "".join(document.warnings)


def documented(found, choice: ThresholdChoice) -> Document:
    return calibration_document(found, choice, gallery="g.db", model={"embedder": MODEL}, is_kept=True)


def test_the_document_says_what_is_promised_and_what_else_could_be(people: Gallery) -> None:
    found = calibrate(people, GallerySearch(people), MODEL, SCORES)
    choice = found.calibration.choose(0.02)

    document = documented(found, choice)

    assert document.facts["people"] == 40
    assert document.facts["threshold"] == choice.threshold
    rates = document.tables[0]
    assert [row[0] for row in rates.rows] == [0.1, 0.03, 0.02, 0.01, 0.003, 0.001]
    assert [row[1] for row in rates.rows] == sorted(row[1] for row in rates.rows)
    assert [row[0] for row in rates.rows if "asked for" in str(row[-1])] == [0.02]
    chances = dict(document.tables[1].rows)
    assert found.calibration.probability(chances[0.9]) == pytest.approx(0.9, abs=0.01)
    assert document.warnings == ()


def test_a_rate_beyond_the_evidence_is_a_warning(people: Gallery) -> None:
    found = calibrate(people, GallerySearch(people), MODEL, replace(SCORES, non_mated_pairs=1000))
    choice = found.calibration.choose(1e-5)
    assert not choice.supported
    assert shortfall(choice, found.calibration.supported_fpir) in documented(found, choice).warnings


def test_the_threshold_is_kept_with_the_gallery(people: Gallery) -> None:
    found = calibrate(people, GallerySearch(people), MODEL, SCORES)
    choice = found.calibration.choose(0.01)
    assert people.keep_searches(found.sample, stored_threshold(found, choice))
    (kept,) = people.info().thresholds
    assert (kept.model_id, kept.revision, kept.fpir) == (MODEL, people.revision, 0.01)
    assert kept.threshold == pytest.approx(choice.threshold)


@pytest.mark.parametrize(
    ("rate", "text"), [(0.01, "1 %"), (0.5, "50 %"), (0.001, "0.1 %"), (0.00123, "0.12 %"), (1e-7, "0.00001 %")]
)
def test_rates_are_written_with_two_digits(rate: float, text: str) -> None:
    assert percent(rate) == text


def test_a_promise_is_a_sentence() -> None:
    choice = ThresholdChoice(0.4123, 0.01, 0.005, 0.0213, supported=True)
    assert promise(choice, 1) == (
        "threshold 0.412: among 1 person enrolled 1 % of the strangers searched for get a name "
        "(95 % interval 0.5 % to 2.1 %)"
    )
    assert math.isclose(Calibration(SCORES, 1, 1).choose(0.01).fpir, 0.01)
