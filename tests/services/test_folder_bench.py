from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import BLUE, GREEN, RED, FakeDetector, FakeEmbedder, write_picture

from facecli.errors import InputError
from facecli.services.analysis import Analyser, PhotoSource
from facecli.services.bench import FolderBench
from facecli.services.throughput import Rate


@pytest.fixture
def bench(detector: FakeDetector, embedder: FakeEmbedder, make_analyser: Callable[..., Analyser]) -> FolderBench:
    return FolderBench(detector, embedder, make_analyser(jobs=2), threads=2)


def sources(folder: Path, *pictures: tuple[object, ...]) -> list[PhotoSource]:
    return [PhotoSource(write_picture(folder / f"{number}.png", *squares)) for number, squares in enumerate(pictures)]


def test_what_is_counted_of_a_folder(bench: FolderBench, tmp_path: Path) -> None:
    photos = sources(tmp_path, ((RED, 0, 0, 20), (GREEN, 50, 50, 20)), ((BLUE, 0, 0, 20),), ())

    speed = bench.measure(photos, photos=10, seconds=0.5)

    assert (speed.photos_found, speed.photos_scanned, speed.failures) == (3, 3, ())
    assert speed.faces_per_photo == 1.0
    assert speed.megapixels == pytest.approx(0.01)
    assert speed.flops_per_photo is None
    for rate in (speed.scan, speed.read, speed.decode, speed.detect, speed.embed):
        assert rate.count > 0
        assert rate.per_second == pytest.approx(1000 / rate.ms_each)
    assert speed.peak_memory_bytes is None or speed.peak_memory_bytes > 2**20


def test_arithmetic_is_counted_by_what_networks_are_asked(
    bench: FolderBench, detector: FakeDetector, tmp_path: Path
) -> None:
    """A network of 1,000 operations a photo, and of none for a face."""
    counting = replace(bench, flops=lambda: 1000 * len(detector.batches))

    speed = counting.measure(sources(tmp_path, ((RED, 0, 0, 20),)), photos=10, seconds=0.2)

    assert speed.flops_per_photo == 1000


def test_a_sample_is_spread_over_the_folder(bench: FolderBench, detector: FakeDetector, tmp_path: Path) -> None:
    speed = bench.measure(sources(tmp_path, *[((RED, 0, 0, 20),)] * 9), photos=3, seconds=0.2)

    assert (speed.photos_found, speed.photos_scanned) == (9, 3)
    assert {Path(source).name for batch in detector.batches for source in batch} == {"0.png", "3.png", "6.png"}


def test_a_photo_that_fails_is_told_and_stops_nothing(bench: FolderBench, tmp_path: Path) -> None:
    photos = sources(tmp_path, ((RED, 0, 0, 20),), ())
    (tmp_path / "1.png").write_bytes(b"torn")

    speed = bench.measure(photos, photos=10, seconds=0.3)

    assert speed.photos_scanned == 2
    assert [error.code for error in speed.failures] == ["not_an_image"]
    assert speed.faces_per_photo == 1.0


def test_no_face_at_all_leaves_embedding_unknown(bench: FolderBench, tmp_path: Path) -> None:
    speed = bench.measure(sources(tmp_path, ()), photos=10, seconds=0.2)

    assert (speed.embed, speed.embed.per_second, speed.embed.ms_each) == (Rate(), None, None)


def test_a_folder_without_photos_and_one_of_broken_ones(bench: FolderBench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no photos to measure"):
        bench.measure([], photos=10, seconds=0.2)
    (tmp_path / "a.jpg").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"none of 1 photos can be read: .*a\.jpg"):
        bench.measure([PhotoSource(str(tmp_path / "a.jpg"))], photos=10, seconds=0.2)
