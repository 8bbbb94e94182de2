import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facecli.errors import GalleryError, GeometryError, InputError, ModelMismatchError, UnknownPersonError
from facecli.gallery.names import normalise_name
from facecli.gallery.records import NewTemplate
from facecli.gallery.schema import MIGRATIONS
from facecli.gallery.store import Gallery
from facecli.types import Embedding


def is_name(text: str) -> bool:
    try:
        normalise_name(text)
    except InputError:
        return False
    return True


names = st.text(min_size=1, max_size=40).filter(is_name)
vectors = (
    hnp.arrays(np.float32, st.integers(1, 64), elements=st.floats(-1, 1, width=32))
    .filter(lambda vector: np.linalg.norm(vector) > 0.01)
    .map(lambda vector: vector / np.linalg.norm(vector))
)
# What a file may be called differs by system: on POSIX any bytes but NUL.
sources = st.binary(min_size=1, max_size=60).map(os.fsdecode) if os.name == "posix" else st.text(min_size=1)


@given(name=names, vector=vectors, source=sources, quality=st.floats(0, 1))
def test_what_is_enrolled_comes_back_bit_for_bit(name, vector, source, quality):
    box = np.array([0.1, -3.7, 1e6 + 0.3, 99.9], np.float32)
    with Gallery.open(":memory:") as gallery:
        added = gallery.add_templates(name, [NewTemplate(Embedding(vector, "m"), quality, source, "abc", box)])
        (person,), (stored,) = gallery.people(), gallery.templates()
        matrix = gallery.matrix("m")
        assert (person.name, person.template_count) == (normalise_name(name), 1)
        assert (added, stored.person_id, stored.source) == ([stored.template_id], person.person_id, source)
        assert (stored.quality, stored.content_hash, stored.embedding.model_id) == (quality, "abc", "m")
        assert stored.embedding.vector.tobytes() == matrix.vectors[0].tobytes() == vector.tobytes()
        assert stored.box_xyxy.tobytes() == box.tobytes()
        assert gallery.info(check=True).problems == ()


def test_an_enrolment_survives_closing(tmp_path, template):
    path = tmp_path / "new folder" / "my gallery?#%41.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(1)])
    assert path.exists()
    with Gallery.open(path) as gallery:
        assert [(person.name, person.template_count) for person in gallery.people()] == [("Ana", 1)]
        assert not gallery.read_only


def test_enrolling_the_same_photo_again_adds_nothing(gallery, template):
    assert gallery.add_templates("Ana", [template(1), template(2), template(1)]) == [1, 2, None]
    revision = gallery.revision
    assert gallery.add_templates("Ana", [template(2), template(1)]) == [None, None]
    assert (len(gallery.templates()), gallery.revision) == (2, revision)


def test_the_same_face_found_a_little_elsewhere_is_the_same_face(gallery, template):
    gallery.add_templates("Ana", [template(1, photo="a.jpg", box=(10, 10, 110, 110))])
    assert gallery.add_templates("Ana", [template(2, photo="a.jpg", box=(13.4, 8, 118, 111))]) == [None]


def test_the_same_photo_may_hold_another_face_another_person_and_another_model(gallery, template):
    gallery.add_templates("Ana", [template(1, photo="a.jpg")])
    mirrored = template(2, photo="a.jpg", box=(500, 20, 600, 140))
    assert gallery.add_templates("Ana", [mirrored, template(3, photo="a.jpg", model_id="other")]) == [2, 3]
    assert gallery.add_templates("Bo", [template(1, photo="a.jpg")]) == [4]
    assert gallery.info().templates == {"other": 1, "sface": 3}


def test_adding_nothing_makes_nobody(gallery):
    assert gallery.add_templates("Ana", []) == []
    assert (gallery.people(), gallery.revision) == ([], 0)


def test_people_are_sorted_without_regard_to_case(gallery):
    for name in ("bo", "Ana", "Émile", "Bea", "ana"):
        gallery.add_person(name)
    assert [person.name for person in gallery.people()] == ["Ana", "ana", "Bea", "bo", "Émile"]


