"""The commands as a user calls them: real weights, real photos, and a home folder of their own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from facecli.app import App
from facecli.cli.main import app
from facecli.runtime.network import Preprocessing
from facecli.runtime.openvino_engine import OpenVinoEngine, OpenVinoNetwork
from facecli.settings import Settings

Run = Callable[..., "Done"]


@dataclass(frozen=True)
class Done:
    """What a call left behind."""

    code: int
    out: str
    err: str
    out_bytes: bytes

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def call(*arguments: str | os.PathLike[str], stdin: bytes = b"") -> Done:
    """Run a command in this process; an error that is not meant for users is raised."""
    result = CliRunner().invoke(app, [os.fspath(each) for each in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr, result.stdout_bytes)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks compiled once for all tests."""
    return tmp_path_factory.mktemp("cache")


_LOADED: dict[object, OpenVinoNetwork] = {}


@pytest.fixture(scope="module", autouse=True)
def _networks_load_once() -> Iterator[None]:
    """Let the calls of one process share their networks, as nothing else of a call lasts; it halves the time."""
    load = OpenVinoEngine.load

    def load_once(engine: OpenVinoEngine, path: Path, preprocessing: Preprocessing) -> OpenVinoNetwork:
        key = (path, path.stat().st_mtime_ns, preprocessing)
        if key not in _LOADED:
            _LOADED[key] = load(engine, path, preprocessing)
        return _LOADED[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenVinoEngine, "load", load_once)
        yield


@pytest.fixture(autouse=True)
def home(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the settings and galleries of whoever runs the tests out, and theirs safe."""
    for name in list(os.environ):
        if name.startswith("FACECLI_") and name != "FACECLI_DATA":
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("DATA", "CONFIG", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))
    monkeypatch.setenv("FACECLI_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(home: Path) -> Run:
    return call


@pytest.fixture(scope="session")
def enrolled(tmp_path_factory: pytest.TempPathFactory, cache: Path, sample_images: Path) -> Path:
    """A gallery of the three people of sample_images/known; not to be changed."""
    path = tmp_path_factory.mktemp("gallery") / "known.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACECLI_CACHE", str(cache))
        done = call("enroll", sample_images / "known", "--gallery", path)
    assert done.code == 0, done.err
    return path


@pytest.fixture
def gallery(enrolled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the gallery of the settings."""
    path = Path(shutil.copy(enrolled, tmp_path / "people.db"))
    monkeypatch.setenv("FACECLI_GALLERY", str(path))
    return path


@pytest.fixture
def match_threshold(home: Path) -> float:
    """Least score for one person in two photos where nothing is set."""
    return App(Settings()).verification_threshold


@pytest.fixture(scope="session")
def obama(sample_images: Path) -> Path:
    return sample_images / "known" / "Barack Obama" / "obama.jpg"


@pytest.fixture(scope="session")
def macron(sample_images: Path) -> Path:
    """The smallest of the photos, 204 x 244 pixels."""
    return sample_images / "known" / "Emmanuel Macron" / "macron_2014.jpg"
