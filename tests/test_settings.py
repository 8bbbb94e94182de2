from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli import settings as settings_module
from facecli.errors import ConfigError
from facecli.settings import Settings, load_settings

TOML = {
    "gallery": ("'a.db'", Path("a.db")),
    "device": ("'cpu'", "cpu"),
    "engine": ("'torch'", "torch"),
    "precision": ("'bf16'", "bf16"),
    "detector": ("'yunet'", "yunet"),
    "detection_threshold": ("0.25", 0.25),
    "min_face": ("30", 30),
    "edges": ("false", False),
    "embedder": ("'onnx:a.onnx'", "onnx:a.onnx"),
    "mirror": ("false", False),
    "threshold": ("1", 1.0),
    "min_quality": ("0.5", 0.5),
    "candidates": ("5", 5),
    "crops": ("false", False),
    "salvage": ("true", True),
    "jobs": ("4", 4),
    "batch_size": ("8", 8),
    "max_memory": ("2048", 2048),
    "timeout": ("5", 5.0),
    "offline": ("true", True),
    "cache": ("'here'", Path("here")),
    "state": ("'there'", Path("there")),
    "backups": ("7", 7),
    "key_file": ("'secret'", Path("secret")),
}


@pytest.fixture(autouse=True)
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "user" / "config.toml"
    path.parent.mkdir()
    monkeypatch.setattr(settings_module, "user_file", lambda: path)
    return path


def load(
    folder: Path, *, flags: dict[str, Any] | None = None, environment: dict[str, str] | None = None
) -> tuple[Settings, dict[str, str]]:
    return load_settings(flags or {}, environment or {}, folder)


def test_nothing_given_is_every_default(tmp_path: Path) -> None:
    settings, origins = load(tmp_path)

    assert settings == Settings()
    assert origins == dict.fromkeys((each.name for each in fields(Settings)), "default")


# Rates, which a threshold in the same place would contradict.
RATES = {"fpir": ("0.002", 0.002), "fmr": ("1e-4", 1e-4)}


@pytest.mark.parametrize("left_out", [{"threshold"}, set(RATES)])
def test_every_setting_can_stand_in_a_file(tmp_path: Path, left_out: set[str]) -> None:
    toml = {name: each for name, each in (TOML | RATES).items() if name not in left_out}
    assert set(TOML | RATES) == {each.name for each in fields(Settings)}
    (tmp_path / "facecli.toml").write_text("".join(f"{name} = {text}\n" for name, (text, _) in toml.items()))

    settings, origins = load(tmp_path)

    assert {name: getattr(settings, name) for name in toml} == {name: value for name, (_, value) in toml.items()}
    assert {origins[name] for name in toml} == {str(tmp_path / "facecli.toml")}


@pytest.mark.parametrize("left_out", [{"threshold"}, set(RATES)])
def test_every_setting_can_stand_in_the_environment(tmp_path: Path, left_out: set[str]) -> None:
    toml = {name: each for name, each in (TOML | RATES).items() if name not in left_out}
    environment = {f"FACECLI_{name.upper()}": text.strip("'") for name, (text, _) in toml.items()}

    settings, origins = load(tmp_path, environment=environment)

    assert {name: getattr(settings, name) for name in toml} == {name: value for name, (_, value) in toml.items()}
    assert {name: origins[name] for name in toml} == {name: f"FACECLI_{name.upper()}" for name in toml}


@pytest.mark.parametrize(
    ("file", "environment", "flags", "threshold", "fpir"),
    [
        ("threshold = 0.4", {}, {"fpir": 0.1}, None, 0.1),
        ("threshold = 0.4", {}, {"fmr": 0.1}, None, 0.01),
        ("threshold = 0.4", {"FACECLI_FPIR": "0.1"}, {}, None, 0.1),
        ("fpir = 0.1", {}, {"threshold": 0.4}, 0.4, 0.1),
        ("fpir = 0.1", {"FACECLI_THRESHOLD": "0.4"}, {"fpir": 0.2}, None, 0.2),
    ],
)
def test_the_stronger_place_chooses_between_a_rate_and_a_threshold(
    tmp_path: Path,
    file: str,
    environment: dict[str, str],
    flags: dict[str, float],
    threshold: float | None,
    fpir: float,
) -> None:
    (tmp_path / "facecli.toml").write_text(file)

    settings, origins = load(tmp_path, environment=environment, flags=flags)

    assert (settings.threshold, settings.fpir) == (threshold, fpir)
    assert (origins["threshold"] == "default") == (threshold is None)


@pytest.mark.parametrize("rate", ["fpir", "fmr"])
def test_a_rate_and_a_threshold_in_one_place_contradict_each_other(tmp_path: Path, rate: str) -> None:
    with pytest.raises(ConfigError, match=f"threshold and {rate} contradict") as caught:
        load(tmp_path, flags={"threshold": 0.4, rate: 0.01})
    assert caught.value.exit_code == 2


