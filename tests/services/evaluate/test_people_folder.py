from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path

import pytest

from facecli.errors import InputError
from facecli.services.evaluate.people_folder import read_people


def make(root: Path, *files: str) -> str:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return str(root)


def test_a_folder_is_a_person_with_all_photos_below_it(tmp_path: Path) -> None:
    folder = make(tmp_path, "Ben 10/a.jpg", "Ben 2/b.jpg", "Ben 2/old/c.png", "Ben 2/notes.txt", ".hidden/d.jpg")

    people = read_people(folder)

    assert people.names == ("Ben 2", "Ben 10")
    assert [(photo.name, photo.source.path) for photo in people.photos] == [
        ("Ben 2", f"{folder}/Ben 2/b.jpg"),
        ("Ben 2", f"{folder}/Ben 2/old/c.png"),
        ("Ben 10", f"{folder}/Ben 10/a.jpg"),
    ]
    assert people.warnings == ()


def test_links_to_folders_are_people_too(tmp_path: Path) -> None:
    make(tmp_path / "there", "x.jpg")
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "Ana").symlink_to(tmp_path / "there")

    assert [photo.name for photo in read_people(str(tmp_path / "people")).photos] == ["Ana"]


def test_what_is_nobodys_photo_is_told(tmp_path: Path) -> None:
    folder = make(tmp_path, "Ana/a.jpg", "loose.jpg", "readme.txt")
    (tmp_path / "Empty").mkdir()

    assert read_people(folder).warnings == (
        f"1 photo beside the folders of people in {folder} left out, such as {folder}/loose.jpg",
        f"no photos in 1 of the 2 folders in {folder}, such as Empty",
    )
    assert read_people(folder).names == ("Ana", "Empty")


def test_two_spellings_in_unicode_are_one_person(tmp_path: Path) -> None:
    composed, apart = "Zoë", unicodedata.normalize("NFD", "Zoë")
    folder = make(tmp_path, f"{composed}/a.jpg", "Mia/m.jpg", f"{apart}/b.jpg")

    people = read_people(folder)

    assert people.names == ("Mia", composed)
    assert [photo.name for photo in people.photos] == ["Mia", composed, composed]


def test_folders_that_hold_no_people(tmp_path: Path) -> None:
    flat = make(tmp_path / "flat", "Ana_1.jpg")

    for path, message in {
        flat: f"{flat} holds no folders of people",
        f"{flat}/Ana_1.jpg": f"{flat}/Ana_1.jpg is not a folder",
        f"{flat}/none": f"{flat}/none does not exist",
    }.items():
        with pytest.raises(InputError) as caught:
            read_people(path)
        assert caught.value.message == message
        assert caught.value.hint


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path, "Ana/a.jpg", "Ben/b.jpg")
    scan = os.scandir

    def refuse(path: str):  # root may list anything, so permissions show nothing
        if str(path).endswith("Ben"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"/Ben may not be read") as caught:
        read_people(folder)
    assert caught.value.code == "permission_denied"
