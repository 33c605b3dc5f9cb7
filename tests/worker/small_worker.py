"""A worker with a stand-in for training: `python -m tests.worker.small_worker NAME`."""

import logging
import sys

from studio.settings import Settings
from tests.worker import standin
from worker.environment import keep_only_plain
from worker.main import make_bench, work
from worker.start import Forkserver

if __name__ == "__main__":
    settings = Settings()
    environ = keep_only_plain()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    target = getattr(standin, sys.argv[1])
    sys.exit(work(make_bench(settings, environ, train=target, forkserver=Forkserver(preload=["worker.start"]))))
