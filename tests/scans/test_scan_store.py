from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from facecli.errors import FacecliError, InputError
from facecli.scans.connection import files_set_aside
from facecli.scans.owner import this_process
from facecli.scans.records import Asked, Entry, EntryState, FileSignature, KnownFile, fingerprint_of
from facecli.scans.schema import MIGRATIONS
from facecli.scans.store import ScanStore
from facecli.scans.translation import corrupt_error
from facecli.types import Detection, Embedding, Face, PhotoError, PhotoResult

ASKED = Asked("/home/ana", ("photos",))
FACTS = {"detector": "centerface"}
PRINT = fingerprint_of(FACTS)
NOTHING = PhotoResult("", "no_face", 4, 3)
NAMES = ("a.jpg", "b \udcff.jpg", "c\n.jpg")


def sha(number: int) -> str:
    return f"{number:064x}"


def planned(*paths: str) -> list[Entry]:
    return [Entry(position, path) for position, path in enumerate(paths)]


def keep_all(store: ScanStore) -> None:
    for number in range(400):
        store.keep(PRINT, sha(number), NOTHING)


def find_all(store: ScanStore) -> None:
    for number in range(400):
        store.find(PRINT, sha(number))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "facecli" / "scans.db"


@pytest.fixture
def store(path: Path):
    with ScanStore.open(path) as opened:
        yield opened


def test_only_its_owner_can_read_it(store: ScanStore, path: Path) -> None:
    store.keep(PRINT, sha(1), NOTHING)

    files = [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))]
    assert [stat.S_IMODE(each.stat().st_mode) for each in files] == [0o600] * 3
    assert [stat.S_IMODE(each.stat().st_mode) for each in path.parents[:2]] == [0o700] * 2


def test_an_analysis_is_of_a_content_and_of_what_decides_it(store: ScanStore) -> None:
    store.keep(PRINT, sha(1), PhotoResult("", "no_face", 640, 480, warnings=("odd",)))

    found = store.find(PRINT, sha(1))

    assert found is not None
    assert (found.status, found.width, found.height, found.warnings) == ("no_face", 640, 480, ("odd",))
    assert store.find(PRINT, sha(2)) is None
    assert store.find(fingerprint_of({"detector": "yunet"}), sha(1)) is None


def test_what_another_scan_computed_can_be_left_out(store: ScanStore) -> None:
    store.keep(PRINT, sha(1), NOTHING, scan_id=7)

    assert store.find(PRINT, sha(1), made_by=7) is not None
    assert store.find(PRINT, sha(1), made_by=8) is None
    store.keep(PRINT, sha(1), NOTHING, scan_id=8)
    assert store.find(PRINT, sha(1), made_by=8) is not None


def test_a_scan_from_its_plan_to_its_end(store: ScanStore) -> None:
    scan = store.begin(ASKED, {"fpir": "0.01"}, planned(*NAMES))
    error = PhotoError("corrupt", "b is damaged", "Copy it again.")

    store.keep(PRINT, sha(1), NOTHING, scan_id=scan.scan_id, entry=Entry(0, "a.jpg", EntryState.DONE, sha(1)))
    store.keep(PRINT, sha(2), None, scan_id=scan.scan_id, entry=Entry(1, NAMES[1], EntryState.DONE, sha(2), error))

    assert store.unfinished(ASKED) == store.scans()[0]
    assert (store.scans()[0].done, store.scans()[0].photos, store.scans()[0].state) == (2, 3, "running")
    assert store.scans()[0].facts == {"fpir": "0.01"}
    assert store.scans()[0].process_id == os.getpid()
    assert store.entries(scan.scan_id) == [
        Entry(0, "a.jpg", EntryState.DONE, sha(1)),
        Entry(1, "b \udcff.jpg", EntryState.DONE, sha(2), error),
        Entry(2, "c\n.jpg"),
    ]
    assert [each.position for each in store.entries(scan.scan_id, 1, 1)] == [1]

    store.finish(scan.scan_id)

    assert store.unfinished(ASKED) is None
    assert store.scans()[0].state == "finished"


def test_a_scan_that_is_watched_is_neither_forgotten_nor_replaced(store: ScanStore) -> None:
    watched = store.begin(ASKED, {}, planned("a"))
    store.finish(watched.scan_id, watching=True)
    finished_at = store.scans()[0].finished_at
    again = store.begin(ASKED, {}, planned("a"))
    store.finish(again.scan_id)

    assert [scan.state for scan in store.scans()] == ["watching", "finished"]
    with pytest.raises(FacecliError, match="scan 1 is being done by process"):
        store.forget(watched.scan_id)
    with pytest.raises(FacecliError, match="scan 1 is being done by process"):
        store.forget_all()

    store.finish(watched.scan_id)
    assert next((scan.state, scan.finished_at) for scan in store.scans()) == ("finished", finished_at)
    store.forget(watched.scan_id)


