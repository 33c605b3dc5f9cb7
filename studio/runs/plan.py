"""What a spec comes to in rows, steps and evaluations, before anything runs."""

import math
from dataclasses import dataclass

from studio.datasets.splits import split_sizes
from studio.runs.mixing import train_counts, validation_counts
from studio.runs.spec import RunSpec

EVALUATIONS_PER_RUN = 10
# Half of them on the longest rows; more where steps are quick, fewer where they are slow.
TRIAL_STEPS = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """The numbers of the preview card; the trainer follows the same ones."""

    train_rows: int
    validation_rows: int
    test_rows: int
    effective_batch: int
    steps_per_epoch: int
    steps: int
    evaluate_every: int
    evaluations: int
    learning_rate: float


def make_plan(spec: RunSpec, row_count: int) -> Plan:
    """Count rows and steps; raises ValueError for a dataset of fewer than two rows."""
    sizes = split_sizes(row_count, spec.data.split)
    train_rows = sum(train_counts(spec, row_count))
    steps_per_epoch = math.ceil(train_rows / spec.hyperparameters.effective_batch)
    steps = spec.hyperparameters.max_steps or max(1, math.ceil(steps_per_epoch * spec.hyperparameters.epochs))
    every = spec.evaluation.every_steps or max(1, math.ceil(steps / EVALUATIONS_PER_RUN))
    return Plan(
        train_rows=train_rows,
        validation_rows=sum(validation_counts(spec, row_count)),
        test_rows=sizes["test"],
        effective_batch=spec.hyperparameters.effective_batch,
        steps_per_epoch=steps_per_epoch,
        steps=steps,
        evaluate_every=min(every, steps),
        evaluations=1 + math.ceil(steps / every),
        learning_rate=spec.learning_rate,
    )
