"""Crops: kept with the templates of a face, shared by a person's models, gone with them, never changed unnoticed."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from facecli.errors import GalleryCorruptError, UnknownPersonError
from facecli.gallery import vault
from facecli.gallery.sealing import decrypt, encrypt
from facecli.gallery.store import Gallery
from facecli.types import Crop

KEY = bytes(range(32))


def crop(number: int) -> Crop:
    return Crop(f"a picture of face {number}".encode(), np.arange(10, dtype=np.float32).reshape(5, 2) + number)


@pytest.fixture
def with_crop(template):
    def make(number, **options):
        return replace(template(number, **options), crop=crop(number))

    return make


def kept(gallery: Gallery, template_id: int) -> tuple[bytes, list[list[float]]] | None:
    found = gallery.crops([template_id]).get(template_id)
    return found and (found.image, found.landmarks_xy.tolist())


def as_kept(number: int) -> tuple[bytes, list[list[float]]]:
    return crop(number).image, crop(number).landmarks_xy.tolist()


def crop_rows(gallery: Gallery) -> int:
    return gallery.crop_count().crops


def test_crops_come_back_as_they_were_and_templates_without_are_left_out(gallery, template, with_crop):
    first, second = gallery.add_templates("Ana", [with_crop(1), template(2)])
    assert kept(gallery, first) == as_kept(1)
    assert gallery.crops([first, second, 99]).keys() == {first}
    count = gallery.crop_count()
    assert (count.crops, count.templates_with, count.templates_without) == (1, 1, 1)
    assert count.size_bytes == len(crop(1).image) + 40
    assert gallery.info(check=True).problems == ()


def test_models_of_one_face_of_a_person_share_a_crop_and_people_do_not(gallery, with_crop):
    (first,) = gallery.add_templates("Ana", [with_crop(1)])
    (second,) = gallery.add_templates("Ana", [replace(with_crop(1, model_id="other"), crop=crop(5))])
    assert kept(gallery, second) == kept(gallery, first) == as_kept(1)
    assert crop_rows(gallery) == 1
    (third,) = gallery.add_templates("Bo", [replace(with_crop(1), crop=crop(7))])
    assert kept(gallery, third) == as_kept(7)
    assert crop_rows(gallery) == 2


def test_another_face_of_the_photo_has_a_crop_of_its_own(gallery, with_crop):
    ids = gallery.add_templates(
        "Ana", [with_crop(1, photo="p.jpg"), with_crop(2, photo="p.jpg", box=(300, 300, 400, 420))]
    )
    assert [kept(gallery, each) for each in ids] == [as_kept(1), as_kept(2)]


def test_a_face_enrolled_again_with_its_crop_gets_it_and_changes_nothing_else(gallery, template, with_crop):
    (first,) = gallery.add_templates("Ana", [template(1)])
    events, revision = len(gallery.events()), gallery.revision
    assert gallery.add_templates("Ana", [with_crop(1)]) == [None]
    assert kept(gallery, first) == as_kept(1)
    assert (len(gallery.events()), gallery.revision) == (events, revision)
    assert gallery.add_templates("Ana", [replace(with_crop(1), crop=crop(5))]) == [None]
    assert kept(gallery, first) == as_kept(1)


def test_a_removed_person_comes_back_with_crops(gallery, with_crop):
    (first,) = gallery.add_templates("Ana", [with_crop(1)])
    gallery.remove_person("Ana")
    with gallery.edit("people undo") as edit:
        edit.undo(2)
    assert kept(gallery, first) == as_kept(1)


def test_purging_somebody_destroys_their_crops_and_nobody_elses(tmp_path, with_crop):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [with_crop(1), with_crop(2)])
        (bos,) = gallery.add_templates("Bo", [with_crop(3)])
        gallery.purge_person("Ana")
        assert kept(gallery, bos) == as_kept(3)
        assert crop_rows(gallery) == 1
        assert gallery.info(check=True).problems == ()
    left = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert crop(3).image in left
    assert crop(1).image not in left
    assert crop(2).image not in left


def test_removing_crops_leaves_templates_and_no_byte_of_a_crop(tmp_path, with_crop):
    path = tmp_path / "g.sqlite"
    large = Crop(b"picture" * 100_000, crop(1).landmarks_xy)
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [replace(with_crop(1), crop=large), with_crop(2)])
        before = len(gallery.matrix("sface").template_ids)
        size = gallery.info().size_bytes
        assert gallery.remove_crops()
        assert crop_rows(gallery) == 0
        assert len(gallery.matrix("sface").template_ids) == before
        assert gallery.info(check=True).problems == ()
        assert gallery.info().size_bytes < size - len(large.image) // 2
    left = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"picture" not in left


DAMAGES = {
    "its picture": "UPDATE crops SET image = CAST(replace(image, 'face 1', 'face 3') AS BLOB) WHERE crop_id = 1",
    "its landmarks": "UPDATE crops SET landmarks = zeroblob(40) WHERE crop_id = 1",
    "its checksum": "UPDATE crops SET checksum = checksum + 1 WHERE crop_id = 1",
    "its type": "UPDATE crops SET image = 'text' WHERE crop_id = 1",
    "whose it is": "UPDATE templates SET crop_id = 3 - crop_id WHERE template_id = 1",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_crop_is_never_given_out(tmp_path, with_crop, damage):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        ids = gallery.add_templates("Ana", [with_crop(1), with_crop(2)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(damage)
        connection.commit()
    with Gallery.open(path) as gallery:
        with pytest.raises(GalleryCorruptError, match="the crop of template 1 is not as it was kept"):
            gallery.crops(ids)
        assert any("crop" in each for each in gallery.info(check=True).problems)


class TestEncrypted:
    @pytest.fixture(autouse=True)
    def _cheap_scrypt(self, monkeypatch):
        monkeypatch.setattr(vault, "SCRYPT_COST", 4)

    @pytest.fixture
    def gallery(self, tmp_path, with_crop):
        """An encrypted gallery; Ana has a face by two models, and one of the two was moved to Bo."""
        with Gallery.open(tmp_path / "g.sqlite", create=True, ask_secret=lambda _: KEY) as gallery:
            gallery.add_templates("Ana", [with_crop(1), with_crop(1, model_id="other"), with_crop(2)])
            gallery.add_templates("Bo", [with_crop(3)])
            with gallery.edit("people move") as edit:
                edit.give([2], edit.person("Bo").person_id)
            encrypt(gallery, "key_file", KEY)
            yield gallery

    def contents(self, gallery):
        return [kept(gallery, each) for each in (1, 2, 3, 4)]

    def test_crops_are_read_with_the_key_and_lie_encrypted_in_the_file(self, gallery, tmp_path):
        assert self.contents(gallery) == [as_kept(1), as_kept(1), as_kept(2), as_kept(3)]
        left = b"".join(each.read_bytes() for each in tmp_path.iterdir())
        assert b"a picture of" not in left
        assert gallery.info(check=True).problems == ()

    def test_moving_a_template_leaves_each_person_a_crop_of_their_own(self, gallery):
        with gallery.edit("people move") as edit:
            edit.give([3], edit.person("Bo").person_id)
        gallery.purge_person("Ana")
        assert [kept(gallery, each) for each in (2, 3, 4)] == [as_kept(1), as_kept(2), as_kept(3)]
        assert gallery.info(check=True).problems == ()

    def test_enrolling_there_encrypts_the_crop(self, gallery, with_crop, tmp_path):
        (new,) = gallery.add_templates("Cy", [with_crop(8)])
        assert kept(gallery, new) == as_kept(8)
        assert b"a picture of" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())

    def test_they_come_back_in_the_clear(self, gallery):
        decrypt(gallery)
        assert self.contents(gallery) == [as_kept(1), as_kept(1), as_kept(2), as_kept(3)]
        assert gallery.info(check=True).problems == ()


def test_purging_nobody_leaves_crops(gallery, with_crop):
    gallery.add_templates("Ana", [with_crop(1)])
    with pytest.raises(UnknownPersonError):
        gallery.purge_person("Bo")
    assert crop_rows(gallery) == 1
