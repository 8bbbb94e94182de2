import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.errors import FacecliError, GalleryCorruptError, GalleryError, GalleryLockedError, InputError
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
NOBODY = 65534


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@posix
@pytest.mark.usefixtures("open_umask")
def test_every_file_and_folder_made_is_the_owners_alone_whatever_the_umask(tmp_path, template):
    path = tmp_path / "one" / "two" / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(1)])
        modes = {file.name: mode_of(file) for file in path.parent.iterdir()}
        assert modes == {"g.sqlite": 0o600, "g.sqlite-wal": 0o600, "g.sqlite-shm": 0o600}
    assert (mode_of(path.parent), mode_of(path.parent.parent)) == (0o700, 0o700)


@posix
def test_a_mode_that_the_owner_chose_is_kept(tmp_path):
    path = tmp_path / "g.sqlite"
    Gallery.open(path, create=True).close()
    path.chmod(0o640)
    Gallery.open(path, create=True).close()
    assert mode_of(path) == 0o640


@pytest.mark.parametrize("read_only", [False, True])
def test_a_missing_gallery_is_not_made_by_reading(tmp_path, read_only):
    with pytest.raises(GalleryError, match=r"there is no gallery at .*none\.sqlite") as caught:
        Gallery.open(tmp_path / "none.sqlite", read_only=read_only)
    assert (caught.value.code, caught.value.exit_code) == ("gallery_missing", 5)
    assert "facecli enroll" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_or_an_impossible_path_is_no_gallery(tmp_path):
    with pytest.raises(GalleryError, match="is a folder"):
        Gallery.open(tmp_path, create=True)
    with pytest.raises(InputError, match="is no path"):
        Gallery.open("a\0b", create=True)
    (tmp_path / "file").touch()
    with pytest.raises(GalleryError, match="cannot be opened") as caught:
        Gallery.open(tmp_path / "file" / "g.sqlite", create=True)
    assert caught.value.code == "gallery_unopenable"


@posix
def test_a_link_leads_to_the_gallery_even_before_it_is_made(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real.sqlite")
    with Gallery.open(tmp_path / "link", create=True) as gallery:
        gallery.add_person("Ana")
    with Gallery.open(tmp_path / "real.sqlite") as gallery:
        assert len(gallery.people()) == 1


@posix
def test_a_gallery_may_have_a_name_that_is_no_utf8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.sqlite")
    with Gallery.open(path, create=True) as gallery:
        gallery.add_person("Ana")
    with Gallery.open(path, read_only=True) as gallery:
        assert len(gallery.people()) == 1


def test_a_reader_cannot_write_but_sees_what_a_writer_does(tmp_path, template):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as writer, Gallery.open(path, read_only=True) as reader:
        writer.add_templates("Ana", [template(1)])
        assert [person.name for person in reader.people()] == ["Ana"]
        assert reader.info(check=True).problems == ()
        for change in (
            lambda: reader.add_person("Bo"),
            lambda: reader.add_templates("Bo", [template(2)]),
            lambda: reader.rename_person("Ana", "Bo"),
            lambda: reader.remove_person("Ana"),
        ):
            with pytest.raises(GalleryError, match="can only be read") as caught:
                change()
            assert caught.value.code == "gallery_read_only"


def test_a_writer_waits_for_another_and_gives_up_with_a_hint(tmp_path):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_person("Ana")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with Gallery.open(path, busy_timeout_s=0.05) as gallery:
        assert len(gallery.people()) == 1  # reading needs no wait
        with pytest.raises(GalleryLockedError, match="in use by another process") as caught:
            gallery.add_person("Bo")
        assert (caught.value.hint, caught.value.exit_code) == ("Wait until it is done and try again.", 5)
        holder.rollback()
        gallery.add_person("Bo")
    holder.close()


def test_opening_a_locked_blank_file_gives_up_too(tmp_path):
    path = tmp_path / "g.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(GalleryLockedError):
        Gallery.open(path, create=True, busy_timeout_s=0.05)
    holder.close()


@posix
def test_opening_a_gallery_twice_drops_no_lock_of_the_first(tmp_path):
    """POSIX locks fall when any descriptor of the file is closed, so opening must touch it through SQLite alone.

    A process that closes a gallery which nobody seems to hold removes its log; with the lock gone it would do so
    under the first one's feet.
    """
    path = tmp_path / "g.sqlite"
    code = "import sys; from facecli.gallery.store import Gallery; Gallery.open(sys.argv[1]).close()"
    with Gallery.open(path, create=True) as first:
        first.add_person("Ana")
        for options in ({"create": True}, {}, {"read_only": True}):
            Gallery.open(path, **options).close()
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=Path(__file__).parents[2])
        assert path.with_name("g.sqlite-wal").exists()
    assert not path.with_name("g.sqlite-wal").exists()


