"""What a worker does by the clock: signs of life, housekeeping, looking for ready runs, and hearing itself."""

import logging
import os
import platform
import threading
import time
from importlib.metadata import version

from studio import runs
from studio.db import DATABASE_AWAY, transaction
from studio.housekeeping import ROUND_SECONDS, Housekeeping
from worker import gpu, health
from worker.bench import Bench
from worker.canary import Canary
from worker.machine import available_cores, machine_memory_bytes
from worker.tasks import Slot

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
HEARTBEAT_LIFETIME_SECONDS = 30
# EX_UNAVAILABLE of sysexits(3).
EXIT_DEAF = 69


class Rounds:
    """Two threads: one makes the rounds, one drains the queue when there may be something."""

    def __init__(self, bench: Bench, slot: Slot, housekeeping: Housekeeping, canary: Canary | None = None) -> None:
        self._bench = bench
        self._slot = slot
        self._housekeeping = housekeeping
        self._canary = canary
        self._sign = runs.Sign(
            owner=bench.owner,
            host=platform.node()[:120],
            version=version("tunewright"),
            gpu=bench.settings.gpu,
            device=gpu.device_name(bench.settings.gpu) or "CPU",
            memory_bytes=gpu.memory_bytes(bench.settings.gpu) or machine_memory_bytes(),
            cores=available_cores(),
        )
        self._looked_at = time.monotonic()
        self._look_again = threading.Event()
        self._threads = [
            threading.Thread(target=self._make_rounds, name="rounds"),
            threading.Thread(target=self._look, name="look"),
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for both, once the worker is stopping; then nothing reminds of it."""
        self._look_again.set()
        for thread in self._threads:
            thread.join()
        self._sign_off()

    def _make_rounds(self) -> None:
        while True:
            try:
                self._make_round()
            except Exception:
                # The task's edge: a round that fails must not be the last one.
                log.exception("A round failed")
            if self._bench.stopping.wait(ROUND_SECONDS):
                return

    def _make_round(self) -> None:
        self._give_signs()
        is_time = time.monotonic() - self._looked_at >= LOOK_SECONDS
        # A note means that the GPU could not be used: it may be free by now.
        if self._housekeeping.make_round() or self._slot.note or is_time:
            self._look_again.set()
            self._looked_at = time.monotonic()
        if self._canary is not None and self._canary.is_deaf(is_idle=self._slot.is_idle()):
            self._leave_deaf()

    def _look(self) -> None:
        while not self._bench.stopping.is_set():
            self._slot.drain()
            self._look_again.wait()
            self._look_again.clear()

    def _give_signs(self) -> None:
        health.beat(self._bench.settings.data_dir)
        self._bench.wire.beat(self._bench.owner, HEARTBEAT_LIFETIME_SECONDS)
        try:
            with transaction(self._bench.session_factory) as session:
                runs.renew_worker(session, self._sign, run_id=self._slot.run_id, note=self._slot.note)
        except DATABASE_AWAY as error:
            log.warning("No sign of life was written: the database does not answer (%s).", type(error).__name__)

    def _sign_off(self) -> None:
        try:
            with transaction(self._bench.session_factory) as session:
                runs.forget_workers(session, [self._bench.owner])
        except DATABASE_AWAY as error:
            log.warning("The worker's row stays for a day (%s).", type(error).__name__)

    def _leave_deaf(self) -> None:
        """An idle worker has nothing to lose; who started it starts it again."""
        if self._slot.close():
            log.error("No hint is heard any more, though Redis answers; this worker leaves, to be started again.")
            self._sign_off()
            logging.shutdown()
            os._exit(EXIT_DEAF)
