"""``facecli bench``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from facecli.cli.messages import say
from facecli.cli.options import Call, FilesFrom, Nul, Recursive, command
from facecli.errors import UsageError

if TYPE_CHECKING:
    from facecli.app import App
    from facecli.runtime.manifest import Manifest
    from facecli.runtime.network import Network
    from facecli.settings import Settings


@command("mirror")
def bench(
    call: Call,
    folders: Annotated[
        list[str] | None, typer.Argument(metavar="[FOLDER]...", help="Folders of photos.", show_default=False)
    ] = None,
    files_from: FilesFrom = None,
    nul: Nul = False,
    recursive: Recursive = True,
    photos: Annotated[
        int, typer.Option("--photos", metavar="N", help="Photos to measure at most, evenly spread.")
    ] = 200,
    seconds: Annotated[float, typer.Option("--seconds", metavar="S", help="About how long to measure.")] = 30.0,
) -> int:
    """Measure how fast photos are scanned here, step by step, what the limit is and which settings would help.

    The limit is that of decoding alone and of the networks' arithmetic at the rate of a matrix product. Nothing is
    written, and no gallery is needed.
    """
    from facecli.cli.documents import check_destinations, report_document
    from facecli.cli.photos import gather
    from facecli.runtime.peak import precisions, product_peak
    from facecli.runtime.workload import default_jobs, workload
    from facecli.services.bench import FolderBench
    from facecli.services.bench_document import Machine, bench_document

    if photos < 1:
        raise UsageError(f"--photos cannot be {photos}", hint="Give a number from 1.")
    if not 1 <= seconds <= 86_400:
        raise UsageError(f"--seconds cannot be {seconds:g}", hint="Give a number of seconds from 1 to 86400.")
    check_destinations(call, None)
    settings = call.settings
    sources = gather(call, folders, files_from, nul=nul, recursive=recursive)
    app, flops = counting_app(settings)
    tell = say if call.verbose else _nothing
    analyser = app.analyser()
    threads = workload(
        app.device, jobs=settings.jobs, batch_size=settings.batch_size, max_memory_mib=settings.max_memory
    ).jobs
    measurement = FolderBench(app.detector, app.embedder, analyser, threads, flops, tell)
    speed = measurement.measure(sources, photos=photos, seconds=seconds)
    tell("multiplying matrices")
    offered = {app.engine.precision, *precisions(app.engine_name)}
    machine = Machine(
        on_cpu=app.device.kind == "cpu",
        cores=default_jobs(),
        threads=threads,
        precision=app.engine.precision,
        peaks={each: product_peak(app.engine_name, each, seconds / 30) for each in sorted(offered)},
        mirror=settings.mirror,
        detector=settings.detector,
    )
    folder = ", ".join([*(folders or []), *filter(None, [files_from])])
    report_document(call, bench_document(speed, machine, folder=folder, model=analyser.model))
    return 0


def counting_app(settings: Settings) -> tuple[App, Callable[[], int] | None]:
    """Make an app, and what tells the floating point operations of its networks so far, if they can be counted.

    MTCNN's cannot, as its networks are torch's own, and neither can those of torch's files.
    """
    from facecli.app import App
    from facecli.runtime.counting import CountedNetwork
    from facecli.runtime.flops import count_flops
    from facecli.runtime.fusion import Fusion

    class CountingApp(App):
        def _network(self, manifest: Manifest) -> Network:
            if manifest.path.suffix != ".onnx":
                return super()._network(manifest)
            networks.append(CountedNetwork(super()._network(manifest), partial(count_flops, manifest.path)))
            return networks[-1]

    networks: list[CountedNetwork] = []
    app = CountingApp(settings)
    manifest = app.embedder_manifest
    parts = [part.manifest for part in manifest.parts] if isinstance(manifest, Fusion) else [manifest]
    if settings.detector == "mtcnn" or any(part.path.suffix != ".onnx" for part in parts):
        return app, None
    return app, lambda: sum(network.flops for network in networks)


def _nothing(_: str) -> None:
    """Say nothing."""
