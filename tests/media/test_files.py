"""Reading a path never hangs, and every reason why it fails has its own code."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.errors import UnreadableImageError
from facecli.media.files import ImageLimits, human_size, printable_name, read_file


def refusal(path: object, **options: object) -> UnreadableImageError:
    with pytest.raises(UnreadableImageError) as caught:
        read_file(path, **options)
    assert caught.value.hint
    return caught.value


def test_the_bytes_come_back(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"content")
    link = tmp_path / "link.jpg"
    link.symlink_to(path)
    assert read_file(path) == read_file(str(path)) == read_file(link) == b"content"


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    dangling, loop = tmp_path / "dangling", tmp_path / "loop"
    dangling.symlink_to(tmp_path / "gone")
    loop.symlink_to(loop)
    for path in (tmp_path / "none.jpg", tmp_path / "file" / "below", "a\0b", "x" * 5000, "", dangling, loop):
        assert refusal(path).code == "not_found"
    assert "link" in refusal(dangling).message


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "is_directory"
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    error = refusal(pipe)  # would wait for a writer for ever
    assert (error.code, error.message) == ("not_a_file", f"{pipe} is a pipe, not a photo")
    assert refusal("/dev/zero").code == "not_a_file"
    with socket.socket(socket.AF_UNIX) as server:
        short = os.path.relpath(tmp_path / "s", Path.cwd())  # a socket's path is limited to 107 bytes
        server.bind(min(short, str(tmp_path / "s"), key=len))
        assert refusal(tmp_path / "s").code == "not_a_file"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    assert refusal(path).code == "permission_denied"


def test_permission_denied_by_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"x")

    def deny(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)
    assert refusal(path).code == "permission_denied"


def test_empty_and_too_large(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"")
    assert refusal(path).code == "empty_file"
    path.write_bytes(b"12345")
    assert read_file(path, ImageLimits(max_file_bytes=5)) == b"12345"
    error = refusal(path, limits=ImageLimits(max_file_bytes=4))
    assert (error.code, error.message) == ("too_large", f"{path} has 5 bytes, more than the limit of 4 bytes")


def test_a_huge_sparse_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert refusal(path).code == "too_large"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are no text")
def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    for raw in (b"-rf", b"two\nlines.jpg", b"\xff\xfe.jpg", "grüße 😀.jpg".encode()):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/" + raw)
        Path(path).write_bytes(b"x")
        assert read_file(path) == b"x"
        Path(path).unlink()
        message = refusal(path).message
        assert message.isprintable()
        message.encode()  # no lone surrogates


@given(st.binary())
def test_every_name_can_be_printed_on_one_line(raw: bytes) -> None:
    name = printable_name(os.fsdecode(raw))
    assert name.isprintable()
    name.encode()


def test_sizes_read_as_people_say_them() -> None:
    assert [human_size(n) for n in (0, 999, 1000, 12_345_678, 5_000_000_000)] == [
        "0 bytes", "999 bytes", "1 kB", "12 MB", "5.0 GB",
    ]  # fmt: skip
