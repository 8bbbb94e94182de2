"""Faces of the photos that ship, found once."""

from __future__ import annotations

from pathlib import Path

import pytest
from portraits import read_photo, reduced

from facecli.detect import centerface
from facecli.detect.letterbox import DetectionSize
from facecli.detect.single_shot import SingleShotDetector
from facecli.runtime.manifest import shipped_models
from facecli.runtime.openvino_engine import OpenVinoEngine
from facecli.types import Detection, Photo


@pytest.fixture(scope="session")
def detector() -> SingleShotDetector:
    manifest = shipped_models()["centerface"]
    network = OpenVinoEngine().load(manifest.path, manifest.preprocessing)
    return SingleShotDetector(network, centerface.decode, size=DetectionSize(None, 25), threshold=0.5)


@pytest.fixture(scope="session")
def portrait(detector: SingleShotDetector, sample_images: Path) -> tuple[Photo, Detection]:
    """A frontal portrait in good light with the one face in it, reduced to a face of about 150 pixels."""
    photo = read_photo(next(iter(sorted((sample_images / "known").rglob("obama*.jpg")))))
    return reduced(photo, detector.detect([photo])[0][0], 150.0)