READ_PROTECTED = textwrap.dedent("""
    import os, sys
    from pathlib import Path
    from facecli.errors import GalleryError
    from facecli.gallery.store import Gallery
    path = Path(sys.argv[1])
    if os.geteuid() == 0:  # root may write everywhere
        os.setgroups([])
        os.setuid(int(sys.argv[2]))
    for options in ({"read_only": True}, {}):
        try:
            with Gallery.open(path, **options) as gallery:
                names = [person.name for person in gallery.people()]
                print(gallery.read_only, names, len(gallery.matrix("sface").vectors))
        except GalleryError as error:
            print(error.code)
    try:
        Gallery.open(path, create=True)
    except GalleryError as error:
        print(error.code)
""")


@pytest.fixture
def protected() -> Iterator[Path]:
    """Return a gallery that others may read; its folder is outside pytest's, which others may not enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder / "g.sqlite"
    folder.chmod(0o755)
    shutil.rmtree(folder)


def read_as_stranger(path: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", READ_PROTECTED, str(path), str(NOBODY)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout.splitlines()


@posix
def test_a_gallery_in_a_read_only_folder_can_be_read(protected, template):
    with Gallery.open(protected, create=True) as gallery:
        gallery.add_templates("Ana", [template(1)])
    protected.chmod(0o444)
    protected.parent.chmod(0o555)
    assert read_as_stranger(protected) == ["True ['Ana'] 1", "True ['Ana'] 1", "gallery_read_only"]
    assert [file.name for file in protected.parent.iterdir()] == ["g.sqlite"]


@posix
def test_a_read_only_gallery_in_a_writable_folder_can_be_read(protected, template):
    with Gallery.open(protected, create=True) as gallery:
        gallery.add_templates("Ana", [template(1)])
    protected.chmod(0o444)
    protected.parent.chmod(0o777)
    assert read_as_stranger(protected) == ["True ['Ana'] 1", "True ['Ana'] 1", "gallery_read_only"]


@posix
def test_changes_that_cannot_be_seen_are_not_silently_left_out(protected, template):
    original = protected.with_name("original.sqlite")
    with Gallery.open(original, create=True) as gallery:
        gallery.add_templates("Ana", [template(1)])
        for suffix in ("", "-wal"):  # what a copy of a folder in use, or a crash, leaves
            shutil.copy(f"{original}{suffix}", f"{protected}{suffix}")
    for file in protected.parent.glob("g.sqlite*"):
        file.chmod(0o444)
    protected.parent.chmod(0o555)
    assert read_as_stranger(protected) == ["gallery_read_only"] * 3


@posix
def test_a_gallery_that_may_not_be_read_says_so(protected):
    Gallery.open(protected, create=True).close()
    assert read_as_stranger(protected) == ["gallery_unopenable", "gallery_unopenable", "gallery_read_only"]


@pytest.fixture(scope="module")
def sound_gallery(tmp_path_factory, template) -> Path:
    path = tmp_path_factory.mktemp("sound") / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        for number in range(12):
            gallery.add_templates(f"person {number % 4}", [template(number)])
    return path


@settings(max_examples=150, deadline=None, derandomize=True)  # opens files, so its time varies
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=20),
    share_kept=st.just(1.0) | st.floats(0, 1),
)
def test_a_damaged_file_gives_an_error_of_facecli_or_the_vectors_enrolled(sound_gallery, template, changes, share_kept):
    damaged = bytearray(sound_gallery.read_bytes())
    for position, byte in changes:
        damaged[int(position * len(damaged))] = byte
    damaged = damaged[: round(share_kept * len(damaged))]
    enrolled = {template(number).embedding.vector.tobytes() for number in range(12)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.sqlite"
        path.write_bytes(damaged)
        # Any other exception fails the test; what is read without one must be what was enrolled.
        with contextlib.suppress(FacecliError), Gallery.open(path) as gallery:
            gallery.info(check=True)
            gallery.people()
            found = {stored.embedding.vector.tobytes() for stored in gallery.templates()}
            assert found <= enrolled
            assert {vector.tobytes() for vector in gallery.matrix("sface").vectors} <= enrolled
            GallerySearch(gallery).candidates([template(99).embedding], 3)
            gallery.add_templates("new", [template(99)])
            gallery.remove_person("new")


def test_a_changed_vector_is_found_by_every_way_of_reading(tmp_path, template):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(1), template(2)])
        gallery._connection.execute("UPDATE templates SET vector = zeroblob(32) WHERE template_id = 2")
        assert gallery.info(check=True).problems == ("the vector of template 2 does not have its checksum",)
        for read in (gallery.templates, lambda: gallery.matrix("sface")):
            with pytest.raises(GalleryCorruptError, match=r"g\.sqlite is damaged: .* does not have its checksum"):
                read()


def test_a_full_disk_leaves_the_gallery_as_it_was(gallery, template):
    gallery.add_templates("Ana", [template(0)])
    before = gallery.info()
    pages = gallery._connection.execute("PRAGMA page_count").fetchone()[0]
    gallery._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own way to be out of space
    with pytest.raises(GalleryError, match="disk is full") as caught:
        gallery.add_templates("Bo", [template(number) for number in range(1, 200)])
    assert caught.value.code == "gallery_full"
    assert gallery.info() == before
    gallery.rename_person("Ana", "Eva")
