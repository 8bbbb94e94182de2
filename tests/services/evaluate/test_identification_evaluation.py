"""A gallery and probes of coloured squares: orthogonal colours are strangers, yellow is half red and half green."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from fakes import BLUE, GREEN, RED, YELLOW, write_picture

from facecli.decide.identification import DecisionRule
from facecli.errors import InputError
from facecli.evaluation.identification import NO_CANDIDATE
from facecli.evaluation.proportions import Proportion, wilson_interval
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.report.document import Document, Table
from facecli.services.analysis import Analyser, PhotoSource
from facecli.services.enrolment import new_template
from facecli.services.evaluate.evaluated_gallery import EvaluatedGallery, enrol_people, enrolled_gallery
from facecli.services.evaluate.identification_document import identification_document
from facecli.services.evaluate.identification_evaluation import Probing, search_probes
from facecli.services.evaluate.people_folder import read_people
from facecli.services.selection import OnMulti

HALF = math.sqrt(0.5)  # cosine of yellow with red, and with green


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Ana and Ben are enrolled, Cyd cannot be; Dan and Eve are strangers."""
    write_picture(tmp_path / "gallery" / "Ana" / "red.png", (RED, 10, 10, 40))
    write_picture(tmp_path / "gallery" / "Ben" / "green.png", (GREEN, 10, 10, 40))
    write_picture(tmp_path / "gallery" / "Cyd" / "black.png")
    write_picture(tmp_path / "probes" / "Ana" / "hit.png", (RED, 20, 20, 50))
    write_picture(tmp_path / "probes" / "Ben" / "behind.png", (YELLOW, 20, 20, 50))
    write_picture(tmp_path / "probes" / "Ben" / "hit.png", (GREEN, 30, 20, 50))
    write_picture(tmp_path / "probes" / "Cyd" / "missed.png", (BLUE, 20, 20, 50))
    write_picture(tmp_path / "probes" / "Dan" / "taken.png", (YELLOW, 30, 30, 50))
    write_picture(tmp_path / "probes" / "Eve" / "nobody.png", side=90)
    return tmp_path


def evaluate(
    folder: Path, analyser: Analyser, gallery: Gallery, *, on_multi: OnMulti = "largest"
) -> tuple[EvaluatedGallery, Probing]:
    evaluated = enrol_people(read_people(str(folder / "gallery")), analyser, gallery, on_multi=on_multi)
    asked = read_people(str(folder / "probes"))
    return evaluated, search_probes(asked, analyser, GallerySearch(gallery), evaluated, on_multi=on_multi)


def document(folder: Path, analyser: Analyser, gallery: Gallery, threshold: float | None = 0.5) -> Document:
    evaluated, probing = evaluate(folder, analyser, gallery)
    rule = None if threshold is None else DecisionRule(threshold)
    return identification_document(probing, evaluated, gallery, rule=rule, model={"detector": "fake"})


def table(made: Document, name: str) -> Table:
    return next(each for each in made.tables if each.name == name)


