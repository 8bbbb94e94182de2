from __future__ import annotations

from pathlib import Path

import pytest

from facecli.runtime import device


def states(run, *words: str) -> tuple[int, dict[str, str]]:
    done = run("doctor", "-f", "jsonl", *words)
    return done.code, {each["check"]: each["state"] for each in done.records}


def test_a_sound_installation(run, gallery: Path) -> None:
    names = ("facecli", "packages", "device", "engine", "weights", "identify", "gallery")

    assert states(run, "--device", "cpu") == (0, dict.fromkeys(names, "ok"))


def test_a_new_one_has_no_gallery_yet(run, home: Path) -> None:
    done = run("doctor", "--device", "cpu")

    assert done.code == 0
    assert f"none yet at {home}/data/facecli/gallery.db" in done.out
    assert not list(home.rglob("*.db"))


def test_a_missing_device_hides_nothing_else(run, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cuda_device_count", lambda: 0)

    code, found = states(run, "--device", "cuda")

    assert code == 4
    assert {name for name, state in found.items() if state == "failed"} == {"device", "engine", "identify"}
    assert (found["weights"], found["gallery"]) == ("ok", "ok")


def test_a_damaged_gallery(run, gallery: Path) -> None:
    gallery.write_bytes(gallery.read_bytes()[:5000])

    code, found = states(run, "--device", "cpu")

    assert code == 5
    assert {name for name, state in found.items() if state == "failed"} == {"gallery"}
