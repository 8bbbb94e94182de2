from __future__ import annotations

from pathlib import Path

import pytest

from facecli.errors import InputError
from facecli.services.evaluate.pair_list import PairList, read_pairs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Photos of three people, a folder each; what is in them does not matter here."""
    for person in ("Ana", "Bo", "Cy"):
        (tmp_path / "photos" / person).mkdir(parents=True)
        for number in (1, 2, 3):
            (tmp_path / "photos" / person / f"{person}_{number:04d}.jpg").touch()
    return tmp_path / "photos"


def read(root: Path, text: str, *, encoding: str = "utf-8") -> PairList:
    path = root.parent / "pairs.csv"
    path.write_text(text, encoding=encoding)
    return read_pairs(path, root)


def refusal(root: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(root, text)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.message.removeprefix(f"{root.parent}/")


PAIRS = "mated,file_a,file_b\n1,Ana/Ana_0001.jpg,Ana/Ana_0002.jpg\n0,Ana/Ana_0001.jpg,Bo/Bo_0001.jpg\n"


class TestCsv:
    def test_photos_stand_once_and_folders_are_people(self, root: Path) -> None:
        pairs = read(root, PAIRS)

        assert pairs.path == str(root.parent / "pairs.csv")
        assert pairs.photos == tuple(
            str(root / each) for each in ("Ana/Ana_0001.jpg", "Ana/Ana_0002.jpg", "Bo/Bo_0001.jpg")
        )
        assert (pairs.pairs, pairs.mated) == (((0, 1), (0, 2)), (True, False))
        assert (pairs.people, pairs.people_from) == ((0, 0, 1), "the photos' folders")
        assert (pairs.folds, dict(pairs.groups), pairs.warnings) == ((), {}, ())

    @pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("true", "False"), ("YES", "no")])
    def test_answers_in_words(self, root: Path, yes: str, no: str) -> None:
        text = f"mated,file_a,file_b\n{yes},Ana/Ana_0001.jpg,Ana/Ana_0002.jpg\n{no},Ana/Ana_0001.jpg,Bo/Bo_0001.jpg\n"

        assert read(root, text).mated == (True, False)

    def test_columns_in_any_order_with_groups_and_folds(self, root: Path) -> None:
        text = (
            " gender , file_b,File_A,Fold,MATED,place\r\n"
            "f,Ana/Ana_0002.jpg,Ana/Ana_0001.jpg,one,1,\r\n"
            "\r\n"
            '"m, or so",Cy/Cy_0001.jpg, Bo/Bo_0001.jpg ,two,0,inn\r\n'
        )
        pairs = read(root, text, encoding="utf-8-sig")

        assert pairs.folds == ("one", "two")
        assert dict(pairs.groups) == {"gender": ("f", "m, or so"), "place": ("", "inn")}
        assert pairs.pairs == ((0, 1), (2, 3))
        assert Path(pairs.photos[0]).name == "Ana_0001.jpg"

    def test_files_outside_of_the_root(self, root: Path) -> None:
        outside = root.parent / "elsewhere.jpg"
        outside.touch()
        pairs = read(root, f"mated,file_a,file_b\n0,{outside},Ana/Ana_0001.jpg\n0,../elsewhere.jpg,Bo/Bo_0001.jpg\n")

        assert pairs.photos[0] == str(outside)
        assert len(pairs.photos) == 3  # named in two ways, but one photo

    def test_a_link_is_followed_as_the_system_does(self, root: Path) -> None:
        (root / "far" / "away").mkdir(parents=True)
        (root / "far" / "x.jpg").touch()
        (root / "link").symlink_to(root / "far" / "away")

        pairs = read(root, "mated,file_a,file_b\n0,link/../x.jpg,Ana/Ana_0001.jpg\n")
        assert pairs.photos[0] == str(root.resolve() / "far" / "x.jpg")

    def test_people_of_the_list(self, root: Path) -> None:
        text = (
            "mated,file_a,file_b,person_a,person_b\n"
            "1,Ana/Ana_0001.jpg,Bo/Bo_0001.jpg,ana,ana\n"
            "0,Ana/Ana_0001.jpg,Ana/Ana_0002.jpg,ana,eve\n"
        )
        pairs = read(root, text)

        assert (pairs.people, pairs.people_from) == ((0, 0, 1), "the list")

    def test_without_folders_mated_pairs_say_who_is_who(self, root: Path) -> None:
        text = (
            "mated,file_a,file_b\n"
            "1,Ana/Ana_0001.jpg,Bo/Bo_0001.jpg\n1,Bo/Bo_0001.jpg,Cy/Cy_0001.jpg\n0,Ana/Ana_0001.jpg,Ana/Ana_0002.jpg\n"
        )
        pairs = read(root, text)

        assert (pairs.people, pairs.people_from) == ((0, 0, 0, 1), "the mated pairs")
        (warning,) = pairs.warnings
        assert "one folder for each person" in warning

    def test_pairs_that_flatter_are_told(self, root: Path) -> None:
        text = PAIRS + "1,Ana/Ana_0002.jpg,Ana/Ana_0001.jpg\n1,Bo/Bo_0001.jpg,Bo/../Bo/Bo_0001.jpg\n"

        assert read(root, text).warnings == (
            "1 pair compares a photo with itself",
            "1 pair repeats another: each counts again",
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "pairs.csv holds no pairs"),
            ("mated,file_a,file_b\n", "pairs.csv holds no pairs"),
            ("mated,file_a\n1,a\n", "pairs.csv, line 1: there is no column 'file_b'"),
            ("mated,file_a,file_b,mated\n", "pairs.csv, line 1: there are two columns 'mated'"),
            ("mated,file_a,file_b,\n", "pairs.csv, line 1: a column has no name"),
            ("mated,file_a,file_b,person_a\n", "pairs.csv, line 1: person_a and person_b go together, but only one "),
            (PAIRS + "2,a,b\n", "pairs.csv, line 4: mated is '2', not 1 or 0"),
            (PAIRS + ",a,b\n", "pairs.csv, line 4: mated is '', not 1 or 0"),
            (PAIRS + "1,a\n", "pairs.csv, line 4: 2 values where the first line names 3 columns"),
            (PAIRS + "1,,b\n", "pairs.csv, line 4: file_a is empty"),
            (PAIRS + '1,"a,b\n', "pairs.csv, line 4: unexpected end of data"),
            (PAIRS + "1,Ana,Bo/Bo_0001.jpg\n", "pairs.csv, line 4: {root}/Ana is no file"),
            (PAIRS + "\n1,Ana/Ana_0009.jpg,b\n", "pairs.csv, line 5: {root}/Ana/Ana_0009.jpg does not exist"),
            (PAIRS + "1,/absent/x.jpg,b\n", "pairs.csv, line 4: /absent/x.jpg does not exist"),
            (PAIRS + "1,a\0,b\n", "pairs.csv, line 4: "),
            (
                "mated,file_a,file_b,person_a,person_b\n1,Ana/Ana_0001.jpg,Ana/Ana_0002.jpg,a,b\n",
                "pairs.csv, line 2: mated is 1, but person_a and person_b differ",
            ),
            (
                "mated,file_a,file_b,person_a,person_b\n0,Ana/Ana_0001.jpg,Ana/Ana_0002.jpg,a,a\n",
                "pairs.csv, line 2: mated is 0, but both are one person",
            ),
            (
                "mated,file_a,file_b,person_a,person_b\n0,Ana/Ana_0001.jpg,Bo/Bo_0001.jpg,a,b\n"
                "0,Ana/Ana_0001.jpg,Bo/Bo_0002.jpg,c,b\n",
                "pairs.csv, line 3: {root}/Ana/Ana_0001.jpg is of 'c' here, and of 'a' before",
            ),
            (
                "mated,file_a,file_b\n1,Ana/Ana_0001.jpg,Bo/Bo_0001.jpg\n0,Ana/Ana_0001.jpg,Bo/Bo_0001.jpg\n",
                "pairs.csv, line 3: mated is 0, but other lines make both photos the same person",
            ),
            (
                "fold,mated,file_a,file_b\n1,1,Ana/Ana_0001.jpg,Ana/Ana_0002.jpg\n",
                "pairs.csv has one fold only",
            ),
        ],
    )
    def test_what_is_wrong_and_where(self, root: Path, text: str, message: str) -> None:
        assert refusal(root, text).startswith(message.format(root=root))

    def test_files_that_are_no_lists(self, root: Path) -> None:
        binary = root.parent / "photo.jpg"
        binary.write_bytes(b"\xff\xd8\xff\xe0")

        with pytest.raises(InputError, match=r"photo\.jpg is not UTF-8 text"):
            read_pairs(binary, root)
        with pytest.raises(InputError, match=r"absent\.csv does not exist"):
            read_pairs(root / "absent.csv", root)


class TestLfw:
    FOLDS = (
        "2\t1\n"
        "Ana\t1\t2\n"
        "Ana\t1\tBo\t3\n"
        "Bo\t1\t2\n"
        "Cy\t1\tBo\t2\n"
    )  # fmt: skip

    def test_folds(self, root: Path) -> None:
        pairs = read(root, self.FOLDS)

        assert pairs.folds == ("1", "1", "2", "2")
        assert pairs.mated == (True, False, True, False)
        assert [Path(photo).name for photo in pairs.photos] == [
            f"{name}_000{number}.jpg"
            for name, number in (("Ana", 1), ("Ana", 2), ("Bo", 3), ("Bo", 1), ("Bo", 2), ("Cy", 1))
        ]
        assert pairs.people == (0, 0, 1, 1, 1, 2)
        assert dict(pairs.groups) == {}

    def test_one_set(self, root: Path) -> None:
        pairs = read(root, "2\nAna 1 2\nBo 1 3\nAna 3 Cy 1\nBo 1 Cy 2\n")

        assert (pairs.folds, pairs.mated) == ((), (True, True, False, False))

    def test_other_endings(self, root: Path) -> None:
        (root / "Ana" / "Ana_0007.png").touch()

        assert Path(read(root, "1\nAna 1 7\nAna 1 Bo 1\n").photos[1]).name == "Ana_0007.png"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("10 300\n", "line 1: the list ends after 0 of 6000 announced pairs"),
            (FOLDS + "Cy\t1\t2\n", "line 6: line 1 announces 4 pairs, and here is one more"),
            ("1\nAna 1 Bo 3\nAna 1 2\n", "line 2: 4 values where NAME N1 N2 (mated) is due"),
            ("1\nAna 1 2\nAna 1 3\n", "line 3: 3 values where NAME_A N1 NAME_B N2 (non-mated) is due"),
            ("1\nAna 1 x\nAna 1 Bo 3\n", "line 2: 'x' is no number of a photo"),
            ("1\nAna 1 2\nAna 1 Ana 3\n", "line 3: a non-mated pair is of Ana twice"),
            ("1\nAna 1 9\nAna 1 Bo 3\n", "line 2: {root}/Ana/Ana_0009.jpg does not exist"),
            ("1\nAna 1 2\nAna 1 Bo 99999999999999\n", "line 3: '99999999999999' is no number of a photo"),
        ],
    )
    def test_what_is_wrong_and_where(self, root: Path, text: str, message: str) -> None:
        assert refusal(root, text) == "pairs.csv, " + message.format(root=root)

    def test_no_pairs(self, root: Path) -> None:
        assert refusal(root, "0\n") == "pairs.csv holds no pairs"
