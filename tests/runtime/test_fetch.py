from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from facecli.errors import WeightsError
from facecli.runtime import fetch
from facecli.runtime.fetch import Pulled, pull
from facecli.runtime.manifest import MANIFEST_FILE, Manifest, read_manifest
from facecli.runtime.weights import CatalogueEntry

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes: several pieces
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    content: bytes = CONTENT
    etag: str = '"v1"'
    takes_ranges: bool = True
    says_length: bool = True
    cut_after: int | None = None
    wrong_range: bool = False
    status: int = 200
    redirect: str = ""
    stalls: bool = False
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[tuple[Behaviour, str]]:
    behaviour = Behaviour()
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            behaviour.ranges.append(asked)
            if behaviour.redirect and self.path != "/moved":
                self.send_response(302)
                self.send_header("Location", behaviour.redirect)
                self.end_headers()
                return
            if behaviour.status != 200:
                self.send_error(behaviour.status)
                return
            start, content = 0, behaviour.content
            fresh = self.headers.get("If-Range") in {None, behaviour.etag}
            if asked and behaviour.takes_ranges and fresh:
                start = int(asked.removeprefix("bytes=").removesuffix("-")) // (2 if behaviour.wrong_range else 1)
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            if behaviour.etag:
                self.send_header("ETag", behaviour.etag)
            if behaviour.says_length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            with suppress(ConnectionError):  # the client may hang up: some tests are about that
                if behaviour.stalls:
                    self.wfile.write(content[:10])
                    released.wait(10)
                else:
                    self.wfile.write(content[start : behaviour.cut_after])

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield behaviour, f"http://127.0.0.1:{httpd.server_port}"
        released.set()
        httpd.shutdown()
        thread.join()


def listed(sha256: str = SHA256, size_bytes: int | None = len(CONTENT)) -> CatalogueEntry:
    manifest = Manifest("net", "detector", "test", "net.onnx", sha256, "MIT", Path("/catalogue"), ("y",), stride=32)
    return CatalogueEntry(manifest, "https://example.org/net.onnx", size_bytes, runnable=True, notes="")


def names(cache_dir: Path) -> list[str]:
    return sorted(path.name for path in (cache_dir / "net").iterdir() if path.name != ".lock")


def cut_once(server: tuple[Behaviour, str], cache_dir: Path, entry: CatalogueEntry) -> None:
    """Leave half of the file behind."""
    behaviour, url = server
    behaviour.cut_after = HALF
    with pytest.raises(WeightsError) as caught:
        pull(entry, cache_dir, base_url=url)
    assert caught.value.code == "download_cut_off"
    assert (cache_dir / "net" / "net.onnx.part").read_bytes() == CONTENT[:HALF]
    behaviour.cut_after = None


