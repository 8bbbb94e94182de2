from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.mark.parametrize(("embedder", "dimension"), [("sface", 128), ("mobilefacenet", 192), ("dlib-resnet", 128)])
def test_a_unit_vector_a_face(run, macron: Path, embedder: str, dimension: int) -> None:
    done = run("embed", macron, "--embedder", embedder)

    (face,) = done.records[0]["faces"]
    assert done.code == 0
    assert len(face["embedding"]) == dimension
    assert np.linalg.norm(face["embedding"]) == pytest.approx(1, abs=1e-5)
    assert face["quality"]["score"] > 0.5
    assert "name" not in face
    assert done.records[0]["model"]["embedder"].startswith(f"{embedder}@")


def test_the_mirror_image_counts_unless_refused(run, obama: Path) -> None:
    with_mirror, without = (
        np.array(run("embed", obama, *words).records[0]["faces"][0]["embedding"]) for words in ([], ["--no-mirror"])
    )

    assert 0.8 < with_mirror @ without < 0.9999


def test_csv_holds_the_vector_in_one_cell(run, macron: Path) -> None:
    header, row = run("embed", macron, "-f", "csv").out.splitlines()

    assert header.endswith(",embedding")
    assert len(row.rsplit(",", 1)[1].split()) == 128


def test_a_photo_that_fails(run) -> None:
    done = run("embed", "absent.jpg")

    assert (done.code, done.records[0]["faces"]) == (3, [])
