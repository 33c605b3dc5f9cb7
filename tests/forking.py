"""One forkserver serves all tests of an interpreter, and only its first start says what it has imported."""

from multiprocessing import forkserver
from pathlib import Path

from worker.start import Forkserver

STACK, TEXT = "worker.preload", "worker.preload_text"


def preloaded(module: str, log_folder: Path) -> Forkserver:
    """A warm forkserver with this module, whatever the tests before had: cold, each child imports for seconds."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    server = Forkserver(preload=[module])
    server.warm_up(log_folder)
    return server
