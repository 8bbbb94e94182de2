"""What was measured of a folder's speed, put into tables and advice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from facecli.report.document import Cell, Document, Table
from facecli.services.bench import FolderSpeed
from facecli.services.throughput import Rate

# Gains below this share are within the noise of a measurement of seconds, and not worth a setting.
LEAST_GAIN: Final = 0.03

# A scan that waits for nothing takes more than this of the cores.
LEAST_CORES_SHARE: Final = 0.75


@dataclass(frozen=True, slots=True)
class Machine:
    """What the folder was measured on.

    Attributes
    ----------
    on_cpu : bool
        The networks share the cores with the decoders.
    cores, threads : int
        Cores that the process may use, and photos in hand at once.
    precision : str
        Arithmetic of the networks.
    peaks : mapping of str to float
        Floating point operations a second of a matrix product, by precision: those that the machine is made for.
    mirror : bool
        Each face is embedded with its mirror image.
    detector : str
        Its name.
    """

    on_cpu: bool
    cores: int
    threads: int
    precision: str
    peaks: Mapping[str, float]
    mirror: bool
    detector: str


class Costs(NamedTuple):
    """Seconds that a photo takes in each step, all threads being at work."""

    scan: float
    read: float
    decode: float
    detect: float
    embed: float
    at_peak: float | None
    """What the networks' arithmetic would take at the rate of a matrix product."""

    @classmethod
    def of(cls, speed: FolderSpeed, peak: float | None) -> Costs:
        """Take them from what was measured, and the peak from the machine."""
        return cls(
            scan=_seconds(speed.scan),
            read=_seconds(speed.read),
            decode=_seconds(speed.decode),
            detect=_seconds(speed.detect),
            embed=speed.faces_per_photo * _seconds(speed.embed),
            at_peak=None if speed.flops_per_photo is None or not peak else speed.flops_per_photo / peak,
        )


def limit_seconds(decode: float, at_peak: float, *, on_cpu: bool) -> float:
    """Return the least time of a photo: decoding and arithmetic share the cores, or overlap where a GPU does one."""
    return decode + at_peak if on_cpu else max(decode, at_peak)


def bench_document(speed: FolderSpeed, machine: Machine, *, folder: str, model: Mapping[str, str]) -> Document:
    """Turn a measurement into a document.

    Parameters
    ----------
    speed : FolderSpeed
    machine : Machine
    folder : str
        As the user named it.
    model : mapping of str to str
        Detector, embedder, engine, device and precision.
    """
    costs = Costs.of(speed, machine.peaks.get(machine.precision))
    limit = None if costs.at_peak is None else limit_seconds(costs.decode, costs.at_peak, on_cpu=machine.on_cpu)
    facts: dict[str, Cell] = {
        "folder": folder,
        "photos found": speed.photos_found,
        "photos measured": speed.photos_scanned,
        "faces a photo": speed.faces_per_photo,
        "megapixels a photo": speed.megapixels,
        "MB a photo": speed.megabytes,
        **model,
        "cores": machine.cores,
        "threads": machine.threads,
        "scan, photos/s": speed.scan.per_second,
        "share of the cores": _cores_share(speed, machine),
        "limit, photos/s": None if limit is None else 1 / limit,
        "share of the limit": None if limit is None else limit / costs.scan,
        "most of the time": _bottleneck(costs),
        "peak memory, MiB": None if speed.peak_memory_bytes is None else speed.peak_memory_bytes / 2**20,
    }
    tables = [_steps(speed, costs), _limits(speed, machine, costs)]
    advice = tuple((each.setting, each.effect, 1 / (costs.scan - each.saved)) for each in _advice(costs, machine))
    if advice:
        columns = ("setting", "effect", "photos/s at most")
        tables.append(Table("What would help", "settings, and what each can bring by itself", columns, advice))
    return Document("Speed of facecli", facts, tuple(tables), warnings=tuple(_warnings(speed, machine)))


def _seconds(rate: Rate) -> float:
    return rate.seconds / rate.count if rate.count else 0.0


