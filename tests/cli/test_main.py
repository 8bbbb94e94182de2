from __future__ import annotations

import pytest

import facecli
from facecli.services import identification


def test_version(run) -> None:
    done = run("--version")

    assert (done.code, done.out, done.err) == (0, f"facecli {facecli.__version__}\n", "")


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help(run, word: str) -> None:
    done = run(word)

    assert (done.code, done.err) == (0, "")
    for command in ("enroll", "identify", "scan", "verify", "detect", "embed", "people", "gallery", "models"):
        assert f" {command} " in done.out


@pytest.mark.parametrize("words", [[], ["people"], ["gallery"], ["models"], ["config"]])
def test_without_a_command_it_shows_the_help(run, words: list[str]) -> None:
    done = run(*words)

    assert done.code == 2
    assert "Usage: facecli" in done.out + done.err


@pytest.mark.parametrize("words", [["nope"], ["--nope"], ["people", "nope"], ["identify", "--jobs", "many", "x.jpg"]])
def test_words_that_mean_nothing(run, words: list[str]) -> None:
    done = run(*words)

    assert (done.code, done.out) == (2, "")
    assert words[-1] in done.err or "many" in done.err


def test_completion_is_for_the_shell_that_is_named(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")

    done = run("--show-completion", "bash")

    assert done.code == 0
    assert "complete -o default -F" in done.out


def test_an_interruption_is_exit_code_130_and_json_stays_whole(
    run, gallery, macron, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    real = identification.identify_photos

    def interrupted(*arguments, **options):
        yield next(real(*arguments, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(identification, "identify_photos", interrupted)

    done = run("identify", macron, macron, "-f", "json")
    to_file = run("identify", macron, macron, "-f", "json", "-o", tmp_path / "r.json")

    assert (done.code, done.err) == (130, "interrupted\n")
    assert done.out.endswith("\n]\n")
    assert (to_file.code, list(tmp_path.glob("*.json"))) == (130, [])


def test_a_part_that_cannot_be_loaded_is_exit_code_4(run, gallery, macron, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments, **options):
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(identification, "identify_photos", broken)

    done = run("identify", macron)

    assert done.code == 4
    assert done.err.startswith("error: a part of facecli cannot be loaded: libGL.so.1")
    assert "apt install libgl1" in done.err


def test_a_bug_keeps_its_traceback(run, gallery, macron, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr(identification, "identify_photos", broken)

    with pytest.raises(ZeroDivisionError):
        run("identify", macron)
