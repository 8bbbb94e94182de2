"""No room, or no right to write: an error in words, and the gallery is as it was."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from facecli.gallery import backups
from facecli.gallery.store import Gallery

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="limits and file modes are POSIX's")
NOBODY = 65534

LIMITED = textwrap.dedent("""
    import resource, sys
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    from facecli.cli.main import main
    sys.argv[1:] = sys.argv[2:]
    main()
""")


@pytest.fixture
def path(tmp_path, template) -> Path:
    path = tmp_path / "people.db"
    with Gallery.open(path, create=True) as gallery:
        for number in range(30):
            gallery.add_templates(f"person {number}", [template(number)])
        backups.make(gallery._connection, gallery.path, backups.ASKED)
        gallery.add_person("Bo")
    return path


def state(path: Path) -> object:
    with Gallery.open(path) as gallery:
        assert gallery.info(check=True).problems == ()
        return gallery.people(), len(gallery.events()), gallery.revision, [t.template_id for t in gallery.templates()]


COMMANDS = {
    "rename": ["people", "rename", "Bo", "Bob"],
    "remove": ["people", "remove", "person 1", "--yes"],
    "backup": ["gallery", "backup"],
    "restore": ["gallery", "restore", "--yes"],
}


@posix
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_file_that_may_not_grow_stops_a_command_in_words(path, words):
    """A limit on the size of files, of ever more bytes, fails now at one write and now at another."""
    before, codes = state(path), []
    folder = backups.folder_of(str(path))
    kept = sorted(folder.iterdir())
    environment = {**os.environ, "FACECLI_BACKUPS": "0", "HOME": str(path.parent)}
    for limit in (100, 33_000):
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(limit), *words, "--gallery", str(path)],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=environment,
        )
        codes.append(done.returncode)
        if done.returncode:
            assert (done.returncode, done.stdout) == (5, ""), done.stderr
            error, hint = done.stderr.splitlines()
            assert (error[:7], hint[:8]) == ("error: ", "  hint: ")
            assert state(path) == before
            assert sorted(folder.iterdir()) == kept
        else:
            break
    assert codes[0] == 5


FULL = textwrap.dedent("""
    import json, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from damage import numbered
    from facecli.errors import FacecliError
    from facecli.gallery import backups, loading, restoring
    from facecli.gallery.search import GallerySearch
    from facecli.gallery.store import Gallery

    path, told = Path(sys.argv[1]) / "g.db", {}

    def attempt(what, deed):
        with Gallery.open(path) as gallery:
            before = gallery.people(), len(gallery.events())
            try:
                deed(gallery)
                told[what] = "done"
            except FacecliError as error:
                told[what] = error.code
                assert (gallery.people(), len(gallery.events())) == before
        with Gallery.open(path) as gallery:
            assert gallery.info(check=True).problems == ()

    def enrol(gallery):
        for number in range(10**6):
            gallery.add_templates(f"person {number}", [numbered(10 * number + each) for each in range(5)])

    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [numbered(1)])
        kept = backups.make(gallery._connection, gallery.path, backups.ASKED).path
    path.with_name("reserve").write_bytes(bytes(2**20))
    try:
        with Gallery.open(path) as gallery:
            enrol(gallery)
    except FacecliError as error:
        told["enrol"] = error.code
    with open(path.with_name("filler"), "wb", buffering=0) as filler:  # and what the log gave back when it was closed
        try:
            while True:
                filler.write(bytes(1024))
        except OSError:
            pass
    many = [numbered(10**7 + each) for each in range(100)]
    attempt("enrol more", lambda gallery: gallery.add_templates("Bo", many))
    attempt("back up", lambda gallery: backups.make(gallery._connection, gallery.path, backups.ASKED))
    attempt("restore", lambda gallery: restoring.restore(str(path), kept))
    attempt("new file", lambda gallery: Gallery.open(path.with_name("other.db"), create=True))
    loading.LEAST_TEMPLATES = 10
    probe = numbered(1).embedding
    attempt("search", lambda gallery: 1 / (GallerySearch(gallery).candidates([probe], 1)[0][0].name == "Ana"))
    path.with_name("reserve").unlink()
    attempt("with room", lambda gallery: gallery.add_templates("Bo", many))
    print(json.dumps(told))
""")


@posix
def test_a_full_disk_stops_every_change_in_words_and_harms_nothing(tmp_path):
    """On a disk of 4 MB, in a mount namespace of its own."""
    script = tmp_path / "full.py"
    script.write_text(FULL)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=4m tmpfs '{disk}'"
    unshare = shutil.which("unshare")
    if (
        unshare is None
        or subprocess.run([unshare, "-m", "sh", "-c", mount], capture_output=True, check=False).returncode
    ):
        pytest.skip("a small disk cannot be mounted here")
    command = f"{mount} && exec '{sys.executable}' '{script}' '{disk}' '{Path(__file__).parent}'"
    done = subprocess.run(
        [unshare, "-m", "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.pop("new file") in ("gallery_full", "gallery", "gallery_unopenable")
    assert told == {
        "enrol": "gallery_full",
        "enrol more": "gallery_full",
        "back up": "backup_failed",
        "restore": "restore_failed",
        "search": "done",
        "with room": "done",
    }


PROTECTED = textwrap.dedent("""
    import os, sys
    from pathlib import Path
    from facecli.errors import FacecliError
    from facecli.gallery import backups, restoring
    from facecli.gallery.store import Gallery
    path = Path(sys.argv[1])
    if os.geteuid() == 0:  # root may write everywhere
        os.setgroups([])
        os.setuid(int(sys.argv[2]))
    with Gallery.open(path, keep_backups=5) as gallery:
        for deed in (
            lambda: gallery.rename_person("Bo", "Bob"),
            lambda: gallery.remove_person("Bo"),
            lambda: gallery.purge_person("Bo"),
            lambda: backups.make(gallery._connection, gallery.path, backups.ASKED),
            lambda: restoring.restore(str(path), path.with_name("kept.backup")),
        ):
            try:
                deed()
                print("done")
            except FacecliError as error:
                print(error.code)
        print(len(gallery.people()))
""")


@posix
def test_where_nothing_may_be_written_every_change_is_refused_in_words(template):
    folder = Path(tempfile.mkdtemp())  # outside pytest's, which others may not enter
    try:
        path = folder / "g.db"
        with Gallery.open(path, create=True) as gallery:
            gallery.add_templates("Bo", [template(1)])
            backups.make(gallery._connection, gallery.path, backups.ASKED, to=folder / "kept.backup")
        for each in folder.iterdir():
            each.chmod(0o444)
        folder.chmod(0o555)
        before = path.read_bytes()
        done = subprocess.run(
            [sys.executable, "-c", PROTECTED, str(path), str(NOBODY)],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert done.stderr == ""
        assert done.stdout.split() == [*["gallery_read_only"] * 3, "backup_failed", "restore_failed", "1"]
        assert path.read_bytes() == before
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