def _steps(speed: FolderSpeed, costs: Costs) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, rate, cost in (
        ("read files", speed.read, costs.read),
        ("decode", speed.decode, costs.decode),
        ("find faces", speed.detect, costs.detect),
        ("embed faces", speed.embed, costs.embed),
        ("scan: all of it", speed.scan, costs.scan),
    ):
        share = cost / costs.scan if costs.scan else None
        rows.append((name, rate.per_second, rate.cpu_ms_each, cost * 1000, share))
    return Table(
        "Steps",
        "each step alone, with all threads, and the scan",
        ("step", "a second", "CPU ms of one", "ms a photo", "of the scan"),
        tuple(rows),
        note="Faces in their row, photos elsewhere. Decoding takes files that lie in memory. What the steps lack of the"
        " scan is hashing, cropping, judging and order; in a scan steps of several photos overlap.",
    )


def _limits(speed: FolderSpeed, machine: Machine, costs: Costs) -> Table:
    def gigas(number: float | None) -> float | None:
        return None if number is None else number / 1e9

    peak = machine.peaks.get(machine.precision)
    networks_alone = costs.detect + costs.embed
    rows: list[tuple[Cell, ...]] = [
        ("decoding alone", None, None, speed.decode.per_second, costs.decode / costs.scan),
        (
            f"networks alone, {machine.precision}",
            gigas(speed.flops_per_photo),
            gigas(speed.flops_per_photo / networks_alone) if speed.flops_per_photo and networks_alone else None,
            1 / networks_alone if networks_alone else None,
            networks_alone / costs.scan,
        ),
        (
            f"networks at the rate of a matrix product, {machine.precision}",
            gigas(speed.flops_per_photo),
            gigas(peak),
            1 / costs.at_peak if costs.at_peak else None,
            None if costs.at_peak is None else costs.at_peak / costs.scan,
        ),
    ]
    return Table(
        "Limits",
        "what nothing on this machine can do faster",
        ("what", "GFLOP a photo", "GFLOP/s", "photos/s", "of the scan"),
        tuple(rows),
        note="The limit of a scan is the first and the last together"
        + ("." if machine.on_cpu else ", of which the larger counts: they overlap."),
    )


def _bottleneck(costs: Costs) -> str:
    steps = {"reading": costs.read, "decoding": costs.decode, "finding faces": costs.detect, "embedding": costs.embed}
    return max(steps, key=lambda name: steps[name])


class _Advice(NamedTuple):
    setting: str
    effect: str
    saved: float  # seconds a photo


def _advice(costs: Costs, machine: Machine) -> Iterator[_Advice]:
    """Yield what is worth trying, the most telling first."""
    yield from sorted(
        (each for each in _options(costs, machine) if LEAST_GAIN * costs.scan <= each.saved < costs.scan),
        key=lambda each: -each.saved,
    )


def _options(costs: Costs, machine: Machine) -> Iterator[_Advice]:
    networks = costs.detect + costs.embed
    if machine.threads < machine.cores:
        more = f"--jobs {machine.cores}"
        yield _Advice(
            more, "as many photos in hand as there are cores", costs.scan * (1 - machine.threads / machine.cores)
        )
    if machine.precision == "f32" and "bf16" in machine.peaks:
        saved = networks * (1 - machine.peaks["f32"] / machine.peaks["bf16"])
        yield _Advice("--precision bf16", "numbers of half the length in the networks", saved)
    if machine.on_cpu:
        yield _Advice("--device cuda", "a GPU, where there is one: then decoding is the limit", networks)
    if machine.mirror:
        yield _Advice("--no-mirror", "each face embedded once: half of that work, a few more errors", costs.embed / 2)
    if machine.detector == "centerface":
        # A seventh of the arithmetic for the same canvas; tests/bench/RESULTS.md has what it finds and what it takes.
        yield _Advice("--detector yunet", "finds fewer small faces, in a quarter of the time", costs.detect * 0.75)
    yield _Advice(
        "a faster disk", "the files are read at the rate of the scan", costs.scan if costs.read > costs.scan else 0.0
    )


def _cores_share(speed: FolderSpeed, machine: Machine) -> float:
    return speed.scan.cpu_seconds / speed.scan.seconds / machine.cores


def _warnings(speed: FolderSpeed, machine: Machine) -> Iterator[str]:
    if speed.failures:
        count, first = len(speed.failures), speed.failures[0]
        yield f"{count} of {speed.photos_scanned} photos could not be read, such as: {first.message}"
    if speed.scan.seconds < 1:
        yield f"the scan was measured for {speed.scan.seconds:.1f} s only; give it more --seconds"
    share = _cores_share(speed, machine)
    if machine.on_cpu and machine.threads >= machine.cores and share < LEAST_CORES_SHARE:
        yield f"the scan got {share:.0%} of the cores: something else keeps them busy, or files come slowly"
