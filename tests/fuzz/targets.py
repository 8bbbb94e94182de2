"""What reads bytes of strangers: for each reader the bytes to begin with, and a call that reads some."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Target = tuple[list[bytes], Callable[[bytes], object]]

ROOT = Path(__file__).resolve().parents[2]


def photo() -> Target:
    """Photos of every format, with orientation and colour profile."""
    from facecli.media.files import ImageLimits
    from facecli.media.images import decode_photo

    limits = ImageLimits(max_pixels=4_000_000, max_decoded_pixels=4_000_000)

    def read(data: bytes) -> None:
        decode_photo(data, "x", limits=limits)

    return _photos(), read


def salvage() -> Target:
    """The same, with what is left of damaged ones, at a reduced scale."""
    from facecli.media.files import ImageLimits
    from facecli.media.images import decode_photo

    limits = ImageLimits(max_pixels=4_000_000, max_decoded_pixels=4_000_000)

    def read(data: bytes) -> None:
        decode_photo(data, "x", limits=limits, salvage=True, min_long_side=16)

    return _photos(), read


def exif() -> Target:
    """The orientation in a photo's EXIF block."""
    from facecli.media.orientation import orientation_from_exif

    def read(data: bytes) -> None:
        orientation_from_exif(data)

    block = Image.Exif()
    block[0x0112] = 6
    return [block.tobytes(), b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"], read


def file_list() -> Target:
    """Lists of files."""
    from facecli.media.folder import read_file_list

    def read(data: bytes) -> None:
        for nul in (False, True):
            list(read_file_list(io.BytesIO(data), nul=nul))

    return [b"a.jpg\nb.jpg\r\n\n", b"a\0b\nc\0", "أحمد\n".encode()], read


def settings() -> Target:
    """A facecli.toml that lies in a folder."""
    from facecli.settings import load_settings

    def read(data: bytes) -> None:
        Path("facecli.toml").write_bytes(data)
        load_settings({}, {"FACECLI_CONFIG": ""}, Path())

    return [b'gallery = "a.db"\nfpir = 0.01\nmirror = false\njobs = 2\n', b'precision = "bf16"\nmin_face = 20\n'], read


def manifest() -> Target:
    """A model's manifest, and its scores."""
    from facecli.runtime.manifest import read_manifest
    from facecli.runtime.score_file import read_scores

    folder = Path("sface")
    folder.mkdir(exist_ok=True)
    shipped = ROOT / "models" / "sface"
    model_id = next(iter((shipped / "scores.toml").read_text().partition('model = "')[2].split('"')))

    def read(data: bytes) -> None:
        name = "scores.toml" if b"non_mated" in data else "manifest.toml"
        (folder / name).write_bytes(data)
        read_scores(folder, model_id) if name == "scores.toml" else read_manifest(folder / name)

    return [(shipped / "manifest.toml").read_bytes(), (shipped / "scores.toml").read_bytes()], read


def onnx_model() -> Target:
    """An ONNX file that is to be imported."""
    from onnx import TensorProto, helper, numpy_helper

    from facecli.runtime.imported import embedder_facts
    from facecli.runtime.onnx_graph import OnnxGraph

    weight = numpy_helper.from_array(np.ones((4, 3, 2, 2), np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"]),
        helper.make_node("GlobalAveragePool", ["y"], ["p"]),
        helper.make_node("Flatten", ["p"], ["z"]),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])
    gives = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 4])
    model = helper.make_model(helper.make_graph(nodes, "g", [given], [gives], [weight]))
    path = Path("model.onnx")

    def read(data: bytes) -> None:
        path.write_bytes(data)
        embedder_facts(path, path)
        OnnxGraph.from_file(path)

    return [model.SerializeToString()], read