def test_people_are_found_by_their_exact_normalised_name(gallery):
    person = gallery.add_person("Zoe\u0308")
    assert gallery.find_person(" Zoë ") == person
    assert gallery.find_person("zoë") is None
    assert person.created_at.endswith("Z")


def test_a_name_can_be_given_once(gallery):
    gallery.add_person("Ana")
    with pytest.raises(GalleryError, match="Ana is already enrolled") as caught:
        gallery.add_person("Ana ")
    assert caught.value.code == "person_exists"
    assert len(gallery.people()) == 1


def test_renaming_keeps_the_templates(gallery, template):
    gallery.add_templates("Ana", [template(1)])
    gallery.add_person("Bo")
    renamed = gallery.rename_person("Ana", "Ana Lima")
    assert (renamed.person_id, renamed.name, renamed.template_count) == (1, "Ana Lima", 1)
    assert gallery.matrix("sface").names == {1: "Ana Lima"}
    with pytest.raises(GalleryError, match="Bo is already enrolled"):
        gallery.rename_person("Ana Lima", "Bo")
    assert gallery.rename_person("Bo", "Bo").name == "Bo"


def test_removing_a_person_removes_the_templates_and_frees_no_id(gallery, template):
    gallery.add_templates("Bo", [template(3)])
    gallery.add_templates("Ana", [template(1), template(2)])
    assert gallery.remove_person("Ana") == 2
    assert [person.name for person in gallery.people()] == ["Bo"]
    assert [stored.template_id for stored in gallery.templates()] == [1]
    assert gallery.add_templates("Ana", [template(1)]) == [4]
    assert gallery.find_person("Ana").person_id == 3


def test_a_purged_person_is_gone_from_the_file(tmp_path, template):
    path = tmp_path / "g.sqlite"
    vectors = [template(number).embedding.vector.tobytes() for number in range(200)]
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(number) for number in range(200)])
    assert all(vector in path.read_bytes() for vector in vectors)
    with Gallery.open(path) as gallery:
        gallery.rename_person("Ana", "Zacharias")
        gallery.remove_person("Zacharias")
        assert all(vector in path.read_bytes() for vector in vectors)  # it can be undone
        assert gallery.purge_person("Zacharias") == 200
        content = path.read_bytes() + Path(f"{path}-wal").read_bytes()
        assert not any(vector in content for vector in vectors)
        assert b"Zacharias" not in content
        assert b"Ana" not in content
        assert gallery.info(check=True).problems == ()
        with pytest.raises(UnknownPersonError):
            gallery.purge_person("Ana")


@pytest.mark.parametrize("call", ["remove", "rename"])
def test_an_unknown_person_is_refused_with_near_names(gallery, call):
    for name in ("Ana Lima", "Bo"):
        gallery.add_person(name)
    with pytest.raises(UnknownPersonError, match="nobody called anna lima") as caught:
        gallery.remove_person("anna lima") if call == "remove" else gallery.rename_person("anna lima", "x")
    assert caught.value.hint == "Did you mean Ana Lima?"


def test_every_change_increases_the_revision(gallery, template):
    seen = [gallery.revision]
    for change in (
        lambda: gallery.add_person("Bo"),
        lambda: gallery.add_templates("Ana", [template(1)]),
        lambda: gallery.add_templates("Ana", [template(2)]),
        lambda: gallery.rename_person("Ana", "Eva"),
        lambda: gallery.remove_person("Bo"),
    ):
        change()
        seen.append(gallery.revision)
    assert seen == sorted(set(seen))
    before = gallery.revision
    gallery.people(), gallery.templates(), gallery.matrix("sface"), gallery.info(check=True)
    assert gallery.revision == before


def test_templates_can_be_asked_for_by_person_and_model(gallery, template):
    gallery.add_templates("Ana", [template(1), template(2, model_id="other")])
    gallery.add_templates("Bo", [template(3)])
    ids = lambda **filters: [stored.template_id for stored in gallery.templates(**filters)]  # noqa: E731
    assert ids() == [1, 2, 3]
    assert ids(person_id=1) == [1, 2]
    assert ids(model_id="sface") == [1, 3]
    assert ids(person_id=1, model_id="other") == [2]
    assert ids(person_id=9) == []


