from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import BLUE, GREEN, RED, FakeDetector, picture, write_picture

from facecli.errors import FacecliError, UsageError
from facecli.scans.records import Asked, FileSignature, StoredScan
from facecli.scans.store import ScanStore
from facecli.services.analysis import Analyser, PhotoSource
from facecli.services.scan import Reuse, ScanJournal, begin_scan, resume_scan
from facecli.types import PhotoError, PhotoResult

FACTS = {"detector": "fake"}
OTHER_PROCESS = "999999999:"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ScanStore]:
    with ScanStore.open(tmp_path / "scans.db") as opened:
        yield opened


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Three pictures that were not changed for long."""
    paths = [
        write_picture(tmp_path / name, (colour, 8, 8, 24))
        for name, colour in {"red.png": RED, "green.png": GREEN, "blue.png": BLUE}.items()
    ]
    for path in paths:
        os.utime(path, (1e9, 1e9))
    return paths


class Scanned:
    """One run of a scan with fakes."""

    def __init__(self, store: ScanStore, make_analyser: Callable[..., Analyser], detector: FakeDetector) -> None:
        self._store = store
        self._make_analyser = make_analyser
        self._detector = detector

    def __call__(
        self,
        paths: list[str],
        *,
        resume: bool = False,
        finish: bool = True,
        stop_after: int | None = None,
        facts: dict[str, str] = FACTS,
        keep_photos: bool = False,
        **reuse: bool,
    ) -> tuple[list[object], list[str]]:
        """Return what came out, and which photos went through the detector."""
        asked = Asked("", tuple(paths))
        seen: dict[str, FileSignature] = {}
        journal = ScanJournal(self._store, Reuse(**reuse), seen)
        scan = resume_scan(self._store, asked, facts) if resume else None
        scan = scan or begin_scan(self._store, asked, facts, map(PhotoSource, paths))
        journal.open(facts, scan)
        self.scan: StoredScan = scan
        self.seen = seen
        self._detector.batches.clear()
        found = []
        for analysis in self._make_analyser(jobs=1, store=journal, keep_photos=keep_photos).analyse(journal.photos()):
            result = analysis.result({})
            found.append(
                (result.path, result.status, result.error, [face.embedding.vector.tolist() for face in result.faces])
            )
            if len(found) == stop_after:
                break
        else:
            if finish:
                journal.finish()
        return found, [path for batch in self._detector.batches for path in batch]


@pytest.fixture
def scanned(store: ScanStore, make_analyser: Callable[..., Analyser], detector: FakeDetector) -> Scanned:
    return Scanned(store, make_analyser, detector)


def test_a_photo_is_analysed_once_whatever_it_is_called(scanned: Scanned, photos: list[str], tmp_path: Path) -> None:
    first, analysed = scanned(photos)
    copy = str(shutil.copy(photos[0], tmp_path / "copy.png"))

    again, analysed_again = scanned([*photos, copy])

    assert analysed == photos
    assert analysed_again == []
    assert again[:3] == first
    assert again[3] == (copy, *first[0][1:])


def test_going_on_gives_what_is_done_without_reading_it(scanned: Scanned, photos: list[str]) -> None:
    whole, _ = scanned(photos)
    scanned(photos, stop_after=2, analyses=False)
    Path(photos[0]).unlink()

    found, analysed = scanned(photos, resume=True, analyses=False)

    assert found == whole
    assert set(analysed) <= {photos[2]}


def test_what_changed_since_is_named(scanned: Scanned, photos: list[str]) -> None:
    scanned(photos, stop_after=1)

    with pytest.raises(UsageError, match=r"scan 1 cannot be gone on with: detector: fake, now other; mirror: not set"):
        scanned(photos, resume=True, facts={"detector": "other", "mirror": "True"})
    found, analysed = scanned(photos, facts={"detector": "other"})
    assert (len(found), analysed) == (3, photos)


def test_nothing_to_go_on_with(store: ScanStore, scanned: Scanned, photos: list[str]) -> None:
    scanned(photos)

    assert resume_scan(store, Asked("", tuple(photos)), FACTS) is None


def test_a_scan_that_another_process_does_is_left_to_it(
    store: ScanStore, scanned: Scanned, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facecli.scans.store.this_process", lambda: f"{os.getppid()}:")
    scanned(photos, stop_after=1)

    with pytest.raises(FacecliError, match=f"scan 1 is being done by process {os.getppid()}"):
        resume_scan(store, Asked("", tuple(photos)), FACTS)


@pytest.mark.parametrize("given", [0, 1, 3])
def test_a_plan_that_vanishes_ends_the_scan(
    store: ScanStore, photos: list[str], monkeypatch: pytest.MonkeyPatch, given: int
) -> None:
    monkeypatch.setattr("facecli.services.scan.PLAN_ROWS", 1)
    journal = ScanJournal(store, Reuse())
    journal.open(FACTS, begin_scan(store, Asked("", tuple(photos)), FACTS, map(PhotoSource, photos)))
    planned = journal.photos()
    source = [next(planned) for _ in range(given)][-1:]
    with store._writing() as connection:
        connection.execute("DELETE FROM entries")
        connection.execute("DELETE FROM scans")

    if given < len(photos):
        with pytest.raises(FacecliError, match="the plan of scan 1 is gone"):
            list(planned)
    for each in source:
        with pytest.raises(FacecliError, match="the plan of scan 1 is gone"):
            journal.keep(each, "00" * 32, PhotoResult("", "no_face", 4, 3))
    with pytest.raises(FacecliError, match="the plan of scan 1 is gone"):
        journal.finish()
    assert store.info().analyses == 0


def test_errors_of_a_content_stay_and_those_of_reading_are_tried_again(
    scanned: Scanned, photos: list[str], tmp_path: Path
) -> None:
    torn, gone = tmp_path / "torn.jpg", tmp_path / "gone.png"
    torn.write_bytes(b"\xff\xd8\xff\xe0 torn")
    paths = [str(torn), str(gone), *photos]
    first, _ = scanned(paths, finish=False)
    torn.unlink()
    write_picture(gone, (RED, 8, 8, 24))

    again, analysed = scanned(paths, resume=True)

    assert [each[2] and each[2].code for each in first] == ["truncated", "not_found", None, None, None]
    assert again[0] == first[0]
    assert (again[1][0], again[1][1]) == (str(gone), "ok")
    assert again[2:] == first[2:]
    assert analysed == []  # red is known by its content


def test_a_folder_that_could_not_be_listed_stays_one(store: ScanStore, make_analyser, tmp_path: Path) -> None:
    error = PhotoError("permission_denied", "deep may not be read", "Check who owns it.")
    asked = Asked("", ("photos",))
    begin_scan(store, asked, FACTS, [PhotoSource("photos/deep", error=error)])
    for _ in range(2):
        journal = ScanJournal(store)
        journal.open(FACTS, resume_scan(store, asked, FACTS))

        (analysis,) = make_analyser(store=journal).analyse(journal.photos())

        assert analysis.error == error
        assert store.scans()[0].done == 1


def test_an_update_reads_what_is_new_or_changed(scanned: Scanned, photos: list[str], monkeypatch) -> None:
    first, _ = scanned(photos)
    read: list[str] = []
    from facecli.services import analysis

    read_file = analysis.read_file
    monkeypatch.setattr(analysis, "read_file", lambda path: read.append(path) or read_file(path))
    write_picture(Path(photos[1]), (RED, 40, 40, 32))

    found, analysed = scanned(photos, unchanged=True)

    assert read == analysed == [photos[1]]
    assert found[0] == first[0]
    assert found[2] == first[2]
    assert found[1] != first[1]

    read.clear()
    scanned(photos, unchanged=True)
    assert read == [photos[1]]  # changed a moment ago: its time does not tell yet


def test_fresh_analyses_all_again_but_not_what_it_did_itself(scanned: Scanned, photos: list[str]) -> None:
    scanned(photos)

    _, analysed = scanned(photos, analyses=False, stop_after=2)
    _, rest = scanned(photos, analyses=False, resume=True)

    assert analysed[:2] == photos[:2]
    assert sorted({*analysed, *rest}) == sorted(photos)
    assert not {*analysed[:2]} & {*rest}


def test_a_damaged_analysis_is_made_again(store: ScanStore, scanned: Scanned, photos: list[str]) -> None:
    first, _ = scanned(photos)
    with store._writing() as connection:
        connection.execute("UPDATE analyses SET record = CAST(substr(record, 1, length(record) - 1) || x'00' AS BLOB)")

    again, analysed = scanned(photos)
    once_more, analysed_once_more = scanned(photos)

    assert (analysed, analysed_once_more) == (photos, [])
    assert again == once_more == first


def test_what_is_drawn_is_kept_too(scanned: Scanned, photos: list[str]) -> None:
    scanned(photos, keep_photos=True)

    assert scanned(photos)[1] == []


def test_what_files_looked_like_is_noted_for_watching(scanned: Scanned, photos: list[str]) -> None:
    scanned(photos, stop_after=3)
    write_picture(Path(photos[2]), (RED, 40, 40, 32))

    scanned(photos, resume=True)

    status = Path(photos[0]).stat()
    assert scanned.seen[photos[0]] == FileSignature(status.st_size, status.st_mtime_ns)
    assert photos[2] not in scanned.seen  # its result is about what it was


def test_fresh_photos_of_no_plan_are_analysed_again(store: ScanStore, make_analyser, detector: FakeDetector) -> None:
    source = PhotoSource("-", picture((RED, 8, 8, 24)))
    for _ in range(2):
        journal = ScanJournal(store, Reuse(analyses=False))
        journal.open(FACTS)
        list(make_analyser(store=journal).analyse([source]))
    assert detector.batches == [["-"], ["-"]]
