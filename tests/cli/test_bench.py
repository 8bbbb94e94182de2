from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import Run


def test_a_table_of_steps_limits_and_advice(run: Run, sample_images: Path, home: Path) -> None:
    before = sorted(home.rglob("*"))

    done = run("bench", sample_images, "--seconds", "2", "--device", "cpu", "-v")

    assert done.code == 0, done.err
    assert done.out.startswith("Speed of facecli\n")
    for expected in (
        "photos found        5\n",
        "share of the limit",
        "find faces",
        "decoding alone",
        "What would help",
    ):
        assert expected in done.out
    assert "decoding only" in done.err
    assert sorted(home.rglob("*")) == before


def test_as_json(run: Run, sample_images: Path) -> None:
    done = run("bench", sample_images, "--seconds", "1", "--photos", "2", "--device", "cpu", "-f", "json", "-q")

    facts = json.loads(done.out)["facts"]
    assert (facts["photos found"], facts["photos measured"]) == (5, 2)
    assert facts["cores"] == len(os.sched_getaffinity(0))
    assert facts["scan, photos/s"] > 0
    assert facts["limit, photos/s"] > 0
    assert facts["precision"] in ("f32", "bf16")
    assert done.err == ""


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--photos", "0"), 2, "--photos cannot be 0"),
        (("--seconds", "0.2"), 2, "--seconds cannot be 0.2"),
        (("-f", "xml"), 2, "xml"),
        (("--detector", "retina"), 2, "detector must be one of"),
    ],
)
def test_what_cannot_be_is_said(
    run: Run, sample_images: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    done = run("bench", sample_images, *options)
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_folders_with_nothing_to_measure(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn at once")

    empty, torn = run("bench", tmp_path / "empty"), run("bench", tmp_path / "torn", "--seconds", "1")

    assert (empty.code, torn.code) == (1, 1)
    assert "there are no photos to measure" in empty.err
    assert "none of 1 photos can be read" in torn.err
    assert run("bench").code == 2
