"""models/measure: what its figures mean, on sets made of numbers; and whether what ships comes out again."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from facecli.evaluation.bootstrap import pair_weights, resampled_people
from facecli.evaluation.score_fit import fit_scores
from facecli.evaluation.verification import Trials
from facecli.evaluation.verification import measure as measure_trials
from facecli.runtime.manifest import models_dir, read_manifest
from facecli.services.analysis import Analysis, PhotoSource
from facecli.types import Detection, Embedding, Face, Quality

MEASURE = Path(__file__).resolve().parents[2] / "models" / "measure"

Part = Callable[[str], ModuleType]


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Iterator[Part]:
    """Import a module of models/measure."""
    monkeypatch.syspath_prepend(str(MEASURE))
    yield importlib.import_module
    for file in MEASURE.glob("*.py"):
        if file.stem != "__main__":  # which is pytest's
            sys.modules.pop(file.stem, None)


def photo_set(part: Part, people: int, photos_each: int) -> object:
    names = tuple(f"p{person:03}/{photo}.jpg" for person in range(people) for photo in range(photos_each))
    return part("photosets").PhotoSet("numbers", Path(), names, ())


def noisy_scores(photos: object, seed: int) -> np.ndarray:
    """Mated pairs around 0.5, the others around 0; symmetric."""
    rng = np.random.default_rng(seed)
    same = photos.people[:, None] == photos.people[None, :]
    noise = rng.normal(0, 0.2, same.shape)
    return 0.5 * same + (noise + noise.T) / 2


def data_folder(folder: Path) -> Path:
    """Both sets with two people each, three photos of the first one; files are empty."""
    for photo in ("legislators/images/A/1.jpg", "legislators/images/A/2.jpg", "legislators/images/A/3.jpg"):
        (folder / photo).parent.mkdir(parents=True, exist_ok=True)
        (folder / photo).touch()
    shutil.copytree(folder / "legislators/images/A", folder / "legislators/images/B")
    shutil.copytree(folder / "legislators/images", folder / "lfw_view1")
    (folder / "legislators/people.json").write_text(json.dumps({"A": {"gender": "female"}}))
    pairs = "mated,file_a,file_b\n1,A/1.jpg,A/3.jpg\n0,A/1.jpg,B/1.jpg\n"
    (folder / "legislators/pairs.csv").write_text(pairs)
    (folder / "lfw_view1_pairs.csv").write_text(pairs)
    return folder


def test_copies_of_a_photograph_and_wrong_labels_make_no_mated_pairs(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photosets = part("photosets")
    monkeypatch.setattr(photosets, "LABEL_FAULTS", {"lfw_view1": {"B/2.jpg": "shows A"}})

    legislators, lfw = photosets.read_sets(data_folder(tmp_path))

    def pairs(photos: object, kind: str) -> set[str]:
        return {f"{photos.photos[a]} {photos.photos[b]}" for a, b in zip(*getattr(photos, kind), strict=True)}

    assert pairs(legislators, "mated") == {"A/1.jpg A/3.jpg"}
    assert len(pairs(legislators, "non_mated")) == 9
    assert pairs(lfw, "mated") == {"A/1.jpg A/2.jpg", "A/1.jpg A/3.jpg", "A/2.jpg A/3.jpg", "B/1.jpg B/3.jpg"}
    assert len(pairs(lfw, "non_mated")) == 6
    assert legislators.groups["gender"] == {"A": "female"}


def test_pair_rates_are_those_of_the_evaluation(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = photo_set(part, people=30, photos_each=3)
    scores = noisy_scores(photos, seed=1)
    rates = part("rates")
    monkeypatch.setattr(rates, "KEPT_SHARE", 0.5)

    found = rates.PairRates(scores, photos).fnmr(0.01)

    first, second = (np.concatenate(each) for each in zip(photos.mated, photos.non_mated, strict=True))
    person_a, person_b = photos.people[first], photos.people[second]
    trials = Trials(scores[first, second], person_a == person_b, person_a, person_b)
    expected = measure_trials(trials, targets=(0.01,), replicates=1000).points[0]
    assert (found.errors, found.trials) == (expected.fnmr.count, expected.fnmr.trials)
    assert found.errors > 0
    assert found.interval == expected.fnmr.interval


def test_draws_weigh_non_mated_pairs_by_both_people(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = photo_set(part, people=12, photos_each=2)
    scores = noisy_scores(photos, seed=2)
    rates = part("rates")
    monkeypatch.setattr(rates, "KEPT_SHARE", 0.9)

    found = rates.PairRates(scores, photos).fnmr(0.05).replicates

    weights = next(iter(resampled_people(photos.person_count)))
    one, two = photos.non_mated
    non_mated = np.repeat(scores[one, two], pair_weights(weights, photos.people[one], photos.people[two]))
    mated = np.repeat(scores[photos.mated], weights[photos.people[photos.mated[0]]])
    falling = np.sort(non_mated)[::-1]
    refused = falling[int(0.05 * len(falling))]
    assert found[0] == pytest.approx(np.mean(mated <= refused))


def test_a_search_finds_who_is_nearest_and_counts_a_lost_face_as_missed(part: Part) -> None:
    photos = photo_set(part, people=20, photos_each=2)
    scores = noisy_scores(photos, seed=3) * 0.01 + (photos.people[:, None] == photos.people[None, :])
    search = part("rates").search

    perfect = search(scores, photos, 10, splits=20)
    scores[0], scores[:, 0] = -np.inf, -np.inf
    lossy = search(scores, photos, 10, splits=20)

    assert perfect.hits.shape == (200,)
    assert perfect.strangers.shape == (20 * 20,)
    assert perfect.fnir(0.01).value == 0
    lost = lossy.hits[lossy.hit_people == 0]
    assert len(lost) > 0
    assert np.isneginf(lost).all()
    assert lossy.fnir(0.01).value == pytest.approx(len(lost) / 200)


def test_a_search_with_a_margin_takes_the_second_persons_score_away(part: Part) -> None:
    photos = photo_set(part, people=6, photos_each=2)
    scores = noisy_scores(photos, seed=4)

    plain = part("rates").search(scores, photos, 2, splits=5)
    less = part("rates").search(scores, photos, 2, splits=5, margin=0.5)

    # Of two people the second one is the other: the sum of both scores is that of the row.
    assert (less.strangers != plain.strangers).all()
    np.testing.assert_array_equal(np.isneginf(less.hits), np.isneginf(plain.hits))


def test_a_method_learns_from_the_other_set_only(part: Part) -> None:
    methods, vectors, photosets = part("methods"), part("vectors"), part("photosets")
    rng = np.random.default_rng(5)
    sets = tuple(photosets.PhotoSet(name, Path(), ("a/1.jpg", "a/2.jpg", "b/1.jpg"), ()) for name in ("one", "two"))
    run = vectors.Run("sface")
    made = {each.name: methods.unit(rng.normal(size=(3, 4))).astype(np.float32) for each in sets}

    def measured(**changed: np.ndarray) -> object:
        kept = made | changed
        return methods.Measured(sets, {(run, n): vectors.Faces(v, np.ones(3, bool)) for n, v in kept.items()})

    scores = methods.centred(run, 0.75)(measured(), sets[0])

    centred = methods.unit(made["one"] - 0.75 * made["two"].mean(0))
    np.testing.assert_allclose(scores, centred @ centred.T, atol=1e-6)
    # Without its third photo nothing changes for the first two.
    other_third = np.concatenate([made["one"][:2], made["two"][:1]])
    again = methods.centred(run, 0.75)(measured(one=other_third), sets[0])
    np.testing.assert_allclose(again[:2, :2], scores[:2, :2], atol=1e-6)


def test_reliability_compares_what_was_promised_with_what_came(part: Part) -> None:
    distributions = part("distributions")
    rng = np.random.default_rng(6)
    expected = np.exp(rng.uniform(-6, 2, 40_000))
    promised = 1 / (1 + np.exp(2 + 1.5 * np.log(expected)))
    honest = distributions.Answers(expected, rng.random(40_000) < promised)

    kept = distributions.reliability_of(honest, (-2.0, 1.5))
    broken = distributions.reliability_of(honest, (1.0, 1.5))

    assert kept.counts.sum() == 40_000
    assert kept.error < 0.01
    assert broken.error > 0.1


def test_promises_are_held_against_galleries_that_leave_strangers(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = photo_set(part, people=250, photos_each=2)
    scores, others = (noisy_scores(photos, seed) for seed in (7, 8))
    known = fit_scores(
        [others[photos.non_mated]], [others[photos.mated]], people=250, probability=(0.0, 1.0), measured_on="numbers"
    )
    promises = part("promises")
    monkeypatch.setattr(promises, "GALLERIES", 30)

    found = list(promises.trials(photos, scores, known, (10, 1000)))

    assert [each.size for each in found] == [10] * 30 + [150] * 30
    assert {each.strangers for each in found} == {2 * 240, 2 * 100}
    # The same noise in both: the rate is kept. The mean of 30 galleries of each size strays by some 0.1 %.
    assert np.mean([each.fpir for each in found]) == pytest.approx(promises.FPIR, abs=0.005)
    assert all(each.low < promises.FPIR and each.low < each.high for each in found)
    # The threshold for 100 people is too high for ten.
    assert found[0].fixed_fpir <= found[0].fpir
    rows = promises.table(found)
    assert [row[0] for row in rows] == ["10", "150"]
    assert {len(row) for row in rows} == {len(promises.COLUMNS)}


def test_a_centre_that_is_the_same_to_rounding_stays(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = part("files")
    shutil.copytree(models_dir() / "sface", tmp_path / "sface", ignore=shutil.ignore_patterns("*.onnx"))
    monkeypatch.setattr(files, "MODELS", tmp_path)
    before = (tmp_path / "sface/manifest.toml").read_text()
    shipped = read_manifest(tmp_path / "sface/manifest.toml").centre

    assert not files.write_centre("sface", tuple(x + 1e-5 for x in shipped))
    assert (tmp_path / "sface/manifest.toml").read_text() == before
    moved = tuple(round(x + 0.001, 6) for x in shipped)
    assert files.write_centre("sface", moved)
    assert read_manifest(tmp_path / "sface/manifest.toml").centre == moved
    assert (tmp_path / "sface/manifest.toml").read_text().count("centre =") == 1


def test_tables_go_between_their_markers_and_nowhere_else(part: Part, tmp_path: Path) -> None:
    write_tables = part("files").write_tables
    page = tmp_path / "CARD.md"
    page.write_text("before\n\n<!-- a -->\n<!-- /a -->\n\nafter\n")

    write_tables(page, {"a": "| 1 |\n", "b": "| 2 |\n"})
    once = page.read_text()
    write_tables(page, {"a": "| 1 |\n"})

    assert once == page.read_text() == "before\n\n<!-- a -->\n\n| 1 |\n\n<!-- /a -->\n\nafter\n"
    with pytest.raises(ValueError, match=r"CARD.md has none of the markers b"):
        write_tables(page, {"b": ""})


def test_the_face_nearest_to_the_middle_stands_for_a_photo(part: Part) -> None:
    def face(x: float, vector: list[float]) -> Face:
        box = np.array([x, 40, x + 20, 60], np.float32)
        landmarks = np.array([[x + 5, 45], [x + 15, 45], [x + 10, 50], [x + 6, 55], [x + 14, 55]], np.float32)
        detection = Detection(box, landmarks, 0.9)
        return Face(detection, Quality(1.0), Embedding(np.array(vector, np.float32), "m@1"))

    faces = (face(0, [1, 0]), face(45, [0, 1]), face(75, [-1, 0]))
    analysis = Analysis(PhotoSource("x.jpg"), width=100, height=100, faces=faces)

    central = part("vectors").central_vector

    np.testing.assert_array_equal(central(analysis), [0, 1])
    assert central(Analysis(PhotoSource("x.jpg"))) is None


def run_measure(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(MEASURE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_folder_without_the_data_is_told_in_a_line(tmp_path: Path) -> None:
    answer = run_measure(str(tmp_path))

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1
    assert "DATA needs legislators/ and lfw_view1/" in answer.stderr


@pytest.mark.slow
def test_what_ships_comes_out_again(data_dir: Path) -> None:
    answer = run_measure(str(data_dir), "--check")

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("same") == 6
