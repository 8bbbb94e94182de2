"""What another model makes of templates: unseen until complete, then one event; and gone with whom it is of."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from facecli.errors import GalleryCorruptError, ModelMismatchError
from facecli.gallery import reembedded, vault
from facecli.gallery.edit import Edit
from facecli.gallery.sealing import encrypt
from facecli.gallery.store import Gallery
from facecli.types import Embedding

NEW = "sface@new"


def by_new_model(number: int) -> Embedding:
    vector = np.random.default_rng(1000 + number).standard_normal(4).astype(np.float32)
    return Embedding(vector / np.linalg.norm(vector), NEW)


def keep_all(gallery: Gallery) -> None:
    _, to_make = reembedded.open_faces(gallery, NEW)
    reembedded.keep(gallery, {face.template_id: by_new_model(face.template_id) for face in to_make}, {})


def owners(gallery: Gallery, model_id: str, *, negative: bool = False) -> dict[str, list[list[float]]]:
    """Vectors of a model by whose they are."""
    names = {person.person_id: person.name for person in gallery.people()}
    found: dict[str, list[list[float]]] = {}
    for each in gallery.templates(model_id=model_id, is_negative=negative):
        found.setdefault(names[each.person_id], []).append(each.embedding.vector.tolist())
    return found


def vectors(*numbers: int) -> list[list[float]]:
    return [by_new_model(number).vector.tolist() for number in numbers]


@pytest.fixture
def crowd(gallery, template):
    gallery.add_templates("Ana", [template(1), template(2)])
    gallery.add_templates("Bo", [template(3)])
    gallery.add_templates("Bo", [template(4)], is_negative=True)
    return gallery


def test_nothing_of_it_counts_before_the_switch(crowd):
    before = crowd.matrix("sface"), len(crowd.events()), crowd.revision
    keep_all(crowd)
    made, to_make = reembedded.open_faces(crowd, NEW)
    assert ([face.template_id for face in made], to_make) == ([1, 2, 3, 4], [])
    assert crowd.info(check=True).templates == {"sface": 3}
    assert crowd.info(check=True).problems == ()
    with pytest.raises(ModelMismatchError):
        crowd.matrix(NEW)
    assert (len(crowd.events()), crowd.revision) == before[1:]
    assert (crowd.matrix("sface").vectors == before[0].vectors).all()


def test_the_switch_is_one_event_that_can_be_undone_and_done_again(crowd):
    keep_all(crowd)
    done = reembedded.switch(crowd, NEW, ())
    assert isinstance(done, Edit)
    event = crowd.events()[-1]
    assert (event.command, event.model_id, len(event.changes)) == ("gallery reembed", NEW, 4)
    assert owners(crowd, NEW) == {"Ana": vectors(1, 2), "Bo": vectors(3)}
    assert owners(crowd, NEW, negative=True) == {"Bo": vectors(4)}
    assert crowd.info().templates == {"sface": 3, NEW: 3}
    old, new = (crowd.templates(model_id=model) for model in ("sface", NEW))
    facts = [(each.source, each.quality, each.content_hash, each.box_xyxy.tolist(), each.created_at) for each in new]
    assert facts == [
        (each.source, each.quality, each.content_hash, each.box_xyxy.tolist(), each.created_at) for each in old
    ]
    for expected in ({"sface": 3}, {"sface": 3, NEW: 3}):
        with crowd.edit("people undo") as edit:
            edit.undo(crowd.events()[-1].event_id)
        assert (crowd.info().templates, crowd.info(check=True).problems) == (expected, ())
    assert reembedded.open_faces(crowd, NEW) == ([], [])


def test_a_second_switch_changes_nothing(crowd):
    keep_all(crowd)
    reembedded.switch(crowd, NEW, ())
    revision = crowd.revision
    again = reembedded.switch(crowd, NEW, ())
    assert (again.event, crowd.revision) == (None, revision)


def test_whoever_was_enrolled_meanwhile_comes_first(crowd, template):
    keep_all(crowd)
    (new,) = crowd.add_templates("Cy", [template(9)])
    missing = reembedded.switch(crowd, NEW, ())
    assert [face.template_id for face in missing] == [new]
    assert crowd.info().templates == {"sface": 4}
    keep_all(crowd)
    reembedded.switch(crowd, NEW, ())
    assert owners(crowd, NEW)["Cy"] == vectors(new)


def test_what_is_left_out_stands_in_nobodys_way(crowd):
    reembedded.keep(crowd, {1: by_new_model(1), 3: by_new_model(3)}, {})
    reembedded.switch(crowd, NEW, (2, 4))
    assert owners(crowd, NEW) == {"Ana": vectors(1), "Bo": vectors(3)}
    _, to_make = reembedded.open_faces(crowd, NEW)
    assert [face.template_id for face in to_make] == [2, 4]


def test_templates_go_to_whose_they_are_at_the_switch(crowd):
    keep_all(crowd)
    crowd.rename_person("Ana", "Ana Lima")
    with crowd.edit("people move") as edit:
        edit.give([2], edit.person("Bo").person_id)
    reembedded.switch(crowd, NEW, ())
    assert owners(crowd, NEW) == {"Ana Lima": vectors(1), "Bo": vectors(2, 3)}


def test_who_was_removed_is_not_carried_over_and_is_when_brought_back(crowd):
    keep_all(crowd)
    crowd.remove_person("Ana")
    reembedded.switch(crowd, NEW, ())
    assert owners(crowd, NEW) == {"Bo": vectors(3)}
    with crowd.edit("people undo") as edit:
        edit.undo(4)
    _, to_make = reembedded.open_faces(crowd, NEW)
    assert [face.template_id for face in to_make] == [1, 2]


def test_purging_destroys_what_was_made_too(tmp_path, template):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(1)])
        gallery.add_templates("Bo", [template(2)])
        keep_all(gallery)
        assert by_new_model(1).vector.tobytes() in b"".join(each.read_bytes() for each in tmp_path.iterdir())
        gallery.purge_person("Ana")
        made, to_make = reembedded.open_faces(gallery, NEW)
        assert ([face.template_id for face in made], to_make) == ([2], [])
    left = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert by_new_model(1).vector.tobytes() not in left
    assert by_new_model(2).vector.tobytes() in left


def test_a_face_of_two_models_is_embedded_once_and_of_two_people_twice(gallery, template):
    gallery.add_templates("Ana", [template(1), template(1, model_id="other")])
    gallery.add_templates("Bo", [template(1)])
    keep_all(gallery)
    reembedded.switch(gallery, NEW, ())
    assert owners(gallery, NEW) == {"Ana": vectors(1), "Bo": vectors(3)}
    assert reembedded.replaced_templates(gallery, NEW) == [1, 2, 3]


def test_dropping_leaves_what_the_new_model_has_not_and_can_be_undone(crowd):
    reembedded.keep(crowd, {1: by_new_model(1), 3: by_new_model(3), 4: by_new_model(4)}, {})
    reembedded.switch(crowd, NEW, (2,))
    edit, count = reembedded.drop_replaced(crowd, NEW)
    assert (count, edit.event.command) == (3, "gallery reembed --drop-old")
    assert crowd.info().templates == {"sface": 1, NEW: 2}
    with crowd.edit("people undo") as undoing:
        undoing.undo(edit.event.event_id)
    assert crowd.info().templates == {"sface": 3, NEW: 2}
    assert crowd.info(check=True).problems == ()


def test_what_was_damaged_meanwhile_is_made_again_and_never_used(tmp_path, template):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(1), template(2)])
        keep_all(gallery)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE reembedded SET vector = zeroblob(16) WHERE template_id = 2")
        connection.commit()
    with Gallery.open(path) as gallery:
        assert gallery.info(check=True).problems == (f"what {NEW} made of template 2 is not as kept",)
        missing = reembedded.switch(gallery, NEW, ())
        assert [face.template_id for face in missing] == [2]
        keep_all(gallery)
        reembedded.switch(gallery, NEW, ())
        assert owners(gallery, NEW) == {"Ana": vectors(1, 2)}


def test_in_an_encrypted_gallery_it_is_encrypted(tmp_path, template, monkeypatch):
    monkeypatch.setattr(vault, "SCRYPT_COST", 4)
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(1), template(2)])
        encrypt(gallery, "key_file", bytes(32))
        keep_all(gallery)
        assert by_new_model(1).vector.tobytes() not in b"".join(each.read_bytes() for each in tmp_path.iterdir())
        reembedded.switch(gallery, NEW, ())
        assert owners(gallery, NEW) == {"Ana": vectors(1, 2)}
        assert [each.source for each in gallery.templates(model_id=NEW)] == ["1.jpg", "2.jpg"]
        assert gallery.info(check=True).problems == ()


def test_two_models_of_one_id_are_refused_and_nothing_is_switched(crowd, template):
    crowd.add_templates("Cy", [template(8, model_id=NEW, dimension=6)])
    keep_all(crowd)
    with pytest.raises(ModelMismatchError, match="vectors of 6 numbers"):
        reembedded.switch(crowd, NEW, ())
    assert crowd.info().templates == {"sface": 3, NEW: 1}


def test_sources_are_the_photos_as_they_were_named(crowd):
    crowd.remove_person("Ana")
    assert reembedded.sources(crowd, [1, 3, 99]) == {3: "3.jpg"}


def test_what_is_kept_is_refused_where_it_cannot_be_what_was_kept(crowd, monkeypatch):
    """Damage between the look and the switch, in one transaction, cannot be; whatever makes it, it names nobody."""
    keep_all(crowd)
    crowd._connection.execute("UPDATE reembedded SET checksum = 0 WHERE template_id = 1")
    monkeypatch.setattr(reembedded, "_open_faces", lambda *_: (reembedded_faces(crowd), []))
    with pytest.raises(GalleryCorruptError, match="made of template 1"):
        reembedded.switch(crowd, NEW, ())
    assert crowd.info().templates == {"sface": 3}


def reembedded_faces(gallery: Gallery):
    box = np.array((0, 0, 1, 1), np.float32)
    return [reembedded.OpenFace(1, 1, "hash of 1.jpg", box, False)]
