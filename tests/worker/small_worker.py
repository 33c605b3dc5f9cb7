"""A worker with a stand-in for training: `python -m tests.worker.small_worker NAME`.

ROUND_SECONDS in the environment makes its rounds and its canary quicker than a real one's; IS_DEAF loses every message
on the way from Redis to Celery, as a consumer does that never came back from a restart.
"""

import logging
import os
import sys

from studio.settings import Settings
from tests.worker import standin
from worker import broker, canary, rounds
from worker.environment import keep_only_plain
from worker.main import make_bench, work
from worker.start import Forkserver

if __name__ == "__main__":
    settings = Settings()
    if round_seconds := os.environ.get("ROUND_SECONDS"):
        rounds.ROUND_SECONDS = canary.SING_SECONDS = float(round_seconds)
    if os.environ.get("IS_DEAF"):
        broker.Transport._deliver = lambda *_: None
    environ = keep_only_plain()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    target = getattr(standin, sys.argv[1])
    sys.exit(work(make_bench(settings, environ, train=target, forkserver=Forkserver(preload=["worker.start"]))))
