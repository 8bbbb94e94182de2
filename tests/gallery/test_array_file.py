from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.gallery.array_file import BLOCK_BYTES, ArrayFile, DamagedFileError
from facecli.gallery.array_writer import TEMPORARY_AGE_S, ArrayWriter, write_whole

ROWS = np.arange(60_000, dtype=np.float32).reshape(-1, 12)
NUMBERS = np.arange(7, dtype=np.int64)


def fill(file) -> None:
    writer = ArrayWriter(file)
    writer.reserve("rows", "f4", (12,), len(ROWS) + 500)  # more room than is used
    writer.reserve("numbers", "i8", (), 7)
    writer.reserve("nothing", "u1", (), 3)
    for start in range(0, len(ROWS), 999):
        writer.append("rows", ROWS[start : start + 999])
    writer.append("numbers", NUMBERS[:3])
    writer.append("numbers", NUMBERS[3:])
    writer.close({"made by": "é"})


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("arrays") / "a"
    write_whole(path, fill)
    return path.read_bytes()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, fill)
    file = ArrayFile(path)
    assert file.facts == {"made by": "é"}
    assert file.names() == ("rows", "numbers", "nothing")
    assert file.array("rows").tobytes() == ROWS.tobytes()
    assert file.array("numbers").tolist() == NUMBERS.tolist()
    assert file.array("nothing").shape == (0,)
    rows = file.rows("rows")
    assert rows.shape == ROWS.shape
    assert rows.slice(3000, 3002).tolist() == ROWS[3000:3002].tolist()
    assert rows.take(np.array([4999, 0])).tolist() == ROWS[[4999, 0]].tolist()
    with pytest.raises(ValueError, match="read-only"):
        rows.slice(0, 1)[0, 0] = 1


def test_the_file_is_its_owners_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, fill)
    write_whole(path, fill)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_an_attempt_that_fails_leaves_the_old_file(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(written)

    def fail(file) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(path, fail)
    assert path.read_bytes() == written
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    path = tmp_path / "a[1]"
    old, new = tmp_path / "a[1]x.tmp", tmp_path / "a[1]y.tmp"
    for left in (old, new):
        left.write_bytes(b"half")
    os.utime(old, (time.time() - TEMPORARY_AGE_S - 60,) * 2)
    write_whole(path, fill)
    assert sorted(tmp_path.iterdir()) == [path, new]


def test_a_mapped_file_stays_as_it_was_when_another_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, fill)
    file = ArrayFile(path)
    write_whole(path, lambda other: ArrayWriter(other).close({}))
    assert file.array("rows").tobytes() == ROWS.tobytes()
    assert ArrayFile(path).names() == ()


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_changed_byte_is_ever_given_as_data(tmp_path_factory, written: bytes, data) -> None:
    """Whatever is changed, cut off or added: an error, or exactly what was written (padding nobody reads)."""
    path = tmp_path_factory.mktemp("damaged") / "a"
    damaged = bytearray(written)
    kind = data.draw(st.sampled_from(["flip", "head", "footer", "cut", "add"]))
    if kind == "cut":
        damaged = damaged[: data.draw(st.integers(0, len(written) - 1))]
    elif kind == "add":
        damaged += b"x"
    else:
        first, last = {"flip": (0, len(written)), "head": (0, 48), "footer": (len(written) - 200, len(written))}[kind]
        damaged[data.draw(st.integers(first, last - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    try:
        file = ArrayFile(path)
        found = file.array("rows").tobytes(), file.array("numbers").tolist(), file.facts
    except DamagedFileError:
        return
    assert kind == "flip"
    assert found == (ROWS.tobytes(), NUMBERS.tolist(), {"made by": "é"})


def test_damage_is_noticed_where_it_is_looked_at_and_only_there(tmp_path: Path, written: bytes) -> None:
    path, damaged = tmp_path / "a", bytearray(written)
    damaged[BLOCK_BYTES + ROWS[:2000].nbytes] ^= 1  # in the second block of rows
    path.write_bytes(damaged)
    rows = ArrayFile(path).rows("rows")
    assert rows.take(np.array([0, 1000, 4000])).tolist() == ROWS[[0, 1000, 4000]].tolist()
    assert rows.slice(0, 1300).tolist() == ROWS[:1300].tolist()
    for look in (lambda: rows.take(np.array([0, 1999])), lambda: rows.slice(1000, 2001), ArrayFile(path).check_all):
        with pytest.raises(DamagedFileError, match="is damaged"):
            look()
