from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import BLANK, BLUE, FACELESS, GREEN, RED, YELLOW, FakeDetector, FakeEmbedder, picture, write_picture

from facecli.errors import UnreadableImageError
from facecli.services import analysis as analysis_module
from facecli.services.analysis import Analyser, Analysis, PhotoSource
from facecli.services.pipeline import WINDOW
from facecli.types import Photo, PhotoError, PhotoResult

Make = Callable[..., Analyser]


def sources(count: int) -> list[PhotoSource]:
    """Photos named 0, 1, 2 ... of one red face each."""
    data = picture((RED, 8, 8, 40))
    return [PhotoSource(str(number), data) for number in range(count)]


def paths(analyses: list[Analysis]) -> list[str]:
    return [each.source.path for each in analyses]


def test_a_photo_becomes_faces_with_box_quality_and_vector(make_analyser: Make, tmp_path: Path) -> None:
    path = write_picture(tmp_path / "two.png", (YELLOW, 10, 20, 50), (BLUE, 70, 30, 20))

    (analysis,) = make_analyser().analyse([PhotoSource(path)])

    large, small = analysis.faces
    assert large.detection.box_xyxy.tolist() == [10, 20, 60, 70]
    assert small.detection.box_xyxy.tolist() == [70, 30, 90, 50]
    assert large.embedding is not None
    assert small.embedding is not None
    np.testing.assert_allclose(large.embedding.vector, [0.5**0.5, 0.5**0.5, 0], atol=1e-6)
    assert small.embedding.vector.tolist() == [0, 0, 1]
    assert large.quality is not None
    assert small.quality is not None
    assert (large.quality.score, large.quality.reasons) == (0.5, ())
    assert (small.quality.score, small.quality.reasons) == (0.2, ("too_small",))
    assert analysis.content_hash == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert analysis.error is None


def test_result_is_what_reports_take(make_analyser: Make) -> None:
    (analysis,) = make_analyser().analyse([PhotoSource("-", picture((RED, 0, 0, 40)))])

    result = analysis.result({"detector": "fake"})

    assert (result.path, result.status, result.width, result.height) == ("-", "ok", 100, 100)
    assert result.faces == analysis.faces
    assert result.model == {"detector": "fake"}
    assert result.elapsed_ms == analysis.elapsed_ms > 0


def test_without_an_embedder_it_stops_after_detection(make_analyser: Make, embedder: FakeEmbedder) -> None:
    (analysis,) = make_analyser(embed=False).analyse(sources(1))

    (face,) = analysis.faces
    assert (face.quality, face.embedding) == (None, None)
    assert embedder.scales == []


def test_a_photo_without_a_face_says_so(make_analyser: Make) -> None:
    (analysis,) = make_analyser().analyse([PhotoSource("black", picture())])

    assert analysis.result({}).status == "no_face"


def test_nothing_to_analyse_gives_nothing(analyser: Analyser, detector: FakeDetector) -> None:
    assert list(analyser.analyse([])) == []
    assert detector.batches == []


@pytest.mark.parametrize("count", [1, 2, 3, 9, 20])
@pytest.mark.parametrize("jobs", [1, 3])
def test_photos_keep_their_order_and_share_no_call(
    make_analyser: Make, detector: FakeDetector, count: int, jobs: int
) -> None:
    analyses = list(make_analyser(jobs=jobs).analyse(sources(count)))

    numbers = [str(number) for number in range(count)]
    assert paths(analyses) == numbers
    assert sorted(detector.batches) == sorted([number] for number in numbers)


