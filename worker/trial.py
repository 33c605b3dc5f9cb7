"""A trial run: real steps on the longest and on ordinary rows, then everything else that a run does, once and timed.

It leaves no adapter and no checkpoint behind; what it found is told in one event.
"""

import functools
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.budget.trials import Measured
from studio.runs.events import Answer, Resolved, Tried
from studio.runs.folders import CHECKPOINTS, checkpoint_name
from worker.assemble import Attempt
from worker.data import SamplePrompt, prepare_data
from worker.evaluate import Batch, answer_samples, validate, validation_batches
from worker.hardware import peak_memory_bytes
from worker.prepared import RunRows, open_rows
from worker.reloading import compare, give_memory_back, probe, reload
from worker.resolved import notes
from worker.state import Report, State
from worker.trainer import AnswerTrainer, build_trainer
from worker.trial_report import forecast_of, learned, seconds_each, told_of_steps
from worker.trial_steps import MOST_STEPS, StepClock, TrialBatches, mean_padded_tokens

# An evaluation that takes longer is broken off; the rest is counted by its tokens. So are answers beyond these tokens.
EVALUATION_SECONDS = 40.0
ANSWER_TOKENS = 64
# Of the time before the trainer, what a run spends again: a download and a cold worker happen once.
_MOST_STARTING_SECONDS = 3.0


def try_out(attempt: Attempt, folder: Path) -> None:
    """Do all of it; raises what a run would raise, at the place where a run would."""
    try:
        _Trial(attempt, folder).run()
    finally:
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


