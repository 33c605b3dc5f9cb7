"""Two workers that were both given the same GPU: one trainer at a time, and both runs end well."""

import time
import uuid

from tests.faults.chaos.home import Home
from tests.faults.chaos.ledger import Ledger
from tests.faults.chaos.report import Fault, Report


def share_a_gpu(home: Home, ledger: Ledger, *, seed: int) -> Report:
    """Start two workers for one GPU and launch two runs; the home's other workers must have left.

    Where there is no such GPU, only its lock is shared, and training is on the CPU.
    """
    ledger.undisturbed()
    for worker in home.workers:
        worker.end_everything()
    home.workers.clear()
    gpu = f"shared-{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        home.start_worker(TUNEWRIGHT_GPU=gpu)
    home.await_warm(2)
    run_ids = [ledger.launch(name=f"On the same GPU, {n}") for n in (1, 2)]
    fault = Fault("one GPU for two", "both at once", run_ids[0], 1)
    began, together = time.time(), 0
    while not all((run := home.read(run_id)).is_over for run_id in run_ids):
        assert time.time() - began < 240, home.describe(run.id)
        together = max(together, sum(home.read(run_id).status in {"running", "finalizing"} for run_id in run_ids))
        time.sleep(0.05)
    fault.seconds["end"] = time.time() - began
    fault.expect("training_at_once", together, 1)
    fault.facts["attempts"] = [home.read(run_id).attempt for run_id in run_ids]
    for run_id in run_ids:
        ledger.hit(run_id)
    for worker in home.workers:
        worker.end_everything()
    home.workers.clear()
    return Report("one GPU for two", seed, [fault], ledger.count())
