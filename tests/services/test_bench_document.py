from __future__ import annotations

from dataclasses import replace

import pytest

from facecli.report.document import Document
from facecli.services.bench import FolderSpeed
from facecli.services.bench_document import Machine, bench_document
from facecli.services.throughput import Rate
from facecli.types import PhotoError

# 10 photos/s: 20 ms decoding, 50 ms detection, 2 faces of 10 ms, and 10 ms of nobody's.
SPEED = FolderSpeed(
    photos_found=500,
    photos_scanned=200,
    failures=(),
    faces_per_photo=2.0,
    megapixels=12.0,
    megabytes=4.0,
    scan=Rate(100, 10.0, 18.0),
    read=Rate(200, 1.0, 0.5),
    decode=Rate(100, 2.0, 4.0),
    detect=Rate(100, 5.0, 10.0),
    embed=Rate(100, 1.0, 2.0),
    peak_memory_bytes=300 << 20,
    flops_per_photo=3e9,
)
MACHINE = Machine(
    on_cpu=True,
    cores=2,
    threads=2,
    precision="f32",
    peaks={"f32": 1e11, "bf16": 2e11},
    mirror=True,
    detector="centerface",
)


def document(speed: FolderSpeed = SPEED, **machine: object) -> Document:
    return bench_document(speed, replace(MACHINE, **machine), folder="album", model={"detector": "centerface"})


def advice(found: Document) -> dict[str, float]:
    tables = {table.name: table for table in found.tables}
    return {str(row[0]): row[2] for row in tables["What would help"].rows} if "What would help" in tables else {}


def test_the_limit_is_decoding_and_arithmetic_one_after_the_other() -> None:
    facts = document().facts

    assert facts["scan, photos/s"] == pytest.approx(10)
    assert facts["limit, photos/s"] == pytest.approx(1 / (0.020 + 3e9 / 1e11))
    assert facts["share of the limit"] == pytest.approx(0.5)
    assert facts["most of the time"] == "finding faces"
    assert facts["peak memory, MiB"] == 300
    assert facts["share of the cores"] == pytest.approx(0.9)


def test_on_a_gpu_the_two_overlap() -> None:
    facts = document(on_cpu=False).facts
    assert facts["limit, photos/s"] == pytest.approx(1 / 0.030)


def test_what_cannot_be_counted_has_no_limit() -> None:
    facts = document(replace(SPEED, flops_per_photo=None)).facts
    assert facts["limit, photos/s"] is None
    assert facts["share of the limit"] is None


def test_each_step_beside_the_scan() -> None:
    steps = {row[0]: row[1:] for row in document().tables[0].rows}

    assert steps["decode"] == pytest.approx((50, 40, 20, 0.2))
    assert steps["embed faces"] == pytest.approx((100, 20, 20, 0.2))
    assert steps["scan: all of it"] == pytest.approx((10, 180, 100, 1))


def test_advice_says_what_each_setting_can_bring() -> None:
    found = advice(document())

    assert found == pytest.approx({
        "--device cuda": 1 / (0.100 - 0.070),
        "--detector yunet": 1 / (0.100 - 0.0375),
        "--precision bf16": 1 / (0.100 - 0.035),
        "--no-mirror": 1 / (0.100 - 0.010),
    })  # fmt: skip
    assert list(found) == ["--device cuda", "--detector yunet", "--precision bf16", "--no-mirror"]


def test_only_what_is_not_set_yet_is_advised() -> None:
    found = document(precision="bf16", mirror=False, detector="yunet", on_cpu=False)
    assert advice(found) == {}


def test_fewer_threads_than_cores_are_told() -> None:
    assert advice(document(cores=4))["--jobs 4"] == pytest.approx(20)


def test_what_to_beware_of() -> None:
    failures = (PhotoError("not_an_image", "a.jpg is no picture"),)
    speed = replace(SPEED, failures=failures, scan=Rate(5, 0.5, 0.5))

    assert document(speed).warnings == (
        "1 of 200 photos could not be read, such as: a.jpg is no picture",
        "the scan was measured for 0.5 s only; give it more --seconds",
        "the scan got 50% of the cores: something else keeps them busy, or files come slowly",
    )
