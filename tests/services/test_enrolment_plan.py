from __future__ import annotations

from pathlib import Path

import pytest

from facecli.errors import InputError, UsageError
from facecli.media.folder import FolderProblem
from facecli.services import enrolment_plan
from facecli.services.analysis import PhotoSource
from facecli.services.enrolment_plan import photo_sources, plan_enrolment
from facecli.types import PhotoError


def planned(*arguments: str | Path) -> list[tuple[str, str]]:
    return [(photo.name, photo.source.path) for photo in plan_enrolment([str(each) for each in arguments])]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


class TestPlan:
    def test_a_name_and_photos(self) -> None:
        assert planned("Ana", "a.jpg", "b.png") == [("Ana", "a.jpg"), ("Ana", "b.png")]

    def test_a_name_and_folders_of_photos(self, tmp_path: Path) -> None:
        touch(tmp_path, "x/2.jpg", "x/10.jpg", "x/deeper/1.jpg", "y/notes.txt", "y/1.jpg")

        assert planned("Ana", tmp_path / "x", tmp_path / "y") == [
            ("Ana", f"{tmp_path}/{name}") for name in ("x/2.jpg", "x/10.jpg", "x/deeper/1.jpg", "y/1.jpg")
        ]

    def test_a_folder_with_a_folder_a_person(self, tmp_path: Path) -> None:
        touch(tmp_path, "Ana/1.jpg", "Ana/holidays/2.jpg", "Bo Li/1.jpg", ".hidden/1.jpg")

        assert planned(tmp_path) == [
            ("Ana", f"{tmp_path}/Ana/1.jpg"),
            ("Ana", f"{tmp_path}/Ana/holidays/2.jpg"),
            ("Bo Li", f"{tmp_path}/Bo Li/1.jpg"),
        ]

    def test_a_call_one_folder_too_high_is_refused(self, tmp_path: Path) -> None:
        touch(tmp_path, "known/Ana/1.jpg", "known/Bo/1.jpg")

        with pytest.raises(UsageError, match="is each of them a person") as caught:
            plan_enrolment([str(tmp_path)])
        assert str(tmp_path / "known") in caught.value.hint

    def test_a_path_that_leads_nowhere_is_said_to(self) -> None:
        with pytest.raises(InputError, match="photos/absent does not exist"):
            plan_enrolment(["photos/absent"])

    def test_several_folders_of_people(self, tmp_path: Path) -> None:
        touch(tmp_path, "x/Ana/1.jpg", "y/Bo/1.jpg")

        assert [name for name, _ in planned(tmp_path / "x", tmp_path / "y")] == ["Ana", "Bo"]

    @pytest.mark.parametrize(
        ("file_name", "name"),
        [
            ("Ana.jpg", "Ana"),
            ("Ana_1.jpg", "Ana"),
            ("Ana-02.png", "Ana"),
            ("Ana 3.webp", "Ana"),
            ("Ana (3).jpg", "Ana"),
            ("Ana_(12).jpg", "Ana"),
            ("Ana_.jpg", "Ana"),
            ("Ana7.jpg", "Ana"),
            ("Barack_Obama_0001.jpg", "Barack_Obama"),
            ("Jean-Luc Picard 2.jpg", "Jean-Luc Picard"),
            ("王小明_1.jpg", "王小明"),
            ("Ana.Maria_1.jpg", "Ana.Maria"),
            ("2Pac.jpg", "2Pac"),
            ("1984.jpg", "1984"),
        ],
    )
    def test_a_photo_beside_the_folders_is_named_after_its_file(
        self, tmp_path: Path, file_name: str, name: str
    ) -> None:
        touch(tmp_path, file_name)

        assert planned(tmp_path) == [(name, f"{tmp_path}/{file_name}")]

    def test_names_are_normalised(self, tmp_path: Path) -> None:
        touch(tmp_path, "Zoe\u0308/1.jpg")

        assert [name for name, _ in planned(tmp_path)] == ["Zo\u00eb"]
        assert planned(" Ana ", "a.jpg") == [("Ana", "a.jpg")]

    def test_a_name_that_is_also_the_folder_of_its_photos(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touch(tmp_path, "Ana/IMG_1.jpg")
        monkeypatch.chdir(tmp_path)

        assert planned("Ana", "Ana/") == [("Ana", "Ana/IMG_1.jpg")]

    def test_a_folder_that_cannot_be_listed_is_a_photo_with_its_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        error = PhotoError("permission_denied", "it may not be read")
        folder = tmp_path / "family"
        folder.mkdir()
        problems = [FolderProblem(str(folder / "Ana"), error), FolderProblem(str(folder), error)]
        monkeypatch.setattr(enrolment_plan, "find_photos", lambda roots, recursive: iter(problems))

        photos = plan_enrolment([str(folder)])

        assert [(photo.name, photo.source.error) for photo in photos] == [("Ana", error), ("family", error)]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "nobody to enrol was named"),
            (["Ana"], "no photo of Ana was named"),
            (["Ana.JPG"], r"whose photo is Ana\.JPG\?"),
        ],
    )
    def test_words_that_fit_nothing_are_refused(self, arguments: list[str], message: str) -> None:
        with pytest.raises(UsageError, match=message) as caught:
            plan_enrolment(arguments)
        assert caught.value.hint == "Use: facecli enroll NAME PHOTO… or facecli enroll FOLDER"

    def test_a_folder_without_photos_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no photos were found in") as caught:
            plan_enrolment([str(tmp_path)])
        assert caught.value.code == "no_photos"

    def test_a_name_that_cannot_be_one_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="control character"):
            plan_enrolment(["A\nB", "a.jpg"])

    def test_photo_sources_carry_the_errors_of_folders(self, tmp_path: Path) -> None:
        touch(tmp_path, "1.jpg", "deep/2.jpg")

        assert list(photo_sources([str(tmp_path)], recursive=False)) == [PhotoSource(f"{tmp_path}/1.jpg")]


