"""Shared by benchmarks of live pages: a run whose points are recorded and told as a worker's supervisor does it."""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from studio import datasets, runs, valkey
from studio.actors import LOCAL_ACTOR
from studio.datasets import Receiver
from studio.db import SessionFactory, transaction
from studio.queue import SilentQueue
from studio.runs.events import Measured, Progressed
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.wire import Wire

BATCH_SECONDS = 0.2
POINT_SECONDS = 0.05


class Feed:
    """One run behind a lease; `measured_at` holds when each step was measured, on the monotonic clock."""

    def __init__(self, settings: Settings, factory: SessionFactory, redis_url: str) -> None:
        self.measured_at: dict[int, float] = {}
        self._factory = factory
        self._wire = Wire(redis_url)
        self.run_id = _launch(settings, factory)
        with transaction(factory) as session:
            lease = runs.claim(session, self.run_id, "benchmark")
        assert lease is not None
        self._lease = lease
        self._step = 0

    def measure_for(self, seconds: float) -> None:
        """A point every 50 ms, in batches of 0.2 s."""
        end, first = time.monotonic() + seconds, self._step + 1
        recorded_at = time.monotonic()
        while time.monotonic() < end:
            time.sleep(POINT_SECONDS)
            self._step += 1
            self.measured_at[self._step] = time.monotonic()
            if time.monotonic() - recorded_at >= BATCH_SECONDS:
                self._record(first)
                first, recorded_at = self._step + 1, time.monotonic()

    def last_seq(self) -> int:
        """The run's newest number."""
        with transaction(self._factory) as session:
            return session.get_one(runs.Run, self.run_id).last_seq

    def measure(self, step: int) -> None:
        """One point."""
        self._step = step
        self._record(step)

    def close(self) -> None:
        """Let the wire go."""
        self._wire.close()

    def _record(self, first: int) -> None:
        steps = range(first, self._step + 1)
        events = [Measured(step=step, values={"train/loss": 1 / step}) for step in steps]
        with transaction(self._factory) as session:
            runs.record(session, self._lease, [*events, Progressed(step=self._step, total_steps=10**6)])
        self._wire.poke(self.run_id)


@contextlib.contextmanager
def running_valkey() -> Iterator[str]:
    """A server on a socket; gives its URL."""
    with tempfile.TemporaryDirectory(prefix="tw-") as folder:
        path = Path(folder) / "valkey.sock"
        command = valkey.server_command(valkey.find_server(), path, Path(folder) / "data")
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _await(path)
            yield f"unix://{path}"
        finally:
            server.terminate()
            server.wait(10)


def _await(path: Path) -> None:
    deadline = time.monotonic() + 20
    with redis.Redis(unix_socket_path=str(path)) as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(redis.ConnectionError):
                client.ping()
                return
            time.sleep(0.02)
    raise TimeoutError("Valkey did not start")


def _launch(settings: Settings, factory: SessionFactory) -> str:
    with Receiver(settings.uploads_dir, "numbers.jsonl", 1 << 20) as receiver:
        receiver.write(b"".join(b'{"prompt": "Say %d", "completion": "It is %d"}\n' % (n, n) for n in range(30)))
        upload = receiver.finish()
    storage = LocalStorage(settings.storage_dir)
    with transaction(factory) as session:
        version = datasets.import_upload(session, LOCAL_ACTOR, upload, storage=storage, name="Numbers").latest
        data = {"dataset_version_id": version.id, "sha256": version.sha256, "split": version.split}
        spec = runs.validate_spec({"data": data})
        return runs.launch(session, LOCAL_ACTOR, spec, queue=SilentQueue(), settings=settings).id
