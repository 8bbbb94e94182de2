from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from facecli.errors import ConfigError, WeightsError
from facecli.runtime import weights
from facecli.runtime.manifest import MANIFEST_FILE, Manifest, read_manifest
from facecli.runtime.weights import (
    CatalogueEntry,
    cached_models,
    catalogue,
    default_cache_dir,
    file_sha256,
    find,
    read_catalogue,
    resolve,
    verify,
    write_manifest,
)

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
POINTS = ((1.0, 1.0), (5.0, 1.0), (3.0, 3.0), (2.0, 5.0), (4.0, 5.0))


def embedder(name: str, folder: Path, sha256: str = SHA256) -> Manifest:
    return Manifest(
        name, "embedder", "test", "net.onnx", sha256, "MIT", folder, ("y",), (8, 8), template_xy=POINTS, dimension=4
    )


def install(models: Path, name: str, content: bytes = CONTENT) -> Manifest:
    folder = models / name
    folder.mkdir(parents=True)
    manifest = embedder(name, folder)
    (folder / manifest.file).write_bytes(content)
    write_manifest(manifest)
    return manifest


def listed(name: str, sha256: str = SHA256, *, runnable: bool = True) -> CatalogueEntry:
    return CatalogueEntry(embedder(name, Path("/catalogue"), sha256), "https://example.org/net.onnx", 7, runnable, "")


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world of one shipped model and a catalogue of three."""
    folder = tmp_path / "shipped"
    install(folder, "here")
    entries = [listed("far"), listed("later", runnable=False), listed("unhashed", "")]
    monkeypatch.setattr(weights, "models_dir", lambda: folder)
    monkeypatch.setattr(weights, "catalogue", lambda: {entry.name: entry for entry in entries})
    return folder


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_what_ships_is_found_and_checked(shipped: Path, cache_dir: Path) -> None:
    path, manifest = resolve("here", cache_dir=cache_dir)

    assert path == shipped / "here" / "net.onnx"
    assert manifest == read_manifest(shipped / "here" / MANIFEST_FILE)


def test_what_ships_comes_before_the_cache(shipped: Path, cache_dir: Path) -> None:
    install(cache_dir, "here")

    assert resolve("here", cache_dir=cache_dir)[0] == shipped / "here" / "net.onnx"


@pytest.mark.parametrize(
    ("offline", "hint"),
    [
        (False, "Run: facecli models pull far"),
        (True, "Without --offline run: facecli models pull far; or: facecli models import FILE --name far"),
    ],
)
def test_weights_that_are_not_here_say_how_to_get_them(
    shipped: Path, cache_dir: Path, offline: bool, hint: str
) -> None:
    with pytest.raises(WeightsError) as caught:
        resolve("far", cache_dir=cache_dir, offline=offline)

    assert (caught.value.message, caught.value.hint) == ("weights of 'far' are not on this machine", hint)


def test_pulled_weights_are_run_as_the_catalogue_says(shipped: Path, cache_dir: Path) -> None:
    pulled = install(cache_dir, "far")
    write_manifest(replace(pulled, dimension=99, sha256="0" * 64))  # whoever writes the cache chooses neither

    path, manifest = resolve("far", cache_dir=cache_dir)

    assert path == cache_dir / "far" / "net.onnx"
    assert manifest == embedder("far", cache_dir / "far")


def test_a_hash_that_the_catalogue_does_not_know_is_the_recorded_one(shipped: Path, cache_dir: Path) -> None:
    install(cache_dir, "unhashed")

    assert resolve("unhashed", cache_dir=cache_dir)[1].sha256 == SHA256


def test_imported_weights_are_found_beside_the_catalogue(shipped: Path, cache_dir: Path) -> None:
    mine = install(cache_dir, "mine")

    assert resolve("mine", cache_dir=cache_dir) == (cache_dir / "mine" / "net.onnx", mine)
    assert cached_models(cache_dir) == {"mine": mine}


@pytest.mark.parametrize("name", ["here", "far", "mine"])
def test_one_changed_byte_is_refused(shipped: Path, cache_dir: Path, name: str) -> None:
    models = shipped if name == "here" else cache_dir
    if name != "here":
        install(models, name)
    path = models / name / "net.onnx"
    size, times = path.stat().st_size, path.stat()
    altered = b"W" + CONTENT[1:]
    path.write_bytes(altered)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # neither size nor time gives it away
    assert path.stat().st_size == size

    with pytest.raises(WeightsError) as caught:
        resolve(name, cache_dir=cache_dir)

    begins = hashlib.sha256(altered).hexdigest()[:12]
    assert caught.value.message == (
        f"{path} is not the file it should be: its SHA-256 begins with {begins}, expected {SHA256[:12]}"
    )
    assert caught.value.code == "weights_altered"
    assert caught.value.hint == (
        "Run: facecli models pull far"
        if name == "far"
        else "Import them again, or install facecli again if they came with it."
    )


def test_a_manifest_whose_file_is_gone_counts_as_missing(shipped: Path, cache_dir: Path) -> None:
    install(cache_dir, "far").path.unlink()

    with pytest.raises(WeightsError, match="not on this machine"):
        resolve("far", cache_dir=cache_dir)


def test_what_cannot_be_run_yet_says_so(shipped: Path, cache_dir: Path) -> None:
    install(cache_dir, "later")

    with pytest.raises(WeightsError, match="'later' can be pulled, but facecli cannot run it yet"):
        resolve("later", cache_dir=cache_dir)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("unhased", "Did you mean 'unhashed'?"),
        ("quite-other", "Run: facecli models list"),
        ("../here", "Did you mean 'here'?"),
        ("", "Run: facecli models list"),
    ],
)
def test_an_unknown_name_is_refused(shipped: Path, cache_dir: Path, name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find(name, cache_dir=cache_dir)

    assert (caught.value.message, caught.value.hint) == (f"there is no model called {name!r}", hint)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"net\.onnx cannot be read: No such file"):
        verify(tmp_path / "net.onnx", SHA256)


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(CONTENT)

    assert file_sha256(path) == SHA256


def test_a_manifest_is_written_for_the_user_alone(tmp_path: Path) -> None:
    install(tmp_path, "mine")

    assert stat.S_IMODE((tmp_path / "mine" / MANIFEST_FILE).stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [MANIFEST_FILE, "net.onnx"]


def test_a_manifest_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent/manifest\.toml cannot be written: No such file"):
        write_manifest(embedder("absent", tmp_path / "absent"))


def test_the_cache_can_be_put_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACECLI_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path / "models"

    monkeypatch.delenv("FACECLI_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_dir().name == "models"
    assert default_cache_dir() != tmp_path / "models"


def test_the_catalogue_that_ships_can_be_read() -> None:
    entries = catalogue()

    assert {
        name: (entry.manifest.kind, entry.manifest.dimension, entry.runnable) for name, entry in entries.items()
    } == {
        "facenet-vggface2": ("embedder", 512, True),
        "facenet-casia": ("embedder", 512, True),
        "sface-fp32": ("embedder", 128, True),
        "yunet-fp32": ("detector", None, True),
        "arcface-r50": ("embedder", 512, True),
        "arcface-mbf": ("embedder", 512, True),
        "scrfd-10g": ("detector", None, False),
    }
    assert [name for name, entry in entries.items() if not entry.manifest.sha256] == ["facenet-casia"]
    assert all(entry.url.endswith(f"/{entry.manifest.file}") for entry in entries.values())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("https://", "http://", "far.url must be an https address"),
        ("size_bytes = 7", "size_bytes = -7", "far.size_bytes must be a whole number above 0"),
        ("size_bytes = 7", "bytes = 7", "unknown key far.bytes"),
        ("stride = 8", "stride = 0", "far.input.stride must be a whole number above 0"),
        ("[far]", '["../far"]', "../far must be a word in lower-case letters, digits and .-_"),
    ],
)
def test_a_damaged_catalogue_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    good = (
        '[far]\nkind = "detector"\narchitecture = "A"\nfile = "net.onnx"\nurl = "https://example.org/net.onnx"\n'
        'size_bytes = 7\nsha256 = ""\nlicence = "MIT"\nnotes = "-"\ninput = { stride = 8 }\noutput = { names = [] }\n'
    )
    path = tmp_path / "catalogue.toml"
    path.write_text(good)
    assert list(read_catalogue(path)) == ["far"]

    path.write_text(good.replace(old, new))
    with pytest.raises(WeightsError) as caught:
        read_catalogue(path)

    assert caught.value.message == f"{path}: {message}"
