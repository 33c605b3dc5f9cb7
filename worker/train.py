"""One straight line from an assignment to an adapter: `python -m worker.train FOLDER`, or a child of the worker.

It talks to nobody: it reads `assignment.json`, appends to `events.jsonl` and needs neither SQL, Redis nor a network.
"""

import functools
import logging
import shutil
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub.constants
import transformers
from datasets import Dataset

from studio.runs import Plan, make_plan
from studio.runs.events import Exported, Resolved
from studio.runs.folders import EVENTS_FILE
from worker.assignment import Assignment
from worker.callbacks import Reporter
from worker.card import Outcome
from worker.checkpoint import Checkpoints
from worker.data import Prepared, Tokenised, prepare_data
from worker.evaluate import answer_samples, validate, validation_batches
from worker.event_log import EventLog
from worker.export import (
    ARCHIVE_NAME,
    EXPORT_FOLDER,
    Weights,
    copy_start,
    write_archive,
    write_checksums,
    write_papers,
    write_tokenizer,
    write_weights,
)
from worker.failures import failure
from worker.hardware import Hardware, Threads, choose_hardware, peak_memory_bytes
from worker.model import Loaded, load_model
from worker.resolved import notes, resolved
from worker.trainer import AnswerTrainer, build_trainer

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
    """Train what `folder/assignment.json` says; 0 after an Exported event, 1 after a Failed one."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    with EventLog(folder / EVENTS_FILE) as events:
        try:
            train(Assignment.read(folder), folder, events)
        except Exception as error:  # the trainer's edge: everything becomes one sentence, the rest is in the log
            traceback.print_exc()
            events.emit(failure(error, events.phase))
            return 1
    return 0


def train(assignment: Assignment, folder: Path, events: EventLog) -> Trained:
    """Load, prepare, train, export; each step says so."""
    spec = assignment.spec
    plan = make_plan(spec, assignment.row_count)
    events.begin("loading_model")
    hardware = choose_hardware(spec.hyperparameters.precision, assignment.gpu)
    threads = Threads(1 if hardware.on_gpu else hardware.threads)
    transformers.set_seed(spec.hyperparameters.seed)
    quieten()
    loaded = load_model(assignment.base_model_folder, spec, hardware)
    start = copy_start(loaded.model)

    events.begin("preparing_data")
    max_length = longest_row(assignment, loaded)
    data = prepare_data(assignment, loaded.tokenizer, max_length)
    threads.watch(busy=1)
    for event in notes(assignment, data, max_length, hardware):
        events.emit(event)

    trainer, reporter = assemble(assignment, plan, hardware, loaded, data, events, threads)
    facts = resolved(assignment, plan, hardware, loaded, data, max_length)
    events.emit(Resolved(config=facts))
    events.begin("training")
    trainer.train()

    events.begin("exporting")
    if reporter.best and reporter.best[0] != plan.steps:
        reporter.checkpoints.load_best(loaded.model)
    exported = export(assignment, plan, hardware, loaded, data, reporter, folder, start)
    events.emit(Resolved(config=facts | {"seconds": events.seconds_by_phase()}))
    events.emit(exported)
    return Trained(loaded, exported)


def longest_row(assignment: Assignment, loaded: Loaded) -> int:
    """The longest row in tokens: what the spec says, unless the base model's context is shorter."""
    context = loaded.config.get("max_position_embeddings") or assignment.spec.data.max_length_tokens
    return min(assignment.spec.data.max_length_tokens, int(context) - loaded.virtual_tokens)


def assemble(
    assignment: Assignment,
    plan: Plan,
    hardware: Hardware,
    loaded: Loaded,
    data: Prepared,
    events: EventLog,
    threads: Threads,
) -> tuple[AnswerTrainer, Reporter]:
    """Tie trainer, reporter and evaluation together."""
    spec, tokenizer = assignment.spec, loaded.tokenizer
    batches = validation_batches(data.validation.rows, tokenizer.pad_token_id, spec.hyperparameters.batch_size)
    reporter = Reporter(
        events,
        plan,
        Checkpoints(events.folder / "checkpoints"),
        peak_memory=functools.partial(peak_memory_bytes, hardware),
        validate=lambda: validate(trainer.model, batches, trainer.losses, threads) if batches else None,
        answer=lambda: answer_samples(
            trainer.model, tokenizer, data.samples, spec.evaluation.sample_tokens, together=not loaded.virtual_tokens
        ),
        first_loss=lambda: trainer.first_loss,
    )
    trainer = build_trainer(
        spec,
        plan,
        hardware,
        callbacks=[reporter],
        output_dir=str(events.folder / "checkpoints"),
        model=loaded.model,
        processing_class=tokenizer,
        train_dataset=as_dataset(data.train),
        measure=reporter.measure,
        threads=threads,
    )
    return trainer, reporter


def as_dataset(tokenised: Tokenised) -> Dataset:
    """The two columns that TRL's collator reads."""
    return Dataset.from_dict(
        {
            "input_ids": [row.input_ids for row in tokenised.rows],
            "labels": [row.labels for row in tokenised.rows],
        }
    )


def export(
    assignment: Assignment,
    plan: Plan,
    hardware: Hardware,
    loaded: Loaded,
    data: Prepared,
    reporter: Reporter,
    folder: Path,
    start: Weights | None,
) -> Exported:
    """Write the files of the result, then the archive."""
    step, loss = reporter.best or (plan.steps, reporter.last_loss)
    outcome = Outcome(
        step=step,
        steps=plan.steps,
        first_validation_loss=next((value for _, name, value in reporter.points if name == "eval/loss"), None),
        validation_loss=loss,
        trained_parameters=loaded.trained_parameters,
        total_parameters=loaded.total_parameters,
        train_rows=len(data.train.rows),
        validation_rows=len(data.validation.rows),
    )
    target = folder / EXPORT_FOLDER
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    write_weights(loaded.model, assignment, target, start)
    write_tokenizer(loaded.tokenizer, assignment, target)
    write_papers(target, assignment, outcome, hardware, reporter.points)
    files = write_checksums(target)
    sha256, size = write_archive(target, [file["name"] for file in files], folder / ARCHIVE_NAME)
    return Exported(
        archive=ARCHIVE_NAME,
        sha256=sha256,
        size_bytes=size,
        files=files,
        step=step,
        validation_loss=loss,
        trained_parameters=outcome.trained_parameters,
        base_revision=assignment.base_revision,
    )


def quieten() -> None:
    """Keep known noise out of the log: progress bars, and warnings that only the libraries can mend."""
    transformers.utils.logging.disable_progress_bar()
    # It tells at each product over 8-bit weights that its inputs are cast.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    for pattern in KNOWN_NOISE:
        warnings.filterwarnings("ignore", message=pattern)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