def test_a_photo_that_takes_longer_to_read_keeps_its_place(
    make_analyser: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_was_read = threading.Event()

    def read(path: str) -> bytes:
        if path == "slow":
            assert second_was_read.wait(10)
        second_was_read.set()
        return picture((RED, 0, 0, 40))

    monkeypatch.setattr(analysis_module, "read_file", read)

    analyses = list(make_analyser(jobs=2).analyse([PhotoSource("slow"), PhotoSource("fast")]))

    assert paths(analyses) == ["slow", "fast"]


def test_photos_that_fail_stop_nothing_and_are_not_detected(
    make_analyser: Make, detector: FakeDetector, tmp_path: Path
) -> None:
    good = picture((GREEN, 0, 0, 40))
    unlisted = PhotoError("permission_denied", "folder may not be read")
    given = [
        PhotoSource("good", good),
        PhotoSource(str(tmp_path / "absent.jpg")),
        PhotoSource("folder", error=unlisted),
        PhotoSource("empty", b""),
        PhotoSource("text", b"this is no picture, only words"),
        PhotoSource("last", good),
    ]

    analyses = list(make_analyser(jobs=3).analyse(given))

    assert paths(analyses) == [source.path for source in given]
    codes = [each.error.code if each.error else None for each in analyses]
    assert codes == [None, "not_found", "permission_denied", "empty_file", "not_an_image", None]
    assert [each.result({}).status for each in analyses] == ["ok", "error", "error", "error", "error", "ok"]
    assert sorted(detector.batches) == [["good"], ["last"]]
    assert (analyses[1].content_hash, analyses[1].result({}).width) == ("", 0)


def test_failures_alone_reach_no_network(make_analyser: Make, detector: FakeDetector) -> None:
    analyses = list(make_analyser(jobs=2).analyse([PhotoSource("a", b""), PhotoSource("b", b"")]))

    assert [each.error.code for each in analyses if each.error] == ["empty_file", "empty_file"]
    assert detector.batches == []


def test_sources_are_read_only_a_little_ahead(make_analyser: Make) -> None:
    taken = itertools.count()
    data = picture()

    def endless() -> Iterator[PhotoSource]:
        while True:
            yield PhotoSource(str(next(taken)), data)

    analyses = make_analyser(jobs=2).analyse(endless())
    next(analyses)
    analyses.close()

    assert next(taken) == WINDOW


def test_an_error_of_the_sources_is_raised_and_leaves_no_thread(make_analyser: Make) -> None:
    def broken() -> Iterator[PhotoSource]:
        yield from sources(3)
        raise UnreadableImageError("the list of names is torn")

    with pytest.raises(UnreadableImageError, match="torn"):
        list(make_analyser().analyse(broken()))
    assert not [thread for thread in threading.enumerate() if thread.name == "photo"]


def test_elapsed_is_the_time_in_the_photos_own_thread(make_analyser: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))

    analyses = list(make_analyser(jobs=1).analyse([*sources(2), PhotoSource("empty", b"")]))

    assert [each.elapsed_ms for each in analyses] == [1000, 1000, 1000]


def test_pixels_stay_only_where_they_are_wanted(make_analyser: Make) -> None:
    (let_go,) = make_analyser().analyse(sources(1))
    (kept,) = make_analyser(keep_photos=True).analyse(sources(1))

    assert let_go.photo is None
    assert kept.photo is not None
    assert (let_go.width, let_go.height) == (100, 100) == (kept.photo.full_width, kept.photo.full_height)


