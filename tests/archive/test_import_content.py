"""What an import does to a gallery that holds people already."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from archives import JPEG, SINCE, archived, contents, export, import_archive, new_template, write

import facecli
from facecli.archive.format import ArchivedPerson
from facecli.errors import GalleryError, InputError, ModelMismatchError
from facecli.gallery.consent import Consent
from facecli.gallery.sealing import encrypt
from facecli.gallery.store import Gallery
from facecli.services.gallery_import import Content, import_content


def counts(imported) -> list[tuple[str, str, int, int]]:
    return [(each.enrolled_as, each.status, each.added, each.already) for each in imported.people]


def test_one_import_is_one_event_that_can_be_undone(archive, gallery):
    gallery.add_templates("Ana", [new_template(1)])
    before = contents(gallery)
    imported = import_archive(gallery, archive)
    assert counts(imported) == [("Ana", "merged", 1, 1), ("Bo", "new", 1, 0)]
    _, event = gallery.events()
    assert imported.event == event
    assert (event.command, event.model_id, event.version) == ("gallery import", "sface@1", facecli.__version__)
    with gallery.edit("people undo") as edit:
        edit.undo(2)
    assert contents(gallery) == before


def test_importing_again_changes_nothing(archive, gallery):
    import_archive(gallery, archive)
    again = import_archive(gallery, archive)
    assert counts(again) == [("Ana", "merged", 0, 2), ("Bo", "merged", 0, 1)]
    assert (again.event, len(gallery.events()), gallery.revision) == (None, 1, 1)


def test_others_of_the_same_name_get_a_number(tmp_path, gallery):
    gallery.add_person("Ana")
    gallery.add_person("Ana (2)")
    path = write(tmp_path / "a.zip", people=["Ana", "Ana (3)"])
    imported = import_archive(gallery, path, on_conflict="new")
    assert counts(imported) == [("Ana (4)", "new", 2, 0), ("Ana (3)", "new", 1, 0)]


def test_who_is_enrolled_is_left_alone(archive, gallery):
    gallery.add_person("Ana")
    assert counts(import_archive(gallery, archive, on_conflict="skip")) == [
        ("Ana", "skipped", 0, 0),
        ("Bo", "new", 1, 0),
    ]
    assert [person.template_count for person in gallery.people()] == [0, 1]


def test_who_is_enrolled_stops_it(tmp_path, gallery):
    names = [f"Person {number}" for number in range(7)]
    for name in names:
        gallery.add_person(name)
    path = write(tmp_path / "a.zip", people=["New", *names])
    with pytest.raises(GalleryError, match="Person 0, Person 1, Person 2, Person 3, Person 4 and 2 more") as caught:
        import_archive(gallery, path, on_conflict="error")
    assert caught.value.code == "person_exists"
    assert gallery.find_person("New") is None


def test_a_dry_run_says_it_all_and_does_nothing(archive, gallery):
    gallery.add_templates("Ana", [new_template(1)])
    before = contents(gallery), gallery.events(), gallery.people()
    dry = import_archive(gallery, archive, dry_run=True)
    assert (contents(gallery), gallery.events(), gallery.people()) == before
    assert dry.event is None
    assert counts(dry) == counts(import_archive(gallery, archive))


class StopError(Exception):
    pass


def test_what_fails_late_leaves_nothing(gallery):
    def failing():
        yield from (("sface@1", archived(number)) for number in range(50))
        raise StopError

    gallery.add_templates("Zoe", [new_template(9)])
    content = Content("a.zip", {"sface@1": 8}, [ArchivedPerson("Ana", SINCE)], failing())
    with pytest.raises(StopError):
        import_content(gallery, content)
    assert [person.name for person in gallery.people()] == ["Zoe"]
    assert len(gallery.events()) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX kills")
def test_a_kill_in_the_middle_leaves_the_gallery_as_it_was(tmp_path):
    path = tmp_path / "g.db"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Zoe", [new_template(9)])
        before = contents(gallery)
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[2])\n"
        "from archives import archived\n"
        "from facecli.archive.format import ArchivedPerson\n"
        "from facecli.gallery.store import Gallery\n"
        "from facecli.services.gallery_import import Content, import_content\n"
        "def killed():\n"
        "    yield from (('sface@1', archived(number)) for number in range(300))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "people = [ArchivedPerson('Ana', '2025-01-01T00:00:00Z')]\n"
        "with Gallery.open(sys.argv[1]) as gallery:\n"
        "    gallery._connection.execute('PRAGMA cache_size = 1')  # so that pages reach the disk before\n"
        "    import_content(gallery, Content('a.zip', {'sface@1': 8}, people, killed()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path, Path(__file__).parent], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Gallery.open(path) as gallery:
        assert contents(gallery) == before
        assert gallery.info(check=True).problems == ()


def test_another_model_is_refused_unless_it_is_wanted(tmp_path, gallery):
    gallery.add_templates("Ana", [new_template(1)])
    path = write(tmp_path / "a.zip", model_id="mobilefacenet@2")
    with pytest.raises(ModelMismatchError, match=r"holds templates of mobilefacenet@2, and the gallery .* of sface@1$"):
        import_archive(gallery, path)
    assert len(gallery.events()) == 1
    import_archive(gallery, path, other_models=True)
    assert gallery.info().templates == {"mobilefacenet@2": 3, "sface@1": 1}
    assert gallery.get_person("Ana").template_count == 3


def test_other_weights_of_one_name_are_another_model(tmp_path, gallery):
    gallery.add_templates("Ana", [new_template(1)])
    path = write(tmp_path / "a.zip", model_id="sface@2")
    with pytest.raises(ModelMismatchError, match=r"of sface@2, and .* of sface@1: other weights under the same name"):
        import_archive(gallery, path)


def test_an_id_with_vectors_of_another_length_is_refused(tmp_path, gallery):
    gallery.add_templates("Ana", [new_template(1)])
    path = write(tmp_path / "a.zip", templates=[archived(5, vector=np.ones(1, np.float32))])
    with pytest.raises(ModelMismatchError, match="vectors of 8 numbers from sface@1, and the new one has 1"):
        import_archive(gallery, path)


def test_the_gallery_is_not_contradicted(tmp_path, gallery):
    """Neither does an archive make somebody's what was said not to be theirs, nor the other way round."""
    path = write(tmp_path / "a.zip", people=["Ana"], templates=[archived(1), archived(2, is_negative=True)])
    with Gallery.open(":memory:") as sound:
        import_archive(sound, path)
        assert [len(sound.templates(is_negative=each)) for each in (False, True)] == [1, 1]
    opposite = write(tmp_path / "b.zip", people=["Ana"], templates=[archived(1, is_negative=True), archived(2)])
    import_archive(gallery, opposite)
    before = contents(gallery)
    imported = import_archive(gallery, path)
    assert [(each.added, each.contradicted) for each in imported.people] == [(0, 2)]
    assert contents(gallery) == before