def test_a_file_is_fetched_checked_and_recorded(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []

    pulled = pull(listed(), tmp_path, base_url=server[1], progress=lambda *step: seen.append(step))

    assert pulled.path.read_bytes() == CONTENT
    assert (pulled.downloaded, pulled.recorded) == (True, False)
    assert names(tmp_path) == [MANIFEST_FILE, "net.onnx"]
    assert read_manifest(tmp_path / "net" / MANIFEST_FILE) == pulled.manifest
    assert stat.S_IMODE(pulled.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(pulled.path.parent.stat().st_mode) == 0o700
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_what_is_there_is_checked_and_not_fetched_again(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    first = pull(listed(), tmp_path, base_url=url)

    again = pull(listed(), tmp_path, base_url=url)
    assert (again.path, again.downloaded) == (first.path, False)
    assert len(behaviour.ranges) == 1

    first.path.write_bytes(b"altered")
    assert pull(listed(), tmp_path, base_url=url).path.read_bytes() == CONTENT
    assert len(behaviour.ranges) == 2


def test_a_corrupt_file_is_removed(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    behaviour.content = b"\xff" + CONTENT[1:]
    begins = hashlib.sha256(behaviour.content).hexdigest()[:12]

    with pytest.raises(WeightsError) as caught:
        pull(listed(), tmp_path, base_url=url)

    assert caught.value.message == (
        f"what {url}/net.onnx sent for 'net' is not the file it should be: its SHA-256 begins with {begins}, "
        f"expected {SHA256[:12]}; it was removed"
    )
    assert names(tmp_path) == []


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"', ""])
def test_a_cut_off_download_goes_on_where_it_stopped(server: tuple[Behaviour, str], tmp_path: Path, etag: str) -> None:
    behaviour, url = server
    behaviour.etag = etag
    cut_once(server, tmp_path, listed())
    seen: list[tuple[int, int | None]] = []

    pulled = pull(listed(), tmp_path, base_url=url, progress=lambda *step: seen.append(step))

    assert pulled.path.read_bytes() == CONTENT
    assert behaviour.ranges == [None, f"bytes={HALF}-"]
    assert seen[0] == (HALF, len(CONTENT))
    assert names(tmp_path) == [MANIFEST_FILE, "net.onnx"]


def test_a_file_that_changed_meanwhile_comes_whole(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    cut_once(server, tmp_path, listed("", None))
    behaviour.etag, behaviour.content = '"v2"', CONTENT[::-1]

    assert pull(listed("", None), tmp_path, base_url=url).path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("fault", ["takes_ranges", "wrong_range"])
def test_a_server_that_sends_no_parts_starts_from_zero(
    server: tuple[Behaviour, str], tmp_path: Path, fault: str
) -> None:
    behaviour, url = server
    cut_once(server, tmp_path, listed())
    setattr(behaviour, fault, fault == "wrong_range")

    assert pull(listed(), tmp_path, base_url=url).path.read_bytes() == CONTENT
    assert behaviour.ranges[1] == f"bytes={HALF}-"


def test_a_part_longer_than_the_file_starts_from_zero(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "net.onnx.part").write_bytes(CONTENT + b"more")

    assert pull(listed(), tmp_path, base_url=url).path.read_bytes() == CONTENT
    assert behaviour.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_without_hash_and_validator_nothing_is_pieced_together(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    behaviour.etag = ""
    cut_once(server, tmp_path, listed("", None))

    assert pull(listed("", None), tmp_path, base_url=url).path.read_bytes() == CONTENT
    assert behaviour.ranges == [None, None]


def test_an_unknown_hash_is_recorded_once_and_held_to(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    behaviour.says_length = False
    seen: list[tuple[int, int | None]] = []

    pulled = pull(listed("", None), tmp_path, base_url=url, progress=lambda *step: seen.append(step))

    assert (pulled.recorded, pulled.manifest.sha256) == (True, SHA256)
    assert read_manifest(tmp_path / "net" / MANIFEST_FILE).sha256 == SHA256
    assert seen[-1] == (len(CONTENT), None)
    again = pull(listed("", None), tmp_path, base_url=url)
    assert (again.recorded, again.downloaded, again.manifest.sha256) == (False, False, SHA256)


def test_another_size_is_refused_before_a_byte_is_fetched(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []

    with pytest.raises(WeightsError) as caught:
        pull(listed(size_bytes=7), tmp_path, base_url=server[1], progress=lambda *step: seen.append(step))

    assert caught.value.message == f"'net' should have 7 bytes, the server offers {len(CONTENT)}"
    assert seen == []
    assert names(tmp_path) == []


def test_a_server_that_does_not_stop_is_stopped(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    behaviour.says_length = False

    with pytest.raises(WeightsError, match="sends more than the 7 bytes it should"):
        pull(listed(size_bytes=7), tmp_path, base_url=url)

    assert (tmp_path / "net" / "net.onnx.part").stat().st_size == 0


@pytest.mark.parametrize("status", [404, 403, 500])
def test_what_the_server_answers_is_passed_on(server: tuple[Behaviour, str], tmp_path: Path, status: int) -> None:
    behaviour, url = server
    behaviour.status = status

    with pytest.raises(WeightsError, match=rf"127\.0\.0\.1 answered {status} .* for {url}/net\.onnx"):
        pull(listed(), tmp_path, base_url=url)


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(WeightsError, match=r"127\.0\.0\.1 cannot be reached: .*refused") as caught:
        pull(listed(), tmp_path, base_url=f"http://127.0.0.1:{port}")

    assert caught.value.code == "unreachable"


def test_a_server_that_falls_silent_is_left(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    behaviour.stalls = True

    with pytest.raises(WeightsError, match="was cut off: timed out") as caught:
        pull(listed(), tmp_path, base_url=url, timeout_s=0.2)

    assert caught.value.hint == "Run it again: it goes on where it stopped."


def test_a_redirect_is_followed_with_its_range(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    cut_once(server, tmp_path, listed())
    behaviour.redirect = f"{url}/moved"

    assert pull(listed(), tmp_path, base_url=url).path.read_bytes() == CONTENT
    assert behaviour.ranges[1:] == [f"bytes={HALF}-"] * 2


@pytest.mark.parametrize("address", ["http://example.invalid/net.onnx", "ftp://127.0.0.1/x"])
def test_a_redirect_to_an_insecure_address_is_refused(
    server: tuple[Behaviour, str], tmp_path: Path, address: str
) -> None:
    behaviour, url = server
    behaviour.redirect = address

    with pytest.raises(WeightsError) as caught:
        pull(listed(), tmp_path, base_url=url)

    assert caught.value.message == f"{address} is refused: weights come over https only"


def test_a_redirect_to_a_file_is_refused(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    behaviour.redirect = "file:///etc/hostname"

    with pytest.raises(WeightsError, match="Redirection to url 'file:///etc/hostname' is not allowed"):
        pull(listed(), tmp_path, base_url=url)


@pytest.mark.parametrize("base_url", ["http://example.invalid", "file:///tmp", "ftp://127.0.0.1"])
def test_an_insecure_address_is_refused(tmp_path: Path, base_url: str) -> None:
    with pytest.raises(WeightsError, match="is refused: weights come over https only"):
        pull(listed(), tmp_path, base_url=base_url)


def forbid_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_offline_opens_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_sockets(monkeypatch)

    with pytest.raises(WeightsError) as caught:
        pull(listed(), tmp_path, offline=True)

    assert caught.value.code == "offline"
    assert caught.value.hint == "Run it without --offline, or run: facecli models import FILE --name net"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AssertionError, match="a socket was opened"):  # the trap does catch a pull
        pull(listed(), tmp_path)


def test_offline_still_returns_what_is_there(
    server: tuple[Behaviour, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pull(listed(), tmp_path, base_url=server[1]).path
    with monkeypatch.context() as patched:
        forbid_sockets(patched)
        assert pull(listed(), tmp_path, offline=True).path == path


def test_two_pulls_at_once_fetch_once(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    behaviour, url = server
    inside, go_on = threading.Event(), threading.Event()
    results: dict[str, Pulled] = {}  # by name: the second may well return before the first has noted its own

    def wait(done: int, total: int | None) -> None:
        inside.set()
        go_on.wait(10)

    def call(name: str, progress: Callable[[int, int | None], None] | None) -> None:
        results[name] = pull(listed(), tmp_path, base_url=url, progress=progress)

    first = threading.Thread(target=call, args=("first", wait))
    first.start()
    assert inside.wait(10)
    second = threading.Thread(target=call, args=("second", None))
    second.start()
    second.join(0.2)
    assert second.is_alive()  # it waits for the lock
    go_on.set()
    first.join(10)
    second.join(10)

    assert {name: result.downloaded for name, result in results.items()} == {"first": True, "second": False}
    assert results["first"].path.read_bytes() == CONTENT
    assert len(behaviour.ranges) == 1


def test_a_full_disk_is_seen_beforehand(
    server: tuple[Behaviour, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - 5, 5))

    with pytest.raises(WeightsError, match=f"no room for 'net' in {tmp_path}") as caught:
        pull(listed(), tmp_path, base_url=server[1])

    assert caught.value.code == "disk_full"


def test_a_disk_that_fills_up_meanwhile_is_reported(
    server: tuple[Behaviour, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fetch.os, "fsync", fill)

    with pytest.raises(WeightsError) as caught:
        pull(listed(), tmp_path, base_url=server[1])

    assert caught.value.code == "disk_full"
    assert not (tmp_path / "net" / "net.onnx").exists()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file where a folder should be")

    with pytest.raises(WeightsError, match=r"'net' cannot be stored in .*cache/net: Not a directory"):
        pull(listed(), tmp_path / "cache")


def test_a_planted_link_is_not_written_through(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "net.onnx.part").symlink_to(victim)

    with pytest.raises(WeightsError, match="cannot be stored"):
        pull(listed(), tmp_path, base_url=server[1])

    assert victim.read_bytes() == b"mine"


def test_a_record_that_is_missing_is_written_again(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    pulled = pull(listed(), tmp_path, base_url=server[1])
    (tmp_path / "net" / MANIFEST_FILE).unlink()

    assert pull(listed(), tmp_path, offline=True).path == pulled.path
    assert read_manifest(tmp_path / "net" / MANIFEST_FILE).sha256 == SHA256