def test_a_photo_that_is_to_be_tried_again_is_not_done(store: ScanStore) -> None:
    scan = store.begin(ASKED, {}, [*planned(*NAMES), Entry(3, "d", EntryState.LISTED_WITH_ERROR)])
    error = PhotoError("timeout", "a took too long", "Try again.")

    store.keep(PRINT, "", None, scan_id=scan.scan_id, entry=Entry(0, "a.jpg", EntryState.UNREAD, "", error))
    store.keep(PRINT, sha(2), NOTHING, scan_id=scan.scan_id, entry=Entry(1, NAMES[1], EntryState.DONE, sha(2)))

    assert store.progress(scan.scan_id) == store.scans()[0].done == 2


def test_one_interrupted_and_one_finished_scan_of_a_question_are_kept(store: ScanStore) -> None:
    other = Asked("/home/ana", ("photos",), recursive=False)
    first = store.begin(ASKED, {}, planned("a"))
    store.finish(first.scan_id)
    second = store.begin(other, {}, planned("a"))
    third, fourth = (store.begin(ASKED, {}, planned("a")) for _ in range(2))

    assert [scan.scan_id for scan in store.scans()] == [first.scan_id, second.scan_id, fourth.scan_id]
    assert store.entries(third.scan_id) == []
    store.finish(fourth.scan_id)
    assert [scan.scan_id for scan in store.scans()] == [second.scan_id, fourth.scan_id]


def test_a_scan_in_other_hands_is_neither_replaced_nor_taken_over_nor_forgotten(store: ScanStore) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        scan = store.begin(ASKED, {}, planned("a"))
        with closing(sqlite3.connect(store.path)) as connection, connection:
            connection.execute("UPDATE scans SET owner = ?", (f"{sleeper.pid}:",))

        store.begin(ASKED, {}, planned("a"))
        with pytest.raises(FacecliError, match=f"scan 1 is being done by process {sleeper.pid}"):
            store.take_over(scan.scan_id)
        with pytest.raises(FacecliError, match="scan 1 is being done"):
            store.forget(scan.scan_id)
        with pytest.raises(FacecliError, match="scan 1 is being done"):
            store.forget_all()
        assert len(store.scans()) == 2
    finally:
        sleeper.communicate(b"\n")

    store.take_over(scan.scan_id)
    assert store.scans()[0].process_id == os.getpid()


def test_a_process_with_the_number_of_one_that_is_gone_is_another(store: ScanStore) -> None:
    scan = store.begin(ASKED, {}, planned("a"))
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE scans SET owner = ?", (f"{os.getpid()}:12:an-earlier-boot",))

    assert store.scans()[0].state == "interrupted"
    store.take_over(scan.scan_id)
    assert store.scans()[0].state == "running"


def test_only_a_scan_whose_process_has_surely_ended_is_replaced(store: ScanStore) -> None:
    number, started, place = this_process().split(":", 2)
    owners = {
        "ended": f"999999999:{started}:{place}",
        "number given again": f"{number}:12:{place}",
        "other boot": f"999999999:{started}:other-boot:pid:[1]",
        "other container": f"999999999:{started}:{place}1",
        "untold": "999999999:",
    }
    replaced = []
    for name, owner in owners.items():
        asked = Asked("", (name,))
        scan = store.begin(asked, {}, planned("a"))
        with closing(sqlite3.connect(store.path)) as connection, connection:
            connection.execute("UPDATE scans SET owner = ? WHERE scan_id = ?", (owner, scan.scan_id))
        store.begin(asked, {}, planned("a"))
        if store.entries(scan.scan_id) == []:
            replaced.append(name)

    assert replaced == ["ended", "number given again"]


def test_a_file_is_known_while_it_looks_the_same(store: ScanStore) -> None:
    signature = FileSignature(123, 2**60 + 1)
    store.keep(PRINT, sha(1), NOTHING, file=KnownFile("/photos/\udcff.jpg", signature, sha(1)))

    assert store.file_hash("/photos/\udcff.jpg", signature) == sha(1)
    assert store.file_hash("/photos/\udcff.jpg", FileSignature(124, 2**60 + 1)) == ""
    assert store.file_hash("/photos/\udcff.jpg", FileSignature(123, 2**60 + 2)) == ""
    assert store.file_hash("/photos/other.jpg", signature) == ""