class _Trial:
    """One trial; each part writes down what it took."""

    def __init__(self, attempt: Attempt, folder: Path) -> None:
        self.plan = attempt.plan
        # The schedule of the learning rate has so few steps too; what a step takes does not depend on it.
        self.attempt = replace(attempt, plan=replace(attempt.plan, steps=MOST_STEPS))
        self.folder = folder
        self.measured = Measured()
        self.rows = self._open_rows()
        self.trainer: AnswerTrainer

    def run(self) -> None:
        """From the first step to the last word."""
        events = self.attempt.events
        with self.attempt.orders.worth_saving():
            self._step()
            report = told_of_steps(self.attempt, self.rows, self.measured)
            if not self._is_over():
                report |= self._evaluate()
            # The model that is measured is given up when its checkpoint is loaded.
            resolved = self.attempt.describe(self.rows) | {"steps": self.plan.steps}
            resolved |= learned(self.attempt, self.rows, self.measured)
            is_through = not self._is_over()
            if is_through:
                report |= self._save_and_load()
            else:
                report["problems"].append("The trial was ended before it was through: its cap was reached, or you did.")
        resolved["pace"] |= seconds_each(self.measured)
        if is_through:
            # Else evaluations, checkpoints or most steps are not known, and a forecast would leave them out.
            report |= forecast_of(self.attempt.assignment, self.plan, self.measured)
        events.emit(Resolved(config=resolved), Tried(report=report))

    def _open_rows(self) -> RunRows:
        attempt, assignment = self.attempt, self.attempt.assignment
        attempt.events.begin("preparing_data")
        prepare = functools.partial(prepare_data, assignment, attempt.loaded.tokenizer, attempt.max_length)
        rows = open_rows(self.folder.parent, prepare, None)
        attempt.threads.watch(busy=1)
        attempt.threads.settle()
        attempt.events.emit(*notes(assignment, rows, attempt.max_length, attempt.hardware))
        return rows

    def _step(self) -> None:
        """The training steps."""
        attempt, assignment = self.attempt, self.attempt.assignment
        batches = TrialBatches(self.rows.lengths, assignment.spec)
        peak = functools.partial(peak_memory_bytes, attempt.hardware)
        clock = StepClock(attempt.events, batches, peak_memory=peak, is_over=self._is_over)
        self.trainer = build_trainer(
            assignment.spec,
            attempt.plan,
            attempt.hardware,
            0,
            callbacks=[clock],
            output_dir=str(self.folder / CHECKPOINTS),
            model=attempt.loaded.model,
            processing_class=attempt.loaded.tokenizer,
            train_dataset=self.rows.train,
            batches=batches,
            measure=_measure_nothing,
            settle=clock.settle,
            refuse=clock.refuse,
            between=attempt.pause,
            count_tokens=clock.count_tokens,
        )
        self.measured.starting = self._starting()
        attempt.events.begin("training")
        self.trainer.train()
        self.measured.steps = clock.steps
        self.measured.mean_tokens = mean_padded_tokens(self.rows.lengths, assignment.spec, self.plan.steps)

    def _evaluate(self) -> dict[str, Any]:
        """An evaluation as a run makes it, the longest rows first."""
        attempt, model = self.attempt, self.trainer.model
        batch_size, pad_id = attempt.assignment.spec.hyperparameters.batch_size, attempt.loaded.tokenizer.pad_token_id
        attempt.events.begin("evaluating")
        model.eval()
        batches = validation_batches(self.rows.validation, pad_id, batch_size)
        share = self._validate(batches[::-1])
        self._measure_answers()
        return {
            "validation_rows": len(self.rows.validation),
            "evaluated_share": round(share, 3),
            "evaluation_seconds": round(self.measured.evaluation, 3),
            "answers": len(self.rows.samples),
            "answers_seconds": round(self.measured.answers, 3),
        }

    def _validate(self, batches: Sequence[Batch]) -> float:
        """Measure batches until the time is up; returns the share that was measured, by tokens."""
        if not batches:
            return 1.0
        model, pause = self.trainer.model, self.attempt.pause
        sizes = [batch["input_ids"].numel() for batch in batches]
        began, done = time.monotonic(), 0
        for batch, size in zip(batches, sizes, strict=True):
            validate(model, [batch], self.trainer.losses, pause)
            done += size
            if time.monotonic() - began > EVALUATION_SECONDS or self._is_over():
                break
        share = done / sum(sizes)
        self.measured.evaluation = (time.monotonic() - began) / share
        return share

    def _measure_answers(self) -> None:
        """An untrained model answers to the limit; a trained one stops where an answer is over."""
        samples, tokenizer = self.rows.samples, self.attempt.loaded.tokenizer
        if not samples:
            return
        began, made = time.monotonic(), _Count(self.attempt.pause)
        self._answers(self.trainer.model, samples, made)
        seconds = time.monotonic() - began
        most = self.attempt.assignment.spec.evaluation.sample_tokens
        expected = [min(most, len(tokenizer(one.expected)["input_ids"]) + 1) for one in samples]
        trained = sum(expected) if self.attempt.loaded.virtual_tokens else max(expected)
        self.measured.answers = seconds * max(1.0, most / ANSWER_TOKENS)
        self.measured.trained_answers = min(self.measured.answers, seconds * trained / max(1, made.count))

    def _save_and_load(self) -> dict[str, Any]:
        """Write a checkpoint, load it into a fresh model, and let that answer."""
        attempt = self.attempt
        attempt.events.begin("loading_model", "The checkpoint is loaded again.")
        samples = self.rows.samples[:2] or [self._prompt_of_a_row()]
        ids = self.rows.train[0]["input_ids"]
        before = probe(self.trainer.model, ids, attempt.hardware)
        answers_before = self._answers(self.trainer.model, samples)
        checkpoint, sha256, size = self._save()
        give_memory_back(self.trainer.model, self.trainer.optimizer)
        began = time.monotonic()
        loaded = reload(attempt, checkpoint, sha256)
        loaded_at = time.monotonic()
        difference = compare(before, probe(loaded.model, ids, attempt.hardware), attempt.hardware)
        generating = time.monotonic()
        answers = self._answers(loaded.model, samples)
        generated = time.monotonic()
        return {
            "checkpoint_seconds": round(self.measured.checkpoint, 3),
            "checkpoint_bytes": size,
            "reload_seconds": round(loaded_at - began, 3),
            "generation_seconds": round(generated - generating, 3),
            "largest_difference": difference,
            "same_answers": [one.answer for one in answers] == [one.answer for one in answers_before],
        }

    def _save(self) -> tuple[Path, str, int]:
        attempt, trainer = self.attempt, self.trainer
        step = trainer.state.global_step
        state = State(
            step=step,
            data=self.rows.reference,
            threads=attempt.threads.wanted,
            pending_evaluation=False,
            counters=trainer.counters(),
            report=Report(),
            resolved=attempt.describe(self.rows),
        )
        facts = {"run": attempt.assignment.run_id, "epoch": attempt.assignment.epoch}
        began = time.monotonic()
        sha256, size = attempt.checkpoints.write(trainer.model, trainer.optimizer, trainer.lr_scheduler, state, facts)
        written = time.monotonic()
        attempt.checkpoints.keep_best(trainer.model, step)
        self.measured.checkpoint, self.measured.best = written - began, time.monotonic() - written
        return self.folder / CHECKPOINTS / checkpoint_name(step), sha256, size

    def _answers(self, model: Any, samples: Sequence[SamplePrompt], between: Any = None) -> list[Answer]:
        attempt = self.attempt
        return answer_samples(
            model,
            attempt.loaded.tokenizer,
            samples,
            min(ANSWER_TOKENS, attempt.assignment.spec.evaluation.sample_tokens),
            together=not attempt.loaded.virtual_tokens,
            between=between or attempt.pause,
        )

    def _prompt_of_a_row(self) -> SamplePrompt:
        """The first half of a row, where the data has no prompts to answer."""
        ids = list(self.rows.train[0]["input_ids"])
        return SamplePrompt(0, "", "", ids[: max(1, len(ids) // 2)])

    def _starting(self) -> float:
        """From the claim to the first step, without what only the first run of a worker waits for."""
        seconds = self.attempt.events.seconds_by_phase()
        inside = sum(seconds.values())
        held_since = self.attempt.assignment.held_since
        before = time.monotonic() - held_since - inside if held_since is not None else 0.0
        return inside + min(max(0.0, before), _MOST_STARTING_SECONDS)

    def _is_over(self) -> bool:
        """Whether the cap is reached, or a person wants the trial to end."""
        assignment = self.attempt.assignment
        if self.attempt.orders.finish:
            return True
        if assignment.cap is None or assignment.held_since is None:
            return False
        return time.monotonic() > assignment.held_since + assignment.cap.seconds


class _Count:
    """Counts how often it is called, and passes each call on."""

    def __init__(self, then: Any) -> None:
        self.count = 0
        self._then = then

    def __call__(self) -> None:
        self.count += 1
        self._then()


def _measure_nothing(step: int) -> None:
    """A trial evaluates once, behind its steps."""