class TestCameraNames:
    @pytest.mark.parametrize(
        "file_name",
        [
            *("IMG_1.jpg", "IMG_20240101_120000.jpg", "img-0042.jpg", "IMG-20240101-WA0001.jpg", "_MG_1234.jpg"),
            *("DSC00012.jpg", "_DSC1234.jpg", "DSCN0001.JPG", "DSCF1234.jpg", "PXL_20240101_120000123.jpg"),
            *("20240101_120000.jpg", "2024-01-01 12.00.00.jpg", "P1010001.jpg", "SAM_0123.jpg", "GOPR0001.jpg"),
            *("FB_IMG_1700000000.jpg", "Screenshot 2024-01-01.png", "photo 3.jpg", "IMG_1 (2).jpg"),
            *("5f3a2c10-1b2c-4d5e-8f90-0123456789ab.jpg", "WhatsApp Image 2024-01-01 at 12.00.00.jpeg"),
        ],
    )
    def test_nobody_is_called_as_a_camera_calls_photos(self, tmp_path: Path, file_name: str) -> None:
        touch(tmp_path, file_name)

        (photo,) = plan_enrolment([str(tmp_path)])

        path = tmp_path / file_name
        assert photo.name == path.stem
        assert photo.source == PhotoSource(
            str(path),
            error=PhotoError(
                "no_name",
                f"{path} is called as cameras and programs call photos, not after a person",
                "Put it into a folder with the person's name, or call it NAME_1.jpg.",
            ),
        )

    @pytest.mark.parametrize(
        ("file_name", "name"),
        [
            *(("Sam_1.jpg", "Sam"), ("Sam_0001.jpg", "Sam"), ("Imgard_1.jpg", "Imgard"), ("Scanlon_2.jpg", "Scanlon")),
            *(("Photoula 1.jpg", "Photoula"), ("P1.jpg", "P"), ("Signalé_1.jpg", "Signalé"), ("IMG.jpg", "IMG")),
            *(("Video 1 Ana.jpg", "Video 1 Ana"), ("1984.jpg", "1984"), ("Anna0001.jpg", "Anna")),
        ],
    )
    def test_people_may_be_called_nearly_so(self, tmp_path: Path, file_name: str, name: str) -> None:
        touch(tmp_path, file_name)

        (photo,) = plan_enrolment([str(tmp_path)])

        assert (photo.name, photo.source.error) == (name, None)

    def test_in_a_folder_of_a_person_photos_are_called_as_they_like(self, tmp_path: Path) -> None:
        touch(tmp_path, "Ana/IMG_1.jpg", "IMG_2.jpg")

        photos = plan_enrolment([str(tmp_path)])

        assert [(each.name, each.source.error is None) for each in photos] == [("IMG_2", False), ("Ana", True)]
