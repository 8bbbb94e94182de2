"""What ``facecli scan`` does: begin or go on, identify, write, and follow the folders."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Final

import facecli
from facecli.app import App
from facecli.cli.identify import say_rule
from facecli.cli.messages import say, warn
from facecli.cli.options import Call
from facecli.cli.other_models import say_unseen
from facecli.cli.output import appended, check_output
from facecli.cli.people.consent import say_expired
from facecli.cli.photo_report import PhotoReport, write_photos
from facecli.cli.photos import find_sources
from facecli.cli.scan_wishes import ScanWishes
from facecli.cli.stopping import Stop, Stopped, stopping, until_stopped
from facecli.decide.identification import DecisionRule
from facecli.report.formats import open_writer
from facecli.scans.records import FileSignature, StoredScan
from facecli.scans.store import FILE_NAME, ScanStore
from facecli.scans.translation import gone_error, running_error
from facecli.services.analysis import Analyser, Analysis, PhotoSource
from facecli.services.calibration import Decisions
from facecli.services.folder_watch import FolderWatch
from facecli.services.identification import identify_photos
from facecli.services.pinned_gallery import PinnedGallery
from facecli.services.scan import Reuse, ScanJournal, begin_scan, file_signature, resume_scan
from facecli.services.scan_facts import scan_facts

# A look at many folders takes long; at most this share of the time is spent looking.
_LOOKING_SHARE: Final = 0.1


def run_scan(call: Call, wishes: ScanWishes) -> int:
    """Scan, and return the exit code."""
    app = App(call.settings)
    with ExitStack() as stack:
        gallery = stack.enter_context(
            PinnedGallery.open(
                call.settings.gallery_path, keep_backups=call.settings.backups, ask_secret=app.ask_secret
            )
        )
        store = None
        if wishes.store:
            store = stack.enter_context(ScanStore.open(call.settings.state_dir / FILE_NAME, warn=warn))
        return _Scanning(call, wishes, app, gallery, store).run()


class _Scanning:
    """One run of the command.

    Parameters
    ----------
    store : ScanStore or None
        None keeps nothing.
    """

    def __init__(
        self, call: Call, wishes: ScanWishes, app: App, gallery: PinnedGallery, store: ScanStore | None
    ) -> None:
        self._call = call
        self._wishes = wishes
        self._app = app
        self._gallery = gallery
        self._store = store
        self._stop: Stop | None = None
        self._seen: dict[str, FileSignature] | None = {} if wishes.watch_s is not None else None
        self._journal: ScanJournal | None = None
        if store is not None:
            self._journal = ScanJournal(store, Reuse(analyses=not wishes.fresh, unchanged=wishes.update), self._seen)
        self._search = app.search(gallery)
        self._expired = 0

    def run(self) -> int:
        """Scan, and return the exit code."""
        check_output(self._call)  # before a plan is committed, in place of one that can be gone on with
        interrupted = self._interrupted()
        sources = None
        if interrupted is None:
            sources = find_sources(self._call, self._wishes.roots, recursive=self._wishes.recursive)
        total = interrupted.photos if interrupted is not None else len(sources or ())
        annotate = self._wishes.annotate
        analyser = self._app.analyser(
            keep_photos=annotate is not None,
            store=self._journal,
            cancelled=lambda: self._stop is not None and self._stop.requested,
        )
        # The revision is that of what is searched, whoever changes the file meanwhile.
        matrix = self._search.matrix(self._app.embedder_manifest.model_id)
        self._gallery.pin(matrix.revision)
        decisions = self._app.decisions(self._gallery, self._search)
        rule = decisions.rule()
        say_rule(self._call, rule)
        self._expired = say_expired(self._call, self._gallery)
        say_unseen(self._call, self._gallery, matrix.model_id)
        photos = self._photos(sources, self._begun(interrupted, sources, rule))
        del sources  # a plan of many photos is not needed in memory any more
        report = PhotoReport(
            self._call, analyser.model, annotate=annotate, root=self._wishes.annotation_root, timed=False
        )
        with stopping(quiet=self._call.quiet) as stop:
            self._stop = stop  # noticed while a file hangs, too
            try:
                analyses = self._identified(photos, analyser, decisions, fixed=True)
                write_photos(self._call, until_stopped(analyses, stop), report, total=total)
            except Stopped:
                self._say_stopped(report, total)
                return stop.exit_code
            if self._journal is not None:
                self._journal.finish(watching=self._wishes.watch_s is not None)
            report.sum_up(total)
            self._say_gallery_changed()
            if self._wishes.watch_s is not None:
                self._watch(stop, analyser, decisions, report)
                if self._journal is not None:
                    self._journal.finish()
        return report.exit_code(fail_unknown=self._wishes.fail_unknown)

    def _interrupted(self) -> StoredScan | None:
        """Return the interrupted scan to go on with, and say what becomes of one that is not gone on with."""
        if self._store is None or not self._wishes.journalled:
            return None
        found = self._store.unfinished(self._wishes.asked)
        if self._wishes.resume:
            if found is None:
                self._say("no scan of this was interrupted, so it begins anew")
            elif found.process_id not in (None, os.getpid()):
                raise running_error(found.scan_id, found.process_id)
            return found
        if found is not None and found.process_id not in (None, os.getpid()):
            self._say(f"process {found.process_id} is scanning the same, as scan {found.scan_id}")
        elif found is not None:
            self._say(
                f"scan {found.scan_id} of this was interrupted after {found.done:,} of {found.photos:,} photos; "
                "--resume would go on with it, now it begins anew"
            )
        return None

    def _begun(
        self, interrupted: StoredScan | None, sources: list[PhotoSource] | None, rule: DecisionRule
    ) -> StoredScan | None:
        """Commit the plan, or take over the one that was interrupted; None for a scan that has none."""
        if self._store is None or self._journal is None:
            return None
        analysis_facts = self._app.analysis_facts
        scan = None
        if self._wishes.journalled:
            facts = self._facts(analysis_facts, rule)
            if interrupted is not None:
                scan = resume_scan(self._store, self._wishes.asked, facts)
                if scan is None or scan.scan_id != interrupted.scan_id:
                    raise gone_error(interrupted.scan_id)  # ended or forgotten while the networks were loaded
                self._say(f"going on with scan {scan.scan_id}: {scan.done:,} of {scan.photos:,} photos are done")
            elif sources is not None:
                scan = begin_scan(self._store, self._wishes.asked, facts, sources)
        self._journal.open(analysis_facts, scan)
        return scan

    def _facts(self, analysis_facts: dict[str, str], rule: DecisionRule) -> dict[str, str]:
        settings = self._call.settings
        given = {"threshold": settings.threshold} if settings.threshold is not None else {"fpir": settings.fpir}
        return scan_facts(
            analysis_facts,
            {
                **given,
                "candidates": settings.candidates,
                "least quality": settings.min_quality,
                "facecli": facecli.__version__,
            },
            self._gallery.path,
            self._search.matrix(self._app.embedder_manifest.model_id),
            rule,
        )

    def _photos(self, sources: list[PhotoSource] | None, scan: StoredScan | None) -> Iterable[PhotoSource]:
        if self._journal is not None and scan is not None:
            return self._journal.photos()
        return self._noted(sources or [])

    def _noted(self, sources: Iterable[PhotoSource]) -> Iterator[PhotoSource]:
        """Note what files look like that will be watched."""
        for source in sources:
            if self._seen is not None:
                signature = file_signature(source.path)
                if signature is not None:
                    self._seen[source.path] = signature
            yield source

    def _identified(
        self, photos: Iterable[PhotoSource], analyser: Analyser, decisions: Decisions, *, fixed: bool
    ) -> Iterator[Analysis]:
        settings = self._call.settings
        return identify_photos(
            photos,
            analyser,
            self._search,
            decisions,
            candidates=settings.candidates,
            min_quality=settings.min_quality,
            fixed=fixed,
        )

    def _watch(self, stop: Stop, analyser: Analyser, decisions: Decisions, report: PhotoReport) -> None:
        """Follow the folders until somebody asks to stop; people enrolled meanwhile are known."""
        wishes, pause_s = self._wishes, self._wishes.watch_s or 0.0
        self._gallery.unpin()
        self._say("watching; Ctrl-C ends it")
        watch = FolderWatch(wishes.roots.groups, recursive=wishes.recursive, seen=self._seen or {})
        wait_s = pause_s
        while not stop.requested:
            stop.wait(wait_s)
            started = time.monotonic()
            ready = watch.look()
            wait_s = max(pause_s, (time.monotonic() - started) * (1 / _LOOKING_SHARE - 1))
            if ready and not stop.requested:
                self._expired = say_expired(self._call, self._gallery, self._expired)
                analyses = self._identified(self._came(ready), analyser, decisions, fixed=False)
                try:
                    self._append(until_stopped(analyses, stop), report)
                except Stopped:
                    return

    def _came(self, paths: list[str]) -> Iterator[PhotoSource]:
        for path in paths:
            yield self._journal.photo(path) if self._journal is not None else PhotoSource(path)

    def _append(self, analyses: Iterable[Analysis], report: PhotoReport) -> None:
        """Write what came, to standard output or behind what is in the file."""
        with ExitStack() as stack:
            stream = stack.enter_context(appended(self._call))
            writer = stack.enter_context(open_writer(self._call.output_format, stream))
            for analysis in analyses:
                report.add(analysis, writer)

    def _say(self, text: str) -> None:
        if not self._call.quiet:
            say(text)

    def _say_gallery_changed(self) -> None:
        if self._gallery.has_changed and self._wishes.watch_s is None:
            self._say("the gallery has changed meanwhile; every photo was compared with it as it was at the beginning")

    def _say_stopped(self, report: PhotoReport, total: int) -> None:
        if self._journal is None or not self._wishes.journalled:
            self._say(f"stopped after {report.summary.photos:,} of {total:,} photos")
            return
        say(f"stopped after {self._journal.done:,} of {total:,} photos; go on with: {_same_command()}")


def _same_command() -> str:
    """Return the words of this call with ``--resume``, to be pasted into a shell."""
    words = ["facecli", *sys.argv[1:]]
    if "--resume" not in words:
        words.insert(words.index("--") if "--" in words else len(words), "--resume")
    return shlex.join(words)
