from __future__ import annotations

from pathlib import Path

import pytest

from facecli import health
from facecli.errors import WeightsError
from facecli.health import Check, check_health
from facecli.settings import Settings


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def settings(tmp_path: Path, cache: Path) -> Settings:
    return Settings(gallery=tmp_path / "people.db", cache=cache, device="cpu")


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_every_part_is_looked_at(settings: Settings) -> None:
    checks = by_name(check_health(settings))

    assert {name: check.state for name, check in checks.items()} == {
        "facecli": "ok",
        "packages": "ok",
        "device": "ok",
        "engine": "ok",
        "weights": "ok",
        "identify": "ok",
        "gallery": "note",
    }
    assert checks["engine"].detail in ("openvino:cpu, bf16", "openvino:cpu, f32")
    assert checks["device"].detail.startswith("cpu (")
    assert checks["identify"].detail.startswith("centerface and sface@")
    assert checks["gallery"] == Check(
        "gallery", "note", f"none yet at {settings.gallery}", "Enrol somebody: facecli enroll"
    )


def test_a_package_that_is_missing_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PACKAGES", ("numpy", "no-such-package"))

    packages = by_name(check_health(settings))["packages"]

    assert packages.detail.startswith("numpy ")
    assert packages.detail.endswith(", no-such-package missing")


def test_altered_weights_fail_with_their_code(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def altered(*arguments: object, **options: object) -> None:
        raise WeightsError("sface.onnx is altered", hint="Reinstall facecli.")

    monkeypatch.setattr(health, "verify", altered)

    assert by_name(check_health(settings))["weights"] == Check(
        "weights", "failed", "sface.onnx is altered", "Reinstall facecli.", 4
    )


def test_a_file_that_is_no_gallery_fails(settings: Settings) -> None:
    assert settings.gallery is not None
    settings.gallery.write_text("something else" * 999)

    check = by_name(check_health(settings))["gallery"]

    assert (check.state, check.exit_code) == ("failed", 5)
    assert settings.gallery.read_text() == "something else" * 999
