"""The worker of the CPU queue, `python -m worker.cpu`: chores such as checking a dataset, and never a trainer."""

import logging
import sys
import threading

from studio.errors import StartupError
from studio.housekeeping import ROUND_SECONDS, Housekeeping
from studio.presence import present
from studio.queue import CPU_QUEUE
from studio.settings import Settings
from worker import health, serving
from worker.bench import Bench
from worker.chores import ChoreSlot, add_chore_task
from worker.doing import DOERS
from worker.environment import keep_only_plain
from worker.main import hide_environment, make_bench, require_worker_extra
from worker.start import Forkserver

log = logging.getLogger("worker")

PRELOAD = "worker.preload_text"


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    settings = Settings()
    download_environ = keep_only_plain()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        require_worker_extra()
        bench = make_bench(settings, download_environ, train=_no_trainer, forkserver=Forkserver([PRELOAD]))
    except StartupError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - the sentence of a program that cannot start
        return 1
    return work(bench)


def work(bench: Bench) -> int:
    """Look for chores by the clock and at each hint until a signal; leaves no process behind."""
    assert bench.settings.redis_url is not None
    hide_environment()
    celery = serving.make_consumer(bench.settings.redis_url, bench.stopping)
    slot = ChoreSlot(bench, DOERS)
    add_chore_task(celery, slot.drain)
    housekeeping = Housekeeping(bench.session_factory, bench.queue, bench.wire, bench.settings)
    with present(bench.settings.data_dir, bench.owner):
        look = threading.Event()
        threads = [
            threading.Thread(target=_make_rounds, args=(bench, housekeeping, look), name="rounds"),
            threading.Thread(target=_look, args=(bench, slot, look), name="look"),
        ]
        for thread in threads:
            thread.start()
        try:
            return serving.serve_hints(celery, bench.owner, [CPU_QUEUE], bench.stopping)
        finally:
            bench.stopping.set()
            look.set()
            for thread in threads:
                thread.join()
            bench.wire.close()
            log.info("worker of the CPU queue stopped")


def _make_rounds(bench: Bench, housekeeping: Housekeeping, look: threading.Event) -> None:
    """Each round also has the other thread look for chores: with Redis away nobody else tells of them."""
    while True:
        try:
            health.beat(bench.settings.data_dir, health.CPU_HEARTBEAT_FILE)
            housekeeping.make_round()
            look.set()
        except Exception:
            # The task's edge: a round that fails must not be the last one.
            log.exception("A round failed")
        if bench.stopping.wait(ROUND_SECONDS):
            return


def _look(bench: Bench, slot: ChoreSlot, look: threading.Event) -> None:
    while not bench.stopping.is_set():
        slot.drain()
        look.wait()
        look.clear()


def _no_trainer(folder: object) -> int:
    raise RuntimeError("The worker of the CPU queue trains nothing.")


if __name__ == "__main__":
    sys.exit(main())
