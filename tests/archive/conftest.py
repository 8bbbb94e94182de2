"""Galleries in memory, and an archive of two people."""

from __future__ import annotations

from pathlib import Path

import pytest
from archives import write

from facecli.gallery.store import Gallery


@pytest.fixture
def gallery():
    with Gallery.open(":memory:") as opened:
        yield opened


@pytest.fixture
def other():
    with Gallery.open(":memory:") as opened:
        yield opened


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "people.zip")
