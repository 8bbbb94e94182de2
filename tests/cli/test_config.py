from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from facecli.settings import Settings


def shown(run, *words: str) -> dict[str, tuple[object, str]]:
    return {
        each["setting"]: (each["value"], each["from"]) for each in run("config", "show", "-f", "jsonl", *words).records
    }


def test_every_setting_with_its_place(run, cache: Path, home: Path) -> None:
    done = shown(run)

    assert set(done) == {each.name for each in fields(Settings)}
    assert done["threshold"] == (None, "default")
    assert done["candidates"] == (3, "default")
    assert done["mirror"] == (True, "default")
    assert done["cache"] == (str(cache), "FACECLI_CACHE")
    assert done["gallery"] == (f"{home}/data/facecli/gallery.db", "default")


def test_flag_beats_environment_beats_folder_beats_user(run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = home / "config" / "facecli" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text("candidates = 5\nthreshold = 0.5\njobs = 5\nsalvage = true\n")
    (home / "facecli.toml").write_text("candidates = 6\nthreshold = 0.6\njobs = 6\n")
    monkeypatch.setenv("FACECLI_CANDIDATES", "7")
    monkeypatch.setenv("FACECLI_THRESHOLD", "0.7")

    done = shown(run, "-k", "8")

    assert done["candidates"] == (8, "command line")
    assert done["threshold"] == (0.7, "FACECLI_THRESHOLD")
    assert done["jobs"] == (6, "facecli.toml")
    assert done["salvage"] == (True, str(user))
    assert done["batch_size"] == (None, "default")


def test_it_says_where_the_users_file_is(run, home: Path) -> None:
    path = home / "config" / "facecli" / "config.toml"

    assert run("config", "show").err == f"the user's settings file: {path} (there is none)\n"
    path.parent.mkdir(parents=True)
    path.touch()
    assert run("config", "show").err == f"the user's settings file: {path}\n"
    assert run("config", "show", "-q").err == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("treshold = 0.4", "facecli.toml: there is no setting 'treshold'\n  hint: Did you mean threshold?\n"),
        ("threshold = 'high'", "facecli.toml: threshold must be a number, not 'high'\n"),
        ("threshold = ", "facecli.toml cannot be read: Invalid value (at end of document)\n"),
        ("mirror = 1", "facecli.toml: mirror must be true or false, not 1\n"),
    ],
)
def test_a_file_that_is_wrong_is_named(run, home: Path, text: str, message: str) -> None:
    (home / "facecli.toml").write_text(text)

    done = run("config", "show")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")


def test_settings_reach_the_commands(run, gallery: Path, home: Path, sample_images: Path) -> None:
    (home / "facecli.toml").write_text("candidates = 1\nthreshold = -1\ndetector = 'yunet'\n")

    done = run("identify", sample_images / "stranger.jpg", "-f", "jsonl")

    (face,) = done.records[0]["faces"]
    assert (face["threshold"], len(face["candidates"])) == (-1, 1)
    assert face["name"] is not None
    assert done.records[0]["model"]["detector"] == "yunet"