def gallery() -> Target:
    """A gallery file of any schema, opened and read in every way."""
    from facecli.gallery.store import Gallery

    path = Path("gallery.db")
    seeds = [file.read_bytes() for file in sorted((ROOT / "tests" / "gallery" / "schemas").glob("*.sqlite"))]
    path.write_bytes(seeds[0])
    Gallery.open(path).close()  # brought up to date
    seeds.append(path.read_bytes())

    def read(data: bytes) -> None:
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        path.write_bytes(data)
        with Gallery.open(path) as opened:
            opened.info(check=True)
            opened.people()
            opened.templates()
            opened.matrix("sface")
            opened.searches("sface")
            opened.events()

    return seeds, read


def scan_record() -> Target:
    """What a scan kept of a photo."""
    from facecli.scans.analysis_record import decode_analysis, encode_analysis
    from facecli.types import Detection, Embedding, Face, PhotoResult, Quality

    vector = np.ones(8, np.float32) / np.sqrt(np.float32(8))
    landmarks = np.array([(20, 20), (40, 20), (30, 30), (22, 40), (38, 40)], np.float32)
    face = Face(
        Detection(np.array((10, 10, 50, 60), np.float32), landmarks, 0.9),
        Quality(0.5, ("blurred",), {"sharpness": 1.0}, "sharpness"),
        Embedding(vector, "m"),
    )
    found = PhotoResult("a.jpg", "ok", 100, 100, (face, face))

    def read(data: bytes) -> None:
        decode_analysis(data)

    return [encode_analysis(found), encode_analysis(PhotoResult("a.jpg", "no_face", 10, 10))], read


def pairs() -> Target:
    """Lists of pairs to verify, and of faces that photos hold."""
    from facecli.services.evaluate.face_boxes import read_face_boxes
    from facecli.services.evaluate.pair_list import read_pairs

    path = Path("list.csv")
    for name in (
        "Ana/1.jpg",
        "Ana/2.jpg",
        "Bo/1.jpg",
        "Ana/Ana_0001.jpg",
        "Ana/Ana_0002.jpg",
        "Bo/Bo_0002.jpg",
        "a.jpg",
    ):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"")

    def read(data: bytes) -> None:
        path.write_bytes(data)
        read_face_boxes(path) if b"left" in data or data[:1] in b"{[" else read_pairs(path, Path())

    boxes = json.dumps({"path": "a.jpg", "faces": [[1, 2, 3, 4]]}).encode()
    return [
        b"mated,file_a,file_b\n1,Ana/1.jpg,Ana/2.jpg\n0,Ana/1.jpg,Bo/1.jpg\n",
        b"10\t2\nAna\t1\t2\nAna\t1\tBo\t2\n",
        b"file,left,top,right,bottom\na.jpg,1,2,30,40\n",
        boxes,
    ], read


def names() -> Target:
    """People's names, notes of consent, and when these end."""
    from datetime import date

    from facecli.gallery.consent import Consent, read_expiry
    from facecli.gallery.names import normalise_name

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        normalise_name(text)
        try:
            Consent.of_text(text)
        except ValueError:
            read_expiry(text, date(2026, 1, 1))

    return ["Zoë Müller".encode(), b'{"basis": "signed", "expires": "2030-01-01"}', b"2y", "أحمد".encode()], read


