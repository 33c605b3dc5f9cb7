"""Celery inside a worker's process: threads, one at a time, and started again for as long as the worker lives."""

import logging
import signal
import threading
import warnings

from celery import Celery, signals
from celery.platforms import SecurityWarning
from celery.worker import state

from studio.queue import make_celery
from worker import broker

log = logging.getLogger("worker")

CELERY_PAUSE_SECONDS = 10.0


def make_consumer(redis_url: str, stopping: threading.Event) -> Celery:
    """The Celery application of this process, which sets `stopping` when a signal ends it."""
    broker.install()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Until Celery has handlers of its own.
        signal.signal(number, lambda *_: stopping.set())
    celery = make_celery(redis_url)
    celery.conf.worker_redirect_stdouts = False
    # A receiver, even one that does nothing, keeps Celery from setting levels and handlers of its own.
    signals.setup_logging.connect(_leave_logging, weak=False)
    signals.worker_shutting_down.connect(lambda **_: stopping.set(), weak=False)
    return celery


def serve_hints(celery: Celery, name: str, queues: list[str], stopping: threading.Event) -> int:
    """Serve until the worker stops. Whatever ends Celery before, work goes on: SQL is looked at by the clock."""
    # It warns root about pickle, which is not accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    for logger in ("celery.app.trace", "celery.worker.strategy"):
        # Two lines a hint, and a hint is not worth one.
        logging.getLogger(logger).setLevel(logging.WARNING)
    threading.Thread(target=_stop_celery, args=(stopping,), name="stop-celery", daemon=True).start()
    while True:
        exit_code = _serve(celery, name, queues)
        if stopping.is_set():
            return exit_code
        log.error("Celery ended (exit code %d); it starts again in %.0f s.", exit_code, CELERY_PAUSE_SECONDS)
        stopping.wait(CELERY_PAUSE_SECONDS)


def _serve(celery: Celery, name: str, queues: list[str]) -> int:
    """One consumer; the flags avoid what kept reconnecting workers silent (celery#8030, #8091, #9054)."""
    worker = celery.Worker(
        hostname=f"worker@{name}",
        pool_cls="threads",
        concurrency=1,
        queues=queues,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _stop_celery(stopping: threading.Event) -> None:
    """Also when the signal came before Celery had its handlers."""
    stopping.wait()
    state.should_stop = 0


def _leave_logging(**_: object) -> None:
    return