def test_each_place_beats_those_behind_it(tmp_path: Path, user_file: Path) -> None:
    user_file.write_text("jobs = 1\ncandidates = 1\nmin_face = 10\nbatch_size = 1\n")
    (tmp_path / "facecli.toml").write_text("jobs = 2\ncandidates = 2\nmin_face = 20\n")
    environment = {"FACECLI_JOBS": "3", "FACECLI_CANDIDATES": "3", "FACECLI_OFFLINE": ""}

    settings, origins = load(tmp_path, flags={"jobs": 4, "candidates": None}, environment=environment)

    assert (settings.jobs, settings.candidates, settings.min_face, settings.batch_size) == (4, 3, 20, 1)
    assert origins["jobs"] == "command line"
    assert origins["candidates"] == "FACECLI_CANDIDATES"
    assert origins["min_face"] == str(tmp_path / "facecli.toml")
    assert origins["batch_size"] == str(user_file)
    assert (settings.offline, origins["offline"]) == (False, "default")


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("TRUE", True), ("yes", True), ("0", False), ("False", False), ("no", False)]
)
def test_truth_in_the_environment(tmp_path: Path, text: str, value: bool) -> None:
    assert load(tmp_path, environment={"FACECLI_MIRROR": text})[0].mirror is value


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({"jobs": 0}, {}, "--jobs: jobs must be between 1 and 1024, not 0"),
        ({"min_face": 100_001}, {}, "--min-face: min_face must be between 4 and 100000, not 100001"),
        ({"threshold": 1.5}, {}, "--threshold: threshold must be between -1 and 1, not 1.5"),
        ({"threshold": float("nan")}, {}, "--threshold: threshold must be between -1 and 1, not nan"),
        ({"detector": "hog"}, {}, "--detector: detector must be one of centerface, yunet, mtcnn, not 'hog'"),
        ({}, {"FACECLI_JOBS": "two"}, "FACECLI_JOBS: jobs must be a whole number, not 'two'"),
        ({}, {"FACECLI_JOBS": "1.5"}, "FACECLI_JOBS: jobs must be a whole number, not '1.5'"),
        ({}, {"FACECLI_THRESHOLD": "x"}, "FACECLI_THRESHOLD: threshold must be a number, not 'x'"),
        ({}, {"FACECLI_MIRROR": "maybe"}, "FACECLI_MIRROR: mirror must be true or false, not 'maybe'"),
        (
            {},
            {"FACECLI_PRECISION": "f64"},
            "FACECLI_PRECISION: precision must be one of auto, f32, bf16, f16, not 'f64'",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_place(
    tmp_path: Path, flags: dict[str, Any], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, flags=flags, environment=environment)
    assert caught.value.message == message
    assert caught.value.hint.startswith("It sets: ")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("mirror = 'yes'", "mirror must be true or false, not 'yes'", "It sets: average each face"),
        ("jobs = true", "jobs must be a whole number, not True", "It sets: "),
        ("gallery = ''", "gallery must be a text, not ''", "It sets: "),
        ("device = 3", "device must be a text, not 3", "It sets: "),
        ("treshold = 0.4", "there is no setting 'treshold'", "Did you mean threshold?"),
        ("xyz = 1", "there is no setting 'xyz'", "The settings are gallery, key_file, device, "),
        ("jobs = ", "cannot be read: ", "Mend the file, or move it away."),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str, message: str, hint: str) -> None:
    path = tmp_path / "facecli.toml"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(path) in caught.value.message
    assert message in caught.value.message
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["no text", "a folder"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, user_file: Path, content: bytes | None) -> None:
    if content is None:
        user_file.mkdir()
    else:
        user_file.write_bytes(content)

    with pytest.raises(ConfigError, match="cannot be read: ") as caught:
        load(tmp_path)
    assert str(user_file) in caught.value.message


def test_folders_of_the_home_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load(tmp_path, flags={"gallery": "~/a.db", "cache": Path("~/c")})[0]

    assert (settings.gallery_path, settings.cache_dir) == (tmp_path / "a.db", tmp_path / "c")


def test_defaults_follow_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind))

    assert Settings().gallery_path.name == "gallery.db"
    assert Settings().cache_dir.name == "facecli"


def test_every_setting_says_what_it_does() -> None:
    assert [each.name for each in fields(Settings) if not each.metadata["about"]] == []


@given(st.dictionaries(st.sampled_from(sorted(TOML)), st.text() | st.integers() | st.floats() | st.booleans()))
def test_any_flag_is_taken_or_refused_in_words(flags: dict[str, Any]) -> None:
    refusal = ""
    try:
        settings, origins = load_settings(flags, {}, Path("/nonexistent"))
    except ConfigError as error:
        refusal = error.message
    if refusal:
        assert refusal.startswith("--")
        return
    assert {name for name, origin in origins.items() if origin == "command line"} == set(flags)
    assert all(getattr(settings, name) is not None for name in flags)