def archive() -> Target:
    """An archive of a gallery; what is sound goes on with parts whose SHA-256 is right whatever is in them."""
    import hashlib
    import zipfile

    from facecli.archive.format import ArchivedPerson, ArchivedTemplate
    from facecli.archive.reader import ArchiveReader
    from facecli.archive.writer import ArchiveWriter
    from facecli.gallery.store import Gallery
    from facecli.services.gallery_import import Content, import_content
    from facecli.types import Crop

    since, path = "2024-02-29T12:00:00Z", Path("archive.zip")
    vector = np.ones(4, np.float32) / 2
    template = ArchivedTemplate(vector, 1, 0.5, b"a\xff.jpg", "1", (1.0, 2.0, 30.0, 40.0), since, crop=1)
    stream = io.BytesIO()
    with ArchiveWriter(stream, "0.1.0") as writer:
        writer.write_people([ArchivedPerson("Ana", since, {"basis": "form"}), ArchivedPerson("Bo", since)])
        writer.write_templates("m@1", 4, [template])
        writer.write_crops([Crop(b"\xff\xd8\xff", np.ones((5, 2), np.float32))])
    with zipfile.ZipFile(stream) as file:
        whole = {name: file.read(name) for name in file.namelist()}
    separator = b"\0--\0"

    def packed(data: bytes) -> bytes:
        """Make an archive of members that lie one behind the other."""
        members = dict(zip(whole, data.split(separator), strict=False))
        try:
            manifest = json.loads(members["manifest.json"])
            manifest["sha256"] = {name: hashlib.sha256(members[name]).hexdigest() for name in manifest["sha256"]}
            members["manifest.json"] = json.dumps(manifest).encode()
        except (ValueError, KeyError, TypeError):
            pass  # the manifest itself is damaged
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as file:
            for name, content in members.items():
                file.writestr(zipfile.ZipInfo(name), content)
        return target.getvalue()

    def read(data: bytes) -> None:
        path.write_bytes(packed(data) if separator in data else data)
        with ArchiveReader(path) as found, Gallery.open(":memory:") as gallery:
            content = Content("x", found.manifest.models, found.people(), found.templates(), found.crop)
            import_content(gallery, content)
            if gallery.info(check=True).problems:
                raise ValueError("what was imported is not sound")

    return [stream.getvalue(), separator.join(whole.values())], read


def vector_table() -> Target:
    """Vectors with a name each, of numpy or CSV."""
    from facecli.archive.tables import read_table

    stream = io.BytesIO()
    np.savez(stream, embeddings=np.ones((2, 4), np.float32), names=np.array(["Ana", "Bo"]), qualities=np.ones(2))

    def read(data: bytes) -> None:
        path = Path("table.npz" if data[:1] == b"P" else "table.csv")
        path.write_bytes(data)
        read_table(path).units(is_raw=True)

    return [
        stream.getvalue(),
        b'name,embedding,quality,source\nAna,"[0.6, 0.8]",1,a.jpg\nBo,0.8 0.6,0.5,\n',
        b"name,e0,e1,model\nAna,0.6,0.8,sface\n",
    ], read


def _photos() -> list[bytes]:
    import pillow_heif

    pillow_heif.register_heif_opener()
    across, down = np.meshgrid(np.arange(48, dtype=np.uint8), np.arange(40, dtype=np.uint8))
    image = Image.fromarray(np.stack([across * 5, down * 6, across + down], 2))
    block = Image.Exif()
    block[0x0112] = 6
    tagged = {"exif": block.tobytes()}
    return [
        _encoded(image, "JPEG", quality=80, **tagged),
        _encoded(image, "JPEG", progressive=True, subsampling=0),
        _encoded(image.convert("CMYK"), "JPEG"),
        _encoded(image.convert("L"), "JPEG"),
        _encoded(image, "PNG", **tagged),
        _encoded(image.convert("P"), "PNG", transparency=3),
        _encoded(image.convert("I;16"), "PNG"),
        _encoded(image.convert("P"), "GIF", save_all=True, append_images=[image.convert("P")]),
        *(_encoded(image, "TIFF", compression=each) for each in ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate")),
        _encoded(image, "WEBP", **tagged),
        _encoded(image.convert("RGBA"), "WEBP", lossless=True),
        _encoded(image, "BMP"),
        _encoded(image, "HEIF", quality=50),
        _encoded(image, "AVIF", quality=50),
        _encoded(image, "JPEG2000"),
    ]


def _encoded(image: Image.Image, format_name: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


TARGETS: dict[str, Callable[[], Target]] = {
    each.__name__: each
    for each in (
        *(photo, salvage, exif, file_list, settings, manifest, onnx_model, gallery, scan_record, pairs, names),
        *(archive, vector_table),
    )
}