@pytest.mark.parametrize("damage", [b"no database at all, but longer than a header of one" * 4, b""])
def test_a_damaged_file_is_set_aside_and_replaced(path: Path, damage: bytes) -> None:
    with ScanStore.open(path) as store:
        store.keep(PRINT, sha(1), NOTHING)
    data = path.read_bytes()
    path.write_bytes(damage or data[:100] + b"\xff" * 3000 + data[3100:])
    warnings: list[str] = []

    with ScanStore.open(path, warn=warnings.append) as store:
        assert store.find(PRINT, sha(1)) is None
        store.keep(PRINT, sha(1), NOTHING)
        assert store.find(PRINT, sha(1)) is not None
        (aside,) = store.info().set_aside

    assert len(warnings) == 1
    assert f"the file of scans {path} is damaged" in warnings[0]
    assert f"it was set aside as {aside}" in warnings[0]
    assert stat.S_IMODE(Path(aside).stat().st_mode) == 0o600


def test_damage_that_shows_late_has_it_set_aside_for_the_next_call(path: Path) -> None:
    with ScanStore.open(path) as store:
        keep_all(store)
    data = bytearray(path.read_bytes())
    data[8192:] = bytes(len(data) - 8192)  # tables without their rows
    path.write_bytes(data)
    warnings: list[str] = []

    with ScanStore.open(path, warn=warnings.append) as store, pytest.raises(FacecliError, match="is damaged"):
        find_all(store)
    with ScanStore.open(path, warn=warnings.append) as store:
        store.keep(PRINT, sha(1), NOTHING)

    assert len(warnings) == 1
    assert "it was set aside as " in warnings[0]


def test_a_full_disk_is_said(store: ScanStore) -> None:
    with store._reading() as connection:
        connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0] + 1}")

    with pytest.raises(FacecliError, match="the disk is full, so nothing can be kept in") as caught:
        keep_all(store)

    assert caught.value.hint.startswith("Free some space and go on with --resume")
    assert store.find(PRINT, sha(0)) is not None


def test_a_newer_file_and_another_applications_stay_as_they_are(path: Path, tmp_path: Path) -> None:
    with ScanStore.open(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    before = other.read_bytes()

    with pytest.raises(FacecliError, match="has schema 2 and this facecli knows 1 at most"):
        ScanStore.open(path)
    with pytest.raises(FacecliError, match="another application's database"):
        ScanStore.open(other)
    with pytest.raises(FacecliError, match="it is a folder"):
        ScanStore.open(tmp_path)

    assert other.read_bytes() == before
    assert files_set_aside(str(path)) == []


def test_a_flipped_bit_anywhere_gives_the_truth_or_nothing(path: Path) -> None:
    vector = np.full(16, 0.25, np.float32)
    face = Face(
        Detection(np.array([1, 2, 3, 4], np.float32), np.ones((5, 2), np.float32), 0.5), None, Embedding(vector, "m")
    )
    with ScanStore.open(path) as store:
        for number in range(20):
            store.keep(PRINT, sha(number), PhotoResult("", "ok", 1000 + number, 3, (face,)))
    whole = path.read_bytes()
    random = np.random.default_rng(5)
    answers = {"known": 0, "computed again": 0, "set aside": 0}
    for at in random.integers(0, 8 * len(whole), 150):
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << at % 8
        for each in (path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))):
            each.unlink(missing_ok=True)
        path.write_bytes(damaged)
        try:
            with ScanStore.open(path) as store:
                found = [store.find(PRINT, sha(number)) for number in range(20)]
        except FacecliError as error:
            assert error.code in ("scans_damaged", "scans_newer", "scans_unopenable", "scans_failed")  # noqa: PT017
            answers["set aside"] += 1
            continue
        for number, result in enumerate(found):
            if result is None:
                answers["computed again"] += 1
            else:
                answers["known"] += 1
                assert result.width == 1000 + number
                assert result.faces[0].embedding is not None
                assert result.faces[0].embedding.vector.tobytes() == vector.tobytes()

    assert answers["known"] > 1000
    assert answers["computed again"] > 20


def test_threads_share_one_store(store: ScanStore) -> None:
    scan = store.begin(ASKED, {}, planned(*map(str, range(200))))

    def work(first: int) -> None:
        for number in range(first, 200, 4):
            store.find(PRINT, sha(number))
            entry = Entry(number, str(number), EntryState.DONE, sha(number))
            store.keep(PRINT, sha(number), NOTHING, scan_id=scan.scan_id, entry=entry)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.progress(scan.scan_id) == 200
    assert [entry.content_hash for entry in store.entries(scan.scan_id)] == [sha(number) for number in range(200)]
    assert store.info().analyses == 200


def _scan_in_process(path: str, first: int) -> None:
    with ScanStore.open(path) as store:
        scan = store.begin(ASKED, {}, planned(*map(str, range(50))))
        for number in range(50):
            entry = Entry(number, str(number), EntryState.DONE, sha(first + number))
            store.keep(PRINT, sha(first + number), NOTHING, scan_id=scan.scan_id, entry=entry)
        store.finish(scan.scan_id)