def test_a_matrix_is_sorted_by_person_whatever_the_order_of_enrolment(gallery, template):
    for number in range(6):
        gallery.add_templates(("Ana", "Bo", "Cy")[number % 3], [template(number)])
    gallery.add_templates("Di", [template(9, model_id="other")])
    matrix = gallery.matrix("sface")
    assert matrix.person_ids.tolist() == [1, 1, 2, 2, 3, 3]
    assert matrix.template_ids.tolist() == [1, 4, 2, 5, 3, 6]
    expected = np.stack([template(number).embedding.vector for number in (0, 3, 1, 4, 2, 5)])
    assert matrix.vectors.tobytes() == expected.tobytes()
    assert matrix.vectors.flags.c_contiguous
    assert not matrix.vectors.flags.writeable
    assert (matrix.names, matrix.revision) == ({1: "Ana", 2: "Bo", 3: "Cy"}, gallery.revision)


def test_an_empty_gallery_gives_an_empty_matrix(gallery):
    gallery.add_person("Ana")
    matrix = gallery.matrix("sface")
    assert (len(matrix.vectors), len(matrix.person_ids), matrix.names) == (0, 0, {})


def test_another_model_than_the_enrolled_one_is_an_error(gallery, template):
    gallery.add_templates("Ana", [template(1)])
    with pytest.raises(ModelMismatchError, match="holds templates of sface, none of mobilefacenet") as caught:
        gallery.matrix("mobilefacenet")
    assert "--embedder sface" in caught.value.hint


def test_one_model_has_one_length_and_a_refused_batch_leaves_nothing(gallery, template):
    gallery.add_templates("Ana", [template(1)])
    before = gallery.info()
    with pytest.raises(ModelMismatchError, match="vectors of 8 numbers from sface, and the new one has 9"):
        gallery.add_templates("Bo", [template(2), template(3, dimension=9)])
    assert gallery.info() == before


def test_what_cannot_be_a_template_is_refused(template):
    good = template(1)
    with pytest.raises(GeometryError, match="is no box"):
        template(1, box=(10, 10, 10, 20))
    with pytest.raises(GeometryError, match="is no box"):
        template(1, box=(10, 10, float("inf"), 20))
    for quality in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="quality"):
            NewTemplate(good.embedding, quality, "a.jpg", "abc", good.box_xyxy)
    with pytest.raises(InputError, match="no content hash"):
        NewTemplate(good.embedding, 0.5, "a.jpg", "", good.box_xyxy)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows file names may hold lone surrogates")
def test_a_source_that_no_file_can_have_is_refused(gallery, template):
    with pytest.raises(InputError, match=r"ud800"):
        gallery.add_templates("Ana", [template(1, photo="\ud800.jpg")])
    assert gallery.people() == []


def test_info_says_what_a_gallery_holds(tmp_path, template):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(1), template(2)])
        info = gallery.info()
        assert (info.path, info.schema_version, info.people) == (str(path), len(MIGRATIONS), 1)
        assert (info.templates, info.revision, info.read_only) == ({"sface": 2}, gallery.revision, False)
        assert info.size_bytes > 2 * 8 * 4
        assert info.problems is None


def test_a_closed_gallery_says_so(template):
    gallery = Gallery.open(":memory:")
    gallery.close()
    gallery.close()
    with pytest.raises(GalleryError, match="closed"):
        gallery.people()


def test_who_has_templates_from_a_photo(gallery, template):
    gallery.add_templates("Zoe", [template(1, photo="x.jpg"), template(2, photo="y.jpg")])
    gallery.add_templates("Ana", [template(3, photo="x.jpg"), template(4, photo="x.jpg", box=(200, 20, 300, 140))])

    here, there, nowhere = (np.array([left, 20, left + 100, 140], np.float32) for left in (10, 200, 400))
    assert gallery.photo_owners("hash of x.jpg", here) == ("Zoe", "Ana")
    assert gallery.photo_owners("hash of x.jpg", there) == ("Ana",)
    assert gallery.photo_owners("hash of x.jpg", nowhere) == ()
    assert gallery.photo_owners("hash of y.jpg", here) == ("Zoe",)
    assert gallery.photo_owners("hash of z.jpg", here) == ()
