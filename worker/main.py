"""Starts a worker: secrets out of the environment, a warm forkserver, the clock's rounds, and Celery on top."""

import ctypes
import importlib.util
import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from studio import db
from studio.db import SessionFactory
from studio.errors import StartupError
from studio.housekeeping import Housekeeping
from studio.presence import present
from studio.queue import GPU_QUEUE, CeleryQueue, canary_queue
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.tables import metadata
from studio.wire import Wire
from worker import canary, serving
from worker.bench import Bench
from worker.canary import Canary
from worker.environment import keep_only_plain
from worker.rounds import Rounds
from worker.start import Forkserver, Target
from worker.tasks import Slot, add_task

log = logging.getLogger("worker")

WORKER_EXTRA = ("torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "huggingface_hub")
# A worker's transactions take milliseconds; one that stands still belongs to a frozen worker, and others wait for it.
TRANSACTION_PAUSE_SECONDS = 20.0
_PR_SET_DUMPABLE = 4


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    settings = Settings()
    download_environ = keep_only_plain()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        require_worker_extra()
        bench = make_bench(settings, download_environ, train=_train, forkserver=Forkserver())
    except StartupError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - the sentence of a program that cannot start
        return 1
    return work(bench)


def make_bench(
    settings: Settings, download_environ: Mapping[str, str], *, train: Target, forkserver: Forkserver
) -> Bench:
    """Open what the worker needs; raises StartupError with a sentence when something is not there."""
    if not settings.redis_url:
        raise StartupError("The worker needs TUNEWRIGHT_REDIS_URL. `tunewright up` starts a server and a worker.")
    hub_token = _read_token(settings.hub_token_file)
    engine = db.make_engine(settings.sqlalchemy_url, longest_pause_seconds=TRANSACTION_PAUSE_SECONDS)
    session_factory = db.make_session_factory(engine)
    _require_tables(session_factory)
    for folder in (settings.runs_dir, settings.logs_dir):
        folder.mkdir(parents=True, exist_ok=True)
    return Bench(
        settings=settings,
        session_factory=session_factory,
        storage=LocalStorage(settings.storage_dir),
        wire=Wire(settings.redis_url),
        forkserver=forkserver,
        train=train,
        queue=CeleryQueue(settings.redis_url),
        owner=f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}",
        download_environ=download_environ,
        hub_token=hub_token,
    )


def work(bench: Bench) -> int:
    """Warm the forkserver, make the rounds, and serve hints until a signal; leaves no process behind."""
    assert bench.settings.redis_url is not None
    hide_environment()
    celery = serving.make_consumer(bench.settings.redis_url, bench.stopping)
    slot = Slot(bench)
    add_task(celery, slot)
    settings = bench.settings
    housekeeping = Housekeeping(bench.session_factory, bench.queue, bench.wire, settings)
    with present(settings.data_dir, bench.owner):
        rounds = Rounds(bench, slot, housekeeping, Canary(celery, bench.wire, bench.owner, canary.SING_SECONDS))
        threading.Thread(target=_warm_up, args=(bench,), name="warm-up", daemon=True).start()
        rounds.start()
        try:
            return serving.serve_hints(celery, bench.owner, [GPU_QUEUE, canary_queue(bench.owner)], bench.stopping)
        finally:
            bench.stopping.set()
            rounds.join()
            bench.wire.forget_queue(canary_queue(bench.owner))
            bench.wire.close()
            log.info("worker stopped")


def _train(folder: Path) -> int:
    """Runs in the trainer process only: this process never imports torch."""
    from worker.train import main as train

    return train(folder)


def _warm_up(bench: Bench) -> None:
    try:
        seconds = bench.forkserver.warm_up(bench.settings.logs_dir)
    except RuntimeError as error:
        log.error("%s", error)
    else:
        log.info("worker ready: warm after %.1f s", seconds)


def require_worker_extra() -> None:
    """Raise StartupError when a package of the extra is not installed."""
    missing = [name for name in WORKER_EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise StartupError(
            f"The worker needs {', '.join(missing)}, not installed here. Install the extra: "
            "pip install 'tunewright[worker]'"
        )


def _require_tables(session_factory: SessionFactory) -> None:
    """Every column that this worker knows is there; more of them are fine, so that a migration may come first."""
    try:
        with db.reading(session_factory) as session:
            session.scalar(select(1))
            missing = _first_missing(session)
    except SQLAlchemyError as error:
        raise StartupError(
            f"The database cannot be used ({type(error).__name__}). Check TUNEWRIGHT_DATABASE_URL and that its server "
            "runs, then make its tables with `tunewright migrate`."
        ) from error
    if missing:
        raise StartupError(
            f"The database's schema is older than this worker needs ({missing} is not there). Run `tunewright migrate` "
            "of this version, then start the worker again."
        )


def _first_missing(session: Session) -> str:
    there = inspect(session.connection())
    tables = set(there.get_table_names())
    for table in metadata.sorted_tables:
        columns = {column["name"] for column in there.get_columns(table.name)} if table.name in tables else set()
        for column in table.columns:
            if column.name not in columns:
                return f"{table.name}.{column.name}"
    return ""


def _read_token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError as error:
        raise StartupError(f"TUNEWRIGHT_HUB_TOKEN_FILE cannot be read: {error.strerror}.") from error


def hide_environment() -> None:
    """Keep other processes of this user from reading /proc/PID/environ, which shows what was there at the start."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)