def test_a_file_that_hangs_is_an_error_and_stops_no_other(make_analyser: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    comes_back = threading.Event()

    def read(path: str) -> bytes:
        if path == "stalled/share.jpg":
            comes_back.wait(10)
        return picture((RED, 0, 0, 40))

    monkeypatch.setattr(analysis_module, "read_file", read)
    given = [PhotoSource(path) for path in ("first", "stalled/share.jpg", "last")]

    analyses = list(make_analyser(jobs=1, timeout_s=0.2).analyse(given))
    comes_back.set()

    assert paths(analyses) == ["first", "stalled/share.jpg", "last"]
    assert [each.result({}).status for each in analyses] == ["ok", "error", "ok"]
    error = analyses[1].error
    assert error is not None
    assert (error.code, error.message) == ("timeout", "stalled/share.jpg could not be read within 0 s")


class FakeStore:
    """Knows what it was told; `asked` holds the hashes that it was asked for."""

    def __init__(self) -> None:
        self.known: dict[str, PhotoResult] = {}
        self.kept: list[tuple[str, str, str]] = []
        self.asked: list[str] = []

    def find(self, content_hash: str) -> PhotoResult | None:
        self.asked.append(content_hash)
        return self.known.get(content_hash)

    def keep(self, source: PhotoSource, content_hash: str, result: PhotoResult) -> None:
        self.kept.append((source.path, content_hash, result.status))
        if content_hash:
            self.known.setdefault(content_hash, result)


class TestAStoreOfAnalyses:
    """What is known of a content is not computed again."""

    def test_every_photo_is_kept_and_known_by_content(
        self, make_analyser: Make, detector: FakeDetector, tmp_path: Path
    ) -> None:
        store, data = FakeStore(), picture((RED, 0, 0, 40))
        first = list(make_analyser(store=store).analyse([PhotoSource("a", data), PhotoSource(str(tmp_path / "none"))]))
        again = list(make_analyser(store=store).analyse([PhotoSource("moved", data)]))

        assert detector.batches == [["a"]]
        assert (again[0].faces, again[0].width) == (first[0].faces, 100)
        digest = hashlib.sha256(data).hexdigest()
        kept = [("a", digest, "ok"), (str(tmp_path / "none"), "", "error"), ("moved", digest, "ok")]
        assert sorted(store.kept) == sorted(kept)

    def test_a_file_whose_content_is_known_is_not_even_read(self, make_analyser: Make, tmp_path: Path) -> None:
        store = FakeStore()
        path = write_picture(tmp_path / "photo.png", (RED, 0, 0, 40))
        (first,) = make_analyser(store=store).analyse([PhotoSource(path)])
        Path(path).unlink()

        (again,) = make_analyser(store=store).analyse([PhotoSource(path, content_hash=first.content_hash)])

        assert (again.error, again.faces) == (None, first.faces)

    def test_a_known_file_that_cannot_be_read_any_more_has_no_content(
        self, make_analyser: Make, tmp_path: Path
    ) -> None:
        store = FakeStore()

        (analysis,) = make_analyser(store=store).analyse([PhotoSource(str(tmp_path / "gone"), content_hash="ab")])

        assert analysis.error is not None
        assert store.kept == [(str(tmp_path / "gone"), "", "error")]

    def test_networks_are_prepared_only_for_what_is_not_known(self, make_analyser: Make) -> None:
        store, prepared = FakeStore(), []

        def analyse(colour: tuple[int, int, int]) -> None:
            source = PhotoSource("photo", picture((colour, 0, 0, 40)))
            list(make_analyser(store=store, prepare=lambda: prepared.append(colour)).analyse([source]))

        for colour in (RED, RED, BLUE):
            analyse(colour)

        assert prepared == [RED, BLUE]

    def test_an_error_names_the_file_that_it_is_about(self, make_analyser: Make) -> None:
        store = FakeStore()
        for path in ("a\n.jpg", "b.jpg"):
            (analysis,) = make_analyser(store=store).analyse([PhotoSource(path, b"no picture at all")])

        assert analysis.error is not None
        assert analysis.error.message == "b.jpg is not a picture in any format that is read"

    def test_photos_that_are_to_be_drawn_are_decoded_but_not_computed_again(
        self, make_analyser: Make, detector: FakeDetector
    ) -> None:
        store, source = FakeStore(), sources(1)
        (first,) = make_analyser(store=store).analyse(source)

        (analysis,) = make_analyser(store=store, keep_photos=True).analyse(source)

        assert analysis.photo is not None
        assert (analysis.faces, len(detector.batches)) == (first.faces, 1)


def test_a_face_that_cannot_be_aligned_is_left_out_with_a_warning(make_analyser: Make) -> None:
    data = picture((FACELESS, 0, 0, 50), (GREEN, 60, 60, 20))

    (analysis,) = make_analyser().analyse([PhotoSource("both", data)])

    (face,) = analysis.faces
    assert face.embedding is not None
    assert face.embedding.vector.tolist() == [0, 1, 0]
    assert analysis.warnings == ("a face was left out: the landmarks coincide",)


def test_a_face_that_cannot_be_embedded_is_left_out_with_a_warning_and_stops_no_other(make_analyser: Make) -> None:
    both = PhotoSource("both", picture((BLANK, 0, 0, 50), (GREEN, 60, 60, 20)))
    blank = PhotoSource("blank", picture((BLANK, 0, 0, 50)))
    last = PhotoSource("last", picture((BLUE, 0, 0, 50)))

    analyses = list(make_analyser(jobs=3).analyse([both, blank, last]))

    vectors = [[face.embedding.vector.tolist() for face in each.faces if face.embedding] for each in analyses]
    assert vectors == [[[0, 1, 0]], [], [[0, 0, 1]]]
    warning = "a face was left out: the embedder gave no vector for it"
    assert [each.warnings for each in analyses] == [(warning,), (warning,), ()]
    assert [each.result({}).status for each in analyses] == ["ok", "no_face", "ok"]


def test_a_decoded_photo_is_taken_as_it_is(make_analyser: Make) -> None:
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[5:25, 10:30] = BLUE

    (analysis,) = make_analyser().analyse([PhotoSource("memory", photo=Photo(pixels))])

    assert analysis.faces[0].detection.box_xyxy.tolist() == [10, 5, 30, 25]
    assert analysis.content_hash == hashlib.sha256(pixels.tobytes()).hexdigest()


class TestSmallFacesOfLargePhotos:
    """A 512-pixel JPEG is decoded at 1/8 for a detector that wants 64 pixels."""

    @pytest.fixture
    def detector(self) -> FakeDetector:
        return FakeDetector(max_long_side_px=64)

    @pytest.fixture
    def embedder(self) -> FakeEmbedder:
        return FakeEmbedder(side_px=16)

    def source(self, *squares: object, damaged: bool = False) -> PhotoSource:
        data = picture(*squares, side=512, file_format="JPEG")
        return PhotoSource("large.jpg", data[: len(data) // 2] if damaged else data)

    def test_a_large_face_is_cut_from_the_reduced_photo(self, make_analyser: Make, embedder: FakeEmbedder) -> None:
        (analysis,) = make_analyser().analyse([self.source((RED, 64, 64, 128))])

        assert embedder.scales == [0.125]
        assert analysis.faces[0].detection.box_xyxy.tolist() == [64, 64, 192, 192]

    @pytest.mark.parametrize(("side", "scale"), [(64, 0.125), (32, 0.25), (16, 0.5), (8, 1.0)])
    def test_the_smallest_face_decides_at_which_scale_the_photo_is_decoded_again(
        self, make_analyser: Make, embedder: FakeEmbedder, side: int, scale: float
    ) -> None:
        (analysis,) = make_analyser().analyse([self.source((RED, 64, 64, 128), (GREEN, 256, 256, side))])

        assert embedder.scales == [scale, scale]
        assert [face.embedding.vector.tolist() for face in analysis.faces if face.embedding] == [[1, 0, 0], [0, 1, 0]]
        assert analysis.result({}).width == 512

    def test_a_photo_that_cannot_be_decoded_larger_is_used_as_it_is(
        self, make_analyser: Make, embedder: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decode = analysis_module.decode_photo

        def refuse_large(data: bytes, source: str, *, min_long_side: int, **options: object) -> Photo:
            if min_long_side > 64:
                raise UnreadableImageError("large.jpg has too many pixels", code="too_large")
            return decode(data, source, min_long_side=min_long_side, **options)

        monkeypatch.setattr(analysis_module, "decode_photo", refuse_large)

        (analysis,) = make_analyser().analyse([self.source((GREEN, 256, 256, 32))])

        assert embedder.scales == [0.125]
        assert analysis.faces[0].embedding is not None
        assert analysis.warnings == ("small faces were compared at a reduced scale: large.jpg has too many pixels",)

    @pytest.mark.parametrize("salvage", [False, True])
    def test_what_is_left_of_a_torn_photo_is_used_only_if_asked(self, make_analyser: Make, salvage: bool) -> None:
        torn = self.source((RED, 0, 0, 128), (BLUE, 0, 448, 64), damaged=True)

        (analysis,) = make_analyser(salvage=salvage).analyse([torn])

        if salvage:
            vectors = [face.embedding.vector.tolist() for face in analysis.faces if face.embedding]
            assert [1, 0, 0] in vectors  # beside the grey that stands for what is missing
            assert [0, 0, 1] not in vectors
            assert analysis.warnings == ("the file is truncated; what could be decoded of it was kept",)
        else:
            assert analysis.faces == ()
            assert analysis.error is not None
            assert analysis.error.code == "truncated"
