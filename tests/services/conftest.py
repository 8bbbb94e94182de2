"""An analyser of fakes, and a gallery in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fakes import FakeDetector, FakeEmbedder, judge

from facecli.gallery.store import Gallery
from facecli.services.analysis import Analyser


@pytest.fixture
def detector() -> FakeDetector:
    return FakeDetector()


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture
def make_analyser(detector: FakeDetector, embedder: FakeEmbedder) -> Callable[..., Analyser]:
    def make(*, embed: bool = True, **options: object) -> Analyser:
        return Analyser(detector, embedder if embed else None, judge, model={"detector": "fake"}, **options)

    return make


@pytest.fixture
def analyser(make_analyser: Callable[..., Analyser]) -> Analyser:
    return make_analyser(jobs=2)


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    with Gallery.open(":memory:") as opened:
        yield opened
