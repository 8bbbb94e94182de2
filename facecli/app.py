"""The composition root: from settings to wired services. The only place that names concrete stages."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facecli.decide.calibration import LEAST_SUPPORT
from facecli.detect.defaults import DETECTOR_DEFAULTS
from facecli.detect.letterbox import DetectionSize
from facecli.embed.quality import assess
from facecli.errors import ConfigError, FacecliError, UsageError
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.runtime.deferred import DeferredNetwork
from facecli.runtime.device import Device, resolve_device
from facecli.runtime.fusion import Fusion, find_fusion
from facecli.runtime.manifest import Manifest
from facecli.runtime.network import Engine, Network
from facecli.runtime.score_file import read_scores
from facecli.runtime.threads import one_thread_a_call
from facecli.runtime.weights import locate, verify
from facecli.runtime.workload import workload
from facecli.scores import ScoreDistribution
from facecli.services.analysis import ANALYSIS_VERSION, Analyser, AnalysisStore
from facecli.services.calibration import Decisions, unmeasured_error
from facecli.services.meant_faces import FaceFinder
from facecli.services.stages import Detector, Embedder
from facecli.settings import Settings

if TYPE_CHECKING:
    from facecli.embed.cnn import CnnEmbedder
    from facecli.gallery.records import TemplateMatrix
    from facecli.gallery.row_source import RowSource
    from facecli.gallery.vault import AskSecret
    from facecli.runtime.torch_engine import TorchEngine
    from facecli.services.purging.purge import Places

ONNX_PREFIX: Final = "onnx:"


class App:
    """Everything a command needs, made when first asked for.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._engine: Engine | None = None
        self._networks: list[DeferredNetwork] = []
        self._streams: int | None = None  # all cores on one picture
        self._engine_lock = threading.Lock()

    @cached_property
    def device(self) -> Device:
        """The device that runs the networks.

        Raises
        ------
        DeviceError
            If it is absent.
        """
        return resolve_device(self.settings.device)

    @cached_property
    def engine_name(self) -> str:
        """Engine and device in a word each, ``openvino:cpu``, decided without importing either.

        Raises
        ------
        DeviceError
            If the device is absent.
        UsageError
            If the engine asked for does not run there.
        """
        wish, device = self.settings.engine, self.device
        if wish == "openvino" and device.kind != "cpu":
            raise UsageError(f"OpenVINO does not run on {device}", hint="Use --engine auto or --device cpu.")
        has_openvino = wish == "openvino" or importlib.util.find_spec("openvino") is not None
        name = "openvino" if wish != "torch" and device.kind == "cpu" and has_openvino else "torch"
        if name == "openvino" and self.settings.precision == "f16":
            raise UsageError("f16 is for torch; OpenVINO takes bf16 or f32", hint="Use --engine torch.")
        return f"{name}:{device}"

    @property
    def engine(self) -> Engine:
        """What runs the networks: OpenVINO on a CPU if it is installed, torch elsewhere. Imported when first used.

        Raises
        ------
        MachineError
            If it cannot be imported, or cannot use the device.
        """
        with self._engine_lock:  # networks load in threads of their own
            if self._engine is None:
                self._engine = self._make_engine()
            return self._engine

    def _make_engine(self) -> Engine:
        # engine_name has refused f16 in OpenVINO.
        if self.engine_name.startswith("openvino") and self.settings.precision != "f16":
            from facecli.runtime.openvino_engine import OpenVinoEngine

            return OpenVinoEngine(
                precision=self.settings.precision,
                streams=self._streams,
                cache_dir=self.settings.cache_dir / "compiled",
            )
        return self._torch_engine()

    def _torch_engine(self) -> TorchEngine:
        from facecli.runtime.torch_engine import TorchEngine

        device, precision, size = self.device, self.settings.precision, self.settings.batch_size
        if device.kind == "cpu":  # a photo's result never depends on its company
            return TorchEngine(device, precision=precision)
        return TorchEngine(device, precision=precision, max_batch="auto" if size is None else size)

    @cached_property
    def detector(self) -> Detector:
        """The detector chosen; its network loads when it is first asked, or before by an analyser."""
        settings, name = self.settings, self.settings.detector
        size = DetectionSize(settings.min_face, DETECTOR_DEFAULTS[name].network_face_px)
        threshold = self._detection_threshold
        if name == "mtcnn":
            from facecli.detect.mtcnn import MtcnnDetector

            return MtcnnDetector(self.device, size=size, threshold=threshold, use_edges=settings.edges)
        from facecli.detect import centerface, yunet
        from facecli.detect.single_shot import SingleShotDetector

        return SingleShotDetector(
            self._network(self._manifest(name)),
            {"centerface": centerface, "yunet": yunet}[name].decode,
            size=size,
            threshold=threshold,
            use_edges=settings.edges,
            first_look=DETECTOR_DEFAULTS[name].first_look,
        )

    @property
    def _detection_threshold(self) -> float:
        threshold = self.settings.detection_threshold
        return DETECTOR_DEFAULTS[self.settings.detector].threshold if threshold is None else threshold

    @cached_property
    def embedder_manifest(self) -> Manifest | Fusion:
        """The facts of the embedder chosen.

        Raises
        ------
        WeightsError, ConfigError
            If there is no such model, or its weights are not here.
        """
        name = self.settings.embedder
        if name.startswith(ONNX_PREFIX):
            from facecli.embed.onnx_file import manifest_for

            return manifest_for(Path(name.removeprefix(ONNX_PREFIX)).expanduser())
        fusion = find_fusion(name, cache_dir=self.settings.cache_dir / "models")
        if fusion is not None:
            for part in fusion.parts:
                self._manifest(part.manifest.name)  # raises where its weights are not here
            return fusion
        manifest = self._manifest(name)
        if manifest.kind != "embedder":
            raise ConfigError(f"{name} finds faces, it does not embed them", hint="See: facecli models list")
        return manifest

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder chosen; its network loads like the detector's."""
        manifest = self.embedder_manifest
        if isinstance(manifest, Manifest):
            return self._cnn(manifest)
        from facecli.embed.fusion import FusedEmbedder, WeightedEmbedder

        parts = [WeightedEmbedder(self._cnn(part.manifest), part.weight) for part in manifest.parts]
        return FusedEmbedder(parts, model_id=manifest.model_id)

    def _cnn(self, manifest: Manifest) -> CnnEmbedder:
        from facecli.embed.cnn import BATCH_SIZE, CnnEmbedder

        return CnnEmbedder(
            self._network(manifest),
            model_id=manifest.model_id,
            template_xy=manifest.template,
            side_px=manifest.size_hw[0] if manifest.size_hw else 112,
            output=manifest.output_names[0] if manifest.output_names else None,
            mirror=self.settings.mirror,
            centre=manifest.centre,
            # On a core of its own a face takes the same time in any company, and OpenVINO prepares itself for every
            # number of faces anew.
            batch_size=BATCH_SIZE if self._streams is None or self.device.kind != "cpu" else 1,
        )

    @cached_property
    def scores(self) -> ScoreDistribution | None:
        """How the embedder's scores fall; None where nobody measured them.

        Raises
        ------
        WeightsError
            If what was measured is damaged, or belongs to other weights.
        """
        manifest = self.embedder_manifest
        if self.settings.embedder.startswith(ONNX_PREFIX):
            return None  # what lies beside a file of the user's was not put there for it
        return read_scores(manifest.folder, manifest.model_id)

    @property
    def verification_threshold(self) -> float:
        """Least score for one person in two photos: the setting, or the one that keeps to the false match rate.

        Raises
        ------
        ConfigError
            If there is no threshold, and the embedder's scores were not measured.
        """
        if self.settings.threshold is not None:
            return self.settings.threshold
        if self.scores is None:
            raise unmeasured_error(self.embedder_manifest.model_id)
        return self.scores.score_at(self.settings.fmr)

    @property
    def least_fmr(self) -> float | None:
        """The least false match rate that the measured pairs tell, if a rate chooses the threshold of two photos."""
        if self.settings.threshold is not None or self.scores is None:
            return None
        return LEAST_SUPPORT / self.scores.non_mated_pairs

    def decisions(self, gallery: Gallery, search: GallerySearch) -> Decisions:
        """Make what decides by the settings, for an open gallery.

        Raises
        ------
        ConfigError
            If there is no threshold, and the embedder's scores were not measured.
        """
        return Decisions(
            gallery,
            search,
            model_id=self.embedder_manifest.model_id,
            scores=self.scores,
            fpir=self.settings.fpir,
            threshold=self.settings.threshold,
        )

    def analyser(
        self,
        *,
        embed: bool = True,
        photo_count: int | None = None,
        keep_photos: bool = False,
        cut_crops: bool = False,
        store: AnalysisStore | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Analyser:
        """Make an analyser.

        Parameters
        ----------
        embed : bool
            Otherwise it stops after detection.
        photo_count : int, optional
            How many photos are to come, if that is known: of a single one the answer comes soonest if all cores
            work on it; of several, if each core works on one. The last bits of a vector depend on which it is, so what
            is to give the same bytes whatever is left to do does not say.
        keep_photos : bool
            Leave the decoded pixels in each `Analysis`.
        cut_crops : bool
            Leave a crop of each face there.
        store : AnalysisStore, optional
            What is known of photos from before. The networks then load when a photo needs them.
        cancelled : callable
            Whether somebody asked to stop.
        """
        settings = self.settings
        jobs, photo_bytes = workload(
            self.device, jobs=settings.jobs, batch_size=settings.batch_size, max_memory_mib=settings.max_memory
        )
        if photo_count != 1:
            self._streams = jobs
            one_thread_a_call()
        detector = self.detector
        embedder = self.embedder if embed else None
        if store is None:
            self._start_networks()
        model = {
            "detector": settings.detector,
            "engine": self.engine_name,
            "device": str(self.device),
            "precision": self.engine.precision,
        }
        if embedder is not None:
            model["embedder"] = embedder.model_id
        return Analyser(
            detector,
            embedder,
            assess,
            model=model,
            jobs=jobs,
            memory_bytes=photo_bytes,
            timeout_s=settings.timeout,
            salvage=settings.salvage,
            keep_photos=keep_photos,
            cut_crops=cut_crops,
            store=store,
            prepare=self._start_networks,
            cancelled=cancelled,
        )

    @property
    def analysis_facts(self) -> dict[str, str]:
        """Everything that decides what an analysis of a photo gives, each fact by its name.

        Raises
        ------
        FacecliError
            If a network, or the device, is missing.
        """
        settings, engine = self.settings, self.engine
        detector = f"{settings.detector}"
        if settings.detector != "mtcnn":
            detector = self._manifest(settings.detector).model_id
        size = self.detector.size
        return {
            "version": str(ANALYSIS_VERSION),
            "detector": detector,
            "detection threshold": f"{self._detection_threshold:g}",
            "smallest face": str(settings.min_face or "default"),
            "detection size": f"{size.max_long_side_px} px",
            "edges": str(settings.edges),
            "embedder": self.embedder_manifest.model_id,
            "mirror": str(settings.mirror),
            "salvage": str(settings.salvage),
            "engine": f"{engine.name} {importlib.metadata.version(engine.name.partition(':')[0])}",
            "precision": engine.precision,
        }

    def _start_networks(self) -> None:
        for network in self._networks:
            network.start()

    @property
    def ask_secret(self) -> AskSecret:
        """What finds the secret of the gallery, if that is encrypted."""
        from facecli.services.secrets import secret_source

        return secret_source(self.settings.gallery_path, self.settings.key_file)

    def open_gallery(self, *, create: bool = False, read_only: bool = False) -> Gallery:
        """Open the gallery of the settings; see `Gallery.open`."""
        path, keep = self.settings.gallery_path, self.settings.backups
        return Gallery.open(path, create=create, read_only=read_only, keep_backups=keep, ask_secret=self.ask_secret)

    @property
    def places(self) -> Places:
        """Where somebody who is purged is looked for. No backup is made of the gallery: it would hold them."""
        from facecli.services.purging.purge import Places

        return Places(
            lambda: Gallery.open(self.settings.gallery_path, ask_secret=self.ask_secret),
            self.settings.state_dir,
            self.settings.cache_dir,
        )

    def score_reached(self, model_id: str, share: float) -> float | None:
        """Return the score that a share of pairs of strangers reaches, by any model that is here; None if unknown."""
        with suppress(FacecliError):  # its weights are gone, or its scores are not those of these weights
            app = App(replace(self.settings, embedder=model_id.partition("@")[0]))
            if app.embedder_manifest.model_id == model_id and app.scores is not None:
                return app.scores.score_at(share)
        return None

    def search(self, gallery: Gallery) -> GallerySearch:
        """Make a search over an open gallery."""
        device = self.device
        if device.kind != "cuda":
            return GallerySearch(gallery)
        from facecli.gallery.candidate_rows import ScanFinder
        from facecli.runtime.torch_scan import TorchScan

        def on_device(vectors: RowSource, matrix: TemplateMatrix) -> ScanFinder:
            return ScanFinder(TorchScan(vectors, matrix.person_ids, device), matrix.person_ids)

        return GallerySearch(gallery, make_finder=on_device)

    def face_finder(self, gallery: Gallery, analyser: Analyser) -> FaceFinder:
        """Make what finds the faces that a user means, and says who they are taken for, in an open gallery."""
        search = self.search(gallery)
        is_measured = self.settings.threshold is not None or self.scores is not None
        return FaceFinder(
            analyser,
            search,
            self.decisions(gallery, search) if is_measured else None,
            candidates=self.settings.candidates,
            min_quality=self.settings.min_quality,
        )

    def _manifest(self, name: str) -> Manifest:
        return locate(name, cache_dir=self.settings.cache_dir / "models", offline=self.settings.offline)

    def _network(self, manifest: Manifest) -> Network:
        """Make a network that verifies and loads its weights when it is started."""

        def load() -> Network:
            verify(manifest.path, manifest.sha256, hint="Pull or import it again, or reinstall facecli.")
            if manifest.path.suffix != ".pt":
                return self.engine.load(manifest.path, manifest.preprocessing)
            from facecli.embed.inception_resnet import load_inception_resnet

            return self._torch_engine().wrap(load_inception_resnet(manifest.path), manifest.preprocessing)

        network = DeferredNetwork(load)
        self._networks.append(network)
        return network