def test_processes_share_one_file_from_its_making_on(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_scan_in_process, args=(str(path), first)) for first in (0, 25, 100)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    with ScanStore.open(path) as store, closing(sqlite3.connect(path)) as connection:
        assert store.info().analyses == 125
        assert {scan.state for scan in store.scans()} == {"finished"}
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_is_forgotten_is_no_longer_in_the_file(store: ScanStore, path: Path) -> None:
    vector = np.arange(1, 129, dtype=np.float32)
    vector /= np.linalg.norm(vector)
    face = Face(
        Detection(np.array([1, 2, 3, 4], np.float32), np.ones((5, 2), np.float32), 0.5), None, Embedding(vector, "m")
    )
    scans = []
    for name, hashes in {"secret": (1, 2), "open": (2, 3)}.items():
        scan = store.begin(Asked("", (f"/{name}",)), {}, planned(f"/{name}/0", f"/{name}/1"))
        for position, number in enumerate(hashes):
            entry = Entry(position, f"/{name}/{position}", EntryState.DONE, sha(number))
            result = PhotoResult("", "ok", 4, 3, (face,)) if number == 1 else NOTHING
            file = KnownFile(entry.path, FileSignature(1, number), sha(number))
            store.keep(PRINT, sha(number), result, scan_id=scan.scan_id, entry=entry, file=file)
        store.finish(scan.scan_id)
        scans.append(scan.scan_id)

    assert store.forget(scans[0]) == 1

    data = path.read_bytes() + Path(f"{path}-wal").read_bytes()
    assert vector.tobytes() not in data
    assert b"/secret/0" not in data
    assert [store.find(PRINT, sha(number)) is not None for number in (1, 2, 3)] == [False, True, True]
    assert [scan.asked.roots for scan in store.scans()] == [("/open",)]
    assert store.forget_all() == 2
    assert (store.info().scans, store.info().analyses, store.info().files) == (0, 0, 0)
    with pytest.raises(InputError, match="there is no scan 1"):
        store.forget(1)


def test_forgetting_takes_what_has_no_place_in_a_plan(store: ScanStore) -> None:
    for numbers in ((1, 2), (2,), (3,)):  # photos come and go between scans of one question
        scan = store.begin(ASKED, {}, planned(*map(str, numbers)))
        for position, number in enumerate(numbers):
            entry = Entry(position, str(number), EntryState.DONE, sha(number))
            file = KnownFile(f"/{number}", FileSignature(1, number), sha(number))
            store.keep(PRINT, sha(number), NOTHING, scan_id=scan.scan_id, entry=entry, file=file)
        if numbers != (2,):  # the second is interrupted
            store.finish(scan.scan_id)
    store.keep(PRINT, sha(4), NOTHING, scan_id=scan.scan_id)  # watched
    other = store.begin(Asked("", ("/other",)), {}, planned("a"))
    store.keep(PRINT, sha(5), NOTHING, scan_id=other.scan_id, entry=Entry(0, "a", EntryState.DONE, sha(5)))

    assert store.find(PRINT, sha(1), made_by=scan.scan_id) is None  # taken over, not made
    store.finish(other.scan_id)
    assert store.forget(scan.scan_id) == 4

    assert [store.find(PRINT, sha(number)) is not None for number in (1, 2, 3, 4, 5)] == [False] * 4 + [True]
    assert store.info().files == 0


def test_everything_includes_what_was_set_aside(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all, but longer than a header of one" * 4)
    with ScanStore.open(path) as store:
        (aside,) = store.info().set_aside

        store.forget_all()

        assert store.info().set_aside == ()
        assert not Path(aside).exists()


def test_the_same_question_has_the_same_key() -> None:
    assert Asked.of_text(ASKED.text) == ASKED
    assert Asked.of_text("nonsense") == Asked("", ())
    assert ASKED.places == ("/home/ana/photos",)
    others = [
        Asked("/home/bob", ("photos",)),
        Asked("/home/ana", ("photos", "more")),
        Asked("/home/ana", ("photos",), listed=sha(1)),
        Asked("/home/ana", ("photos",), recursive=False),
    ]
    assert len({each.key for each in (ASKED, *others)}) == 5


def test_a_reader_that_keeps_what_was_forgotten_in_the_log_is_told_of(path: Path) -> None:
    said: list[str] = []
    with ScanStore.open(path, warn=said.append, busy_timeout_s=0.1) as store:
        store.keep(PRINT, sha(1), NOTHING)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM analyses").fetchone()
            store.forget_all()
    assert len(said) == 1
    assert "stays in its log until that process is done" in said[0]


def test_a_file_that_took_the_name_of_a_damaged_one_stays(path: Path) -> None:
    with ScanStore.open(path) as store:
        store._damage = corrupt_error(str(path), "a page is torn")
        path.rename(path.with_name("gone"))
        path.write_bytes(b"another")
    assert path.read_bytes() == b"another"
    assert files_set_aside(str(path)) == []
