"""When a trainer counts as hung: by the phase, by how long its steps take, and by signs that are no events."""

import os
from pathlib import Path

import pytest

from studio.runs.events import PhaseBegan, Progressed
from studio.runs.status import Phase
from worker.watchdog import Watchdog

SECONDS = 10.0


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """The events file of a trainer."""
    path = tmp_path / "events.jsonl"
    path.write_text("{}\n")
    return path


def watch(watchdog: Watchdog, *, begin: float, end: float) -> bool:
    """Look every second, as one who never sleeps; whether it hung by the end."""
    times = [begin + second for second in range(int(end - begin) + 1)]
    return [watchdog.is_hung(now) for now in times][-1]


@pytest.mark.parametrize(("phase", "patience"), [("training", 10), ("evaluating", 10), ("loading_model", 100)])
def test_silence_that_is_longer_than_the_phase_allows_is_a_hang(events: Path, phase: Phase, patience: int) -> None:
    watchdog = Watchdog(events, SECONDS, now=0.0)
    watchdog.hear([PhaseBegan(phase=phase)], now=0.0)

    assert not watch(watchdog, begin=0, end=patience)
    assert watchdog.is_hung(patience + 1.5)


def test_a_run_with_long_steps_is_given_twenty_of_them(events: Path) -> None:
    watchdog = Watchdog(events, SECONDS, now=0.0)
    watchdog.hear([PhaseBegan(phase="training")], now=0.0)

    for step, now in [(1, 0.0), (2, 3.0), (4, 9.0)]:
        watchdog.hear([Progressed(step=step, total_steps=100)], now=now)

    # Every step took 3 s, also the two that were told at once.
    assert watchdog.patience() == 60.0


def test_a_line_or_a_touch_is_a_sign_of_life(events: Path) -> None:
    watchdog = Watchdog(events, SECONDS, now=0.0)
    watchdog.hear([PhaseBegan(phase="evaluating")], now=0.0)
    watch(watchdog, begin=0, end=9)

    with events.open("a") as stream:
        stream.write("{}\n")
    after_a_line = watch(watchdog, begin=10, end=19)
    os.utime(events, (1, 1))
    after_a_touch = watch(watchdog, begin=20, end=29)

    assert (after_a_line, after_a_touch) == (False, False)
    assert watch(watchdog, begin=30, end=32)


def test_time_in_which_the_supervisor_itself_stood_still_does_not_count(events: Path) -> None:
    watchdog = Watchdog(events, SECONDS, now=0.0)
    watchdog.hear([PhaseBegan(phase="training")], now=0.0)
    watch(watchdog, begin=0, end=5)

    assert not watchdog.is_hung(5 + 3600)
    assert watch(watchdog, begin=3606, end=3616)


def test_a_trainer_that_has_not_made_its_file_yet_is_waited_for(tmp_path: Path) -> None:
    watchdog = Watchdog(tmp_path / "events.jsonl", SECONDS, now=0.0)

    assert not watch(watchdog, begin=0, end=99)
    assert watch(watchdog, begin=100, end=102)
