"""What the end of a trainer means, for every way to leave."""

import signal

import pytest

from studio.runs.events import Exported, Failed
from worker.attempt import Said
from worker.keeper import Ending
from worker.outcome import (
    GPU_BUSY,
    NOTHING_TO_KEEP,
    Cancel,
    Crash,
    Drop,
    Fail,
    Finish,
    HandBack,
    Left,
    Outcome,
    Wait,
    after_child,
    after_interruption,
)
from worker.signals import EXIT_GPU_BUSY, EXIT_SAVED, FINISH

KILLED = -signal.SIGKILL
EXPORTED = Exported(
    archive="export/adapter.zip",
    sha256="0" * 64,
    size_bytes=1,
    files=[],
    step=9,
    validation_loss=None,
    trained_parameters=1,
    base_revision=None,
)


@pytest.mark.parametrize(
    ("left", "outcome"),
    [
        (Left(EXIT_SAVED, told="pause"), HandBack("pause")),
        (Left(EXIT_SAVED, told="stopped"), HandBack("stopped")),
        (Left(KILLED, told="stopped"), HandBack("stopped")),
        (Left(-signal.SIGTERM, told="leave"), HandBack("leave")),
        (Left(1, told="pause"), HandBack("pause")),
        (Left(KILLED, told="cancel"), Cancel()),
        (Left(KILLED, told="lost"), Drop()),
        (Left(KILLED, told="keep"), Cancel(NOTHING_TO_KEEP)),
        (Left(EXIT_GPU_BUSY), Wait(GPU_BUSY, 10.0)),
        (Left(-FINISH, told_to_finish=True), HandBack("keep")),
        (Left(-FINISH), Crash("The trainer was ended by signal 10 (SIGUSR1) at step 7.")),
        (Left(KILLED), Crash("The trainer was ended by signal 9 (SIGKILL) at step 7.")),
        (Left(KILLED, told_to_finish=True), Crash("The trainer was ended by signal 9 (SIGKILL) at step 7.")),
        (Left(-64), Crash("The trainer was ended by signal 64 (SIGRTMAX) at step 7.")),
        (Left(-50), Crash("The trainer was ended by signal 50 (a real-time signal) at step 7.")),
        (Left(EXIT_SAVED), Crash("The trainer was asked from outside to leave at step 7.")),
        (Left(0), Crash("The trainer left without a result (exit code 0) at step 7; the log may say more.")),
        (
            Left(KILLED, oom_kills=1),
            Fail("oom_host", "The kernel ended the trainer at step 7 because the machine ran out of memory."),
        ),
        (
            Left(KILLED, hung_seconds=600.4, oom_kills=1),
            Crash("The trainer gave no sign of life for 600 s at step 7; the log says where it stood.", is_hang=True),
        ),
    ],
)
def test_a_trainer_that_leaves_without_a_result(left: Left, outcome: Outcome) -> None:
    assert after_child(Said(step=7), left) == outcome


@pytest.mark.parametrize(
    ("told", "outcome"),
    [(None, Finish(EXPORTED)), ("pause", Finish(EXPORTED)), ("cancel", Cancel()), ("lost", Drop())],
)
def test_a_result_counts_unless_the_run_was_cancelled_or_lost(told: Ending | None, outcome: Outcome) -> None:
    assert after_child(Said(step=9, exported=EXPORTED), Left(0, told=told)) == outcome


@pytest.mark.parametrize("told", [None, "pause", "stopped"])
def test_what_the_trainer_says_of_its_failure_counts(told: Ending | None) -> None:
    said = Said(step=9, failed=Failed(kind="disk_full", reason="The disk is full."))

    assert after_child(said, Left(1, told=told)) == Fail("disk_full", "The disk is full.")


def test_before_there_is_a_trainer_only_the_wish_counts() -> None:
    outcomes = [after_interruption(ending) for ending in ("lost", "cancel", "keep", "pause", "stopped", "leave")]

    assert outcomes == [
        Drop(),
        Cancel(),
        Cancel(NOTHING_TO_KEEP),
        HandBack("pause"),
        HandBack("stopped"),
        HandBack("leave"),
    ]
