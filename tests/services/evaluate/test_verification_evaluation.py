from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import BLUE, GREEN, RED, YELLOW, FakeDetector, write_picture

from facecli.errors import InputError, UsageError
from facecli.report.document import Document
from facecli.services.analysis import Analyser
from facecli.services.evaluate.pair_list import PairList, read_pairs
from facecli.services.evaluate.verification_document import to_document
from facecli.services.evaluate.verification_evaluation import evaluate_verification

HALF = float(np.float32(0.5**0.5))  # red and yellow, or green and yellow


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two people of pure colours, one seen in yellow once, and photos that fail to enrol."""
    for name, square in {
        "ada/1": (RED, 0, 0, 40), "ada/2": (RED, 10, 10, 50), "ada/3": (YELLOW, 0, 0, 40),
        "bob/1": (GREEN, 0, 0, 40), "bob/2": (GREEN, 9, 9, 20), "cat/1": (BLUE, 0, 0, 40),
    }.items():  # fmt: skip
        write_picture(tmp_path / f"{name}.png", square)
    write_picture(tmp_path / "bob/empty.png")
    (tmp_path / "cat/torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    return tmp_path


def listed(root: Path, *lines: str, columns: str = "") -> PairList:
    path = root / "pairs.csv"
    path.write_text("\n".join([f"mated,file_a,file_b{columns}", *lines]) + "\n")
    return read_pairs(path, root)


@pytest.fixture
def pairs(photos: Path) -> PairList:
    return listed(
        photos,
        "1,ada/1.png,ada/2.png,red,x,1",  # 1
        "1,ada/1.png,ada/3.png,red,x,2",  # 0.707
        "1,bob/1.png,bob/empty.png,green,x,3",  # no face
        "1,bob/1.png,bob/2.png,green,x,4",  # 1
        "0,ada/3.png,bob/1.png,red,x,5",  # 0.707
        "0,ada/1.png,bob/1.png,red,x,6",  # 0
        "0,bob/1.png,cat/torn.png,green,x,7",  # not decoded
        "0,cat/1.png,ada/1.png,green,x,8",  # 0
        columns=",colour,same,serial",
    )


def table(document: Document, name: str) -> list[dict[str, object]]:
    (found,) = (each for each in document.tables if each.name == name)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_every_pair_counts(pairs: PairList, analyser: Analyser) -> None:
    found = evaluate_verification(pairs, analyser, face="largest", threshold=0.75)

    assert found.trials.scores == pytest.approx([1, HALF, -np.inf, 1, HALF, 0, -np.inf, 0], abs=1e-6)
    assert [Path(photo.path).name for photo in found.failed_photos] == ["empty.png", "torn.png"]
    assert [photo.failure for photo in found.failed_photos] == ["no_face", "truncated"]
    # At 0.75: of four mated pairs the yellow one and the failed one are missed, no other pair matches.
    assert (found.fnmr.count, found.fnmr.trials, found.fmr.count, found.fmr.trials) == (2, 4, 0, 4)
    assert (found.best.correct, found.best.trials) == (6, 8)


def test_every_photo_is_analysed_once_and_counted(pairs: PairList, analyser: Analyser, detector: FakeDetector) -> None:
    calls: list[int] = []
    evaluate_verification(pairs, analyser, face="largest", threshold=0.5, on_photo=lambda: calls.append(1))

    seen = [Path(source) for batch in detector.batches for source in batch]
    assert len(seen) == len(set(seen)) == 7  # torn.png is none
    assert len(calls) == len(pairs.photos) == 8


def test_the_document_by_hand(pairs: PairList, analyser: Analyser) -> None:
    document = to_document(evaluate_verification(pairs, analyser, face="largest", threshold=0.75))

    assert {
        "photos": 8, "people": 3, "people told apart by": "the photos' folders", "mated pairs": 4,
        "non-mated pairs": 4, "photos failed to enrol": 2, "FTE": 0.25, "pairs with such a photo, never a match": 2,
        "photos with several faces": 0, "face taken": "largest", "detector": "fake", "threshold in use": 0.75,
    }.items() <= document.facts.items()  # fmt: skip
    assert [row["note"] for row in table(document, "FNMR at fixed FMR")] == [
        f"n/a: 4 non-mated pairs; it takes {trials}" for trials in (10, 100, 1000, 10000)
    ]
    used = {row["error"]: row for row in table(document, "At the threshold in use")}
    assert (used["FNMR"]["rate"], used["FNMR"]["errors"], used["FMR"]["rate"], used["FMR"]["trials"]) == (0.5, 2, 0, 4)
    assert [(Path(str(row["photo"])).name, row["reason"]) for row in table(document, "Failures to enrol")] == [
        ("empty.png", "no_face"),
        ("torn.png", "truncated"),
    ]
    scores = {row["share"]: (row["mated"], row["non-mated"]) for row in table(document, "Scores")}
    assert scores["0 %"] == (-np.inf, -np.inf)
    assert scores["100 %"] == pytest.approx((1, HALF), abs=1e-6)


def test_groups_are_those_columns_that_can_be(pairs: PairList, analyser: Analyser) -> None:
    found = evaluate_verification(pairs, analyser, face="largest", threshold=0.75)
    document = to_document(found)

    (column,) = found.groups
    assert (column.name, column.at, found.left_out) == ("colour", "the threshold in use", ("same", "serial"))
    rows = table(document, "By colour, at the threshold in use")
    assert [(row["group"], row["people"], row["FNMR"], row["FMR"]) for row in rows] == [
        ("green", 3, 0.5, 0.0),
        ("red", 2, 0.5, 0.0),
    ]
    assert rows[0]["beware"] == "only 2 mated pairs; only 2 non-mated pairs"
    assert "the column 'same' does not name groups of pairs (2 to 50 of them) and was left out" in document.warnings
    assert any("2 of 2 groups are too small" in warning for warning in document.warnings)


def test_groups_are_compared_at_one_threshold_for_all(tmp_path: Path, analyser: Analyser) -> None:
    write_picture(tmp_path / "ada/1.png", (RED, 0, 0, 40))
    write_picture(tmp_path / "ada/2.png", (YELLOW, 0, 0, 40))
    write_picture(tmp_path / "bob/1.png", (BLUE, 0, 0, 40))
    lines = [f"{mated},ada/1.png,{other},{'fm'[at % 2]}" for mated, other in ((1, "ada/2.png"), (0, "bob/1.png"))
             for at in range(10)]  # fmt: skip
    found = evaluate_verification(listed(tmp_path, *lines, columns=",gender"), analyser, face="largest", threshold=0.75)

    assert [(column.at, column.threshold) for column in found.groups] == [
        ("FMR 0.1 over all", pytest.approx(HALF)),
        ("the threshold in use", 0.75),
    ]
    assert [group.fnmr.value for column in found.groups for group in column.groups] == [0, 0, 1, 1]
    assert found.groups[0].groups[0].doubts == ("only 5 mated pairs", "only 5 non-mated pairs")


@pytest.mark.parametrize(("face", "score"), [("largest", 0.0), ("central", 1.0)])
def test_which_face_stands_for_a_photo(tmp_path: Path, analyser: Analyser, face: str, score: float) -> None:
    write_picture(tmp_path / "ada/1.png", (RED, 40, 40, 20), (GREEN, 0, 0, 30))
    write_picture(tmp_path / "ada/2.png", (RED, 0, 0, 40))
    found = evaluate_verification(listed(tmp_path, "1,ada/1.png,ada/2.png"), analyser, face=face, threshold=0.5)

    assert found.trials.scores == pytest.approx([score])
    assert to_document(found).facts["photos with several faces"] == 1


def test_plots_and_pictures(pairs: PairList, analyser: Analyser) -> None:
    document = to_document(evaluate_verification(pairs, analyser, face="largest", threshold=0.5))
    det, roc, histogram = document.plots
    lowest, highest, failed = document.pictures

    # At 0.5 the yellow photo also matches a stranger: FMR 1/4, FNMR 1/4 for the one that failed to enrol.
    assert [(mark.x, mark.y) for mark in (*det.marks, *roc.marks)] == [(0.25, 0.25), (0.25, 0.75)]
    assert (det.series[0].x[0], det.series[0].y[0]) == (0.75, 0.25)
    # It ends where the FMR gets 0, at the two mated scores of 1.
    assert [pair for pair in zip(det.series[0].x, det.series[0].y, strict=True) if pair[0] == 0] == [(0, 0.5)]
    assert (roc.series[0].x[-1], roc.series[0].y[-1]) == (0, 0)
    assert [sum(series.y) for series in histogram.series] == [3, 3]  # without those that failed
    assert histogram.series[0].x == histogram.series[1].x
    assert [round(picture.score, 3) for picture in lowest.pictures] == [0.707, 1, 1]
    assert [round(picture.score, 3) for picture in highest.pictures] == [0.707, 0, 0]
    assert lowest.pictures[0].text == "ada/1.png and ada/3.png"
    assert lowest.pictures[0].boxes_xyxy == ((0, 0, 40, 40), (0, 0, 40, 40))
    assert [Path(picture.paths[0]).name for picture in failed.pictures] == ["empty.png", "torn.png"]


def test_a_name_that_says_whose_photo_it_is_stands_alone(tmp_path: Path, analyser: Analyser) -> None:
    for name in ("ada/ada_1", "ada/2"):
        write_picture(tmp_path / f"{name}.png", (RED, 0, 0, 40))
    pairs = listed(tmp_path, "1,ada/ada_1.png,ada/2.png")
    document = to_document(evaluate_verification(pairs, analyser, face="largest", threshold=0.5))

    assert document.pictures[0].pictures[0].text == "ada_1.png and ada/2.png"


def test_folds_of_the_list_and_dealt_ones(photos: Path, analyser: Analyser) -> None:
    lines = ["1,ada/1.png,ada/2.png", "0,ada/1.png,bob/1.png", "1,bob/1.png,bob/2.png", "0,bob/1.png,cat/1.png"]
    own = listed(photos, *(f"{line},{fold}" for line, fold in zip(lines, "aabb", strict=True)), columns=",fold")
    found = evaluate_verification(own, analyser, face="largest", threshold=None)
    dealt = evaluate_verification(listed(photos, *lines), analyser, face="largest", threshold=None, folds=2)

    rows = table(to_document(found), "Accuracy by fold")
    assert [(row["fold"], row["right"], row["pairs"]) for row in rows] == [("a", 2, 2), ("b", 2, 2)]
    summary = {row["measure"]: row for row in table(to_document(found), "In one number")}
    assert summary["accuracy over folds"]["value"] == 1
    assert (
        summary["accuracy over folds"]["note"] == "± 0.0000 standard error of the mean; 2 folds, as the list has them"
    )
    assert dealt.folds_from == "dealt here, some people in several of them"
    assert any("folds share people" in warning for warning in to_document(dealt).warnings)
    with pytest.raises(UsageError, match="has its own folds"):
        evaluate_verification(own, analyser, face="largest", threshold=None, folds=2)
    with pytest.raises(UsageError, match="cannot be dealt into 5 folds"):
        evaluate_verification(listed(photos, *lines), analyser, face="largest", threshold=None, folds=5)


def test_without_a_threshold_or_a_class_it_says_so(photos: Path, analyser: Analyser) -> None:
    found = evaluate_verification(
        listed(photos, "1,ada/1.png,ada/2.png", "1,bob/1.png,bob/2.png"), analyser, face="largest", threshold=None
    )
    document = to_document(found)

    assert not [each for each in document.tables if each.name == "At the threshold in use"]
    assert [plot.kind for plot in document.plots] == ["histogram"]
    assert "the list has no non-mated pairs: nothing can be said about their errors" in document.warnings
    assert any("no threshold has been measured" in warning for warning in document.warnings)


def test_nothing_enrolled(photos: Path, analyser: Analyser) -> None:
    found = evaluate_verification(
        listed(photos, "1,bob/1.png,bob/empty.png", "0,ada/1.png,bob/empty.png"),
        analyser,
        face="largest",
        threshold=0.5,
    )
    document = to_document(found)

    assert (found.fnmr.value, found.fmr.value, found.rates.eer) == (1, 0, None)
    assert [group.name for group in document.pictures] == ["Failures to enrol"]
    assert "histogram" not in [plot.kind for plot in document.plots]


def test_what_the_machine_denies_is_no_failure_to_enrol(pairs: PairList, photos: Path, analyser: Analyser) -> None:
    (photos / "cat/1.png").unlink()

    with pytest.raises(InputError, match=r"cat/1\.png does not exist"):
        evaluate_verification(pairs, analyser, face="largest", threshold=0.5)


def test_an_analyser_without_an_embedder_is_a_mistake(pairs: PairList, make_analyser: Callable[..., Analyser]) -> None:
    with pytest.raises(ValueError, match="embedder"):
        evaluate_verification(pairs, make_analyser(embed=False), face="largest", threshold=0.5)


def test_copies_of_one_file_are_told(photos: Path, analyser: Analyser) -> None:
    for copy, original in (("ada/copy.png", "ada/1.png"), ("bob/copy.png", "ada/1.png")):
        (photos / copy).write_bytes((photos / original).read_bytes())
    pairs = listed(photos, "1,ada/1.png,ada/copy.png", "0,ada/1.png,bob/copy.png", "1,ada/1.png,ada/2.png")
    document = to_document(evaluate_verification(pairs, analyser, face="largest", threshold=0.5))

    assert document.warnings == (
        "1 mated pair is of one file under two names, which is easier than two photos",
        "1 non-mated pair is of one file under two names, so the list is wrong there",
    )


def test_a_target_that_no_score_keeps(tmp_path: Path, analyser: Analyser) -> None:
    for name, colour in (("ada/1", RED), ("ada/2", RED), ("bob/1", RED)):
        write_picture(tmp_path / f"{name}.png", (colour, 0, 0, 40))
    pairs = listed(tmp_path, "1,ada/1.png,ada/2.png", *["0,ada/1.png,bob/1.png"] * 10)
    document = to_document(evaluate_verification(pairs, analyser, face="largest", threshold=0.5))

    row = table(document, "FNMR at fixed FMR")[0]
    assert (row["FNMR"], row["note"]) == (1, "nothing may match: too many of the highest scores are alike")
