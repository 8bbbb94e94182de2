"""Is this installation sound? Every part is tried, and one that fails hides no other."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from facecli.app import App
from facecli.errors import FacecliError, GalleryCorruptError, MachineError
from facecli.runtime.device import cuda_device_count
from facecli.runtime.fusion import all_fusions
from facecli.runtime.manifest import shipped_models
from facecli.runtime.weights import cached_models, verify
from facecli.settings import Settings

PACKAGES: Final = (
    "numpy", "opencv-python", "pillow", "pillow-heif", "openvino", "onnx", "torch", "torchvision", "facenet-pytorch",
    "safetensors", "cryptography",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "note", "failed"]
    detail: str
    hint: str = ""
    exit_code: int = 0


def check_health(settings: Settings) -> list[Check]:
    """Try device, engine, weights and gallery, and list what is installed."""
    import facecli

    app = App(settings)
    return [
        Check("facecli", "ok", f"{facecli.__version__} on Python {platform.python_version()}, {_system()}"),
        Check("packages", "ok", ", ".join(f"{name} {_version(name)}" for name in PACKAGES)),
        _tried("device", lambda: f"{app.device} ({cuda_device_count()} CUDA devices; asked for: {settings.device})"),
        _tried("engine", lambda: f"{app.engine.name}, {app.engine.precision}"),
        _tried("weights", lambda: _verify_all(settings)),
        _tried("identify", lambda: _try_networks(app)),
        _gallery(app),
    ]


def _system() -> str:
    """Name the operating system; `platform.platform` would start a program to find out."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _tried(name: str, probe: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", probe())
    except FacecliError as error:
        return Check(name, "failed", error.message, error.hint, error.exit_code)


def _verify_all(settings: Settings) -> str:
    models = {**cached_models(settings.cache_dir / "models"), **shipped_models()}
    for manifest in models.values():
        verify(manifest.path, manifest.sha256, hint="Reinstall facecli, or pull the model again.")
    made = [f"{fusion.name} of {fusion.part_names}" for fusion in all_fusions(settings.cache_dir / "models")]
    return f"{len(models)} models, every SHA-256 as it should be: {', '.join(sorted(models))}; made: {', '.join(made)}"


def _try_networks(app: App) -> str:
    """Run the chosen detector and embedder on a picture of noise."""
    import numpy as np

    from facecli.types import AlignedFace, Detection, Photo

    noise = np.random.default_rng(0).integers(0, 255, (160, 160, 3), np.uint8)
    app.detector.detect([Photo(noise)])
    side = app.embedder.side_px
    face = Detection(np.array([0, 0, side, side], np.float32), np.zeros((5, 2), np.float32), 1.0)
    crop = np.resize(noise, (side, side, 3))
    (embedding,) = app.embedder.embed([AlignedFace(crop, np.eye(2, 3, dtype=np.float32), face)])
    if embedding is None:
        raise MachineError(f"{app.embedder.model_id} gives no vector on {app.device}", hint="Try another --device.")
    return f"{app.settings.detector} and {embedding.model_id} run"


def _gallery(app: App) -> Check:
    try:
        with app.open_gallery(read_only=True) as gallery:
            about = gallery.info(check=True)
    except FacecliError as error:
        if error.code == "gallery_missing":
            return Check(
                "gallery", "note", f"none yet at {app.settings.gallery_path}", "Enrol somebody: facecli enroll"
            )
        return Check("gallery", "failed", error.message, error.hint, error.exit_code)
    if about.problems:
        return Check(
            "gallery",
            "failed",
            "; ".join(about.problems),
            "Take a backup: facecli gallery restore latest",
            GalleryCorruptError.exit_code,
        )
    count = sum(about.templates.values())
    return Check("gallery", "ok", f"{about.people} people, {count} templates, sound, in {about.path}")
