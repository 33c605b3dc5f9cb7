"""One straight line from an assignment to an adapter: `python -m worker.train FOLDER`, or a child of the worker.

It talks to nobody: it reads `assignment.json`, appends to `events.jsonl`, hears signals, and needs neither SQL, Redis
nor a network.
"""

import logging
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub.constants
import transformers

from studio.runs import make_plan
from studio.runs.events import Exported, Resolved
from studio.runs.folders import CHECKPOINTS, EVENTS_FILE
from worker.assemble import Attempt, assemble
from worker.assignment import Assignment
from worker.checkpoint import BEST_FILE, WEIGHTS_FILE, Checkpoints, load_start, load_weights
from worker.data import prepare_data
from worker.event_log import EventLog
from worker.export import export
from worker.failures import failure
from worker.gpu_lock import GpuBusy, hold_gpu
from worker.guard import NothingTrained
from worker.hardware import Threads, choose_hardware
from worker.leaving import Leave, Orders
from worker.model import Loaded, copy_start, load_model
from worker.prepared import open_rows
from worker.resolved import notes
from worker.resume import Saved, tell_resumed
from worker.signals import EXIT_AT_CAP, EXIT_GPU_BUSY, EXIT_SAVED
from worker.state import State
from worker.trial import try_out

log = logging.getLogger(__name__)

KNOWN_NOISE = (
    # peft 0.21 and trl 1.16 use names that transformers 5.23 has renamed.
    r"`\w*gradient_checkpointing\w*` is deprecated",
    # peft computes the positions behind its virtual tokens itself.
    r"Position ids are not supported for parameter efficient tuning",
)


@dataclass(frozen=True, slots=True)
class Trained:
    """What is left after training, with the best weights in the model."""

    loaded: Loaded
    exported: Exported


def main(folder: Path) -> int:
    """Train what `folder/assignment.json` says; 0 after an Exported event, 1 after a Failed one, else `signals`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    with Orders() as orders, EventLog(folder / EVENTS_FILE) as events:
        try:
            assignment = Assignment.read(folder)
            with hold_gpu(assignment.gpu):
                if assignment.purpose == "trial":
                    try_out(begin(assignment, folder, events, orders)[0], folder)
                else:
                    train(assignment, folder, events, orders)
        except Leave:
            return EXIT_SAVED
        except GpuBusy as error:
            log.warning(error.message)
            return EXIT_GPU_BUSY
        except NothingTrained:
            return EXIT_AT_CAP
        except Exception as error:  # the trainer's edge: everything becomes one sentence, the rest is in the log
            traceback.print_exc()
            events.emit(failure(error, events.phase))
            return 1
    return 0


def train(assignment: Assignment, folder: Path, events: EventLog, orders: Orders) -> Trained:
    """Load, prepare, train, export; each step says so."""
    attempt, saved = begin(assignment, folder, events, orders)
    if saved is not None and assignment.keep_only:
        return keep(attempt, folder, saved)

    events.begin("preparing_data")
    max_length = attempt.max_length
    rows = open_rows(
        folder.parent,
        lambda: prepare_data(assignment, attempt.loaded.tokenizer, max_length),
        saved.state.data if saved else None,
    )
    if saved is None:
        attempt.threads.watch(busy=1)
        attempt.threads.settle()
        events.emit(*notes(assignment, rows, max_length, attempt.hardware))

    trainer, reporter, saver = assemble(attempt, rows, saved)
    events.emit(Resolved(config=attempt.describe(rows)))
    events.begin("training")
    with orders.worth_saving():
        try:
            if saved is not None and saved.state.step >= attempt.plan.steps and not saved.state.pending_evaluation:
                tell_resumed(events, saved.state, attempt.describe(rows))
            else:
                trainer.train()
        except Leave:
            saver.save_before_leaving()
            raise

    events.begin("exporting")
    step, report = trainer.state.global_step, reporter.report
    if report.best and report.best.step != step:
        attempt.checkpoints.load_best(attempt.loaded.model)
    exported = export(attempt, rows.reference, report, step, folder)
    events.emit(Resolved(config=attempt.describe(rows) | attempt.measured(rows)))
    events.emit(exported)
    return Trained(attempt.loaded, exported)


def begin(assignment: Assignment, folder: Path, events: EventLog, orders: Orders) -> tuple[Attempt, Saved | None]:
    """Choose the hardware and load the model, with the weights of the checkpoint to go on from."""
    spec, checkpoint = assignment.spec, assignment.checkpoint
    events.begin("loading_model")
    saved = Saved(checkpoint, State.read(checkpoint)) if checkpoint else None
    hardware = choose_hardware(spec.hyperparameters.precision, assignment.gpu)
    cores = 1 if hardware.on_gpu else hardware.threads
    threads = Threads(cores, saved.state.threads if saved else None)
    transformers.set_seed(spec.hyperparameters.seed)
    quieten()
    checkpoints = Checkpoints(folder / CHECKPOINTS, checkpoint)
    start = load_start(checkpoint) if checkpoint else None
    loaded = load_model(assignment.base_model_folder, spec, hardware, start)
    if saved is not None:
        load_weights(loaded.model, saved.folder / WEIGHTS_FILE)
    else:
        start = copy_start(loaded.model)
        if start is not None:
            checkpoints.keep_start(start)
    plan = make_plan(spec, assignment.row_count)
    return Attempt(assignment, plan, hardware, threads, loaded, start, checkpoints, events, orders), saved


def keep(attempt: Attempt, folder: Path, saved: Saved) -> Trained:
    """Export the best weights of a checkpoint without training; its last ones when no validation has chosen."""
    state, events = saved.state, attempt.events
    events.emit(Resolved(config=state.resolved))
    events.begin("exporting")
    if state.report.best is not None:
        load_weights(attempt.loaded.model, saved.folder / BEST_FILE)
    exported = export(attempt, state.data, state.report, state.step, folder)
    events.emit(exported)
    return Trained(attempt.loaded, exported)


def quieten() -> None:
    """Keep known noise out of the log: progress bars, and warnings that only the libraries can mend."""
    transformers.utils.logging.disable_progress_bar()
    # It tells at each product over 8-bit weights that its inputs are cast.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    for pattern in KNOWN_NOISE:
        warnings.filterwarnings("ignore", message=pattern)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
