"""What was reported is on the disk, not only with the system: the calls that bring it there, in their order."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CHANGES = textwrap.dedent("""
    import os, sys
    sys.path.insert(0, sys.argv[2])
    from damage import numbered
    from facecli.gallery import backups, restoring
    from facecli.gallery.store import Gallery
    path = sys.argv[1]
    tell = lambda what: os.write(1, f"told {what}\\n".encode())
    with Gallery.open(path, create=True) as gallery:
        tell("made")
        for number in range(5):
            gallery.add_templates("Ana", [numbered(number)])
            tell("commit")
        gallery.remove_person("Ana")
        tell("commit")
        made = backups.make(gallery._connection, gallery.path, backups.ASKED)
        tell("backup")
    tell("closed")
    with open(path, "r+b") as file:
        file.write(bytes(100))
    restoring.restore(path, made.path)
    tell("restore")
""")


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> dict[str, list[list[str]]]:
    """Return the calls that write, sync or rename, before each kind of report."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    folder = tmp_path_factory.mktemp("disk")
    log, path = folder / "calls", folder / "new" / "g.db"
    traced = "trace=write,pwrite64,fsync,fdatasync,rename,renameat,renameat2"
    done = subprocess.run(
        [
            *(strace, "-f", "-y", "-e", traced, "-o", str(log)),
            *(sys.executable, "-B", "-c", CHANGES, str(path), str(Path(__file__).parent)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if "ptrace" in done.stderr.lower():
        pytest.skip(f"strace cannot trace here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    found: dict[str, list[list[str]]] = {}
    since: list[str] = []
    for line in log.read_text().splitlines():
        if told := re.search(r'write\(1<.*"told (\w+)', line):
            found.setdefault(told[1], []).append(since)
            since = []
        elif match := re.search(r"(\w+)\((.*)", line):
            since.append(f"{match[1]} {match[2]}")
    return found


def places(calls: list[str], name: str, part: str) -> list[int]:
    """Return which calls of a name (or names) are of a file."""
    return [number for number, call in enumerate(calls) if re.match(name, call) and re.search(part, call)]


def test_every_commit_is_brought_to_the_disk_before_it_is_reported(calls):
    assert len(calls["commit"]) == 6
    for commit in calls["commit"]:
        written, synced = places(commit, "pwrite64", r"g\.db-wal>"), places(commit, "f(data)?sync", r"g\.db-wal>")
        assert written, commit
        assert max(written) < max(synced)


def test_a_new_gallery_and_its_folder_are_on_the_disk(calls):
    (made,) = calls["made"]
    assert places(made, "fsync", r"/new>")
    assert len(places(made, "fsync", r">")) > len(places(made, "fsync", r"/new"))  # the folder that it was made in


@pytest.mark.parametrize(("what", "renamed"), [("backup", r"asked\.backup"), ("restore", r'"[^"]*g\.db"')])
def test_a_whole_file_is_on_the_disk_before_it_has_its_name_and_the_name_after(calls, what, renamed):
    (made,) = calls[what]
    (rename,) = places(made, "rename", rf"\.tmp.*{renamed}")
    written = places(made, "pwrite64|write", r"\.tmp>")
    synced = places(made, "fsync", r"\.tmp>")
    assert max(each for each in written if each < rename) < max(each for each in synced if each < rename)
    assert [each for each in places(made, "fsync", r".*") if each > rename]