def test_faces_that_are_somebody_elses_here_are_named(archive, gallery):
    with Gallery.open(":memory:") as empty:
        assert not any(each.elsewhere for each in import_archive(empty, archive).people)
    import_archive(gallery, archive)
    gallery.rename_person("Ana", "Zoe")
    imported = import_archive(gallery, archive)
    assert [dict(each.elsewhere) for each in imported.people] == [{"Zoe": 2}, {}]


def test_consent_comes_along_and_does_not_replace_another(tmp_path, gallery):
    said = {"basis": "form", "expires": "2031-01-01"}
    path = write(tmp_path / "a.zip", people=[ArchivedPerson("Ana", "2025-01-01T00:00:00Z", said)])
    assert [each.consent_stays for each in import_archive(gallery, path).people] == [False]
    with Gallery.open(":memory:") as other:
        with other.edit("people consent") as edit:
            edit.set_consent(edit.add_person("Ana"), Consent("contract").text)
        assert [each.consent_stays for each in import_archive(other, path).people] == [True]
        assert [each.basis for each in other.consents().values()] == ["contract"]
    (consent,) = gallery.consents().values()
    assert (consent.basis, consent.note, str(consent.expires)) == ("form", "", "2031-01-01")


def test_crops_come_along(gallery, other, tmp_path):
    gallery.add_templates("Ana", [new_template(1, crop=True), new_template(1, crop=True, model_id="other@1")])
    path = tmp_path / "a.zip"
    path.write_bytes(export(gallery))
    assert path.read_bytes().count(JPEG) == 1  # shared by both templates
    import_archive(other, path)
    assert other._connection.execute("SELECT count(*), count(DISTINCT crop_id) FROM templates").fetchone() == (2, 1)
    assert other._connection.execute("SELECT image, landmarks FROM crops").fetchall() == (
        gallery._connection.execute("SELECT image, landmarks FROM crops").fetchall()
    )


def test_an_encrypted_gallery_exports_what_it_says(gallery, tmp_path):
    gallery.add_templates("Ana", [new_template(1, source="\udcff.jpg"), new_template(2)])
    plain = export(gallery)
    path = tmp_path / "g.db"
    secret = b"k" * 32
    with Gallery.open(path, create=True, ask_secret=lambda lock: secret) as sealed:
        (tmp_path / "a.zip").write_bytes(plain)
        import_archive(sealed, tmp_path / "a.zip")
        encrypt(sealed, "key_file", secret)
        assert export(sealed) == plain


def test_a_read_only_gallery_says_so(archive, tmp_path):
    path = tmp_path / "g.db"
    Gallery.open(path, create=True).close()
    with Gallery.open(path, read_only=True) as gallery, pytest.raises(GalleryError) as caught:
        import_archive(gallery, archive)
    assert caught.value.code == "gallery_read_only"


def test_numbers_that_do_not_fit_a_name(tmp_path, gallery):
    name = "A" * 200
    gallery.add_person(name)
    path = write(tmp_path / "a.zip", people=[name])
    with pytest.raises(InputError, match="204 characters"):
        import_archive(gallery, path, on_conflict="new")
