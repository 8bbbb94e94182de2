"""Backups: whole and sound or not there, private, made when they are due, and deleted when they are old."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facecli.errors import GalleryCorruptError, GalleryError
from facecli.gallery import automatic_backups, backups, copying
from facecli.gallery.copying import TEMPORARY_AGE_S
from facecli.gallery.store import Gallery

SCHEMAS = Path(__file__).with_name("schemas")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path, template) -> Path:
    path = tmp_path / "people.db"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(1), template(2)])
    return path


def back_up(path: Path, **options) -> backups.Backup:
    with Gallery.open(path) as gallery:
        return backups.make(gallery._connection, gallery.path, backups.ASKED, **options)


def reasons(path: Path) -> list[str]:
    return [each.reason for each in backups.backups(str(path))]


def age(path: Path, by: timedelta) -> None:
    """Let all backups have been made earlier."""
    for each in backups.backups(str(path)):
        moved = (each.made_at - by).strftime(backups.TIME_FORMAT)
        each.path.rename(each.path.with_name(f"{path.name}.{moved}.{each.reason}{backups.SUFFIX}"))


def test_a_backup_holds_what_the_gallery_held_in_one_private_file(path, template):
    made = back_up(path)
    assert (made.path.parent, backups.paths(str(path))) == (path.with_name("people.db.backups"), [made.path])
    if os.name == "posix":
        assert (stat.S_IMODE(made.path.parent.stat().st_mode), stat.S_IMODE(made.path.stat().st_mode)) == (0o700, 0o600)
    assert copying.problems(made.path) == ()
    with Gallery.open(path) as gallery, Gallery.open(made.path, read_only=True) as copied:
        assert copied.events() == gallery.events()
        assert copied.matrix("sface").vectors.tobytes() == gallery.matrix("sface").vectors.tobytes()
    assert [each.name for each in made.path.parent.iterdir()] == [made.path.name]  # reading it left nothing beside it


def test_a_backup_goes_where_it_is_told(path, tmp_path):
    folder = tmp_path / "other disk"
    folder.mkdir()
    assert back_up(path, to=folder).path.parent == folder
    assert back_up(path, to=folder / "mine.db").path == folder / "mine.db"
    assert len(backups.backups(str(path), folder)) == 1  # the other one has a name of the user's
    assert reasons(path) == []


@pytest.mark.parametrize("other", ["the gallery", "another gallery", "a photo", "a blank file"])
def test_nothing_but_a_backup_is_replaced_by_one(path, tmp_path, other):
    target = tmp_path / "other"
    if other == "the gallery":
        target = path
    elif other == "another gallery":
        Gallery.open(target, create=True).close()
    else:
        target.write_bytes(b"" if other == "a blank file" else b"\xff\xd8\xff\xe0")
    before = target.read_bytes()
    with pytest.raises(GalleryError, match="exists and is no backup") as caught:
        back_up(path, to=target)
    assert (caught.value.code, target.read_bytes()) == ("no_backup", before)
    mine = tmp_path / "mine"
    assert [back_up(path, to=mine).path for _ in range(2)] == [mine, mine]
    assert copying.problems(mine) == ()


def test_what_cannot_be_written_leaves_nothing(path, tmp_path):
    with pytest.raises(GalleryError, match=r"the backup .*none/x.* cannot be written: No such file") as caught:
        back_up(path, to=tmp_path / "none" / "x")
    assert caught.value.code == "backup_failed"
    path.with_name("people.db.backups").write_text("a file")
    with pytest.raises(GalleryError, match="cannot be written"):
        back_up(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["people.db", "people.db.backups"]


@pytest.mark.parametrize(
    "damage", ["UPDATE templates SET vector = zeroblob(32) WHERE template_id = 2", "DELETE FROM meta"]
)
def test_a_damaged_gallery_is_not_kept_as_if_it_were_sound(path, damage):
    good = back_up(path)
    with Gallery.open(path) as gallery:
        gallery._connection.execute(damage)
    with pytest.raises(GalleryCorruptError, match="is damaged, so no backup was made of it: "):
        back_up(path)
    assert backups.paths(str(path)) == [good.path]


def test_what_a_killed_process_left_is_deleted_when_it_is_old(path):
    back_up(path)
    folder = backups.folder_of(str(path))
    old, new = folder / ".people.db.x.tmp", folder / ".people.db.y.tmp"
    for left in (old, new):
        left.touch()
    os.utime(old, (datetime.now(UTC).timestamp() - TEMPORARY_AGE_S - 60,) * 2)
    back_up(path)
    assert not old.exists()
    assert new in backups.paths(str(path))  # it may be another process at work; and it may hold anybody


@pytest.mark.parametrize(
    ("ages", "keep", "left"),
    [
        ((0, 0.1, 0.2, 0.3, 0.4), 3, [0, 0.1, 0.2]),  # 12:00 and before, of one day
        ((0, 1, 1.1, 1.2, 2), 1, [0, 1, 2]),  # days
        (tuple(range(30)), 1, [0, *range(1, 8), 8, 15, 22, 23]),  # days, weeks (from Mondays) and a month
        ((0, 40, 41, 70, 100, 200, 400), 1, [0, 40, 70, 100]),  # months, and at last nothing
        ((200, 300, 400), 2, [200, 300]),  # but never fewer than were asked for
    ],
)
def test_which_are_deleted(ages, keep, left):
    found = [backups.Backup(Path(str(number)), NOW - timedelta(days=each), "", 0) for number, each in enumerate(ages)]
    old = backups._superfluous(found, keep, NOW)
    assert [each for number, each in enumerate(ages) if found[number] not in old] == left


def test_rotating_deletes_only_old_backups_of_this_gallery(path):
    for _ in range(3):
        back_up(path)
    folder = backups.folder_of(str(path))
    others = [folder / "notes.txt", folder / f"other.db.20200101T000000000000Z.asked{backups.SUFFIX}"]
    for other in others:
        other.touch()
    newest = backups.backups(str(path))[0]
    assert len(backups.rotate(str(path), 1)) == 2
    assert set(backups.paths(str(path))) == {newest.path, *others}


def test_a_backup_is_made_before_the_first_change_of_a_day(path, template):
    def enrol(number):
        with Gallery.open(path, keep_backups=5) as gallery:
            gallery.add_templates("Bo", [template(number)])

    enrol(10)
    enrol(11)
    assert reasons(path) == ["enroll"]
    assert copying.contents(backups.backups(str(path))[0].path).people == 1  # as it was before
    age(path, timedelta(hours=25))
    enrol(12)
    assert reasons(path) == ["enroll", "enroll"]
    age(path, timedelta(hours=-48))  # a clock that was wrong: they lie in the future
    enrol(13)
    assert len(reasons(path)) == 3


def test_a_backup_is_made_before_what_destroys_but_never_before_a_purge(path, template):
    with Gallery.open(path, keep_backups=5) as gallery:
        gallery.add_templates("Bo", [template(10)])
        gallery.add_templates("Cy", [template(11)])
        gallery.remove_person("Cy")
        assert reasons(path) == ["enroll"]  # of the last hour
    age(path, timedelta(hours=2))
    with Gallery.open(path, keep_backups=5) as gallery:
        gallery.remove_person("Bo")
        assert reasons(path) == ["people-remove", "enroll"]
    age(path, timedelta(days=2))
    with Gallery.open(path, keep_backups=5) as gallery:
        gallery.purge_person("Ana")
        assert reasons(path) == ["people-remove", "enroll"]


def test_nothing_is_backed_up_that_is_blank_unchanged_too_large_or_unwanted(path, template, monkeypatch, tmp_path):
    with Gallery.open(path, keep_backups=0) as gallery:
        gallery.add_templates("Bo", [template(10)])
    with Gallery.open(tmp_path / "new.db", create=True, keep_backups=5) as gallery:
        gallery.add_templates("Bo", [template(10)])
    with Gallery.open(path, keep_backups=5) as gallery:
        with monkeypatch.context() as patch:
            patch.setattr(automatic_backups, "MOST_BYTES", 100)
            gallery.add_templates("Bo", [template(11)])
        assert [each.name for each in tmp_path.iterdir() if each.is_dir()] == []
        back_up(path)
        age(path, timedelta(days=2))
        gallery.rename_person("Bo", "Bob")
        assert reasons(path) == ["asked"]  # the one before holds just this
        with pytest.raises(ZeroDivisionError), gallery.edit("people rename"):
            _ = 1 // 0
        assert len(reasons(path)) == 2


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_gallery_is_kept_as_it_was_before_its_schema_changes(tmp_path, version):
    path = tmp_path / "g.db"
    path.write_bytes((SCHEMAS / f"{version}.sqlite").read_bytes())
    for _ in range(2):
        Gallery.open(path, keep_backups=3).close()
    (kept,) = backups.backups(str(path))
    assert kept.reason.startswith("schema-")
    assert copying.contents(kept.path).schema_version == version
    assert copying.problems(kept.path) == ()


def test_a_change_that_cannot_be_backed_up_before_is_not_made(path, template):
    backups.folder_of(str(path)).write_text("a file")
    with Gallery.open(path, keep_backups=5) as gallery:
        with pytest.raises(GalleryError, match="cannot be written") as caught:
            gallery.add_templates("Bo", [template(10)])
        assert "FACECLI_BACKUPS=0" in caught.value.hint
        assert len(gallery.people()) == 1
