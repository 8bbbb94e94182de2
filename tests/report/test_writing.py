from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facecli.report.writing import PRIVATE_MODE, written_whole


def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    with pytest.raises(UnicodeEncodeError), written_whole(path) as stream:
        stream.write("new\udcff")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture(params=["nameless", "named"])
def _unfinished(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to write a file that is not to be seen yet."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)


@pytest.mark.usefixtures("_unfinished")
@pytest.mark.skipif(os.name != "posix", reason="permissions of this kind are POSIX")
def test_a_private_file_is_for_its_owner_alone_even_where_an_open_one_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o644)

    with written_whole(path, PRIVATE_MODE) as stream:
        stream.write("new")
        assert os.fstat(stream.fileno()).st_mode & 0o777 == 0o600, "readable by others while it is written"

    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)


@pytest.mark.usefixtures("_unfinished")
def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")

    with written_whole(tmp_path / "link") as stream:
        stream.write("new")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_process_that_ends_at_once_leaves_nothing_unfinished(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from facecli.report.writing import discard_unfinished, written_whole\n"
        "with written_whole(Path('a.txt')) as stream:\n"
        "    stream.write('new'); discard_unfinished(); os._exit(7)"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 7
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files without a name are Linux's")
def test_a_process_that_is_killed_leaves_nothing_unfinished(tmp_path: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path; from facecli.report.writing import written_whole\n"
        "with written_whole(Path('a.txt')) as stream:\n"
        "    stream.write('new'); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)

    assert done.returncode == -9
    assert list(tmp_path.iterdir()) == []
