"""Whatever becomes of the file: an error, or exactly what was enrolled; never somebody else, a crash or a hang.

`tests/bench/gallery_damage.py` does the same for longer.
"""

import random
from pathlib import Path

import damage
import numpy as np
import pytest

from facecli.gallery import loading
from facecli.gallery.approximate_index import is_installed
from facecli.gallery.store import Gallery

ROUNDS = 300


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "g.db"
    damage.make_sound(path)
    return path


def test_a_damaged_gallery_refuses_or_answers_as_before(sound, tmp_path):
    data, expected = sound.read_bytes(), damage.answers(sound)
    assert expected["check"] == ()
    counts = sum(
        (damage.round_of_damage(data, expected, tmp_path, random.Random(seed)) for seed in range(ROUNDS)),
        start=damage.Counter(),
    )
    assert [what for what in counts if what.startswith("wrong")] == []
    assert min(counts["refused"], counts["same"]) > ROUNDS  # both happened, so that this says something


def test_every_bit_that_flips_in_a_vector_or_name_is_named(sound, tmp_path):
    data, path = sound.read_bytes(), tmp_path / "g.db"
    with Gallery.open(sound) as gallery:
        vectors = [each.embedding.vector.tobytes() for each in gallery.templates()]
        names = [person.name.encode() for person in gallery.people()]
    for seed in range(100):
        path.write_bytes(damage.flip_in(data, names if seed % 2 else vectors, random.Random(seed)))
        assert damage.is_found(path), seed


def test_every_template_that_changes_hands_is_named(sound, tmp_path):
    path = tmp_path / "g.db"
    for seed in range(50):
        path.write_bytes(sound.read_bytes())
        damage.change_owner(path, random.Random(seed))
        assert damage.is_found(path), seed


@pytest.mark.skipif(not is_installed(), reason="faiss is not installed")
def test_damaged_search_files_change_no_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "LEAST_TEMPLATES", 100)
    path = tmp_path / "g.db"
    damage.make_large(path, 500)
    with Gallery.open(path) as gallery:
        files, probes = damage.search_files(gallery), np.random.default_rng(7).standard_normal((3, damage.DIMENSION))
        expected = damage.searched(gallery, probes)
        template_file, approximate_index = files
        for seed in range(40):
            # The approximate index takes a second to be made again.
            damage.damage_search_file(files, template_file if seed % 20 else approximate_index, random.Random(seed))
            assert damage.searched(gallery, probes) == expected, seed
