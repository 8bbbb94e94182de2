"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the development data, which does not ship: $FACECLI_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("FACECLI_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"development data not found at {folder}; set FACECLI_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def originals_dir() -> Path:
    """Return the files that the models were made from: $FACECLI_ORIGINALS, or ../shared/weights beside the checkout."""
    folder = Path(os.environ.get("FACECLI_ORIGINALS", ROOT.parent / "shared" / "weights"))
    if not folder.is_dir():
        pytest.skip(f"original weights not found at {folder}; set FACECLI_ORIGINALS to their folder")
    return folder


@pytest.fixture(scope="session")
def sample_images() -> Path:
    """Return the photos that ship with the project."""
    return ROOT / "sample_images"
