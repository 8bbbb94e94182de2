"""MTCNN: three small networks in a row, each looking closer at what the one before proposed.

The weights come with the package facenet-pytorch; the loop around them is our own: it takes photos of different sizes
in one call, looks at faces that reach past the border without squeezing them, and warns of nothing.

References
----------
Zhang et al. (2016), Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks, IEEE Signal
Processing Letters 23(10).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from facecli.detect.candidates import Candidates, cut_out, joined, shifted, squared, suppress, suppress_nested
from facecli.detect.edges import edge_map
from facecli.detect.letterbox import DetectionSize, Letterbox, letterbox
from facecli.errors import DeviceError, MachineError
from facecli.geometry import areas
from facecli.runtime.device import Device
from facecli.runtime.weights import verify
from facecli.types import LANDMARK_COUNT, Detection, FloatArray, Photo, PixelArray

WEIGHTS_SHA256: Final = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
"""Of facenet-pytorch 2.5.3."""

# The proposal network sees windows of 12 pixels, one every 2 pixels. The pyramid shrinks by 0.709, so that each level
# has half the area of the one before. Thresholds and overlaps are those of facenet-pytorch, which are the authors'.
WINDOW_PX: Final = 12
WINDOW_STEP_PX: Final = 2
PYRAMID_FACTOR: Final = 0.709
PROPOSAL_THRESHOLD, REFINE_THRESHOLD = 0.6, 0.7
LEVEL_IOU_LIMIT, PROPOSAL_IOU_LIMIT, REFINE_IOU_LIMIT = 0.5, 0.7, 0.7
NESTED_SHARE_LIMIT: Final = 0.7  # of the smaller box, for the last suppression
REFINE_SIDE_PX, OUTPUT_SIDE_PX = 24, 48

# Crops that go through a network together: what bounds memory where a photo gives thousands.
MAX_CROPS: Final = 512


class MtcnnDetector:
    """Finds faces and five landmarks.

    Parameters
    ----------
    device : Device
    size : DetectionSize
        Its `network_face_px` is the smallest face that is looked for in the photo at detection size.
    threshold : float
        Faces with a lower confidence are dropped.
    use_edges : bool
        Skip blank photos; see `facecli.detect.edges`.

    Raises
    ------
    MachineError
        If torch or facenet-pytorch cannot be imported.
    WeightsError
        If the weights are missing or altered.
    DeviceError
        If torch cannot use the device.
    """

    def __init__(self, device: Device, *, size: DetectionSize, threshold: float = 0.7, use_edges: bool = True) -> None:
        self._device = str(device)
        self._networks = _load_networks(device)
        self._threshold = threshold
        self._use_edges = use_edges
        self.size = size

    def detect(self, photos: Sequence[Photo]) -> list[list[Detection]]:
        """Find the faces of each photo, the largest first.

        Parameters
        ----------
        photos : sequence of Photo
            Of any sizes.

        Returns
        -------
        list of list of Detection
            In the order of `photos`, in full-resolution pixels, not clipped to the photo.
        """
        boxes = [self._prepare(photo) for photo in photos]
        canvases = [None if box is None else box.canvas for box in boxes]
        proposed = [self._propose(index, canvas) for index, canvas in enumerate(canvases) if canvas is not None]
        found: list[list[Detection]] = [[] for _ in photos]
        candidates = joined(proposed)
        if candidates.scores.size:
            candidates = self._refine(candidates, canvases)
        if candidates.scores.size:
            for index, detection in self._finish(candidates, canvases, boxes):
                found[index].append(detection)
        return [sorted(faces, key=lambda face: -face.size_px) for faces in found]

    def _prepare(self, photo: Photo) -> Letterbox | None:
        # Uniform borders stay: a cut shifts the windows of every level, and MTCNN's answers hang on where they lie.
        if self._use_edges and edge_map(photo.pixels).is_blank:
            return None
        return letterbox(photo, self.size, 1)

    def _propose(self, photo: int, canvas: PixelArray) -> Candidates:
        """Look at every window of every pyramid level of one photo."""
        levels = []
        for width, height in pyramid(canvas.shape[1], canvas.shape[0], self.size.network_face_px):
            level = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
            shifts, scores = self._run("pnet", level[None])
            rows, columns = np.nonzero(scores[0, 1] >= PROPOSAL_THRESHOLD)
            corners = np.stack([columns, rows], -1).astype(np.float32) * WINDOW_STEP_PX
            windows = np.concatenate([corners, corners + WINDOW_PX], -1)
            windows /= np.tile(np.array([width / canvas.shape[1], height / canvas.shape[0]], np.float32), 2)
            found = Candidates(np.full(len(rows), photo), windows, scores[0, 1, rows, columns])
            kept = suppress(found, LEVEL_IOU_LIMIT)
            levels.append((found.take(kept), shifts[0][:, rows[kept], columns[kept]].T))
        if not levels:
            return joined([])
        candidates, shifts = joined([found for found, _ in levels]), np.concatenate([shift for _, shift in levels])
        kept = suppress(candidates, PROPOSAL_IOU_LIMIT)
        return shifted(candidates.take(kept), shifts[kept])

    def _refine(self, candidates: Candidates, canvases: Sequence[PixelArray | None]) -> Candidates:
        """Look at proposals at 24 pixels: most are no faces."""
        squares = squared(candidates)
        shifts, scores = self._run("rnet", cut_out(squares, canvases, REFINE_SIDE_PX))
        sure = scores[:, 1] > REFINE_THRESHOLD
        squares, shifts = Candidates(squares.photo, squares.boxes_xyxy, scores[:, 1]).take(sure), shifts[sure]
        kept = suppress(squares, REFINE_IOU_LIMIT)
        return shifted(squares.take(kept), shifts[kept])

    def _finish(
        self, candidates: Candidates, canvases: Sequence[PixelArray | None], boxes: Sequence[Letterbox | None]
    ) -> Iterator[tuple[int, Detection]]:
        """Look at what is left at 48 pixels, and place the landmarks; yield photo and face."""
        squares = squared(candidates)
        shifts, shares, scores = self._run("onet", cut_out(squares, canvases, OUTPUT_SIDE_PX))
        sure = scores[:, 1] > self._threshold
        squares, shifts = Candidates(squares.photo, squares.boxes_xyxy, scores[:, 1]).take(sure), shifts[sure]
        # The network gives five x, then five y, as shares of the square's side from its top left corner.
        sides = squares.boxes_xyxy[:, 2:] - squares.boxes_xyxy[:, :2]
        landmarks = shares[sure].reshape(-1, 2, LANDMARK_COUNT).transpose(0, 2, 1) * sides[:, None]
        landmarks += squares.boxes_xyxy[:, None, :2]
        faces = shifted(squares, shifts)
        for position in suppress_nested(faces, NESTED_SHARE_LIMIT):
            photo = int(faces.photo[position])
            box = boxes[photo]
            if box is not None and areas(faces.boxes_xyxy[position : position + 1])[0] > 0:
                corners = box.to_photo(faces.boxes_xyxy[position].reshape(2, 2)).reshape(4)
                yield photo, Detection(corners, box.to_photo(landmarks[position]), float(faces.scores[position]))

    def _run(self, name: str, pictures: PixelArray) -> list[FloatArray]:
        """Run pictures of shape (N, H, W, 3), uint8 RGB; each output has N rows. N is at least 1."""
        import torch

        network = self._networks[name]
        outputs = []
        with torch.inference_mode():
            for start in range(0, len(pictures), MAX_CROPS):
                batch = torch.from_numpy(pictures[start : start + MAX_CROPS]).to(self._device)
                batch = (batch.permute(0, 3, 1, 2).float() - 127.5) / 128
                outputs.append([output.cpu().numpy() for output in network(batch)])
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def pyramid(width: int, height: int, smallest_face_px: int) -> Iterator[tuple[int, int]]:
    """Yield width and height of each pyramid level, from the one where the smallest face fills a window.

    Parameters
    ----------
    width, height : int
        Of the picture, in pixels.
    smallest_face_px : int
        Side in the picture.
    """
    scale = WINDOW_PX / smallest_face_px
    while min(width, height) * scale >= WINDOW_PX:
        yield int(width * scale + 1), int(height * scale + 1)
        scale *= PYRAMID_FACTOR


def _load_networks(device: Device) -> dict[str, Any]:
    """Build the three networks with checked weights."""
    try:
        import facenet_pytorch
        import torch
        from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
    except ImportError as error:
        raise MachineError(
            f"MTCNN needs torch and facenet-pytorch, which cannot be imported: {error}",
            hint="Install them with 'pip install torch torchvision facenet-pytorch==2.5.3'.",
        ) from error
    if device.kind == "cuda" and not (torch.cuda.is_available() and device.index < torch.cuda.device_count()):
        raise DeviceError(
            f"{device} was asked for, but this torch ({torch.__version__}) cannot use it",
            hint="Install a CUDA build of torch that suits the driver, or use --device cpu.",
        )
    networks: dict[str, Any] = {}
    for name, network in (("pnet", PNet), ("rnet", RNet), ("onet", ONet)):
        path = Path(facenet_pytorch.__file__).parent / "data" / f"{name}.pt"
        verify(path, WEIGHTS_SHA256[name], hint="Install facenet-pytorch 2.5.3 again.")
        networks[name] = network(pretrained=False)
        networks[name].load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        networks[name].eval().to(str(device))
    return networks
