"""Purging somebody: everything of them destroyed wherever facecli keeps it, and then looked for byte by byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from facecli.errors import GalleryError, UnknownPersonError
from facecli.gallery import backups, index_care
from facecli.gallery.names import normalise_name
from facecli.gallery.store import Gallery
from facecli.gallery.traces import Traces
from facecli.gallery.translation import read_only_error, translated
from facecli.scans.forgetting import Forgotten
from facecli.scans.store import FILE_NAME, ScanStore
from facecli.services.purging.needles import Needle, name_needles, needles_of
from facecli.services.purging.receipt import HeldCopy, NeedleKind, Plan, Receipt
from facecli.services.purging.resemblance import Lookalike, Resemblance, ThresholdOf
from facecli.services.purging.traced_files import TracedFiles


@dataclass(frozen=True, slots=True)
class Places:
    """Where facecli keeps things.

    Attributes
    ----------
    open_gallery : callable
        Opens the gallery, which makes no backup of it.
    state_dir, cache_dir : Path
    """

    open_gallery: Callable[[], Gallery]
    state_dir: Path
    cache_dir: Path


def plan_purge(name: str, places: Places, threshold_of: ThresholdOf) -> Plan:
    """Say what a purge would destroy; nothing is changed.

    Raises
    ------
    UnknownPersonError
        If nobody has or had this name; the hint names who may be meant.
    FacecliError
        ``scan_running`` if a process works on a scan, or if a file cannot be read.
    """
    with places.open_gallery() as gallery:
        held = gallery.traces(name)
        resemblance = Resemblance(held, threshold_of)
        negatives, alike = resemblance.negatives(gallery), resemblance.lookalikes(gallery)
        path = gallery.path
    scans = _forget_in_scans(places, held, resemblance, only_count=True)
    return _plan(held, len(negatives), scans, resemblance, alike, index_care.files(path), backups.paths(path))


def purge(name: str, places: Places, threshold_of: ThresholdOf, *, delete_backups: bool = False) -> Receipt:
    """Destroy everybody whom `Gallery.purge` does, all that scans keep of their faces, and search for what is left.

    Nobody of this name is enough of a reason to look where the name is, if any file holds it.

    Parameters
    ----------
    name : str
    places : Places
    threshold_of : callable
    delete_backups : bool
        Delete the backups that hold them, and make a new one.

    Raises
    ------
    UnknownPersonError
        If nobody has or had this name, and no file holds it but as a part of something else.
    FacecliError
        ``scan_running`` if a process works on a scan (nothing is destroyed then), or if a file cannot be changed.
    """
    unknown, removed = None, list[Path]()
    with places.open_gallery() as gallery:
        if gallery.read_only:
            raise read_only_error(gallery.path)
        path = gallery.path
        try:
            held = gallery.traces(name)
        except UnknownPersonError as error:
            unknown, held = error, _nobody(name)
        resemblance = Resemblance(held, threshold_of)
        negatives, alike = resemblance.negatives(gallery), resemblance.lookalikes(gallery)
        # The gallery comes last: whatever fails before, the person is still there to be purged.
        scans = Forgotten() if unknown else _forget_in_scans(places, held, resemblance)
        rows = index_care.rows_of(path, held.person_ids)
        if unknown is None:
            removed += index_care.remove(path)
            held = gallery.purge(name, also=negatives)
        is_in_use = not gallery.empty_log()
        if unknown is None:
            removed += index_care.remove(path)  # a search of another process may have made them meanwhile
    # From here on no file is open in SQLite: closing another descriptor would drop its locks.
    needles = needles_of(held, rows) if unknown is None else name_needles(held.names)
    files = TracedFiles(Path(path), places.state_dir, places.cache_dir, needles)
    is_rewritten = files.suspicious and not is_in_use and _rewritten(places)
    if is_rewritten:
        files.search_gallery()
    if unknown is not None and not (files.suspicious or is_rewritten):
        raise unknown
    copies = files.copies(backups.paths(path))
    new_backup = None
    if delete_backups and any(copy.is_backup for copy in copies):
        copies, new_backup = _without_backups(copies, places)
    return Receipt(
        plan=_plan(held, len(negatives), scans, resemblance, alike, dict.fromkeys(removed), backups.paths(path)),
        looked_for=_counted(needles, held),
        files=files.searched(is_rewritten=is_rewritten),
        copies=tuple(copies),
        new_backup=new_backup,
        is_rewritten=is_rewritten,
        is_in_use=is_in_use,
    )


def _forget_in_scans(places: Places, held: Traces, resemblance: Resemblance, *, only_count: bool = False) -> Forgotten:
    path = places.state_dir / FILE_NAME
    if not path.exists():
        return Forgotten()
    with ScanStore.open(path) as store:
        return store.forget_person(
            resemblance.shows, held.content_hashes, held.names, held.sources, only_count=only_count
        )


def _rewritten(places: Places) -> bool:
    with suppress(GalleryError), places.open_gallery() as gallery:  # no room for it: what was found is said
        gallery.rewrite()
        return True
    return False


def _without_backups(copies: Iterable[HeldCopy], places: Places) -> tuple[list[HeldCopy], Path]:
    """Delete backups, and make one of the gallery as it is."""
    left = []
    for copy in copies:
        if copy.is_backup:
            with translated(str(copy.path)):
                copy.path.unlink(missing_ok=True)
        left.append(replace(copy, is_deleted=copy.is_backup))
    with places.open_gallery() as gallery:
        return left, backups.make(gallery._connection, gallery.path, "people purge").path


def _nobody(name: str) -> Traces:
    return Traces((), (), (normalise_name(name),), {}, {}, (), (), (), ())


def _plan(
    held: Traces,
    negatives: int,
    scans: Forgotten,
    resemblance: Resemblance,
    lookalikes: tuple[Lookalike, ...],
    search_files: Iterable[Path],
    kept_backups: Iterable[Path],
) -> Plan:
    return Plan(
        people=len(held.person_ids),
        names=len(held.names),
        templates=len(held.template_ids),
        negatives=negatives,
        crops=len(held.crops),
        scans=scans,
        unmeasured=resemblance.unmeasured,
        uncompared=resemblance.uncompared,
        lookalikes=lookalikes,
        search_files=tuple(search_files),
        backups=tuple(kept_backups),
    )


def _counted(needles: Iterable[Needle], held: Traces) -> dict[NeedleKind, int]:
    """Return how many things were looked for: of vectors and crops not their pieces."""
    counts: Counter[NeedleKind] = Counter(needle.kind for needle in needles)
    whole: dict[NeedleKind, int] = {
        "vectors": sum(map(len, held.vectors.values())),
        "crops": len(held.crops),
        "names": len(held.names),
        "paths of photos": len(held.sources),
        "hashes of photos": len(held.content_hashes),
    }
    return {kind: whole.get(kind, count) for kind, count in counts.items()}
