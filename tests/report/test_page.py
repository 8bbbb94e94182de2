from __future__ import annotations

import base64
import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from documents import DET, DOCUMENT, HOSTILE
from PIL import Image

from facecli.errors import FacecliError, UnreadableImageError
from facecli.report.document import PLOT_KINDS, Document, Picture, PictureGroup, Plot, Series, Table
from facecli.report.page import MOST_PHOTOS, prepare_folder, render_page, write_page
from facecli.report.plots import HOW_TO_READ
from facecli.report.thumbnails import LONG_SIDE_PX
from facecli.types import Photo

NOT_KNOWN: Final = "\N{EN DASH}"
VOID: Final = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """A page as a browser reads it: elements with their attributes, and the text outside of style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.text += " "
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read_photo(path: str, min_long_side: int | None) -> Photo:
    """Return a photo that is half red, half blue; there is none that is not called .jpg."""
    if "script" in path or not path.endswith(".jpg"):
        raise UnreadableImageError(f"{path} is no photo")
    pixels = np.zeros((400, 800, 3), np.uint8)
    pixels[:, :400, 0] = pixels[:, 400:, 2] = 255
    return Photo(pixels if min_long_side is None else pixels[::2, ::2], path, 800, 400)


def thumbnails(html: str) -> list[Image.Image]:
    uris = [each["src"] or "" for each in Page(html).all("img")]
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in uris)
    return [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in uris]


@pytest.fixture(scope="module")
def html() -> str:
    return render_page(DOCUMENT, read_photo)


def test_the_same_document_gives_the_same_bytes(html: str) -> None:
    assert render_page(DOCUMENT, read_photo) == html


def test_a_page_asks_for_nothing_and_runs_nothing(html: str) -> None:
    page = Page(html)
    policies = [each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]

    assert page.open == []
    assert policies
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in (policies[0] or "")
    assert {"script", "link", "iframe", "object", "form", "a"} & {tag for tag, _ in page.elements} == set()
    for _, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))
    assert re.findall(r"@import|url\((?!#)", html) == []
    # Names of XML's vocabularies look like addresses, but nothing is asked for there.
    assert set(re.findall(r"\w+://[^\"'\s>]+", html)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_everything_that_was_found_is_there_for_people(html: str) -> None:
    text = " ".join(Page(html).text.split())

    for said in (
        "Verification <b>",
        "photos 13,233",
        "Warning: 2 photos hold no face",
        "Rates At the target. model FMR FNMR pairs errors",
        "sface 0.0010 0.0103 3,000 31",
        f"[b]x[/b] 0.0001 {NOT_KNOWN} 3,000 {NOT_KNOWN}",
        "Wilson, 95 %.",
        "DET FNMR against FMR.",
        f"How to read this. {HOW_TO_READ['det']}",
        "Worst Lowest scores.",
        "0.25 Ana & Bob",
    ):
        assert said in text
    numeric = [each for each in Page(html).all("th") if each.get("class") == "number"]
    assert len(numeric) == 4


def test_every_kind_of_plot_says_how_to_read_it() -> None:
    plots = []
    for kind in PLOT_KINDS:
        x = (0.1, 0.2, 0.3) if kind == "histogram" else (0.1, 0.2)
        plots.append(Plot(kind, "", kind, (Series("s", x, (0.5, 0.6)),)))
    text = Page(render_page(Document("D", plots=tuple(plots)), read_photo)).text

    assert all(HOW_TO_READ[kind] in text for kind in PLOT_KINDS)


def test_a_photo_that_cannot_be_read_is_shown_by_its_name(html: str) -> None:
    page = Page(html)

    assert "script>\\n\\x1b[31m\\udcff.jpg" in page.text
    assert [each["title"] for each in page.all("div") if each.get("class") == "unreadable"] == [
        HOSTILE.replace("\n", "\\n").replace("\x1b", "\\x1b").replace("\udcff", "\\udcff")
    ]
    assert [each["alt"] for each in page.all("img")] == ["b.jpg"]
    html.encode("utf-8")


def test_text_of_others_is_shown_and_never_obeyed() -> None:
    evil = "\"'><script>alert(1)</script>{{ 7 * 7 }}\n\udcff"
    document = Document(
        evil,
        {evil: evil},
        (Table(evil, evil, (evil,), ((evil,),), evil),),
        (Plot(evil, evil, "line", (Series(evil, (1.0, 2.0), (1.0, 2.0)),), evil, evil),),
        (PictureGroup(evil, evil, (Picture((evil, f"{evil}.jpg"), evil),)),),
        (evil,),
    )
    page = Page(render_page(document, read_photo))

    assert page.all("script") == []
    assert page.text.count("alert(1)") >= 15
    assert "49" not in page.text
    assert "\udcff" not in page.text


def test_pictures_are_small_and_bare(html: str) -> None:
    (picture,) = thumbnails(html)

    assert picture.size == (LONG_SIDE_PX, LONG_SIDE_PX // 2)
    assert dict(picture.getexif()) == {}


def test_of_a_box_its_face_is_shown() -> None:
    boxes = ((60.0, 120.0, 160.0, 220.0), None, (5000.0, 0.0, 6000.0, 10.0))
    group = PictureGroup("G", "", (Picture(("a.jpg", "b.jpg", "c.jpg"), "three", boxes_xyxy=boxes),))

    face, whole, outside = thumbnails(render_page(Document("D", pictures=(group,)), read_photo))

    assert face.width == face.height == 200  # the face and half of it on every side; not blown up
    assert np.array(face)[..., 2].max() < 40  # all from the red half
    assert whole.size == outside.size == (240, 120)


def test_a_page_holds_so_many_photos_of_each_group_and_says_what_is_left_out() -> None:
    pairs = tuple(Picture(("a.jpg", "b.jpg"), f"pair {number}") for number in range(40))
    few = PictureGroup("Few", "", (Picture(("a.jpg",), "one"),))
    page = Page(render_page(Document("D", pictures=(PictureGroup("Many", "", pairs), few)), read_photo))

    assert len(page.all("img")) == MOST_PHOTOS // 2 + 1
    assert "25 more are not shown here" in page.text
    assert "pair 14" in page.text
    assert "pair 15" not in page.text
    assert "one" in page.text


def test_a_page_replaces_an_earlier_one_and_is_for_its_owner_alone(tmp_path: Path, html: str) -> None:
    folder = tmp_path / "new" / "report"
    path = write_page(Document("Old"), folder, read_photo)
    path.chmod(0o644)

    assert write_page(DOCUMENT, folder, read_photo) == path == folder / "index.html"
    assert path.read_text(encoding="utf-8") == html
    assert list(folder.iterdir()) == [path]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("write", [prepare_folder, lambda folder: write_page(Document("D"), folder, read_photo)])
def test_a_folder_that_cannot_be_made_is_named(write: object, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(FacecliError, match=r"cannot write the report .*file: ") as caught:
        write(tmp_path / "file")  # type: ignore[operator]
    assert (caught.value.code, caught.value.exit_code) == ("cannot_write", 1)


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.html").symlink_to(tmp_path / "absent" / "index.html")

    with pytest.raises(FacecliError, match=r"cannot write the report .*index\.html: No such file") as caught:
        write_page(Document("D"), tmp_path, read_photo)
    assert caught.value.code == "cannot_write"


def test_a_page_of_plots_is_less_than_a_megabyte() -> None:
    x = tuple(np.linspace(0, 1, 100_000))
    curves = tuple(Series(f"s{number}", x, x[::-1], x[::-1], x[::-1]) for number in range(4))
    plots = tuple(Plot(f"P{number}", "", DET.kind, curves) for number in range(2))

    assert len(render_page(Document("D", plots=plots), read_photo)) < 500_000
