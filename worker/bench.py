"""The bench of a worker: what every run on it needs."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.db import SessionFactory
from studio.queue import Queue, SilentQueue
from studio.settings import Settings
from studio.storage import Storage
from studio.wire import Wire
from worker.start import Forkserver, Target


@dataclass(frozen=True, slots=True)
class Bench:
    """Made once at start. `train` runs in the trainer process and is given the attempt's folder."""

    settings: Settings
    session_factory: SessionFactory
    storage: Storage
    wire: Wire
    forkserver: Forkserver
    train: Target
    owner: str
    queue: Queue = field(default_factory=SilentQueue)
    download_environ: Mapping[str, str] = field(default_factory=dict)
    hub_token: str | None = field(default=None, repr=False)
    stopping: threading.Event = field(default_factory=threading.Event)