def test_every_probe_is_a_search(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    _, probing = evaluate(people, analyser, gallery)
    searches = probing.searches()

    # In the order of the folders; of equal scores the person enrolled first is nearer.
    assert searches.mated_scores.tolist() == pytest.approx([1, HALF, 1, NO_CANDIDATE])
    assert searches.mated_ranks.tolist() == [1, 2, 1, 0]
    assert searches.mated_top_scores.tolist() == pytest.approx([1, HALF, 1, 0])
    assert searches.mated_people.tolist() == [0, 1, 1, 2]
    assert searches.nonmated_scores.tolist() == pytest.approx([HALF, NO_CANDIDATE])
    assert searches.nonmated_people.tolist() == [3, 4]
    assert [probe.error.code if probe.error else "" for probe in probing.probes] == [*[""] * 5, "no_face"]
    assert probing.probes[0].box_xyxy == (20, 20, 70, 70)


def test_the_document_says_what_was_counted(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    made = document(people, analyser, gallery)

    assert made.facts == {
        "gallery": str(people / "gallery"),
        "people in the gallery (N)": 2,
        "templates in the gallery": 2,
        "people without a template": 1,
        "gallery photos": 3,
        "gallery photos without a template": 1,
        "FTE of gallery photos": 1 / 3,
        "probes": str(people / "probes"),
        "mated probes": 4,
        "people of mated probes": 3,
        "non-mated probes": 2,
        "people of non-mated probes": 2,
        "probes without a template": 1,
        "FTE of probes": 1 / 6,
        "probes left out, as they are in the gallery": 0,
        "threshold in use": 0.5,
        "detector": "fake",
    }
    rates = table(made, "Error rates").rows
    assert [row[0] for row in rates] == [
        "threshold in use",
        "FPIR 0.1",
        "FPIR 0.03",
        "FPIR 0.01",
        "FPIR 0.003",
        "no threshold",
    ]
    fpir, fnir = Proportion(1, 2), Proportion(2, 4)
    assert (rates[0][2], rates[0][5]) == (fpir.rate, fnir.rate)
    assert rates[0][3] <= wilson_interval(1, 2).low < wilson_interval(1, 2).high <= rates[0][4]
    assert rates[1] == ("FPIR 0.1", *[None] * 7, "n/a: 2 non-mated searches, 10 needed")
    assert rates[-1][5] == 0.5
    assert table(made, "Counts").rows == (("threshold in use", None, None, 1, 2, 2, 4, 1),)
    assert table(made, "Ranks").rows == ((1, 0.5, 0.5), (2, 0.75, 0.25))  # there are two people
    assert [row[:2] for row in table(made, "Failures to enrol").rows] == [("gallery", "Cyd"), ("probe", "Eve")]
    assert [plot.name for plot in made.plots] == ["DET", "CMC", "Scores"]
    assert [sum(series.y) for series in made.plots[-1].series] == [3, 1]  # what has no score is in no bin


def test_the_worst_errors_are_shown_beside_whom_they_were_taken_for(
    people: Path, analyser: Analyser, gallery: Gallery
) -> None:
    strangers, missed = document(people, analyser, gallery).pictures

    (dan,) = strangers.pictures
    assert dan.text == "Dan taken for Ana"
    assert dan.paths == (str(people / "probes/Dan/taken.png"), str(people / "gallery/Ana/red.png"))
    assert dan.boxes_xyxy == ((30, 30, 80, 80), (10, 10, 50, 50))
    assert dan.score == pytest.approx(HALF)
    cyd, ben = missed.pictures
    assert cyd.text.startswith("Cyd, who could not be enrolled, behind ")
    assert ben.text == "Ben at rank 2, behind Ana at 0.707"
    assert [Path(path).name for path in ben.paths] == ["behind.png", "green.png", "red.png"]


def test_above_every_score_nobody_is_taken_for_anybody(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    made = document(people, analyser, gallery, 0.9)

    assert table(made, "Counts").rows == (("threshold in use", None, None, 0, 2, 2, 4, 0),)
    assert [picture.text for picture in made.pictures[0].pictures] == ["Dan nearest to Ana"]


def test_without_a_threshold_the_rest_is_stated(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    made = document(people, analyser, gallery, None)

    assert table(made, "Error rates").rows[0][0] == "FPIR 0.1"
    assert made.facts["threshold in use"] is None
    assert "no threshold has been measured for this embedder: the errors in use are not stated" in made.warnings
    assert not [mark for plot in made.plots for mark in plot.marks]
    strangers, missed = made.pictures
    assert [picture.text for picture in strangers.pictures] == ["Dan nearest to Ana"]
    assert len(missed.pictures) == 2  # Ben behind Ana, and Cyd, whatever their scores
    assert "inf" not in missed.caption


def test_photos_of_the_gallery_are_no_probes(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    shutil.copy(people / "gallery" / "Ana" / "red.png", people / "probes" / "Ana" / "same.png")
    shutil.copy(people / "gallery" / "Cyd" / "black.png", people / "probes" / "Cyd" / "same.png")  # failed to enrol
    shutil.copy(people / "gallery" / "Ben" / "green.png", people / "probes" / "Dan" / "wrong.png")

    _, probing = evaluate(people, analyser, gallery)

    assert (len(probing.probes), probing.left_out) == (6, 3)
    wrong = people / "probes" / "Dan" / "wrong.png"
    assert probing.warnings == (f"{wrong} is in the gallery as Ben: one of the two names is wrong",)


def test_unreadable_photos_are_probes_all_the_same(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    (people / "gallery" / "Cyd" / "broken.png").write_bytes(b"no photo")
    (people / "probes" / "Ana" / "broken.png").write_bytes(b"no photo either")
    (people / "probes" / "Ana" / "gone.png").symlink_to(people / "nowhere.png")
    (people / "gallery" / "Cyd" / "gone.png").symlink_to(people / "nowhere.png")

    _, probing = evaluate(people, analyser, gallery)

    assert probing.left_out == 0
    assert probing.searches().mated_ranks.tolist() == [0, 0, 1, 2, 1, 0]


def test_several_faces_of_a_size(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    write_picture(people / "probes" / "Ana" / "with.png", (RED, 10, 10, 40), (BLUE, 60, 60, 30))

    _, largest = evaluate(people, analyser, gallery, on_multi="largest")
    with Gallery.open(":memory:") as other:
        _, strict = evaluate(people, analyser, other, on_multi="error")

    assert [probe.mate is not None for probe in largest.probes[:2]] == [True, True]
    assert [probe.error.code if probe.error else "" for probe in strict.probes[:2]] == ["", "several_faces"]


def test_a_gallery_enrolled_before(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    enrol_people(read_people(str(people / "gallery")), analyser, gallery)
    gallery.add_person("Cyd")  # somebody without a template is missed, not a stranger
    evaluated = enrolled_gallery(gallery, "fake")

    probing = search_probes(read_people(str(people / "probes")), analyser, GallerySearch(gallery), evaluated)
    made = identification_document(probing, evaluated, gallery, rule=DecisionRule(0.5), model={})

    assert probing.searches().mated_ranks.tolist() == [1, 2, 1, 0]
    assert "gallery photos" not in made.facts
    assert (made.facts["people in the gallery (N)"], made.facts["people without a template"]) == (2, 1)


def test_strangers_called_nearly_like_somebody_are_told(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    write_picture(people / "gallery" / "Eva Green" / "blue.png", (BLUE, 10, 10, 40))
    write_picture(people / "probes" / "eva_green" / "blue.png", (BLUE, 20, 20, 50))

    _, probing = evaluate(people, analyser, gallery)

    assert probing.warnings == (
        "eva_green counts as a stranger, as the gallery calls somebody Eva Green: spell both alike if it is one",
    )


def test_kinds_of_searches_that_are_absent(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    for name in ("Dan", "Eve"):
        shutil.rmtree(people / "probes" / name)
    mated_only = document(people, analyser, gallery)
    for name in ("Ana", "Ben", "Cyd"):
        shutil.rmtree(people / "probes" / name)
    write_picture(people / "probes" / "Dan" / "taken.png", (YELLOW, 30, 30, 50))
    with Gallery.open(":memory:") as other:
        strangers_only = document(people, analyser, other)

    assert mated_only.warnings == ("no probe shows a stranger to the gallery, so FPIR cannot be measured",)
    assert table(mated_only, "Error rates").rows[0][2:5] == (None, None, None)
    assert table(mated_only, "Error rates").rows[0][-1] == "n/a: no non-mated searches"
    assert [plot.name for plot in mated_only.plots] == ["CMC", "Scores"]
    assert strangers_only.warnings == ("no probe shows anybody of the gallery, so FNIR cannot be measured",)
    assert table(strangers_only, "Error rates").rows[0][5:] == (None, None, None, "n/a: no mated searches")
    assert table(strangers_only, "Ranks").rows == ((1, None, None), (2, None, None))
    assert [plot.name for plot in strangers_only.plots] == ["Scores"]


def test_evaluations_of_nothing(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    empty = people / "empty"
    (empty / "Ana").mkdir(parents=True)
    faceless = people / "faceless"
    write_picture(faceless / "Cyd" / "black.png")

    with pytest.raises(InputError, match="nobody is enrolled in :memory:"):
        enrolled_gallery(gallery, "fake")
    with pytest.raises(InputError, match=r"nobody of .*/empty could be enrolled$"):
        enrol_people(read_people(str(empty)), analyser, gallery)
    with pytest.raises(
        InputError, match=r"nobody of .*/faceless could be enrolled: no face was found in .*black\.png$"
    ):
        enrol_people(read_people(str(faceless)), analyser, gallery)
    evaluated = enrol_people(read_people(str(people / "gallery")), analyser, gallery)
    search = GallerySearch(gallery)
    with pytest.raises(InputError, match=r"no photos were found in the folders of .*/empty$"):
        search_probes(read_people(str(empty)), analyser, search, evaluated)
    with pytest.raises(InputError, match=r"every photo in .*/gallery is also in the gallery"):
        search_probes(read_people(str(people / "gallery")), analyser, search, evaluated)


def test_photos_are_counted_as_they_are_done(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    done: list[None] = []
    evaluated = enrol_people(
        read_people(str(people / "gallery")), analyser, gallery, photo_done=lambda: done.append(None)
    )
    assert len(done) == 3

    search_probes(
        read_people(str(people / "probes")),
        analyser,
        GallerySearch(gallery),
        evaluated,
        photo_done=lambda: done.append(None),
    )
    assert len(done) == 9


def test_who_is_barred_is_evaluated_as_if_not_enrolled(people: Path, analyser: Analyser, gallery: Gallery) -> None:
    evaluated, before = evaluate(people, analyser, gallery)
    taken = next(analyser.analyse([PhotoSource(str(people / "probes" / "Dan" / "taken.png"))]))
    gallery.add_templates("Ana", [new_template(taken, taken.faces[0])], is_negative=True)
    asked = read_people(str(people / "probes"))
    after = search_probes(asked, analyser, GallerySearch(gallery), evaluated)

    (was,), (now,) = ([each for each in found.probes if each.name == "Dan"] for found in (before, after))
    assert was.top is not None
    assert now.top is not None
    assert (was.top.name, now.top.name, now.top.rank) == ("Ana", "Ben", 1)
