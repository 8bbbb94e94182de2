"""Which files a folder or a list gives, and in which order."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.errors import InputError
from facecli.media.folder import FolderProblem, FoundFile, find_photos, natural_key, read_file_list


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(*roots: object, below: Path, **options: object) -> list[str]:
    results = list(find_photos(roots, **options))
    assert all(isinstance(each, FoundFile) for each in results)
    return [os.path.relpath(each.path, below) for each in results]


def test_a_folder_gives_its_photos_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "img10.jpg", "img2.JPG", "IMG1.jpeg", "b/x.png", "a10/y.heic", "a9/z.webp", "a9/deep/er/w.tif")
    touch(tmp_path, "notes.txt", "noextension", ".hidden.jpg", ".thumbs/t.jpg", "movie.mp4", "a9/.DS_Store")
    (tmp_path / "empty").mkdir()
    expected = ["IMG1.jpeg", "img2.JPG", "img10.jpg", "a9/z.webp", "a9/deep/er/w.tif", "a10/y.heic", "b/x.png"]
    assert found(tmp_path, below=tmp_path) == expected
    assert found(tmp_path, below=tmp_path, recursive=False) == expected[:3]


def test_named_files_are_passed_through_whatever_they_are(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", ".hidden", "in/p.jpg")
    roots = [tmp_path / "notes.txt", tmp_path / "missing.jpg", tmp_path / "in", tmp_path / ".hidden"]
    assert found(*roots, below=tmp_path) == ["notes.txt", "missing.jpg", "in/p.jpg", ".hidden"]


def test_paths_stay_as_they_were_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "in/p.jpg", "-x.jpg")
    monkeypatch.chdir(tmp_path)
    assert [each.path for each in find_photos(["in", "-x.jpg", "."])] == ["in/p.jpg", "-x.jpg", "./-x.jpg"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "in/p.jpg", "outside/q.jpg", "outside/r.jpg")
    (tmp_path / "in" / "circle").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "outside" / "q.jpg")
    (tmp_path / "in" / "other").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "in" / "again").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "in" / "dangling.jpg").symlink_to(tmp_path / "gone")
    assert found(tmp_path / "in", below=tmp_path) == [
        "in/dangling.jpg", "in/link.jpg", "in/p.jpg", "in/again/q.jpg", "in/again/r.jpg",
    ]  # fmt: skip


def test_folders_deeper_than_the_interpreters_stack_are_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    depth = sys.getrecursionlimit() + 100
    folders = ["/".join("d" * level) for level in range(1, depth + 1)]
    for folder in folders:
        Path(folder).mkdir()
    photo = f"{folders[-1]}/p.jpg"
    Path(photo).touch()
    assert list(find_photos(["d"])) == [FoundFile(photo)]
    Path(photo).unlink()
    for folder in reversed(folders):  # pytest's own way of removing them recurses
        Path(folder).rmdir()


def test_a_folder_that_cannot_be_listed_is_a_problem_not_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/p.jpg", "locked/q.jpg", "z/r.jpg")
    scandir = os.scandir

    def deny(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    first, problem, last = find_photos([tmp_path])
    assert (first, last) == (FoundFile(f"{tmp_path}/a/p.jpg"), FoundFile(f"{tmp_path}/z/r.jpg"))
    assert isinstance(problem, FolderProblem)
    assert problem.path == f"{tmp_path}/locked"
    assert problem.error.code == "permission_denied"
    assert problem.error.hint


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are no text")
def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    raw = [b"\xff\xfe.jpg", b"two\nlines.jpg", b"-rf.jpg", "é.JPG".encode()]
    for name in raw:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    assert {os.fsencode(each.path).rsplit(b"/", 1)[1] for each in find_photos([tmp_path])} == set(raw)


@given(st.lists(st.text()))
def test_natural_order_is_total_and_keeps_numbers_in_order(names: list[str]) -> None:
    distinct = list(set(names))
    ordered = sorted(distinct, key=natural_key)
    distinct.reverse()
    assert sorted(distinct, key=natural_key) == ordered
    assert sorted(["a10", "a9", "A1", "b", "10", "9"], key=natural_key) == ["9", "10", "A1", "a9", "a10", "b"]


def listed(data: bytes, nul: bool = False) -> list[str]:
    return list(read_file_list(io.BytesIO(data), nul=nul))


def test_lists_of_lines() -> None:
    assert listed(b"") == listed(b"\n\n") == []
    assert listed(b"a.jpg\n\n-b c.jpg\nlast") == ["a.jpg", "-b c.jpg", "last"]
    assert listed(b"\xff.jpg\n") == ["\udcff.jpg"]


def test_lists_of_nul_ended_names() -> None:
    assert listed(b"two\nlines\0a\r\0\0b", nul=True) == ["two\nlines", "a\r", "b"]


def test_windows_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd\r").touch()
    assert listed(b"a.jpg\r\nodd\r\n\r\n") == ["a.jpg", "odd\r"]


def test_a_list_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no path"):
        listed(bytes(3 << 20))


def test_names_come_as_a_pipe_gives_them() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as pipe:
        names = read_file_list(stream, nul=False)
        pipe.write(b"first\nsec")
        assert next(names) == "first"
        pipe.write(b"ond\n")
        assert next(names) == "second"


@given(st.lists(st.binary(min_size=1).filter(lambda name: b"\0" not in name), max_size=20))
def test_every_name_survives_a_nul_ended_list(names: list[bytes]) -> None:
    assert listed(b"".join(name + b"\0" for name in names), nul=True) == [os.fsdecode(name) for name in names]
