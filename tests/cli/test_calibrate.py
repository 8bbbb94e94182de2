from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run


@pytest.fixture
def gallery(run: Run, sample_images: Path, tmp_path: Path) -> Path:
    path = tmp_path / "g.db"
    run("enroll", sample_images / "known", "-g", path, "-q")
    return path


def test_a_threshold_and_what_it_rests_on_are_shown(run: Run, gallery: Path, tmp_path: Path) -> None:
    done = run("calibrate", "-g", gallery, "-f", "json", "--report", tmp_path / "report")

    assert done.code == 0
    said = json.loads(done.out)
    assert (said["facts"]["people"], said["facts"]["target FPIR"]) == (3, 0.01)
    assert said["facts"]["FPIR there, 95 % low"] < 0.01 < said["facts"]["FPIR there, 95 % high"]
    thresholds = [row["threshold"] for row in said["tables"][0]["rows"]]
    assert thresholds == sorted(thresholds)
    assert "What a threshold costs" in (tmp_path / "report" / "index.html").read_text("utf-8")
    info = run("gallery", "info", "-g", gallery)
    assert f"{said['facts']['threshold']:.3f} for FPIR 1 %" in info.out


def test_identify_keeps_to_the_rate_asked_for_and_says_so(run: Run, gallery: Path, sample_images: Path) -> None:
    said = json.loads(run("calibrate", "-g", gallery, "--fpir", "0.003", "-f", "json").out)

    done = run(
        *("identify", sample_images / "stranger.jpg", "-g", gallery, "--fpir", "0.003", "-f", "jsonl", "-v"),
    )

    (face,) = done.records[0]["faces"]
    assert (face["name"], face["fpir"]) == (None, 0.003)
    assert face["threshold"] == pytest.approx(said["facts"]["threshold"], abs=1e-4)
    assert 0 <= face["probability"] < 0.01
    assert "among 3 people enrolled 0.3 % of the strangers searched for get a name" in done.err


def test_a_rate_that_nothing_supports_is_said(run: Run, gallery: Path, sample_images: Path) -> None:
    done = run("identify", sample_images / "stranger.jpg", "-g", gallery, "--fpir", "1e-8")
    assert done.code == 0
    assert "warning: the evidence supports a false positive rate of" in done.err


def test_a_threshold_of_ones_own_promises_nothing(run: Run, gallery: Path, sample_images: Path) -> None:
    done = run("identify", sample_images / "stranger.jpg", "-g", gallery, "--threshold", "0.02", "-f", "jsonl")
    (face,) = done.records[0]["faces"]
    assert (face["threshold"], face["fpir"]) == (0.02, None)
    assert face["name"] is not None


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--fpir", "0"), 2, "--fpir: fpir must be between 1e-09 and 0.5, not 0.0"),
        (("--fpir", "2"), 2, "--fpir: fpir must be between 1e-09 and 0.5, not 2.0"),
        (("-f", "xml"), 2, "xml"),
        (("--embedder", "mobilefacenet"), 5, "none of mobilefacenet"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    run: Run, gallery: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    done = run("calibrate", "-g", gallery, *options)
    assert done.code == code
    assert message in done.err.splitlines()[0]


def test_a_rate_and_a_threshold_contradict_each_other(run: Run, gallery: Path, sample_images: Path) -> None:
    done = run(
        *("identify", sample_images / "stranger.jpg", "-g", gallery, "--fpir", "0.01", "--threshold", "0.4"),
    )
    assert done.code == 2
    assert done.err.startswith("error: command line: threshold and fpir contradict each other\n")


def test_an_empty_gallery_cannot_be_calibrated(run: Run, gallery: Path) -> None:
    for name in ("Barack Obama", "Emmanuel Macron", "Jacinda Ardern"):
        assert run("people", "remove", name, "--yes", "-g", gallery).code == 0
    done = run("calibrate", "-g", gallery)
    assert done.code == 5
    assert done.err.startswith("error: nobody is enrolled in")


def test_what_cannot_be_written_is_said_before_the_work(run: Run, gallery: Path, tmp_path: Path) -> None:
    done = run("calibrate", "-g", gallery, "-o", tmp_path / "missing" / "out.json")
    assert (done.code, "there is no such folder" in done.err) == (1, True)


def test_a_threshold_that_identify_would_obey_is_named(
    run: Run, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACECLI_THRESHOLD", "0.5")
    done = run("calibrate", "-g", gallery)
    assert "warning: identify and scan use the threshold 0.5 of FACECLI_THRESHOLD, not this one" in done.err
