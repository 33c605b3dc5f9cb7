"""Supervises one claimed run: starts its trainer, records what it says, and reads its end."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from studio import adapters, runs
from studio.db import transaction
from studio.errors import StorageFull, StudioError
from studio.runs import Event
from studio.runs.events import Exported, PhaseBegan
from studio.runs.folders import EVENTS_FILE
from studio.storage import disk_space_told
from studio.wire import WireMessage
from worker.attempt import EventTail, RunFailed, Said, count_oom_kills, explain_end
from worker.bench import Bench
from worker.keeper import DATABASE_AWAY, Interrupted, Keeper
from worker.order import ENVIRONMENT, RESULT_FILE, Found, Order
from worker.prepare import prepare
from worker.start import Child, Program, stop

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
BATCH_SECONDS = 0.2
STOPPED_SENTENCE = "The studio was stopped; the run starts again when it is back."
_RETRY_SECONDS = 1.0
_Result = TypeVar("_Result")


def supervise(bench: Bench, lease: runs.Lease) -> None:
    """Bring a claimed run to its end, or hand it back; leaves no process behind."""
    log.info("%s: attempt %d begins", lease.run_id, lease.epoch)
    with Keeper(bench.session_factory, lease, bench.stopping) as keeper:
        _Supervision(bench, lease, keeper).run()
    log.info("%s: attempt %d is over", lease.run_id, lease.epoch)


class _Supervision:
    def __init__(self, bench: Bench, lease: runs.Lease, keeper: Keeper) -> None:
        self._bench = bench
        self._lease = lease
        self._keeper = keeper
        self._folder = runs.attempt_folder(bench.settings.runs_dir, lease.run_id, lease.epoch)
        self._tail = EventTail(self._folder / EVENTS_FILE)
        self._said = Said()
        self._written_at = 0.0

    def run(self) -> None:
        try:
            self._succeed(self._train())
        except Interrupted as interruption:
            self._leave(interruption.ending)
        except runs.LeaseLost:
            self._leave(self._why_lost())
        except RunFailed as failure:
            self._fail(failure)
        except StudioError as error:
            self._fail(RunFailed("disk_full" if isinstance(error, StorageFull) else "internal", error.message))
        except Exception:
            # The task's edge: whatever failed here, the run must not stay active until its lease is over.
            log.exception("%s: the supervisor failed", self._lease.run_id)
            self._fail(RunFailed("internal", "Something failed beside the trainer; the worker's log says what."))

    def _train(self) -> Exported:
        with disk_space_told():
            self._folder.mkdir(parents=True, exist_ok=True)
        assignment = prepare(self._bench, self._lease, check=self._keeper.check, fetch=self._download)
        with disk_space_told():
            assignment.write(self._folder)
        self._await_forkserver()
        oom_kills = count_oom_kills()
        trainer = self._bench.forkserver.start(self._bench.train, self._folder, gpu=assignment.gpu)
        log.info("%s: the trainer is process %d", self._lease.run_id, trainer.pid)
        exit_code = self._follow(trainer)
        if self._said.exported is None:
            raise explain_end(self._said, exit_code, who="trainer", oom_kills=count_oom_kills() - oom_kills)
        return self._said.exported

    def _download(self, order: Order) -> Found:
        """Fetch the base model in a program of its own: only there is the token."""
        self._record([PhaseBegan(phase="downloading")])
        program = Program(
            "worker.download",
            self._folder,
            input_text=order.model_dump_json(),
            environ={**self._bench.download_environ, **ENVIRONMENT},
        )
        exit_code = self._follow(program)
        if exit_code != 0:
            raise explain_end(self._said, exit_code, who="download of the base model", oom_kills=0)
        self._record([PhaseBegan(phase="starting")])
        return Found.model_validate_json((self._folder / RESULT_FILE).read_text(encoding="utf-8"))

    def _await_forkserver(self) -> None:
        forkserver = self._bench.forkserver
        if forkserver.warm.is_set():
            return
        self._record([PhaseBegan(phase="starting", note="Warming up: a worker's first run waits about 15 s.")])
        while not forkserver.warm.is_set():
            if forkserver.failed.is_set():
                raise RunFailed("internal", "The training stack cannot be imported; the worker's log says what to do.")
            self._keeper.pause(POLL_SECONDS)

    def _follow(self, child: Child) -> int:
        """Record what a child says until it ends; whatever interrupts this, the child is gone afterwards."""
        try:
            while (exit_code := child.wait(POLL_SECONDS)) is None:
                self._keeper.check()
                if time.monotonic() - self._written_at >= BATCH_SECONDS:
                    self._record(self._tail.read())
        finally:
            stop(child)
        while events := self._tail.read():
            self._record(events)
        return exit_code

    def _record(self, events: list[Event]) -> None:
        if events:
            self._said.hear(events)
            self._publish(self._write(lambda session: runs.record(session, self._lease, events)))
            self._written_at = time.monotonic()

    def _write(self, action: Callable[[Session], _Result]) -> _Result:
        """Run `action` in a transaction, again and again while the database is away; training goes on meanwhile."""
        while True:
            try:
                with transaction(self._bench.session_factory) as session:
                    return action(session)
            except DATABASE_AWAY as error:
                log.warning("%s: not written yet (%s); tried again.", self._lease.run_id, type(error).__name__)
                if self._bench.stopping.wait(_RETRY_SECONDS):
                    raise Interrupted("stopped") from error

    def _succeed(self, exported: Exported) -> None:
        """Files before rows: store the archive, then its row and the run's end in one transaction."""
        archive = (self._folder / exported.archive).resolve()
        if not archive.is_relative_to(self._folder.resolve()) or not archive.is_file():
            raise RunFailed("internal", "The trainer named an archive that is not in its folder; read the log.")
        stored = adapters.store_archive(self._bench.storage, self._lease, archive)
        try:
            if stored.sha256 != exported.sha256:
                raise RunFailed("internal", "The archive was changed or damaged after its export; run again.")
            self._write(lambda session: adapters.register(session, self._lease, exported, stored))
        except (RunFailed, runs.LeaseLost):
            self._bench.storage.delete(stored.key)
            raise
        self._close("succeeded")

    def _fail(self, failure: RunFailed) -> None:
        self._end("failed", kind=failure.kind, reason=failure.reason)

    def _leave(self, ending: str) -> None:
        if ending == "cancelled":
            self._end("cancelled")
        elif ending == "stopped":
            self._hand_back()
        else:
            log.warning("%s: another worker holds the run now; this attempt is dropped.", self._lease.run_id)
            runs.remove_checkpoints(self._bench.settings.runs_dir, self._lease.run_id, self._lease.epoch)

    def _end(self, status: str, *, kind: str | None = None, reason: str = "") -> None:
        try:
            self._write(lambda session: runs.end(session, self._lease, status, kind=kind, reason=reason))
        except (runs.LeaseLost, Interrupted) as error:
            log.warning("%s: not ended as %s: %s", self._lease.run_id, status, error)
            return
        self._close(f"{status} {reason}".rstrip())

    def _hand_back(self) -> None:
        try:
            with transaction(self._bench.session_factory) as session:
                runs.hand_back(session, self._lease, STOPPED_SENTENCE)
        except (runs.LeaseLost, *DATABASE_AWAY) as error:
            # Nothing is lost: the lease runs out, and the reaper puts the run back.
            log.warning("%s: not handed back: %s", self._lease.run_id, error)
            return
        self._close("handed back", over=False)

    def _close(self, outcome: str, *, over: bool = True) -> None:
        log.info("%s: %s", self._lease.run_id, outcome)
        self._publish([WireMessage("changed", {}), *([WireMessage("done", {})] if over else [])])
        runs.remove_checkpoints(self._bench.settings.runs_dir, self._lease.run_id, self._lease.epoch)

    def _publish(self, messages: list[WireMessage]) -> None:
        if messages:
            self._bench.wire.publish(self._lease.run_id, messages)

    def _why_lost(self) -> str:
        """A cancellation at the very end shows as a lost lease; the row tells the two apart."""
        try:
            return "cancelled" if self._write(lambda s: runs.read_desire(s, self._lease)) == "cancel" else "lost"
        except (runs.LeaseLost, Interrupted):
            return "lost"
