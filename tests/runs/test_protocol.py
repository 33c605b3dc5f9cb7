"""The protocol's decisions: what follows a crash, what a holder does, when a reaper may act."""

import pytest

from studio.runs import GiveUp, Holder, ReapGrace, Retry
from studio.runs.protocol import AWAY_SECONDS, LEASE_SECONDS, RENEW_SECONDS, Crash, after_crash, has_progressed
from studio.runs.status import Desired

CRASHED = "The trainer crashed."


@pytest.mark.parametrize(
    ("progressed", "idle_attempts", "hangs", "is_hang", "expected"),
    [
        (False, 0, 0, False, Retry(0.0, 1, 0)),
        (False, 1, 0, False, Retry(10.0, 2, 0)),
        (False, 2, 0, False, GiveUp("failed", "crash_loop", f"{CRASHED} That was the third time in a row.")),
        (True, 0, 0, False, Retry(0.0, 0, 0)),
        (True, 2, 0, False, Retry(0.0, 0, 0)),
        (False, 0, 0, True, Retry(0.0, 1, 1)),
        (True, 0, 1, False, Retry(0.0, 0, 1)),
        (True, 0, 1, True, GiveUp("failed", "timeout", CRASHED)),
        (False, 2, 1, True, GiveUp("failed", "timeout", CRASHED)),
    ],
)
def test_what_follows_a_crash(
    progressed: bool, idle_attempts: int, hangs: int, is_hang: bool, expected: Retry | GiveUp
) -> None:
    crash = Crash("run", progressed, idle_attempts, hangs, CRASHED, is_hang)

    assert after_crash(crash) == expected


@pytest.mark.parametrize("desired", ["run", "pause", "keep"])
def test_a_crash_is_tried_again_whatever_else_a_person_wants(desired: Desired) -> None:
    assert isinstance(after_crash(Crash(desired, False, 0, 0, CRASHED)), Retry)


def test_a_crash_after_a_cancellation_is_the_cancellation() -> None:
    assert after_crash(Crash("cancel", False, 2, 1, CRASHED, is_hang=True)) == GiveUp("cancelled")


def test_crashes_end_after_three_without_and_never_with_a_new_checkpoint() -> None:
    idle_attempts, waits = 0, []
    while isinstance(verdict := after_crash(Crash("run", False, idle_attempts, 0, CRASHED)), Retry):
        idle_attempts = verdict.idle_attempts
        waits.append(verdict.delay_seconds)

    assert waits == [0.0, 10.0]
    assert all(isinstance(after_crash(Crash("run", True, count, 0, CRASHED)), Retry) for count in range(3))


@pytest.mark.parametrize(
    ("checkpoint_step", "claimed_step", "expected"),
    [(None, None, False), (4, None, True), (4, 4, False), (6, 4, True), (4, 6, False), (None, 4, False)],
)
def test_progress_is_a_checkpoint_behind_the_one_that_was_claimed(
    checkpoint_step: int | None, claimed_step: int | None, expected: bool
) -> None:
    assert has_progressed(checkpoint_step, claimed_step) is expected


@pytest.mark.parametrize("desired", ["pause", "keep", "cancel"])
def test_a_holder_does_what_it_heard_last(desired: Desired) -> None:
    holder = Holder(now=0.0)
    before = holder.verdict(1.0)

    holder.hear(desired, 2.0)
    then = holder.verdict(3.0)
    holder.hear("run", 4.0)

    assert (before, then, holder.verdict(5.0)) == ("go_on", desired, "go_on")


def test_a_holder_that_was_refused_has_lost_the_run_for_good() -> None:
    holder = Holder(now=0.0)

    holder.refused()
    holder.hear("run", 1.0)
    holder.renewed(1.0)

    assert holder.verdict(1.0) == "lost"


def test_a_holder_renews_every_ten_seconds() -> None:
    holder = Holder(now=100.0)
    at_first = holder.must_renew(100.0 + RENEW_SECONDS - 0.1)
    later = holder.must_renew(100.0 + RENEW_SECONDS)

    holder.renewed(100.0 + RENEW_SECONDS)

    assert (at_first, later, holder.must_renew(100.0 + RENEW_SECONDS + 1)) == (False, True, False)


def test_a_holder_without_a_database_trains_on_for_half_an_hour() -> None:
    holder = Holder(now=0.0)
    holder.hear("run", 60.0)

    assert holder.verdict(60.0 + AWAY_SECONDS - 1) == "go_on"
    assert holder.verdict(60.0 + AWAY_SECONDS) == "leave"


def test_a_reaper_holds_back_for_a_lease_after_its_start_and_after_an_outage() -> None:
    grace = ReapGrace(now=0.0)
    at_start = [grace.is_over(LEASE_SECONDS - 1), grace.is_over(LEASE_SECONDS)]

    grace.begin(now=500.0)

    assert at_start == [False, True]
    assert [grace.is_over(500.0 + LEASE_SECONDS - 1), grace.is_over(500.0 + LEASE_SECONDS)] == [False, True]
