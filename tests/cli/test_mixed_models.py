"""A gallery of several models: what one of them cannot find is an error or said, never a comparison across them."""

import pytest
from answers import named

from facecli.api import Recognizer
from facecli.errors import ModelMismatchError
from facecli.gallery.store import Gallery


@pytest.fixture
def mixed(run, gallery, sample_images):
    """Three people by SFace, one of them by MobileFaceNet too."""
    done = run("enroll", "Barack Obama", sample_images / "known" / "Barack Obama", "--embedder", "mobilefacenet")
    assert done.code == 0, done.err
    return gallery


SAID = "2 people are not found with mobilefacenet, as no template is of it: facecli gallery reembed --to mobilefacenet"


def test_enrolling_with_another_model_says_whom_it_does_not_find(run, gallery, obama):
    done = run("enroll", "Barack Obama", obama, "--embedder", "mobilefacenet")
    assert (done.code, SAID in done.err) == (0, True)
    assert SAID not in run("enroll", "Barack Obama", obama, "--embedder", "mobilefacenet", "--quiet").err


@pytest.mark.parametrize("command", ["identify", "scan"])
def test_searching_says_it_too_and_compares_within_the_model_alone(run, mixed, sample_images, command):
    done = run(command, sample_images / "known", "--embedder", "mobilefacenet", "--format", "jsonl")
    assert SAID in done.err
    assert named(done.records) == [["Barack Obama"], [None], [None]]
    by_default = run(command, sample_images / "known", "--format", "jsonl")
    assert "not found with" not in by_default.err
    assert named(by_default.records) == [["Barack Obama"], ["Emmanuel Macron"], ["Jacinda Ardern"]]


def test_after_reembed_nobody_is_missing(run, mixed, sample_images):
    assert run("gallery", "reembed", "--to", "mobilefacenet").code == 0
    done = run("identify", sample_images / "known", "--embedder", "mobilefacenet", "--format", "jsonl")
    assert "not found with" not in done.err
    assert named(done.records) == [["Barack Obama"], ["Emmanuel Macron"], ["Jacinda Ardern"]]


@pytest.mark.parametrize("words", [("identify",), ("scan",)], ids=lambda words: words[0])
def test_a_model_that_the_gallery_has_nothing_of_is_refused(run, gallery, sample_images, words):
    done = run(*words, sample_images / "known", "--embedder", "mobilefacenet")
    assert done.code == 5
    assert "none of mobilefacenet@" in done.err
    assert "Use --embedder sface, or let the gallery follow: facecli gallery reembed --to mobilefacenet" in done.err


def test_calibrate_refuses_it_too(run, gallery):
    done = run("calibrate", "--embedder", "mobilefacenet")
    assert (done.code, "none of mobilefacenet@" in done.err) == (5, True)


def test_the_python_interface_refuses_it_too(gallery, obama):
    with (
        Recognizer(gallery, embedder="mobilefacenet") as recognizer,
        pytest.raises(ModelMismatchError, match="none of mobilefacenet@"),
    ):
        list(recognizer.identify([obama]))


def test_whom_a_model_does_not_find_are_counted(mixed):
    with Gallery.open(mixed) as opened:
        sface, other = sorted(opened.info().templates, key=lambda each: not each.startswith("sface"))
        assert (opened.people_without(sface), opened.people_without(other)) == (0, 2)
        assert opened.people_without("a third") == 3
        opened.add_person("Somebody without photos")
        assert opened.people_without(other) == 2
        opened.remove_person("Emmanuel Macron")
        assert opened.people_without(other) == 1
