import pytest

from facecli.errors import InputError, ModelMismatchError
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.types import Candidate


def test_candidates_are_people_by_their_best_template(gallery, template):
    gallery.add_templates("Ana", [template(1), template(2)])
    gallery.add_templates("Bo", [template(3)])
    probe = template(2).embedding
    score = float(probe.vector.astype(float) @ template(3).embedding.vector)
    ((first, second),) = GallerySearch(gallery).candidates([probe], 5)
    assert first == Candidate(rank=1, person_id=1, name="Ana", template_id=2, score=1.0)
    assert (second.rank, second.name, second.template_id) == (2, "Bo", 3)
    assert second.score == pytest.approx(score, abs=1e-6)  # float32 rounding
    assert GallerySearch(gallery).candidates([probe], 1) == [(first,)]


def test_an_empty_gallery_has_no_candidates(gallery, template):
    search = GallerySearch(gallery)
    assert search.candidates([template(1).embedding, template(2).embedding], 3) == [(), ()]
    assert search.candidates([], 3) == []


def test_a_change_is_seen_even_if_another_process_made_it(tmp_path, template):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as writer, Gallery.open(path, read_only=True) as reader:
        search, probe = GallerySearch(reader), template(1).embedding
        names = lambda: [candidate.name for candidate in search.candidates([probe], 9)[0]]  # noqa: E731
        assert names() == []
        writer.add_templates("Ana", [template(1)])
        assert names() == ["Ana"]
        writer.rename_person("Ana", "Eva")
        writer.add_templates("Bo", [template(2)])
        assert names() == ["Eva", "Bo"]
        writer.remove_person("Eva")
        assert names() == ["Bo"]


def test_templates_are_read_once_for_each_revision(gallery, template, monkeypatch):
    gallery.add_templates("Ana", [template(1)])
    read: list[str] = []
    matrix = gallery.matrix
    monkeypatch.setattr(gallery, "matrix", lambda model_id: read.append(model_id) or matrix(model_id))
    search = GallerySearch(gallery)
    for _ in range(3):
        search.candidates([template(1).embedding], 1)
    assert read == ["sface"]
    gallery.add_person("Bo")
    search.candidates([template(1).embedding], 1)
    assert read == ["sface", "sface"]


def test_models_are_never_compared_with_each_other(gallery, template):
    gallery.add_templates("Ana", [template(1)])
    search = GallerySearch(gallery)
    with pytest.raises(ModelMismatchError, match="holds templates of sface, none of other"):
        search.candidates([template(1, model_id="other").embedding], 1)
    with pytest.raises(ModelMismatchError, match="by other and sface cannot be searched together"):
        search.candidates([template(1).embedding, template(1, model_id="other").embedding], 1)
    gallery.add_templates("Bo", [template(2, model_id="other")])
    ((candidate,),) = search.candidates([template(1, model_id="other").embedding], 5)
    assert candidate.name == "Bo"


def test_no_neighbour_asked_for_is_refused(gallery, template):
    with pytest.raises(InputError, match="0 neighbours"):
        GallerySearch(gallery).candidates([template(1).embedding], 0)


def test_another_version_of_the_same_model_is_told_as_that(gallery: Gallery, template) -> None:
    gallery.add_templates("Ana", [template(1, model_id="sface@0123")])
    with pytest.raises(ModelMismatchError, match="none of sface@4567") as caught:
        gallery.matrix("sface@4567")
    assert caught.value.hint == "It is from another version of sface: facecli gallery reembed --to sface"
