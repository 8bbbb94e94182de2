from __future__ import annotations

import os
from pathlib import Path

import pytest

from facecli.services.folder_watch import FolderWatch
from facecli.services.scan import file_signature


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name in ("img2.jpg", "img10.jpg", "deep/img1.jpg", "notes.txt"):
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"one")
    return tmp_path / "album"


def watch(album: Path, *names: str, recursive: bool = True) -> FolderWatch:
    seen = {f"{album}/{name}": file_signature(f"{album}/{name}") for name in names}
    return FolderWatch([(str(album),)], recursive=recursive, seen=seen)


def looks(watched: FolderWatch, count: int, album: Path) -> list[list[str]]:
    return [[os.path.relpath(path, album) for path in watched.look()] for _ in range(count)]


def test_what_is_new_comes_once_at_the_second_look_in_order(album: Path) -> None:
    watched = watch(album, "img10.jpg")

    assert looks(watched, 4, album) == [[], ["img2.jpg", "deep/img1.jpg"], [], []]


def test_sub_folders_only_if_they_are_asked_for(album: Path) -> None:
    assert looks(watch(album, recursive=False), 2, album) == [[], ["img2.jpg", "img10.jpg"]]


def test_a_file_that_is_being_written_waits_until_it_rests(album: Path) -> None:
    watched = watch(album, "img2.jpg", "img10.jpg", "deep/img1.jpg")
    found = []
    for size in (1, 2, 3, 3, 3):
        (album / "new.jpg").write_bytes(b"x" * size)
        os.utime(album / "new.jpg", (size, size))
        found += looks(watched, 1, album)

    assert found == [[], [], [], ["new.jpg"], []]


def test_a_changed_file_comes_again(album: Path) -> None:
    watched = watch(album, "img2.jpg", "img10.jpg", "deep/img1.jpg")
    (album / "img2.jpg").write_bytes(b"another")

    assert looks(watched, 3, album) == [[], ["img2.jpg"], []]


def test_a_file_that_is_gone_is_new_when_it_comes_back(album: Path) -> None:
    watched = watch(album, "img2.jpg", "img10.jpg", "deep/img1.jpg")
    (album / "img2.jpg").rename(album / "img2.bak")
    assert looks(watched, 2, album) == [[], []]
    (album / "img2.bak").rename(album / "img2.jpg")

    assert looks(watched, 3, album) == [[], ["img2.jpg"], []]


def test_a_folder_that_is_away_for_a_while_is_not_new(album: Path) -> None:
    watched = watch(album, "img2.jpg", "img10.jpg", "deep/img1.jpg")
    album.rename(album.with_name("away"))
    assert looks(watched, 3, album) == [[], [], []]
    album.with_name("away").rename(album)

    assert looks(watched, 3, album) == [[], [], []]


def test_a_link_to_nothing_is_no_photo_until_it_leads_to_one(album: Path) -> None:
    (album / "link.jpg").symlink_to(album.parent / "target.jpg")
    watched = watch(album, "img2.jpg", "img10.jpg", "deep/img1.jpg")
    assert looks(watched, 2, album) == [[], []]
    (album.parent / "target.jpg").write_bytes(b"x")

    assert looks(watched, 2, album) == [[], ["link.jpg"]]
