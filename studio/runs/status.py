"""The state machine of a run, as data."""

from typing import Literal

Status = Literal["queued", "starting", "running", "finalizing", "succeeded", "failed", "cancelled"]
Desired = Literal["run", "pause", "keep", "cancel"]
Phase = Literal[
    "waiting",
    "starting",
    "downloading",
    "loading_model",
    "preparing_data",
    "training",
    "evaluating",
    "exporting",
    "done",
]
FailureKind = Literal[
    "oom_gpu",
    "oom_host",
    "non_finite",
    "disk_full",
    "bad_data",
    "model_load",
    "crash_loop",
    "timeout",
    "killed",
    "internal",
]

ACTIVE: frozenset[str] = frozenset({"starting", "running", "finalizing"})
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})
# Of what may stop a run before its last step, the caps.
CAPS: frozenset[str] = frozenset({"max_dollars", "max_hours"})

STATUS_WORDS: dict[str, str] = {
    "queued": "Waiting for its turn",
    "starting": "Starting",
    "running": "Training",
    "finalizing": "Saving the adapter",
    "succeeded": "Finished",
    "failed": "Failed",
    "cancelled": "Cancelled",
}

# What a person has asked for and the worker has not done yet.
DESIRED_WORDS: dict[str, str] = {
    "pause": "Pausing",
    "keep": "Stopping, keeping the best",
    "cancel": "Cancelling",
}

PHASE_WORDS: dict[str, str] = {
    "waiting": "Waiting for a free worker",
    "starting": "Starting the trainer",
    "downloading": "Downloading the base model",
    "loading_model": "Loading the base model",
    "preparing_data": "Preparing the data",
    "training": "Training",
    "evaluating": "Measuring validation loss",
    "exporting": "Saving the adapter",
    "done": "Done",
}

# What happened, then why it usually does and what to do about it.
FAILURE_WORDS: dict[str, tuple[str, str]] = {
    "oom_gpu": (
        "The GPU ran out of memory.",
        "Weights, optimizer and the rows of one pass did not fit together. Halve the batch size and double gradient "
        "accumulation, or take less in another way; the effective batch can stay as it is.",
    ),
    "oom_host": (
        "The machine ran out of memory.",
        "The kernel ended the trainer to keep the machine alive. Use a 4-bit base or a smaller base model, or end what "
        "else runs there.",
    ),
    "non_finite": (
        "The loss became infinite or not a number.",
        "The run stopped at that step, so its checkpoint is from before. The learning rate is usually too high: run "
        "again with half of it.",
    ),
    "disk_full": (
        "The disk is full.",
        "What was saved before is whole. Free some space in the data folder, then continue.",
    ),
    "bad_data": ("The data cannot be trained on.", "See the reason, mend the dataset, upload it and run again."),
    "model_load": (
        "The base model could not be loaded.",
        "See the reason; check its id, its licence gate and the disk, then run again with changes.",
    ),
    "crash_loop": (
        "The trainer ended without a result several times in a row.",
        "Nothing new was saved in between. Read the log for the cause before you continue.",
    ),
    "timeout": (
        "The trainer stopped making progress, twice.",
        "Read the log: it holds where every thread stood. Then continue from the last checkpoint.",
    ),
    # Runs of version 0.1 that were ended by a signal; now such a run goes on from its checkpoint.
    "killed": (
        "The trainer was ended from outside.",
        "If nobody ended it, the machine was probably out of memory.",
    ),
    "internal": (
        "Something failed inside the trainer.",
        "Read the log; continue or run again if it looks like an accident.",
    ),
}
